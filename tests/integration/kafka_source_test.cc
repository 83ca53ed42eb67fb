// KafkaSource against a real broker: positions, rebalances, gaps, bounded reading.
#include "tsingest/source/kafka.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;

KafkaServer& SharedKafka() {
  static KafkaServer server;
  return server;
}

// What a pipeline does of a listener's work, with the "database" a map that outlives the source.
struct Reader : SourceListener {
  explicit Reader(KafkaOptions options, std::map<std::string, StoredPosition>& db)
      : source(std::move(options)), stored(db) {}

  absl::Status OnAssigned(std::span<const StreamId> streams) override {
    for (const StreamId stream : streams) {
      const auto found = stored.find(std::string(source.StreamName(stream)));
      const auto start =
          source.Seek(stream, found == stored.end() ? std::nullopt : std::optional(found->second));
      if (!start.ok()) return start.status();
      assigned.insert(std::string(source.StreamName(stream)));
    }
    return absl::OkStatus();
  }
  void OnRevoked(std::span<const StreamId> streams, bool) override {
    for (const StreamId stream : streams) assigned.erase(std::string(source.StreamName(stream)));
  }

  absl::StatusOr<PollState> Poll(std::chrono::milliseconds length) {
    return source.Poll(std::chrono::steady_clock::now() + length, [&](const Message& message) {
      if (refuse) return false;
      payloads.emplace_back(message.payload);
      last[message.position.stream] = message.position.next;
      return true;
    });
  }
  // Polls until `wanted` messages came, the source ended or failed, or 30 s have passed.
  absl::StatusOr<PollState> Read(std::size_t wanted) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    absl::StatusOr<PollState> state = PollState::kActive;
    while (payloads.size() < wanted && state.ok() && *state == PollState::kActive &&
           source.Health().ok() && std::chrono::steady_clock::now() < limit) {
      state = Poll(std::chrono::milliseconds(100));
    }
    return state;
  }
  // Stores and acknowledges everything read so far.
  void CommitAll() {
    for (const auto& [stream, next] : last) {
      stored[std::string(source.StreamName(stream))] = {next, source.StreamDetail(stream)};
      ASSERT_TRUE(source.Commit(stream, next).ok());
    }
  }

  KafkaSource source;
  std::map<std::string, StoredPosition>& stored;
  std::set<std::string> assigned;
  std::vector<std::string> payloads;
  std::map<StreamId, std::int64_t> last;
  bool refuse = false;
};

class KafkaSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
    topic_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }

  void MakeTopic(int partitions, int messages) {
    SharedKafka().CreateTopic(topic_, partitions);
    Produce(0, messages);
  }
  void Produce(int first, int count) {
    KafkaProducer producer(SharedKafka().Brokers());
    for (int i = first; i < first + count; ++i) {
      producer.Send(topic_, std::to_string(i), "k" + std::to_string(i));
    }
    producer.Flush();
  }
  KafkaOptions Options() const {
    return {.brokers = SharedKafka().Brokers(), .topics = {topic_}, .group = topic_ + "-group"};
  }

  std::string topic_;
  std::map<std::string, StoredPosition> stored_;
};

TEST_F(KafkaSourceTest, GoesOnAtTheStoredPositionNotAtKafkas) {
  MakeTopic(1, 100);
  {
    Reader reader(Options(), stored_);
    ASSERT_TRUE(reader.source.Open(reader).ok());
    ASSERT_TRUE(reader.Read(100).ok());
    ASSERT_EQ(reader.payloads.size(), 100u);
    reader.CommitAll();
    ASSERT_TRUE(reader.source.Close().ok());  // tells Kafka 100
  }
  stored_[topic_ + "/0"].next = 40;  // what the database says counts
  stored_[topic_ + "/0"].detail.clear();
  Reader again(Options(), stored_);
  ASSERT_TRUE(again.source.Open(again).ok());
  ASSERT_TRUE(again.Read(60).ok());
  EXPECT_EQ(again.payloads.size(), 60u);
  EXPECT_EQ(again.payloads.front(), "40");
}

TEST_F(KafkaSourceTest, KeepsAMessageThatThePipelineCannotTake) {
  MakeTopic(1, 3);
  Reader reader(Options(), stored_);
  ASSERT_TRUE(reader.source.Open(reader).ok());
  reader.refuse = true;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(reader.Poll(std::chrono::milliseconds(50)).ok());
  EXPECT_TRUE(reader.payloads.empty());
  reader.refuse = false;
  ASSERT_TRUE(reader.Read(3).ok());
  EXPECT_THAT(reader.payloads, ::testing::ElementsAre("0", "1", "2"));
}

TEST_F(KafkaSourceTest, StopsAPartitionWhosePositionHasExpired) {
  MakeTopic(1, 50);
  SharedKafka().DeleteRecordsBefore(topic_, 0, 30);
  stored_[topic_ + "/0"] = {10, ""};
  Reader reader(Options(), stored_);
  ASSERT_TRUE(reader.source.Open(reader).ok());
  ASSERT_TRUE(reader.Read(1).ok());
  EXPECT_TRUE(reader.payloads.empty());
  EXPECT_THAT(std::string(reader.source.Health().message()),
              HasSubstr("offset 10 is not in the log (it holds 30 to 50): 20 messages expired"));
}

