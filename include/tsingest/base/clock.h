// Time is a parameter: nothing below the service layer calls now() or sleep() itself.
#ifndef TSINGEST_BASE_CLOCK_H_
#define TSINGEST_BASE_CLOCK_H_

#include <chrono>
#include <thread>

namespace tsingest {

// Wall-clock instant, microseconds since 1970-01-01T00:00:00Z (PostgreSQL's own resolution).
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// Monotonic instant, for ages, deadlines and backoff.
using MonotonicTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Where a component that must know the time or wait gets both. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp WallNow() = 0;
  virtual MonotonicTime Now() = 0;
  // Returns after `length`, or earlier if the implementation was told to stop waiting.
  virtual void Sleep(Duration length) = 0;
};

// The machine's clocks. The returned object is stateless and lives for the whole program.
inline Clock& SystemClock() {
  class Real final : public Clock {
   public:
    Timestamp WallNow() override {
      return std::chrono::time_point_cast<std::chrono::microseconds>(
          std::chrono::system_clock::now());
    }
    MonotonicTime Now() override { return std::chrono::steady_clock::now(); }
    void Sleep(Duration length) override { std::this_thread::sleep_for(length); }
  };
  static Real clock;
  return clock;
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_CLOCK_H_
