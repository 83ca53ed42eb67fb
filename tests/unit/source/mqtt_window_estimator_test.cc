#include "source/mqtt/window_estimator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

namespace tsingest::mqtt {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A broker, a network, a subscriber that flushes after `linger` or when the estimator says so, and
// a database that takes `commit` for each flush, in virtual time.
struct World {
  // The broker's limit for the n-th time it has sent all it may; constant mostly.
  std::function<int(int n)> window = [](int) { return std::numeric_limits<int>::max(); };
  std::optional<Duration> publish_gap;  // none: an endless backlog
  Duration one_way = microseconds(50);
  Duration linger = milliseconds(100);
  Duration commit = milliseconds(3);

  // Results.
  int delivered = 0;
  int flushes = 0;

  void Run(WindowEstimator& estimator, Duration length) {
    const MonotonicTime end = now_ + length;
    for (; now_ < end; now_ += microseconds(50)) {
      BrokerSends();
      Arrive(estimator);
      MaybeFlush(estimator);
      FinishCommit(estimator);
    }
  }

 private:
  void BrokerSends() {
    while (!acks_on_the_way_.empty() && acks_on_the_way_.front() <= now_) {
      acks_on_the_way_.pop_front();
      --unacknowledged_;
    }
    if (publish_gap && now_ >= next_publish_) {
      ++waiting_;
      next_publish_ = now_ + *publish_gap;
    }
    int sent = 0;
    while ((!publish_gap || waiting_ > 0) && unacknowledged_ < window(fills_) && sent++ < 100) {
      if (publish_gap) --waiting_;
      ++unacknowledged_;
      on_the_way_.push_back(now_ + one_way);
      if (unacknowledged_ == window(fills_)) {
        ++fills_;
        break;
      }
    }
  }
  void Arrive(WindowEstimator& estimator) {
    while (!on_the_way_.empty() && on_the_way_.front() <= now_) {
      on_the_way_.pop_front();
      ++outstanding_;
      ++delivered;
      if (batch_++ == 0) opened_ = now_;
      estimator.OnArrival(outstanding_, now_);
    }
  }
  void MaybeFlush(WindowEstimator& estimator) {
    const bool exhausted = on_the_way_.empty() && estimator.Exhausted(outstanding_, now_);
    if (batch_ == 0 || committing_ != 0 || (!exhausted && now_ - opened_ < linger)) return;
    ++flushes;
    committing_ = batch_;
    batch_ = 0;
    commit_done_ = now_ + commit;
  }
  void FinishCommit(WindowEstimator& estimator) {
    if (committing_ == 0 || now_ < commit_done_) return;
    estimator.OnAcknowledge(outstanding_, now_);
    outstanding_ -= committing_;
    for (; committing_ > 0; --committing_) acks_on_the_way_.push_back(now_ + one_way);
  }

