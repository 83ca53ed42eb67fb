#include "support/child_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

[[noreturn]] void ThrowErrno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<char*> Pointers(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& arg : argv) pointers.push_back(const_cast<char*>(arg.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Between fork and exec: async-signal-safe calls only, the parent may have threads.
[[noreturn]] void ExecChild(char* const* argv, const RunAs& user, int log_fd, int error_fd) {
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, 0);
  ::dup2(log_fd, 1);
  ::dup2(log_fd, 2);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const bool ready = !user.change || (::setgroups(0, nullptr) == 0 && ::setgid(user.gid) == 0 &&
                                      ::setuid(user.uid) == 0 && ::chdir("/") == 0);
  if (ready) ::execv(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_fd, &error, sizeof error);
  ::_exit(127);
}

struct ProcessEntry {
  pid_t parent = 0;
  char state = 'X';
};

// From /proc/PID/stat, whose second field is the name in parentheses and may hold anything.
std::optional<ProcessEntry> ReadProcess(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(end + 1));
  ProcessEntry entry;
  rest >> entry.state >> entry.parent;
  return entry;
}

std::vector<pid_t> Descendants(pid_t root) {
  std::vector<pid_t> found{root};
  for (std::size_t next = 0; next < found.size(); ++next) {
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
      const pid_t pid = std::atoi(entry.path().filename().c_str());
      if (pid <= 0) continue;
      const std::optional<ProcessEntry> process = ReadProcess(pid);
      if (process && process->parent == found[next]) found.push_back(pid);
    }
  }
  found.erase(found.begin());
  return found;
}

bool IsGone(pid_t pid) {
  const std::optional<ProcessEntry> process = ReadProcess(pid);
  return !process || process->state == 'Z' || process->state == 'X';
}

bool CanBind(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

}  // namespace

RunAs ServerUser(const std::string& name) {
  if (::geteuid() != 0) return {::geteuid(), ::getegid(), false};
  const passwd* const entry = ::getpwnam(name.c_str());
  if (entry == nullptr) {
    throw std::runtime_error("the test runs as root and there is no user \"" + name +
                             "\" to run the server as: install the server, or run as another user");
  }
  return {entry->pw_uid, entry->pw_gid, true};
}

pid_t Spawn(const std::vector<std::string>& argv, const RunAs& user, const fs::path& log) {
  const std::vector<char*> pointers = Pointers(argv);
  const int log_fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) ThrowErrno("cannot write " + log.string());
  int error_pipe[2];
  if (::pipe2(error_pipe, O_CLOEXEC) != 0) ThrowErrno("pipe");
  const pid_t pid = ::fork();
  if (pid < 0) ThrowErrno("fork");
  if (pid == 0) ExecChild(pointers.data(), user, log_fd, error_pipe[1]);
  ::close(log_fd);
  ::close(error_pipe[1]);
  int error = 0;
  const ssize_t got = ::read(error_pipe[0], &error, sizeof error);
  ::close(error_pipe[0]);
  if (got == static_cast<ssize_t>(sizeof error)) {
    ::waitpid(pid, nullptr, 0);
    errno = error;
    ThrowErrno("cannot run " + argv[0]);
  }
  return pid;
}

std::optional<int> WaitFor(pid_t pid, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(pid, &status, WNOHANG);
    if (got == pid) return status;
    if (got < 0 && errno != EINTR) ThrowErrno("waitpid " + std::to_string(pid));
    if (steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(milliseconds(5));
  }
}

void RunToEnd(const std::vector<std::string>& argv, const RunAs& user, const fs::path& log) {
  const pid_t pid = Spawn(argv, user, log);
  const std::optional<int> status = WaitFor(pid, std::chrono::minutes(2));
  if (status == 0) return;
  if (!status) KillTree(pid);
  throw std::runtime_error(argv[0] + (status ? " failed:\n" : " did not end:\n") + Tail(log));
}

void KillTree(pid_t pid) {
  ::kill(pid, SIGSTOP);
  std::vector<pid_t> tree = Descendants(pid);
  for (const pid_t child : tree) ::kill(child, SIGKILL);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  for (const pid_t child : tree) {
    while (!IsGone(child)) std::this_thread::sleep_for(milliseconds(1));
  }
}

std::string Tail(const fs::path& file, std::size_t bytes) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  return all.size() > bytes ? all.substr(all.size() - bytes) : all;
}

int FreePort() {
  static std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int> pick(15000, 31999);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = pick(random);
    if (CanBind(port)) return port;
  }
  throw std::runtime_error("no free TCP port on 127.0.0.1 between 15000 and 31999");
}

GuardedDirectory::GuardedDirectory(const std::string& prefix, const RunAs& user,
                                   const std::string& pid_file) {
  const char* const base = std::getenv("TMPDIR");
  std::string name = (base == nullptr ? std::string("/tmp") : base) + "/" + prefix + "XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) ThrowErrno("cannot make " + name);
  path_ = name;
  if (user.change && ::chown(name.c_str(), user.uid, user.gid) != 0) ThrowErrno("chown " + name);
  StartGuardian(pid_file);
}

GuardedDirectory::~GuardedDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(guard_fd_);
}

// The guardian is a shell, forked twice so that it is nobody's child: a runner which kills the
// test's whole process tree does not take it along.
void GuardedDirectory::StartGuardian(const std::string& pid_file) {
  const std::string script =
      "trap '' INT TERM HUP; read -r _; "
      "pid=$(head -n 1 \"$1/$2\" 2>/dev/null) && kill -QUIT \"$pid\" 2>/dev/null && sleep 1; "
      "rm -rf \"$1\"";
  const std::vector<std::string> argv{"/bin/sh",  "-c",           script,
                                      "guardian", path_.string(), pid_file};
  const std::vector<char*> pointers = Pointers(argv);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) ThrowErrno("pipe");
  const pid_t pid = ::fork();
  if (pid < 0) ThrowErrno("fork");
  if (pid == 0) {
    if (::fork() != 0) ::_exit(0);
    ::setsid();
    const int null_fd = ::open("/dev/null", O_RDWR);
    ::dup2(ends[0], 0);
    ::dup2(null_fd, 1);
    ::dup2(null_fd, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::waitpid(pid, nullptr, 0);
  ::close(ends[0]);
  guard_fd_ = ends[1];
}

}  // namespace tsingest::testing
