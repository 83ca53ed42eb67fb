// PostgresServer: a private PostgreSQL for tests that want the real thing, and want to hurt it.
#ifndef TSINGEST_TESTS_SUPPORT_POSTGRES_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/child_process.h"
#include "support/pg_client.h"

namespace tsingest::testing {

struct PostgresOptions {
  // Off, for speed: what is committed survives Kill9() all the same, only not a power cut.
  bool fsync = false;
  // Further lines of postgresql.conf ("max_connections = 5").
  std::vector<std::string> settings;
};

// A server of its own in a temporary folder, on a free port of 127.0.0.1 and a Unix socket; started
// by the constructor, stopped and removed with the object or with the process. The superuser is
// `tsingest` (no password), the databases are `postgres` and what CreateDatabase() makes.
// Programs: $TSINGEST_PG_BIN, else the newest /usr/lib/postgresql/*/bin. When the test runs as root
// the server runs as the user postgres. Failures throw std::runtime_error with the server's log.
// Not thread-safe, but may be used from one thread after the other.
class PostgresServer {
 public:
  enum class StopMode {
    kFast,       // SIGINT: rolls transactions back, writes a checkpoint
    kImmediate,  // SIGQUIT: as a crash, but the processes say so to their clients
  };

  explicit PostgresServer(PostgresOptions options = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Starts a stopped or killed server on the same port and data, and waits until it answers (after
  // a kill: until it has recovered).
  void Start();
  void Stop(StopMode mode = StopMode::kFast);
  // SIGKILL to the postmaster and all its backends in one moment: a power cut, less the lost cache.
  void Kill9();
  bool Running() const { return pid_ > 0; }
  // The postmaster's process id; 0 when stopped.
  pid_t Pid() const { return pid_; }

  int Port() const { return port_; }
  // postgresql://ROLE[:PASSWORD]@127.0.0.1:PORT/DATABASE. Names and password are taken as they are:
  // use letters, digits and underscores.
  std::string Uri(const std::string& database = "postgres", const std::string& role = "tsingest",
                  const std::string& password = "") const;
  // The superuser over the Unix socket: works whatever the test wrote into pg_hba.conf.
  std::string AdminConninfo(const std::string& database = "postgres") const;

  // As the superuser, each on a connection of its own.
  void Exec(const std::string& sql, const std::string& database = "postgres") const;
  TextRows Query(const std::string& sql, const std::string& database = "postgres") const;
  std::string Value(const std::string& sql, const std::string& database = "postgres") const;

  // An empty database; without a name, one that no other call has made. Returns the name.
  std::string CreateDatabase(std::string name = "");
  // A role that may log in and nothing else, with its password stored as SCRAM.
  void CreateRole(const std::string& role, const std::string& password);
  // Puts lines before those of pg_hba.conf ("host all alice 127.0.0.1/32 scram-sha-256"), reloads,
  // and waits until new connections are judged by them. Replaces what the last call put there.
  void SetHba(const std::string& lines);
  // Lines for postgresql.conf, after those of the options; reloads and waits likewise. Replaces
  // what the last call put there.
  void SetConfig(const std::vector<std::string>& settings);

  std::filesystem::path DataDirectory() const { return directory_.path() / "data"; }
  // What the server has logged so far.
  std::string Log() const;

 private:
  void WriteHba(const std::string& lines) const;
  void WriteConfig(const std::vector<std::string>& settings) const;
  void Reload() const;
  void AwaitReady();

  PostgresOptions options_;
  RunAs user_;
  GuardedDirectory directory_;
  int port_;
  pid_t pid_ = 0;
  int next_database_ = 1;
};

// The server that a test program's tests share (started at the first call, stopped at exit), for
// tests that need only a database of their own.
PostgresServer& SharedPostgres();

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_POSTGRES_SERVER_H_
