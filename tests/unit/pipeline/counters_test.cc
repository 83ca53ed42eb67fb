#include "tsingest/pipeline/counters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tsingest {
namespace {

TEST(PipelineCounters, FollowsRowsFromReceivedToTheirEnd) {
  PipelineCounters counters;
  counters.AddReceived(10);
  EXPECT_EQ(counters.GetBalance().in_flight, 10u);
  ASSERT_TRUE(counters.AddWritten(
      {.written = 4, .deduplicated = 1, .dead_lettered = 2, .bytes = 99}, 7, 1));
  const CountersSnapshot snapshot = counters.Snapshot();
  EXPECT_TRUE(snapshot.balance.Holds());
  EXPECT_EQ(snapshot.balance.received, 10u);
  EXPECT_EQ(snapshot.balance.written, 4u);
  EXPECT_EQ(snapshot.balance.deduplicated, 1u);
  EXPECT_EQ(snapshot.balance.dead_lettered, 2u);
  EXPECT_EQ(snapshot.balance.in_flight, 3u);
  EXPECT_EQ(snapshot.batches, 1u);
  EXPECT_EQ(snapshot.sink_bytes, 99u);
  EXPECT_EQ(snapshot.rejects[static_cast<std::size_t>(RejectCode::kServer)], 1u);
  EXPECT_EQ(snapshot.batch_rows.Total(), 1u);
}

TEST(PipelineCounters, RefusesResultsThatDoNotAddUp) {
  PipelineCounters counters;
  counters.AddReceived(10);
  EXPECT_FALSE(counters.AddWritten({.written = 9}, 10, 0));
  EXPECT_FALSE(counters.AddWritten({.written = 11}, 10, 0));
  EXPECT_FALSE(counters.AddWritten({.written = 10}, 10, 1)) << "a reject cannot be written";
  EXPECT_FALSE(counters.AddWritten({.written = 11}, 11, 0)) << "more than is in flight";
  EXPECT_EQ(counters.GetBalance().in_flight, 10u);
  EXPECT_EQ(counters.Snapshot().batches, 0u);
}

TEST(PipelineCounters, RowsHandedOverDoNotCountAsReceived) {
  PipelineCounters counters;
  counters.AddReceived(10);
  counters.AddHandedOver(4);
  const Balance balance = counters.GetBalance();
  EXPECT_TRUE(balance.Holds());
  EXPECT_EQ(balance.received, 6u);
  EXPECT_EQ(balance.in_flight, 6u);
  EXPECT_EQ(balance.handed_over, 4u);
}

TEST(PipelineCounters, RejectsCountByCode) {
  PipelineCounters counters;
  counters.AddReject(RejectCode::kTime);
  counters.AddReject(RejectCode::kTime);
  counters.AddReject(RejectCode::kSyntax);
  EXPECT_EQ(counters.Rejected(), 3u);
  EXPECT_EQ(counters.Snapshot().rejects[static_cast<std::size_t>(RejectCode::kTime)], 2u);
}

TEST(PipelineCounters, EverySnapshotBalancesWhileThreadsCount) {
  PipelineCounters counters;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 3'000; ++i) {
        counters.AddReceived(7);
        ASSERT_TRUE(
            counters.AddWritten({.written = 3, .deduplicated = 2, .dead_lettered = 1}, 6, i % 2));
      }
    });
  }
  std::thread reader([&] {
    std::uint64_t received = 0;
    while (!done.load()) {
      const Balance balance = counters.GetBalance();
      EXPECT_TRUE(balance.Holds());
      EXPECT_GE(balance.received, received);
      received = balance.received;
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  EXPECT_EQ(counters.GetBalance().in_flight, 9'000u);
}

TEST(Balance, HoldsOnlyWhenEveryRowIsSomewhere) {
  EXPECT_TRUE(
      (Balance{.received = 10, .written = 1, .deduplicated = 2, .dead_lettered = 3, .in_flight = 4})
          .Holds());
  EXPECT_FALSE((Balance{.received = 10, .written = 9}).Holds());
  EXPECT_FALSE((Balance{.received = 10, .written = 11}).Holds());
}

}  // namespace
}  // namespace tsingest
