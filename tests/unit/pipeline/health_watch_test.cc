#include "tsingest/pipeline/health_watch.h"
#include "tsingest/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace tsingest {
namespace {

// Statuses that a test sets, and the changes that were reported.
class HealthWatchTest : public ::testing::Test {
 protected:
  HealthWatchTest()
      : watch_(
            {{"sink", [this] { return Get(sink_); }}, {"source", [this] { return Get(source_); }}},
            [this](std::string_view part, const absl::Status& health) {
              MutexLock lock(&mutex_);
              changes_.push_back(std::string(part) + ": " + std::string(health.message()));
            }) {}

  absl::Status Get(const absl::Status& status) {
    MutexLock lock(&mutex_);
    ++looks_;
    looked_.SignalAll();
    return status;
  }
  void SetSink(absl::Status status) {
    MutexLock lock(&mutex_);
    sink_ = std::move(status);
    const int seen = looks_;
    while (looks_ < seen + 4) looked_.Wait(&mutex_);
  }
  std::vector<std::string> Changes() {
    MutexLock lock(&mutex_);
    return changes_;
  }

  Mutex mutex_;
  CondVar looked_;
  absl::Status sink_;
  absl::Status source_;
  int looks_ = 0;
  std::vector<std::string> changes_;
  HealthWatch watch_;
};

TEST_F(HealthWatchTest, ReportsEachChangeOnce) {
  ASSERT_TRUE(watch_.Start(std::chrono::milliseconds(1)).ok());
  SetSink(absl::OkStatus());
  EXPECT_TRUE(Changes().empty());
  SetSink(absl::UnavailableError("disk full"));
  SetSink(absl::UnavailableError("disk full"));
  SetSink(absl::UnavailableError("connection refused"));
  SetSink(absl::OkStatus());
  watch_.Stop();
  EXPECT_EQ(Changes(),
            (std::vector<std::string>{"sink: disk full", "sink: connection refused", "sink: "}));
}

TEST_F(HealthWatchTest, LooksALastTimeWhenStopped) {
  ASSERT_TRUE(watch_.Start(std::chrono::hours(1)).ok());
  {
    MutexLock lock(&mutex_);
    source_ = absl::UnavailableError("gone");
  }
  watch_.Stop();
  EXPECT_EQ(Changes(), (std::vector<std::string>{"source: gone"}));
}

TEST_F(HealthWatchTest, StopWithoutStartDoesNothing) {
  watch_.Stop();
  EXPECT_TRUE(Changes().empty());
}

}  // namespace
}  // namespace tsingest
