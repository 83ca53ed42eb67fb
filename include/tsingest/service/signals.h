// SIGINT and SIGTERM as requests to stop: the first drains, the second stops at once.
#ifndef TSINGEST_SERVICE_SIGNALS_H_
#define TSINGEST_SERVICE_SIGNALS_H_

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"

namespace tsingest {

struct SignalHandlers {
  // First SIGINT, SIGTERM or SIGHUP: stop reading, flush, acknowledge. Must return soon.
  std::function<void(int signal)> drain;
  // A second one, or the drain took longer than drain_timeout: give up what is in flight. Nothing
  // acknowledged is lost by it. Must return soon. Not called for a signal that comes within
  // `same_request` of the one before.
  std::function<void()> stop_now;
  Duration drain_timeout = std::chrono::seconds(20);
  // After stop_now the process has so long to end by itself; then it is ended. Also at the third
  // signal.
  Duration exit_timeout = std::chrono::seconds(5);
  // Signals that follow each other faster are one request: timeout(1) signals the process and its
  // group, a supervisor the group and each of its members. 0: each is one of its own.
  Duration same_request = std::chrono::milliseconds(500);
};

// Create it in main() before any other thread: it blocks the signals in the calling thread, and
// threads made later inherit that. Handlers run on a thread of its own, so they may lock and
// allocate. SIGPIPE is ignored for the whole process. A SIGHUP that was ignored (nohup) stays so.
class SignalWatcher {
 public:
  SignalWatcher();
  // Ends the thread and gives the signals their former meaning back.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // Watches from now on; signals since construction are not lost. At most once.
  absl::Status Start(SignalHandlers handlers);

  // No handler is called any more when it returns: to be called before what they refer to goes. Not
  // from a handler. first_signal() and stopped_now() keep what they say.
  void Stop();

  // The first signal that came, or 0. Thread-safe.
  int first_signal() const { return first_signal_.load(std::memory_order_acquire); }
  // Whether stop_now was called. Thread-safe.
  bool stopped_now() const { return stopped_now_.load(std::memory_order_acquire); }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::atomic<int> first_signal_{0};
  std::atomic<bool> stopped_now_{false};
};

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_SIGNALS_H_
