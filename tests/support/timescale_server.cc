#include "support/timescale_server.h"

#include <libpq-fe.h>
#include <signal.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/child_process.h"
#include "support/paths.h"

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartLimit{120};

fs::path ServerFolder() { return SourceDirectory() / "tests/support/timescale"; }

fs::path FindNode() {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path node = fs::path(folder) / "node";
    if (::access(node.c_str(), X_OK) == 0) return node;
  }
  return {};
}

const char* NamedServer() {
  const char* const uri = std::getenv("TSINGEST_TEST_TIMESCALE");
  return uri == nullptr || *uri == '\0' ? nullptr : uri;
}

// The Node.js process; it ends with the test program.
class WasmProcess {
 public:
  WasmProcess()
      : user_{::geteuid(), ::getegid(), false},
        directory_("tsingest-timescale-", user_, "pid"),
        port_(FreePort()) {
    pid_ = Spawn({"/usr/bin/env", "PORT=" + std::to_string(port_), FindNode().string(),
                  (ServerFolder() / "server.mjs").string()},
                 user_, log());
    std::ofstream(directory_.path() / "pid") << pid_ << '\n';
    AwaitReady();
  }
  ~WasmProcess() { KillTree(pid_); }
  WasmProcess(const WasmProcess&) = delete;
  WasmProcess& operator=(const WasmProcess&) = delete;

  int port() const { return port_; }

 private:
  fs::path log() const { return directory_.path() / "log"; }

  void AwaitReady() {
    const auto deadline = steady_clock::now() + kStartLimit;
    while (Tail(log()).find("ready") == std::string::npos) {
      if (WaitFor(pid_, milliseconds(0))) {
        throw std::runtime_error("the TimescaleDB of tests/support/timescale did not start:\n" +
                                 Tail(log()));
      }
      if (steady_clock::now() > deadline) {
        KillTree(pid_);
        throw std::runtime_error("the TimescaleDB of tests/support/timescale is not ready:\n" +
                                 Tail(log()));
      }
      std::this_thread::sleep_for(milliseconds(50));
    }
  }

  RunAs user_;
  GuardedDirectory directory_;
  int port_;
  pid_t pid_ = 0;
};

std::string PercentEncoded(const std::string& text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

// The same connection with another database: every setting as a parameter of a URI.
std::string WithDatabase(const std::string& conninfo, const std::string& database) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(conninfo.c_str(), &error), &PQconninfoFree);
  if (options == nullptr) {
    const std::string why = error == nullptr ? "out of memory" : error;
    PQfreemem(error);
    throw std::runtime_error("TSINGEST_TEST_TIMESCALE is no connection string: " + why);
  }
  std::string uri = "postgresql:///" + PercentEncoded(database);
  char separator = '?';
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || std::string(option->keyword) == "dbname") continue;
    uri += separator + std::string(option->keyword) + "=" + PercentEncoded(option->val);
    separator = '&';
  }
  return uri;
}

}  // namespace

std::optional<std::string> TimescaleServer::WhyUnavailable() {
  if (NamedServer() != nullptr) return std::nullopt;
  const std::string cure =
      "; run scripts/setup --for test, or name a server with "
      "TSINGEST_TEST_TIMESCALE=postgresql://…";
  if (FindNode().empty()) return "no TimescaleDB: Node.js is not installed" + cure;
  if (!fs::exists(ServerFolder() / "node_modules/@electric-sql/pglite/package.json")) {
    return "no TimescaleDB: the packages of tests/support/timescale are not installed" + cure;
  }
  return std::nullopt;
}

TimescaleServer& TimescaleServer::Shared() {
  static TimescaleServer server;
  return server;
}

TimescaleServer::TimescaleServer() {
  if (const char* const named = NamedServer()) {
    admin_uri_ = named;
    return;
  }
  static WasmProcess process;
  is_wasm_ = true;
  admin_uri_ = "postgresql://postgres@127.0.0.1:" + std::to_string(process.port()) + "/postgres";
}

std::string TimescaleServer::Uri(const std::string& database) const {
  return WithDatabase(admin_uri_, database);
}

}  // namespace tsingest::testing
