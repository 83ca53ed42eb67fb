// MochiServer: the MQTT broker mochi (a Go module), a second opinion beside Mosquitto.
#ifndef TSINGEST_TESTS_SUPPORT_MOCHI_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_MOCHI_SERVER_H_

#include <sys/types.h>

#include <string>

#include "support/child_process.h"

namespace tsingest::testing {

// Why there is no such broker, or empty: then MochiServer works. $TSINGEST_MOCHI_BROKER, else what
// scripts/setup has made.
std::string MochiMissing();

// A broker of its own on a free port of 127.0.0.1, with its sessions in memory. Failures throw
// std::runtime_error with the broker's log. Not thread-safe.
class MochiServer {
 public:
  MochiServer();
  ~MochiServer();
  MochiServer(const MochiServer&) = delete;
  MochiServer& operator=(const MochiServer&) = delete;

  int port() const { return port_; }
  std::string Uri() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }

 private:
  RunAs user_;
  GuardedDirectory directory_;
  int port_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_MOCHI_SERVER_H_
