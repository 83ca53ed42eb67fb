#include "tsingest/encode/ddl.h"

#include <array>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Pair {
  std::string_view name;
  std::optional<std::int32_t> count;
};

}  // namespace

template <>
struct Model<Pair> {
  static constexpr std::string_view kTable = "pairs";
  static constexpr auto kFields = Fields(Field("name", &Pair::name, Default{"it's \"x\""}),
                                         Field("count", &Pair::count, Default{-5}));
};

namespace {

template <class M>
CreateStatements Make(std::string_view table, const DdlOptions& options = {}) {
  auto statements = MakeCreateStatements(SpecOf<M>(*ParseTableName(table)), options);
  EXPECT_TRUE(statements.ok()) << statements.status();
  return *std::move(statements);
}

TEST(MakeCreateStatements, MakesTheTableOfTheModel) {
  const CreateStatements made = Make<IotMeasurement>("iot_measurements");
  EXPECT_THAT(made.table,
              ElementsAre("CREATE TABLE IF NOT EXISTS \"iot_measurements\" (\n"
                          "  \"timestamp\" timestamp with time zone NOT NULL,\n"
                          "  \"device_id\" varchar(50) NOT NULL,\n"
                          "  \"connector_mode\" varchar(50) NOT NULL DEFAULT 'unknown',\n"
                          "  \"component_type\" varchar(50) NOT NULL DEFAULT 'unknown',\n"
                          "  \"pin_position\" varchar(10) NOT NULL DEFAULT '-1',\n"
                          "  \"value\" double precision,\n"
                          "  \"unit\" varchar(20) DEFAULT '',\n"
                          "  \"topic\" varchar(255) DEFAULT '',\n"
                          "  PRIMARY KEY (\"timestamp\", \"device_id\", \"connector_mode\", "
                          "\"component_type\", \"pin_position\")\n"
                          ")"));
  EXPECT_THAT(
      made.indexes,
      ElementsAre("CREATE INDEX IF NOT EXISTS \"idx_iot_device_id\" ON \"iot_measurements\" "
                  "(\"device_id\", \"timestamp\" DESC)",
                  "CREATE INDEX IF NOT EXISTS \"idx_iot_component\" ON \"iot_measurements\" "
                  "(\"component_type\", \"timestamp\" DESC)",
                  "CREATE INDEX IF NOT EXISTS \"idx_iot_mode\" ON \"iot_measurements\" "
                  "(\"connector_mode\", \"timestamp\" DESC)"));
}

TEST(MakeCreateStatements, GivesDefaultsAsLiterals) {
  EXPECT_THAT(Make<Pair>("pairs").table,
              ElementsAre("CREATE TABLE IF NOT EXISTS \"pairs\" (\n"
                          "  \"name\" text NOT NULL DEFAULT 'it''s \"x\"',\n"
                          "  \"count\" integer DEFAULT -5\n"
                          ")"));
  EXPECT_THAT(Make<Metric>("metrics").table[0], HasSubstr("\"metadata\" jsonb DEFAULT '{}'"));
  EXPECT_THAT(Make<Metric>("metrics").table[0],
              HasSubstr("\"time\" timestamp with time zone NOT NULL DEFAULT now()"));
}

TEST(MakeCreateStatements, LeavesOutTheKeyForTheCompressedLayout) {
  const CreateStatements made =
      Make<IotMeasurement>("iot_measurements", {.layout = TableLayout::kCompressed,
                                                .chunk_interval = {},
                                                .compress_after = {},
                                                .retention = {}});
  EXPECT_THAT(made.table[0], Not(HasSubstr("PRIMARY KEY")));
  EXPECT_THAT(made.table[0], HasSubstr("\"pin_position\" varchar(10) NOT NULL"));
  EXPECT_EQ(made.indexes.size(), 3u);
}

TEST(MakeCreateStatements, CreatesTheSchemaOnlyWhenItIsNotThere) {
  EXPECT_EQ(Make<Pair>("\"a $do$ b\".pairs").table[0],
            "DO $do1$ BEGIN\n  IF to_regnamespace('\"a $do$ b\"') IS NULL THEN CREATE SCHEMA "
            "\"a $do$ b\"; END IF;\nEND $do1$");
}

TEST(MakeCreateStatements, NamesIndexesAfterAnotherTable) {
  const CreateStatements made = Make<SensorReading>("plant.\"Readings\"");
  EXPECT_THAT(made.indexes,
              ElementsAre("CREATE INDEX IF NOT EXISTS \"Readings_idx_sensor_data_device_ts\" "
                          "ON \"plant\".\"Readings\" (\"device_id\", \"ts\")"));
  const CreateStatements cut =
      Make<SensorReading>("\"" + std::string(29, 'a') + "é" + std::string(30, 'b') + "\"");
  EXPECT_THAT(cut.indexes[0], HasSubstr("\"" + std::string(29, 'a') + "é" + std::string(6, 'b') +
                                        "_idx_sensor_data_device_ts\""));
}

TEST(MakeCreateStatements, MakesAHypertableWithItsPolicies) {
  const CreateStatements made =
      Make<IotMeasurement>("iot_measurements", {.layout = TableLayout::kRows,
                                                .chunk_interval = "1 day",
                                                .compress_after = "",
                                                .retention = "90 days"});
  ASSERT_EQ(made.timescale.size(), 4u);
  EXPECT_THAT(
      made.timescale[0],
      HasSubstr(
          "'''\"iot_measurements\"'', ''timestamp'', chunk_time_interval => INTERVAL ''1 day'''"));
  EXPECT_THAT(made.timescale[0], HasSubstr("IF NOT EXISTS (SELECT FROM \"iot_measurements\")"));
  EXPECT_THAT(made.timescale[1],
              HasSubstr("ALTER TABLE \"iot_measurements\" SET (timescaledb.compress, "
                        "timescaledb.compress_segmentby = '\"device_id\", \"component_type\"', "
                        "timescaledb.compress_orderby = '\"timestamp\" DESC');"));
  EXPECT_THAT(made.timescale[2], HasSubstr("add_compression_policy"));
  EXPECT_THAT(made.timescale[2], HasSubstr("INTERVAL ''1 day''"));
  EXPECT_THAT(made.timescale[3], HasSubstr("add_retention_policy"));
  EXPECT_THAT(made.timescale[3], HasSubstr("INTERVAL ''90 days''"));
}

TEST(MakeCreateStatements, DropsNothingUnlessAskedTo) {
  for (const CreateStatements& made :
       {Make<IotMeasurement>("a"), Make<Metric>("b"), Make<SensorReading>("c")}) {
    for (const std::string& statement : made.timescale) {
      EXPECT_THAT(statement, Not(HasSubstr("retention")));
    }
  }
}

TEST(MakeCreateStatements, NeedsNoTimescaleForAModelWithoutLayout) {
  EXPECT_THAT(Make<Pair>("pairs").timescale, IsEmpty());
  EXPECT_THAT(Make<Pair>("pairs").indexes, IsEmpty());
}

TEST(MakeCreateStatements, QuotesIntervals) {
  const CreateStatements made = Make<Metric>("metrics", {.layout = TableLayout::kRows,
                                                         .chunk_interval = "1'); DROP TABLE x; --",
                                                         .compress_after = {},
                                                         .retention = {}});
  EXPECT_THAT(made.timescale[0], HasSubstr("INTERVAL ''1''''); DROP TABLE x; --''"));
}

TEST(MakeCreateStatements, RefusesColumnsThatAreNotThere) {
  TableSpec spec = SpecOf<Metric>(TableName{"", "metrics"});
  spec.layout.order_by = "tme DESC";
  EXPECT_EQ(
      MakeCreateStatements(spec, {}).status().message(),
      "order_by \"tme DESC\": expected columns of the table, each perhaps with ASC, DESC or NULLS "
      "FIRST|LAST; found \"tme DESC\"");
  spec = SpecOf<Metric>(TableName{"", "metrics"});
  spec.layout.time_column = "tme";
  EXPECT_EQ(MakeCreateStatements(spec, {}).status().message(),
            "layout of metrics: time_column \"tme\" is no column of the table");
  spec = SpecOf<Metric>(TableName{"", "metrics"});
  const std::array<IndexDef, 1> bad{{{"i", "topic, time; DROP TABLE x"}}};
  spec.indexes = bad;
  EXPECT_THAT(std::string(MakeCreateStatements(spec, {}).status().message()),
              HasSubstr("index i \"topic, time; DROP"));
}

}  // namespace
}  // namespace tsingest
