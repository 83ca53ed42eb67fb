// csv-replay --to kafka://… against a real broker, read back by kafka2ts and by its offsets.
#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_server.h"
#include "support/paths.h"
#include "support/postgres_server.h"
#include "support/temp_dir.h"
#include "support/tool_run.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;

KafkaServer& SharedKafka() {
  static KafkaServer server;
  return server;
}

PostgresServer& SharedPostgres() {
  static PostgresServer server;
  return server;
}

// Messages in partition 0 of the topic; 0 while the broker does not answer.
std::int64_t MessagesIn(const std::string& brokers, const std::string& topic) {
  rd_kafka_conf_t* const config = rd_kafka_conf_new();
  char why[256];
  rd_kafka_conf_set(config, "bootstrap.servers", brokers.c_str(), why, sizeof why);
  rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_PRODUCER, config, why, sizeof why);
  std::int64_t low = 0;
  std::int64_t high = 0;
  rd_kafka_query_watermark_offsets(client, topic.c_str(), 0, &low, &high, 2000);
  rd_kafka_destroy(client);
  return high - low;
}

class PublishKafkaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
    topic_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }

  std::string To() const { return "kafka://" + SharedKafka().Brokers() + "/" + topic_; }
  std::vector<std::string> Arguments(const std::string& csv, const std::string& to,
                                     std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {csv,
                                    "--to",
                                    to,
                                    "--model",
                                    "sensor_data",
                                    "--summary",
                                    "json",
                                    "--log-format",
                                    "text",
                                    "--progress",
                                    "never",
                                    "--dead-letter",
                                    "file:" + directory_.Path("letters.jsonl")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // kafka2ts from the topic's beginning to its end into the table.
  void ReadInto(const std::string& table, const std::string& model) const {
    ToolRun run("kafka2ts",
                {"--brokers", SharedKafka().Brokers(), "--topics", topic_, "--group", topic_,
                 "--from", "earliest", "--until", "end", "--to", SharedPostgres().Uri(), "--table",
                 table, "--create", "--model", model, "--http", "off"});
    EXPECT_EQ(run.Wait(), 0) << run.Output();
  }
  static std::string Rows(const std::string& table) {
    return SharedPostgres().Value(
        "SELECT count(*) || ' ' || md5(string_agg(t::text, E'\\n' "
        "ORDER BY t::text)) FROM " +
        table + " t");
  }

  TempDir directory_;
  std::string topic_;
};

TEST_F(PublishKafkaTest, WhatKafka2tsWritesOfTheSampleIsWhatCsvReplayWrites) {
  SharedKafka().CreateTopic(topic_, 3);
  const std::string csv = (SourceDirectory() / "examples/data/sensor_data.csv").string();
  const std::string arrival = "ingest_time=2024-01-01T00:00:00Z";
  ToolRun direct("csv-replay", Arguments(csv, SharedPostgres().Uri(),
                                         {"--table", "direct", "--create", "--set", arrival}));
  ASSERT_EQ(direct.Wait(), 0) << direct.Output();
  ToolRun publish("csv-replay", Arguments(csv, To(), {"--set", arrival}));
  ASSERT_EQ(publish.Wait(), 0) << publish.Output();
  EXPECT_THAT(publish.Output(),
              HasSubstr("\"deduplicated\":0,\"dead_lettered\":0,\"in_flight\":0"));
  ReadInto("through", "sensor_data");
  EXPECT_EQ(Rows("direct"), Rows("through"));
  // Order per device holds, because its rows share a partition: S4's promise of --device.
  EXPECT_EQ(SharedPostgres().Value("SELECT count(DISTINCT device_id) FROM through"), "3");
}

TEST_F(PublishKafkaTest, MetricsKeepTheirTopicInAHeader) {
  SharedKafka().CreateTopic(topic_, 2);
  const std::string csv =
      directory_.Write("m.csv",
                       "ts,device,temp,state,note\n2024-01-01T00:00:00.000001Z,plant/1,1.5,on,"
                       "\"a \"\"b\"\"\"\n2024-01-01T00:00:01Z,größe,,off,7\n");
  const std::vector<std::string> mapping = {"--model", "metrics",      "--unpivot", "temp,state",
                                            "--map",   "topic=device", "--summary", "json"};
  for (const std::vector<std::string>& to : std::vector<std::vector<std::string>>{
           {"--to", SharedPostgres().Uri(), "--table", "direct_m", "--create"}, {"--to", To()}}) {
    std::vector<std::string> arguments = {csv};
    arguments.insert(arguments.end(), mapping.begin(), mapping.end());
    arguments.insert(arguments.end(), to.begin(), to.end());
    ToolRun run("csv-replay", arguments);
    ASSERT_EQ(run.Wait(), 0) << run.Output();
  }
  ReadInto("through_m", "metrics");
  EXPECT_EQ(Rows("direct_m"), Rows("through_m"));
  EXPECT_EQ(SharedPostgres().Value("SELECT count(*) FROM through_m WHERE topic LIKE 'plant/1/%'"),
            "2");
}

TEST_F(PublishKafkaTest, OneDeviceOneLimitOnePace) {
  SharedKafka().CreateTopic(topic_, 1);
  const std::string csv = (SourceDirectory() / "examples/data/sensor_data.csv").string();
  ToolRun run("csv-replay",
              Arguments(csv, To(),
                        {"--device", "1c:bf:ce:15:ec:4d", "--limit", "25", "--interval", "1ms"}));
  EXPECT_EQ(run.Wait(), 0) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"received\":25,\"written\":25,"));
  ReadInto("one_device", "sensor_data");
  EXPECT_EQ(SharedPostgres().Value("SELECT count(*) || ' ' || min(device_id) || ' ' || "
                                   "max(device_id) FROM one_device"),
            "25 1c:bf:ce:15:ec:4d 1c:bf:ce:15:ec:4d");
}

