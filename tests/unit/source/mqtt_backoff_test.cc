#include "source/mqtt/backoff.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tsingest::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kMin = milliseconds(200);
constexpr Duration kMax = seconds(1);

TEST(MqttBackoffTest, DoublesUpToTheLongest) {
  Backoff backoff(kMin, kMax);
  EXPECT_EQ(backoff.Next(0), milliseconds(200));
  EXPECT_EQ(backoff.Next(0), milliseconds(400));
  EXPECT_EQ(backoff.Next(0), milliseconds(800));
  EXPECT_EQ(backoff.Next(0), seconds(1));
  EXPECT_EQ(backoff.Next(0), seconds(1));
}

TEST(MqttBackoffTest, JitterTakesAwayUpToAHalf) {
  Backoff backoff(kMin, kMax);
  EXPECT_EQ(backoff.Next(0.5), milliseconds(150));
  EXPECT_GT(backoff.Next(0.999), milliseconds(200));
  EXPECT_LT(backoff.Longest(0.999), milliseconds(501));
}

TEST(MqttBackoffTest, AConnectionThatLastedStartsAnew) {
  Backoff backoff(kMin, kMax);
  const MonotonicTime start{};
  backoff.Longest(0);
  backoff.OnEstablished(start);
  backoff.OnLost(start + kMax);
  EXPECT_EQ(backoff.Next(0), kMin);
}

TEST(MqttBackoffTest, AConnectionThatDidNotLastChangesNothing) {
  Backoff backoff(kMin, kMax);
  const MonotonicTime start{};
  backoff.Next(0);
  for (const Duration expected : {milliseconds(400), milliseconds(800), milliseconds(1000)}) {
    backoff.OnEstablished(start);
    backoff.OnLost(start + kMax - milliseconds(1));
    EXPECT_EQ(backoff.Next(0), expected);
  }
}

}  // namespace
}  // namespace tsingest::mqtt
