#include "tsingest/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "support/notification.h"
#include "support/pipeline_fixture.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;
using testing::Numbers;
using testing::Sequence;

class PipelineTest : public testing::PipelineFixture {};

TEST_F(PipelineTest, WritesEverythingOfABoundedSource) {
  MakeSource({{"a", Numbers(0, 1000)}, {"b", Numbers(5000, 300)}});
  options_ = {.batch_rows = 64, .writers = 3};
  const RunResult result = Run();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.end, RunEnd::kFinished);
  std::vector<std::int64_t> expected = Sequence(0, 1000);
  for (const std::int64_t id : Sequence(5000, 300)) expected.push_back(id);
  EXPECT_EQ(database_.SortedRows(), expected);
  EXPECT_EQ(result.counters.balance.received, 1300u);
  EXPECT_EQ(result.counters.balance.written, 1300u);
  EXPECT_EQ(result.counters.messages, 1300u);
  EXPECT_EQ(source_->committed(0), 1000);
  EXPECT_EQ(source_->committed(1), 300);
  EXPECT_TRUE(source_->closed);
  EXPECT_TRUE(sink_->closed);
}

TEST_F(PipelineTest, CommitsInOrderWithManyWriters) {
  MakeSource({{"a", Numbers(0, 2000)}});
  options_ = {.batch_rows = 10, .writers = 4};
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 2000));
  EXPECT_EQ(database_.commits(), 200u);
}

TEST_F(PipelineTest, BatchesAreAsLargeAsTheSinkLikesThem) {
  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink({.preferred_batch_rows = 25});
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.commits(), 4u);
}

TEST_F(PipelineTest, TheSinksWishYieldsToTheOptions) {
  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink({.preferred_batch_rows = 25});
  options_ = {.batch_rows = 50};
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.commits(), 2u);
}

TEST_F(PipelineTest, AnEmptySourceIsFine) {
  MakeSource({{"a", {}}});
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.balance.received, 0u);
  EXPECT_EQ(database_.commits(), 0u);
}

TEST_F(PipelineTest, GoesOnWhereTheLastRunStopped) {
  MakeSource({{"a", Numbers(0, 100)}});
  options_.limit = 40;
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.StoredNext("a"), 40);
  EXPECT_EQ(database_.StoredDetail("a"), "detail of a");

  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink();
  options_.limit.reset();
  MakePipeline();
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 100));
  EXPECT_THAT(observer_.notes(), Contains("a started 0"));
  EXPECT_THAT(observer_.notes(), Contains("a resumed 40"));
}

TEST_F(PipelineTest, ABadMessageCostsNoneOfItsNeighbours) {
  std::vector<std::string> payloads = Numbers(0, 100);
  payloads[33] = "33 oops";
  MakeSource({{"a", payloads}});
  source_->on_message = [](Message& message) { message.line = message.position.offset + 2; };
  const RunResult result = Run();
  ASSERT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.balance.received, 100u);
  EXPECT_EQ(result.counters.balance.written, 99u);
  EXPECT_EQ(result.counters.balance.dead_lettered, 1u);
  EXPECT_EQ(result.counters.rejects[static_cast<std::size_t>(RejectCode::kType)], 1u);
  ASSERT_EQ(database_.Letters().size(), 1u);
  EXPECT_EQ(database_.Letters()[0],
            (testing::FakeDatabase::Letter{.stream = "a",
                                           .position = 33,
                                           .code = "type",
                                           .reason = "line 35: id: \"oops\" is not a number",
                                           .payload = "33 oops"}));
  EXPECT_THAT(observer_.notes(),
              Contains("reject a@33 33 oops: line 35: id: \"oops\" is not a number"));
}

TEST_F(PipelineTest, RowsThatTheSinkRefusesAreCountedAsServerRejects) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakeSink({.poison_id = 5});
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.balance.written, 9u);
  EXPECT_EQ(result.counters.rejects[static_cast<std::size_t>(RejectCode::kServer)], 1u);
}

TEST_F(PipelineTest, OnlyBadInputFinishesToo) {
  MakeSource({{"a", std::vector<std::string>(5000, "bad")}});
  options_.batch_rows = 100;
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.balance.dead_lettered, 5000u);
  EXPECT_EQ(source_->committed(), 5000);
}

