// kafka2ts as a user meets it: what it reads, how it goes on, what it says when something is wrong.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_to_postgres.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Looks for new topics and partitions often.
const std::vector<std::string> kLooksOften = {"--kafka", "topic.metadata.refresh.interval.ms=300"};

class Kafka2tsTest : public KafkaToPostgres {
 protected:
  // Waits until the log says it.
  bool AwaitLog(const ServiceProcess& tool, const std::string& text) {
    return Eventually([&] { return tool.Log().find(text) != std::string::npos; });
  }
};

TEST_F(Kafka2tsTest, ReadsEveryCompression) {
  Prepare(1);
  long next = 0;
  for (const char* codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    KafkaProducer producer(SharedKafka().Brokers(), {{"compression.type", codec}});
    for (int i = 0; i < 200; ++i) producer.Send(topic_, SequenceMessage(0, next++), {}, 0);
    producer.Flush();
  }
  ServiceProcess tool("kafka2ts", Arguments({"--until", "end"}));
  tool.Start();
  EXPECT_EQ(tool.Wait(), 0) << tool.Log();
  EXPECT_EQ(Faults(next), "");
}

TEST_F(Kafka2tsTest, ReadsWhatWasCommittedAndNotWhatWasAborted) {
  Prepare(1);
  KafkaProducer producer(SharedKafka().Brokers(), {{"transactional.id", topic_}});
  const auto send = [&](long first, long count) {
    producer.BeginTransaction();
    for (long i = first; i < first + count; ++i) {
      producer.Send(topic_, SequenceMessage(0, i), {}, 0);
    }
  };
  send(0, 50);
  producer.CommitTransaction();
  send(5000, 50);
  producer.AbortTransaction();
  send(50, 50);
  producer.CommitTransaction();
  ServiceProcess tool("kafka2ts", Arguments({"--until", "end"}));
  tool.Start();
  EXPECT_EQ(tool.Wait(), 0) << tool.Log();
  EXPECT_EQ(Faults(100), "");
}

TEST_F(Kafka2tsTest, PassesTombstonesAndKeepsGoodRowsBesideBadMessages) {
  Prepare(1);
  KafkaProducer producer(SharedKafka().Brokers());
  producer.Send(topic_, SequenceMessage(0, 0), "key", 0);
  producer.Send(topic_, std::string_view(), "key", 0);  // a tombstone
  producer.Send(topic_, "[]", "key", 0);
  producer.Send(topic_, "[" + SequenceMessage(0, 1) + "," + SequenceMessage(0, 2) + "]", "", 0);
  producer.Send(topic_, SequenceMessage(0, 3) + "\n" + SequenceMessage(0, 4), "", 0);
  producer.Send(topic_, "no JSON", "", 0);
  producer.Send(topic_, SequenceMessage(0, 5), "", 0);
  producer.Flush();
  ServiceProcess tool("kafka2ts", Arguments({"--until", "end"}));
  tool.Start();
  EXPECT_EQ(tool.Wait(), 3) << tool.Log();
  EXPECT_EQ(Rows(), 6);
  EXPECT_EQ(Value("SELECT convert_from(payload, 'UTF8') || '|' || position || '|' || stream FROM "
                  "tsingest.dead_letter"),
            "no JSON|5|" + topic_ + "/0");
  EXPECT_EQ(StoredPositions(postgres(), topic_, database_), 7);
}

TEST_F(Kafka2tsTest, ReadsSeveralTopics) {
  Prepare(1);
  SharedKafka().CreateTopic(topic_ + ".b", 2);
  Send(0, 100, 0);
  Send(0, 100, 1, topic_ + ".b", 1);
  std::vector<std::string> arguments = Arguments({"--until", "end"});
  arguments[3] = topic_ + "," + topic_ + ".b";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_EQ(tool.Wait(), 0) << tool.Log();
  EXPECT_EQ(Faults(100, 2), "");
}

// With --from latest (S1's way), or the messages sent before the tool sees the partition are lost.
TEST_F(Kafka2tsTest, ReadsAPartitionThatIsAddedFromItsBeginning) {
  Prepare(1);
  Send(7000, 10);  // before the start: not wanted
  std::vector<std::string> arguments = Arguments(kLooksOften);
  arguments[7] = "latest";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  ASSERT_TRUE(AwaitLog(tool, "assigned, reading from offset 10")) << tool.Log();
  SharedKafka().GrowTopic(topic_, 3);
  Send(0, 100, 0, topic_, 0);
  Send(0, 100, 1, topic_, 1);
  Send(0, 100, 2, topic_, 2);
  EXPECT_TRUE(AwaitRows(300)) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143);
  EXPECT_THAT(tool.Log(), Not(HasSubstr("Start it again"))) << "nothing went wrong";
  EXPECT_EQ(Faults(100, 3), "");
}

