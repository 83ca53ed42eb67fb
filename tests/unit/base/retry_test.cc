#include "tsingest/base/retry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <set>

namespace tsingest {
namespace {

using std::chrono::milliseconds;

constexpr BackoffOptions kOptions{.min = milliseconds(100), .max = milliseconds(1000)};

TEST(Backoff, StaysBetweenMinAndAGrowingCeiling) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(kOptions, seed);
    for (const int ceiling : {200, 400, 800, 1000, 1000, 1000}) {
      const Duration wait = backoff.Next();
      EXPECT_GE(wait, kOptions.min);
      EXPECT_LE(wait, milliseconds(ceiling)) << "seed " << seed;
    }
    EXPECT_EQ(backoff.attempts(), 6);
  }
}

TEST(Backoff, UsesTheWholeRangeUpToMax) {
  Duration shortest = kOptions.max;
  Duration longest{};
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Backoff backoff(kOptions, seed);
    for (int i = 0; i < 4; ++i) backoff.Next();
    const Duration wait = backoff.Next();
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_LT(shortest, milliseconds(110));
  EXPECT_GT(longest, milliseconds(990));
}

TEST(Backoff, IsTheSameForASeedAndDiffersBetweenSeeds) {
  std::set<Duration> firsts;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff a(kOptions, seed);
    Backoff b(kOptions, seed);
    const Duration first = a.Next();
    EXPECT_EQ(first, b.Next());
    firsts.insert(first);
  }
  EXPECT_GT(firsts.size(), 45u);
}

TEST(Backoff, ResetStartsOverWithShortWaits) {
  Backoff backoff(kOptions, 1);
  for (int i = 0; i < 20; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_EQ(backoff.attempts(), 0);
  EXPECT_LE(backoff.Next(), milliseconds(200));
}

TEST(Backoff, NeverOverflowsWithHugeLimits) {
  Backoff backoff({.min = milliseconds(1), .max = Duration::max(), .multiplier = 1e6}, 3);
  for (int i = 0; i < 100; ++i) EXPECT_GE(backoff.Next(), milliseconds(1));
}

TEST(BackoffOptions, RejectsWhatCannotWork) {
  EXPECT_TRUE(kOptions.Validate().ok());
  EXPECT_EQ((BackoffOptions{.min = Duration(0)}).Validate().message(),
            "backoff: min is 0s; it must be more than 0");
  EXPECT_EQ((BackoffOptions{.min = milliseconds(2), .max = milliseconds(1)}).Validate().message(),
            "backoff: max is 1ms, less than min, 2ms");
  EXPECT_FALSE((BackoffOptions{.multiplier = 0.5}).Validate().ok());
  EXPECT_FALSE((BackoffOptions{.multiplier = std::nan("")}).Validate().ok());
}

}  // namespace
}  // namespace tsingest
