#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/csv.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "tsingest/model/model.h"

namespace tsingest {

struct CsvReading {
  Timestamp time{};
  std::string_view device;
  std::optional<double> temp;
  std::optional<std::string_view> note;
  std::int32_t quality = -1;
};

template <>
struct Model<CsvReading> {
  static constexpr std::string_view kTable = "readings";
  static constexpr auto kFields = Fields(
      Field("time", &CsvReading::time, From{"ts", "timestamp"}),
      Field("device", &CsvReading::device, From{"mac", "meta.mac"}, MaxLength{8}, NotEmpty{}),
      Field("temp", &CsvReading::temp, InRange{-90.0, 60.0}), Field("note", &CsvReading::note),
      Field("quality", &CsvReading::quality, Default{192}));
};

struct CsvLoose {
  std::optional<Timestamp> time;
  std::string_view topic;
  std::optional<double> value;
  std::optional<std::string_view> value_str;
  Json metadata;
};

template <>
struct Model<CsvLoose> {
  static constexpr std::string_view kTable = "loose";
  static constexpr auto kFields =
      Fields(Field("time", &CsvLoose::time, DefaultToArrival{}),
             Field("topic", &CsvLoose::topic, FromTopic{}),
             Field("value", &CsvLoose::value, OnlyNumbers{}),
             Field("value_str", &CsvLoose::value_str, From{"value"}, OnlyNonNumbers{}),
             Field("metadata", &CsvLoose::metadata, Rest{}));
};

static_assert(Decoder<CsvDecoder<CsvReading>, CsvReading>);

namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Names = std::vector<std::string>;

constexpr std::string_view kTime = "2020-07-13T00:00:00Z";
constexpr Timestamp kInstant{std::chrono::microseconds(1'594'598'400'000'000)};

// A decoder with what its rows view.
template <class M>
class Decoding {
 public:
  explicit Decoding(CsvOptions options = {}) : decoder(std::move(options)) {}

  absl::Status SetHeader(Names names, CsvDialect dialect = {}, bool look_like_data = false) {
    return decoder.SetHeader({std::move(names), dialect, look_like_data});
  }
  Reject Decode(std::string_view record, std::string_view topic = {}) {
    return decoder.Decode({arena.CopyPadded(record), arena.Copy(topic), kInstant}, arena, rows);
  }

  CsvDecoder<M> decoder;
  Arena arena;
  std::vector<M> rows;
};

Decoding<CsvReading> WithReadings(CsvOptions options = {}) {
  return Decoding<CsvReading>(std::move(options));
}

TEST(CsvDecoderTest, FillsFieldsFromColumnsOfTheirNames) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"quality", "temp", "device", "ts", "note"}).ok());
  ASSERT_FALSE(csv.Decode("7,21.5,kitchen,2020-07-13T00:00:00Z,\"a, \"\"b\"\"\""));
  ASSERT_EQ(csv.rows.size(), 1u);
  EXPECT_EQ(csv.rows[0].time, kInstant);
  EXPECT_EQ(csv.rows[0].device, "kitchen");
  EXPECT_EQ(csv.rows[0].temp, 21.5);
  EXPECT_EQ(csv.rows[0].note, "a, \"b\"");
  EXPECT_EQ(csv.rows[0].quality, 7);
}

TEST(CsvDecoderTest, EmptyCellsAreDefaultsAndNulls) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "note", "quality"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,,,"));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,\"\",\"\",\" \""));
  EXPECT_EQ(csv.rows[0].temp, std::nullopt);
  EXPECT_EQ(csv.rows[0].note, std::nullopt);
  EXPECT_EQ(csv.rows[0].quality, 192);
  EXPECT_EQ(csv.rows[1].temp, std::nullopt);
  EXPECT_EQ(csv.rows[1].note, "");  // quoted: the empty text
  EXPECT_EQ(csv.rows[1].quality, 192);
}

