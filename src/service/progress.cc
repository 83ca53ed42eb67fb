#include "tsingest/service/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "fmt/format.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/utf8.h"
#include "tsingest/service/number_text.h"
#include "tsingest/service/time_text.h"

namespace tsingest {
namespace {

constexpr int kBarColumns = 20;
constexpr int kDefaultWidth = 80;
constexpr Duration kInterval = std::chrono::milliseconds(200);

std::string Bar(double fraction) {
  const int full = static_cast<int>(fraction * kBarColumns);
  std::string out;
  for (int i = 0; i < kBarColumns; ++i) out += i < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", out, fraction * 100);
}

int WidthOf(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultWidth;
  return size.ws_col;
}

}  // namespace

std::string FormatProgress(const ProgressState& state, double seconds, int width) {
  const auto rate = [&](std::uint64_t done) {
    return seconds > 0 ? static_cast<std::uint64_t>(static_cast<double>(done) / seconds) : 0;
  };
  std::vector<std::string> parts;
  const double fraction = state.bytes_total == 0
                              ? 0
                              : std::min(1.0, static_cast<double>(state.bytes_done) /
                                                  static_cast<double>(state.bytes_total));
  if (state.bytes_total > 0) parts.push_back(Bar(fraction));
  parts.push_back(GroupDigits(state.rows) + " rows");
  parts.push_back(GroupDigits(rate(state.rows)) + " rows/s");
  parts.push_back(ShortSize(rate(state.bytes_done)) + "/s");
  parts.push_back(fmt::format("{} rejects", GroupDigits(state.rejects)));
  if (fraction > 0 && fraction < 1 && seconds > 0) {
    const double left = seconds / fraction * (1 - fraction);
    parts.push_back(UptimeText(std::chrono::seconds(static_cast<std::int64_t>(left + 0.5))) +
                    " left");
  }
  if (!state.note.empty()) parts.push_back(state.note);
  // Whole parts only, as many as there is room for.
  std::string out;
  int columns = 0;
  for (const std::string& part : parts) {
    const int needed = static_cast<int>(CountCharacters(part)) + (out.empty() ? 0 : 2);
    if (columns + needed > width) break;
    out += (out.empty() ? "" : "  ") + part;
    columns += needed;
  }
  return out;
}

bool ShowsProgress(std::string_view mode, int fd) {
  return mode == "always" || (mode == "auto" && isatty(fd) == 1);
}

class ProgressBar::Impl {
 public:
  Impl(Logger& logger, int fd, std::function<ProgressState()> state)
      : logger_(logger), fd_(fd), state_(std::move(state)), thread_([this] { Run(); }) {}

  ~Impl() {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
    }
    changed_.Signal();
    thread_.join();
    logger_.SetStatusLine("");
  }

 private:
  bool WaitForStop() {
    const MonotonicTime next = std::chrono::steady_clock::now() + kInterval;
    MutexLock lock(&mutex_);
    while (!stopping_ && !changed_.WaitUntil(&mutex_, next)) {
    }
    return stopping_;
  }

  void Run() {
    do {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
      // The last column stays free: a terminal would wrap there.
      logger_.SetStatusLine(FormatProgress(state_(), elapsed.count(), WidthOf(fd_) - 1));
    } while (!WaitForStop());
  }

  Logger& logger_;
  const int fd_;
  const std::function<ProgressState()> state_;
  const MonotonicTime start_ = std::chrono::steady_clock::now();
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

ProgressBar::ProgressBar(Logger& logger, int fd, std::function<ProgressState()> state)
    : impl_(std::make_unique<Impl>(logger, fd, std::move(state))) {}

ProgressBar::~ProgressBar() = default;

}  // namespace tsingest
