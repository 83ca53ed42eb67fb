// mqtt2ts, its broker and its database, killed at random: what the broker accepted is in the table.
//
// Long form: TSINGEST_MESSAGES=500000 TSINGEST_SERVER_KILLS=5; TSINGEST_SEED repeats a run.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/mosquitto_server.h"
#include "support/mqtt_producer.h"
#include "support/paths.h"
#include "support/postgres_server.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr int kProducers = 2;
constexpr long kMessagesPerSecond = 2000;  // of all producers: the kills shall find work in hand
constexpr int kWindow = 200;

long FromEnvironment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

class MqttKillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
    std::cout << "seed " << seed_ << ", messages " << messages_ << ", kills of each server "
              << server_kills_ << std::endl;
    database_ = std::make_unique<PostgresServer>();
    broker_ = std::make_unique<MosquittoServer>(
        MosquittoOptions{.persistence = true,
                         .autosave = false,  // of a long queue at each message: nothing would move
                         .lines = {"max_inflight_messages " + std::to_string(kWindow)}});
  }

  void StartTool() {
    tool_ = Spawn({ToolPath("mqtt2ts").string(), "--broker", broker_->Uri(), "--topics", "p/#",
                   "--client-id", "killed", "--receive-maximum", std::to_string(kWindow), "--to",
                   database_->Uri(), "--create", "--http", "off", "--summary", "json"},
                  self_, log_);
  }
  // The session exists at the broker: from now on it keeps every message for it.
  void AwaitSession() {
    const auto until = steady_clock::now() + seconds(30);
    while (Tail(log_).find("connected to") == std::string::npos) {
      ASSERT_LT(steady_clock::now(), until) << Tail(log_);
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
  void StartProducers() {
    for (int i = 0; i < kProducers; ++i) {
      producers_.push_back(std::make_unique<MqttProducer>(
          MqttProducerOptions{.port = broker_->port(),
                              .topic = "p/" + std::to_string(i),
                              .messages = messages_ / kProducers,
                              .per_second = kMessagesPerSecond / kProducers}));
    }
  }
  long Accepted() const {
    long sum = 0;
    for (const auto& producer : producers_) sum += producer->accepted();
    return sum;
  }
  bool Published() const {
    return std::ranges::all_of(producers_, [](const auto& p) { return p->done(); });
  }

  // Until everything is published: mqtt2ts every 0.2 to 3 s, and the servers at their shares.
  void KillWhilePublishing() {
    const auto until = steady_clock::now() + seconds(60 + 3 * messages_ / kMessagesPerSecond);
    long servers_killed = 0;
    while (!Published()) {
      ASSERT_LT(steady_clock::now(), until) << "only " << Accepted() << " published";
      std::this_thread::sleep_for(RandomTime(200, 3000));
      if (servers_killed < 2 * server_kills_ &&
          Accepted() > messages_ * (servers_killed + 1) / (2 * server_kills_ + 1)) {
        ++servers_killed % 2 == 1 ? KillDatabase() : KillBroker();
        continue;
      }
      KillTree(tool_);
      ++tool_kills_;
      StartTool();
    }
    EXPECT_EQ(servers_killed, 2 * server_kills_);
  }
  void KillDatabase() {
    database_->Kill9();
    std::this_thread::sleep_for(RandomTime(0, 500));
    database_->Start();
  }
  // With SIGTERM in the midst of it; or with SIGKILL, after it has saved what it acknowledged: what
  // it loses by itself is not ours to answer for.
  void KillBroker() {
    if (++broker_kills_ % 2 == 1) {
      broker_->Stop();
    } else {
      for (const auto& producer : producers_) producer->Pause();
      broker_->Save();
      broker_->Kill9();
      for (const auto& producer : producers_) producer->Resume();
    }
    std::this_thread::sleep_for(RandomTime(0, 500));
    broker_->Start();
  }

  // Every message that was acknowledged to its producer, as "topic seq attempt".
  long Missing() const {
    database_->Exec("CREATE TABLE accepted (topic text, value float8, quality int2)");
    for (int i = 0; i < kProducers; ++i) {
      const std::vector<int>& attempts = producers_[static_cast<std::size_t>(i)]->attempts();
      std::string list;
      for (const int attempt : attempts)
        list += (list.empty() ? "" : ",") + std::to_string(attempt);
      database_->Exec("INSERT INTO accepted SELECT 'p/" + std::to_string(i) +
                      "', n - 1, a FROM unnest('{" + list + "}'::int2[]) WITH ORDINALITY u(a, n)");
    }
    const std::string missing = database_->Value(
        "SELECT count(*) FROM (TABLE accepted EXCEPT SELECT topic, value, quality FROM metrics) m");
    database_->Exec("DROP TABLE accepted");
    return std::stol(missing);
  }
  // Waits for the rest to be written: as long as rows come, and a while longer.
  void AwaitRest() {
    std::string rows;
    for (auto until = steady_clock::now() + seconds(45); steady_clock::now() < until;) {
      const std::string now = database_->Value("SELECT count(*) FROM metrics");
      if (now != rows) until = steady_clock::now() + seconds(45);
      rows = now;
      if (std::stol(now) >= messages_ && Missing() == 0) return;
      std::this_thread::sleep_for(milliseconds(200));
    }
  }
  void StopTool() {
    ::kill(tool_, SIGTERM);
    const auto status = WaitFor(tool_, seconds(60));
    ASSERT_TRUE(status.has_value()) << "mqtt2ts hangs:\n" << Tail(log_);
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 128 + SIGTERM) << Tail(log_);
  }
  long Doubled() const {
    return std::stol(
        database_->Value("SELECT count(*) - count(DISTINCT (topic, value, quality)) FROM metrics"));
  }
  void Run() {
    StartTool();
    AwaitSession();
    StartProducers();
    KillWhilePublishing();
    AwaitRest();
    StopTool();
    EXPECT_EQ(Missing(), 0);
    EXPECT_EQ(Accepted(), messages_ / kProducers * kProducers);
    EXPECT_EQ(database_->Value("SELECT count(*) FROM tsingest.dead_letter"), "0");
    std::cout << tool_kills_ << " kills of mqtt2ts; rows "
              << database_->Value("SELECT count(*) FROM metrics") << ", of these doubled "
              << Doubled() << std::endl;
  }
  milliseconds RandomTime(int low_ms, int high_ms) {
    return milliseconds(std::uniform_int_distribution<int>(low_ms, high_ms)(random_));
  }

  const long messages_ = FromEnvironment("TSINGEST_MESSAGES", 30'000);
  const long server_kills_ = FromEnvironment("TSINGEST_SERVER_KILLS", 2);
  const unsigned seed_ =
      static_cast<unsigned>(FromEnvironment("TSINGEST_SEED", std::random_device{}() % 1'000'000));
  std::mt19937 random_{seed_};
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-mqtt-kill-", self_, ""};
  const std::filesystem::path log_ = directory_.path() / "log";
  std::unique_ptr<PostgresServer> database_;
  std::unique_ptr<MosquittoServer> broker_;
  std::vector<std::unique_ptr<MqttProducer>> producers_;
  pid_t tool_ = 0;
  long tool_kills_ = 0;
  long broker_kills_ = 0;
};

TEST_F(MqttKillTest, EveryAcceptedMessageIsThereAndDoublesFitTheWindow) {
  Run();
  EXPECT_LE(Doubled(), (tool_kills_ + broker_kills_) * kWindow);
}

TEST_F(MqttKillTest, WithAKeyEveryAcceptedMessageIsThereOnce) {
  database_->Exec(
      "CREATE TABLE metrics (time timestamptz NOT NULL, topic text NOT NULL, value float8, "
      "value_str text, quality int2, metadata jsonb, UNIQUE (topic, value, quality))");
  Run();
  EXPECT_EQ(Doubled(), 0);
}

}  // namespace
}  // namespace tsingest::testing
