#include "tsingest/base/histogram.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <thread>
#include <vector>

namespace tsingest {
namespace {

constexpr std::array<double, 3> kBounds = {1, 10, 100};

TEST(Histogram, CountsUpToAndIncludingEachBound) {
  Histogram<3> histogram(kBounds);
  for (const double value : {0.0, 1.0, 1.5, 10.0, 99.0, 100.0, 100.5, 1e9})
    histogram.Observe(value);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_EQ(snapshot.bounds, (std::vector<double>{1, 10, 100}));
  EXPECT_EQ(snapshot.counts, (std::vector<std::uint64_t>{2, 2, 2, 2}));
  EXPECT_EQ(snapshot.Total(), 8u);
  EXPECT_DOUBLE_EQ(snapshot.sum, 0 + 1 + 1.5 + 10 + 99 + 100 + 100.5 + 1e9);
}

TEST(Histogram, LosesNothingBetweenThreads) {
  Histogram<3> histogram(kBounds);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) histogram.Observe(5);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.Snapshot().counts[1], 20'000u);
  EXPECT_DOUBLE_EQ(histogram.Snapshot().sum, 100'000);
}

TEST(Histogram, BucketsOfThePipelineGrow) {
  for (std::size_t i = 1; i < kSecondsBuckets.size(); ++i) {
    EXPECT_LT(kSecondsBuckets[i - 1], kSecondsBuckets[i]);
  }
  for (std::size_t i = 1; i < kRowsBuckets.size(); ++i) {
    EXPECT_LT(kRowsBuckets[i - 1], kRowsBuckets[i]);
  }
}

}  // namespace
}  // namespace tsingest
