// Structured log on stderr: a level, who speaks, a message, key=value fields.
//
//   2024-01-15T10:30:00.123456Z WARN  postgres: server is away, trying again attempt=3 wait=2s
//   {"time":"2024-01-15T10:30:00.123456Z","level":"warn","component":"postgres","msg":…,"attempt":3}
//
// Passwords are taken out of every text (scrub.h). Of messages that repeat, a few in each window
// are written and the others counted: "… (57 more like this)".
#ifndef TSINGEST_SERVICE_LOG_H_
#define TSINGEST_SERVICE_LOG_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/base/log_severity.h"
#include "tsingest/base/clock.h"

namespace tsingest {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

// "debug", "info", "warn", "error"; nullopt: something else.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

// A value beside the message. Views are read during the call of Log().
struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  template <std::signed_integral T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view k, T v)
      : key(k), value(static_cast<std::uint64_t>(v)) {}

  std::string_view key;
  Value value;
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  // nullopt: text on a terminal, else JSON.
  std::optional<LogFormat> format = {};
  int fd = 2;
  // Alike messages (digits and quoted parts aside) that are written in each window; the others are
  // counted and reported when it ends. Debug messages are never held back.
  int burst = 5;
  Duration window = std::chrono::seconds(10);
  // Lines that wait for a slow stderr, in bytes; what does not fit is dropped and counted.
  std::size_t queue_bytes = 256 * 1024;
};

// Thread-safe. Log() formats and queues; a thread of its own writes, so that a stuck stderr (a full
// pipe, Ctrl-S on a terminal) stops nothing. The destructor waits up to a second for the rest.
class Logger {
 public:
  // Borrows the clock.
  explicit Logger(const LogOptions& options, Clock& clock = SystemClock());
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  bool Enabled(LogLevel level) const { return level >= level_; }
  void Log(LogLevel level, std::string_view component, std::string_view message,
           std::initializer_list<LogField> fields = {});

  // For components that log through a function of their options. The Logger must outlive it.
  std::function<void(std::string_view)> LineLog(LogLevel level, std::string component);
  std::function<void(absl::LogSeverity, std::string_view)> SeverityLog(std::string component);

  // Keeps `line` below the log on a terminal (a progress bar); empty takes it away. It is redrawn
  // after log lines and cut by nobody: the caller knows the width.
  void SetStatusLine(std::string line);

  // Waits until all is written, or for so long. False: stderr does not take it.
  bool Flush(Duration timeout);

 private:
  class Impl;
  const LogLevel level_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_LOG_H_
