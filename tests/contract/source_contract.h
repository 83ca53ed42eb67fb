// What every Source must do, whatever it reads from. Instantiate it for a harness:
//
//   class CsvHarness : public SourceHarness { … };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Csv, SourceContract, CsvHarness);
#ifndef TSINGEST_TESTS_CONTRACT_SOURCE_CONTRACT_H_
#define TSINGEST_TESTS_CONTRACT_SOURCE_CONTRACT_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "support/source_reader.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::testing {

// Owns some input and makes sources over it. Default-constructible.
class SourceHarness {
 public:
  virtual ~SourceHarness() = default;
  // A source over all of the input, as a new run of the program would make it. Several may exist,
  // one after the other.
  virtual std::unique_ptr<Source> MakeSource() = 0;
  // The payloads of the input, in order, by stream name. At least two messages in all.
  virtual std::map<std::string, std::vector<std::string>> Expected() = 0;
  // How long a Poll() may take to give the next message.
  virtual Duration Patience() { return std::chrono::seconds(0); }
};

template <class Harness>
class SourceContract : public ::testing::Test {
 protected:
  std::size_t ExpectedCount() {
    std::size_t count = 0;
    for (const auto& [name, payloads] : harness_.Expected()) count += payloads.size();
    return count;
  }

  struct Run {
    std::unique_ptr<Source> source;
    std::unique_ptr<SourceReader> reader;
  };
  Run Start(SourceReader::Stored stored = {}) {
    Run run;
    run.source = harness_.MakeSource();
    run.reader =
        std::make_unique<SourceReader>(*run.source, harness_.Patience(), std::move(stored));
    const absl::Status status = run.source->Open(*run.reader);
    EXPECT_TRUE(status.ok()) << status;
    return run;
  }

  Harness harness_;
};
TYPED_TEST_SUITE_P(SourceContract);

TYPED_TEST_P(SourceContract, GivesEveryMessageOnceAndInOrder) {
  auto run = this->Start();
  const absl::Status status = run.reader->ReadAll(this->ExpectedCount());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(run.reader->Payloads(), this->harness_.Expected());
  EXPECT_TRUE(run.source->Health().ok());
  EXPECT_TRUE(run.source->Close().ok());
}

TYPED_TEST_P(SourceContract, AssignsEachStreamBeforeItsFirstMessage) {
  auto run = this->Start();
  ASSERT_TRUE(run.reader->ReadAll(this->ExpectedCount()).ok());
  EXPECT_FALSE(run.reader->unassigned);
  std::set<std::string> names;
  for (const auto& [stream, name] : run.reader->names) names.insert(name);
  EXPECT_EQ(names.size(), run.reader->names.size());
}

TYPED_TEST_P(SourceContract, PositionsOfAStreamGrowFromWhereSeekSaid) {
  auto run = this->Start();
  ASSERT_TRUE(run.reader->ReadAll(this->ExpectedCount()).ok());
  for (const auto& [stream, messages] : run.reader->received) {
    std::int64_t behind = run.reader->starts.at(stream);
    for (const ReceivedMessage& message : messages) {
      EXPECT_EQ(message.position.stream, stream);
      EXPECT_GE(message.position.offset, behind);
      EXPECT_GT(message.position.next, message.position.offset);
      behind = message.position.next;
    }
  }
}

TYPED_TEST_P(SourceContract, AMessageNotTakenIsGivenAgain) {
  auto run = this->Start();
  int calls = 0;
  // Every second offer is refused, the very first one included.
  const absl::Status status =
      run.reader->ReadAll(this->ExpectedCount(), [&] { return ++calls % 2 == 0; });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(run.reader->Payloads(), this->harness_.Expected());
}

TYPED_TEST_P(SourceContract, GivesNothingWhilePaused) {
  auto run = this->Start();
  int calls = 0;
  const auto take_one = [&] { return ++calls == 1; };
  while (run.reader->polled == 0) ASSERT_TRUE(run.reader->Poll(take_one).ok());
  run.source->Pause();
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<PollState> state = run.reader->Poll();
    ASSERT_TRUE(state.ok());
    EXPECT_NE(*state, PollState::kEnd);
  }
  EXPECT_EQ(run.reader->polled, 1u);
  run.source->Resume();
  ASSERT_TRUE(run.reader->ReadAll(this->ExpectedCount()).ok());
  EXPECT_EQ(run.reader->Payloads(), this->harness_.Expected());
}

TYPED_TEST_P(SourceContract, CommitsMayBeRepeatedAndDoNotDisturbReading) {
  auto run = this->Start();
  while (run.reader->polled == 0) ASSERT_TRUE(run.reader->Poll().ok());
  for (const auto& [stream, messages] : run.reader->received) {
    EXPECT_TRUE(run.source->Commit(stream, messages.back().position.next).ok());
    EXPECT_TRUE(run.source->Commit(stream, messages.back().position.next).ok());
    EXPECT_TRUE(run.source->Commit(stream, messages.front().position.next).ok());
  }
  ASSERT_TRUE(run.reader->ReadAll(this->ExpectedCount()).ok());
  EXPECT_EQ(run.reader->Payloads(), this->harness_.Expected());
}

