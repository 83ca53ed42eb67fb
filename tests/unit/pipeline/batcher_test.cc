#include "tsingest/pipeline/batcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/test_row.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using testing::TestRow;
using testing::WordDecoder;

constexpr MonotonicTime kStart{std::chrono::hours(1)};

class BatcherTest : public ::testing::Test {
 protected:
  void Make(BatcherOptions options) {
    batcher_ = std::make_unique<Batcher<TestRow>>(options);
    ASSERT_TRUE(batcher_->AddStream(0, 0).ok());
  }

  // Adds a message of stream 0 (or another) at its next offset.
  absl::Status Add(std::string_view payload, StreamId stream = 0, MonotonicTime now = kStart) {
    if (stream >= next_.size()) next_.resize(stream + 1);
    Message message{.payload = payload, .topic = "plant/7"};
    message.position = {stream, next_[stream], next_[stream] + 1};
    return AddMessage(message, now);
  }
  absl::Status AddMessage(const Message& message, MonotonicTime now = kStart) {
    absl::StatusOr<DecodeInput> input = batcher_->AddMessage(message, now);
    if (!input.ok()) return input.status();
    Reject reject = decoder_.Decode(*input, batcher_->open().arena, batcher_->open().rows);
    batcher_->FinishMessage(std::move(reject));
    if (message.position.stream >= next_.size()) next_.resize(message.position.stream + 1);
    next_[message.position.stream] = message.position.next;
    return absl::OkStatus();
  }

  std::unique_ptr<Batcher<TestRow>> batcher_ = std::make_unique<Batcher<TestRow>>();
  WordDecoder decoder_;
  std::vector<std::int64_t> next_;
};

std::vector<std::int64_t> Ids(const Batch<TestRow>& batch) {
  std::vector<std::int64_t> ids;
  for (const TestRow& row : batch.rows) ids.push_back(row.id);
  return ids;
}

TEST_F(BatcherTest, EmptyHasNothingToFlushOrTake) {
  Make({});
  EXPECT_TRUE(batcher_->empty());
  EXPECT_EQ(batcher_->Take(), nullptr);
  EXPECT_EQ(batcher_->ShouldFlush(kStart + std::chrono::hours(1), PollState::kEnd), std::nullopt);
  EXPECT_EQ(batcher_->Deadline(), std::nullopt);
}

TEST_F(BatcherTest, FlushesWhenRowsAreReachedAndNotBefore) {
  Make({.batch_rows = 3});
  ASSERT_TRUE(Add("1").ok());
  ASSERT_TRUE(Add("2").ok());
  EXPECT_EQ(batcher_->ShouldFlush(kStart), std::nullopt);
  ASSERT_TRUE(Add("3").ok());
  EXPECT_EQ(batcher_->ShouldFlush(kStart), FlushReason::kRows);
}

TEST_F(BatcherTest, RejectsCountAsRows) {
  Make({.batch_rows = 2});
  ASSERT_TRUE(Add("x").ok());
  ASSERT_TRUE(Add("y").ok());
  EXPECT_EQ(batcher_->ShouldFlush(kStart), FlushReason::kRows);
  EXPECT_EQ(batcher_->Received(), 2u);
}

