#include "support/kafka_server.h"

#include <librdkafka/rdkafka.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kStartLimit{90};
constexpr int kAdminTimeoutMs = 15'000;
// Any 16 bytes in URL-safe base64.
constexpr char kClusterId[] = "dHNpbmdlc3QtdGVzdHMtMQ";

fs::path Libraries() {
  if (const char* const named = std::getenv("TSINGEST_KAFKA_LIBS")) return named;
  const char* const home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/root" : home) / ".cache/tsingest/kafka";
}

std::string Java() {
  if (const char* const home = std::getenv("JAVA_HOME")) {
    const fs::path java = fs::path(home) / "bin/java";
    if (fs::exists(java)) return java.string();
  }
  return fs::exists("/usr/bin/java") ? "/usr/bin/java" : "";
}

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;

Client NewClient(const std::string& brokers) {
  rd_kafka_conf_t* const config = rd_kafka_conf_new();
  char why[256];
  rd_kafka_conf_set(config, "bootstrap.servers", brokers.c_str(), why, sizeof why);
  rd_kafka_conf_set(config, "log_level", "0", why, sizeof why);
  Client client(rd_kafka_new(RD_KAFKA_PRODUCER, config, why, sizeof why));
  if (client == nullptr) throw std::runtime_error(why);
  return client;
}

// Runs one administrative call (`send` puts it on the queue) and throws what the broker says of it.
template <class Send>
Event Admin(const std::string& brokers, Send send) {
  const Client client = NewClient(brokers);
  const Queue queue(rd_kafka_queue_new(client.get()));
  send(client.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), kAdminTimeoutMs));
  if (event == nullptr) throw std::runtime_error("kafka: no answer to an administrative request");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(rd_kafka_event_error_string(event.get()));
  }
  return event;
}

}  // namespace

std::string KafkaMissing() {
  if (Java().empty()) return "no Java: run scripts/setup --for test";
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(Libraries(), error)) {
    if (entry.path().filename().string().starts_with("kafka_2")) return "";
  }
  return "no Kafka broker in " + Libraries().string() + ": run scripts/setup --for test";
}

KafkaServer::KafkaServer(std::vector<std::string> properties) : KafkaServer(properties, {}, {}) {}

KafkaServer::KafkaServer(const std::vector<std::string>& properties,
                         const std::vector<KafkaListener>& listeners,
                         const std::vector<std::string>& scram_users)
    : directory_("tsingest-kafka-", {::getuid(), ::getgid(), false}, "pid"),
      port_(FreePort()),
      controller_port_(FreePort()) {
  const std::string missing = KafkaMissing();
  if (!missing.empty()) throw std::runtime_error(missing);
  WriteProperties(properties, listeners);
  std::vector<std::string> format = {Java(),
                                     "-cp",
                                     (Libraries() / "*").string(),
                                     "kafka.tools.StorageTool",
                                     "format",
                                     "-t",
                                     kClusterId,
                                     "-c",
                                     (directory_.path() / "server.properties").string()};
  for (const std::string& user : scram_users) format.insert(format.end(), {"--add-scram", user});
  RunToEnd(format, {::getuid(), ::getgid(), false}, directory_.path() / "log");
  Start();
}

void KafkaServer::WriteProperties(const std::vector<std::string>& properties,
                                  const std::vector<KafkaListener>& listeners) const {
  const auto address = [](int port) { return "127.0.0.1:" + std::to_string(port); };
  std::string more_addresses;
  std::string more_protocols;
  for (const KafkaListener& listener : listeners) {
    more_addresses += "," + listener.name + "://" + address(listener.port);
    more_protocols += "," + listener.name + ":" + listener.protocol;
  }
  std::ofstream file(directory_.path() / "server.properties");
  file << "process.roles=broker,controller\nnode.id=1\n"
       << "controller.quorum.voters=1@" << address(controller_port_) << "\n"
       << "listeners=PLAINTEXT://" << address(port_) << ",CONTROLLER://"
       << address(controller_port_) << more_addresses << "\nadvertised.listeners=PLAINTEXT://"
       << address(port_) << more_addresses << "\n"
       << "controller.listener.names=CONTROLLER\n"
       << "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
       << more_protocols << "\n"
       << "log.dirs=" << (directory_.path() / "data").string() << "\n"
       << "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
       << "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
       << "transaction.state.log.num.partitions=1\n"
       << "group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n";
  for (const std::string& line : properties) file << line << "\n";
}

