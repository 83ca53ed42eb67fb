// ScriptedTcpBroker: a listening socket whose every byte the test decides.
#ifndef TSINGEST_TESTS_SUPPORT_SCRIPTED_TCP_BROKER_H_
#define TSINGEST_TESTS_SUPPORT_SCRIPTED_TCP_BROKER_H_

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/scripted_broker.h"

namespace tsingest::testing {

class ScriptedTcpBroker;

// One accepted connection, in the script's hands. Reads time out after 20 s and then give nothing.
class ScriptedConnection {
 public:
  ScriptedConnection(int fd, int number) : fd_(fd), number_(number) {}

  int number() const { return number_; }  // 0, 1, 2 … in order of acceptance
  void Send(std::string_view bytes) const;
  // The next packet; type 0 when the client has closed or says nothing.
  ClientPacket Read(std::chrono::milliseconds patience = std::chrono::seconds(20));
  // CONNECT, CONNACK, SUBSCRIBE, SUBACK (QoS 1), in the level that CONNECT asks for. False:
  // something else came.
  bool Welcome(bool session_present = false);
  bool v5() const { return v5_; }
  BrokerPackets packets() const { return {v5_}; }
  // Reads and drops until the client closes.
  void AwaitEnd();

 private:
  int fd_;
  int number_;
  bool v5_ = true;
  std::string unread_;
};

// Runs `script` for each connection, one after the other, on a thread of its own; closes it when
// the script returns.
class ScriptedTcpBroker {
 public:
  explicit ScriptedTcpBroker(std::function<void(ScriptedConnection&)> script);
  ~ScriptedTcpBroker();
  ScriptedTcpBroker(const ScriptedTcpBroker&) = delete;
  ScriptedTcpBroker& operator=(const ScriptedTcpBroker&) = delete;

  int port() const { return port_; }
  std::string Uri() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
  // When each connection was accepted.
  std::vector<std::chrono::steady_clock::time_point> Accepted() const;

 private:
  void Run();

  std::function<void(ScriptedConnection&)> script_;
  int listener_ = -1;
  int port_ = 0;
  int stop_[2] = {-1, -1};
  mutable std::mutex mutex_;
  std::vector<std::chrono::steady_clock::time_point> accepted_;
  int current_ = -1;  // descriptor of the connection being served
  std::thread thread_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SCRIPTED_TCP_BROKER_H_