TEST_F(PublishKafkaTest, AKilledBrokerCostsNoRow) {
  KafkaServer broker;
  broker.CreateTopic(topic_, 2);
  std::string text = "ts,device,temp\n";
  constexpr int kRows = 20'000;
  for (int i = 0; i < kRows; ++i) {
    text += std::to_string(1'600'000'000 + i) + ",dev" + std::to_string(i % 7) + "," +
            std::to_string(i) + "\n";
  }
  ToolRun run(
      "csv-replay",
      Arguments(directory_.Write("r.csv", text), "kafka://" + broker.Brokers() + "/" + topic_,
                {"--rate", "4000/s", "--batch-size", "500", "--log-level", "info"}));
  ASSERT_TRUE(Eventually([&] { return MessagesIn(broker.Brokers(), topic_) > kRows / 10; }))
      << run.Output();
  broker.Kill9();
  EXPECT_TRUE(Eventually([&] { return run.HasSaid("waiting: kafka: "); })) << run.Output();
  broker.Start();
  EXPECT_EQ(run.Wait(), 0) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"written\":20000,\"deduplicated\":0,\"dead_lettered\":0,"
                                      "\"in_flight\":0"));
  ToolRun read("kafka2ts",
               {"--brokers", broker.Brokers(), "--topics", topic_, "--group", topic_, "--from",
                "earliest", "--until", "end", "--to", SharedPostgres().Uri(), "--table", "killed",
                "--create", "--model", "sensor_data", "--http", "off"});
  EXPECT_EQ(read.Wait(), 0) << read.Output();
  EXPECT_EQ(SharedPostgres().Value("SELECT count(DISTINCT temp) FROM killed"), "20000");
}