TEST_F(PipelineTest, AMessageWhoseEndWasLeftOutIsARejectAndNeverARow) {
  MakeSource({{"a", {"1", "2", "3"}}});
  source_->on_message = [](Message& message) {
    if (message.position.offset == 1) message.omitted_bytes = 999;
  };
  ASSERT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(database_.Letters().at(0).code, "limit");
  EXPECT_THAT(database_.Letters().at(0).reason, HasSubstr("1000 bytes"));
}

TEST_F(PipelineTest, ATombstoneGivesNoRowButIsAcknowledged) {
  MakeSource({{"a", {"1", "", "3"}}});
  source_->on_message = [](Message& message) { message.is_null = message.payload.empty(); };
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.balance.received, 2u);
  EXPECT_EQ(result.counters.messages, 3u);
  EXPECT_EQ(source_->committed(), 3);
}

TEST_F(PipelineTest, ASinkThatIsAwayPausesAndLosesNothing) {
  MakeSource({{"a", Numbers(0, 500)}});
  MakeSink();
  sink_->fault = [](std::uint64_t sequence, int attempt) {
    return sequence % 3 == 0 && attempt < 4 ? Fault::kUnavailable : Fault::kNone;
  };
  options_ = {.batch_rows = 20, .writers = 2};
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 500));
  EXPECT_EQ(result.counters.retries, 8u * 4u);
}

TEST_F(PipelineTest, ALostAnswerToCommitDoublesNothing) {
  MakeSource({{"a", Numbers(0, 200)}});
  MakeSink();
  sink_->fault = [](std::uint64_t sequence, int attempt) {
    if (attempt > 0) return Fault::kNone;
    return sequence % 2 == 0 ? Fault::kLostAnswer : Fault::kLostCommit;
  };
  options_ = {.batch_rows = 10, .writers = 3};
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 200));
}

TEST_F(PipelineTest, ALaterBatchThatHoldsTheNeededLockYields) {
  // Batch 2 sends its row first and keeps the lock on id 7 while it waits for batch 1, which has
  // the same id: without yielding neither could go on.
  MakeSource({{"a", {"7", "7", "8"}}});
  MakeSink({.unique_ids = true});
  testing::Notification second_sent;
  sink_->fault = [&](std::uint64_t sequence, int attempt) {
    if (sequence == 1 && attempt == 0) second_sent.Wait();
    return Fault::kNone;
  };
  std::atomic<bool> notified{false};
  sink_->on_sent = [&](std::uint64_t sequence) {
    if (sequence == 2 && !notified.exchange(true)) second_sent.Notify();
  };
  options_ = {.batch_rows = 1, .writers = 2};
  const RunResult result = Run();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(database_.Rows(), (std::vector<std::int64_t>{7, 8}));
  EXPECT_EQ(result.counters.balance.deduplicated, 1u);
  EXPECT_GE(result.counters.yields, 1u);
  EXPECT_GE(sink_->lock_conflicts.load(), 1);
}

TEST_F(PipelineTest, WhatCanNeverWorkEndsTheRunAndKeepsWhatIsWritten) {
  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink();
  sink_->fault = [](std::uint64_t sequence, int) {
    return sequence == 5 ? Fault::kConfiguration : Fault::kNone;
  };
  options_ = {.batch_rows = 10, .writers = 4};
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(result.status.message(), "no such table");
  EXPECT_EQ(result.end, RunEnd::kFailed);
  EXPECT_EQ(database_.Rows(), Sequence(0, 40));
  EXPECT_EQ(source_->committed(), 40);
  EXPECT_GE(result.counters.balance.in_flight, 10u);
}

TEST_F(PipelineTest, AnOwnerThatWasFencedEndsWithThatError) {
  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink();
  sink_->on_commit = [this](const BatchMeta& meta) {
    const StreamClaim claim{.stream = 0, .name = "a", .detail = ""};
    if (meta.sequence == 3) database_.Claim({&claim, 1}, 999);
  };
  options_ = {.batch_rows = 10, .writers = 2};
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(database_.Rows(), Sequence(0, 20));
  EXPECT_EQ(source_->committed(), 20);
}

TEST_F(PipelineTest, ASinkThatMiscountsIsAnInternalError) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakeSink();
  sink_->fault = [](std::uint64_t, int) { return Fault::kBadAccount; };
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("11 written"));
  EXPECT_EQ(source_->committed(), 0);
}

