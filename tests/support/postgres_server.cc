#include "support/postgres_server.h"

#include <libpq-fe.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kAlwaysHba = "local all tsingest trust\n";
constexpr std::string_view kDefaultHba = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
constexpr std::chrono::seconds kStartLimit{60};

fs::path FindPrograms() {
  if (const char* const named = std::getenv("TSINGEST_PG_BIN")) return named;
  fs::path newest;
  int newest_version = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > newest_version && fs::exists(entry.path() / "bin/postgres")) {
      newest_version = version;
      newest = entry.path() / "bin";
    }
  }
  if (newest.empty()) {
    throw std::runtime_error(
        "no PostgreSQL server found under /usr/lib/postgresql: install it (scripts/setup), or set "
        "TSINGEST_PG_BIN to the folder of its programs");
  }
  return newest;
}

const fs::path& Programs() {
  static const fs::path programs = FindPrograms();
  return programs;
}

// initdb takes a second, a copy of its result a tenth of that: one per process.
class Template {
 public:
  Template() : user_(ServerUser("postgres")), directory_("tsingest-initdb-", user_, "none") {
    RunToEnd({(Programs() / "initdb").string(), "-D", data().string(), "-U", "tsingest", "-A",
              "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"},
             user_, directory_.path() / "log");
  }
  fs::path data() const { return directory_.path() / "data"; }
  void CopyTo(const fs::path& target) const {
    RunToEnd({"/bin/cp", "-a", data().string(), target.string()}, user_, directory_.path() / "log");
  }

 private:
  RunAs user_;
  GuardedDirectory directory_;
};

const Template& TheTemplate() {
  static const Template instance;
  return instance;
}

// SIGKILL leaves the small System V segment that guards the data directory; line 7 of
// postmaster.pid is "key id".
void RemoveSharedMemory(const fs::path& data) {
  std::ifstream file(data / "postmaster.pid");
  std::string line;
  for (int i = 0; i < 7; ++i) std::getline(file, line);
  std::istringstream fields(line);
  long key = 0;
  int id = -1;
  if (fields >> key >> id) ::shmctl(id, IPC_RMID, nullptr);
}

void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

PostgresServer::PostgresServer(PostgresOptions options)
    : options_(std::move(options)),
      user_(ServerUser("postgres")),
      directory_("tsingest-pg-", user_, "data/postmaster.pid"),
      port_(FreePort()) {
  TheTemplate().CopyTo(DataDirectory());
  WriteHba("");
  WriteConfig({});
  Start();
}

PostgresServer::~PostgresServer() {
  try {
    if (Running()) Stop(StopMode::kImmediate);
  } catch (const std::exception&) {
    KillTree(pid_);
  }
  RemoveSharedMemory(DataDirectory());
}

void PostgresServer::Start() {
  if (Running()) throw std::runtime_error("PostgresServer::Start: it runs already");
  pid_ = Spawn({(Programs() / "postgres").string(), "-D", DataDirectory().string()}, user_,
               directory_.path() / "log");
  AwaitReady();
}

void PostgresServer::AwaitReady() {
  const auto deadline = steady_clock::now() + kStartLimit;
  while (PQping(AdminConninfo().c_str()) != PQPING_OK) {
    if (WaitFor(pid_, milliseconds(0))) {
      pid_ = 0;
      throw std::runtime_error("PostgreSQL did not start:\n" + Tail(directory_.path() / "log"));
    }
    if (steady_clock::now() > deadline) {
      KillTree(std::exchange(pid_, 0));
      throw std::runtime_error("PostgreSQL did not answer within 60 s:\n" +
                               Tail(directory_.path() / "log"));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
}

void PostgresServer::Stop(StopMode mode) {
  if (!Running()) return;
  ::kill(pid_, mode == StopMode::kFast ? SIGINT : SIGQUIT);
  if (!WaitFor(pid_, kStartLimit)) {
    throw std::runtime_error("PostgreSQL did not stop within 60 s:\n" +
                             Tail(directory_.path() / "log"));
  }
  pid_ = 0;
}

void PostgresServer::Kill9() {
  if (Running()) KillTree(std::exchange(pid_, 0));
}

std::string PostgresServer::Uri(const std::string& database, const std::string& role,
                                const std::string& password) const {
  return "postgresql://" + role + (password.empty() ? "" : ":" + password) +
         "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

std::string PostgresServer::AdminConninfo(const std::string& database) const {
  return "host=" + directory_.path().string() + " port=" + std::to_string(port_) +
         " user=tsingest dbname=" + database;
}

void PostgresServer::Exec(const std::string& sql, const std::string& database) const {
  PgClient(AdminConninfo(database)).Exec(sql);
}

TextRows PostgresServer::Query(const std::string& sql, const std::string& database) const {
  return PgClient(AdminConninfo(database)).Query(sql);
}

std::string PostgresServer::Value(const std::string& sql, const std::string& database) const {
  return PgClient(AdminConninfo(database)).Value(sql);
}

std::string PostgresServer::CreateDatabase(std::string name) {
  if (name.empty()) name = "db" + std::to_string(next_database_++);
  Exec("CREATE DATABASE " + name);
  return name;
}

void PostgresServer::CreateRole(const std::string& role, const std::string& password) {
  Exec("SET password_encryption = 'scram-sha-256'; CREATE ROLE " + role + " LOGIN PASSWORD '" +
       password + "'");
}

void PostgresServer::SetHba(const std::string& lines) {
  WriteHba(lines);
  Reload();
}

void PostgresServer::SetConfig(const std::vector<std::string>& settings) {
  WriteConfig(settings);
  Reload();
}

std::string PostgresServer::Log() const {
  return Tail(directory_.path() / "log", std::string::npos);
}

void PostgresServer::WriteHba(const std::string& lines) const {
  WriteFile(DataDirectory() / "pg_hba.conf",
            std::string(kAlwaysHba) + lines + "\n" + std::string(kDefaultHba));
}

void PostgresServer::WriteConfig(const std::vector<std::string>& settings) const {
  std::string text =
      "listen_addresses = '127.0.0.1'\nport = " + std::to_string(port_) +
      "\nunix_socket_directories = '" + directory_.path().string() +
      "'\nlog_line_prefix = '%m [%p] '\nlc_messages = 'C'\ntimezone = 'UTC'\n"
      "dynamic_shared_memory_type = mmap\nshared_buffers = 64MB\nmax_wal_size = 2GB\n";
  if (!options_.fsync) text += "fsync = off\nfull_page_writes = off\n";
  WriteFile(DataDirectory() / "postgresql.conf", text + Lines(options_.settings) + Lines(settings));
}

// A backend inherits the time of the postmaster's last reload: new connections show when it is
// done.
void PostgresServer::Reload() const {
  if (!Running()) return;
  const std::string before = Value("SELECT pg_conf_load_time() FROM pg_reload_conf()");
  const auto deadline = steady_clock::now() + kStartLimit;
  while (Value("SELECT pg_conf_load_time()") == before) {
    if (steady_clock::now() > deadline) throw std::runtime_error("PostgreSQL did not reload");
    std::this_thread::sleep_for(milliseconds(5));
  }
}

PostgresServer& SharedPostgres() {
  static PostgresServer server;
  return server;
}

}  // namespace tsingest::testing
