// The CREATE statements on real servers: they work, and work again.
#include "tsingest/encode/ddl.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "support/test_database.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace testing {

struct EveryType {
  Timestamp time{};
  bool flag = false;
  std::optional<float> real;
  std::optional<Numeric> amount;
  std::optional<Array<std::optional<Uuid>>> ids;
  std::string_view label;
  std::optional<Bytes> bytes;
  std::optional<Inet> address;
  std::optional<Date> day;
  Json extra;
};

}  // namespace testing

template <>
struct Model<testing::EveryType> {
  using M = testing::EveryType;
  static constexpr std::string_view kTable = "every_type";
  static constexpr auto kFields =
      Fields(Field("time", &M::time), Field("flag", &M::flag, Default{true}),
             Field("real", &M::real, Default{-1.5f}),
             Field("amount", &M::amount, Default{Numeric{"1.50"}}), Field("ids", &M::ids),
             Field("the \"label\"", &M::label, Default{"it's \\n"}, MaxLength{20}, Key{}),
             Field("bytes", &M::bytes, Default{Bytes{"\x01'"}}), Field("address", &M::address),
             Field("day", &M::day, Default{Date{}}),
             Field("extra", &M::extra, Default{Json{"{\"a\": \"'\"}"}}));
};

namespace testing {
namespace {

class DdlTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(GetParam())) GTEST_SKIP() << *why;
    database_ = std::make_unique<TestDatabase>(GetParam());
  }

  bool HasTimescale() const { return GetParam() == DatabaseKind::kTimescale; }

  template <class M>
  void Create(std::string_view table, const DdlOptions& options = {}) {
    const auto made = MakeCreateStatements(SpecOf<M>(*ParseTableName(table)), options);
    ASSERT_TRUE(made.ok()) << made.status();
    PgClient client(database_->Uri());
    for (const std::string& statement : made->table) client.Exec(statement);
    if (HasTimescale()) {
      for (const std::string& statement : made->timescale) client.Exec(statement);
    }
    for (const std::string& statement : made->indexes) client.Exec(statement);
  }

  std::string Value(const std::string& sql) const { return database_->Value(sql); }

  std::unique_ptr<TestDatabase> database_;
};
INSTANTIATE_TEST_SUITE_P(Databases, DdlTest, ::testing::ValuesIn(kAllDatabases), NameOfKind);

TEST_P(DdlTest, MakesTheTablesOfTheBuiltInModelsTwice) {
  for (int round = 0; round < 2; ++round) {
    Create<IotMeasurement>("iot_measurements");
    Create<Metric>("Plant.Metrics");
    Create<SensorReading>("\"odd schema\".\"Sensor \"\"data\"\"\"");
  }
  EXPECT_EQ(Value("SELECT count(*) FROM pg_indexes WHERE tablename = 'iot_measurements' AND "
                  "indexname LIKE 'idx_iot_%'"),
            "3");
  EXPECT_EQ(
      Value("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
            "'iot_measurements_pkey'::regclass"),
      "timestamp,device_id,connector_mode,component_type,pin_position");
  EXPECT_EQ(Value("SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM "
                  "pg_attribute "
                  "WHERE attrelid = 'plant.metrics'::regclass AND attnum > 0"),
            "timestamp with time zone,text,double precision,text,smallint,jsonb");
  EXPECT_EQ(Value("SELECT count(*) FROM \"odd schema\".\"Sensor \"\"data\"\"\""), "0");
}

TEST_P(DdlTest, DefaultsAreTheModels) {
  Create<EveryType>("every_type");
  EXPECT_EQ(Value("INSERT INTO every_type(time) VALUES ('2024-01-15') RETURNING flag || '|' || "
                  "real || '|' || amount "
                  "|| '|' || \"the \"\"label\"\"\" || '|' || bytes::text || '|' || day || '|' || "
                  "extra::text"),
            "true|-1.5|1.50|it's \\n|\\x0127|1970-01-01|{\"a\": \"'\"}");
}

TEST_P(DdlTest, KeepsTheSeedsConstraintsInTheRowLayoutOnly) {
  Create<IotMeasurement>("iot_measurements");
  Create<IotMeasurement>("compressed", {.layout = TableLayout::kCompressed});
  EXPECT_EQ(Value("SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = "
                  "'iot_measurements'::regclass"),
            "1");
  EXPECT_EQ(Value("SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'u') AND conrelid = "
                  "'compressed'::regclass"),
            "0");
  EXPECT_EQ(Value("SELECT count(*) FROM pg_indexes WHERE tablename = 'compressed' AND indexname "
                  "LIKE 'compressed_idx_iot_%'"),
            "3");
  EXPECT_EQ(Value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'compressed'::regclass AND "
                  "attname = 'pin_position'"),
            "t");
}

TEST_P(DdlTest, MakesHypertablesWithCompressionAndPolicies) {
  if (!HasTimescale()) GTEST_SKIP() << "about TimescaleDB";
  for (int round = 0; round < 2; ++round) {
    Create<IotMeasurement>("\"S p\".iot", {.chunk_interval = "12 hours", .retention = "400 days"});
    Create<Metric>("metrics", {.layout = TableLayout::kCompressed});
  }
  EXPECT_EQ(
      Value("SELECT count(*) FROM timescaledb_information.hypertables WHERE compression_enabled"),
      "2");
  EXPECT_EQ(Value("SELECT time_interval FROM timescaledb_information.dimensions WHERE "
                  "hypertable_name = 'iot'"),
            "12:00:00");
  EXPECT_EQ(Value("SELECT string_agg(proc_name, ',' ORDER BY proc_name) FROM "
                  "timescaledb_information.jobs WHERE hypertable_name = 'iot'"),
            "policy_compression,policy_retention");
  EXPECT_EQ(Value("SELECT string_agg(attname, ',' ORDER BY segmentby_column_index) FROM "
                  "timescaledb_information.compression_settings "
                  "WHERE hypertable_name = 'iot' AND segmentby_column_index IS NOT NULL"),
            "device_id,component_type");
  EXPECT_EQ(Value("SELECT attname FROM timescaledb_information.compression_settings WHERE "
                  "hypertable_name = 'metrics' "
                  "AND orderby_column_index = 1 AND NOT orderby_asc"),
            "time");
  database_->Exec("INSERT INTO metrics(time, topic) VALUES ('2024-01-15', 'a')");
  EXPECT_EQ(Value("SELECT count(*) FROM show_chunks('metrics')"), "1");
}

TEST_P(DdlTest, LeavesATableWithRowsAsItIs) {
  if (!HasTimescale()) GTEST_SKIP() << "about TimescaleDB";
  database_->Exec(
      "CREATE TABLE metrics(time timestamptz NOT NULL, topic text NOT NULL, value float8, "
      "value_str text, "
      "quality int2, metadata jsonb); INSERT INTO metrics VALUES (now(), 'a')");
  Create<Metric>("metrics", {.retention = "1 day"});
  EXPECT_EQ(Value("SELECT count(*) FROM timescaledb_information.hypertables"), "0");
  EXPECT_EQ(Value("SELECT count(*) FROM metrics"), "1");
}

}  // namespace
}  // namespace testing
}  // namespace tsingest
