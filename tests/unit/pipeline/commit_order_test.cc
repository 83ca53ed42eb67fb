#include "tsingest/pipeline/commit_order.h"
#include "tsingest/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <random>
#include <thread>
#include <vector>

namespace tsingest {
namespace {

using Turn = CommitGate::Turn;

class CommitOrderTest : public ::testing::Test {
 protected:
  void Enter(std::uint64_t sequence, std::vector<StreamId> streams = {0}) {
    std::vector<StreamRange> ranges;
    for (const StreamId stream : streams) ranges.push_back({stream, 0, 1});
    order_.Enter(sequence, ranges);
  }
  std::future<Turn> WaitAsync(std::uint64_t sequence, bool holding_locks) {
    return std::async(std::launch::async,
                      [=, this] { return order_.Wait(sequence, holding_locks); });
  }
  static bool IsWaiting(std::future<Turn>& turn) {
    return turn.wait_for(std::chrono::milliseconds(10)) == std::future_status::timeout;
  }

  CommitOrder order_;
};

TEST_F(CommitOrderTest, TheFirstGoesTheOthersWaitForIt) {
  Enter(1);
  Enter(2);
  EXPECT_EQ(order_.Wait(1, true), Turn::kGo);
  auto second = WaitAsync(2, true);
  EXPECT_TRUE(IsWaiting(second));
  order_.Finish(1);
  EXPECT_EQ(second.get(), Turn::kGo);
}

TEST_F(CommitOrderTest, ABatchThatFinishesEarlyDoesNotLetOthersPassTheFirst) {
  for (const std::uint64_t sequence : {1, 2, 3}) Enter(sequence);
  order_.Finish(2);  // given up
  auto third = WaitAsync(3, false);
  EXPECT_TRUE(IsWaiting(third));
  order_.Finish(1);
  EXPECT_EQ(third.get(), Turn::kGo);
}

TEST_F(CommitOrderTest, OnlyLaterBatchesThatHoldLocksYield) {
  for (const std::uint64_t sequence : {1, 2, 3, 4}) Enter(sequence);
  auto holds = WaitAsync(3, true);
  auto waits = WaitAsync(4, false);
  order_.AskOthersToYield(2);
  EXPECT_EQ(holds.get(), Turn::kYield);
  EXPECT_TRUE(IsWaiting(waits));
  EXPECT_EQ(order_.Wait(1, true), Turn::kGo);
  EXPECT_EQ(order_.yields(), 1u);
  for (const std::uint64_t sequence : {1, 2, 3}) order_.Finish(sequence);
  EXPECT_EQ(waits.get(), Turn::kGo);
}

TEST_F(CommitOrderTest, WhileABatchWaitsForALockLaterOnesDoNotBegin) {
  for (const std::uint64_t sequence : {1, 2, 3}) Enter(sequence);
  EXPECT_EQ(order_.WaitToBegin(3), Turn::kGo);
  order_.AskOthersToYield(2);
  EXPECT_EQ(order_.WaitToBegin(1), Turn::kGo);
  EXPECT_EQ(order_.WaitToBegin(2), Turn::kGo);
  auto third = std::async(std::launch::async, [this] { return order_.WaitToBegin(3); });
  EXPECT_TRUE(IsWaiting(third));
  order_.Finish(1);
  order_.Finish(2);
  EXPECT_EQ(third.get(), Turn::kGo);
}

TEST_F(CommitOrderTest, CancelAllReachesWaitersAndLaterBatches) {
  Enter(1);
  Enter(2);
  auto second = WaitAsync(2, true);
  order_.CancelAll();
  EXPECT_EQ(second.get(), Turn::kCancel);
  EXPECT_EQ(order_.Wait(1, false), Turn::kCancel);
  Enter(3);
  EXPECT_TRUE(order_.Cancelled(3));
  EXPECT_EQ(order_.WaitToBegin(3), Turn::kCancel);
}

TEST_F(CommitOrderTest, CancelAfterSparesTheBatchesBefore) {
  for (const std::uint64_t sequence : {1, 2, 3}) Enter(sequence);
  order_.CancelAfter(2);
  EXPECT_FALSE(order_.Cancelled(1));
  EXPECT_FALSE(order_.Cancelled(2));
  EXPECT_TRUE(order_.Cancelled(3));
  order_.CancelAfter(3);  // a later failure does not revive 3
  EXPECT_TRUE(order_.Cancelled(3));
}

TEST_F(CommitOrderTest, ALostStreamCancelsItsBatchesUntilTheyGoOnWithoutIt) {
  Enter(1, {0, 1});
  Enter(2, {1});
  Enter(3, {0});
  order_.LoseStreams(std::vector<StreamId>{1});
  EXPECT_TRUE(order_.Cancelled(1));
  EXPECT_TRUE(order_.Cancelled(2));
  EXPECT_FALSE(order_.Cancelled(3));
  EXPECT_TRUE(order_.InFlight(std::vector<StreamId>{1}));
  EXPECT_EQ(order_.TakeLostStreams(1), (std::vector<StreamId>{1}));
  EXPECT_EQ(order_.TakeLostStreams(1), (std::vector<StreamId>{}));
  EXPECT_EQ(order_.Wait(1, true), Turn::kGo);
  EXPECT_EQ(order_.TakeLostStreams(2), (std::vector<StreamId>{1}));
  EXPECT_FALSE(order_.InFlight(std::vector<StreamId>{1}));
  EXPECT_TRUE(order_.InFlight(std::vector<StreamId>{0, 1}));
}

TEST_F(CommitOrderTest, AWhollyCancelledBatchDoesNotGoOnWithoutItsLostStreams) {
  Enter(1, {0, 1});
  order_.LoseStreams(std::vector<StreamId>{1});
  order_.CancelAll();
  EXPECT_TRUE(order_.TakeLostStreams(1).empty());
}

TEST_F(CommitOrderTest, BackoffEndsEarlyWhenCancelled) {
  Enter(1);
  auto slept = std::async(std::launch::async, [this] {
    order_.Backoff(1, std::chrono::hours(1));
    return Turn::kCancel;
  });
  EXPECT_TRUE(IsWaiting(slept));
  order_.CancelAll();
  slept.get();
  EXPECT_EQ(order_.retries(), 1u);
}

TEST_F(CommitOrderTest, BackoffWaitsItsTime) {
  Enter(1);
  const auto began = std::chrono::steady_clock::now();
  order_.Backoff(1, std::chrono::milliseconds(5));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(5));
}

// Batches whose "transactions" take random row locks from a small set while they wait for their
// turn: without the yield protocol this deadlocks at once.
TEST_F(CommitOrderTest, RandomLocksNeverDeadlockAndNeverReorder) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CommitOrder order;
    Mutex mutex;
    std::vector<std::uint64_t> locks(8, 0);  // sequence that holds row i
    std::vector<std::uint64_t> committed;
    constexpr std::uint64_t kBatches = 60;
    const std::vector<StreamRange> ranges{{0, 0, 1}};
    for (std::uint64_t i = 1; i <= kBatches; ++i) order.Enter(i, ranges);

