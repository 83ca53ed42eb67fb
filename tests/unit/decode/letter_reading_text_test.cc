#include "tsingest/decode/letter_reading_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tsingest/decode/csv.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

using ::testing::HasSubstr;

std::string Why(const std::string& text) {
  return std::string(ParseLetterReading(text).status().message());
}

// What a decoder made from the reading makes of a record: the rows as one text.
template <class M, class Show>
std::string Decoded(const LetterReading& reading, const std::string& record, Show show) {
  CsvDecoder<M> decoder(reading.csv);
  const absl::Status status = decoder.SetHeader(reading.header);
  if (!status.ok()) return std::string(status.message());
  Arena arena;
  std::vector<M> rows;
  const Reject reject = decoder.Decode({.payload = arena.CopyPadded(record)}, arena, rows);
  if (reject) return reject.reason;
  std::string out;
  for (const M& row : rows) out += show(row) + ";";
  return out;
}

LetterReading CsvReading() {
  LetterReading reading;
  reading.format = LetterReading::Format::kCsv;
  reading.model = "sensor_data";
  reading.table = "plant.sensor_data";
  return reading;
}

TEST(LetterReading, DefaultsAreLeftOut) {
  LetterReading json;
  json.model = json.table = "metrics";
  EXPECT_EQ(WriteLetterReading(json), R"({"format":"json","model":"metrics","table":"metrics"})");
  LetterReading csv = CsvReading();
  csv.table = "";
  csv.header.names = {"ts", "a \"b\""};
  EXPECT_EQ(WriteLetterReading(csv),
            R"({"format":"csv","model":"sensor_data","columns":["ts","a \"b\""]})");
}