TYPED_TEST_P(SourceContract, NamesStreamsTheSameInEveryRun) {
  auto first = this->Start();
  ASSERT_TRUE(first.reader->ReadAll(this->ExpectedCount()).ok());
  auto second = this->Start();
  ASSERT_TRUE(second.reader->ReadAll(this->ExpectedCount()).ok());
  EXPECT_EQ(first.reader->details, second.reader->details);
  for (const auto& [name, payloads] : this->harness_.Expected()) {
    EXPECT_TRUE(first.reader->details.contains(name)) << name;
  }
}

// Wherever a run stopped, the next one goes on there: nothing twice, nothing left out.
TYPED_TEST_P(SourceContract, ResumesBehindAnyMessage) {
  auto whole = this->Start();
  if (!whole.source->Replayable()) GTEST_SKIP() << "not replayable";
  ASSERT_TRUE(whole.reader->ReadAll(this->ExpectedCount()).ok());
  for (const auto& [stream, messages] : whole.reader->received) {
    const std::string& name = whole.reader->names.at(stream);
    const StoredPosition beginning = {whole.reader->starts.at(stream),
                                      whole.reader->details.at(name)};
    for (std::size_t i = 0; i <= messages.size(); ++i) {
      StoredPosition stored = beginning;
      if (i != 0) stored.next = messages[i - 1].position.next;
      auto rest = this->Start({{name, stored}});
      const absl::Status status = rest.reader->ReadAll(this->ExpectedCount() - i);
      ASSERT_TRUE(status.ok()) << status;
      auto expected = this->harness_.Expected();
      auto& payloads = expected.at(name);
      payloads.erase(payloads.begin(), payloads.begin() + static_cast<std::ptrdiff_t>(i));
      if (payloads.empty()) expected.erase(name);
      EXPECT_EQ(rest.reader->Payloads(), expected) << name << " behind message " << i;
    }
  }
}

TYPED_TEST_P(SourceContract, GivesTheSamePositionsAfterResuming) {
  auto whole = this->Start();
  if (!whole.source->Replayable()) GTEST_SKIP() << "not replayable";
  ASSERT_TRUE(whole.reader->ReadAll(this->ExpectedCount()).ok());
  SourceReader::Stored stored;
  for (const auto& [stream, messages] : whole.reader->received) {
    const std::string& name = whole.reader->names.at(stream);
    stored[name] = {messages.front().position.next, whole.reader->details.at(name)};
  }
  auto rest = this->Start(stored);
  ASSERT_TRUE(rest.reader->ReadAll(this->ExpectedCount() - stored.size()).ok());
  std::map<std::string, std::vector<std::int64_t>> expected;
  std::map<std::string, std::vector<std::int64_t>> offsets;
  for (const auto& [stream, messages] : whole.reader->received) {
    for (std::size_t i = 1; i < messages.size(); ++i) {
      expected[whole.reader->names.at(stream)].push_back(messages[i].position.offset);
    }
  }
  for (const auto& [stream, messages] : rest.reader->received) {
    for (const ReceivedMessage& message : messages) {
      offsets[rest.reader->names.at(stream)].push_back(message.position.offset);
    }
  }
  EXPECT_EQ(offsets, expected);
}

TYPED_TEST_P(SourceContract, AFailedAssignmentIsTheSourcesError) {
  class Refusing final : public SourceListener {
   public:
    absl::Status OnAssigned(std::span<const StreamId>) override {
      return absl::AbortedError("claimed by another instance");
    }
    void OnRevoked(std::span<const StreamId>, bool) override {}
  } listener;
  const std::unique_ptr<Source> source = this->harness_.MakeSource();
  absl::Status status = source->Open(listener);
  int messages = 0;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    const MonotonicTime deadline = SystemClock().Now() + this->harness_.Patience();
    status = source->Poll(deadline, [&](const Message&) { return ++messages > 0; }).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_EQ(messages, 0);
}

TYPED_TEST_P(SourceContract, MayBeClosedAtAnyTime) {
  { const std::unique_ptr<Source> unopened = this->harness_.MakeSource(); }
  auto run = this->Start();
  while (run.reader->polled == 0) ASSERT_TRUE(run.reader->Poll([] { return true; }).ok());
  EXPECT_TRUE(run.source->Close().ok());
  EXPECT_TRUE(run.source->Close().ok());
}

REGISTER_TYPED_TEST_SUITE_P(SourceContract, GivesEveryMessageOnceAndInOrder,
                            AssignsEachStreamBeforeItsFirstMessage,
                            PositionsOfAStreamGrowFromWhereSeekSaid, AMessageNotTakenIsGivenAgain,
                            GivesNothingWhilePaused, CommitsMayBeRepeatedAndDoNotDisturbReading,
                            NamesStreamsTheSameInEveryRun, ResumesBehindAnyMessage,
                            GivesTheSamePositionsAfterResuming, AFailedAssignmentIsTheSourcesError,
                            MayBeClosedAtAnyTime);

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_CONTRACT_SOURCE_CONTRACT_H_
