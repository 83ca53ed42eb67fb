#include "support/mochi_server.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "support/mqtt_publisher.h"

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartLimit{20};

fs::path Program() {
  if (const char* const named = std::getenv("TSINGEST_MOCHI_BROKER")) return named;
  const char* const home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/root" : home) / ".cache/tsingest/mochi/mochi_broker";
}

bool Answers(int port) {
  try {
    const MqttPublisher publisher(port);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

std::string MochiMissing() {
  return ::access(Program().c_str(), X_OK) == 0
             ? ""
             : "no MQTT broker mochi: scripts/setup --for test makes it where there is a Go";
}

MochiServer::MochiServer()
    : user_{::geteuid(), ::getegid(), false},
      directory_("tsingest-mochi-", user_, "pid"),
      port_(FreePort()) {
  const fs::path log = directory_.path() / "log";
  pid_ = Spawn({Program().string(), "127.0.0.1:" + std::to_string(port_)}, user_, log);
  std::ofstream(directory_.path() / "pid") << pid_ << '\n';
  const auto until = steady_clock::now() + kStartLimit;
  while (!Answers(port_)) {
    if (WaitFor(pid_, milliseconds(0)).has_value() || steady_clock::now() > until) {
      throw std::runtime_error("the broker mochi does not start: " + Tail(log));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
}

MochiServer::~MochiServer() { KillTree(pid_); }

}  // namespace tsingest::testing