TEST_F(BatcherTest, KeepsAMessageOfManyRowsWhole) {
  Make({.batch_rows = 3});
  ASSERT_TRUE(Add("1 2").ok());
  ASSERT_TRUE(Add("3 4 5 6").ok());
  const auto batch = batcher_->Take();
  EXPECT_EQ(Ids(*batch), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(batch->row_message, (std::vector<std::uint32_t>{0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(batch->meta.ranges.size(), 1u);
  EXPECT_EQ(batch->meta.ranges[0].next, 2);
}

TEST_F(BatcherTest, FlushesByAgeOfItsFirstMessage) {
  Make({.linger = milliseconds(100)});
  ASSERT_TRUE(Add("1", 0, kStart).ok());
  ASSERT_TRUE(Add("2", 0, kStart + milliseconds(90)).ok());
  EXPECT_EQ(batcher_->Deadline(), kStart + milliseconds(100));
  EXPECT_EQ(batcher_->ShouldFlush(kStart + milliseconds(99)), std::nullopt);
  EXPECT_EQ(batcher_->ShouldFlush(kStart + milliseconds(100)), FlushReason::kLinger);
  batcher_->Take();
  ASSERT_TRUE(Add("3", 0, kStart + milliseconds(150)).ok());
  EXPECT_EQ(batcher_->Deadline(), kStart + milliseconds(250));
}

TEST_F(BatcherTest, FlushesAtOnceWhenTheSourceCanGiveNoMore) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  EXPECT_EQ(batcher_->ShouldFlush(kStart, PollState::kActive), std::nullopt);
  EXPECT_EQ(batcher_->ShouldFlush(kStart, PollState::kWindowExhausted), FlushReason::kWindow);
  EXPECT_EQ(batcher_->ShouldFlush(kStart, PollState::kEnd), FlushReason::kDrain);
}

TEST_F(BatcherTest, AMessageThatWouldPassTheByteLimitDoesNotFit) {
  Make({.batch_bytes = 10'000});
  const std::string text(3'000, ' ');
  int taken = 0;
  for (; batcher_->Fits({.payload = text}); ++taken) ASSERT_TRUE(Add(text).ok());
  EXPECT_EQ(taken, 3);
  EXPECT_EQ(batcher_->ShouldFlush(kStart), std::nullopt);
  EXPECT_TRUE(batcher_->Fits({.payload = "1"}));
}

TEST_F(BatcherTest, AMessageLargerThanABatchIsAlone) {
  Make({.batch_bytes = 1'000});
  const Message large{.payload = std::string_view("7"), .position = {0, 1, 2}};
  ASSERT_TRUE(Add("1").ok());
  const std::string text = "8" + std::string(5'000, ' ');
  EXPECT_FALSE(batcher_->Fits({.payload = text}));
  batcher_->Take();
  EXPECT_TRUE(batcher_->Fits({.payload = text}));
  ASSERT_TRUE(Add(text).ok());
  EXPECT_EQ(batcher_->ShouldFlush(kStart), FlushReason::kBytes);
  EXPECT_FALSE(batcher_->Fits(large));
}

TEST_F(BatcherTest, ChainsRangesOverBatchesAndGaps) {
  Make({});
  ASSERT_TRUE(batcher_->AddStream(2, 100).ok());
  ASSERT_TRUE(AddMessage({.payload = "1", .position = {2, 105, 106}}).ok());
  ASSERT_TRUE(AddMessage({.payload = "2", .position = {0, 0, 10}}).ok());
  ASSERT_TRUE(AddMessage({.payload = "3", .position = {2, 106, 107}}).ok());
  const auto first = batcher_->Take();
  ASSERT_TRUE(AddMessage({.payload = "4", .position = {2, 200, 201}}).ok());
  const auto second = batcher_->Take();
  EXPECT_EQ(first->meta.sequence, 1u);
  EXPECT_EQ(second->meta.sequence, 2u);
  ASSERT_EQ(first->meta.ranges.size(), 2u);
  EXPECT_EQ(first->meta.ranges[0].stream, 2u);
  EXPECT_EQ(first->meta.ranges[0].first, 100);
  EXPECT_EQ(first->meta.ranges[0].next, 107);
  EXPECT_EQ(first->meta.ranges[1].next, 10);
  ASSERT_EQ(second->meta.ranges.size(), 1u);
  EXPECT_EQ(second->meta.ranges[0].first, 107);
  EXPECT_EQ(second->meta.ranges[0].next, 201);
}

TEST_F(BatcherTest, RefusesUnknownStreamsAndPositionsThatGoBack) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  EXPECT_EQ(AddMessage({.payload = "2", .position = {0, 0, 1}}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(AddMessage({.payload = "2", .position = {0, 5, 5}}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(AddMessage({.payload = "2", .position = {9, 0, 1}}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(batcher_->AddStream(0, 7).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(batcher_->Take()->meta.messages.size(), 1u);
}

TEST_F(BatcherTest, ARejectKeepsTheOriginalBytesAndSaysTheLine) {
  Make({});
  ASSERT_TRUE(
      AddMessage({.payload = "1 2 x", .key = "k", .topic = "t", .position = {0, 0, 1}, .line = 17})
          .ok());
  const auto batch = batcher_->Take();
  EXPECT_TRUE(batch->rows.empty());
  ASSERT_EQ(batch->meta.rejects.size(), 1u);
  EXPECT_EQ(batch->meta.rejects[0].reason, "line 17: id: \"x\" is not a number");
  const MessageRecord& message = batch->meta.messages.at(batch->meta.rejects[0].message);
  EXPECT_EQ(message.payload, "1 2 x");
  EXPECT_EQ(message.key, "k");
  EXPECT_EQ(message.topic, "t");
  EXPECT_EQ(message.line, 17);
}

TEST_F(BatcherTest, RowsOfARejectAreTakenAwayEvenIfTheDecoderLeftThem) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  ASSERT_TRUE(batcher_->AddMessage({.payload = "2", .position = {0, 1, 2}}, kStart).ok());
  batcher_->open().rows.emplace_back();
  batcher_->FinishMessage(Reject{RejectCode::kRule, "no"});
  EXPECT_EQ(Ids(*batcher_->Take()), (std::vector<std::int64_t>{1}));
}

TEST_F(BatcherTest, CopiesWhatTheMessageLends) {
  Make({});
  std::string payload = "12";
  std::string topic = "plant/7";
  ASSERT_TRUE(AddMessage({.payload = payload, .topic = topic, .position = {0, 0, 1}}).ok());
  payload = "xx";
  topic = "xxxxxxx";
  const auto batch = batcher_->Take();
  EXPECT_EQ(batch->meta.messages[0].payload, "12");
  EXPECT_EQ(batch->rows[0].device, "plant/7");
  EXPECT_EQ(std::string(batch->meta.messages[0].payload.data() + 2, Arena::kPadding),
            std::string(Arena::kPadding, '\0'));
}

TEST_F(BatcherTest, KeepsATopicThatRepeatsOnce) {
  Make({});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Add("1").ok());
  const auto batch = batcher_->Take();
  EXPECT_EQ(batch->meta.messages[0].topic.data(), batch->meta.messages[2].topic.data());
  ASSERT_TRUE(Add("1").ok());
  const auto next = batcher_->Take();
  EXPECT_NE(next->meta.messages[0].topic.data(), batch->meta.messages[0].topic.data());
}

TEST_F(BatcherTest, AnAbandonedMessageLeavesNoTraceAndMayComeAgain) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  ASSERT_TRUE(batcher_->AddMessage({.payload = "2", .position = {0, 1, 2}}, kStart).ok());
  batcher_->open().rows.emplace_back();
  batcher_->AbandonMessage();
  ASSERT_TRUE(Add("2").ok());
  const auto batch = batcher_->Take();
  EXPECT_EQ(Ids(*batch), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(batch->meta.messages.size(), 2u);
  EXPECT_EQ(batch->meta.ranges[0].next, 2);
}

TEST_F(BatcherTest, AbandoningTheOnlyMessageEmptiesTheBatch) {
  Make({});
  ASSERT_TRUE(batcher_->AddMessage({.payload = "2", .position = {0, 0, 1}}, kStart).ok());
  batcher_->AbandonMessage();
  EXPECT_TRUE(batcher_->empty());
  ASSERT_TRUE(Add("2", 0, kStart + milliseconds(50)).ok());
  EXPECT_EQ(batcher_->Deadline(), kStart + milliseconds(150));
}

TEST_F(BatcherTest, AMessageWithoutRowsStillMovesThePosition) {
  Make({});
  ASSERT_TRUE(Add("").ok());
  EXPECT_FALSE(batcher_->empty());
  const auto batch = batcher_->Take();
  EXPECT_EQ(batch->Received(), 0u);
  EXPECT_EQ(batch->meta.ranges.at(0).next, 1);
}

TEST_F(BatcherTest, DroppingAStreamTakesOutItsMessagesOnly) {
  Make({});
  ASSERT_TRUE(batcher_->AddStream(1, 0).ok());
  ASSERT_TRUE(batcher_->AddStream(2, 0).ok());
  ASSERT_TRUE(Add("10 11", 1).ok());
  ASSERT_TRUE(Add("1", 0).ok());
  ASSERT_TRUE(Add("x", 1).ok());
  ASSERT_TRUE(Add("20", 2).ok());
  ASSERT_TRUE(Add("y", 0).ok());
  EXPECT_EQ(batcher_->DropStream(1), 3u);
  EXPECT_EQ(batcher_->DropStream(7), 0u);
  ASSERT_TRUE(Add("21", 2).ok());
  const auto batch = batcher_->Take();
  EXPECT_EQ(Ids(*batch), (std::vector<std::int64_t>{1, 20, 21}));
  EXPECT_EQ(batch->row_message, (std::vector<std::uint32_t>{0, 1, 3}));
  ASSERT_EQ(batch->meta.rejects.size(), 1u);
  EXPECT_EQ(batch->meta.messages[batch->meta.rejects[0].message].payload, "y");
  ASSERT_EQ(batch->meta.ranges.size(), 2u);
  EXPECT_EQ(batch->meta.ranges[1].stream, 2u);
  EXPECT_EQ(batch->meta.ranges[1].next, 2);
  EXPECT_EQ(batch->meta.payload_bytes, 6u);
}

TEST_F(BatcherTest, ADroppedStreamCanComeBackAtAnotherPosition) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  EXPECT_EQ(batcher_->DropStream(0), 1u);
  EXPECT_TRUE(batcher_->empty());
  EXPECT_FALSE(batcher_->HasStream(0));
  ASSERT_TRUE(batcher_->AddStream(0, 50).ok());
  ASSERT_TRUE(AddMessage({.payload = "2", .position = {0, 50, 51}}).ok());
  EXPECT_EQ(batcher_->Take()->meta.ranges.at(0).first, 50);
}

TEST_F(BatcherTest, AddCopiesARowThatComesFromNoMessage) {
  Make({});
  std::string device = "plc-7";
  ASSERT_TRUE(batcher_->Add(TestRow{.id = 5, .device = device}, {0, 3, 4}, kStart).ok());
  device = "xxxxx";
  EXPECT_FALSE(batcher_->Add(TestRow{.id = 6}, {0, 3, 4}, kStart).ok());
  const auto batch = batcher_->Take();
  ASSERT_EQ(batch->rows.size(), 1u);
  EXPECT_EQ(batch->rows[0].device, "plc-7");
  EXPECT_EQ(batch->meta.messages.at(batch->row_message[0]).position.offset, 3);
  EXPECT_EQ(batch->meta.ranges.at(0).first, 0);
}

TEST_F(BatcherTest, ReusedBatchesKeepTheirMemoryAndAllocateNone) {
  Make({.batch_rows = 100});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add("1").ok());
  auto batch = batcher_->Take();
  const Batch<TestRow>* const address = batch.get();
  const std::size_t held = batch->HeldBytes();
  batcher_->Reuse(std::move(batch));
  EXPECT_EQ(batcher_->SpareBytes(), held);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add("2").ok());
  EXPECT_EQ(batcher_->SpareBytes(), 0u);
  EXPECT_EQ(batcher_->OpenBytes(), held);
  EXPECT_EQ(batcher_->Take().get(), address);
}

TEST_F(BatcherTest, DropSparesGivesTheMemoryBack) {
  Make({});
  ASSERT_TRUE(Add("1").ok());
  batcher_->Reuse(batcher_->Take());
  EXPECT_GT(batcher_->SpareBytes(), 0u);
  batcher_->DropSpares();
  EXPECT_EQ(batcher_->SpareBytes(), 0u);
}

TEST_F(BatcherTest, GrowthForIsNeverLessThanWhatAMessageOfOneRowTakes) {
  Make({.batch_rows = 10, .batch_bytes = 1 << 20});
  for (int i = 0; i < 500; ++i) {
    const std::string payload = "1" + std::string(static_cast<std::size_t>(i * 37 % 3000), ' ');
    const Message message{.payload = payload, .topic = "t", .position = {0, i, i + 1}};
    const std::size_t before = batcher_->OpenBytes();
    const std::size_t growth = batcher_->GrowthFor(message);
    ASSERT_TRUE(AddMessage(message).ok());
    EXPECT_LE(batcher_->OpenBytes(), before + growth) << i;
  }
}

}  // namespace
}  // namespace tsingest
