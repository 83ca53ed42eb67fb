// KafkaServer: a private Apache Kafka broker (KRaft, one node) for tests that want the real thing.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/child_process.h"

namespace tsingest::testing {

// Why no broker can be had here ("install Java and the broker's jars: scripts/setup --for test"),
// or empty: then KafkaServer works.
std::string KafkaMissing();

// A further way in, beside the plain one that tests use themselves.
struct KafkaListener {
  std::string name;  // capital letters
  int port = 0;
  std::string protocol;  // SASL_PLAINTEXT, SSL, …
};

// A broker of its own in a temporary folder on a free port of 127.0.0.1. Its jars are those that
// scripts/setup put into $TSINGEST_KAFKA_LIBS, by default ~/.cache/tsingest/kafka. Failures throw
// std::runtime_error with the broker's log. Not thread-safe.
class KafkaServer {
 public:
  // Further lines of server.properties ("message.max.bytes=1000").
  explicit KafkaServer(std::vector<std::string> properties = {});
  // And with listeners, and users ("SCRAM-SHA-256=[name=alice,password=secret]").
  KafkaServer(const std::vector<std::string>& properties,
              const std::vector<KafkaListener>& listeners,
              const std::vector<std::string>& scram_users);
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
  // With an authorizer: lets a user read a topic as a member of a group.
  void Allow(const std::string& user, const std::string& topic, const std::string& group) const;
  // Gives a topic more partitions, `total` in all.
  void GrowTopic(const std::string& topic, int total) const;
  // Drops everything before `offset` of a partition, as retention does.
  void DeleteRecordsBefore(const std::string& topic, int partition, long offset) const;

 private:
  void WriteProperties(const std::vector<std::string>& properties,
                       const std::vector<KafkaListener>& listeners) const;
  void AwaitReady();

  GuardedDirectory directory_;
  int port_;
  int controller_port_;
  pid_t pid_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_SERVER_H_
