// A clock that only tests move.
#ifndef TSINGEST_TESTS_SUPPORT_FAKE_CLOCK_H_
#define TSINGEST_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "tsingest/base/clock.h"

namespace tsingest::testing {

// Starts at 2024-01-01T00:00:00Z and one hour of monotonic time. Thread-safe.
class FakeClock final : public Clock {
 public:
  Timestamp WallNow() override {
    using std::chrono::microseconds;
    return Timestamp(microseconds(1'704'067'200'000'000 + (passed_.load() - kBegin) / 1000));
  }
  MonotonicTime Now() override { return MonotonicTime(std::chrono::nanoseconds(passed_.load())); }
  // Passes the time instead of waiting.
  void Sleep(Duration length) override { Advance(length); }

  void Advance(Duration length) { passed_ += length.count(); }
  // Never goes back.
  void AdvanceTo(MonotonicTime time) {
    const std::int64_t target = std::chrono::nanoseconds(time.time_since_epoch()).count();
    std::int64_t now = passed_.load();
    while (now < target && !passed_.compare_exchange_weak(now, target)) {
    }
  }

 private:
  static constexpr std::int64_t kBegin = 3'600'000'000'000;
  std::atomic<std::int64_t> passed_{kBegin};
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_FAKE_CLOCK_H_
