#include "tsingest/encode/json_row.h"

#include <chrono>
#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/json_text.h"

namespace tsingest {
namespace {

struct Odd {
  std::string_view text;
  double number = 0;
};

}  // namespace

template <>
struct Model<Odd> {
  static constexpr std::string_view kTable = "odd";
  static constexpr auto kFields =
      Fields(Field("a \"b\"\\\n", &Odd::text), Field("größe", &Odd::number));
};

namespace {

template <class M>
std::string Json(const M& row) {
  ByteBuffer out;
  AppendJsonRow(row, out);
  return std::string(out.view());
}

TEST(AppendJsonRow, WritesColumnsInOrderWithNulls) {
  Metric row{.time = Timestamp(std::chrono::microseconds(1'705'314'600'123'000)),
             .topic = "plant/\"7\"",
             .value = 75.5,
             .value_str = {}};
  row.metadata.text = "{\"unit\":\"°C\"}";
  EXPECT_EQ(
      Json(row),
      "{\"time\":\"2024-01-15T10:30:00.123000Z\",\"topic\":\"plant/\\\"7\\\"\",\"value\":75.5,"
      "\"value_str\":null,\"quality\":192,\"metadata\":{\"unit\":\"°C\"}}");
}

TEST(AppendJsonRow, EscapesColumnNamesAndControlCharacters) {
  const Odd row{.text = "\x01\t\"", .number = -std::numeric_limits<double>::infinity()};
  const std::string json = Json(row);
  EXPECT_EQ(json, "{\"a \\\"b\\\"\\\\\\n\":\"\\u0001\\t\\\"\",\"größe\":\"-Infinity\"}");
  EXPECT_TRUE(CheckJson(json).ok());
}

TEST(AppendJsonRow, AppendsBehindWhatIsThere) {
  ByteBuffer out;
  out.Append("[");
  AppendJsonRow(Odd{}, out);
  EXPECT_EQ(out.view(), "[{\"a \\\"b\\\"\\\\\\n\":\"\",\"größe\":0}");
}

}  // namespace
}  // namespace tsingest
