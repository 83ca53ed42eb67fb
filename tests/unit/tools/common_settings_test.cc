#include "tools/common/common_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CommonSettingsTest : public testing::Test {
 protected:
  std::string Load(CommonDefaults defaults, std::vector<std::string> args,
                   EnvironmentMap env = {}) {
    settings_ =
        std::make_unique<Settings>(ToolInfo{.tool = defaults.tool, .summary = "", .usage = ""});
    values_ = CommonSettings();
    DeclareCommonSettings(*settings_, values_, std::move(defaults));
    absl::StatusOr<Settings::Outcome> outcome = settings_->Load(args, env);
    return outcome.ok() ? outcome->output : std::string(outcome.status().message());
  }
  std::string LoadCsv(std::vector<std::string> args, EnvironmentMap env = {}) {
    args.insert(args.end(), {"--model", "metrics"});
    return Load({.tool = "csv-replay", .models = {"metrics", "sensor_data"}}, std::move(args), env);
  }
  std::string LoadService(std::vector<std::string> args, EnvironmentMap env = {}) {
    return Load({.tool = "mqtt2ts",
                 .models = {"metrics"},
                 .model = "metrics",
                 .is_service = true,
                 .db_host = "localhost",
                 .db_name = "nexus_historian",
                 .db_user = "nexus_ingestion"},
                std::move(args), env);
  }

  std::unique_ptr<Settings> settings_;
  CommonSettings values_;
};

TEST_F(CommonSettingsTest, TheWindowTakesTimesAndDurations) {
  ASSERT_EQ(LoadCsv({"--to", "stdout:", "--not-before", "2020-01-01", "--not-after", "1h"}), "");
  EXPECT_EQ(values_.window.not_before, Timestamp(std::chrono::seconds(1'577'836'800)));
  EXPECT_EQ(values_.window.max_ahead, std::chrono::hours(1));
  EXPECT_FALSE(values_.window.max_age.has_value() || values_.window.not_after.has_value());
  EXPECT_EQ(LoadCsv({"--to", "stdout:", "--not-before", "yesterday"}),
            "--not-before: \"yesterday\" is neither a time (2024-01-15T00:00:00Z) nor a duration "
            "(30d)");
}

TEST_F(CommonSettingsTest, HasTheContractsDefaults) {
  ASSERT_EQ(LoadCsv({"--to", "postgresql://h/d"}), "");
  EXPECT_EQ(values_.batch_rows, std::nullopt);
  EXPECT_EQ(values_.batch_bytes, 8 << 20);
  EXPECT_EQ(values_.buffer_bytes, 64 << 20);
  EXPECT_EQ(values_.linger, milliseconds(100));
  EXPECT_GE(values_.writers, 1);
  EXPECT_LE(values_.writers, 4);
  EXPECT_EQ(values_.dead_letter_target.kind, DeadLetterKind::kTable);
  EXPECT_EQ(values_.dead_letter_target.name, "tsingest.dead_letter");
  EXPECT_EQ(values_.summary, "text");
  EXPECT_FALSE(values_.max_rejects.has_value());
}

TEST_F(CommonSettingsTest, DeadLettersGoToAFileWhereThereIsNoTable) {
  ASSERT_EQ(LoadCsv({"--to", "stdout:"}), "");
  EXPECT_EQ(values_.dead_letter_target.kind, DeadLetterKind::kFile);
  EXPECT_EQ(values_.dead_letter_target.name, "csv-replay.dead-letters.jsonl");
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--dead-letter", "table"}),
              HasSubstr("--dead-letter: a table needs --to postgresql://"));
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--dead-letter", "kafka:t"}),
              HasSubstr("csv-replay has no Kafka connection"));
}

TEST_F(CommonSettingsTest, MissingOrWrongTargetSaysWhatToWrite) {
  EXPECT_THAT(LoadCsv({}), HasSubstr("--to: is missing; write --to postgresql://"));
  EXPECT_EQ(
      LoadCsv({"--to", "mysql://u:hush@h/d"}),
      "--to: \"mysql://u:****@h/d\" is no target that rows can go to; allowed: postgresql://…, "
      "host=… dbname=…, stdout:");
}

TEST_F(CommonSettingsTest, MissingModelNamesTheModels) {
  EXPECT_EQ(Load({.tool = "t", .models = {"a", "b"}}, {"--to", "stdout:"}),
            "--model: is missing; allowed: a, b");
  EXPECT_THAT(Load({.tool = "t", .models = {"a", "b"}}, {"--to", "stdout:", "--model", "c"}),
              HasSubstr("--model: \"c\" is not a choice; allowed: a, b"));
}

TEST_F(CommonSettingsTest, BatchMustFitTheBuffer) {
  EXPECT_EQ(LoadCsv({"--to", "stdout:", "--batch-bytes", "128MiB"}),
            "--batch-bytes: 128MiB is more than --buffer-bytes 64MiB");
}

TEST_F(CommonSettingsTest, ASmallBufferMakesTheDefaultBatchSmaller) {
  ASSERT_EQ(LoadCsv({"--to", "stdout:", "--buffer-bytes", "2MiB"}), "");
  EXPECT_EQ(values_.batch_bytes, 2 << 20);
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--buffer-bytes", "64KiB"}), HasSubstr("1MiB"));
}

TEST_F(CommonSettingsTest, PlacesForDeadLettersAreThoseOfTheTool) {
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--dead-letter", "foo:bar"}),
              AllOf(HasSubstr("file:PATH, none"), Not(HasSubstr("kafka"))));
}

