// SinkHarness: a PostgresSink with a writer, fed with rows by hand.
#ifndef TSINGEST_TESTS_SUPPORT_POSTGRES_SINK_HARNESS_H_
#define TSINGEST_TESTS_SUPPORT_POSTGRES_SINK_HARNESS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/sink/postgres.h"

namespace tsingest::testing {

// The sink's options; the test server has options of its own.
using SinkOptions = tsingest::PostgresOptions;

// A gate that a test opens and shuts. It is open at first. Thread-safe.
class TestGate final : public CommitGate {
 public:
  Turn Wait(bool holding_locks) override {
    absl::MutexLock lock(&mutex_);
    ++waits_;
    changed_.SignalAll();
    for (;; changed_.Wait(&mutex_)) {
      if (cancelled_) return Turn::kCancel;
      if (open_) return Turn::kGo;
      if (yield_ && holding_locks) {
        ++yields_;
        changed_.SignalAll();
        return Turn::kYield;
      }
    }
  }
  void AskOthersToYield() override {
    ++asked_to_yield;
    if (on_ask) on_ask();
  }
  bool Cancelled() const override {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }
  void Backoff(Duration length) override {
    constexpr int kTooMany = 300;  // a test that waits for what never comes fails, not hangs
    const int count = ++backoffs;
    if (on_backoff) on_backoff(count);
    absl::MutexLock lock(&mutex_);
    if (count >= kTooMany) cancelled_ = true;
    const absl::Time until =
        absl::Now() + absl::FromChrono(std::min<Duration>(length, std::chrono::milliseconds(100)));
    while (!cancelled_ && !changed_.WaitWithDeadline(&mutex_, until)) {
    }
  }

  void Shut() {
    Set([this] { open_ = false; });
  }
  void Open() {
    Set([this] { open_ = true; });
  }
  void Cancel() {
    Set([this] { cancelled_ = true; });
  }
  // Whoever waits with a transaction open is told to yield.
  void TellToYield() {
    Set([this] { yield_ = true; });
  }
  // Until Wait() has been called so often.
  void AwaitWaits(int count) {
    absl::MutexLock lock(&mutex_);
    while (waits_ < count) changed_.Wait(&mutex_);
  }
  int yields() const {
    absl::MutexLock lock(&mutex_);
    return yields_;
  }

  std::atomic<int> asked_to_yield{0};
  std::atomic<int> backoffs{0};
  std::function<void()> on_ask;
  std::function<void(int count)> on_backoff;

 private:
  void Set(const std::function<void()>& change) {
    absl::MutexLock lock(&mutex_);
    change();
    changed_.SignalAll();
  }

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool open_ = true;
  bool yield_ = false;
  bool cancelled_ = false;
  int waits_ = 0;
  int yields_ = 0;
};

// What a sink has said. Thread-safe.
class LogLines {
 public:
  std::function<void(absl::LogSeverity, std::string_view)> Function() {
    return [this](absl::LogSeverity, std::string_view text) {
      absl::MutexLock lock(&mutex_);
      text_.append(text).append("\n");
    };
  }
  std::string Text() const {
    absl::MutexLock lock(&mutex_);
    return text_;
  }
  bool Has(std::string_view part) const { return Text().find(part) != std::string::npos; }

 private:
  mutable absl::Mutex mutex_;
  std::string text_;
};

// One sink, one writer, one stream ("s", id 0) whose batches follow each other.
template <Described M>
class SinkHarness {
 public:
  explicit SinkHarness(SinkOptions options) {
    options.log = log.Function();
    sink_ = std::make_unique<PostgresSink<M>>(std::move(options));
  }

  PostgresSink<M>& sink() { return *sink_; }
  TestGate& gate() { return gate_; }

  // Opens, claims the stream, makes the writer.
  absl::Status Open() {
    if (absl::Status status = sink_->Open(); !status.ok()) return status;
    return Claim();
  }
  absl::Status Claim() {
    const StreamClaim claim{.stream = 0, .name = "s", .detail = "made by a test"};
    auto positions = sink_->Claim({&claim, 1});
    if (!positions.ok()) return positions.status();
    stored_ = positions->front();
    next_ = stored_.has_value() ? stored_->next : 0;
    if (!stored_.has_value()) {
      if (absl::Status status = sink_->SetInitial(0, 0); !status.ok()) return status;
    }
    auto writer = sink_->NewWriter();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return absl::OkStatus();
  }
  // The stream's position as Claim() found it.
  const std::optional<StoredPosition>& stored() const { return stored_; }

  // Writes the rows as one batch, each row from a message of its own with the payload "row N" and
  // the line N + 1, N counting from the stream's begin. The position goes on when it succeeds.
  absl::StatusOr<WriteResult> Write(const std::vector<M>& rows) {
    Batch<M> batch;
    Fill(batch, rows);
    return Write(batch, rows.size());
  }
  absl::StatusOr<WriteResult> Write(Batch<M>& batch, std::size_t messages) {
    auto result = writer_->Write(batch, gate_);
    if (result.ok()) next_ += static_cast<std::int64_t>(messages);
    return result;
  }
  void Fill(Batch<M>& batch, const std::vector<M>& rows) {
    batch.rows = rows;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      AddMessage(batch);
      batch.row_message.push_back(static_cast<std::uint32_t>(i));
    }
  }
  // One more message; its number in the batch.
  std::uint32_t AddMessage(Batch<M>& batch) {
    const auto number = static_cast<std::uint32_t>(batch.meta.messages.size());
    const std::int64_t offset = next_ + number;
    batch.meta.messages.push_back({.payload = batch.arena.Copy("row " + std::to_string(offset)),
                                   .topic = "t",
                                   .position = {.stream = 0, .offset = offset, .next = offset + 1},
                                   .line = offset + 1});
    batch.meta.ranges = {{.stream = 0, .first = next_, .next = offset + 1}};
    return number;
  }

  std::int64_t next() const { return next_; }

  LogLines log;

 private:
  std::unique_ptr<PostgresSink<M>> sink_;
  std::unique_ptr<SinkWriter<M>> writer_;
  TestGate gate_;
  std::optional<StoredPosition> stored_;
  std::int64_t next_ = 0;
};

// `written/deduplicated/dead_lettered`, or the error.
inline std::string Outcome(const absl::StatusOr<WriteResult>& result) {
  if (!result.ok()) return std::string(result.status().ToString());
  return std::to_string(result->written) + "/" + std::to_string(result->deduplicated) + "/" +
         std::to_string(result->dead_lettered);
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_POSTGRES_SINK_HARNESS_H_
