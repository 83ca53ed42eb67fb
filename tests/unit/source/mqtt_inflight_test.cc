#include "source/mqtt/inflight.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tsingest::mqtt {
namespace {

TEST(MqttAckQueueTest, KeepsOrderWhileItGrowsAndWrapsAround) {
  AckQueue queue;
  std::int64_t pushed = 0;
  std::int64_t popped = 0;
  // Three in, two out: the ring wraps and grows several times.
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 3; ++i) {
      queue.push_back({pushed, static_cast<std::uint16_t>(pushed), 1});
      ++pushed;
    }
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(queue.front().arrival, popped);
      ASSERT_EQ(queue.front().packet_id, static_cast<std::uint16_t>(popped));
      queue.pop_front();
      ++popped;
    }
    ASSERT_EQ(queue.size(), static_cast<std::size_t>(pushed - popped));
  }
  while (!queue.empty()) {
    ASSERT_EQ(queue.front().arrival, popped++);
    queue.pop_front();
  }
  EXPECT_EQ(popped, pushed);
}

TEST(MqttInflightTableTest, RemembersEveryIdentifierUntilCleared) {
  InflightTable table;
  for (int id = 1; id <= 65'535; ++id) {
    Inflight& entry = table.At(static_cast<std::uint16_t>(id));
    ASSERT_EQ(entry.state, Inflight::State::kFree);
    entry.state = Inflight::State::kUnacknowledged;
    entry.arrival = id;
  }
  for (int id = 1; id <= 65'535; ++id) {
    ASSERT_EQ(table.At(static_cast<std::uint16_t>(id)).arrival, id);
  }
  table.Clear();
  EXPECT_EQ(table.At(7).state, Inflight::State::kFree);
}

}  // namespace
}  // namespace tsingest::mqtt
