#include "source/mqtt/io_loop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "source/mqtt/poll_until.h"

namespace tsingest::mqtt {

absl::Status IoLoop::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("cannot start the MQTT thread: ") +
                                        error.what());
  }
  return absl::OkStatus();
}

void IoLoop::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  wake_->Signal();
  thread_.join();
}

void IoLoop::Run() {
  // Signals are for the program's own threads; SIGPIPE of a TLS write is for nobody.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  bool closing = false;
  MonotonicTime now = clock_.Now();
  ready_.assign(connections_.size(), 0);
  while (true) {
    if (stop_.load() && !closing) {
      closing = true;
      for (auto& connection : connections_) connection->Close(now);
    }
    if (Serve(now) && closing) return;
    Wait(now);
    now = clock_.Now();
  }
}

// True: all are done.
bool IoLoop::Serve(MonotonicTime now) {
  bool done = true;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    connections_[i]->Serve(ready_[i] != 0, now);
    done = done && connections_[i]->done();
  }
  return done;
}

void IoLoop::Wait(MonotonicTime now) {
  std::vector<pollfd> fds(connections_.size() + 1);
  MonotonicTime until = MonotonicTime::max();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const Connection& c = *connections_[i];
    // A descriptor that nothing is wanted of would still report a hang-up, again and again.
    fds[i] = {c.events() == 0 ? -1 : c.fd(), c.events(), 0};
    until = std::min(until, c.deadline());
  }
  fds.back() = {wake_->get(), POLLIN, 0};
  PollUntil(fds.data(), fds.size(), now, until);
  if (fds.back().revents != 0) wake_->Drain();
  for (std::size_t i = 0; i < connections_.size(); ++i) ready_[i] = fds[i].revents;
}

}  // namespace tsingest::mqtt