TEST_F(CommonSettingsTest, ComposesTheDatabaseOfItsParts) {
  ASSERT_EQ(LoadCsv({}, {{"TIMESCALE_HOST", "db"},
                         {"TIMESCALE_PORT", "6432"},
                         {"TIMESCALE_DB", "time series"},
                         {"TIMESCALE_USER", "o'brien"},
                         {"TIMESCALE_PASSWORD", "p\\w"}}),
            "");
  EXPECT_EQ(values_.target.conninfo,
            "host='db' port='6432' dbname='time series' user='o\\'brien' password='p\\\\w'");
  EXPECT_THAT(values_.target.shown, testing::Not(HasSubstr("p\\\\w")));
}

TEST_F(CommonSettingsTest, StrongerLayerDecidesBetweenTargetAndParts) {
  ASSERT_EQ(LoadCsv({"--to", "postgresql://a/b"}, {{"TIMESCALE_HOST", "db"}}), "");
  EXPECT_EQ(values_.target.conninfo, "postgresql://a/b");
  ASSERT_EQ(LoadCsv({}, {{"TSINGEST_TO", "postgresql://a/b"}, {"TIMESCALE_HOST", "db"}}), "");
  EXPECT_EQ(values_.target.conninfo, "postgresql://a/b");
}

TEST_F(CommonSettingsTest, PasswordGoesWithATargetThatHasNone) {
  ASSERT_EQ(LoadCsv({"--to", "postgresql://u@a/b"}, {{"PGPASSWORD", "p&w"}}), "");
  EXPECT_EQ(values_.target.conninfo, "postgresql://u@a/b?password=p%26w");
  ASSERT_EQ(LoadCsv({"--to", "postgresql://u:own@a/b"}, {{"PGPASSWORD", "other"}}), "");
  EXPECT_EQ(values_.target.conninfo, "postgresql://u:own@a/b");
  ASSERT_EQ(LoadCsv({"--to", "host=a dbname=b"}, {{"PGPASSWORD", "p w"}}), "");
  EXPECT_EQ(values_.target.conninfo, "host=a dbname=b password='p w'");
}

TEST_F(CommonSettingsTest, ServiceFillsPartsWithItsDefaults) {
  ASSERT_EQ(LoadService({}, {{"INGESTION_DB_PASSWORD", "x"}}), "");
  EXPECT_EQ(values_.target.conninfo,
            "host='localhost' dbname='nexus_historian' user='nexus_ingestion' password='x'");
  EXPECT_EQ(values_.http_host, "127.0.0.1");
  EXPECT_EQ(values_.http_port_number, 8080);
}

