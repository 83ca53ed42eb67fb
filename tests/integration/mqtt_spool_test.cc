// mqtt2ts --spool between a real Mosquitto and a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/paths.h"
#include "support/spool_service.h"
#include "tsingest/source/spool_maintenance.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;

class MqttSpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
  }
  // Rows, different values, and their sum: what is missing or double can be told from them.
  std::string Rows() const {
    return database_.Value(
        "SELECT format('%s %s %s', count(*), count(DISTINCT value), sum(value)) FROM metrics");
  }
  static std::string RowsOf(long count) {
    return std::to_string(count) + " " + std::to_string(count) + " " +
           std::to_string(count * (count - 1) / 2);
  }
  bool HasTable() const {
    return database_.Value("SELECT to_regclass('metrics') IS NOT NULL") == "t";
  }
  bool AwaitRows(long count) {
    return AwaitTrue([&] { return HasTable() && Rows() == RowsOf(count); });
  }
  void Publish(int first, int count) {
    MqttPublisher(broker_.port()).Publish("plant/a", ValueMessages(first, count));
  }
  bool AwaitAcknowledged(double count) {
    return AwaitTrue([&] { return service_.Metric("tsingest_mqtt_acknowledged_total") >= count; });
  }

  MosquittoServer broker_;
  PostgresServer database_;
  SpoolService service_{broker_, database_};
};

// The point of it: the broker is empty while the database is away, also over kill -9 and a start
// without database; then every row is there once.
TEST_F(MqttSpoolTest, AnOutageOfTheDatabaseEmptiesTheBrokerAndLosesNothing) {
  service_.Start();
  ASSERT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_source_up") == 1; }))
      << service_.Log();
  Publish(0, 200);
  ASSERT_TRUE(AwaitRows(200)) << Rows() << service_.Log();

  database_.Stop(PostgresServer::StopMode::kImmediate);
  Publish(200, 5000);
  ASSERT_TRUE(AwaitAcknowledged(5200)) << service_.Log();  // the broker has nothing any more
  EXPECT_EQ(service_.Metric("tsingest_spool_records"), 5000);
  EXPECT_EQ(service_.Metric("tsingest_source_window_used_messages"), 0);
  EXPECT_GT(service_.Metric("tsingest_spool_sync_seconds_count"), 0);
  EXPECT_GT(service_.Metric("tsingest_spool_oldest_age_seconds"), 0);
  EXPECT_THAT(service_.Get("/status"), HasSubstr("\"spool_records\":5000"));

  service_.Kill9();
  service_.Start();  // the database is still away
  ASSERT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_spool_messages_total") == 0; }));
  Publish(5200, 300);
  ASSERT_TRUE(AwaitAcknowledged(300)) << service_.Log();
  EXPECT_EQ(service_.Metric("tsingest_spool_messages_total"), 300);
  EXPECT_THAT(service_.Get("/health/ready"), HasSubstr("not_ready"));

  database_.Start();
  ASSERT_TRUE(AwaitRows(5500)) << Rows() << service_.Log();
  EXPECT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_spool_records") == 0; }));
  EXPECT_EQ(service_.Stop(), 143) << service_.Log();
  EXPECT_EQ(Rows(), RowsOf(5500));
  EXPECT_EQ(database_.Value("SELECT string_agg(stream || ' ' || position, ',') FROM "
                            "tsingest.positions WHERE ledger = 'mqtt2ts'"),
            "spool:" + InspectSpool(service_.SpoolDirectory())->id + " 5501");
}

TEST_F(MqttSpoolTest, ARestartReadsNothingTwice) {
  for (int round = 0; round < 3; ++round) {
    service_.Start();
    ASSERT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_source_up") == 1; }))
        << service_.Log();
    Publish(round * 500, 500);
    ASSERT_TRUE(AwaitRows((round + 1) * 500)) << Rows() << service_.Log();
    ASSERT_TRUE(
        AwaitTrue([&] { return service_.Metric("tsingest_mqtt_acknowledged_total") == 500; }));
    if (round == 1) {
      EXPECT_EQ(service_.Stop(), 143) << service_.Log();
    } else {
      service_.Kill9();
    }
  }
  EXPECT_EQ(Rows(), RowsOf(1500));
}

TEST_F(MqttSpoolTest, ASecondInstanceOnTheSameDirectoryIsTurnedAway) {
  service_.Start();
  ASSERT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_source_up") == 1; }));
  const std::filesystem::path log = service_.SpoolDirectory() + ".log";
  const RunAs self{::getuid(), ::getgid(), false};
  const pid_t second = Spawn({ToolPath("mqtt2ts").string(), "--broker", broker_.Uri(), "--topics",
                              "plant/#", "--client-id", "other", "--to", database_.Uri(), "--http",
                              "off", "--spool", service_.SpoolDirectory()},
                             self, log);
  ASSERT_TRUE(WaitFor(second, std::chrono::seconds(30)).has_value());
  EXPECT_THAT(Tail(log), HasSubstr("is in use by another process, pid "));
}

// Damage is said, not skipped; repair loses that record and no other.
TEST_F(MqttSpoolTest, ADamagedSpoolIsRepairedByTheTool) {
  database_.Stop();
  service_.Start();
  ASSERT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_spool_messages_total") >= 0; }));
  for (int i = 0; i < 10; ++i) {
    Publish(i, 1);
    ASSERT_TRUE(AwaitAcknowledged(i + 1));
  }
  service_.Kill9();
  const std::string segment = InspectSpool(service_.SpoolDirectory())->segments.at(0).path;
  {
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(250);
    file.put('!');
  }
  const std::filesystem::path log = service_.SpoolDirectory() + ".log";
  const RunAs self{::getuid(), ::getgid(), false};
  const auto tool = [&](const std::string& command) {
    const pid_t pid =
        Spawn({ToolPath("tsingest-spool").string(), command, service_.SpoolDirectory()}, self, log);
    const auto status = WaitFor(pid, std::chrono::seconds(30));
    return status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  };
  EXPECT_EQ(tool("verify"), 1);
  EXPECT_THAT(Tail(log), HasSubstr("cannot be read"));
  service_.Start();
  EXPECT_TRUE(
      AwaitTrue([&] { return service_.Log().find("tsingest-spool repair") != std::string::npos; }));
  service_.Kill9();
  EXPECT_EQ(tool("repair"), 3);
  EXPECT_THAT(Tail(log), HasSubstr("records lost: 1;"));
  EXPECT_EQ(tool("verify"), 0);
  database_.Start();
  service_.Start();
  EXPECT_TRUE(AwaitTrue([&] {
    return HasTable() && database_.Value("SELECT count(*) FROM metrics") == "9";
  })) << service_.Log();
  EXPECT_TRUE(AwaitTrue([&] { return service_.Metric("tsingest_spool_lost_records_total") == 1; }));
}

}  // namespace
}  // namespace tsingest::testing
