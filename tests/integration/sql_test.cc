// sql/: each file runs, runs again, and does what its first lines say, on both kinds of database.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/paths.h"
#include "support/test_database.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "tsingest/sink/postgres.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::array kFiles = {"timescale_init.sql", "tsingest.sql", "monitoring.sql",
                               "aggregates.sql", "roles.sql"};

struct PsqlResult {
  int exit_code;
  std::string output;  // stdout and stderr
};

PsqlResult Psql(const std::string& uri, const std::string& file, const std::string& options = "") {
  const std::string command = "PGOPTIONS='" + options + "' psql -X -v ON_ERROR_STOP=1 -d '" + uri +
                              "' -f '" + (SourceDirectory() / "sql" / file).string() + "' 2>&1";
  FILE* const pipe = ::popen(command.c_str(), "r");
  PsqlResult result{-1, ""};
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

class SqlTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(GetParam())) GTEST_SKIP() << *why;
    database_ = std::make_unique<TestDatabase>(GetParam());
  }

  bool HasTimescale() const { return GetParam() == DatabaseKind::kTimescale; }

  std::string Run(const std::string& file, const std::string& options = "") {
    const PsqlResult result = Psql(database_->Uri(), file, options);
    EXPECT_EQ(result.exit_code, 0) << file << ":\n" << result.output;
    return result.output;
  }
  std::string RunAll() {
    std::string output;
    for (const char* const file : kFiles) output += Run(file);
    return output;
  }
  // Three days of one row a minute for two devices, with an hour's silence of the second one.
  void FillTables() {
    database_->Exec(
        "INSERT INTO iot_measurements SELECT t, d, 'auto', 'Temperature', '1', 21.5, 'C', 'x/y' "
        "FROM generate_series(date_trunc('minute', now()) - interval '3 days', now(), '1 minute') "
        "t, "
        "unnest(ARRAY['one', 'two']) d "
        "WHERE d = 'one' OR t NOT BETWEEN now() - interval '5 hours' AND now() - interval '4 "
        "hours';"
        "INSERT INTO metrics(time, topic, value) SELECT timestamp, topic, value FROM "
        "iot_measurements;"
        "INSERT INTO sensor_data(device_id, ts, temp) SELECT device_id, timestamp, value "
        "FROM iot_measurements");
  }
  std::string CountOf(const std::string& relation) {
    return database_->Value("SELECT count(*) FROM " + relation);
  }

  std::unique_ptr<TestDatabase> database_;
};

TEST_P(SqlTest, EveryFileRunsTwiceAndChangesNothingTheSecondTime) {
  RunAll();
  FillTables();
  const std::string schema =
      "SELECT string_agg(format('%s %s %s', c.oid::regclass, c.relkind, c.relacl), '\n' "
      "ORDER BY c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
      "WHERE nspname IN ('public', 'tsingest')";
  const std::string before = database_->Value(schema);
  const std::string rows = CountOf("iot_measurements");
  EXPECT_THAT(RunAll(), Not(HasSubstr("ERROR")));
  EXPECT_EQ(database_->Value(schema), before);
  EXPECT_EQ(CountOf("iot_measurements"), rows);
}

TEST_P(SqlTest, SaysWhatIsLeftOutWithoutTheExtension) {
  std::string output;
  for (const char* const file : kFiles) output += Run(file);
  for (const std::string part :
       {"hypertables, compression and retention were skipped", "continuous aggregates were skipped",
        "chunk_overview, compression_stats, hypertable_compression and policy_jobs were skipped"}) {
    if (HasTimescale()) {
      EXPECT_THAT(output, Not(HasSubstr(part)));
    } else {
      EXPECT_THAT(output, HasSubstr(part));
    }
  }
}

TEST_P(SqlTest, EveryViewAnswers) {
  RunAll();
  FillTables();
  const TextRows views =
      database_->Query("SELECT viewname FROM pg_views WHERE schemaname = 'public' ORDER BY 1");
  EXPECT_EQ(views.size(), HasTimescale() ? 14u : 10u);
  for (const TextRow& view : views) {
    EXPECT_NO_THROW(database_->Query("SELECT * FROM \"" + view[0] + "\"")) << view[0];
  }
}

