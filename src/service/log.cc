#include "tsingest/service/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "fmt/format.h"
#include "service/log_internal.h"
#include "tsingest/base/mutex.h"

namespace tsingest {
namespace {

// A pipe that polls writable takes this much without blocking (PIPE_BUF).
constexpr std::size_t kChunkBytes = 4096;
constexpr int kPollMs = 100;
constexpr Duration kTick = std::chrono::seconds(1);  // how late a "more like this" may be
constexpr Duration kLastWords = std::chrono::seconds(1);
constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

class Logger::Impl {
 public:
  Impl(const LogOptions& options, Clock& clock)
      : options_(options),
        clock_(clock),
        is_terminal_(isatty(options.fd) == 1),
        format_(options.format.value_or(is_terminal_ ? LogFormat::kText : LogFormat::kJson)),
        limiter_(options.burst, options.window),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      MutexLock lock(&mutex_);
      QueueRepeated(true);
      status_.clear();
      redraw_ = redraw_ || status_shown_;
      stopping_ = true;
    }
    work_.Signal();
    thread_.join();
  }

  void Log(LogLevel level, std::string_view component, std::string_view message,
           std::span<const LogField> fields) {
    const internal::LogRecord record{clock_.WallNow(), level, component, message};
    MutexLock lock(&mutex_);
    if (!limiter_.Allow(level, component, message, clock_.Now())) return;
    Queue(internal::FormatLogLine(format_, record, fields));
    work_.Signal();
  }

  void SetStatusLine(std::string line) {
    MutexLock lock(&mutex_);
    status_ = std::move(line);
    redraw_ = true;
    work_.Signal();
  }

  bool Flush(Duration timeout) {
    const MonotonicTime deadline = std::chrono::steady_clock::now() + timeout;
    MutexLock lock(&mutex_);
    while (!queue_.empty() || writing_ || redraw_) {
      if (written_.WaitUntil(&mutex_, deadline)) return false;
    }
    return true;
  }

 private:
  void Queue(std::string line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (queue_.size() + line.size() > options_.queue_bytes) {
      ++lost_;
      return;
    }
    if (lost_ > 0) {
      const std::string message =
          fmt::format("{} log lines lost: stderr took no more", std::exchange(lost_, 0));
      queue_ +=
          internal::FormatLogLine(format_, {clock_.WallNow(), LogLevel::kWarn, "log", message}, {});
    }
    queue_ += line;
  }

  void QueueRepeated(bool all) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const auto& repeated : limiter_.TakeEnded(clock_.Now(), all)) {
      const std::string message =
          fmt::format("{} … {} more like this", repeated.message, repeated.more);
      const std::array<LogField, 1> fields = {LogField("repeated", repeated.more)};
      Queue(internal::FormatLogLine(
          format_, {clock_.WallNow(), repeated.level, repeated.component, message}, fields));
    }
  }

  // What to write next: log lines, with the status line taken away above and put back below.
  std::string TakeWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string work;
    if (status_shown_) work += kEraseLine;
    work += queue_;
    work += status_;
    queue_.clear();
    status_shown_ = !status_.empty();
    redraw_ = false;
    return work;
  }

  void Run() {
    while (std::optional<std::string> work = NextWork()) {
      Write(*work);
      MutexLock lock(&mutex_);
      writing_ = false;
      written_.SignalAll();
    }
  }

  // Waits for something to write. nullopt: there is nothing more, and the end has come.
  std::optional<std::string> NextWork() {
    MutexLock lock(&mutex_);
    while (true) {
      QueueRepeated(stopping_);
      if (!queue_.empty() || redraw_) break;
      if (stopping_) return std::nullopt;
      work_.WaitFor(&mutex_, kTick);
    }
    writing_ = true;
    return TakeWork();
  }

  // Gives up on the rest only when the program ends and stderr stays stuck.
  void Write(std::string_view text) {
    MonotonicTime give_up{};
    while (!text.empty()) {
      pollfd waiting{.fd = options_.fd, .events = POLLOUT, .revents = 0};
      const int ready = poll(&waiting, 1, kPollMs);
      if (ready > 0) {
        const ssize_t written = WriteSome(text.substr(0, kChunkBytes));
        if (written < 0 && errno != EINTR && errno != EAGAIN) return;
        if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
        if (written >= 0) continue;
      }
      MutexLock lock(&mutex_);
      if (!stopping_) continue;
      const MonotonicTime now = std::chrono::steady_clock::now();
      if (give_up == MonotonicTime{}) give_up = now + kLastWords;
      if (now >= give_up) return;
    }
  }

  // journald gives a socket, whose POLLOUT promises no particular room.
  ssize_t WriteSome(std::string_view text) const {
    const ssize_t sent = send(options_.fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != ENOTSOCK) return sent;
    return write(options_.fd, text.data(), text.size());
  }

  const LogOptions options_;
  Clock& clock_;
  const bool is_terminal_;
  const LogFormat format_;
  Mutex mutex_;
  CondVar work_;     // something to write, or the end
  CondVar written_;  // something was written
  internal::RepeatLimiter limiter_ ABSL_GUARDED_BY(mutex_);
  std::string queue_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string status_ ABSL_GUARDED_BY(mutex_);
  bool status_shown_ ABSL_GUARDED_BY(mutex_) = false;
  bool redraw_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

Logger::Logger(const LogOptions& options, Clock& clock)
    : level_(options.level), impl_(std::make_unique<Impl>(options, clock)) {}

Logger::~Logger() = default;

void Logger::Log(LogLevel level, std::string_view component, std::string_view message,
                 std::initializer_list<LogField> fields) {
  if (Enabled(level)) impl_->Log(level, component, message, {fields.begin(), fields.size()});
}

std::function<void(std::string_view)> Logger::LineLog(LogLevel level, std::string component) {
  return [this, level, component = std::move(component)](std::string_view line) {
    Log(level, component, line);
  };
}

std::function<void(absl::LogSeverity, std::string_view)> Logger::SeverityLog(
    std::string component) {
  return
      [this, component = std::move(component)](absl::LogSeverity severity, std::string_view line) {
        const LogLevel level = severity == absl::LogSeverity::kInfo      ? LogLevel::kInfo
                               : severity == absl::LogSeverity::kWarning ? LogLevel::kWarn
                                                                         : LogLevel::kError;
        Log(level, component, line);
      };
}

void Logger::SetStatusLine(std::string line) { impl_->SetStatusLine(std::move(line)); }

bool Logger::Flush(Duration timeout) { return impl_->Flush(timeout); }

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warn" || name == "warning") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

}  // namespace tsingest
