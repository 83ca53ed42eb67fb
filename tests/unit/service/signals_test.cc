#include "tsingest/service/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "support/notification.h"

namespace tsingest {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

using tsingest::testing::Notification;

// Signals go to a child process of their own; `body` returns its exit code.
template <class Body>
int ExitOfChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(SignalWatcher, FirstSignalDrainsSecondStops) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              Notification drained;
              Notification stopped;
              SignalHandlers handlers;
              handlers.drain = [&](int signal) {
                if (signal == SIGTERM) drained.Notify();
              };
              handlers.stop_now = [&] { stopped.Notify(); };
              handlers.drain_timeout = hours(1);
              handlers.same_request = milliseconds(0);
              if (!watcher.Start(handlers).ok()) return 10;
              if (watcher.first_signal() != 0) return 11;
              kill(getpid(), SIGTERM);
              drained.Wait();
              if (watcher.first_signal() != SIGTERM || watcher.stopped_now()) return 12;
              kill(getpid(), SIGINT);
              stopped.Wait();
              return watcher.first_signal() == SIGTERM && watcher.stopped_now() ? 7 : 13;
            }),
            7);
}

TEST(SignalWatcher, SignalBeforeStartIsNotLost) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              kill(getpid(), SIGINT);
              Notification drained;
              SignalHandlers handlers;
              handlers.drain = [&](int) { drained.Notify(); };
              if (!watcher.Start(handlers).ok()) return 10;
              drained.Wait();
              return watcher.first_signal() == SIGINT ? 7 : 11;
            }),
            7);
}

// As timeout(1) does it: to the process, and to its group.
TEST(SignalWatcher, SignalsThatComeTogetherAreOne) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              Notification drained;
              Notification stopped;
              SignalHandlers handlers;
              handlers.drain = [&](int) {
                kill(getpid(), SIGTERM);
                kill(getpid(), SIGINT);
                drained.Notify();
              };
              handlers.stop_now = [&] { stopped.Notify(); };
              handlers.drain_timeout = milliseconds(300);
              handlers.same_request = hours(1);
              const auto began = std::chrono::steady_clock::now();
              if (!watcher.Start(handlers).ok()) return 10;
              kill(getpid(), SIGTERM);
              drained.Wait();
              stopped.Wait();  // by the drain's time, not by a signal
              return std::chrono::steady_clock::now() - began >= milliseconds(300) ? 7 : 11;
            }),
            7);
}

TEST(SignalWatcher, DrainThatTakesTooLongIsStopped) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              Notification stopped;
              SignalHandlers handlers;
              handlers.stop_now = [&] { stopped.Notify(); };
              handlers.drain_timeout = milliseconds(1);
              if (!watcher.Start(handlers).ok()) return 10;
              kill(getpid(), SIGTERM);
              stopped.Wait();
              return 7;
            }),
            7);
}

TEST(SignalWatcher, CallsNoHandlerAfterStop) {
  EXPECT_EQ(ExitOfChild([] {
              sigset_t term;  // it stays pending when the watcher is gone
              sigemptyset(&term);
              sigaddset(&term, SIGTERM);
              pthread_sigmask(SIG_BLOCK, &term, nullptr);
              SignalWatcher watcher;
              int calls = 0;
              SignalHandlers handlers;
              handlers.drain = [&](int) { ++calls; };
              if (!watcher.Start(handlers).ok()) return 10;
              watcher.Stop();
              kill(getpid(), SIGTERM);
              watcher.Stop();
              return calls == 0 && watcher.first_signal() == 0 && !watcher.Start({}).ok() ? 7 : 11;
            }),
            7);
}

TEST(SignalWatcher, ThirdSignalEndsAProcessThatHangs) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              Notification drained;
              Notification stopped;
              Notification never;
              SignalHandlers handlers;
              handlers.drain = [&](int) { drained.Notify(); };
              handlers.stop_now = [&] { stopped.Notify(); };
              handlers.drain_timeout = handlers.exit_timeout = hours(1);
              handlers.same_request = milliseconds(0);
              if (!watcher.Start(handlers).ok()) return 10;
              kill(getpid(), SIGTERM);
              drained.Wait();
              kill(getpid(), SIGTERM);
              stopped.Wait();
              kill(getpid(), SIGTERM);
              never.Wait();
              return 11;
            }),
            1);
}

TEST(SignalWatcher, ClosedPipeIsAnErrorNotTheEnd) {
  EXPECT_EQ(ExitOfChild([] {
              SignalWatcher watcher;
              int fds[2];
              if (pipe(fds) != 0) return 10;
              close(fds[0]);
              return write(fds[1], "x", 1) < 0 && errno == EPIPE ? 7 : 11;
            }),
            7);
}

TEST(SignalWatcher, GivesSignalsTheirMeaningBack) {
  EXPECT_EQ(ExitOfChild([] {
              {
                SignalWatcher watcher;
                if (!watcher.Start({}).ok()) return 10;
                if (watcher.Start({}).ok()) return 11;
              }
              raise(SIGTERM);
              return 12;
            }),
            1000 + SIGTERM);
}

TEST(SignalWatcher, LeavesAnIgnoredHangupAlone) {
  EXPECT_EQ(ExitOfChild([] {
              signal(SIGHUP, SIG_IGN);
              SignalWatcher watcher;
              if (!watcher.Start({}).ok()) return 10;
              kill(getpid(), SIGHUP);
              return watcher.first_signal() == 0 ? 7 : 11;
            }),
            7);
}

}  // namespace
}  // namespace tsingest
