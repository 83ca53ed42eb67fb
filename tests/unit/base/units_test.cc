#include "tsingest/base/units.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace tsingest {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(ParseSize, ReadsBytesAndBothKindsOfUnits) {
  EXPECT_EQ(*ParseSize("0"), 0);
  EXPECT_EQ(*ParseSize("8388608"), 8388608);
  EXPECT_EQ(*ParseSize("8MiB"), 8388608);
  EXPECT_EQ(*ParseSize("8 mib"), 8388608);
  EXPECT_EQ(*ParseSize("64K"), 65536);
  EXPECT_EQ(*ParseSize("10MB"), 10'000'000);
  EXPECT_EQ(*ParseSize("1.5KiB"), 1536);
  EXPECT_EQ(*ParseSize("0.1GiB"), 107374182);
  EXPECT_EQ(*ParseSize("9223372036854775807"), 9223372036854775807);
}

TEST(ParseSize, RejectsEverythingElse) {
  for (const char* bad : {"", "MiB", "-1", "+1", "1..5K", "5.", ".5K", "1K2", "1KiBs", "8 MiB 1",
                          "0x10", "9223372036854775808", "9007199254740992KiB", "1e6", "NaN"}) {
    EXPECT_FALSE(ParseSize(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseSize("lots").status().message(),
            "\"lots\" is not a size; write bytes or a number with KiB, MiB or GiB (8MiB)");
}

TEST(ParseDuration, ReadsUnitsFractionsAndSums) {
  EXPECT_EQ(*ParseDuration("0"), nanoseconds(0));
  EXPECT_EQ(*ParseDuration("100ms"), milliseconds(100));
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("250us"), nanoseconds(250'000));
  EXPECT_EQ(*ParseDuration("2h15m30s"), hours(2) + minutes(15) + seconds(30));
  EXPECT_EQ(*ParseDuration("7d"), hours(168));
  EXPECT_EQ(*ParseDuration("5 min"), minutes(5));
  EXPECT_EQ(*ParseDuration("90 days"), hours(24 * 90));
  EXPECT_EQ(*ParseDuration("1 hour 30 minutes"), minutes(90));
}

TEST(ParseDuration, RejectsWhatHasNoOrAnUnknownUnit) {
  for (const char* bad : {"", "5", "s", "-5s", "5 months", "1h30", "1e3s", "300000d", "S5", "5S"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseDuration("100").status().message(),
            "\"100\" is not a duration; write a number with ms, s, m, h or d (100ms)");
}

TEST(ParseRate, ReadsCountsPerSecondMinuteAndHour) {
  EXPECT_EQ(*ParseRate("1000/s"), 1000.0);
  EXPECT_EQ(*ParseRate("2.5"), 2.5);
  EXPECT_EQ(*ParseRate("90/min"), 1.5);
  EXPECT_EQ(*ParseRate("1800/h"), 0.5);
}

TEST(ParseRate, RejectsEverythingElse) {
  for (const char* bad : {"", "/s", "0/s", "-1/s", "+1/s", "1/", "1/week", "1 /s", "1e3/s", "inf/s",
                          "nan/s", "1/s/s", "s", "0x10/s"}) {
    EXPECT_FALSE(ParseRate(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseRate("fast").status().message(),
            "\"fast\" is not a rate; write a number above 0 with /s, /min or /h (1000/s)");
}

TEST(Format, GivesRatesThatParseBackExactly) {
  EXPECT_EQ(FormatRate(1000), "1000/s");
  for (const double rate : {0.1, 1.0 / 3, 1.5, 123456.789, 1e-7, 1e15}) {
    EXPECT_EQ(*ParseRate(FormatRate(rate)), rate);
  }
}

TEST(Format, GivesTheExactTextThatParsesBack) {
  EXPECT_EQ(FormatSize(8388608), "8MiB");
  EXPECT_EQ(FormatSize(1000), "1000");
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatDuration(hours(2) + minutes(15) + seconds(30)), "2h15m30s");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1s500ms");
  EXPECT_EQ(FormatDuration(hours(48)), "2d");
  EXPECT_EQ(FormatDuration(nanoseconds(0)), "0s");
  for (const std::int64_t value :
       {1LL, 999LL, 1'000'001LL, 86'400'000'000'001LL, 9'000'000'000'000'000LL}) {
    EXPECT_EQ(ParseDuration(FormatDuration(nanoseconds(value)))->count(), value);
    EXPECT_EQ(*ParseSize(FormatSize(value)), value);
  }
}

}  // namespace
}  // namespace tsingest
