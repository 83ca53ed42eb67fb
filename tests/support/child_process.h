// Processes that tests start, and the temporary folders they live in.
#ifndef TSINGEST_TESTS_SUPPORT_CHILD_PROCESS_H_
#define TSINGEST_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tsingest::testing {

// Who a child runs as. Servers such as PostgreSQL refuse to run as root: when the test does, they
// run as `name`; otherwise as the test's own user.
struct RunAs {
  uid_t uid;
  gid_t gid;
  bool change;
};
// Throws std::runtime_error when the test runs as root and there is no such user.
RunAs ServerUser(const std::string& name);

// Starts argv[0] with stdout and stderr appended to `log`. Returns its process id; throws
// std::runtime_error when it cannot be started.
pid_t Spawn(const std::vector<std::string>& argv, const RunAs& user,
            const std::filesystem::path& log);
// Waits for the end of `pid`; its wait status, or nullopt when it still runs after `limit`.
std::optional<int> WaitFor(pid_t pid, std::chrono::milliseconds limit);
// Runs to the end; throws std::runtime_error with the tail of the log when it fails.
void RunToEnd(const std::vector<std::string>& argv, const RunAs& user,
              const std::filesystem::path& log);

// Sends SIGKILL to `pid` and all its descendants, at one moment (`pid` is stopped first, so that it
// cannot fork on), and waits until they are gone. `pid` must be a child of this process.
void KillTree(pid_t pid);

// The last `bytes` of a file; "" when it cannot be read.
std::string Tail(const std::filesystem::path& file, std::size_t bytes = 2000);

// A TCP port on 127.0.0.1 that was free a moment ago, outside the range from which the kernel gives
// ports to outgoing connections: a server that is restarted finds its port free.
int FreePort();

// A fresh folder, owned by `user`, under $TMPDIR or /tmp. It is removed with the object, and also
// when this process dies, however it dies: then a guardian process first kills the process ids it
// finds in the first line of `pid_file` (relative to the folder; may be empty or missing).
class GuardedDirectory {
 public:
  GuardedDirectory(const std::string& prefix, const RunAs& user, const std::string& pid_file);
  ~GuardedDirectory();
  GuardedDirectory(const GuardedDirectory&) = delete;
  GuardedDirectory& operator=(const GuardedDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  void StartGuardian(const std::string& pid_file);

  std::filesystem::path path_;
  int guard_fd_ = -1;  // the guardian wakes when the last copy of it is closed
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_CHILD_PROCESS_H_
