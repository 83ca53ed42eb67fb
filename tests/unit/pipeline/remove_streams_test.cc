#include "tsingest/pipeline/remove_streams.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tsingest {
namespace {

// Messages of streams 0, 1, 2, 1, 0 with two rows each; message 3 is a reject instead.
void Fill(Batch<std::string>& batch) {
  const StreamId streams[] = {0, 1, 2, 1, 0};
  for (std::uint32_t i = 0; i < 5; ++i) {
    batch.meta.messages.push_back({.payload = "abc", .position = {streams[i], i, i + 1}});
    batch.meta.payload_bytes += 3;
    if (i == 3) {
      batch.meta.rejects.push_back({.message = i, .code = RejectCode::kSyntax, .reason = "bad"});
      continue;
    }
    for (const char* part : {"a", "b"}) {
      batch.rows.push_back(std::to_string(i) + part);
      batch.row_message.push_back(i);
    }
  }
  batch.meta.ranges = {{0, 0, 5}, {1, 1, 4}, {2, 2, 3}};
}

TEST(RemoveStreams, TakesOutRowsRejectsMessagesAndRanges) {
  Batch<std::string> batch;
  Fill(batch);
  EXPECT_EQ(RemoveStreams(batch, std::vector<StreamId>{1}), 3u);
  EXPECT_EQ(batch.rows, (std::vector<std::string>{"0a", "0b", "2a", "2b", "4a", "4b"}));
  EXPECT_EQ(batch.row_message, (std::vector<std::uint32_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_TRUE(batch.meta.rejects.empty());
  EXPECT_EQ(batch.meta.messages.size(), 3u);
  EXPECT_EQ(batch.meta.payload_bytes, 9u);
  ASSERT_EQ(batch.meta.ranges.size(), 2u);
  EXPECT_EQ(batch.meta.ranges[1].stream, 2u);
}

TEST(RemoveStreams, RenumbersTheRejectsThatStay) {
  Batch<std::string> batch;
  Fill(batch);
  EXPECT_EQ(RemoveStreams(batch, std::vector<StreamId>{0, 2}), 6u);
  ASSERT_EQ(batch.meta.rejects.size(), 1u);
  EXPECT_EQ(batch.meta.messages.at(batch.meta.rejects[0].message).position.offset, 3);
}

TEST(RemoveStreams, WorksOnRowsThatASinkHasSorted) {
  Batch<std::string> batch;
  Fill(batch);
  std::swap(batch.rows.front(), batch.rows.back());
  std::swap(batch.row_message.front(), batch.row_message.back());
  EXPECT_EQ(RemoveStreams(batch, std::vector<StreamId>{0}), 4u);
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const auto offset = batch.meta.messages.at(batch.row_message[i]).position.offset;
    EXPECT_EQ(batch.rows[i].front(), '0' + offset);
  }
}

TEST(RemoveStreams, OfAllLeavesAnEmptyBatch) {
  Batch<std::string> batch;
  Fill(batch);
  EXPECT_EQ(RemoveStreams(batch, std::vector<StreamId>{2, 1, 0}), 9u);
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.rows.empty());
  EXPECT_TRUE(batch.meta.ranges.empty());
}

TEST(RemoveStreams, OfNoneChangesNothing) {
  Batch<std::string> batch;
  Fill(batch);
  EXPECT_EQ(RemoveStreams(batch, std::vector<StreamId>{9}), 0u);
  EXPECT_EQ(batch.Received(), 9u);
}

}  // namespace
}  // namespace tsingest