TEST_F(CommonSettingsTest, ReadsTheServicesOwnConfigFile) {
  const std::string path = testing::TempDir() + "s2_config.yaml";
  std::ofstream(path)
      << "service:\n  name: data-ingestion\n  environment: production\n"
         "http:\n  port: 9090\n  read_timeout: 5s\n  write_timeout: 7s\n"
         "database:\n  host: timescaledb\n  port: 5432\n  database: nexus_historian\n"
         "  user: nexus_ingestion\n  password: ${DB_PASSWORD}\n  pool_size: 2\n"
         "ingestion:\n  buffer_size: 50000       # points\n  batch_size: 4000\n"
         "  flush_interval: 200ms\n  writer_count: 4\n  use_copy_protocol: false\n"
         "logging:\n  level: debug\n  format: json\n";
  ASSERT_EQ(LoadService({"--config", path}, {{"DB_PASSWORD", "pw"}}), "");
  EXPECT_EQ(values_.target.conninfo,
            "host='timescaledb' port='5432' dbname='nexus_historian' user='nexus_ingestion' "
            "password='pw'");
  EXPECT_EQ(values_.service_name, "data-ingestion");
  EXPECT_EQ(values_.http_port_number, 9090);
  EXPECT_EQ(values_.http_host, "127.0.0.1");
  EXPECT_EQ(values_.http_read_timeout, seconds(5));
  EXPECT_EQ(values_.batch_rows, 4000);
  EXPECT_EQ(values_.buffer_rows, 50000);
  EXPECT_EQ(values_.linger, milliseconds(200));
  EXPECT_EQ(values_.writers, 2);  // the pool's size bounds it
  EXPECT_EQ(values_.write_method, "insert");
  EXPECT_EQ(values_.log_level, "debug");
  EXPECT_EQ(values_.log_format, "json");
  std::remove(path.c_str());
}

TEST_F(CommonSettingsTest, HttpFlagWinsOverAPortInTheEnvironment) {
  ASSERT_EQ(
      LoadService({"--to", "stdout:", "--http", "0.0.0.0:1234"}, {{"INGESTION_HTTP_PORT", "99"}}),
      "");
  EXPECT_EQ(values_.http_port_number, 1234);
  EXPECT_EQ(values_.http_host, "0.0.0.0");
  ASSERT_EQ(LoadService({"--to", "stdout:", "--http", "[::1]:80"}), "");
  EXPECT_EQ(values_.http_host, "::1");
  ASSERT_EQ(LoadService({"--to", "stdout:", "--http", "off"}), "");
  EXPECT_EQ(values_.http_host, "");
  EXPECT_EQ(LoadService({"--to", "stdout:", "--http", "8080x"}),
            "--http: \"8080x\" is not HOST:PORT; write 127.0.0.1:8080, or off");
  EXPECT_THAT(LoadService({"--to", "stdout:", "--http", "h:70000"}), HasSubstr("is not HOST:PORT"));
}

TEST_F(CommonSettingsTest, PolicyDurationsAreChecked) {
  EXPECT_EQ(LoadCsv({"--to", "stdout:", "--retention", "90 days", "--compress-after", "none"}), "");
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--chunk-interval", "none"}),
              HasSubstr("--chunk-interval: \"none\" is not a duration"));
  EXPECT_THAT(LoadCsv({"--to", "stdout:", "--retention", "soon"}), HasSubstr("is not a duration"));
}

TEST(ParseDeadLetterTarget, ReadsEveryKindAndRejectsTheRest) {
  EXPECT_EQ(ParseDeadLetterTarget("table:x.y")->name, "x.y");
  EXPECT_EQ(ParseDeadLetterTarget("file:/tmp/a:b")->name, "/tmp/a:b");
  EXPECT_EQ(ParseDeadLetterTarget("kafka:dlq")->kind, DeadLetterKind::kKafka);
  EXPECT_EQ(ParseDeadLetterTarget("none")->kind, DeadLetterKind::kNone);
  for (const char* bad : {"", "file", "file:", "kafka", "table:", "none:x", "topic:x"}) {
    EXPECT_FALSE(ParseDeadLetterTarget(bad).ok()) << bad;
  }
}

TEST(ParseTarget, TellsItsKinds) {
  EXPECT_EQ(ParseTarget("stdout:", {})->kind, TargetKind::kStdout);
  EXPECT_EQ(ParseTarget("postgres://h/d", {})->kind, TargetKind::kPostgres);
  EXPECT_EQ(ParseTarget("dbname = x", {})->kind, TargetKind::kPostgres);
  EXPECT_EQ(ParseTarget("kafka://h:9092/t", {"kafka"})->scheme, "kafka");
  EXPECT_FALSE(ParseTarget("kafka://h:9092/t", {}).ok());
  EXPECT_FALSE(ParseTarget("somewhere", {}).ok());
  EXPECT_FALSE(ParseTarget("http://x?a=b", {}).ok());
}

}  // namespace
}  // namespace tsingest
