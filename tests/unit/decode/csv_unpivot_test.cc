#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/decode/csv.h"
#include "tsingest/model/model.h"

namespace tsingest {

struct CsvPoint {
  Timestamp time{};
  std::string_view device;
  std::string_view kind;
  std::optional<double> value;
  std::optional<std::string_view> unit;
};

template <>
struct Model<CsvPoint> {
  static constexpr std::string_view kTable = "points";
  static constexpr auto kFields =
      Fields(Field("time", &CsvPoint::time, From{"ts"}), Field("device", &CsvPoint::device),
             Field("kind", &CsvPoint::kind, From{"label"}, MaxLength{10}),
             Field("value", &CsvPoint::value), Field("unit", &CsvPoint::unit));
  static constexpr UnpivotFields kUnpivot = {.label = "kind", .value = "value", .unit = "unit"};
};

struct CsvTag {
  std::string_view topic;
  std::optional<double> value;
  std::optional<std::string_view> value_str;
  std::optional<Json> metadata;
};

template <>
struct Model<CsvTag> {
  static constexpr std::string_view kTable = "tags";
  static constexpr auto kFields = Fields(
      Field("topic", &CsvTag::topic, FromTopic{}), Field("value", &CsvTag::value, OnlyNumbers{}),
      Field("value_str", &CsvTag::value_str, From{"value"}, OnlyNonNumbers{}),
      Field("metadata", &CsvTag::metadata, Rest{}));
  static constexpr UnpivotFields kUnpivot = {
      .label = "topic", .value = "value", .unit = "", .label_is_topic_level = true};
};

namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class M>
class Decoding {
 public:
  Decoding(CsvOptions options, std::vector<std::string> names) : decoder(std::move(options)) {
    status = decoder.SetHeader({std::move(names), {}, false});
  }
  Reject Decode(std::string_view record) {
    return decoder.Decode({arena.CopyPadded(record), {}, {}}, arena, rows);
  }