TEST(LetterReading, EverySettingOfCsvComesBack) {
  LetterReading reading = CsvReading();
  reading.header.names = {"Date", "Time", "", "temp=C"};
  reading.header.dialect.syntax = {
      .delimiter = '\t', .quote = '\0', .line_end = '\r', .skip_initial_space = true};
  reading.header.dialect.decimal_comma = true;
  reading.csv.nulls = {"NA", "-200", ""};
  reading.csv.map = {{"ts", "Date+Time"}, {"temp", "temp=C"}};
  reading.csv.set = {{"device_id", "a=b"}, {"light", ""}};
  reading.csv.unpivot = {{"temp", "C"}, {"a:b", ""}, {"h", ""}};
  reading.csv.filter = {{"device_id", "x"}};
  reading.csv.with_topic = true;
  reading.csv.limits = {.record_bytes = 10, .field_bytes = 20, .fields = 30};
  TimeOptions& time = reading.csv.parse.time;
  time.epoch_unit = EpochUnit::kMilliseconds;
  time.format = "%d.%m.%Y %H:%M";
  time.ambiguous = AmbiguousTime::kLater;
  time.not_before = Timestamp(std::chrono::microseconds(1'700'000'000'123'456));
  time.max_ahead = std::chrono::hours(1);
  reading.time_zone = "Europe/Berlin";
  const std::string text = WriteLetterReading(reading);

  const auto read = ParseLetterReading(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(WriteLetterReading(*read), text);
  EXPECT_EQ(read->header.names, reading.header.names);
  EXPECT_EQ(read->header.dialect, reading.header.dialect);
  EXPECT_EQ(read->csv.unpivot[1].column, "a:b");
  EXPECT_EQ(read->csv.unpivot[1].unit, "");
  EXPECT_EQ(read->csv.parse.time.not_before, time.not_before);
  EXPECT_EQ(read->csv.parse.time.max_ahead, time.max_ahead);
  EXPECT_FALSE(read->csv.parse.time.max_age.has_value());
  EXPECT_EQ(read->csv.parse.time.zone, read->zone.get());
  EXPECT_EQ(read->csv.parse.time.ambiguous, AmbiguousTime::kLater);
  reading.header.dialect.syntax = {.quote = '\'', .escape = '\\'};
  const auto escaped = ParseLetterReading(WriteLetterReading(reading));
  ASSERT_TRUE(escaped.ok()) << escaped.status();
  EXPECT_EQ(escaped->header.dialect, reading.header.dialect);
}

TEST(LetterReading, EverySettingOfJsonComesBack) {
  LetterReading reading;
  reading.model = "metrics";
  JsonOptions& json = reading.json;
  json.framing = JsonFraming::kSingle;
  json.limits = {.total_bytes = 1, .string_bytes = 2, .number_bytes = 3, .depth = 4};
  json.members = 5;
  json.objects = 6;
  json.parse.decimal_comma = true;
  json.parse.time.epoch_unit = EpochUnit::kNanoseconds;
  json.parse.time.not_after = Timestamp(std::chrono::seconds(1'700'000'000));
  json.parse.time.max_age = std::chrono::hours(24 * 30);
  const std::string text = WriteLetterReading(reading);
  const auto read = ParseLetterReading(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(WriteLetterReading(*read), text);
  EXPECT_EQ(read->json.limits.depth, 4U);
  EXPECT_EQ(read->json.framing, JsonFraming::kSingle);
  EXPECT_EQ(read->json.parse.time.max_age, json.parse.time.max_age);
}

TEST(LetterReading, ADecoderOfWhatWasReadBackReadsTheSame) {
  LetterReading reading = CsvReading();
  reading.header.names = {"Datum", "Gerät", "T"};
  reading.header.dialect.syntax.delimiter = ';';
  reading.header.dialect.decimal_comma = true;
  reading.csv.map = {{"ts", "Datum"}, {"device_id", "Gerät"}, {"temp", "T"}};
  reading.csv.nulls = {"--"};
  reading.time_zone = "Europe/Berlin";
  const auto zone = AbslTimeZone::Load(reading.time_zone);
  ASSERT_TRUE(zone.ok());
  reading.csv.parse.time.zone = zone->get();
  const auto read = ParseLetterReading(WriteLetterReading(reading));
  ASSERT_TRUE(read.ok()) << read.status();
  const auto show = [](const SensorReading& row) {
    return std::to_string(row.ts.time_since_epoch().count()) + " " + std::string(row.device_id) +
           " " + (row.temp ? std::to_string(*row.temp) : "null");
  };
  const std::string record = "2024-07-01 12:00:00;d;21,5";
  EXPECT_EQ(Decoded<SensorReading>(*read, record, show), "1719828000000000 d 21.500000;");
  for (const std::string& other : {record, std::string("2024-07-01 12:00:00;d;--"),
                                   std::string("2024-07-01 12:00:00,d,1"), std::string("x;d;1")}) {
    EXPECT_EQ(Decoded<SensorReading>(*read, other, show),
              Decoded<SensorReading>(reading, other, show));
  }
}

TEST(LetterReading, UnpivotComesBack) {
  LetterReading reading = CsvReading();
  reading.model = "iot_measurements";
  reading.header.names = {"ts", "device", "t", "h"};
  reading.csv.map = {{"device_id", "device"}};
  reading.csv.unpivot = {{"t", "C"}, {"h", "%"}};
  const auto read = ParseLetterReading(WriteLetterReading(reading));
  ASSERT_TRUE(read.ok()) << read.status();
  const auto show = [](const IotMeasurement& row) {
    return std::string(row.component_type) + std::to_string(row.value.value_or(-1));
  };
  const std::string both = Decoded<IotMeasurement>(*read, "1600000000,d,20,50", show);
  EXPECT_EQ(both, "t20.000000;h50.000000;");
  EXPECT_EQ(both, Decoded<IotMeasurement>(reading, "1600000000,d,20,50", show));
}

TEST(LetterReading, OrderAndBlanksOfMembersDoNotCount) {
  const auto read = ParseLetterReading(
      R"({"table": "t", "model": "m", "columns": ["a", "b"], "format": "csv", "delimiter": ";"})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(WriteLetterReading(*read),
            R"({"format":"csv","model":"m","table":"t","columns":["a","b"],"delimiter":";"})");
}

// Left out, it would read another thing without a word.
TEST(LetterReading, WhatIsNotKnownIsRefused) {
  EXPECT_THAT(Why(R"({"format":"csv","model":"m","rounding":"up"})"), HasSubstr("rounding"));
  EXPECT_THAT(Why(R"({"format":"avro","model":"m"})"), HasSubstr("format \"avro\""));
  EXPECT_THAT(Why(R"({"format":"json","model":"m","time_unit":"weeks"})"), HasSubstr("weeks"));
  EXPECT_THAT(Why(R"({"format":"json","model":"m","framing":"netstring"})"), HasSubstr("framing"));
  EXPECT_THAT(Why(R"({"format":"json","model":"m","delimiter":";"})"), HasSubstr("CSV"));
  EXPECT_THAT(Why(R"({"format":"csv","model":"m","depth":3})"), HasSubstr("JSON"));
  EXPECT_THAT(Why(R"({"format":"csv","model":"m","columns":"a"})"), HasSubstr("no array"));
  EXPECT_THAT(Why(R"({"format":"csv","model":"m","columns":[1]})"), HasSubstr("no texts"));
  EXPECT_THAT(Why(R"({"format":"csv","model":"m","time_zone":"Mars/Olympus"})"),
              HasSubstr("Mars/Olympus"));
  EXPECT_THAT(Why("nonsense"), HasSubstr("reading: "));
  EXPECT_THAT(Why("[]"), HasSubstr("not one JSON object"));
}

// A header is a stranger's text, and jsonb takes neither NUL nor bytes that are no UTF-8.
TEST(LetterReading, TextIsAlwaysJsonb) {
  LetterReading reading = CsvReading();
  reading.header.names = {std::string("a\0b", 3), "\xFF", "\xC3\xA4"};
  const std::string text = WriteLetterReading(reading);
  EXPECT_TRUE(CheckJsonb(text).ok()) << text;
  EXPECT_EQ(ParseLetterReading(text)->header.names[2], "ä");
}

}  // namespace
}  // namespace tsingest