TEST_F(Kafka2tsTest, ReadsATopicThatComesToMatchThePattern) {
  Prepare(1);
  Send(0, 50, 0);
  std::vector<std::string> arguments = Arguments(kLooksOften);
  arguments[2] = "--topic-pattern";
  arguments[3] = "^" + topic_ + "(\\.new)?$";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  ASSERT_TRUE(AwaitRows(50)) << tool.Log();
  SharedKafka().CreateTopic(topic_ + ".other", 1);
  SharedKafka().CreateTopic(topic_ + ".new", 1);
  Send(900, 5, 3, topic_ + ".other", 0);
  Send(0, 50, 1, topic_ + ".new", 0);
  EXPECT_TRUE(AwaitRows(100)) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143);
  EXPECT_EQ(Faults(50, 2), "");
}

TEST_F(Kafka2tsTest, AGapStopsItsPartitionAndNoOther) {
  Prepare(2);
  Send(0, 100, 0);
  Send(0, 100, 1);
  ServiceProcess tool("kafka2ts", Arguments());
  tool.Start();
  ASSERT_TRUE(AwaitRows(200)) << tool.Log();
  ASSERT_EQ(tool.Stop(), 143);
  Send(100, 100, 0);
  Send(100, 100, 1);
  SharedKafka().DeleteRecordsBefore(topic_, 0, 150);
  tool.Start();
  EXPECT_TRUE(AwaitReady(tool, "50 messages expired before they were read")) << tool.Log();
  EXPECT_TRUE(AwaitRows(300)) << tool.Log();
  EXPECT_THAT(tool.Ready(), HasSubstr(topic_ + "/0: offset 100 is not in the log"));
  EXPECT_EQ(tool.Metric("tsingest_kafka_partitions_stopped"), 1);
  Send(200, 10, 1);
  EXPECT_TRUE(AwaitRows(310)) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143);
  EXPECT_EQ(Value("SELECT count(*) FROM iot_measurements WHERE device_id = 'p0'"), "100");
}

TEST_F(Kafka2tsTest, ATopicThatIsMadeAnewWhileItReadsIsNotReadOn) {
  Prepare(1);
  Send(0, 100);
  ServiceProcess tool("kafka2ts", Arguments(kLooksOften));
  tool.Start();
  ASSERT_TRUE(AwaitRows(100)) << tool.Log();
  SharedKafka().DeleteTopic(topic_);
  ASSERT_TRUE(AwaitReady(tool, "not available")) << tool.Log();
  ASSERT_TRUE(Eventually([&] {
    try {
      SharedKafka().CreateTopic(topic_, 1);
      return true;
    } catch (const std::exception&) {
      return false;  // the deletion is not through
    }
  }));
  Send(1000, 300);  // more than the position: offset 100 is there again, with another message
  EXPECT_TRUE(AwaitReady(tool, "made anew")) << tool.Log();
  EXPECT_EQ(Rows(), 100);
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
}

TEST_F(Kafka2tsTest, ABackfillBesideTheLiveConsumerLeavesItAlone) {
  Prepare(1);
  Send(0, 100);
  std::vector<std::string> live_arguments = Arguments();
  live_arguments[7] = "latest";
  ServiceProcess live("kafka2ts", live_arguments);
  live.Start();
  ASSERT_TRUE(AwaitLog(live, "assigned, reading from offset 100")) << live.Log();
  std::vector<std::string> arguments = Arguments({"--until", "end"});
  arguments[5] = topic_ + "-backfill";
  ServiceProcess other("kafka2ts", arguments);
  other.Start();
  EXPECT_EQ(other.Wait(), 0) << other.Log();
  EXPECT_EQ(other.Summary("written"), 100);
  other.Start();  // once more: it knows where it ended
  EXPECT_EQ(other.Wait(), 0) << other.Log();
  EXPECT_EQ(other.Summary("written"), 0);
  Send(100, 50);
  EXPECT_TRUE(AwaitRows(150)) << live.Log();
  EXPECT_EQ(live.Stop(), 143) << live.Log();
  EXPECT_EQ(Faults(150), "");
}

TEST_F(Kafka2tsTest, ReadsFromATimeUntilATime) {
  Prepare(1);
  KafkaProducer producer(SharedKafka().Brokers());
  for (long i = 0; i < 100; ++i) {
    producer.Send(topic_, SequenceMessage(0, i), {}, 0, 1'600'000'000'000 + i * 1000);
  }
  producer.Flush();
  std::vector<std::string> arguments = Arguments({"--until", "2020-09-13T12:27:30Z"});
  arguments[7] = "2020-09-13T12:26:50Z";  // 1600000010
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_EQ(tool.Wait(), 0) << tool.Log();
  EXPECT_EQ(Value("SELECT min(value) || ' ' || max(value) || ' ' || count(*) FROM "
                  "iot_measurements"),
            "10.25 49.25 40");
}