TEST(CsvDecoderTest, ARequiredFieldWithoutAValueNamesItsColumn) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  const Reject reject = csv.Decode(",a,1");
  EXPECT_EQ(reject.code, RejectCode::kMissing);
  EXPECT_EQ(reject.reason, "time (column \"ts\"): is missing, the cell is empty");
  EXPECT_THAT(csv.rows, IsEmpty());
}

TEST(CsvDecoderTest, NullSpellingsAreLiteralInsideTheQuotesOfText) {
  auto csv = WithReadings({.nulls = {"NA", "-200"}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "note"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,NA,NA"));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,\" -200 \",\"NA\""));
  EXPECT_EQ(csv.rows[0].temp, std::nullopt);
  EXPECT_EQ(csv.rows[0].note, std::nullopt);
  EXPECT_EQ(csv.rows[1].temp, std::nullopt);
  EXPECT_EQ(csv.rows[1].note, "NA");
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,na,x").code, RejectCode::kType);
}

TEST(CsvDecoderTest, AWholeNumberThatIsNullIsAlsoNullWithZerosBehindItsPoint) {
  auto csv = WithReadings({.nulls = {"-200"}});
  const CsvDialect german = {.syntax = {.delimiter = ';'}, .decimal_comma = true};
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "note"}, german).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ";a;-200,0;-200,0"));
  EXPECT_EQ(csv.rows[0].temp, std::nullopt);
  EXPECT_EQ(csv.rows[0].note, "-200,0");
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "note"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,-200.00,x"));
  EXPECT_EQ(csv.rows[1].temp, std::nullopt);
  for (const std::string_view other : {"-200.01", "-200.", "-2000", "-200,0"}) {
    EXPECT_TRUE(csv.Decode(fmt::format("{},a,{},x", kTime, other))) << other;
  }
}

TEST(CsvDecoderTest, BlanksAroundNumbersDoNotCountButAreText) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "note"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a, 21.5 ,  x "));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,  , "));
  EXPECT_EQ(csv.rows[0].temp, 21.5);
  EXPECT_EQ(csv.rows[0].note, "  x ");
  EXPECT_EQ(csv.rows[1].temp, std::nullopt);
  EXPECT_EQ(csv.rows[1].note, " ");
}

TEST(CsvDecoderTest, TheDecimalCommaIsTheFilesOwn) {
  auto csv = WithReadings();
  const CsvDialect german = {.syntax = {.delimiter = ';'}, .decimal_comma = true};
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}, german).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ";a;21,5"));
  EXPECT_EQ(csv.rows[0].temp, 21.5);
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,21.5"));
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,\"21,5\"").code, RejectCode::kType);
}

TEST(CsvDecoderTest, ABadValueNamesFieldColumnValueAndRule) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,warm").reason, "temp: \"warm\" is not a number");
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,99").reason, "temp: \"99\" is outside [-90, 60]");
  const Reject reject = csv.Decode(std::string(kTime) + ",0123456789,1");
  EXPECT_EQ(reject.code, RejectCode::kRule);
  EXPECT_EQ(reject.reason, "device (column \"mac\"): \"0123456789\" is longer than 8 characters");
  EXPECT_THAT(csv.rows, IsEmpty());
}

TEST(CsvDecoderTest, ARejectLeavesEarlierRowsAlone) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,1"));
  ASSERT_TRUE(csv.Decode(std::string(kTime) + ",b,x"));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",c,2"));
  ASSERT_EQ(csv.rows.size(), 2u);
  EXPECT_EQ(csv.rows[1].device, "c");
}

TEST(CsvDecoderTest, MoreOrFewerFieldsThanTheHeaderSayHowMany) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  const Reject fewer = csv.Decode(std::string(kTime) + ",a");
  EXPECT_EQ(fewer.code, RejectCode::kColumns);
  EXPECT_EQ(fewer.reason, "the record has 2 fields, the header has 3");
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,1,2").reason,
            "the record has 4 fields, the header has 3");
}