TEST_F(PublishKafkaTest, ATooLargeMessageCostsNoNeighbour) {
  SharedKafka().CreateTopic(topic_, 1, {{"max.message.bytes", "20000"}});
  std::string text = "ts,device,temp\n";
  for (int i = 0; i < 200; ++i) {
    const std::string device = i == 100 ? std::string(30'000, 'x') : "dev";
    text += std::to_string(1'600'000'000 + i) + "," + device + "," + std::to_string(i) + "\n";
  }
  ToolRun run("csv-replay", Arguments(directory_.Write("l.csv", text), To(),
                                      {"--kafka", "compression.codec=none"}));
  EXPECT_EQ(run.Wait(), 3) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"received\":200,\"written\":199,\"deduplicated\":0,"
                                      "\"dead_lettered\":1,\"in_flight\":0"));
  EXPECT_THAT(run.Output(), HasSubstr("line 102: kafka: "));
  ReadInto("large", "sensor_data");
  EXPECT_EQ(SharedPostgres().Value("SELECT count(DISTINCT temp) FROM large"), "199");
}

TEST_F(PublishKafkaTest, RowsWithoutAValidTopicAreDeadLettersAndTooManyEndTheRun) {
  SharedKafka().CreateTopic("good", 1);
  const std::string csv = directory_.Write(
      "t.csv", "ts,device,temp\n1600000000,good,1\n1600000001,a b,2\n1600000002,good,3\n");
  const std::string to = "kafka://" + SharedKafka().Brokers() + "/{device_id}";
  ToolRun run("csv-replay", Arguments(csv, to));
  EXPECT_EQ(run.Wait(), 3) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"written\":2,\"deduplicated\":0,\"dead_lettered\":1"));
  ToolRun strict("csv-replay", Arguments(csv, to, {"--max-rejects", "0", "--batch-size", "1"}));
  EXPECT_EQ(strict.Wait(), 1) << strict.Output();
}

TEST_F(PublishKafkaTest, WhatCannotWorkIsSaidAtTheStart) {
  const std::string csv = directory_.Write("c.csv", "ts,device,temp\n1600000000,a,1\n");
  const std::string brokers = SharedKafka().Brokers();
  struct Case {
    std::string to;
    int exit_code;
    std::string words;
    std::vector<std::string> more = {};
  };
  for (const Case& c : std::vector<Case>{
           {"kafka://127.0.0.1:" + std::to_string(FreePort()) + "/t", 1, "no broker answers"},
           {"kafka://" + brokers + "/nowhere", 2, "there is no topic nowhere"},
           {"kafka://" + brokers + "/a%20b", 2, "which Kafka refuses"},
           {"kafka://" + brokers + "/{devce_id}", 2, "did you mean {device_id}?"},
           {"kafka://" + brokers, 2, "names no topic"},
           {"kafka://me:s3cret@" + brokers + "/t", 2, "--kafka security.protocol"},
           {"kafka://" + brokers + "/t", 2, "acks", {"--kafka", "acks=1"}},
           {"kafka://" + brokers + "/t", 2, "No such configuration", {"--kafka", "nonsense=1"}},
           {"kafka://" + brokers + "/t", 2, "goes with --to mqtt://", {"--qos", "1"}},
           {"kafka://" + brokers + "/t", 2, "anew from its beginning", {"--import-id", "x"}},
       }) {
    ToolRun run("csv-replay", Arguments(csv, c.to, c.more));
    EXPECT_EQ(run.Wait(), c.exit_code) << c.to << "\n" << run.Output();
    EXPECT_THAT(run.Output(), HasSubstr(c.words)) << c.to;
    EXPECT_THAT(run.Output(), ::testing::Not(HasSubstr("s3cret")));
  }
}

TEST_F(PublishKafkaTest, AnUnreachableBrokerCanBeADryRun) {
  const std::string csv = directory_.Write("d.csv", "ts,device,temp\n1600000000,a,1\n");
  ToolRun run("csv-replay", Arguments(csv, "kafka://127.0.0.1:" + std::to_string(FreePort()) + "/t",
                                      {"--dry-run-if-unreachable"}));
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.Output(), HasSubstr("Kafka unavailable ("));
  EXPECT_THAT(run.Output(), HasSubstr("[DRY-RUN] {\"ts\":\"2020-09-13T12:26:40.000000Z\""));
}

}  // namespace
}  // namespace tsingest::testing
