#include "tsingest/pipeline/pacer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

namespace tsingest {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr MonotonicTime kStart{hours(5)};

// Lets every row go as soon as the pacer allows; returns when each went, from the start.
template <class Row>
std::vector<Duration> Play(Pacer<Row>& pacer, const std::vector<Row>& rows,
                           Duration work_per_row = {}) {
  std::vector<Duration> went;
  MonotonicTime now = kStart;
  for (const Row& row : rows) {
    for (int asked = 0;; ++asked) {
      const Duration wait = pacer.Wait({&row, 1}, now);
      EXPECT_GE(wait, Duration::zero());
      if (wait == Duration::zero()) break;
      EXPECT_LT(asked, 1) << "asked again after the time it named";
      now += wait;
    }
    went.push_back(now - kStart);
    now += work_per_row;
  }
  return went;
}

TEST(RatePacer, SpreadsRowsEvenly) {
  RatePacer<int> pacer(100);
  const auto went = Play<int>(pacer, std::vector<int>(5));
  EXPECT_EQ(went, (std::vector<Duration>{milliseconds(0), milliseconds(10), milliseconds(20),
                                         milliseconds(30), milliseconds(40)}));
}

TEST(RatePacer, CountsEveryRowOfAMessage) {
  RatePacer<int> pacer(100);
  const std::vector<int> rows(50);
  EXPECT_EQ(pacer.Wait(rows, kStart), Duration::zero());
  EXPECT_EQ(pacer.Wait(std::span(rows).first(1), kStart), milliseconds(500));
}

TEST(RatePacer, KeepsTheAverageWhenRowsTakeTime) {
  RatePacer<int> pacer(1000);
  const auto went = Play<int>(pacer, std::vector<int>(1001), microseconds(700));
  EXPECT_EQ(went.back(), seconds(1));
}

TEST(RatePacer, CatchesUpNoMoreThanASecondAfterAStall) {
  RatePacer<int> pacer(10);
  const std::vector<int> row(1);
  EXPECT_EQ(pacer.Wait(row, kStart), Duration::zero());
  const MonotonicTime later = kStart + minutes(10);
  int burst = 0;
  while (pacer.Wait(row, later) == Duration::zero()) ++burst;
  EXPECT_EQ(burst, 11);
}

TEST(IntervalPacer, PausesAfterEachMessage) {
  IntervalPacer<int> pacer(seconds(2));
  const auto went = Play<int>(pacer, std::vector<int>(3), milliseconds(500));
  EXPECT_EQ(went, (std::vector<Duration>{seconds(0), seconds(2), seconds(4)}));
}

TEST(IntervalPacer, DoesNotWaitWhenThePauseHasPassed) {
  IntervalPacer<int> pacer(seconds(2));
  const auto went = Play<int>(pacer, std::vector<int>(3), seconds(5));
  EXPECT_EQ(went, (std::vector<Duration>{seconds(0), seconds(5), seconds(10)}));
}

// Rows are their own times, in seconds; negative: no time.
class SpeedPacerTest : public ::testing::Test {
 protected:
  static std::optional<Timestamp> TimeOf(const int& row) {
    if (row < 0) return std::nullopt;
    return Timestamp(hours(400'000)) + seconds(row);
  }
};

TEST_F(SpeedPacerTest, ReplaysDistancesDividedByTheFactor) {
  SpeedPacer<int> pacer(10, TimeOf);
  EXPECT_EQ(Play<int>(pacer, {100, 110, 150}),
            (std::vector<Duration>{seconds(0), seconds(1), seconds(5)}));
}

TEST_F(SpeedPacerTest, SlowsDownBelowOne) {
  SpeedPacer<int> pacer(0.5, TimeOf);
  EXPECT_EQ(Play<int>(pacer, {0, 3}), (std::vector<Duration>{seconds(0), seconds(6)}));
}

TEST_F(SpeedPacerTest, LateAndTimelessRowsGoAtOnce) {
  SpeedPacer<int> pacer(1, TimeOf);
  EXPECT_EQ(Play<int>(pacer, {0, 1000, 950, -1, 1001}),
            (std::vector<Duration>{seconds(0), seconds(1000), seconds(1000), seconds(1000),
                                   seconds(1001)}));
}

TEST_F(SpeedPacerTest, StartsOverWithTheNextFileOfTheSameDay) {
  SpeedPacer<int> pacer(100, TimeOf);
  EXPECT_EQ(Play<int>(pacer, {0, 10'000, 0, 10'000, 5, 105}),
            (std::vector<Duration>{seconds(0), seconds(100), seconds(100), seconds(200),
                                   seconds(200), seconds(201)}));
}

}  // namespace
}  // namespace tsingest
