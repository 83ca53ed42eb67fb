// mqtt2ts in the place of the ingestion service it replaces: its config.yaml, its variables, its
// endpoints, as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/child_process.h"
#include "support/http_get.h"
#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/paths.h"
#include "support/postgres_server.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What a user of that service has: host names of containers, which the variables below replace.
std::string ConfigYaml(bool copy) {
  return std::string(R"(service:
  name: data-ingestion
  environment: production
http:
  port: 8080
  read_timeout: 10s
  write_timeout: 10s
mqtt:
  broker_url: tcp://emqx:1883
  client_id: data-ingestion-1
  topics:
    - "$share/ingestion/dev/#"
    - "$share/ingestion/uns/#"
  qos: 1
  clean_session: false     # Persistent session
database:
  host: timescaledb
  port: 5432
  database: nexus_historian
  user: nexus_ingestion
  password: ${DB_PASSWORD}
  pool_size: 10
ingestion:
  buffer_size: 50000       # Points in memory buffer
  batch_size: 5000
  flush_interval: 100ms
  writer_count: 4
  use_copy_protocol: )") +
         (copy ? "true" : "false") + R"(
logging:
  level: info
  format: json
)";
}

class IngestionServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
    broker_ = std::make_unique<MosquittoServer>(MosquittoOptions{.users = {{"plant", "pw-mqtt"}}});
    database_ =
        std::make_unique<PostgresServer>(PostgresOptions{.settings = {"log_statement = all"}});
    database_->CreateDatabase("nexus_historian");
    database_->CreateRole("nexus_ingestion", "pw-database");
    database_->SetHba("host nexus_historian nexus_ingestion 127.0.0.1/32 scram-sha-256\n");
    database_->Exec(
        "CREATE TABLE metrics (time timestamptz NOT NULL, topic text NOT NULL, value double "
        "precision, value_str text, quality smallint DEFAULT 192, metadata jsonb DEFAULT "
        "'{}'::jsonb); ALTER TABLE metrics OWNER TO nexus_ingestion; "
        "GRANT CREATE ON DATABASE nexus_historian TO nexus_ingestion",
        "nexus_historian");
  }
  ~IngestionServiceTest() override {
    if (tool_ != 0) KillTree(tool_);
  }

  void StartTool(bool copy) {
    const std::filesystem::path file = directory_.path() / "config.yaml";
    std::ofstream(file) << ConfigYaml(copy);
    tool_ =
        Spawn({"/usr/bin/env", "INGESTION_HTTP_PORT=" + std::to_string(http_port_),
               "INGESTION_MQTT_BROKER_URL=tcp://127.0.0.1:" + std::to_string(broker_->port()),
               "MQTT_USERNAME=plant", "MQTT_PASSWORD=pw-mqtt", "INGESTION_DB_HOST=127.0.0.1",
               "INGESTION_DB_PORT=" + std::to_string(database_->Port()), "DB_PASSWORD=pw-database",
               ToolPath("mqtt2ts").string(), "--config", file.string(), "--create"},
              self_, log_);
    Await([&] { return HttpGet(http_port_, "/health/ready").find("200 OK") != std::string::npos; });
  }
  template <class Condition>
  void Await(const Condition& condition) {
    const auto until = steady_clock::now() + seconds(60);
    while (!condition()) {
      ASSERT_LT(steady_clock::now(), until) << Tail(log_);
      ASSERT_FALSE(WaitFor(tool_, milliseconds(0)).has_value()) << Tail(log_);
      std::this_thread::sleep_for(milliseconds(20));
    }
  }
  void PublishAndAwait() {
    MqttPublisher publisher(broker_->port(), {.user = "plant", .password = "pw-mqtt"});
    publisher.Publish("dev/plc-001/temperature",
                      {R"({"value":75.5,"quality":192,"unit":"°C",)"
                       R"("timestamp":"2024-01-15T10:30:00.123Z","device_id":"plc-001",)"
                       R"("tag_id":"temperature"})"});
    publisher.Publish("uns/line/state", {R"({"value":"running","quality":0})", "no JSON {"});
    Await([&] { return database_->Value("SELECT count(*) FROM metrics", kName) == "2"; });
    Await([&] {
      return database_->Value("SELECT count(*) FROM tsingest.dead_letter", kName) == "1";
    });
  }
  bool DatabaseRan(const std::string& sql) const {
    return database_->Log().find(sql) != std::string::npos;
  }
  std::string Get(const std::string& path) const { return HttpGet(http_port_, path); }

  static constexpr char kName[] = "nexus_historian";
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-ingestion-", self_, ""};
  const std::filesystem::path log_ = directory_.path() / "log";
  const int http_port_ = FreePort();
  std::unique_ptr<MosquittoServer> broker_;
  std::unique_ptr<PostgresServer> database_;
  pid_t tool_ = 0;
};

