#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

// Sets fields of one row by column, as decoders do.
template <class M>
struct RowBuilder : Parser {
  M row{};

  const FieldBinding& Binding(std::string_view column) {
    for (const FieldBinding& binding : kBindings<M>) {
      if (binding.column == column) return binding;
    }
    ADD_FAILURE() << "no column " << column;
    return kBindings<M>[0];
  }
  RejectCode Set(std::string_view column, const Token& token) {
    return Binding(column).set(&row, token, context);
  }
  RejectCode Missing(std::string_view column) { return Binding(column).set_missing(&row, context); }
};

TEST(IotMeasurements, ReadsItsAliases) {
  RowBuilder<IotMeasurement> b;
  EXPECT_EQ(b.Binding("device_id").names[0], "mac_address");
  EXPECT_EQ(b.Binding("connector_mode").names[0], "mode");
  EXPECT_EQ(b.Binding("component_type").names[0], "data_point_label");
  EXPECT_EQ(b.Binding("pin_position").names[0], "pin");
  EXPECT_EQ(b.Binding("topic").names[0], "original_topic");
  EXPECT_EQ(b.Binding("timestamp").names[1], "ts");
  EXPECT_EQ(b.Binding("topic").names[1], "topic");
}

TEST(IotMeasurements, TakesItsDefaults) {
  RowBuilder<IotMeasurement> b;
  EXPECT_EQ(b.Missing("timestamp"), RejectCode::kMissing);
  EXPECT_EQ(b.Missing("device_id"), RejectCode::kMissing);
  for (const char* column :
       {"connector_mode", "component_type", "pin_position", "value", "unit", "topic"}) {
    EXPECT_EQ(b.Missing(column), RejectCode::kOk) << column;
  }
  EXPECT_EQ(b.row.connector_mode, "unknown");
  EXPECT_EQ(b.row.component_type, "unknown");
  EXPECT_EQ(b.row.pin_position, "-1");
  EXPECT_EQ(b.row.unit, "");
  EXPECT_EQ(b.row.topic, "");
  EXPECT_EQ(b.row.value, std::nullopt);
}

TEST(IotMeasurements, ReadsValuesOfEveryKind) {
  RowBuilder<IotMeasurement> b;
  const struct {
    Token token;
    std::optional<double> value;
  } cases[] = {{Number("23.5"), 23.5},
               {String("23.5"), 23.5},
               {String(" 7 "), 7.0},
               {{TokenKind::kTrue, "true"}, 1.0},
               {{TokenKind::kFalse, "false"}, 0.0},
               {Cell("true"), 1.0},
               {String(""), std::nullopt},
               {Cell("  "), std::nullopt}};
  for (const auto& c : cases) {
    EXPECT_EQ(b.Set("value", c.token), RejectCode::kOk) << c.token.text;
    EXPECT_EQ(b.row.value, c.value) << c.token.text;
  }
  EXPECT_EQ(b.Set("value", String("warm")), RejectCode::kType);
  EXPECT_EQ(b.Set("value", RawObject("{}")), RejectCode::kType);
}

TEST(IotMeasurements, TakesNumbersForTextAsWrittenAndKeepsToTheLengths) {
  RowBuilder<IotMeasurement> b;
  EXPECT_EQ(b.Set("pin_position", Number("17")), RejectCode::kOk);
  EXPECT_EQ(b.row.pin_position, "17");
  EXPECT_EQ(b.Set("pin_position", String("12345678901")), RejectCode::kRule);
  EXPECT_EQ(b.context.why, "is longer than 10 characters");
  EXPECT_EQ(b.Set("unit", String("°°°°°°°°°°°°°°°°°°°°")), RejectCode::kOk)
      << "20 characters, 40 bytes";
  EXPECT_EQ(b.Set("device_id", String(std::string(51, 'x'))), RejectCode::kRule);
}