TEST_F(KafkaSourceTest, StopsAPartitionThatIsShorterThanItsPosition) {
  MakeTopic(1, 5);
  stored_[topic_ + "/0"] = {500, ""};
  Reader reader(Options(), stored_);
  ASSERT_TRUE(reader.source.Open(reader).ok());
  ASSERT_TRUE(reader.Read(1).ok());
  EXPECT_TRUE(reader.payloads.empty());
  EXPECT_THAT(std::string(reader.source.Health().message()), HasSubstr("truncated or made anew"));
}

TEST_F(KafkaSourceTest, SeesThatATopicWasMadeAnew) {
  MakeTopic(1, 20);
  {
    Reader reader(Options(), stored_);
    ASSERT_TRUE(reader.source.Open(reader).ok());
    ASSERT_TRUE(reader.Read(20).ok());
    reader.CommitAll();
  }
  SharedKafka().DeleteTopic(topic_);
  SharedKafka().CreateTopic(topic_ + "x", 1);  // a round trip, so that the deletion is through
  MakeTopic(1, 40);
  Reader again(Options(), stored_);
  ASSERT_TRUE(again.source.Open(again).ok());
  ASSERT_TRUE(again.Read(1).ok());
  EXPECT_TRUE(again.payloads.empty());
  EXPECT_THAT(std::string(again.source.Health().message()), HasSubstr("the topic was made anew"));
}

TEST_F(KafkaSourceTest, AWitnessThatExpiredDoesNotStopThePartition) {
  MakeTopic(1, 20);
  {
    Reader reader(Options(), stored_);
    ASSERT_TRUE(reader.source.Open(reader).ok());
    ASSERT_TRUE(reader.Read(20).ok());
    reader.CommitAll();
  }
  Produce(20, 10);
  SharedKafka().DeleteRecordsBefore(topic_, 0, 20);  // the position itself is still there
  Reader again(Options(), stored_);
  ASSERT_TRUE(again.source.Open(again).ok());
  ASSERT_TRUE(again.Read(10).ok());
  ASSERT_EQ(again.payloads.size(), 10u);
  EXPECT_EQ(again.payloads.front(), "20");
}

TEST_F(KafkaSourceTest, ReadsToTheEndAndStops) {
  MakeTopic(3, 500);
  KafkaOptions options = Options();
  options.until = KafkaPoint{KafkaPoint::Kind::kLatest, {}};
  Reader reader(options, stored_);
  ASSERT_TRUE(reader.source.Open(reader).ok());
  const auto state = reader.Read(100'000);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(*state, PollState::kEnd);
  EXPECT_EQ(reader.payloads.size(), 500u);
}

TEST_F(KafkaSourceTest, SharesPartitionsWithASecondInstance) {
  MakeTopic(4, 40);
  Reader first(Options(), stored_);
  ASSERT_TRUE(first.source.Open(first).ok());
  ASSERT_TRUE(first.Read(40).ok());
  EXPECT_EQ(first.assigned.size(), 4u);
  first.CommitAll();
  Reader second(Options(), stored_);
  ASSERT_TRUE(second.source.Open(second).ok());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (second.assigned.size() < 2 && std::chrono::steady_clock::now() < limit) {
    ASSERT_TRUE(first.Poll(std::chrono::milliseconds(50)).ok());
    ASSERT_TRUE(second.Poll(std::chrono::milliseconds(50)).ok());
  }
  EXPECT_EQ(first.assigned.size(), 2u);
  EXPECT_EQ(second.assigned.size(), 2u);
  EXPECT_TRUE(second.payloads.empty());  // everything was stored by the first
}

TEST_F(KafkaSourceTest, SaysThatATopicDoesNotExist) {
  Reader reader(Options(), stored_);
  ASSERT_TRUE(reader.source.Open(reader).ok());
  ASSERT_TRUE(reader.Read(1).ok());
  EXPECT_THAT(std::string(reader.source.Health().message()), HasSubstr(topic_));
}

TEST(KafkaOptionsTest, RefusesPropertiesThatDeliveryDependsOn) {
  KafkaOptions options{.brokers = "b:1", .topics = {"t"}};
  EXPECT_TRUE(options.Validate().ok());
  options.properties = {{"enable.auto.commit", "true"}};
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("enable.auto.commit"));
}

TEST(KafkaPointTest, ReadsWordsAndTimes) {
  EXPECT_EQ(ParseKafkaPoint("earliest")->kind, KafkaPoint::Kind::kEarliest);
  EXPECT_EQ(ParseKafkaPoint("end")->kind, KafkaPoint::Kind::kLatest);
  EXPECT_EQ(ParseKafkaPoint("1970-01-01T00:00:01Z")->time.time_since_epoch().count(), 1'000'000);
  EXPECT_FALSE(ParseKafkaPoint("yesterday").ok());
}

}  // namespace
}  // namespace tsingest::testing