TEST_P(SqlTest, ActivityAndDistributionCountTheRows) {
  RunAll();
  FillTables();
  EXPECT_EQ(database_->Query("SELECT device_id, sum(records) FROM recent_activity "
                             "WHERE table_name = 'sensor_data' GROUP BY 1 ORDER BY 1"),
            database_->Query("SELECT device_id, count(*) FROM sensor_data "
                             "WHERE ts > now() - interval '1 hour' GROUP BY 1 ORDER BY 1"));
  EXPECT_EQ(database_->Value("SELECT max(records_per_minute) FROM ingestion_rate"), "2");
  EXPECT_EQ(database_->Query("SELECT device_id, total_records, first_record, latest_record, "
                             "null_values FROM data_distribution "
                             "WHERE table_name = 'iot_measurements' ORDER BY 1"),
            database_->Query("SELECT device_id, count(*), min(timestamp), max(timestamp), 0 "
                             "FROM iot_measurements GROUP BY 1 ORDER BY 1"));
}

TEST_P(SqlTest, GapsShowTheSilentDeviceOnly) {
  RunAll();
  FillTables();
  EXPECT_EQ(database_->Query("SELECT device_id, gap BETWEEN '60 min' AND '63 min', usual_interval "
                             "FROM data_gaps WHERE table_name = 'sensor_data'"),
            (TextRows{{"two", "t", "00:01:00"}}));
  database_->Exec(
      "INSERT INTO sensor_data(device_id, ts) SELECT 'one', max(ts) + interval '2 hours' "
      "FROM sensor_data");
  EXPECT_EQ(database_->Query("SELECT device_id, gap FROM data_gaps "
                             "WHERE table_name = 'sensor_data' AND gap_end IS NULL"),
            (TextRows{{"two", "02:00:00"}}))
      << "a device that is still silent";
}

TEST_P(SqlTest, AggregatesEqualTheRows) {
  RunAll();
  FillTables();
  const std::string hourly =
      "SELECT bucket, device_id, readings, avg_value FROM iot_measurements_hourly ORDER BY 1, 2";
  EXPECT_EQ(
      database_->Query(hourly),
      database_->Query("SELECT date_trunc('hour', timestamp) b, device_id, count(*), avg(value) "
                       "FROM iot_measurements GROUP BY 1, 2 ORDER BY 1, 2"));
  EXPECT_EQ(CountOf("metrics_hourly"), CountOf("(SELECT DISTINCT date_trunc('hour', time) FROM "
                                               "metrics) AS hours"));
  EXPECT_NE(CountOf("sensor_data_hourly"), "0");
}

