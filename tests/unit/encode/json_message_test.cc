#include "tsingest/encode/json_message.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

using ::testing::HasSubstr;

template <class M>
std::string Message(const M& row) {
  ByteBuffer out;
  const Reject reject = AppendJsonMessage(row, out);
  EXPECT_FALSE(reject) << reject.reason;
  return std::string(out.view());
}

template <class M>
std::string Row(const M& row) {
  ByteBuffer out;
  AppendJsonRow(row, out);
  return std::string(out.view());
}

// What our decoder makes of the message, as AppendJsonRow() shows it.
template <class M>
std::string ReadBack(const M& row, std::string_view topic) {
  Arena arena;
  const std::string message = Message(row);
  JsonDecoder<M> decoder;
  std::vector<M> rows;
  const Reject reject = decoder.Decode({.payload = arena.CopyPadded(message),
                                        .topic = arena.CopyPadded(topic),
                                        .arrival = Timestamp(std::chrono::seconds(1))},
                                       arena, rows);
  EXPECT_FALSE(reject) << reject.reason << " in " << message;
  return rows.size() == 1 ? Row(rows[0]) : std::to_string(rows.size()) + " rows";
}

// Values that text, numbers and times have trouble with.
class Values {
 public:
  explicit Values(unsigned seed) : random_(seed) {}

  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
  Timestamp Time() {
    return Timestamp(std::chrono::microseconds(std::uniform_int_distribution<std::int64_t>(
        -1'000'000'000'000'000, 4'000'000'000'000'000)(random_)));
  }
  std::string_view Text() {
    static constexpr std::string_view kTexts[] = {"a",
                                                  "b8:27:eb:bf:9d:51",
                                                  "\"quoted\" \\ \t\n",
                                                  "größe °C 温度",
                                                  "true",
                                                  "12.5",
                                                  "null",
                                                  "{}",
                                                  "\x01\x1f",
                                                  " "};
    return kTexts[Below(std::size(kTexts))];
  }
  std::optional<double> Number() {
    switch (Below(8)) {
      case 0:
        return std::nullopt;
      case 1:
        return std::numeric_limits<double>::denorm_min();
      case 2:
        return -std::numeric_limits<double>::max();
      case 3:
        return -0.0;
      default:
        return std::uniform_real_distribution<double>(-1e6, 1e6)(random_);
    }
  }
  std::optional<std::int16_t> Bit() {
    const int value = Below(3);
    return value == 2 ? std::nullopt : std::optional(static_cast<std::int16_t>(value));
  }

 private:
  std::mt19937 random_;
};

TEST(AppendJsonMessage, SensorReadingsComeBackAsTheyWere) {
  Values values(1);
  for (int i = 0; i < 2000; ++i) {
    const SensorReading row{.ts = values.Time(),
                            .device_id = values.Text(),
                            .co = values.Number(),
                            .humidity = values.Number(),
                            .light = values.Bit(),
                            .lpg = values.Number(),
                            .motion = values.Bit(),
                            .smoke = values.Number(),
                            .temp = values.Number(),
                            .ingest_time = values.Time()};
    ASSERT_EQ(ReadBack(row, "sensor_data"), Row(row));
  }
}

TEST(AppendJsonMessage, IotMeasurementsComeBackAsTheyWere) {
  Values values(2);
  for (int i = 0; i < 2000; ++i) {
    const IotMeasurement row{.timestamp = values.Time(),
                             .device_id = values.Text(),
                             .connector_mode = values.Text(),
                             .component_type = values.Text(),
                             .pin_position = "1",
                             .value = values.Number(),
                             .unit = values.Below(2) == 0 ? "" : values.Text(),
                             .topic = values.Text()};
    ASSERT_EQ(ReadBack(row, "iot"), Row(row));
  }
}

TEST(AppendJsonMessage, MetricsComeBackAsTheyWereThroughTheirTopic) {
  Values values(3);
  for (int i = 0; i < 2000; ++i) {
    Metric row;
    row.time = values.Time();
    row.topic = values.Text();
    row.value = values.Number();
    if (!row.value.has_value()) row.value_str = values.Text();
    row.quality = static_cast<std::int16_t>(values.Below(256));
    static constexpr std::string_view kMetadata[] = {
        "{}", R"({"unit":"°C","nested":{"value":[1,2,{}]}})", R"({"topic":"x","metadata":1})",
        R"({"a":1.50,"b":null})"};
    row.metadata.text = kMetadata[values.Below(std::size(kMetadata))];
    ASSERT_EQ(ReadBack(row, row.topic), Row(row));
  }
}

TEST(AppendJsonMessage, RestStandsBesideTheFieldsAndTheTopicIsLeftOut) {
  Metric row;
  row.time = Timestamp(std::chrono::seconds(1'705'314'600));
  row.value = 75.5;
  row.metadata.text = R"({"unit":"°C"})";
  EXPECT_EQ(Message(row), R"({"time":"2024-01-15T10:30:00.000000Z","value":75.5,"value_str":null,)"
                          R"("quality":192,"unit":"°C"})");
}

TEST(AppendJsonMessage, RestThatWouldBeReadAsAFieldIsRefusedAndNothingAppended) {
  Metric row;
  for (const std::string_view metadata : {R"({"unit":1,"value":2})", R"({"ts":5})", "[1]"}) {
    row.metadata.text = metadata;
    ByteBuffer out;
    out.Append("before");
    const Reject reject = AppendJsonMessage(row, out);
    EXPECT_EQ(reject.code, RejectCode::kRule) << metadata;
    EXPECT_THAT(reject.reason, HasSubstr("metadata: "));
    EXPECT_EQ(out.view(), "before");
  }
}

}  // namespace
}  // namespace tsingest