TEST(CsvDecoderTest, NamelessColumnsAtTheEndMayBeMissingOrEmpty) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp", "", ""}).ok());
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",a,1,,"));
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",a,1"));
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",a,1,,,"));  // one more delimiter
  EXPECT_EQ(csv.rows.size(), 3u);
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,1,,,x").code, RejectCode::kColumns);
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a").code, RejectCode::kColumns);
}

TEST(CsvDecoderTest, RecordsOfNothingButEmptyCellsAreSkippedAndCounted) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  for (const std::string_view empty : {"", ",,", " , ,\t", ",,,,,,,,,,"}) {
    EXPECT_FALSE(csv.Decode(empty));
  }
  EXPECT_THAT(csv.rows, IsEmpty());
  EXPECT_EQ(csv.decoder.empty_records(), 4u);
  EXPECT_EQ(csv.Decode("\"\",\"\",\"\"").code, RejectCode::kMissing);
}

TEST(CsvDecoderTest, BrokenQuotesAreSyntaxRejectsThatNameTheColumn) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "note"}).ok());
  const Reject open = csv.Decode(std::string(kTime) + ",a,\"oh, no");
  EXPECT_EQ(open.code, RejectCode::kSyntax);
  EXPECT_EQ(open.reason, "column \"note\": the quote that opens it is never closed");
  const Reject stray = csv.Decode(std::string(kTime) + ",\"a \"b\"\",x");
  EXPECT_EQ(stray.code, RejectCode::kSyntax);
  EXPECT_THAT(stray.reason, HasSubstr("column \"mac\": a quote inside quotes is not doubled"));
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a,x\n" + std::string(kTime) + ",b,y").code,
            RejectCode::kSyntax);
}

TEST(CsvDecoderTest, ALineEndBehindTheRecordDoesNotCount) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "note"}).ok());
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",a,\"x\"\r\n"));
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",a,x\n"));
  EXPECT_EQ(csv.rows[0].note, "x");
  EXPECT_EQ(csv.rows[1].note, "x");
}

TEST(CsvDecoderTest, InvalidTextIsAnEncodingRejectEvenInUnusedColumns) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "other"}).ok());
  EXPECT_FALSE(csv.Decode(std::string(kTime) + ",\xc3\xa9,\xe2\x82\xac"));
  EXPECT_EQ(csv.rows[0].device, "\xc3\xa9");
  const Reject latin = csv.Decode(std::string(kTime) + ",a,caf\xe9");
  EXPECT_EQ(latin.code, RejectCode::kEncoding);
  EXPECT_THAT(latin.reason, AllOf(HasSubstr("column \"other\": \"caf\\xe9\" is not valid UTF-8"),
                                  HasSubstr("--encoding")));
  const Reject nul = csv.Decode(std::string(kTime) + std::string(",a\0b,x", 6));
  EXPECT_EQ(nul.code, RejectCode::kEncoding);
  EXPECT_THAT(nul.reason, HasSubstr("column \"mac\": \"a\\x00b\" contains a NUL character"));
}

TEST(CsvDecoderTest, LimitsAreRejectsThatNameTheLimit) {
  auto csv = WithReadings({.limits = {.record_bytes = 100, .field_bytes = 40, .fields = 5}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "note"}).ok());
  const std::string start = std::string(kTime) + ",a,";
  EXPECT_FALSE(csv.Decode(start + std::string(40, 'x')));
  const Reject cell = csv.Decode(start + std::string(41, 'x'));
  EXPECT_EQ(cell.code, RejectCode::kLimit);
  EXPECT_EQ(cell.reason, "column \"note\": the cell has 41 bytes, the limit is 40");
  const Reject record = csv.Decode(std::string(101, 'x'));
  EXPECT_EQ(record.code, RejectCode::kLimit);
  EXPECT_EQ(record.reason, "the record has 101 bytes, the limit is 100");
  const Reject fields = csv.Decode("1,2,3,4,5,6");
  EXPECT_EQ(fields.code, RejectCode::kLimit);
  EXPECT_EQ(fields.reason, "the record has more fields than the limit of 5");
}

