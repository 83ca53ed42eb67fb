#include "tsingest/service/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>

namespace tsingest {
namespace {

using std::chrono::milliseconds;

int RemainingMs(MonotonicTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

}  // namespace

struct SignalWatcher::State {
  sigset_t watched{};
  sigset_t former_mask{};
  struct sigaction former_pipe {};
  int signal_fd = -1;
  int wake_fd = -1;
  std::thread thread;

  // The next signal; 0 at the deadline; nullopt when the watcher is destroyed.
  std::optional<int> Next(std::optional<MonotonicTime> deadline) const;
  // The next signal that is none of the request that has just come.
  std::optional<int> NextRequest(Duration same_request, MonotonicTime deadline) const;
  void Run(const SignalHandlers& handlers, std::atomic<int>& first, std::atomic<bool>& stopped);
};

std::optional<int> SignalWatcher::State::Next(std::optional<MonotonicTime> deadline) const {
  while (true) {
    std::array<pollfd, 2> fds = {{{signal_fd, POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    const int ready = poll(fds.data(), fds.size(), deadline ? RemainingMs(*deadline) : -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return 0;
    if (fds[1].revents != 0 || ready < 0) return std::nullopt;
    signalfd_siginfo info{};
    if (read(signal_fd, &info, sizeof(info)) == sizeof(info))
      return static_cast<int>(info.ssi_signo);
  }
}

std::optional<int> SignalWatcher::State::NextRequest(Duration same_request,
                                                     MonotonicTime deadline) const {
  const MonotonicTime other = std::chrono::steady_clock::now() + same_request;
  while (true) {
    const std::optional<int> signal = Next(deadline);
    const bool is_same = signal.value_or(0) != 0 && std::chrono::steady_clock::now() < other;
    if (!is_same) return signal;
  }
}

void SignalWatcher::State::Run(const SignalHandlers& handlers, std::atomic<int>& first,
                               std::atomic<bool>& stopped) {
  const std::optional<int> signal = Next(std::nullopt);
  if (!signal.has_value()) return;
  first.store(*signal, std::memory_order_release);
  if (handlers.drain) handlers.drain(*signal);
  const auto next = [&](Duration timeout) {
    return NextRequest(handlers.same_request, std::chrono::steady_clock::now() + timeout);
  };
  if (!next(handlers.drain_timeout).has_value()) return;
  stopped.store(true, std::memory_order_release);
  if (handlers.stop_now) handlers.stop_now();
  if (!next(handlers.exit_timeout).has_value()) return;
  _exit(1);  // something hangs; what is acknowledged is safe
}

SignalWatcher::SignalWatcher() : state_(std::make_unique<State>()) {
  State& state = *state_;
  sigemptyset(&state.watched);
  sigaddset(&state.watched, SIGINT);
  sigaddset(&state.watched, SIGTERM);
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&state.watched, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &state.watched, &state.former_mask);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &state.former_pipe);
}

void SignalWatcher::Stop() {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  const std::uint64_t one = 1;
  while (write(state.wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  state.thread.join();
}

SignalWatcher::~SignalWatcher() {
  Stop();
  State& state = *state_;
  if (state.signal_fd >= 0) close(state.signal_fd);
  if (state.wake_fd >= 0) close(state.wake_fd);
  sigaction(SIGPIPE, &state.former_pipe, nullptr);
  pthread_sigmask(SIG_SETMASK, &state.former_mask, nullptr);
}

absl::Status SignalWatcher::Start(SignalHandlers handlers) {
  State& state = *state_;
  if (state.signal_fd >= 0) return absl::FailedPreconditionError("SignalWatcher: started twice");
  state.signal_fd = signalfd(-1, &state.watched, SFD_CLOEXEC);
  state.wake_fd = eventfd(0, EFD_CLOEXEC);
  if (state.signal_fd < 0 || state.wake_fd < 0) {
    return absl::InternalError(std::string("cannot watch signals: ") + std::strerror(errno));
  }
  state.thread = std::thread([this, handlers = std::move(handlers)] {
    state_->Run(handlers, first_signal_, stopped_now_);
  });
  return absl::OkStatus();
}

}  // namespace tsingest
