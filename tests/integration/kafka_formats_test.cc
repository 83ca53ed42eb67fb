// What a Kafka message may hold, as kafka2ts reads it from a real broker.
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/paths.h"
#include "support/test_database.h"
#include "tsingest/sink/kafka_publisher.h"
#include "tsingest/source/kafka.h"

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

// Reads a topic's headers, from its beginning to its end.
struct HeaderReader : SourceListener {
  explicit HeaderReader(const std::string& brokers, const std::string& topic)
      : source({.brokers = brokers,
                .topics = {topic},
                .group = "headers",
                .from = *ParseKafkaPoint("earliest"),
                .until = *ParseKafkaPoint("end")}) {}

  absl::Status OnAssigned(std::span<const StreamId> streams) override {
    for (const StreamId stream : streams) {
      if (auto start = source.Seek(stream, std::nullopt); !start.ok()) return start.status();
    }
    return absl::OkStatus();
  }
  void OnRevoked(std::span<const StreamId>, bool) override {}

  // Name and value of each header of the last message.
  std::map<std::string, std::string> Read() {
    std::map<std::string, std::string> headers;
    EXPECT_TRUE(source.Open(*this).ok());
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (absl::StatusOr<PollState> state = PollState::kActive;
         state.ok() && *state == PollState::kActive && std::chrono::steady_clock::now() < limit;) {
      state = source.Poll(std::chrono::steady_clock::now() + std::chrono::milliseconds(200),
                          [&](const Message& message) {
                            headers.clear();
                            for (const Header& header : message.headers) {
                              headers[std::string(header.key)] = std::string(header.value);
                            }
                            headers["payload"] = std::string(message.payload);
                            return true;
                          });
    }
    EXPECT_TRUE(source.Close().ok());
    return headers;
  }

  KafkaSource source;
};

TEST(KafkaFormats, LettersInATopicSayHowTheyWereReadAndWhenTheyCame) {
  if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
  KafkaServer kafka;
  kafka.CreateTopic("letters", 1);
  KafkaDeadLetterStore store({.brokers = kafka.Brokers()}, "letters");
  ASSERT_TRUE(store.Open().ok());
  const DeadLetter letter{.at = Timestamp(std::chrono::seconds(1'700'000'000)),
                          .source = "kafka2ts",
                          .reason = "why",
                          .code = "rule",
                          .payload = "{}",
                          .reading = R"({"format":"json","model":"metrics"})",
                          .arrival = Timestamp(std::chrono::microseconds(1'600'000'000'000'001))};
  const absl::Status stored = store.Store({&letter, 1});
  ASSERT_TRUE(stored.ok()) << stored;
  EXPECT_TRUE(store.Close().ok());
  auto headers = HeaderReader(kafka.Brokers(), "letters").Read();
  EXPECT_EQ(headers["payload"], "{}");
  EXPECT_EQ(headers["tsingest.reading"], letter.reading);
  EXPECT_EQ(headers["tsingest.arrival"], "2020-09-13T12:26:40.000001Z");
  EXPECT_EQ(headers["tsingest.at"].substr(0, 19), "2023-11-14T22:13:20");
}

TEST(KafkaFormats, ALetterTooLargeForItsTopicIsCutAndSaysSo) {
  if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
  KafkaServer kafka;
  kafka.CreateTopic("letters", 1);
  KafkaDeadLetterStore store({.brokers = kafka.Brokers()}, "letters");
  ASSERT_TRUE(store.Open().ok());
  std::mt19937 random(1);
  const std::string reading(500, 'r');
  // Above librdkafka's limit and below the broker's; above both.
  for (const std::size_t size : {std::size_t{1'030'000}, std::size_t{1'048'500}}) {
    std::string payload;
    while (payload.size() < size) payload += static_cast<char>(random());  // nothing to compress
    const DeadLetter letter{.reason = "why", .payload = payload, .reading = reading};
    const absl::Status stored = store.Store({&letter, 1});
    ASSERT_TRUE(stored.ok()) << stored;
    auto headers = HeaderReader(kafka.Brokers(), "letters").Read();
    const bool is_cut = size == 1'048'500;
    EXPECT_EQ(headers["payload"].size(), is_cut ? 65'536 : size);
    EXPECT_EQ(headers["tsingest.payload_bytes"], is_cut ? "1048500" : "");
  }
  EXPECT_TRUE(store.Close().ok());
}

TEST(KafkaFormats, LettersDoNotWaitForeverForTheirBroker) {
  if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
  KafkaServer kafka;
  kafka.CreateTopic("letters", 1);
  KafkaDeadLetterStore store({.brokers = kafka.Brokers()}, "letters");
  ASSERT_TRUE(store.Open().ok());
  kafka.Kill9();
  const DeadLetter letter{.reason = "why", .payload = "{}"};
  const absl::Status away = store.Store({&letter, 1});
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable) << away;
  EXPECT_TRUE(std::string(away.message()).starts_with("dead letter topic letters: ")) << away;
  kafka.Start();
  absl::Status back;
  for (int attempt = 0; attempt < 10; ++attempt) {
    back = store.Store({&letter, 1});
    if (back.ok()) break;
  }
  EXPECT_TRUE(back.ok()) << back;
  EXPECT_TRUE(store.Close().ok());
}

}  // namespace
}  // namespace tsingest::testing