TEST_F(Kafka2tsTest, IsReadyAgainWhenTheBrokerIsBackThoughNothingComes) {
  KafkaServer broker;
  broker.CreateTopic(topic_, 1);
  database_ = postgres().CreateDatabase();
  CreateKeylessTable(postgres(), database_);
  std::vector<std::string> arguments = Arguments();
  arguments[1] = broker.Brokers();
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  ASSERT_TRUE(AwaitReady(tool, "200")) << tool.Log();
  broker.Kill9();
  EXPECT_TRUE(AwaitReady(tool, "503")) << tool.Log();
  broker.Start();
  EXPECT_TRUE(AwaitReady(tool, "200")) << tool.Ready() << tool.Log();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
}

TEST_F(Kafka2tsTest, TheSeedsEnvironmentIsEnough) {
  Prepare(1);
  postgres().CreateRole("ts_user_" + database_, "ts_password");
  postgres().Exec("GRANT ALL ON DATABASE " + database_ + " TO ts_user_" + database_, database_);
  postgres().Exec("GRANT ALL ON iot_measurements TO ts_user_" + database_, database_);
  ServiceProcess tool("kafka2ts", {"--create"});
  tool.SetEnvironment("KAFKA_BOOTSTRAP_SERVERS", SharedKafka().Brokers());
  tool.SetEnvironment("KAFKA_INPUT_TOPIC", topic_);
  tool.SetEnvironment("TIMESCALE_HOST", "127.0.0.1");
  tool.SetEnvironment("TIMESCALE_DB", database_);
  tool.SetEnvironment("TIMESCALE_USER", "ts_user_" + database_);
  tool.SetEnvironment("TIMESCALE_PASSWORD", "ts_password");
  tool.SetEnvironment("TIMESCALE_PORT", std::to_string(postgres().Port()));
  tool.SetEnvironment("BATCH_SIZE", "100");
  tool.SetEnvironment("BATCH_TIMEOUT", "1");
  tool.Start();
  ASSERT_TRUE(AwaitLog(tool, "assigned, reading from offset 0")) << tool.Log();
  Send(0, 250);
  EXPECT_TRUE(AwaitRows(250)) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
  EXPECT_EQ(Faults(250), "");
  EXPECT_THAT(tool.Log(), Not(HasSubstr("ts_password")));
}

// ---- what it says when something is wrong ----

TEST_F(Kafka2tsTest, ABoundedRunThatFindsNoTopicDoesNotSayThatAllIsDone) {
  Prepare(1);
  Send(0, 10);
  std::vector<std::string> arguments = Arguments({"--until", "end"});
  arguments[3] = topic_ + "," + topic_ + ".missing";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_EQ(tool.Wait(), 1) << tool.Log();
  EXPECT_THAT(tool.Log(), HasSubstr("there is no topic " + topic_ + ".missing"));
  EXPECT_EQ(Rows(), 10);  // the other one is in
}

TEST_F(Kafka2tsTest, ATopicThatComesLaterIsReadFromItsBeginning) {
  Prepare(1);
  std::vector<std::string> arguments = Arguments(kLooksOften);
  arguments[3] = topic_ + ".late";
  arguments[7] = "latest";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  ASSERT_TRUE(AwaitReady(tool, "not available")) << tool.Log();
  EXPECT_THAT(tool.Ready(), HasSubstr("create it"));
  SharedKafka().CreateTopic(topic_ + ".late", 1);
  Send(0, 100, 0, topic_ + ".late");
  EXPECT_TRUE(AwaitRows(100)) << tool.Log();
  EXPECT_TRUE(AwaitReady(tool, "200")) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143);
  EXPECT_EQ(Faults(100), "");
}

TEST_F(Kafka2tsTest, NamesAPropertyThatDoesNotExist) {
  Prepare(1);
  ServiceProcess tool("kafka2ts", Arguments({"--kafka", "no.such.property=1"}));
  tool.Start();
  EXPECT_EQ(tool.Wait(), 2);
  EXPECT_THAT(tool.Log(), HasSubstr("no.such.property"));
}

TEST_F(Kafka2tsTest, NamesAPatternThatIsNone) {
  Prepare(1);
  std::vector<std::string> arguments = Arguments();
  arguments[2] = "--topic-pattern";
  arguments[3] = "(unclosed";
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_EQ(tool.Wait(), 2);
  EXPECT_THAT(tool.Log(), HasSubstr("(unclosed"));
}

TEST_F(Kafka2tsTest, WaitsForABrokerThatIsDownAtTheStart) {
  Prepare(1);
  std::vector<std::string> arguments = Arguments();
  arguments[1] = "127.0.0.1:" + std::to_string(FreePort());
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_TRUE(AwaitReady(tool, arguments[1])) << tool.Ready() << tool.Log();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
}

}  // namespace
}  // namespace tsingest::testing
