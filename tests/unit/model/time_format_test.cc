#include "tsingest/model/time_format.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tsingest/model/parse_time.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

// The instant as text, or the reject's reason.
std::string Read(std::string_view format, const Token& token) {
  Parser p;
  p.options.time.format = format;
  const auto parsed = p.Parse<Timestamp>(token);
  return parsed.code == RejectCode::kOk ? FormatTimestamp(parsed.value) : parsed.why;
}
std::string Read(std::string_view format, std::string_view text) {
  return Read(format, Cell(text));
}

TEST(TimeFormat, ReadsEveryDirective) {
  const struct {
    std::string_view format;
    std::string_view text;
    std::string_view instant;
  } cases[] = {
      {"%d/%m/%Y %H.%M.%S", "10/03/2004 18.00.00", "2004-03-10T18:00:00.000000Z"},
      {"%d.%m.%y %H:%M", "1.2.24 7:05", "2024-02-01T07:05:00.000000Z"},
      {"%d.%m.%y", "01.02.69", "1969-02-01T00:00:00.000000Z"},
      {"%d.%m.%y", "01.02.68", "2068-02-01T00:00:00.000000Z"},
      {"%m/%d/%Y %I:%M:%S %p", "01/15/2024 12:30:00 AM", "2024-01-15T00:30:00.000000Z"},
      {"%m/%d/%Y %I:%M:%S %p", "01/15/2024 12:30:00 pm", "2024-01-15T12:30:00.000000Z"},
      {"%m/%d/%Y %I:%M:%S %p", "01/15/2024 01:30:00 PM", "2024-01-15T13:30:00.000000Z"},
      {"%d %b %Y", "15 Jan 2024", "2024-01-15T00:00:00.000000Z"},
      {"%d %B %Y", "5 december 2024", "2024-12-05T00:00:00.000000Z"},
      {"%a, %d %b %Y %T %z", "Mon, 15 Jan 2024 10:30:00 +0100", "2024-01-15T09:30:00.000000Z"},
      {"%A %d %B %Y", "Thursday 29 February 2024", "2024-02-29T00:00:00.000000Z"},
      {"%Y %j", "2024 366", "2024-12-31T00:00:00.000000Z"},
      {"%Y-%m-%dT%H:%M:%S.%f%z", "2024-01-15T10:30:00.1234565Z", "2024-01-15T10:30:00.123456Z"},
      {"%F %T", "2024-01-15 10:30:00", "2024-01-15T10:30:00.000000Z"},
      {"%F %T", "2024-01-15    10:30:00", "2024-01-15T10:30:00.000000Z"},
      {"%F%T", "2024-01-1510:30:00", "2024-01-15T10:30:00.000000Z"},
      {"%s", "1705314600", "2024-01-15T10:30:00.000000Z"},
      {"%s.%f", "-1.5", "1969-12-31T23:59:58.500000Z"},
      {"%s.%f", "-0.25", "1969-12-31T23:59:59.750000Z"},
      {"@%s%%", "@0%", "1970-01-01T00:00:00.000000Z"},
      {"%Y%m%d", "20240115", "2024-01-15T00:00:00.000000Z"},
      {"%F %H:%M:%S", "2024-01-15 24:00:00", "2024-01-16T00:00:00.000000Z"},
      {"%F %T", "2016-12-31 23:59:60", "2017-01-01T00:00:00.000000Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Read(c.format, c.text), c.instant) << c.format << " " << c.text;
    EXPECT_EQ(CheckTimeFormat(c.format), "") << c.format;
  }
}

TEST(TimeFormat, IsForNumbersToo) {
  EXPECT_EQ(Read("%Y%m%d", Number("20240115")), "2024-01-15T00:00:00.000000Z");
}

TEST(TimeFormat, RefusesWhatDoesNotMatch) {
  const struct {
    std::string_view format;
    std::string_view text;
  } cases[] = {
      {"%d/%m/%Y", "13/13/2024"},
      {"%d/%m/%Y", "30/02/2024"},
      {"%d/%m/%Y", "1/1/24"},
      {"%d/%m/%Y", "01-01-2024"},
      {"%d/%m/%Y", "01/01/2024x"},
      {"%d/%m/%Y", "01/01/"},
      {"%F %T", "2024-01-15"},
      {"%F %T", "2024-01-15 24:00:01"},
      {"%F %H:%M", "2024-01-15 10:60"},
      {"%Y %j", "2023 366"},
      {"%Y %j", "2024 0"},
      {"%d %b %Y", "15 Jux 2024"},
      {"%F %I %p", "2024-01-15 13 PM"},
      {"%F %I %p", "2024-01-15 0 PM"},
      {"%s", "1e9"},
      {"%s", "9999999999999999999999"},
      {"%s", "-999999999999"},
      {"%F %z", "2024-01-15 +25:00"},
      {"%F.%f", "2024-01-15."},
      {"%y-%m-%d", "2024-01-15"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Read(c.format, c.text), "does not match the time format " + std::string(c.format))
        << c.format << " " << c.text;
  }
}

TEST(CheckTimeFormat, SaysWhatIsWrong) {
  EXPECT_EQ(
      CheckTimeFormat("%Y-%m-%d %Q"),
      "time format \"%Y-%m-%d %Q\": unknown directive \"%Q\"; known are %Y %y %m %b %B %d %j %a "
      "%A %H %I %p %M %S %f %z %s %T %F %%");
  EXPECT_EQ(
      CheckTimeFormat("%H:%M"),
      "time format \"%H:%M\": no complete date; it needs %Y (or %y) with %m (or %b) and %d, or "
      "%j, or %F or %s");
  EXPECT_NE(CheckTimeFormat("%F %"), "");
  EXPECT_NE(CheckTimeFormat("%F %I"), "");
  EXPECT_NE(CheckTimeFormat("%F %p"), "");
  EXPECT_NE(CheckTimeFormat("%m-%d"), "");
}

}  // namespace
}  // namespace tsingest::testing