  CsvDecoder<M> decoder;
  absl::Status status;
  Arena arena;
  std::vector<M> rows;
};

const std::string kTime = "2020-07-13T00:00:00Z";

TEST(CsvUnpivotTest, GivesARowPerNamedColumn) {
  Decoding<CsvPoint> csv({.unpivot = {{"temp", "C"}, {"hum", ""}}},
                         {"ts", "hum", "device", "temp", "x"});
  ASSERT_TRUE(csv.status.ok()) << csv.status;
  ASSERT_FALSE(csv.Decode(kTime + ",55,a,21.5,9"));
  ASSERT_EQ(csv.rows.size(), 2u);
  EXPECT_EQ(csv.rows[0].kind, "temp");
  EXPECT_EQ(csv.rows[0].value, 21.5);
  EXPECT_EQ(csv.rows[0].unit, "C");
  EXPECT_EQ(csv.rows[1].kind, "hum");
  EXPECT_EQ(csv.rows[1].value, 55);
  EXPECT_EQ(csv.rows[1].unit, std::nullopt);  // not the unit of the row before
  EXPECT_EQ(csv.rows[1].device, "a");
  EXPECT_EQ(csv.rows[1].time, csv.rows[0].time);
}

TEST(CsvUnpivotTest, AnEmptyCellIsARowWithNull) {
  Decoding<CsvPoint> csv({.nulls = {"-200"}, .unpivot = {{"t", ""}, {"h", ""}, {"p", ""}}},
                         {"ts", "device", "t", "h", "p"});
  ASSERT_FALSE(csv.Decode(kTime + ",a,1,,-200"));
  ASSERT_EQ(csv.rows.size(), 3u);
  EXPECT_EQ(csv.rows[0].value, 1);
  EXPECT_EQ(csv.rows[1].value, std::nullopt);
  EXPECT_EQ(csv.rows[1].kind, "h");
  EXPECT_EQ(csv.rows[2].value, std::nullopt);
}

TEST(CsvUnpivotTest, ColumnsWithoutAUnitTakeTheUnitColumn) {
  Decoding<CsvPoint> csv({.unpivot = {{"t", "C"}, {"h", ""}}}, {"ts", "device", "t", "h", "unit"});
  ASSERT_FALSE(csv.Decode(kTime + ",a,1,2,u"));
  EXPECT_EQ(csv.rows[0].unit, "C");
  EXPECT_EQ(csv.rows[1].unit, "u");
}

TEST(CsvUnpivotTest, OneBadCellRejectsTheWholeRecord) {
  Decoding<CsvPoint> csv({.unpivot = {{"t", ""}, {"h", ""}}}, {"ts", "device", "t", "h"});
  ASSERT_FALSE(csv.Decode(kTime + ",a,1,2"));
  const Reject reject = csv.Decode(kTime + ",b,1,wet");
  EXPECT_EQ(reject.code, RejectCode::kType);
  EXPECT_EQ(reject.reason, "value (column \"h\"): \"wet\" is not a number");
  EXPECT_EQ(csv.rows.size(), 2u);
}

TEST(CsvUnpivotTest, AColumnsNameKeepsTheRulesOfTheLabel) {
  Decoding<CsvPoint> csv({.unpivot = {{"temperature", ""}}}, {"ts", "device", "temperature"});
  const Reject reject = csv.Decode(kTime + ",a,1");
  EXPECT_EQ(reject.code, RejectCode::kRule);
  EXPECT_EQ(reject.reason, "kind: \"temperature\" is longer than 10 characters");
}

TEST(CsvUnpivotTest, TheNameIsATopicLevelBehindTheTopic) {
  Decoding<CsvTag> csv({.set = {{"topic", "plant/7"}}, .unpivot = {{"t", ""}, {"state", ""}}},
                       {"t", "state", "who"});
  ASSERT_TRUE(csv.status.ok()) << csv.status;
  ASSERT_FALSE(csv.Decode("1.5,open,me"));
  ASSERT_EQ(csv.rows.size(), 2u);
  EXPECT_EQ(csv.rows[0].topic, "plant/7/t");
  EXPECT_EQ(csv.rows[0].value, 1.5);
  EXPECT_EQ(csv.rows[0].value_str, std::nullopt);
  EXPECT_EQ(csv.rows[1].topic, "plant/7/state");
  EXPECT_EQ(csv.rows[1].value, std::nullopt);
  EXPECT_EQ(csv.rows[1].value_str, "open");
  EXPECT_EQ(csv.rows[1].metadata->text, R"({"who":"me"})");
}

TEST(CsvUnpivotTest, WithoutATopicTheNameStandsAlone) {
  Decoding<CsvTag> csv({.unpivot = {{"t", ""}}}, {"t"});
  ASSERT_TRUE(csv.status.ok()) << csv.status;
  ASSERT_FALSE(csv.Decode("1"));
  EXPECT_EQ(csv.rows[0].topic, "t");
}

TEST(CsvUnpivotTest, TheTopicMayBeAColumn) {
  Decoding<CsvTag> csv({.unpivot = {{"t", ""}}}, {"t", "topic"});
  ASSERT_FALSE(csv.Decode("1,a/b"));
  ASSERT_FALSE(csv.Decode("2,"));
  EXPECT_EQ(csv.rows[0].topic, "a/b/t");
  EXPECT_EQ(csv.rows[1].topic, "t");
}

TEST(CsvUnpivotTest, RowsDoNotViewTheDecoder) {
  std::optional<Decoding<CsvPoint>> csv;
  csv.emplace(CsvOptions{.set = {{"device", "constant"}}, .unpivot = {{"t", "C"}}},
              std::vector<std::string>{"ts", "t"});
  ASSERT_FALSE(csv->Decode(kTime + ",1"));
  ASSERT_TRUE(csv->decoder.SetHeader({{"ts", "other", "t"}, {}, false}).ok());
  EXPECT_EQ(csv->rows[0].kind, "t");
  EXPECT_EQ(csv->rows[0].device, "constant");
  EXPECT_EQ(csv->rows[0].unit, "C");
}

TEST(CsvUnpivotTest, RefusesColumnsThatAreNotThereAndFieldsThatAreTaken) {
  const Decoding<CsvPoint> missing({.unpivot = {{"nope", ""}}}, {"ts", "device", "t"});
  EXPECT_THAT(std::string(missing.status.message()), HasSubstr("--unpivot nope"));
  const Decoding<CsvPoint> mapped({.map = {{"value", "t"}}, .unpivot = {{"t", ""}}},
                                  {"ts", "device", "t"});
  EXPECT_THAT(std::string(mapped.status.message()), HasSubstr("field \"value\" is filled by"));
  const Decoding<CsvPoint> set({.set = {{"kind", "x"}}, .unpivot = {{"t", ""}}},
                               {"ts", "device", "t"});
  EXPECT_THAT(std::string(set.status.message()), HasSubstr("field \"kind\" is filled by"));
}

TEST(CsvUnpivotTest, SkipsEmptyRecordsAndFilteredOnes) {
  Decoding<CsvPoint> csv({.unpivot = {{"t", ""}}, .filter = {{"device", "a"}}},
                         {"ts", "device", "t"});
  EXPECT_FALSE(csv.Decode(",,"));
  EXPECT_FALSE(csv.Decode(kTime + ",b,1"));
  EXPECT_THAT(csv.rows, IsEmpty());
}

TEST(CsvUnpivotTest, DescribesWhatFeedsWhat) {
  const Decoding<CsvPoint> csv({.unpivot = {{"t", "C"}, {"h", ""}}},
                               {"ts", "device", "t", "h", "x"});
  EXPECT_EQ(
      csv.decoder.DescribeColumns(),
      "time <- ts, device <- device, kind <- name of t, h, value <- value of t, h; not used: x");
}

}  // namespace
}  // namespace tsingest