TEST_F(PipelineTest, ASinkThatGivesUpUnaskedEndsTheRun) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakeSink();
  sink_->fault = [](std::uint64_t, int) { return Fault::kGivesUp; };
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(result.end, RunEnd::kFailed);
  EXPECT_EQ(result.counters.balance.in_flight, 10u);
}

TEST_F(PipelineTest, ASourceThatFailsEndsTheRunAfterWhatItGaveIsWritten) {
  MakeSource({{"a", Numbers(0, 100)}}, {.chunk = 7});
  source_->on_poll = [this] {
    return source_->polls > 3 ? absl::DataLossError("file was truncated") : absl::OkStatus();
  };
  const RunResult result = Run();
  EXPECT_EQ(result.status.message(), "file was truncated");
  EXPECT_EQ(result.end, RunEnd::kFailed);
  EXPECT_EQ(database_.Rows(), Sequence(0, 21));
  EXPECT_EQ(source_->committed(), 21);
}

TEST_F(PipelineTest, ASourceThatGoesBackEndsTheRun) {
  MakeSource({{"a", Numbers(0, 100)}}, {.chunk = 10});
  source_->on_poll = [this] {
    if (source_->polls == 4) source_->GoBack(0, 5);
    return absl::OkStatus();
  };
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("goes backward"));
}

TEST_F(PipelineTest, AFailedAcknowledgementIsReportedAndNotFatal) {
  MakeSource({{"a", Numbers(0, 30)}});
  source_->on_commit = [](StreamId, std::int64_t) { return absl::UnavailableError("broker away"); };
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 30));
  EXPECT_GE(result.counters.commit_failures, 1u);
  EXPECT_THAT(observer_.notes(), Contains("commit of a failed: broker away"));
}

TEST_F(PipelineTest, MaxRejectsEndsTheRunAfterWritingWhatWasReceived) {
  std::vector<std::string> payloads = Numbers(0, 1000);
  for (const std::size_t bad : {3, 5, 9}) payloads[bad] = "bad";
  MakeSource({{"a", payloads}});
  options_.max_rejects = 2;
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("3 rows were rejected, more than 2"));
  EXPECT_EQ(result.counters.balance.received, 10u);
  EXPECT_EQ(result.counters.balance.in_flight, 0u);
  EXPECT_EQ(source_->committed(), 10);
}

TEST_F(PipelineTest, MaxRejectsThatIsNotPassedDoesNotEndTheRun) {
  MakeSource({{"a", {"1", "bad", "bad", "4"}}});
  options_.max_rejects = 2;
  EXPECT_TRUE(Run().status.ok());
}

TEST_F(PipelineTest, LimitCountsMessagesThatGaveSomething) {
  MakeSource({{"a", {"1", "", "bad", "4 5", "6", "7"}}});
  options_.limit = 3;
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.end, RunEnd::kFinished);
  EXPECT_EQ(database_.Rows(), (std::vector<std::int64_t>{1, 4, 5}));
  EXPECT_EQ(source_->committed(), 4);
}

TEST_F(PipelineTest, NonTransactionalSinksGetPositionsFromTheSourceOnly) {
  MakeSource({{"a", Numbers(0, 300)}});
  MakeSink({.transactional = false});
  options_ = {.batch_rows = 7, .writers = 4};
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.SortedRows(), Sequence(0, 300));
  EXPECT_EQ(database_.StoredNext("a"), std::nullopt);
  EXPECT_EQ(source_->committed(), 300);
}

TEST_F(PipelineTest, OnlyAContiguousPrefixIsAcknowledged) {
  MakeSource({{"a", Numbers(0, 30)}});
  MakeSink({.transactional = false});
  testing::Notification release;
  sink_->fault = [&](std::uint64_t sequence, int) {
    if (sequence == 1) release.Wait();
    return Fault::kNone;
  };
  source_->on_commit = [&](StreamId, std::int64_t next) {
    EXPECT_TRUE(release.HasBeenNotified()) << "acknowledged " << next << " before batch 1";
    return absl::OkStatus();
  };
  std::atomic<int> written{0};
  sink_->on_sent = [&](std::uint64_t) {
    if (++written == 2) release.Notify();
  };
  options_ = {.batch_rows = 10, .writers = 3};
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(source_->committed(), 30);
}

