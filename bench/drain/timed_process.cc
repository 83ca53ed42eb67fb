#include "drain/timed_process.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include "support/child_process.h"

namespace tsingest::bench {
namespace {

using std::chrono::milliseconds;

constexpr double kPatienceSeconds = 300;

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

TimedProcess::TimedProcess(const std::vector<std::string>& command, Output output)
    : name_(command.front()) {
  const std::string script = output == Output::kDiscard ? "exec \"$@\" >/dev/null" : "exec \"$@\"";
  std::vector<std::string> argv = {"/bin/sh", "-c", script, "sh"};
  argv.insert(argv.end(), command.begin(), command.end());
  start_ = std::chrono::steady_clock::now();
  started_at_ = std::chrono::system_clock::now();
  pid_ = testing::Spawn(argv, {::getuid(), ::getgid(), false}, directory_.Path("log"));
}

TimedProcess::~TimedProcess() {
  if (pid_ > 0) testing::KillTree(pid_);
}

Usage TimedProcess::AwaitEnd() {
  Usage usage;
  int status = 0;
  while (!Reap(&usage, &status)) {
    if (Elapsed() > kPatienceSeconds) Fail("has not ended after five minutes");
    std::this_thread::sleep_for(milliseconds(2));
  }
  usage.seconds = Elapsed();
  if (status != 0) Fail("failed");
  return usage;
}

Usage TimedProcess::AwaitDone(const std::function<std::optional<milliseconds>()>& wait) {
  Usage usage;
  int status = 0;
  while (const std::optional<milliseconds> pause = wait()) {
    if (Reap(&usage, &status)) Fail("ended before it was done");
    if (Elapsed() > kPatienceSeconds) Fail("was not done after five minutes");
    std::this_thread::sleep_for(*pause);
  }
  ::kill(pid_, SIGTERM);
  while (!Reap(&usage, &status)) {
    if (Elapsed() > kPatienceSeconds) Fail("does not stop");
    std::this_thread::sleep_for(milliseconds(2));
  }
  return usage;
}

double TimedProcess::Elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

bool TimedProcess::Reap(Usage* usage, int* status) {
  rusage used{};
  if (::wait4(pid_, status, WNOHANG, &used) != pid_) return false;
  pid_ = 0;
  usage->cpu_seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  usage->peak_rss_kib = used.ru_maxrss;
  return true;
}

void TimedProcess::Fail(const std::string& what) const {
  throw std::runtime_error(name_ + " " + what + ":\n" + testing::Tail(directory_.Path("log")));
}

}  // namespace tsingest::bench
