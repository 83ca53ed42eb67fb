// TimedProcess: a program whose time, CPU time and memory are measured from outside.
#ifndef TSINGEST_BENCH_DRAIN_TIMED_PROCESS_H_
#define TSINGEST_BENCH_DRAIN_TIMED_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace tsingest::bench {

struct Usage {
  double seconds = 0;      // from the start of the process until it was done
  double cpu_seconds = 0;  // user and system
  std::int64_t peak_rss_kib = 0;
};

enum class Output : std::uint8_t {
  kLog,      // stdout and stderr are kept, for the error that says why it failed
  kDiscard,  // stdout goes to /dev/null
};

// Starts with the object and is killed with it if it still runs. The program is looked up in PATH.
// Whatever goes wrong throws std::runtime_error with what the program said. Not thread-safe.
class TimedProcess {
 public:
  explicit TimedProcess(const std::vector<std::string>& command, Output output = Output::kLog);
  ~TimedProcess();
  TimedProcess(const TimedProcess&) = delete;
  TimedProcess& operator=(const TimedProcess&) = delete;

  // For a program that ends by itself: with exit code 0, within five minutes.
  Usage AwaitEnd();
  // For one that goes on: until `wait` has nothing left to wait for; it says after how long it
  // wants to be asked again. Then the program is sent SIGTERM; how it ends is its own affair. The
  // `seconds` are the caller's to fill: he knows when it was done.
  Usage AwaitDone(const std::function<std::optional<std::chrono::milliseconds>()>& wait);

  // By the clock that PostgreSQL stamps commits with.
  std::chrono::system_clock::time_point started_at() const { return started_at_; }

 private:
  double Elapsed() const;
  // Once it has ended: fills all but the seconds. Whether it has.
  bool Reap(Usage* usage, int* status);
  [[noreturn]] void Fail(const std::string& what) const;

  testing::TempDir directory_;
  std::string name_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::system_clock::time_point started_at_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_TIMED_PROCESS_H_
