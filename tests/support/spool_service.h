// mqtt2ts with a spool, between a private broker and a private database, as tests kill it.
#ifndef TSINGEST_TESTS_SUPPORT_SPOOL_SERVICE_H_
#define TSINGEST_TESTS_SUPPORT_SPOOL_SERVICE_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/mosquitto_server.h"
#include "support/postgres_server.h"

namespace tsingest::testing {

class SpoolService {
 public:
  // Borrows both servers. `flags` are added to the command line.
  SpoolService(const MosquittoServer& broker, const PostgresServer& database,
               std::vector<std::string> flags = {});
  ~SpoolService() { Kill9(); }
  SpoolService(const SpoolService&) = delete;
  SpoolService& operator=(const SpoolService&) = delete;

  void Start();
  void Kill9();
  // SIGTERM; the exit code.
  int Stop();

  // The value of a metric (the whole name with its labels); -1: not there, or nobody answers.
  double Metric(const std::string& name) const;
  // The body of GET `path`; empty when nobody answers.
  std::string Get(const std::string& path) const;

  std::string SpoolDirectory() const { return (directory_.path() / "spool").string(); }
  std::string Log() const { return Tail(directory_.path() / "log", 4000); }

 private:
  std::vector<std::string> Command() const;

  RunAs self_;
  GuardedDirectory directory_;
  std::string broker_uri_;
  std::string database_uri_;
  std::vector<std::string> flags_;
  int http_port_;
  pid_t pid_ = 0;
};

// Waits until it holds; false: it did not within the time.
bool AwaitTrue(const std::function<bool()>& condition,
               std::chrono::seconds limit = std::chrono::seconds(60));

// {"value": N} for N from `first` on.
std::vector<std::string> ValueMessages(int first, int count);

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SPOOL_SERVICE_H_
