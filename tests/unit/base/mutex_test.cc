#include "tsingest/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace tsingest {
namespace {

TEST(Mutex, LetsOneThreadInAtATime) {
  Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        MutexLock lock(&mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 40'000);
}

TEST(CondVar, WaitsForASignalAndHoldsTheMutexAfterwards) {
  Mutex mutex;
  CondVar changed;
  int turn = 0;
  std::thread other([&] {
    MutexLock lock(&mutex);
    while (turn != 1) changed.Wait(&mutex);
    turn = 2;
    changed.SignalAll();
  });
  {
    MutexLock lock(&mutex);
    turn = 1;
    changed.Signal();
    while (turn != 2) changed.Wait(&mutex);
  }
  other.join();
  EXPECT_EQ(turn, 2);
}

TEST(CondVar, ReturnsTrueWhenTheTimeHasPassed) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(&mutex);
  const auto began = std::chrono::steady_clock::now();
  while (!changed.WaitFor(&mutex, std::chrono::milliseconds(2))) {
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2));
  EXPECT_TRUE(changed.WaitUntil(&mutex, began));
}

TEST(CondVar, TakesTheLongestDurationThereIs) {
  Mutex mutex;
  CondVar changed;
  bool done = false;
  std::thread other([&] {
    MutexLock lock(&mutex);
    done = true;
    changed.Signal();
  });
  {
    MutexLock lock(&mutex);
    while (!done) EXPECT_FALSE(changed.WaitFor(&mutex, Duration::max()));
  }
  other.join();
}

}  // namespace
}  // namespace tsingest
