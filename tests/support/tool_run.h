// ToolRun: one of our programs, as a user runs it.
#ifndef TSINGEST_TESTS_SUPPORT_TOOL_RUN_H_
#define TSINGEST_TESTS_SUPPORT_TOOL_RUN_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/child_process.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace tsingest::testing {

// Waits until the condition holds, for a minute at most; whether it did.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// Started by its constructor, killed by its destructor if it still runs. Not thread-safe.
class ToolRun {
 public:
  ToolRun(const std::string& tool, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ToolPath(tool).string());
    pid_ = Spawn(arguments, {::getuid(), ::getgid(), false}, directory_.Path("output"));
  }
  ~ToolRun() {
    if (pid_ > 0) KillTree(pid_);
  }
  ToolRun(const ToolRun&) = delete;
  ToolRun& operator=(const ToolRun&) = delete;

  // The exit code; -1 when it was ended by a signal, or not within two minutes.
  int Wait() {
    const std::optional<int> status = WaitFor(pid_, std::chrono::minutes(2));
    if (!status.has_value()) return -1;
    pid_ = 0;
    return WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
  void Signal(int number) const { ::kill(pid_, number); }

  // What it has printed so far, stdout and stderr.
  std::string Output() const {
    std::ifstream in(directory_.Path("output"), std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  bool HasSaid(const std::string& text) const { return Output().find(text) != std::string::npos; }

 private:
  TempDir directory_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TOOL_RUN_H_
