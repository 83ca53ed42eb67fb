#include "tsingest/base/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tsingest {
namespace {

TEST(ByteBudget, TryChargeStopsAtTheLimit) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.TryCharge(60));
  EXPECT_FALSE(budget.TryCharge(41));
  EXPECT_TRUE(budget.TryCharge(40));
  EXPECT_EQ(budget.used(), 100);
  EXPECT_FALSE(budget.HasRoom(1));
  EXPECT_TRUE(budget.HasRoom(0));
}

TEST(ByteBudget, ChargeMayPassTheLimitAndPeakRemembers) {
  ByteBudget budget(100);
  budget.Charge(150);
  EXPECT_FALSE(budget.TryCharge(1));
  budget.Release(120);
  EXPECT_EQ(budget.used(), 30);
  EXPECT_TRUE(budget.HasRoom(70));
  EXPECT_EQ(budget.peak(), 150);
}

TEST(ByteBudget, ThreadsNeverTogetherPassTheLimit) {
  ByteBudget budget(10);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        if (budget.TryCharge(3)) budget.Release(3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0);
  EXPECT_LE(budget.peak(), 10);
  EXPECT_GE(budget.peak(), 3);
}

}  // namespace
}  // namespace tsingest