KafkaServer::~KafkaServer() { Kill9(); }

void KafkaServer::Start() {
  if (Running()) throw std::runtime_error("KafkaServer::Start: it runs already");
  pid_ = Spawn(
      {Java(), "-Xms128m", "-Xmx768m", "-XX:+UseSerialGC", "-cp", (Libraries() / "*").string(),
       "kafka.Kafka", (directory_.path() / "server.properties").string()},
      {::getuid(), ::getgid(), false}, directory_.path() / "log");
  std::ofstream(directory_.path() / "pid") << pid_ << "\n";
  AwaitReady();
}

void KafkaServer::AwaitReady() {
  const auto deadline = steady_clock::now() + kStartLimit;
  for (;;) {
    const Client client = NewClient(Brokers());
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client.get(), 0, nullptr, &metadata, 1000) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(metadata);
      return;
    }
    if (WaitFor(pid_, milliseconds(0))) {
      pid_ = 0;
      throw std::runtime_error("Kafka did not start:\n" + Tail(directory_.path() / "log"));
    }
    if (steady_clock::now() > deadline) {
      KillTree(std::exchange(pid_, 0));
      throw std::runtime_error("Kafka did not answer within 90 s:\n" +
                               Tail(directory_.path() / "log"));
    }
  }
}

void KafkaServer::Stop() {
  if (!Running()) return;
  ::kill(pid_, SIGTERM);
  if (!WaitFor(pid_, kStartLimit)) KillTree(pid_);
  pid_ = 0;
}

void KafkaServer::Kill9() {
  if (Running()) KillTree(std::exchange(pid_, 0));
}

void KafkaServer::CreateTopic(
    const std::string& topic, int partitions,
    const std::vector<std::pair<std::string, std::string>>& config) const {
  char why[256] = "";
  rd_kafka_NewTopic_t* request =
      rd_kafka_NewTopic_new(topic.c_str(), partitions, /*replication_factor=*/1, why, sizeof why);
  if (request == nullptr) throw std::runtime_error(why);
  for (const auto& [name, value] : config) {
    rd_kafka_NewTopic_set_config(request, name.c_str(), value.c_str());
  }
  const Event event = Admin(Brokers(), [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_CreateTopics(client, &request, 1, nullptr, queue);
  });
  rd_kafka_NewTopic_destroy(request);
  std::size_t count = 0;
  const rd_kafka_topic_result_t* const* const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  if (count != 1 || rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("cannot create topic " + topic);
  }
}

void KafkaServer::DeleteTopic(const std::string& topic) const {
  rd_kafka_DeleteTopic_t* request = rd_kafka_DeleteTopic_new(topic.c_str());
  (void)Admin(Brokers(), [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteTopics(client, &request, 1, nullptr, queue);
  });
  rd_kafka_DeleteTopic_destroy(request);
}

void KafkaServer::Allow(const std::string& user, const std::string& topic,
                        const std::string& group) const {
  char why[256] = "";
  const auto binding = [&](rd_kafka_ResourceType_t type, const std::string& name) {
    return rd_kafka_AclBinding_new(type, name.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                                   ("User:" + user).c_str(), "*", RD_KAFKA_ACL_OPERATION_ALL,
                                   RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, why, sizeof why);
  };
  rd_kafka_AclBinding_t* rules[] = {binding(RD_KAFKA_RESOURCE_TOPIC, topic),
                                    binding(RD_KAFKA_RESOURCE_GROUP, group)};
  (void)Admin(Brokers(), [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_CreateAcls(client, rules, 2, nullptr, queue);
  });
  for (rd_kafka_AclBinding_t* rule : rules) rd_kafka_AclBinding_destroy(rule);
}

void KafkaServer::GrowTopic(const std::string& topic, int total) const {
  char why[256] = "";
  rd_kafka_NewPartitions_t* request =
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<std::size_t>(total), why, sizeof why);
  if (request == nullptr) throw std::runtime_error(why);
  (void)Admin(Brokers(), [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_CreatePartitions(client, &request, 1, nullptr, queue);
  });
  rd_kafka_NewPartitions_destroy(request);
}

void KafkaServer::DeleteRecordsBefore(const std::string& topic, int partition, long offset) const {
  rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
  (void)Admin(Brokers(), [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteRecords(client, &request, 1, nullptr, queue);
  });
  rd_kafka_DeleteRecords_destroy(request);
  rd_kafka_topic_partition_list_destroy(list);
}

}  // namespace tsingest::testing
