#include "tsingest/pipeline/ack_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace tsingest {
namespace {

constexpr StreamId kStream = 3;

StreamRange Range(std::int64_t first, std::int64_t next) { return {kStream, first, next}; }

// Tracks kStream from 0 with ranges [0,10), [10,20) … begun.
AckTracker WithRanges(int count) {
  AckTracker tracker;
  EXPECT_TRUE(tracker.AddStream(kStream, 0).ok());
  for (int i = 0; i < count; ++i) EXPECT_TRUE(tracker.Begin(Range(i * 10, i * 10 + 10)).ok());
  return tracker;
}

std::optional<std::int64_t> Complete(AckTracker& tracker, std::int64_t first) {
  const auto next = tracker.Complete(Range(first, first + 10));
  EXPECT_TRUE(next.ok()) << next.status();
  return next.value_or(std::nullopt);
}

TEST(AckTracker, CommitsInOrderCompletionsOneByOne) {
  AckTracker tracker = WithRanges(2);
  EXPECT_EQ(tracker.Committable(kStream), 0);
  EXPECT_EQ(Complete(tracker, 0), 10);
  EXPECT_EQ(Complete(tracker, 10), 20);
  EXPECT_EQ(tracker.Committable(kStream), 20);
  EXPECT_EQ(tracker.Outstanding(), 0u);
}

TEST(AckTracker, HoldsBackWhatIsBehindAnUnfinishedRange) {
  AckTracker tracker = WithRanges(4);
  EXPECT_EQ(Complete(tracker, 10), std::nullopt);
  EXPECT_EQ(Complete(tracker, 30), std::nullopt);
  EXPECT_EQ(tracker.Committable(kStream), 0);
  EXPECT_EQ(Complete(tracker, 0), 20);
  EXPECT_EQ(Complete(tracker, 20), 40);
}

TEST(AckTracker, RefusesUnknownCompletions) {
  AckTracker tracker = WithRanges(2);
  EXPECT_EQ(tracker.Complete({9, 0, 10}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tracker.Complete(Range(20, 30)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tracker.Complete(Range(0, 20)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tracker.Complete(Range(5, 10)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tracker.Committable(kStream), 0);
}

TEST(AckTracker, RefusesASecondCompletionWhetherCommittedOrNot) {
  AckTracker tracker = WithRanges(3);
  Complete(tracker, 20);
  EXPECT_EQ(tracker.Complete(Range(20, 30)).status().code(), absl::StatusCode::kFailedPrecondition);
  Complete(tracker, 0);
  EXPECT_EQ(tracker.Complete(Range(0, 10)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(tracker.Committable(kStream), 10);
}

TEST(AckTracker, RangesMustBeAdjacentAndGoForward) {
  AckTracker tracker = WithRanges(1);
  EXPECT_EQ(tracker.Begin(Range(11, 20)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(tracker.Begin(Range(0, 10)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(tracker.Begin(Range(10, 10)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(tracker.Begin({9, 0, 10}).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(tracker.Begin(Range(10, 11)).ok());
}

TEST(AckTracker, StreamsAreIndependent) {
  AckTracker tracker = WithRanges(1);
  ASSERT_TRUE(tracker.AddStream(4, 100).ok());
  ASSERT_TRUE(tracker.Begin({4, 100, 101}).ok());
  EXPECT_EQ(**tracker.Complete({4, 100, 101}), 101);
  EXPECT_EQ(tracker.Committable(kStream), 0);
  EXPECT_EQ(tracker.Outstanding(), 1u);
}

TEST(AckTracker, ADroppedStreamIsUnknownAndCanComeBackElsewhere) {
  AckTracker tracker = WithRanges(2);
  EXPECT_EQ(tracker.AddStream(kStream, 5).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(tracker.DropStream(kStream).ok());
  EXPECT_EQ(tracker.DropStream(kStream).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(tracker.HasStream(kStream));
  EXPECT_EQ(tracker.Committable(kStream), std::nullopt);
  EXPECT_EQ(tracker.Complete(Range(0, 10)).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(tracker.AddStream(kStream, 70).ok());
  EXPECT_TRUE(tracker.Begin(Range(70, 80)).ok());
  EXPECT_EQ(Complete(tracker, 70), 80);
}

TEST(AckTracker, AnyOrderOfCompletionsCommitsExactlyThePrefix) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    constexpr int kRanges = 40;
    AckTracker tracker = WithRanges(kRanges);
    std::vector<int> order(kRanges);
    for (int i = 0; i < kRanges; ++i) order[static_cast<std::size_t>(i)] = i;
    std::ranges::shuffle(order, random);
    std::vector<bool> done(kRanges);
    for (const int i : order) {
      done[static_cast<std::size_t>(i)] = true;
      const auto prefix = std::ranges::find(done, false) - done.begin();
      const auto moved = Complete(tracker, i * 10);
      EXPECT_EQ(tracker.Committable(kStream), prefix * 10);
      if (moved.has_value()) {
        EXPECT_EQ(*moved, prefix * 10);
      }
    }
    EXPECT_EQ(tracker.Outstanding(), 0u);
  }
}

}  // namespace
}  // namespace tsingest
