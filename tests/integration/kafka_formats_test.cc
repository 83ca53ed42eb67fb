// What a Kafka message may hold, as kafka2ts reads it from a real broker.
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/paths.h"
#include "support/test_database.h"

namespace tsingest::testing {
namespace {

std::string Row(int temp) {
  return R"({"ts":1600000000,"device_id":"d","data":{"temp":)" + std::to_string(temp) + "}}";
}

TEST(KafkaFormats, OneObjectAnArrayJsonLinesAndTombstones) {
  if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
  KafkaServer kafka;
  TestDatabase database;
  kafka.CreateTopic("readings", 1);
  KafkaProducer producer(kafka.Brokers());
  producer.Send("readings", Row(1));
  producer.Send("readings", "[" + Row(2) + "," + Row(3) + "]");
  producer.Send("readings", Row(4) + "\n" + Row(5) + "\r\n\n[" + Row(6) + "]\n");
  producer.Send("readings", {}, "key");               // a tombstone: no row, and nothing wrong
  producer.Send("readings", "[]");                    // no row either
  producer.Send("readings", Row(7) + "\n{nonsense");  // all of its rows or none
  producer.Send("readings", Row(8));
  producer.Flush();

  const RunAs self{::getuid(), ::getgid(), false};
  const GuardedDirectory directory("tsingest-formats-", self, "");
  const auto log = directory.path() / "log";
  const pid_t pid =
      Spawn({ToolPath("kafka2ts").string(), "--brokers", kafka.Brokers(), "--topics", "readings",
             "--group", "formats", "--from", "earliest", "--until", "end", "--model", "sensor_data",
             "--to", database.Uri(), "--create", "--http", "off"},
            self, log);
  const auto status = WaitFor(pid, std::chrono::minutes(2));
  if (!status) KillTree(pid);
  ASSERT_TRUE(status.has_value()) << "hangs:\n" << Tail(log);
  EXPECT_EQ(WEXITSTATUS(*status), 3) << Tail(log);
  EXPECT_EQ(database.Value("SELECT string_agg(temp::text, ',' ORDER BY temp) FROM sensor_data"),
            "1,2,3,4,5,6,8");
  EXPECT_EQ(database.Value("SELECT string_agg(position || ' ' || code, ',') "
                           "FROM tsingest.dead_letter"),
            "5 syntax");
  EXPECT_EQ(database.Value("SELECT position FROM tsingest.positions WHERE stream = 'readings/0'"),
            "7");
}

}  // namespace
}  // namespace tsingest::testing