    const auto unlock = [&](std::uint64_t sequence) {
      MutexLock lock(&mutex);
      for (std::uint64_t& holder : locks) holder = holder == sequence ? 0 : holder;
    };
    const auto take_locks = [&](std::uint64_t sequence, std::mt19937& random) {
      for (int i = 0; i < 3; ++i) {
        MutexLock lock(&mutex);
        std::uint64_t& holder = locks[random() % locks.size()];
        if (holder != 0 && holder != sequence) return false;
        holder = sequence;
      }
      return true;
    };
    const auto write = [&](std::uint64_t sequence, std::mt19937& random) {
      BatchGate gate(order, sequence);
      for (;;) {
        if (!take_locks(sequence, random)) {
          unlock(sequence);
          gate.AskOthersToYield();
          gate.Backoff(std::chrono::microseconds(20));
          continue;
        }
        if (gate.Wait(true) == Turn::kGo) break;
        unlock(sequence);
        gate.Wait(false);
      }
      MutexLock lock(&mutex);
      committed.push_back(sequence);
    };
    std::atomic<std::uint64_t> next{1};
    std::vector<std::thread> writers;
    for (unsigned w = 0; w < 4; ++w) {
      writers.emplace_back([&, w] {
        std::mt19937 random(seed * 4 + w);
        for (std::uint64_t i = next++; i <= kBatches; i = next++) {
          order.WaitToBegin(i);
          write(i, random);
          unlock(i);
          order.Finish(i);
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    ASSERT_EQ(committed.size(), kBatches);
    for (std::uint64_t i = 0; i < kBatches; ++i) EXPECT_EQ(committed[i], i + 1);
  }
}

}  // namespace
}  // namespace tsingest
