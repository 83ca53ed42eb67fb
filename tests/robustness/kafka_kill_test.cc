// kafka2ts under kill -9, of itself, of a second instance, of PostgreSQL and of the broker: every
// message becomes one row.
//
// Long form: TSINGEST_MESSAGES=2000000 TSINGEST_KILLS=60 TSINGEST_SERVER_KILLS=5; TSINGEST_SEED
// repeats a run's choices.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
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
namespace {

using std::chrono::milliseconds;

constexpr int kPartitions = 4;
constexpr char kTopic[] = "decoded_iot_data";
constexpr char kGroup[] = "kill-test";

long FromEnvironment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

class KafkaKillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
    std::cout << "seed " << seed_ << ", messages " << kPartitions * per_partition_ << ", kills "
              << kills_ << ", server kills " << server_kills_ << ", "
              << (static_member_ ? "static" : "dynamic") << " member" << std::endl;
    postgres_ = std::make_unique<PostgresServer>();
    CreateKeylessTable(*postgres_);
    // So short a session that a group which lost a member goes on within a life of the next one.
    kafka_ =
        std::make_unique<KafkaServer>(std::vector<std::string>{"group.min.session.timeout.ms=100"});
    kafka_->CreateTopic(kTopic, kPartitions);
  }

  std::vector<std::string> Arguments(bool is_static) const {
    std::vector<std::string> arguments = {"--brokers",
                                          kafka_->Brokers(),
                                          "--topics",
                                          kTopic,
                                          "--group",
                                          kGroup,
                                          "--from",
                                          "earliest",
                                          "--to",
                                          postgres_->Uri(),
                                          "--create",
                                          "--writers",
                                          "2",
                                          "--kafka",
                                          "session.timeout.ms=1000",
                                          "heartbeat.interval.ms=200"};
    if (is_static) arguments.push_back("group.instance.id=first");
    return arguments;
  }

  // Sends everything; the more kills are done, the more of it, so that there is always work.
  void Produce() {
    KafkaProducer producer(kafka_->Brokers());
    for (long i = 0; i < per_partition_; ++i) {
      while (i > per_partition_ * (kills_ + 3 * kills_done_) / (4 * kills_)) {
        std::this_thread::sleep_for(milliseconds(20));
      }
      for (int p = 0; p < kPartitions; ++p) producer.Send(kTopic, SequenceMessage(p, i), {}, p);
    }
    producer.Flush();
  }

  milliseconds RandomTime(int low_ms, int high_ms) {
    return milliseconds(std::uniform_int_distribution<int>(low_ms, high_ms)(random_));
  }
  bool Chance(int percent) {
    return std::uniform_int_distribution<int>(1, 100)(random_) <= percent;
  }

  // The second instance comes, and goes as a user or as a crash makes it go.
  void ChangeSecond(ServiceProcess& second) {
    if (!Chance(40)) return;
    if (!second.Running()) {
      second.Start();
      ++joins_;
    } else if (Chance(50)) {
      second.Kill9();
    } else {
      EXPECT_EQ(second.Stop(), 143) << second.Log();
    }
  }

  // Each server in turn, evenly spread over the run.
  void KillServers(long kill) {
    const long every = std::max(kills_ / std::max(server_kills_, 1L), 2L);
    if (postgres_kills_ < server_kills_ && kill % every == 0) {
      std::this_thread::sleep_for(RandomTime(100, 1500));
      postgres_->Kill9();
      postgres_->Start();
      ++postgres_kills_;
    }
    if (broker_kills_ < server_kills_ && kill % every == every / 2) {
      std::this_thread::sleep_for(RandomTime(100, 1500));
      kafka_->Kill9();
      kafka_->Start();
      ++broker_kills_;
    }
  }

  const unsigned seed_ =
      static_cast<unsigned>(FromEnvironment("TSINGEST_SEED", std::random_device{}() % 1'000'000));
  const long per_partition_ = FromEnvironment("TSINGEST_MESSAGES", 200'000) / kPartitions;
  const long kills_ = std::max(FromEnvironment("TSINGEST_KILLS", 12), 1L);
  const long server_kills_ = FromEnvironment("TSINGEST_SERVER_KILLS", 1);
  const bool static_member_ = seed_ % 2 == 0;
  std::mt19937 random_{seed_};
  std::unique_ptr<PostgresServer> postgres_;
  std::unique_ptr<KafkaServer> kafka_;
  std::atomic<long> kills_done_ = 0;
  long joins_ = 0;
  long postgres_kills_ = 0;
  long broker_kills_ = 0;
};

TEST_F(KafkaKillTest, EveryMessageOnceWhateverIsKilled) {
  std::thread producing([this] { Produce(); });
  ServiceProcess first("kafka2ts", Arguments(static_member_));
  ServiceProcess second("kafka2ts", Arguments(false));
  for (long kill = 0; kill < kills_; ++kill) {
    first.Start();
    ChangeSecond(second);
    KillServers(kill);
    std::this_thread::sleep_for(RandomTime(200, 3000));
    first.Kill9();
    ++kills_done_;
  }
  const long before = StoredPositions(*postgres_, kGroup);
  first.Start();
  producing.join();
  const long all = kPartitions * per_partition_;
  EXPECT_TRUE(Eventually([&] { return StoredPositions(*postgres_, kGroup) >= all; },
                         std::chrono::minutes(5)))
      << StoredPositions(*postgres_, kGroup) << " of " << all << "\n"
      << first.Log();
  if (second.Running()) {
    EXPECT_EQ(second.Stop(), 143) << second.Log();
  }
  EXPECT_EQ(first.Stop(), 143) << first.Log();
  std::cout << before << " of " << all << " rows came while it was killed; " << joins_
            << " joins, PostgreSQL killed " << postgres_kills_ << ", broker killed "
            << broker_kills_ << " times" << std::endl;

  EXPECT_EQ(SequenceFaults(*postgres_, kPartitions, per_partition_), "");
  EXPECT_EQ(first.Summary("in_flight"), 0);
  EXPECT_EQ(first.Summary("received"), first.Summary("written"));
}

}  // namespace
}  // namespace tsingest::testing
