// The parts of the log that need no thread.
#ifndef TSINGEST_SRC_SERVICE_LOG_INTERNAL_H_
#define TSINGEST_SRC_SERVICE_LOG_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/service/log.h"

namespace tsingest::internal {

struct LogRecord {
  Timestamp time{};
  LogLevel level = LogLevel::kInfo;
  std::string_view component;
  std::string_view message;
};

// One line with its newline, secrets scrubbed, control characters made harmless.
std::string FormatLogLine(LogFormat format, const LogRecord& record,
                          std::span<const LogField> fields);

// Decides which of repeating messages are written. Not thread-safe.
class RepeatLimiter {
 public:
  RepeatLimiter(int burst, Duration window) : burst_(burst), window_(window) {}

  // True: write it. Messages are alike when they differ in digits and quoted parts only.
  bool Allow(LogLevel level, std::string_view component, std::string_view message,
             MonotonicTime now);

  struct Repeated {
    LogLevel level = LogLevel::kInfo;
    std::string component;
    std::string message;  // the first one that was held back
    std::uint64_t more = 0;
  };
  // Windows that ended by `now` (or all of them) and in which something was held back.
  std::vector<Repeated> TakeEnded(MonotonicTime now, bool all);

  // More kinds of messages than this at a time are not told apart from new ones.
  static constexpr std::size_t kMaxKinds = 1024;

 private:
  struct Window {
    MonotonicTime ends{};
    int written = 0;
    Repeated held;
  };
  const int burst_;
  const Duration window_;
  std::map<std::string, Window> windows_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_LOG_INTERNAL_H_
