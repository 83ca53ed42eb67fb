// ServiceProcess: a long-running tool of this build as its own process, to kill, freeze and ask.
#ifndef TSINGEST_TESTS_SUPPORT_SERVICE_PROCESS_H_
#define TSINGEST_TESTS_SUPPORT_SERVICE_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "support/child_process.h"

namespace tsingest::testing {

struct HttpReply {
  int status = 0;
  std::string body;
};
// GET http://127.0.0.1:PORT/PATH; nullopt when nobody answers within five seconds.
std::optional<HttpReply> HttpGet(int port, const std::string& path);

// kafka2ts or mqtt2ts, with HTTP on a free port, a JSON log and a JSON summary. It ends with the
// object or with the test, however that ends. Not thread-safe.
class ServiceProcess {
 public:
  static constexpr std::chrono::seconds kPatience{90};

  // Does not start it yet.
  ServiceProcess(const std::string& tool, std::vector<std::string> arguments);
  ~ServiceProcess() { Kill9(); }
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  // Adds or replaces an environment variable of later starts ("PGPASSWORD").
  void SetEnvironment(const std::string& name, const std::string& value);

  // A process that runs already is killed first. The log goes on.
  void Start();
  void Kill9();
  void Signal(int signal) const { ::kill(pid_, signal); }
  // The exit code once it has ended by itself (128 + n: by signal n); nullopt: it still runs.
  std::optional<int> Wait(std::chrono::milliseconds limit = kPatience);
  // SIGTERM, and waits: 143 after a clean drain.
  std::optional<int> Stop() {
    Signal(SIGTERM);
    return Wait();
  }
  bool Running() const { return pid_ > 0; }
  pid_t Pid() const { return pid_; }

  std::optional<HttpReply> Get(const std::string& path) const { return HttpGet(port_, path); }
  // Status and body of /health/ready ("503 {…}"); "": nobody answers.
  std::string Ready() const;
  // Value of a sample in /metrics, by its name with labels as they stand there.
  std::optional<double> Metric(const std::string& sample) const;
  // Everything it has said on stdout and stderr since the first start.
  std::string Log() const;
  // A number of the last summary ("written"); -1: there is none.
  std::int64_t Summary(const std::string& field) const;

 private:
  std::vector<std::string> Command() const;

  const std::string tool_;
  const std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  const RunAs self_;
  GuardedDirectory directory_;
  const int port_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SERVICE_PROCESS_H_
