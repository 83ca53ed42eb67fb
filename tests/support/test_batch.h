// Batches of TestRows made by hand.
#ifndef TSINGEST_TESTS_SUPPORT_TEST_BATCH_H_
#define TSINGEST_TESTS_SUPPORT_TEST_BATCH_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/test_row.h"
#include "tsingest/pipeline/batcher.h"

namespace tsingest::testing {

// Makes batches as a pipeline does: messages of one row, ranges that follow each other.
class BatchMaker {
 public:
  // Streams 0 … streams-1, each read from `first`.
  explicit BatchMaker(StreamId streams = 1, std::int64_t first = 0)
      : batcher_(BatcherOptions{.batch_rows = 1'000'000}), next_(streams, first) {
    for (StreamId i = 0; i < streams; ++i) batcher_.AddStream(i, first).IgnoreError();
  }

  // A message with one row per id; text: "1 2 x" is a reject.
  BatchMaker& Message(std::string_view payload, StreamId stream = 0) {
    tsingest::Message message{.payload = payload, .topic = "plant/7", .arrival = kArrival};
    message.position = {stream, next_[stream], next_[stream] + 1};
    ++next_[stream];
    const DecodeInput input = *batcher_.AddMessage(message, MonotonicTime{});
    Reject reject = decoder_.Decode(input, batcher_.open().arena, batcher_.open().rows);
    batcher_.FinishMessage(std::move(reject));
    return *this;
  }
  // `count` messages with ids from `first`.
  BatchMaker& Rows(std::int64_t first, std::int64_t count, StreamId stream = 0) {
    for (std::int64_t i = 0; i < count; ++i) Message(std::to_string(first + i), stream);
    return *this;
  }
  std::unique_ptr<Batch<TestRow>> Take() { return batcher_.Take(); }

 private:
  static constexpr Timestamp kArrival{std::chrono::seconds(1'704'067'200)};
  Batcher<TestRow> batcher_;
  WordDecoder decoder_;
  std::vector<std::int64_t> next_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TEST_BATCH_H_
