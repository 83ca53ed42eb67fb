// KafkaToPostgres: a topic of numbered messages, a database of its own, and kafka2ts in between.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_TO_POSTGRES_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_TO_POSTGRES_H_

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/eventually.h"
#include "support/kafka_producer.h"
#include "support/kafka_sequence.h"
#include "support/kafka_server.h"
#include "support/postgres_server.h"
#include "support/service_process.h"

namespace tsingest::testing {

// The broker that a program's tests share.
inline KafkaServer& SharedKafka() {
  static KafkaServer server({"group.min.session.timeout.ms=100"});
  return server;
}

// Topic and consumer group carry the test's name. The table has no key, so that a row which comes
// twice is there twice. Servers are given: a test may want them shared or its own.
class KafkaToPostgres : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    topic_ = std::string(test.test_suite_name()) + "." + test.name();
    std::replace(topic_.begin(), topic_.end(), '/', '-');
  }

  // Makes the topic and the database.
  void Prepare(int partitions) {
    SharedKafka().CreateTopic(topic_, partitions);
    database_ = postgres().CreateDatabase();
    CreateKeylessTable(postgres(), database_);
  }
  virtual PostgresServer& postgres() { return SharedPostgres(); }
  virtual std::string Uri() { return postgres().Uri(database_); }

  // Messages first … first + count - 1 of one producer into one partition.
  void Send(long first, long count, int producer = 0, const std::string& topic = "",
            int partition = -2) const {
    KafkaProducer sender(SharedKafka().Brokers());
    for (long i = first; i < first + count; ++i) {
      sender.Send(topic.empty() ? topic_ : topic, SequenceMessage(producer, i), {},
                  partition == -2 ? producer : partition);
    }
    sender.Flush();
  }

  // What kafka2ts is told; `more` is added.
  std::vector<std::string> Arguments(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--brokers", SharedKafka().Brokers(),
                                          "--topics",  topic_,
                                          "--group",   topic_,
                                          "--from",    "earliest",
                                          "--to",      Uri(),
                                          "--create"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  std::string Value(const std::string& sql) { return postgres().Value(sql, database_); }
  long Rows() { return std::atol(Value("SELECT count(*) FROM iot_measurements").c_str()); }
  bool AwaitRows(long count) {
    return Eventually([&] { return Rows() >= count; });
  }
  bool AwaitReady(const ServiceProcess& tool, const std::string& what) {
    return Eventually([&] { return tool.Ready().find(what) != std::string::npos; });
  }
  std::string Faults(long count, int producers = 1) {
    return SequenceFaults(postgres(), producers, count, database_);
  }

  std::string topic_;
  std::string database_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_TO_POSTGRES_H_