TEST(CsvDecoderTest, WithoutAHeaderEveryRecordIsRejected) {
  auto csv = WithReadings();
  EXPECT_EQ(csv.Decode("1,2,3").code, RejectCode::kColumns);
  ASSERT_TRUE(csv.SetHeader({"ts", "mac"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a"));
  EXPECT_FALSE(csv.SetHeader({"x", "y"}).ok());
  EXPECT_EQ(csv.Decode(std::string(kTime) + ",a").code, RejectCode::kColumns);
}

// ---- Columns and fields. ----

TEST(CsvDecoderHeaderTest, LackOfColumnsListsWhatIsSoughtWhatIsThereAndTheWayOut) {
  auto csv = WithReadings();
  const absl::Status status = csv.SetHeader({"Zeit", "Wert"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "the file has no column for time (looked for ts, timestamp, time), device (looked for "
            "mac, meta.mac, device); it has \"Zeit\", \"Wert\". Name the column with --map "
            "time=COLUMN, or give a constant with --set time=VALUE");
  EXPECT_THAT(std::string(csv.SetHeader({"2020-01-01", "1"}, {}, true).message()),
              HasSubstr("The first line looks like data"));
}

TEST(CsvDecoderHeaderTest, ANameThatAFieldHasTwiceIsToldOnce) {
  auto csv = Decoding<SensorReading>();
  EXPECT_THAT(std::string(csv.SetHeader({"ts", "temp"}).message()),
              HasSubstr("device_id (looked for device_id, device);"));
}

TEST(CsvDecoderHeaderTest, NamesDifferingInCaseOrBlanksMatchWithANote) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({" TS ", "Device", "temp", "TEMP"}).ok());
  EXPECT_THAT(csv.decoder.notes(), ElementsAre("column \" TS \" is read as field time",
                                               "column \"Device\" is read as field device"));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a,1,2"));
  EXPECT_EQ(csv.rows[0].temp, 1);
}

TEST(CsvDecoderHeaderTest, TwoColumnsOfTheSameLooseNameMatchNeither) {
  auto csv = WithReadings();
  EXPECT_FALSE(csv.SetHeader({"TS", "Ts", "device"}).ok());
}

TEST(CsvDecoderHeaderTest, TheBestNameWinsAndItsNullFallsBackToTheNext) {
  auto csv = WithReadings();
  ASSERT_TRUE(csv.SetHeader({"device", "ts", "meta.mac", "mac"}).ok());
  const std::string time(kTime);
  ASSERT_FALSE(csv.Decode("d," + time + ",meta,mac"));
  ASSERT_FALSE(csv.Decode("d," + time + ",meta,"));
  ASSERT_FALSE(csv.Decode("d," + time + ",,"));
  EXPECT_EQ(csv.rows[0].device, "mac");
  EXPECT_EQ(csv.rows[1].device, "meta");
  EXPECT_EQ(csv.rows[2].device, "d");
}

TEST(CsvDecoderHeaderTest, MappingsAndConstantsGoBeforeNames) {
  auto csv = WithReadings({.map = {{"temp", "t2"}}, .set = {{"device", "oven"}, {"quality", "1"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "device", "temp", "t2"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",x,1,2"));
  EXPECT_EQ(csv.rows[0].device, "oven");
  EXPECT_EQ(csv.rows[0].temp, 2);
  EXPECT_EQ(csv.rows[0].quality, 1);
}

TEST(CsvDecoderHeaderTest, OneFieldTakesTwoColumnsJoinedByABlank) {
  CsvOptions options = {.map = {{"time", "Date+Time"}, {"device", "site+no"}}};
  options.parse.time.format = "%d/%m/%Y %H.%M.%S";
  auto csv = WithReadings(std::move(options));
  ASSERT_TRUE(csv.SetHeader({"Date", "Time", "site", "no"}).ok());
  EXPECT_THAT(csv.decoder.DescribeColumns(), HasSubstr("time <- Date + Time"));
  ASSERT_FALSE(csv.Decode("13/07/2020,\"00.00.00\",\"a\"\"b\",7"));
  EXPECT_EQ(csv.rows[0].time, kInstant);
  EXPECT_EQ(csv.rows[0].device, "a\"b 7");
}

TEST(CsvDecoderHeaderTest, AJoinedValueThatCannotBeReadNamesItsColumns) {
  auto csv = WithReadings({.map = {{"time", "Date+Time"}}});
  ASSERT_TRUE(csv.SetHeader({"Date", "Time", "device"}).ok());
  const Reject reject = csv.Decode("2020-07-13,noon,a");
  EXPECT_EQ(reject.code, RejectCode::kTime);
  EXPECT_THAT(reject.reason,
              HasSubstr("time (columns \"Date\" and \"Time\"): \"2020-07-13 noon\""));
}

TEST(CsvDecoderHeaderTest, HalfAJoinedValueIsMissingAndNoneIsNull) {
  auto csv = WithReadings({.map = {{"time", "Date+Time"}, {"note", "x+y"}}});
  ASSERT_TRUE(csv.SetHeader({"Date", "Time", "device", "x", "y"}).ok());
  const Reject half = csv.Decode("2020-07-13,,a,,");
  EXPECT_EQ(half.code, RejectCode::kMissing);
  EXPECT_EQ(half.reason,
            "time (columns \"Date\" and \"Time\"): is incomplete, the cell of \"Time\" is empty");
  const Reject none = csv.Decode(",,a,1,");
  EXPECT_EQ(none.code, RejectCode::kMissing);
  ASSERT_FALSE(csv.Decode("2020-07-13,00:00,a,,"));
  EXPECT_EQ(csv.rows[0].note, std::nullopt);
}

TEST(CsvDecoderHeaderTest, AColumnWithAPlusInItsNameIsOneColumn) {
  auto csv = WithReadings({.map = {{"note", "a+b"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "device", "a+b", "a", "b"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",x,one,2,3"));
  EXPECT_EQ(csv.rows[0].note, "one");
}

TEST(CsvDecoderHeaderTest, JoinedColumnsMustBeThereAndBeAllOfTheField) {
  const auto message = [](std::vector<CsvMapping> map) {
    return std::string(WithReadings({.map = std::move(map)})
                           .SetHeader({"Date", "Time", "ts", "device"})
                           .message());
  };
  EXPECT_THAT(message({{"time", "Date+Tim"}}),
              AllOf(HasSubstr("--map time=Date+Tim"), HasSubstr("no column \"Tim\"")));
  EXPECT_THAT(message({{"time", "Date+"}}), HasSubstr("no column \"Date+\""));
  EXPECT_THAT(message({{"time", "ts"}, {"time", "Date+Time"}}), HasSubstr("mapped already"));
  EXPECT_THAT(message({{"time", "Date+Time"}, {"time", "ts"}}), HasSubstr("mapped already"));
}

TEST(CsvDecoderHeaderTest, AnEmptyConstantMeansMissing) {
  auto csv = WithReadings({.set = {{"temp", ""}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "device", "temp"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",x,1"));
  EXPECT_EQ(csv.rows[0].temp, std::nullopt);
  EXPECT_FALSE(WithReadings({.set = {{"device", ""}}}).SetHeader({"ts", "device"}).ok());
}

TEST(CsvDecoderHeaderTest, WrongOptionsNameWhatThereIs) {
  const auto message = [](CsvOptions options) {
    return std::string(WithReadings(std::move(options)).SetHeader({"ts", "device"}).message());
  };
  EXPECT_THAT(message({.map = {{"temp", "t9"}}}),
              AllOf(HasSubstr("--map temp=t9"), HasSubstr("no column \"t9\""),
                    HasSubstr("\"ts\", \"device\"")));
  EXPECT_THAT(message({.map = {{"tempp", "ts"}}}),
              AllOf(HasSubstr("no field \"tempp\""), HasSubstr("\"temp\"")));
  EXPECT_THAT(message({.set = {{"tempp", "1"}}}), HasSubstr("no field \"tempp\""));
  EXPECT_EQ(message({.set = {{"quality", "good"}}}),
            "--set quality=good: \"good\" is not a number");
  EXPECT_THAT(message({.filter = {{"where", "x"}}}), HasSubstr("--filter where=x"));
  EXPECT_THAT(message({.unpivot = {{"temp", ""}}}), HasSubstr("--unpivot"));
}

TEST(CsvDecoderHeaderTest, OptionsThatContradictAreRefused) {
  EXPECT_FALSE(CsvOptions({.map = {{"a", "b"}}, .set = {{"a", "1"}}}).Validate().ok());
  EXPECT_FALSE(CsvOptions({.map = {{"a", ""}}}).Validate().ok());
  EXPECT_FALSE(CsvOptions({.set = {{"", "b"}}}).Validate().ok());
  EXPECT_FALSE(CsvOptions({.limits = {.fields = 0}}).Validate().ok());
  EXPECT_TRUE(CsvOptions({.map = {{"a", "b"}}, .set = {{"c", ""}}}).Validate().ok());
}

TEST(CsvDecoderHeaderTest, DuplicateAndMissingNamesAreMadeUnique) {
  Names names = {"t", "", "t", "t", "t_2", " ", ""};
  const std::vector<std::string> notes = NormalizeColumnNames(names);
  EXPECT_THAT(names, ElementsAre("t", "column_2", "t_3", "t_4", "t_2", "", ""));
  EXPECT_THAT(notes, ElementsAre("column 2 has no name and is called column_2",
                                 "column 3 is a second \"t\" and is called t_3",
                                 "column 4 is a second \"t\" and is called t_4"));
  EXPECT_THAT(NormalizeColumnNames(names), IsEmpty());
}

TEST(CsvDecoderHeaderTest, ADialectThatCannotBeIsRefused) {
  auto csv = WithReadings();
  EXPECT_FALSE(csv.SetHeader({"ts", "device"}, {.syntax = {.delimiter = '"'}}).ok());
  EXPECT_FALSE(csv.SetHeader({"ts", "device"}, {.syntax = {.delimiter = '\n'}}).ok());
  EXPECT_FALSE(csv.SetHeader({"ts", "device"}, {.syntax = {.line_end = 'x'}}).ok());
}

TEST(CsvDecoderHeaderTest, DescribesWhatFeedsWhat) {
  auto csv = WithReadings({.set = {{"quality", "1"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "device", "light", "x"}).ok());
  EXPECT_EQ(csv.decoder.DescribeColumns(),
            "time <- ts, device <- mac, device, quality = 1; not used: light, x");
}

// ---- Filters. ----

TEST(CsvDecoderFilterTest, KeepsRecordsThatMatchEveryColumn) {
  auto csv = WithReadings({.filter = {{"mac", "a"}, {"mac", "b\"c"}, {"kind", "x"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "kind"}).ok());
  const std::string time(kTime);
  for (const std::string_view rest : {",a,x", ",a,y", ",\"b\"\"c\",\"x\"", ",c,x", ",a,x "}) {
    EXPECT_FALSE(csv.Decode(time + std::string(rest)));
  }
  ASSERT_EQ(csv.rows.size(), 2u);
  EXPECT_EQ(csv.rows[1].device, "b\"c");
  EXPECT_EQ(csv.decoder.filtered_records(), 3u);
}

TEST(CsvDecoderFilterTest, AFieldsNameStandsForItsColumn) {
  auto csv = WithReadings({.filter = {{"device", "a"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac"}).ok());
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",a"));
  ASSERT_FALSE(csv.Decode(std::string(kTime) + ",b"));
  EXPECT_EQ(csv.rows.size(), 1u);
}

TEST(CsvDecoderFilterTest, WhatIsFilteredOutIsNotRejectedForItsValues) {
  auto csv = WithReadings({.filter = {{"mac", "a"}}});
  ASSERT_TRUE(csv.SetHeader({"ts", "mac", "temp"}).ok());
  EXPECT_FALSE(csv.Decode("nonsense,b,\xff"));
  EXPECT_TRUE(csv.Decode("nonsense,a,1"));
}

// ---- Rest, topics, several types. ----

TEST(CsvDecoderRestTest, CollectsUnusedColumnsAsJson) {
  Decoding<CsvLoose> csv({.set = {{"topic", "t"}}});
  ASSERT_TRUE(csv.SetHeader({"value", "n", "s", "b", "q", "z", "o\"dd", ""}).ok());
  ASSERT_FALSE(csv.Decode("1,-2.50e3,007,true,\"12\",,\"a\"\"\tb\","));
  EXPECT_EQ(csv.rows[0].metadata.text,
            R"({"n":-2.50e3,"s":"007","b":true,"q":"12","o\"dd":"a\"\tb"})");
  ASSERT_FALSE(csv.Decode("1,,,,,,,"));
  EXPECT_EQ(csv.rows[1].metadata.text, "{}");
}

TEST(CsvDecoderRestTest, NumbersThatJsonbCannotHoldStayText) {
  Decoding<CsvLoose> csv({.set = {{"topic", "t"}}});
  ASSERT_TRUE(csv.SetHeader({"value", "n"}).ok());
  ASSERT_FALSE(csv.Decode("1,1e999999"));
  EXPECT_EQ(csv.rows[0].metadata.text, R"({"n":"1e999999"})");
}

TEST(CsvDecoderRestTest, DecimalCommasBecomePoints) {
  Decoding<CsvLoose> csv({.set = {{"topic", "t"}}});
  ASSERT_TRUE(csv.SetHeader({"value", "n", "m"}, {{.delimiter = ';'}, true}).ok());
  ASSERT_FALSE(csv.Decode("1;2,5;1.234"));
  EXPECT_EQ(csv.rows[0].metadata.text, R"({"n":2.5,"m":"1.234"})");
}

TEST(CsvDecoderRestTest, OneColumnFeedsTheFieldOfItsType) {
  Decoding<CsvLoose> csv({.set = {{"topic", "t"}}});
  ASSERT_TRUE(csv.SetHeader({"value"}).ok());
  ASSERT_FALSE(csv.Decode("21.5"));
  ASSERT_FALSE(csv.Decode("open"));
  EXPECT_EQ(csv.rows[0].value, 21.5);
  EXPECT_EQ(csv.rows[0].value_str, std::nullopt);
  EXPECT_EQ(csv.rows[1].value, std::nullopt);
  EXPECT_EQ(csv.rows[1].value_str, "open");
  EXPECT_EQ(csv.rows[0].time, kInstant);  // the arrival
}

TEST(CsvDecoderTopicTest, TheTopicIsAColumnWhereMessagesHaveNone) {
  Decoding<CsvLoose> csv;
  EXPECT_FALSE(csv.SetHeader({"value"}).ok());
  ASSERT_TRUE(csv.SetHeader({"value", "topic"}).ok());
  ASSERT_FALSE(csv.Decode("1,plant/7"));
  EXPECT_EQ(csv.rows[0].topic, "plant/7");
}

TEST(CsvDecoderTopicTest, TheMessagesTopicGoesFirst) {
  Decoding<CsvLoose> csv({.with_topic = true});
  ASSERT_TRUE(csv.SetHeader({"value"}).ok());
  ASSERT_FALSE(csv.Decode("1", "plant/7"));
  EXPECT_EQ(csv.rows[0].topic, "plant/7");
  EXPECT_EQ(csv.Decode("1", "plant/\xff").code, RejectCode::kEncoding);
  EXPECT_EQ(csv.Decode("1").code, RejectCode::kMissing);
}

}  // namespace
}  // namespace tsingest