TEST_P(SqlTest, TableSizesCountTheChunks) {
  RunAll();
  const std::string size =
      "SELECT bytes FROM table_sizes WHERE schema_name = 'public' AND table_name = 'metrics'";
  const long before = std::stol(database_->Value(size));
  FillTables();
  EXPECT_GT(std::stol(database_->Value(size)), before + 100'000);
}

TEST_P(SqlTest, TheIngestRoleMayWriteAndNothingElse) {
  RunAll();
  PgClient client(database_->Uri());
  client.Exec("SET ROLE tsingest_ingest");
  client.Exec(
      "INSERT INTO iot_measurements VALUES (now(), 'd', 'm', 'c', '1', 1, '', '') "
      "ON CONFLICT (timestamp, device_id, connector_mode, component_type, pin_position) DO "
      "NOTHING");
  client.Exec("CREATE TEMPORARY TABLE staging (LIKE metrics)");
  client.Exec("INSERT INTO tsingest.positions(ledger, stream, owner) VALUES ('l', 's', 'o')");
  client.Exec("UPDATE tsingest.positions SET position = 2");
  client.Exec(
      "INSERT INTO tsingest.dead_letter(at, source, reason, code, payload) "
      "VALUES (now(), 'tool', 'why', 'rule', '')");
  for (const std::string refused :
       {"DELETE FROM metrics", "TRUNCATE metrics", "UPDATE metrics SET value = 0",
        "DROP TABLE metrics", "CREATE TABLE own(i int)", "TRUNCATE tsingest.positions",
        "SELECT * FROM tsingest.dead_letter", "DELETE FROM tsingest.dead_letter",
        "CREATE SCHEMA own"}) {
    EXPECT_EQ(client.SqlState(refused), "42501") << refused;
  }
  client.Exec("RESET ROLE; SET ROLE tsingest_read");
  EXPECT_EQ(client.Value("SELECT reason FROM tsingest.dead_letter"), "why");
  EXPECT_EQ(client.Value("SELECT total_records FROM data_distribution"), "1");
  EXPECT_EQ(client.SqlState("INSERT INTO metrics(time, topic) VALUES (now(), 't')"), "42501");
}

TEST_P(SqlTest, RolesCanHaveOtherNames) {
  Run("timescale_init.sql");
  const std::string output =
      Run("roles.sql", "-c tsingest.ingest_role=other_ingest -c tsingest.read_role=other_read");
  EXPECT_THAT(output, HasSubstr("schema tsingest is not complete"));
  EXPECT_EQ(database_->Value("SELECT has_table_privilege('other_ingest', 'metrics', 'INSERT')"),
            "t");
  EXPECT_EQ(database_->Value("SELECT has_table_privilege('other_read', 'metrics', 'INSERT')"), "f");
}

TEST_P(SqlTest, ViewsNeedTheirTables) {
  const PsqlResult result = Psql(database_->Uri(), "monitoring.sql");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, HasSubstr("relation \"iot_measurements\" does not exist"));
}

// What --create makes and what the SQL files make must not drift apart.
template <class M>
void CreateByTool(const TestDatabase& database) {
  PostgresSink<M> sink({.conninfo = database.Uri(), .ledger = "l", .create = {.enabled = true}});
  const absl::Status status = sink.Open();
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(sink.Close().ok());
}

std::vector<TextRows> Description(const TestDatabase& database) {
  const std::string ours = " WHERE nspname IN ('public', 'tsingest') ";
  std::vector<TextRows> parts{
      database.Query(
          "SELECT nspname, relname, attnum, attname, format_type(atttypid, atttypmod), "
          "attnotnull, attidentity, pg_get_expr(adbin, adrelid) FROM pg_attribute a "
          "JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
          "LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (attrelid, attnum)" +
          ours + "AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2, 3"),
      database.Query("SELECT pg_get_indexdef(indexrelid), indisprimary FROM pg_index "
                     "JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n "
                     "ON n.oid = relnamespace" +
                     ours + "ORDER BY 1"),
      database.Query("SELECT relname, reloptions FROM pg_class c JOIN pg_namespace n "
                     "ON n.oid = relnamespace" +
                     ours + "AND relkind = 'r' ORDER BY 1")};
  if (database.kind() == DatabaseKind::kTimescale) {
    parts.push_back(
        database.Query("SELECT hypertable_schema, hypertable_name, column_name, time_interval "
                       "FROM timescaledb_information.dimensions ORDER BY 1, 2"));
    parts.push_back(
        database.Query("SELECT hypertable_name, attname, segmentby_column_index, "
                       "orderby_column_index, orderby_asc "
                       "FROM timescaledb_information.compression_settings ORDER BY 1, 2"));
    parts.push_back(database.Query(
        "SELECT hypertable_name, config->>'compress_after' FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_compression' ORDER BY 1"));
  }
  return parts;
}

TEST_P(SqlTest, MakesTheTablesThatTheToolsCreate) {
  const TestDatabase by_tool(GetParam());
  CreateByTool<IotMeasurement>(by_tool);
  CreateByTool<Metric>(by_tool);
  CreateByTool<SensorReading>(by_tool);
  Run("timescale_init.sql");
  Run("tsingest.sql");
  EXPECT_EQ(Description(*database_), Description(by_tool));
}

INSTANTIATE_TEST_SUITE_P(Databases, SqlTest, ::testing::ValuesIn(kAllDatabases), NameOfKind);

class TimescaleSqlTest : public SqlTest {};

