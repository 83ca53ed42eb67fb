#include "tsingest/encode/copy_encoder.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/model.h"

namespace tsingest {
namespace {

struct Wide {
  std::string_view text;
  std::optional<Array<std::optional<std::int32_t>>> numbers;
  std::optional<Numeric> amount;
  Date day{};
};

}  // namespace

template <>
struct Model<Wide> {
  static constexpr std::string_view kTable = "wide";
  static constexpr auto kFields =
      Fields(Field("text", &Wide::text), Field("numbers", &Wide::numbers),
             Field("amount", &Wide::amount), Field("day", &Wide::day));
};

namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

Timestamp At(std::int64_t micros) { return Timestamp(std::chrono::microseconds(micros)); }

TEST(CopyEncoder, WritesWhatTheServerWrites) {
  Metric first{
      .time = At(1'705'314'600'123'000), .topic = "plant/7/temp", .value = 75.5, .value_str = {}};
  first.metadata.text = "{\"unit\": \"°C\"}";
  Metric second{.time = At(-1'000'000), .topic = "", .value = {}, .value_str = "aus"};
  ByteBuffer out;
  CopyEncoder<Metric>::Header(out);
  CopyEncoder<Metric>::Row(first, out);
  CopyEncoder<Metric>::Row(second, out);
  CopyEncoder<Metric>::Trailer(out);
  // COPY (SELECT '2024-01-15T10:30:00.123Z'::timestamptz, 'plant/7/temp'::text, 75.5::float8,
  //         NULL::text, 192::int2, '{"unit": "°C"}'::jsonb
  //       UNION ALL SELECT '1969-12-31T23:59:59Z', '', NULL, 'aus', 192, '{}')
  //   TO STDOUT (FORMAT binary)
  EXPECT_EQ(
      Hex(out.view()),
      "5047434f50590aff0d0a000000000000000000"
      "0006000000080002b1f843c09a780000000c706c616e742f372f74656d70000000084052e00000000000ffffffff"
      "0000000200c000000010017b22756e6974223a2022c2b043227d"
      "000600000008fffca2fec4b8ddc000000000ffffffff000000036175730000000200c000000003017b7d"
      "ffff");
}

TEST(CopyEncoder, WritesNothingButHeaderAndTrailerWithoutRows) {
  ByteBuffer out;
  CopyEncoder<Metric>::Header(out);
  CopyEncoder<Metric>::Trailer(out);
  // COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)
  EXPECT_EQ(Hex(out.view()), "5047434f50590aff0d0a000000000000000000ffff");
}

TEST(CopyEncoder, WritesValuesWhoseSizeDependsOnTheRow) {
  const std::optional<std::int32_t> numbers[] = {1, std::nullopt};
  Wide row{.text = "é",
           .numbers = Array<std::optional<std::int32_t>>{numbers},
           .amount = Numeric{"1.50"}};
  ByteBuffer out;
  CopyEncoder<Wide>::Row(row, out);
  EXPECT_EQ(Hex(out.view()),
            "0004"
            "00000002c3a9"
            "00000020"
            "0000000100000001000000170000000200000001"
            "0000000400000001"
            "ffffffff"
            "0000000c"
            "000200000000000200011388"
            "00000004ffffd533");
}

TEST(CopyEncoder, RowsAreCompleteInThemselves) {
  const Metric row{.time = At(1), .topic = "a", .value = 1.0, .value_str = {}};
  ByteBuffer one;
  CopyEncoder<Metric>::Row(row, one);
  ByteBuffer many;
  for (std::size_t n = 1; n <= 1000; ++n) {
    CopyEncoder<Metric>::Row(row, many);
    ASSERT_EQ(many.size(), n * one.size());
  }
  EXPECT_EQ(many.view().substr(999 * one.size()), one.view());
}

TEST(CopyEncoder, GrowsForALargeRowAndKeepsTheRowsBefore) {
  const std::string large(100'000, 'x');
  const Metric small{.time = At(1), .topic = "a", .value = 1.0, .value_str = {}};
  const Metric row{.time = At(1), .topic = large, .value = {}, .value_str = large};
  ByteBuffer out;
  CopyEncoder<Metric>::Row(small, out);
  const std::string before(out.view());
  CopyEncoder<Metric>::Row(row, out);
  EXPECT_EQ(out.view().substr(0, before.size()), before);
  EXPECT_EQ(out.size(), before.size() + 2 + 6 * 4 + 8 + 2 * large.size() + 2 + 3);
}

}  // namespace
}  // namespace tsingest
