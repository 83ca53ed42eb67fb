// A pipeline from a FakeSource to a FakeDatabase, and what must hold after every run.
#ifndef TSINGEST_TESTS_SUPPORT_PIPELINE_FIXTURE_H_
#define TSINGEST_TESTS_SUPPORT_PIPELINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_sink.h"
#include "support/fake_source.h"
#include "support/test_row.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/pipeline.h"

namespace tsingest::testing {

using TestPipeline = Pipeline<TestRow, WordDecoder>;

// Payloads "first", "first+1" … : one row each.
inline std::vector<std::string> Numbers(std::int64_t first, std::int64_t count) {
  std::vector<std::string> payloads;
  for (std::int64_t i = 0; i < count; ++i) payloads.push_back(std::to_string(first + i));
  return payloads;
}
inline std::vector<std::int64_t> Sequence(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(first + i);
  return ids;
}

// Keeps what the pipeline tells. Thread-safe.
class RecordingObserver : public PipelineObserver {
 public:
  void OnStateChange(PipelineState state, std::string_view) override {
    Note(std::string(PipelineStateName(state)));
  }
  void OnStream(std::string_view stream, StreamEvent event, std::int64_t position) override {
    Note(std::string(stream) + " " + std::string(StreamEventName(event)) + " " +
         std::to_string(position));
  }
  void OnReject(const RejectReport& reject) override {
    Note("reject " + std::string(reject.stream) + "@" + std::to_string(reject.position.offset) +
         " " + std::string(reject.payload) + ": " + std::string(reject.reason));
  }
  void OnBatchWritten(const BatchReport& batch) override {
    MutexLock lock(&mutex_);
    batches_.push_back(batch);
  }
  void OnCommitFailed(std::string_view stream, const absl::Status& status) override {
    Note("commit of " + std::string(stream) + " failed: " + std::string(status.message()));
  }
  void OnHealthChange(std::string_view part, const absl::Status& health) override {
    Note(std::string(part) + (health.ok() ? " well" : " sick: " + std::string(health.message())));
  }

  std::vector<std::string> notes() const {
    MutexLock lock(&mutex_);
    return notes_;
  }
  std::vector<BatchReport> batches() const {
    MutexLock lock(&mutex_);
    return batches_;
  }

 private:
  void Note(std::string text) {
    MutexLock lock(&mutex_);
    notes_.push_back(std::move(text));
  }
  mutable Mutex mutex_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mutex_);
  std::vector<BatchReport> batches_ ABSL_GUARDED_BY(mutex_);
};

// Make*() what the test needs, change it, then Run().
class PipelineFixture : public ::testing::Test {
 protected:
  void MakeSource(std::vector<FakeStream> streams, FakeSourceOptions options = {}) {
    source_ = std::make_unique<FakeSource>(std::move(streams), options);
    // Promise 2: what is acknowledged is stored.
    source_->on_commit = [this](StreamId stream, std::int64_t next) {
      const auto stored = database_.StoredNext(std::string(source_->StreamName(stream)));
      if (sink_options_.transactional) {
        EXPECT_TRUE(stored.has_value() && *stored >= next) << "acknowledged before it was stored";
      }
      return absl::OkStatus();
    };
  }
  void MakeSink(FakeSinkOptions options = {}) {
    sink_options_ = options;
    sink_ = std::make_unique<FakeSink>(database_, options);
  }
  TestPipeline& MakePipeline() {
    if (sink_ == nullptr) MakeSink(sink_options_);
    hooks_.observer = &observer_;
    pipeline_ =
        clock_ == nullptr
            ? std::make_unique<TestPipeline>(*source_, *sink_, decoder_, options_, hooks_)
            : std::make_unique<TestPipeline>(*source_, *sink_, decoder_, options_, hooks_, *clock_);
    return *pipeline_;
  }
  RunResult Run() {
    if (pipeline_ == nullptr) MakePipeline();
    RunResult result = pipeline_->Run();
    EXPECT_TRUE(result.counters.balance.Holds());
    EXPECT_FALSE(source_->went_back);
    EXPECT_EQ(pipeline_->state(), PipelineState::kStopped);
    if (result.status.ok()) {
      EXPECT_EQ(result.counters.balance.in_flight, 0u);
    }
    return result;
  }

  FakeDatabase database_;
  FakeSinkOptions sink_options_;
  PipelineOptions options_;
  TestPipeline::Hooks hooks_;
  RecordingObserver observer_;
  WordDecoder decoder_;
  FakeClock* clock_ = nullptr;
  std::unique_ptr<FakeSource> source_;
  std::unique_ptr<FakeSink> sink_;
  std::unique_ptr<TestPipeline> pipeline_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_PIPELINE_FIXTURE_H_