TEST_F(PipelineTest, AnExhaustedWindowIsFlushedAndAcknowledgedAtOnce) {
  testing::FakeClock clock;
  clock_ = &clock;
  MakeSource({{"mqtt", Numbers(0, 200)}}, {.replayable = false, .window = 20, .clock = &clock});
  options_ = {.linger = std::chrono::hours(1)};
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.counters.batches, 10u);
  EXPECT_EQ(result.counters.flushes[static_cast<std::size_t>(FlushReason::kWindow)], 10u);
  EXPECT_LT(result.elapsed, std::chrono::minutes(1)) << "did not wait for linger";
}

TEST_F(PipelineTest, LingerFlushesAnUnfilledBatchInTime) {
  testing::FakeClock clock;
  clock_ = &clock;
  MakeSource({{"a", Numbers(0, 10)}}, {.bounded = false, .clock = &clock});
  options_ = {.linger = milliseconds(250)};
  MakePipeline();
  source_->on_commit = [&](StreamId, std::int64_t next) {
    if (next == 10) pipeline_->Stop();
    return absl::OkStatus();
  };
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.end, RunEnd::kStopped);
  EXPECT_EQ(result.counters.flushes[static_cast<std::size_t>(FlushReason::kLinger)], 1u);
  ASSERT_EQ(observer_.batches().size(), 1u);
  EXPECT_GE(observer_.batches()[0].age, milliseconds(250));
  EXPECT_EQ(observer_.batches()[0].reason, FlushReason::kLinger);
}

TEST_F(PipelineTest, WaitingForMessagesIsNotBusy) {
  testing::FakeClock clock;
  clock_ = &clock;
  MakeSource({{"a", Numbers(0, 1)}}, {.bounded = false, .clock = &clock});
  options_ = {.linger = seconds(1)};
  MakePipeline();
  const MonotonicTime began = clock.Now();
  source_->on_poll = [&] {
    if (clock.Now() - began > seconds(10)) pipeline_->Stop();
    return absl::OkStatus();
  };
  EXPECT_TRUE(Run().status.ok());
  EXPECT_LE(source_->polls, 10u * 10 + 10);  // ten a second
}

TEST_F(PipelineTest, MemoryStaysBelowTheBoundWhileTheSinkIsAway) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 3000; ++i) {
    payloads.push_back(std::to_string(i) +
                       std::string(static_cast<std::size_t>(i * 97 % 5000), ' '));
  }
  MakeSource({{"a", payloads}}, {.replayable = false});
  MakeSink();
  testing::Notification heal;
  sink_->fault = [&](std::uint64_t, int) {
    heal.Wait();
    return Fault::kNone;
  };
  source_->on_poll = [&] {  // the source is paused, and kept alive
    if (source_->paused_polls == 2 && !heal.HasBeenNotified()) heal.Notify();
    return absl::OkStatus();
  };
  options_ = {.batch_rows = 50, .buffer_bytes = 2 << 20, .writers = 2};
  const RunResult result = Run();
  ASSERT_TRUE(result.status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 3000));
  EXPECT_EQ(source_->pauses, 1u);
  EXPECT_EQ(result.counters.pauses, 1u);
  EXPECT_LE(result.counters.buffered_bytes_peak, 2 << 20);
  EXPECT_GE(result.counters.buffered_bytes_peak, 1 << 20) << "the buffer is used";
  EXPECT_THAT(observer_.notes(), Contains("paused"));
}