TEST_P(TimescaleSqlTest, TablesAreHypertablesWithPolicies) {
  RunAll();
  EXPECT_EQ(
      database_->Query("SELECT hypertable_name, compression_enabled FROM "
                       "timescaledb_information.hypertables WHERE hypertable_schema = 'public' "
                       "ORDER BY 1"),
      (TextRows{{"iot_measurements", "t"}, {"metrics", "t"}, {"sensor_data", "t"}}));
  EXPECT_EQ(database_->Query(
                "SELECT hypertable_name, config->>'compress_after', config->>'drop_after' "
                "FROM policy_jobs WHERE policy IN ('policy_compression', 'policy_retention') "
                "ORDER BY 1, 2"),
            (TextRows{{"iot_measurements", "1 day", "\\N"},
                      {"iot_measurements", "\\N", "30 days"},
                      {"metrics", "7 days", "\\N"},
                      {"sensor_data", "7 days", "\\N"}}));
}

TEST_P(TimescaleSqlTest, IntervalsCanBeChosen) {
  Run("timescale_init.sql",
      "-c tsingest.chunk_interval=7d -c tsingest.retention=none -c tsingest.compress_after=3d");
  Run("tsingest.sql");
  Run("monitoring.sql");
  EXPECT_EQ(
      database_->Value("SELECT DISTINCT time_interval FROM timescaledb_information.dimensions"),
      "7 days");
  EXPECT_EQ(database_->Query("SELECT DISTINCT policy, config->>'compress_after' FROM policy_jobs"),
            (TextRows{{"policy_compression", "3 days"}}));
}

TEST_P(TimescaleSqlTest, RowsThatWereThereMoveIntoChunks) {
  Run("timescale_init.sql");
  FillTables();
  const std::string rows = CountOf("sensor_data");
  database_->Exec(
      "CREATE TABLE old AS TABLE sensor_data; DROP TABLE sensor_data; ALTER TABLE old RENAME TO "
      "sensor_data; ALTER TABLE sensor_data ALTER ts SET NOT NULL");
  Run("timescale_init.sql", "-c tsingest.chunk_interval=1d");
  EXPECT_EQ(CountOf("sensor_data"), rows);
  EXPECT_EQ(CountOf("show_chunks('sensor_data')"), "4");
}

TEST_P(TimescaleSqlTest, CompressionShowsInItsViews) {
  RunAll();
  FillTables();
  EXPECT_EQ(CountOf("compression_stats"), "0");
  database_->Exec(
      "SELECT compress_chunk(c) FROM show_chunks('metrics', older_than => interval '1 day') c");
  const std::string compressed = CountOf("show_chunks('metrics', older_than => interval '1 day')");
  EXPECT_EQ(
      CountOf("compression_stats WHERE hypertable_name = 'metrics' AND before_bytes > after_bytes"),
      compressed);
  EXPECT_EQ(CountOf("chunk_overview WHERE hypertable_name = 'metrics' AND is_compressed"),
            compressed);
  EXPECT_EQ(database_->Value("SELECT number_compressed_chunks FROM hypertable_compression "
                             "WHERE hypertable_name = 'metrics'"),
            compressed);
  EXPECT_EQ(CountOf("chunk_overview WHERE total_bytes > 0"),
            CountOf("timescaledb_information.chunks WHERE hypertable_schema = 'public'"));
}

TEST_P(TimescaleSqlTest, AggregatesOutliveTheRowsTheyCameFrom) {
  RunAll();
  FillTables();
  const std::string hours = CountOf("metrics_hourly");
  database_->Exec("CALL refresh_continuous_aggregate('metrics_hourly', NULL, NULL)");
  EXPECT_EQ(CountOf("metrics_hourly"), hours);
  database_->Exec("SELECT drop_chunks('metrics', older_than => interval '1 day')");
  EXPECT_EQ(CountOf("metrics_hourly"), hours);
}

INSTANTIATE_TEST_SUITE_P(Databases, TimescaleSqlTest, ::testing::Values(DatabaseKind::kTimescale),
                         NameOfKind);

}  // namespace
}  // namespace tsingest::testing