  MonotonicTime now_{seconds(1000)};
  MonotonicTime next_publish_ = now_;
  std::deque<MonotonicTime> on_the_way_;
  std::deque<MonotonicTime> acks_on_the_way_;
  int waiting_ = 0;
  int unacknowledged_ = 0;
  int fills_ = 0;
  int outstanding_ = 0;
  int batch_ = 0;
  int committing_ = 0;
  MonotonicTime opened_{};
  MonotonicTime commit_done_{};
};

WindowEstimator Connected(int limit = 65'535, Duration rtt = microseconds(100)) {
  WindowEstimator estimator;
  estimator.OnRoundTrip(rtt);
  estimator.OnConnected(limit);
  return estimator;
}

TEST(MqttWindowEstimatorTest, ABacklogMovesAtWindowByCommitTime) {
  for (const int window : {1, 2, 20, 32, 500}) {
    World world;
    world.window = [&](int) { return window; };
    WindowEstimator estimator = Connected();
    world.Run(estimator, milliseconds(500));  // learns
    EXPECT_EQ(estimator.window(), window);
    world.delivered = 0;
    world.Run(estimator, seconds(10));
    // 3 ms of commit and 100 us of network for each window.
    const double ideal = 10.0 / 0.0032 * window;
    EXPECT_GT(world.delivered, 0.9 * ideal) << "window " << window;
  }
}

TEST(MqttWindowEstimatorTest, EvenLearningIsFast) {
  World world;
  world.window = [](int) { return 20; };
  WindowEstimator estimator = Connected();
  world.Run(estimator, milliseconds(500));
  // A linger of 100 ms alone would have given 5 windows.
  EXPECT_GT(world.delivered, 20 * 100);
}

TEST(MqttWindowEstimatorTest, OurOwnReceiveMaximumNeedsNoLearning) {
  World world;
  world.window = [](int) { return 20; };
  WindowEstimator estimator = Connected(20);
  world.Run(estimator, seconds(1));
  EXPECT_GT(world.delivered, 0.95 * 20 / 0.0032);
  EXPECT_EQ(estimator.window(), 20);  // is shown
}

// A slow publisher must not make a batch of every message.
TEST(MqttWindowEstimatorTest, ASlowPublisherIsNotTakenForAWindow) {
  for (const Duration gap : {milliseconds(1), milliseconds(2), milliseconds(4), milliseconds(6),
                             milliseconds(9), milliseconds(15), milliseconds(30)}) {
    World world;
    world.publish_gap = gap;
    WindowEstimator estimator = Connected();
    world.Run(estimator, seconds(20));  // finds out
    world.flushes = 0;
    world.Run(estimator, seconds(60));
    const int by_linger = 600;
    EXPECT_LT(world.flushes, by_linger * 5 / 4) << gap.count() / 1'000'000 << " ms";
    EXPECT_GT(world.flushes, by_linger / 2);
  }
}

TEST(MqttWindowEstimatorTest, TheFirstMessagesOfASlowPublisherCostFewFlushes) {
  World world;
  world.publish_gap = milliseconds(10);
  WindowEstimator estimator = Connected();
  world.Run(estimator, seconds(10));
  EXPECT_LT(world.flushes, 100 + 30);
}

TEST(MqttWindowEstimatorTest, ABacklogAfterQuietTimesIsNoticed) {
  World world;
  world.publish_gap = milliseconds(50);
  world.window = [](int) { return 20; };
  WindowEstimator estimator = Connected();
  world.Run(estimator, seconds(30));
  world.publish_gap.reset();
  world.Run(estimator, seconds(1));  // wakes up
  world.delivered = 0;
  world.Run(estimator, seconds(5));
  EXPECT_GT(world.delivered, 0.9 * 5 / 0.0032 * 20);
}

TEST(MqttWindowEstimatorTest, WorksAcrossALongWay) {
  World world;
  world.window = [](int) { return 20; };
  world.one_way = milliseconds(40);
  WindowEstimator estimator = Connected(65'535, milliseconds(80));
  world.Run(estimator, seconds(5));
  EXPECT_EQ(estimator.window(), 20);
  world.delivered = 0;
  world.Run(estimator, seconds(20));
  EXPECT_GT(world.delivered, 0.9 * 20 / 0.0835 * 20);
}

// A limit in bytes (Mosquitto's max_inflight_bytes) is another number of messages each time.
TEST(MqttWindowEstimatorTest, AWindowOfVaryingSizeCostsOnlyTheShortestQuiet) {
  World world;
  world.window = [](int n) { return 10 + n * 7 % 13; };
  WindowEstimator estimator = Connected();
  world.Run(estimator, seconds(1));
  world.delivered = 0;
  world.Run(estimator, seconds(10));
  const double per_window = 0.0032 + 0.005;
  EXPECT_GT(world.delivered, 0.8 * 10 / per_window * 10);
}

TEST(MqttWindowEstimatorTest, AnotherWindowOnTheNextConnectionIsLearned) {
  for (const int next : {5, 100}) {
    World first;
    first.window = [](int) { return 20; };
    WindowEstimator estimator = Connected();
    first.Run(estimator, seconds(1));
    ASSERT_EQ(estimator.window(), 20);
    estimator.OnConnected(65'535);
    World second;
    second.window = [&](int) { return next; };
    second.Run(estimator, seconds(1));
    EXPECT_EQ(estimator.window(), next);
  }
}

TEST(MqttWindowEstimatorTest, NothingOutstandingIsNeverExhausted) {
  WindowEstimator estimator = Connected(1);
  EXPECT_FALSE(estimator.Exhausted(0, MonotonicTime(seconds(5))));
  EXPECT_EQ(estimator.NextCheck(0), MonotonicTime::max());
}

TEST(MqttWindowEstimatorTest, NextCheckIsWhenExhaustedTurnsTrue) {
  WindowEstimator estimator = Connected();
  const MonotonicTime start(seconds(5));
  estimator.OnArrival(1, start);
  const MonotonicTime check = estimator.NextCheck(1);
  EXPECT_EQ(check, start + WindowEstimator::kShortestQuiet);
  EXPECT_FALSE(estimator.Exhausted(1, check - microseconds(1)));
  EXPECT_TRUE(estimator.Exhausted(1, check));
  EXPECT_TRUE(estimator.Exhausted(1, check + seconds(9)));
  EXPECT_EQ(estimator.NextCheck(1), MonotonicTime::max());
}

}  // namespace
}  // namespace tsingest::mqtt