TEST_F(IngestionServiceTest, ItsConfigurationWritesItsRowsByCopy) {
  StartTool(true);
  PublishAndAwait();
  EXPECT_THAT(
      database_->Query("SELECT time AT TIME ZONE 'UTC', topic, value, value_str, quality, "
                       "metadata->>'unit', metadata->>'device_id' FROM metrics ORDER BY topic",
                       kName)[0],
      ElementsAre("2024-01-15 10:30:00.123", "dev/plc-001/temperature", "75.5", "\\N", "192", "°C",
                  "plc-001"));
  EXPECT_EQ(database_->Value("SELECT value_str FROM metrics WHERE quality = 0", kName), "running");
  EXPECT_TRUE(DatabaseRan("COPY \"public\".\"metrics\""));
  EXPECT_THAT(Tail(log_, 100'000), Not(HasSubstr("pw-")));
}

TEST_F(IngestionServiceTest, WithoutCopyProtocolItInserts) {
  StartTool(false);
  PublishAndAwait();
  EXPECT_TRUE(DatabaseRan("INSERT INTO \"public\".\"metrics\""));
  EXPECT_FALSE(DatabaseRan("COPY \"public\".\"metrics\""));
}

TEST_F(IngestionServiceTest, ItsEndpointsSayWhatTheySaid) {
  StartTool(true);
  PublishAndAwait();
  for (const std::string path : {"/health", "/health/live", "/health/ready"}) {
    EXPECT_THAT(Get(path), HasSubstr("200 OK")) << path;
  }
  const std::string status = Get("/status");
  for (const std::string part :
       {R"("service":"data-ingestion")",
        R"("uptime":")",
        R"("ingestion":{"points_received":3)",
        R"("points_dropped":0)",
        R"("buffer_size":50000)",
        R"("buffer_used":0)",
        R"("buffer_utilization":0)",
        R"("mqtt":{"connected":true,"broker":"tcp://127.0.0.1:)",
        R"("messages_received":3)",
        R"("database":{"batches_written":)",
        R"("points_written":2)",
        R"("avg_write_time_ms":)",
        R"("pool_total_conns":4)",
        R"("pool_idle_conns":)",
        R"("batcher":{"batches_flushed":)",
        R"("current_batch_size":0)",
        R"("pending_batches":0)",
        R"("state":"running")",
        R"("balance":{"received":3,"written":2,"deduplicated":0,"dead_lettered":1,"in_flight":0,)"
        R"("ok":true})",
        R"("checks":{"source":{"status":"ok"},"sink":{"status":"ok"}})"}) {
    EXPECT_THAT(status, HasSubstr(part));
  }
  const std::string metrics = Get("/metrics");
  for (const std::string line :
       {"data_ingestion_points_received_total 3\n", "data_ingestion_points_written_total 2\n",
        "data_ingestion_points_dropped_total 0\n", "data_ingestion_batches_flushed_total ",
        "data_ingestion_batch_duration_seconds_bucket{le=", "data_ingestion_parse_errors_total 1\n",
        "data_ingestion_write_errors_total 0\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  EXPECT_THAT(status + metrics, Not(HasSubstr("pw-")));
}

TEST_F(IngestionServiceTest, ItStopsAsAContainerIsStopped) {
  StartTool(true);
  PublishAndAwait();
  ::kill(tool_, SIGTERM);
  const auto status = WaitFor(std::exchange(tool_, 0), seconds(60));
  ASSERT_TRUE(status.has_value()) << Tail(log_);
  EXPECT_EQ(WEXITSTATUS(*status), 128 + SIGTERM) << Tail(log_);
  EXPECT_THAT(Tail(log_, 100'000), Not(HasSubstr("Start it again")));
}

// How a retained message is cleared.
TEST_F(IngestionServiceTest, AnEmptyMessageIsNeitherRowNorReject) {
  StartTool(true);
  MqttPublisher publisher(broker_->port(), {.user = "plant", .password = "pw-mqtt"});
  publisher.Publish("dev/plc/t", {R"({"value":1})", ""}, /*qos=*/1, /*retain=*/true);
  publisher.Publish("dev/plc/t", {R"({"value":2})"});
  Await([&] { return database_->Value("SELECT count(*) FROM metrics", kName) == "2"; });
  Await([&] {
    return Get("/metrics").find("tsingest_mqtt_acknowledged_total 3\n") != std::string::npos;
  });
  EXPECT_EQ(database_->Value("SELECT count(*) FROM tsingest.dead_letter", kName), "0");
  EXPECT_THAT(Get("/status"), HasSubstr(R"("balance":{"received":2,"written":2,)"));
}

}  // namespace
}  // namespace tsingest::testing
