#include "tsingest/model/parse_time.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tsingest/model/json_text.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

// The instant as text, or the reject's code and reason.
std::string Read(Parser& p, const Token& token) {
  const auto parsed = p.Parse<Timestamp>(token);
  if (parsed.code == RejectCode::kOk) return FormatTimestamp(parsed.value);
  return std::string(RejectSlug(parsed.code)) + ": " + parsed.why;
}
std::string Read(const Token& token) {
  Parser p;
  return Read(p, token);
}

constexpr std::string_view kNone = "time: is not a timestamp";

TEST(ParseTimestamp, ReadsEveryFormOfRfc3339AndIso8601) {
  const struct {
    std::string_view text;
    std::string_view instant;
  } cases[] = {
      {"2024-01-15T10:30:00.123Z", "2024-01-15T10:30:00.123000Z"},
      {"2024-01-15t10:30:00z", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15 10:30:00", "2024-01-15T10:30:00.000000Z"},
      {" 2024-01-15 10:30:00 ", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15T10:30:00,5+05:30", "2024-01-15T05:00:00.500000Z"},
      {"2024-01-15 10:30:00.5+00", "2024-01-15T10:30:00.500000Z"},
      {"2024-01-15 10:30:00-0330", "2024-01-15T14:00:00.000000Z"},
      {"2024-01-15T10:30:00+05:30:15", "2024-01-15T04:59:45.000000Z"},
      {"2024-01-15T10:30:00-23:59", "2024-01-16T10:29:00.000000Z"},
      {"2024-01-15T10:30:00-00:00", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15 10:30:00 UTC", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15 10:30:00 +0100", "2024-01-15T09:30:00.000000Z"},
      {"2024-01-15 10:30:00GMT", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15T10:30Z", "2024-01-15T10:30:00.000000Z"},
      {"2024-01-15 10:30-07:00", "2024-01-15T17:30:00.000000Z"},
      {"20240115T103000Z", "2024-01-15T10:30:00.000000Z"},
      {"20240115T103000.25+0100", "2024-01-15T09:30:00.250000Z"},
      {"20240115T1030", "2024-01-15T10:30:00.000000Z"},
      {"20240115 10:30:00", "2024-01-15T10:30:00.000000Z"},
      {"20240115103000", "2024-01-15T10:30:00.000000Z"},
      {"20240115103000.5Z", "2024-01-15T10:30:00.500000Z"},
      {"20240115", "2024-01-15T00:00:00.000000Z"},
      {"2024-01-15", "2024-01-15T00:00:00.000000Z"},
      {"2024/01/15 10:30:00", "2024-01-15T10:30:00.000000Z"},
      {"0001-01-01 00:00:00Z", "0001-01-01T00:00:00.000000Z"},
      {"0000-02-29", "0000-02-29T00:00:00.000000Z"},
      {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
      {"1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.900000Z"},
      {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
      {"1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z"},
  };
  for (const auto& c : cases) EXPECT_EQ(Read(String(c.text)), c.instant) << c.text;
}

TEST(ParseTimestamp, RefusesWhatIsNoTimestamp) {
  for (const char* text : {"abc",
                           "now",
                           "infinity",
                           "-infinity",
                           "yesterday",
                           "2024-13-01",
                           "2024-00-10",
                           "2024-01-00",
                           "2024-01-32",
                           "2023-02-29",
                           "1900-02-29",
                           "2024-1-15",
                           "2024-01-5",
                           "24-01-15",
                           "199-09-09",
                           "02024-01-15",
                           "10000-01-01",
                           "+12024-01-15T00:00:00Z",
                           "2024-01-15T",
                           "2024-01-15Z",
                           "2024-01-15T1:30:00",
                           "2024-01-15T10",
                           "2024-01-15T10:3",
                           "2024-01-15T10:30:0",
                           "2024-01-15T10:60:00",
                           "2024-01-15T25:00:00",
                           "2024-01-15T10:30:61",
                           "2024-01-15T10:30:00.",
                           "2024-01-15T10:30:00.Z",
                           "2024-01-15T10:30:00.12x",
                           "2024-01-15T10:30:00Z0",
                           "2024-01-15T10:30:00ZZ",
                           "2024-01-15T10:30:00+01:00Z",
                           "2024-01-15T10:30:00+24:00",
                           "2024-01-15T10:30:00+10:60",
                           "2024-01-15T10:30:00+",
                           "2024-01-15T10:30:00+1",
                           "2024-01-15T10:30:00+100",
                           "2024-01-15T10:30:00+01:0",
                           "2024-01-1510:30:00",
                           "2024-01/15",
                           "2024-01-15X10:30:00",
                           "2024-01-15T10-30-00",
                           "2024-01-15  10:30:00",
                           "06/19/1963 08:30:06 PST",
                           "15.01.2024",
                           "2013-350T01:01:01",
                           "2024-W03-1",
                           "10:30:00",
                           "20241301",
                           "20240115T",
                           "20240115T10",
                           "20240115T1030000",
                           "20240115103060X",
                           "2024-01-1\xe0\xa7\xaaT00:00:00Z",
                           "Mon Jan 15 10:30:00 2024",
                           "1-2-3",
                           "T",
                           "Z",
                           "T.",
                           "2024-01-15T10:30:00 PM",
                           "0000-00-00 00:00:00"}) {
    EXPECT_EQ(Read(Cell(text)), kNone) << text;
  }
  EXPECT_EQ(Read(Cell("")), "time: is empty, not a timestamp");
  EXPECT_EQ(Read(String("  ")), "time: is empty, not a timestamp");
}

TEST(ParseTimestamp, RefusesOtherKindsOfValues) {
  EXPECT_EQ(Read({TokenKind::kTrue, "true"}), "type: is not a timestamp");
  EXPECT_EQ(Read(RawObject("{}")), "type: is not a timestamp");
  EXPECT_EQ(Read(RawArray("[2024,1,15]")), "type: is not a timestamp");
}

TEST(ParseTimestamp, RoundsFractionsHalfToEvenOnTheDigits) {
  const struct {
    std::string_view fraction;
    std::string_view instant;
  } cases[] = {
      {"0000005", "2024-01-15T10:30:00.000000Z"},
      {"0000015", "2024-01-15T10:30:00.000002Z"},
      {"00000050000000000000000000000000000000000001", "2024-01-15T10:30:00.000001Z"},
      {"0000025", "2024-01-15T10:30:00.000002Z"},
      {"00000249999999999999999999999", "2024-01-15T10:30:00.000002Z"},
      {"9999995", "2024-01-15T10:30:01.000000Z"},
      {"9999994999", "2024-01-15T10:30:00.999999Z"},
      {"123456789", "2024-01-15T10:30:00.123457Z"},
      {"999999999999999", "2024-01-15T10:30:01.000000Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Read(String("2024-01-15T10:30:00." + std::string(c.fraction) + "Z")), c.instant)
        << c.fraction;
  }
}

TEST(ParseTimestamp, CarriesRoundingIntoTheNextDay) {
  EXPECT_EQ(Read(String("2023-12-31T23:59:59.9999999Z")), "2024-01-01T00:00:00.000000Z");
}

TEST(ParseTimestamp, PutsALeapSecondAtTheStartOfTheNextMinute) {
  EXPECT_EQ(Read(String("1998-12-31T23:59:60Z")), "1999-01-01T00:00:00.000000Z");
  EXPECT_EQ(Read(String("1998-12-31T15:59:60.123-08:00")), "1999-01-01T00:00:00.123000Z");
  EXPECT_EQ(Read(String("2016-12-31 23:59:60")), "2017-01-01T00:00:00.000000Z");
  constexpr std::string_view kWrong = "time: has second 60 at another minute than 23:59 UTC";
  EXPECT_EQ(Read(String("1998-12-31T23:58:60Z")), kWrong);
  EXPECT_EQ(Read(String("1998-12-31T22:59:60Z")), kWrong);
  EXPECT_EQ(Read(String("1998-12-31T23:59:60+01:00")), kWrong);
}

TEST(ParseTimestamp, ReadsHour24AsTheEndOfTheDayWithABlankOnly) {
  EXPECT_EQ(Read(Cell("2024-02-28 24:00:00")), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(Read(Cell("2024-12-31 24:00+01:00")), "2024-12-31T23:00:00.000000Z");
  EXPECT_EQ(Read(Cell("2024-02-28 24:00:01")), kNone);
  EXPECT_EQ(Read(Cell("2024-02-28 24:01:00")), kNone);
  EXPECT_EQ(Read(Cell("2024-02-28 24:00:00.5")), kNone);
  EXPECT_EQ(Read(Cell("2024-02-28T24:00:00Z")), kNone);
  EXPECT_EQ(Read(Cell("20240228T240000Z")), kNone);
}

TEST(ParseEpoch, TellsTheUnitByTheDigitsBeforeThePoint) {
  const struct {
    std::string_view text;
    std::string_view instant;
  } cases[] = {
      {"1705314600", "2024-01-15T10:30:00.000000Z"},
      {"1705314600123", "2024-01-15T10:30:00.123000Z"},
      {"1705314600123456", "2024-01-15T10:30:00.123456Z"},
      {"1705314600123456500", "2024-01-15T10:30:00.123456Z"},
      {"1705314600123457500", "2024-01-15T10:30:00.123458Z"},
      {"99999999999", "5138-11-16T09:46:39.000000Z"},
      {"100000000000", "1973-03-03T09:46:40.000000Z"},
      {"99999999999999", "5138-11-16T09:46:39.999000Z"},
      {"100000000000000", "1973-03-03T09:46:40.000000Z"},
      {"99999999999999999", "5138-11-16T09:46:39.999999Z"},
      {"100000000000000000", "1973-03-03T09:46:40.000000Z"},
      {"0", "1970-01-01T00:00:00.000000Z"},
      {"-0", "1970-01-01T00:00:00.000000Z"},
      {"-1", "1969-12-31T23:59:59.000000Z"},
      {"-1.5", "1969-12-31T23:59:58.500000Z"},
      {"-1705314600123", "1915-12-18T13:29:59.877000Z"},
      {"0.5", "1970-01-01T00:00:00.500000Z"},
      {"1594598424.5023336", "2020-07-13T00:00:24.502334Z"},
      {"1.5945984245023336E9", "2020-07-13T00:00:24.502334Z"},
      {"1.705314600123e12", "2024-01-15T10:30:00.123000Z"},
      {"15945984245023336e-7", "2020-07-13T00:00:24.502334Z"},
      {"1705314600123.4565", "2024-01-15T10:30:00.123456Z"},
      {"1705314600.1234565", "2024-01-15T10:30:00.123456Z"},
      {"1705314600.1234575", "2024-01-15T10:30:00.123458Z"},
      {"1705314600.12345650000000000000000001", "2024-01-15T10:30:00.123457Z"},
      {"1e-400", "1970-01-01T00:00:00.000000Z"},
      {"0.0000005", "1970-01-01T00:00:00.000000Z"},
      {"0.00000050000000000000000001", "1970-01-01T00:00:00.000001Z"},
      {"0e999999999999", "1970-01-01T00:00:00.000000Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Read(Number(c.text)), c.instant) << c.text;
    if (c.text.size() == 14 && c.text.find('.') == c.text.npos) continue;  // a date, see below
    EXPECT_EQ(Read(String(c.text)), c.instant) << c.text;
  }
}

TEST(ParseEpoch, TakesEightAndFourteenDigitsForDatesInTextOnly) {
  EXPECT_EQ(Read(Number("20240115")), "1970-08-23T06:15:15.000000Z");
  EXPECT_EQ(Read(String("20240115")), "2024-01-15T00:00:00.000000Z");
  EXPECT_EQ(Read(Number("20240115103000")), "2611-05-21T14:11:43.000000Z");
  EXPECT_EQ(Read(String("20240115103000")), "2024-01-15T10:30:00.000000Z");
  EXPECT_EQ(Read(String("99999999999999")), kNone);
  EXPECT_EQ(Read(String("-20240115")), "1969-05-11T17:44:45.000000Z");
}

TEST(ParseEpoch, ReadsTheSameFromNumbersStringsAndCells) {
  EXPECT_EQ(Read(String("1705314600")), "2024-01-15T10:30:00.000000Z");
  EXPECT_EQ(Read(Cell(" 1705314600.5 ")), "2024-01-15T10:30:00.500000Z");
  EXPECT_EQ(Read(Cell("+1705314600")), "2024-01-15T10:30:00.000000Z");
  EXPECT_EQ(Read(Cell(".5")), "1970-01-01T00:00:00.500000Z");
  EXPECT_EQ(Read(Cell("2024011510")), "2034-02-20T01:25:10.000000Z") << "ten digits are seconds";
}

TEST(ParseEpoch, TakesTheUnitThatIsAskedFor) {
  Parser p;
  p.options.time.epoch_unit = EpochUnit::kMilliseconds;
  EXPECT_EQ(Read(p, Number("1500")), "1970-01-01T00:00:01.500000Z");
  p.options.time.epoch_unit = EpochUnit::kNanoseconds;
  EXPECT_EQ(Read(p, Number("1500")), "1970-01-01T00:00:00.000002Z");
  EXPECT_EQ(Read(p, Number("2500")), "1970-01-01T00:00:00.000002Z");
  EXPECT_EQ(Read(p, Number("2500.0000000000000000001")), "1970-01-01T00:00:00.000003Z");
  p.options.time.epoch_unit = EpochUnit::kMicroseconds;
  EXPECT_EQ(Read(p, Cell("20240115")), "1970-01-01T00:00:20.240115Z") << "a unit means: no date";
  p.options.time.epoch_unit = EpochUnit::kSeconds;
  EXPECT_EQ(Read(p, Number("1705314600123")), "+56009-04-08T12:02:03.000000Z");
}

TEST(ParseEpoch, RefusesWhatPostgresCannotStore) {
  Parser p;
  p.options.time.epoch_unit = EpochUnit::kSeconds;
  constexpr std::string_view kRange =
      "time: is outside the years 4713 BC to 294247 that a timestamp can have";
  EXPECT_EQ(Read(p, Number("-210866803200")), "-4713-11-24T00:00:00.000000Z");
  EXPECT_EQ(Read(p, Number("-210866803200.000001")), kRange);
  EXPECT_EQ(Read(p, Number("9223372036854.775807")), "+294247-01-10T04:00:54.775807Z");
  EXPECT_EQ(Read(p, Number("9223372036854.775808")), kRange);
  for (const char* text : {"1e30", "-1e30", "1e999999999999999999", "99999999999999999999999999999",
                           "18446744073709551616", "18446744073709.551616", "1e13"}) {
    EXPECT_EQ(Read(p, Number(text)), kRange) << text;
  }
}

TEST(ParseEpoch, RefusesMalformedNumbers) {
  for (const char* text : {"1e", "1e+", "1.5.5", "1705314600x", "-", "+", "--1", "1,5", "1_000",
                           "0x10", "-2024-01-15"}) {
    EXPECT_EQ(Read(Cell(text)), kNone) << text;
  }
}

__extension__ using Int128 = __int128;

// The digits, scaled and rounded with 128-bit integers.
std::int64_t ScaledHalfEven(Int128 digits, int shift) {
  for (; shift > 0; --shift) digits *= 10;
  Int128 divisor = 1;
  for (; shift < 0; ++shift) divisor *= 10;
  Int128 quotient = digits / divisor;
  const Int128 rest = digits % divisor * 2;
  if (rest > divisor || (rest == divisor && quotient % 2 != 0)) ++quotient;
  return static_cast<std::int64_t>(quotient);
}

TEST(ParseEpoch, AgreesWithExactArithmeticOnRandomNumbers) {
  Parser p;
  p.options.time.epoch_unit = EpochUnit::kSeconds;
  std::mt19937_64 random(7);
  for (int i = 0; i < 100'000; ++i) {
    std::uint64_t seconds = random() % 210'866'803'200u;
    seconds >>= random() % 38;
    const int places = static_cast<int>(random() % 16);
    std::string fraction;
    for (int n = 0; n < places; ++n)
      fraction += static_cast<char>('0' + (random() % 3 == 0 ? 5 : random() % 10));
    const std::string digits = std::to_string(seconds) + fraction;
    Int128 value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    const std::int64_t expected = ScaledHalfEven(value, 6 - places);
    const std::string plain = std::to_string(seconds) + (places != 0 ? "." + fraction : "");
    const std::string with_exponent = digits + "e-" + std::to_string(places);
    for (const std::string& text : {plain, with_exponent, "-" + plain}) {
      const auto parsed = p.Parse<Timestamp>(Number(text));
      ASSERT_EQ(parsed.code, RejectCode::kOk) << text;
      ASSERT_EQ(parsed.value.time_since_epoch().count(), text[0] == '-' ? -expected : expected)
          << text;
    }
  }
}

TEST(ParseTimestamp, TakesTheZoneForTimesWithoutOffset) {
  struct HourAhead final : TimeZoneRule {
    LocalInstants Find(Timestamp civil) const override {
      if (civil >= Timestamp(std::chrono::sys_days(std::chrono::year(2024) / 3 / 31)) +
                       std::chrono::hours(2) &&
          civil < Timestamp(std::chrono::sys_days(std::chrono::year(2024) / 3 / 31)) +
                      std::chrono::hours(3)) {
        return {.kind = LocalInstants::Kind::kSkipped};
      }
      return {.first = civil - std::chrono::hours(1)};
    }
  } zone;
  Parser p;
  p.options.time.zone = &zone;
  EXPECT_EQ(Read(p, Cell("2024-01-15 10:30:00")), "2024-01-15T09:30:00.000000Z");
  EXPECT_EQ(Read(p, Cell("2024-01-15 10:30:00+00")), "2024-01-15T10:30:00.000000Z");
  EXPECT_EQ(Read(p, Cell("2024-01-15")), "2024-01-14T23:00:00.000000Z");
  EXPECT_EQ(Read(p, Cell("1705314600")), "2024-01-15T10:30:00.000000Z") << "epochs are UTC";
  EXPECT_EQ(Read(p, Cell("2017-01-01 00:59:60")), "2017-01-01T00:00:00.000000Z");
  EXPECT_EQ(Read(p, Cell("2024-03-31 02:30:00")),
            "time: is a local time that does not exist: the zone's clocks are put forward over it");
}

TEST(ParseTimestamp, KeepsToTheWindow) {
  Parser p;
  p.options.time.not_before = Timestamp(std::chrono::seconds(1'700'000'000));
  p.options.time.not_after = Timestamp(std::chrono::seconds(1'800'000'000));
  EXPECT_EQ(Read(p, Number("1700000000")), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(Read(p, Number("1800000000")), "2027-01-15T08:00:00.000000Z");
  EXPECT_EQ(Read(p, Number("1699999999.999999")),
            "time: is before 2023-11-14T22:13:20.000000Z, the earliest accepted");
  EXPECT_EQ(Read(p, String("2027-01-15T08:00:00.000001Z")),
            "time: is after 2027-01-15T08:00:00.000000Z, the latest accepted");
}

TEST(ParseTimestamp, KeepsToTheWindowAroundTheArrival) {
  Parser p;
  p.context.arrival = Timestamp(std::chrono::seconds(1'700'000'000));
  p.options.time.max_age = std::chrono::hours(24);
  p.options.time.max_ahead = std::chrono::minutes(5);
  EXPECT_EQ(Read(p, Number("1699913600")), "2023-11-13T22:13:20.000000Z");
  EXPECT_EQ(Read(p, Number("1700000300")), "2023-11-14T22:18:20.000000Z");
  EXPECT_EQ(Read(p, Number("1699913599")),
            "time: is before 2023-11-13T22:13:20.000000Z, the earliest accepted");
  EXPECT_EQ(Read(p, String("2023-11-14T22:18:21Z")),
            "time: is after 2023-11-14T22:18:20.000000Z, the latest accepted");
  EXPECT_EQ(Read(p, String("200000-01-01")).substr(0, 5), "time:");
}

TEST(ParseDate, TakesTheDateAsWritten) {
  Parser p;
  const auto date = [&](const Token& token) { return AsJson(p.Parse<Date>(token).value); };
  EXPECT_EQ(date(String("2024-01-15")), "\"2024-01-15\"");
  EXPECT_EQ(date(String("20240115")), "\"2024-01-15\"");
  EXPECT_EQ(date(String("2024-01-15T23:30:00-05:00")), "\"2024-01-15\"");
  EXPECT_EQ(date(Number("1705314600")), "\"2024-01-15\"");
  EXPECT_EQ(date(Number("-1")), "\"1969-12-31\"");
  EXPECT_EQ(p.CodeOf<Date>(String("2024-02-30")), RejectCode::kTime);
  EXPECT_EQ(p.CodeOf<Date>({TokenKind::kFalse, "false"}), RejectCode::kType);
}

TEST(CivilTime, AgreesWithTheCalendarOfTheStandardLibrary) {
  for (std::int64_t day = -3'000'000; day < 4'000'000; day += 37) {
    const std::chrono::year_month_day ymd{std::chrono::sys_days{std::chrono::days{day}}};
    if (!ymd.ok()) continue;
    const CivilDate civil = CivilFromDays(day);
    ASSERT_EQ(civil.year, static_cast<int>(ymd.year()));
    ASSERT_EQ(civil.month, static_cast<unsigned>(ymd.month()));
    ASSERT_EQ(civil.day, static_cast<unsigned>(ymd.day()));
    ASSERT_EQ(DaysFromCivil(civil.year, civil.month, civil.day), day);
    ASSERT_TRUE(IsValidDate(civil.year, civil.month, civil.day));
  }
}

TEST(WriteTimestamp, WritesWhatParseTimestampReads) {
  Parser p;
  std::mt19937_64 random(11);
  for (int i = 0; i < 100'000; ++i) {
    // Years 0000 to 9999.
    const auto micros =
        static_cast<std::int64_t>(random() % 315'569'520'000'000'000u) - 62'167'219'200'000'000;
    const Timestamp time{std::chrono::microseconds(micros)};
    const std::string text = FormatTimestamp(time);
    ASSERT_EQ(p.Parse<Timestamp>(String(text)).value, time) << text;
  }
}

// ---- The conformance vectors, when $TSINGEST_DATA names the folder that has them. ----

struct Vector {
  std::string text;
  std::string verdict;  // "true", "false"
  bool is_rfc3339 = false;
};

std::string Member(Parser& p, const std::string& line, std::string_view name) {
  const std::size_t at = line.find("\"" + std::string(name) + "\": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 4;
  std::size_t end = begin + 1;
  if (line[begin] == '"') {
    while (line[end] != '"' || line[end - 1] == '\\') ++end;
    Token token;
    EXPECT_EQ(
        ReadJsonValue(std::string_view(line).substr(begin, end + 1 - begin), p.context, &token),
        RejectCode::kOk);
    return std::string(token.text);
  }
  end = line.find_first_of(",}", begin);
  return line.substr(begin, end - begin);
}

// What ISO 8601, PostgreSQL or TOML 1.1 itself has beyond TOML 1.0's grammar, and we read on
// purpose.
bool IsMeantToBeRead(const std::string& text) {
  for (const char* known : {"1987-07-05T17:45Z", "1987-07-05T17:45", "1997-09-09T09:09:09.09+0909",
                            "1997-09-09T09:09:09.09+09"}) {
    if (text == known) return true;
  }
  return false;
}

// TOML's local times have no date, and one vector is a TOML string.
bool IsNoTimestampAtAll(const std::string& text) {
  return text.find('-') == std::string::npos || text.front() == '\'';
}

TEST(ParseTimestamp, PassesTheConformanceVectors) {
  const char* const folder = std::getenv("TSINGEST_DATA");
  if (folder == nullptr)
    GTEST_SKIP() << "set TSINGEST_DATA to the folder with conformance/timestamps";
  std::ifstream file(std::string(folder) + "/conformance/timestamps/vectors.jsonl");
  ASSERT_TRUE(file.is_open());
  Parser p;
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const std::string text = Member(p, line, "text");
    std::string verdict = Member(p, line, "rfc3339_valid");
    if (verdict.empty()) verdict = Member(p, line, "toml_valid");
    const bool expected = IsMeantToBeRead(text) || (verdict == "true" && !IsNoTimestampAtAll(text));
    EXPECT_EQ(Read(p, String(text)).substr(0, 4) != "time", expected) << line;
  }
  EXPECT_EQ(count, 124);
}

}  // namespace
}  // namespace tsingest::testing
