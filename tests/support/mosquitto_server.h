// MosquittoServer: a private Eclipse Mosquitto broker for tests that want the real thing.
#ifndef TSINGEST_TESTS_SUPPORT_MOSQUITTO_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_MOSQUITTO_SERVER_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "support/child_process.h"

namespace tsingest::testing {

// Why no broker can be had here, or empty: then MosquittoServer works.
std::string MosquittoMissing();

struct MosquittoOptions {
  // Keeps sessions and messages over Stop(), and over Kill9() what Save() has saved.
  bool persistence = false;
  bool autosave = true;  // with persistence: also by itself, after each change
  std::map<std::string, std::string> users = {};  // name to password; empty: anyone may come
  bool tls = false;                               // with a certificate for localhost and 127.0.0.1
  bool client_certificates = false;               // and one is asked of clients
  std::vector<std::string> lines = {};            // of mosquitto.conf ("max_inflight_messages 5")
};

// A broker of its own in a temporary folder on a free port of 127.0.0.1. Failures throw
// std::runtime_error with the broker's log. Not thread-safe.
class MosquittoServer {
 public:
  explicit MosquittoServer(const MosquittoOptions& options = {});
  ~MosquittoServer();
  MosquittoServer(const MosquittoServer&) = delete;
  MosquittoServer& operator=(const MosquittoServer&) = delete;

  // Starts a stopped or killed broker on the same port and data; returns when it listens.
  void Start();
  void Stop();  // SIGTERM, and waits; with persistence it saves first
  // Makes it save now, and waits for that: what it has acknowledged so far survives Kill9(). It
  // acknowledges before it saves, whatever its autosave: without this a kill may lose messages.
  void Save();
  void Kill9();   // SIGKILL
  void Freeze();  // SIGSTOP: it keeps its connections and says nothing
  void Thaw();
  bool Running() const { return pid_ > 0; }

  int port() const { return port_; }
  std::string Uri() const;
  std::filesystem::path CaFile() const { return directory_.path() / "ca.pem"; }
  std::filesystem::path ClientCertificate() const { return directory_.path() / "client.pem"; }
  std::filesystem::path ClientKey() const { return directory_.path() / "client.key"; }
  std::string Log() const;

 private:
  void WriteConfiguration(const MosquittoOptions& options);
  void WritePasswords(const std::map<std::string, std::string>& users);
  void MakeCertificates();

  RunAs user_;
  GuardedDirectory directory_;
  bool tls_;
  int port_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_MOSQUITTO_SERVER_H_