TEST_F(PipelineTest, AReplayableSourceIsNotReadFarAhead) {
  MakeSource({{"a", Numbers(0, 100'000)}});
  MakeSink();
  testing::Notification heal;
  sink_->fault = [&](std::uint64_t, int) {
    heal.Wait();
    return Fault::kNone;
  };
  source_->on_poll = [&] {
    if (source_->paused_polls == 1 && !heal.HasBeenNotified()) {
      EXPECT_LE(source_->next(), 100 * (2 + 3 + 1));
      heal.Notify();
    }
    return absl::OkStatus();
  };
  options_ = {.batch_rows = 100, .writers = 2};
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows().size(), 100'000u);
}

TEST_F(PipelineTest, AMessageLargerThanTheBufferStillPasses) {
  MakeSource({{"a", {"1", "2" + std::string(5 << 20, ' '), "3"}}});
  options_ = {.buffer_bytes = 1 << 20};
  const RunResult result = Run();
  ASSERT_TRUE(result.status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(1, 3));
  EXPECT_GE(result.counters.batches, 3u);
}

TEST_F(PipelineTest, StopDrainsWhatWasReceived) {
  MakeSource({{"a", Numbers(0, 100'000)}}, {.bounded = false, .chunk = 10});
  MakePipeline();
  source_->on_poll = [&] {
    if (source_->polls == 20) pipeline_->Stop();
    return absl::OkStatus();
  };
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.end, RunEnd::kStopped);
  EXPECT_EQ(result.counters.balance.in_flight, 0u);
  EXPECT_EQ(source_->committed(), source_->next());
  EXPECT_EQ(database_.Rows().size(), static_cast<std::size_t>(source_->next()));
  EXPECT_THAT(observer_.notes(), Contains("draining"));
}

TEST_F(PipelineTest, StopBeforeRunReadsNothing) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakePipeline().Stop();
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.end, RunEnd::kStopped);
  EXPECT_TRUE(database_.Rows().empty());
  EXPECT_TRUE(sink_->cancelled);
}

TEST_F(PipelineTest, StopEndsAClaimThatWaitsForTheDatabase) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakeSink();
  MakePipeline();
  sink_->on_claim = [&] {
    pipeline_->Stop();
    EXPECT_TRUE(sink_->cancelled);
    sink_->claim_status = absl::CancelledError("stopped while waiting");
  };
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.end, RunEnd::kStopped);
}

TEST_F(PipelineTest, StopNowGivesUpWhatIsNotWritten) {
  MakeSource({{"a", Numbers(0, 100)}});
  MakeSink();
  options_ = {.batch_rows = 10};
  MakePipeline();
  sink_->on_sent = [&](std::uint64_t sequence) {
    if (sequence == 3) pipeline_->StopNow();
  };
  sink_->fault = [](std::uint64_t sequence, int) {
    return sequence > 3 ? Fault::kUnavailable : Fault::kNone;
  };
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(result.end, RunEnd::kStopped);
  EXPECT_GT(result.counters.balance.in_flight, 0u);
  EXPECT_EQ(database_.Rows(), Sequence(0, 20));
  EXPECT_EQ(source_->committed(), 20);
}

TEST_F(PipelineTest, ADrainThatTakesTooLongIsGivenUp) {
  testing::FakeClock clock;
  clock_ = &clock;
  MakeSource({{"a", Numbers(0, 100)}}, {.bounded = false, .clock = &clock});
  MakeSink();
  options_.drain_timeout = seconds(25);
  MakePipeline();
  sink_->fault = [&](std::uint64_t, int) {
    pipeline_->Stop();
    clock.Advance(seconds(1));
    return Fault::kUnavailable;
  };
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("within 25s: 100 rows"));
  EXPECT_EQ(result.end, RunEnd::kStopped);
  EXPECT_EQ(source_->committed(), 0);
}

TEST_F(PipelineTest, ErrorsOfTheStartAreReturnedByOpenAndNothingRuns) {
  MakeSource({{"a", Numbers(0, 10)}});
  source_->open_status = absl::NotFoundError("no such file: a");
  EXPECT_EQ(MakePipeline().Open().message(), "no such file: a");
  EXPECT_EQ(pipeline_->state(), PipelineState::kStopped);
  EXPECT_TRUE(sink_->closed);
  EXPECT_EQ(pipeline_->Run().status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipelineTest, OpenThenRunWorksAndASecondRunDoesNot) {
  MakeSource({{"a", Numbers(0, 10)}});
  ASSERT_TRUE(MakePipeline().Open().ok());
  EXPECT_EQ(pipeline_->Open().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(pipeline_->Run().status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipelineTest, DestroyedBetweenOpenAndRunClosesBothEnds) {
  MakeSource({{"a", Numbers(0, 10)}});
  ASSERT_TRUE(MakePipeline().Open().ok());
  pipeline_.reset();
  EXPECT_TRUE(source_->closed);
  EXPECT_TRUE(sink_->closed);
}

TEST_F(PipelineTest, BadOptionsAreNamed) {
  MakeSource({{"a", {}}});
  options_.writers = -2;
  EXPECT_EQ(MakePipeline().Run().status.message(), "writers is -2; it must be 1 to 256");
}

TEST_F(PipelineTest, HealthNamesTheSickPart) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakePipeline();
  EXPECT_TRUE(pipeline_->Health().ok());
  sink_->SetHealth(absl::UnavailableError("disk full"));
  EXPECT_EQ(pipeline_->Health().message(), "sink: disk full");
  source_->SetHealth(absl::UnavailableError("broker away"));
  EXPECT_EQ(pipeline_->Health().message(), "sink: disk full; source: broker away");
  sink_->SetHealth(absl::OkStatus());
  EXPECT_EQ(pipeline_->Health().message(), "source: broker away");
}

TEST_F(PipelineTest, HealthChangesReachTheObserver) {
  MakeSource({{"a", Numbers(0, 10)}});
  MakePipeline();
  sink_->SetHealth(absl::UnavailableError("disk full"));
  EXPECT_TRUE(Run().status.ok());
  EXPECT_THAT(observer_.notes(), Contains("sink sick: disk full"));
}

TEST_F(PipelineTest, AResumePositionThatTheSourceDoesNotKeepIsAnError) {
  database_.SetInitial("a", {.next = 50}, 0);
  class Jumping final : public testing::FakeSource {
   public:
    using FakeSource::FakeSource;
    absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                      const std::optional<StoredPosition>& stored) override {
      return *FakeSource::Seek(stream, stored) + 10;
    }
  };
  source_ = std::make_unique<Jumping>(std::vector<testing::FakeStream>{{"a", Numbers(0, 100)}});
  const RunResult result = Run();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("reading would begin at 60"));
}

TEST_F(PipelineTest, ASourceThatCannotReplayMayNumberAnew) {
  database_.SetInitial("mqtt", {.next = 50}, 0);
  MakeSource({{"mqtt", Numbers(0, 10)}}, {.replayable = false});
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 10));
  EXPECT_EQ(database_.StoredNext("mqtt"), 10);
}

