// KafkaServer: a private Apache Kafka broker (KRaft, one node) for tests that want the real thing.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/child_process.h"

namespace tsingest::testing {

// Why no broker can be had here ("install Java and the broker's jars: scripts/setup --for test"),
// or empty: then KafkaServer works.
std::string KafkaMissing();

// A broker of its own in a temporary folder on a free port of 127.0.0.1. Its jars are those that
// scripts/setup put into $TSINGEST_KAFKA_LIBS, by default ~/.cache/tsingest/kafka. Failures throw
// std::runtime_error with the broker's log. Not thread-safe.
class KafkaServer {
 public:
  // Further lines of server.properties ("message.max.bytes=1000").
  explicit KafkaServer(std::vector<std::string> properties = {});
  ~KafkaServer();
  KafkaServer(const KafkaServer&) = delete;
  KafkaServer& operator=(const KafkaServer&) = delete;

  // Starts a stopped or killed broker on the same port and data; returns when it answers.
  void Start();
  void Stop();   // SIGTERM, and waits
  void Kill9();  // SIGKILL
  bool Running() const { return pid_ > 0; }
  pid_t Pid() const { return pid_; }

  std::string Brokers() const { return "127.0.0.1:" + std::to_string(port_); }

  void CreateTopic(const std::string& topic, int partitions,
                   const std::vector<std::pair<std::string, std::string>>& config = {}) const;
  void DeleteTopic(const std::string& topic) const;
  // Drops everything before `offset` of a partition, as retention does.
  void DeleteRecordsBefore(const std::string& topic, int partition, long offset) const;

 private:
  void AwaitReady();

  GuardedDirectory directory_;
  int port_;
  int controller_port_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_