TEST(Metrics, DividesValuesIntoNumbersAndText) {
  RowBuilder<Metric> b;
  const struct {
    Token token;
    std::optional<double> value;
    std::optional<std::string_view> text;
  } cases[] = {{Number("75.5"), 75.5, std::nullopt},
               {String("75.5"), std::nullopt, "75.5"},
               {Cell("75.5"), 75.5, std::nullopt},
               {Cell("open"), std::nullopt, "open"},
               {Cell("NaN"), std::nullopt, "NaN"},
               {{TokenKind::kTrue, "true"}, std::nullopt, "true"},
               {RawObject("{\"a\":1}"), std::nullopt, "{\"a\":1}"},
               {RawArray("[1]"), std::nullopt, "[1]"}};
  for (const auto& c : cases) {
    EXPECT_EQ(b.Set("value", c.token), RejectCode::kOk) << c.token.text;
    EXPECT_EQ(b.Set("value_str", c.token), RejectCode::kOk) << c.token.text;
    EXPECT_EQ(b.row.value, c.value) << c.token.text;
    EXPECT_EQ(b.row.value_str, c.text) << c.token.text;
  }
  EXPECT_EQ(b.Set("value", Number("1e400")), RejectCode::kRange);
}

TEST(Metrics, TakesArrivalTimeQualityAndMetadataByDefault) {
  RowBuilder<Metric> b;
  b.context.arrival = Timestamp(std::chrono::seconds(1'705'314'600));
  b.row.quality = 0;
  b.row.metadata.text = "x";
  for (const char* column : {"time", "quality", "metadata", "value", "value_str"}) {
    EXPECT_EQ(b.Missing(column), RejectCode::kOk) << column;
  }
  EXPECT_EQ(b.row.time, b.context.arrival);
  EXPECT_EQ(b.row.quality, 192);
  EXPECT_EQ(b.row.metadata.text, "{}");
  EXPECT_EQ(b.Missing("topic"), RejectCode::kMissing);
  EXPECT_EQ(b.Binding("topic").origin, ValueOrigin::kTopic);
  EXPECT_EQ(b.Binding("metadata").origin, ValueOrigin::kRest);
  EXPECT_EQ(b.Set("quality", Number("32768")), RejectCode::kRange);
}

TEST(SensorData, ReadsBooleansAsNumbers) {
  RowBuilder<SensorReading> b;
  EXPECT_EQ(b.Set("light", {TokenKind::kTrue, "true"}), RejectCode::kOk);
  EXPECT_EQ(b.Set("motion", Cell("false")), RejectCode::kOk);
  EXPECT_EQ(b.row.light, 1);
  EXPECT_EQ(b.row.motion, 0);
  EXPECT_EQ(b.Set("light", Number("1")), RejectCode::kOk);
  EXPECT_EQ(b.Set("light", Cell("dim")), RejectCode::kType);
  EXPECT_EQ(b.Set("co", {TokenKind::kTrue, "true"}), RejectCode::kType);
}

TEST(SensorData, ReadsNestedAndFlatNames) {
  RowBuilder<SensorReading> b;
  EXPECT_EQ(b.Binding("temp").names[0], "data.temp");
  EXPECT_EQ(b.Binding("temp").names[1], "temp");
  EXPECT_EQ(b.Binding("device_id").names[1], "device");
  EXPECT_EQ(b.Set("ts", Cell("1.5945984245023336E9")), RejectCode::kOk);
  EXPECT_EQ(FormatTimestamp(b.row.ts), "2020-07-13T00:00:24.502334Z");
  EXPECT_EQ(b.Missing("ts"), RejectCode::kMissing);
  EXPECT_EQ(b.Missing("humidity"), RejectCode::kOk);
}

template <class M>
std::string Validated(const M& row) {
  Parser p;
  return Validate(row, p.context).reason;
}

TEST(Validate, AcceptsBuiltInRowsAsTheyStart) {
  EXPECT_EQ(Validated(IotMeasurement{}), "");
  EXPECT_EQ(Validated(Metric{}), "");
  EXPECT_EQ(Validated(SensorReading{}), "");
}

TEST(Validate, NamesTheColumnAndTheValue) {
  IotMeasurement row;
  row.unit = "kilowatt hours per fortnight";
  EXPECT_EQ(Validated(row), "unit: \"kilowatt hours per fortnight\" is longer than 20 characters");
  Metric metric;
  metric.metadata.text = "{";
  EXPECT_NE(Validated(metric).find("metadata: "), std::string::npos);
}

}  // namespace
}  // namespace tsingest::testing