TEST_F(PipelineTest, PacesMessagesAndStillTakesEachOnce) {
  RatePacer<testing::TestRow> pacer(20'000);
  hooks_.pacer = &pacer;
  MakeSource({{"a", Numbers(0, 200)}});
  const RunResult result = Run();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 200));
  EXPECT_EQ(result.counters.messages, 200u);
  EXPECT_GE(result.elapsed, std::chrono::microseconds(199 * 50));
}

TEST_F(PipelineTest, AMessageThatIsNotDueIsNotWrittenAndNotAcknowledged) {
  IntervalPacer<testing::TestRow> pacer(std::chrono::hours(1));
  hooks_.pacer = &pacer;
  MakeSource({{"a", Numbers(0, 3)}});
  options_ = {.linger = milliseconds(1)};
  MakePipeline();
  source_->on_commit = [&](StreamId, std::int64_t) {
    pipeline_->Stop();
    return absl::OkStatus();
  };
  EXPECT_TRUE(Run().status.ok());
  EXPECT_EQ(database_.Rows(), Sequence(0, 1));
  EXPECT_EQ(source_->committed(), 1);
}

TEST_F(PipelineTest, ReportsStatesInOrder) {
  MakeSource({{"a", Numbers(0, 1)}});
  EXPECT_TRUE(Run().status.ok());
  EXPECT_THAT(observer_.notes(),
              ElementsAre("starting", "running", "a started 0", "draining", "stopped"));
}

TEST(PipelineOptions, RejectsWhatCannotWork) {
  EXPECT_TRUE(PipelineOptions{}.Validate().ok());
  const auto message = [](const PipelineOptions& options) {
    return std::string(options.Validate().message());
  };
  EXPECT_EQ(message({.batch_bytes = 0}), "batch_bytes is 0; a batch has at least 1 byte");
  EXPECT_EQ(message({.linger = milliseconds(-1)}), "linger is negative: -1ms");
  EXPECT_EQ(message({.buffer_bytes = 1000}), "buffer_bytes is 1000; it must be at least 1MiB");
  EXPECT_EQ(message({.writers = 257}), "writers is 257; it must be 1 to 256");
  EXPECT_EQ(message({.drain_timeout = seconds(-1)}), "drain_timeout is negative: -1s");
}

}  // namespace
}  // namespace tsingest
