#include "tsingest/model/time_zone.h"

#include <chrono>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tsingest/model/parse_time.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

Timestamp Day(int year, unsigned month, unsigned day) {
  return std::chrono::sys_days(std::chrono::year(year) / month / day);
}

std::string Read(const char* zone_name, const char* text) {
  auto zone = AbslTimeZone::Load(zone_name);
  if (!zone.ok()) return std::string(zone.status().message());
  Parser p;
  p.options.time.zone = zone->get();
  const auto parsed = p.Parse<Timestamp>(Cell(text));
  return parsed.code == RejectCode::kOk ? FormatTimestamp(parsed.value) : parsed.why;
}

TEST(AbslTimeZone, KnowsTheRulesOfNamedZones) {
  EXPECT_EQ(Read("Europe/Berlin", "2024-01-15 10:30:00.25"), "2024-01-15T09:30:00.250000Z");
  EXPECT_EQ(Read("Europe/Berlin", "2024-07-15 10:30:00"), "2024-07-15T08:30:00.000000Z");
  EXPECT_EQ(Read("America/New_York", "2024-07-15"), "2024-07-15T04:00:00.000000Z");
  EXPECT_EQ(Read("UTC", "2024-07-15 10:30:00"), "2024-07-15T10:30:00.000000Z");
  EXPECT_EQ(Read("Asia/Kolkata", "1960-01-01 05:30:00"), "1960-01-01T00:00:00.000000Z");
}

TEST(AbslTimeZone, RefusesARepeatedHourWithoutOrderAndASkippedOne) {
  EXPECT_THAT(Read("Europe/Berlin", "2024-10-27 02:30:00"),
              ::testing::HasSubstr("--ambiguous-time"));
  EXPECT_EQ(Read("Europe/Berlin", "2024-03-31 02:30:00"),
            "is a local time that does not exist: the zone's clocks are put forward over it");
  EXPECT_EQ(Read("Europe/Berlin", "2024-03-31 03:00:00"), "2024-03-31T01:00:00.000000Z");
}

TEST(AbslTimeZone, KnowsBothInstantsOfARepeatedTime) {
  const auto zone = AbslTimeZone::Load("Europe/Berlin");
  const Timestamp half_past = Day(2024, 10, 27) + std::chrono::minutes(150);
  const LocalInstants found = (*zone)->Find(half_past);
  EXPECT_EQ(found.kind, LocalInstants::Kind::kRepeated);
  EXPECT_EQ(FormatTimestamp(found.first), "2024-10-27T00:30:00.000000Z");
  EXPECT_EQ(FormatTimestamp(found.second), "2024-10-27T01:30:00.000000Z");
  EXPECT_EQ((*zone)->Find(Day(2024, 10, 27) + std::chrono::hours(3)).kind,
            LocalInstants::Kind::kUnique);
}

TEST(AbslTimeZone, FindsTheNextRepeatedHour) {
  const auto zone = AbslTimeZone::Load("Europe/Berlin");
  const auto hour = (*zone)->NextRepeatedHour(Day(2024, 1, 15));
  ASSERT_TRUE(hour.has_value());
  EXPECT_EQ(FormatTimestamp(hour->begin), "2024-10-27T02:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(hour->end), "2024-10-27T03:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(hour->at), "2024-10-27T01:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp((*zone)->NextRepeatedHour(hour->at)->begin),
            "2025-10-26T02:00:00.000000Z");
  EXPECT_FALSE((*AbslTimeZone::Load("+02:00"))->NextRepeatedHour(Day(2024, 1, 15)).has_value());
  // By half an hour, and south of the equator.
  const auto howe = (*AbslTimeZone::Load("Australia/Lord_Howe"))->NextRepeatedHour(Day(2024, 1, 1));
  ASSERT_TRUE(howe.has_value());
  EXPECT_EQ(howe->end - howe->begin, std::chrono::minutes(30));
  EXPECT_EQ(FormatTimestamp(howe->at), "2024-04-06T15:00:00.000000Z");
}

TEST(AbslTimeZone, TakesFixedOffsets) {
  EXPECT_EQ(Read("+02:00", "2024-07-15 10:30:00"), "2024-07-15T08:30:00.000000Z");
  EXPECT_EQ(Read("-0330", "2024-07-15 10:30:00"), "2024-07-15T14:00:00.000000Z");
  EXPECT_EQ(Read("+9", "2024-07-15 10:30:00"), "2024-07-15T01:30:00.000000Z");
}

TEST(AbslTimeZone, SaysWhenAZoneIsNotKnown) {
  EXPECT_EQ(Read("Europe/Berln", ""),
            "time zone \"Europe/Berln\" is not known: expected a name of the IANA database such as "
            "Europe/Berlin (Debian package tzdata) or an offset such as +02:00");
  for (const char* bad : {"", " ", "/etc/localtime", "../Europe/Berlin", "localtime", "CEST2"}) {
    EXPECT_NE(Read(bad, "2024-07-15").find("is not known"), std::string::npos) << bad;
  }
  EXPECT_EQ(Read("+25:00", ""), "time zone \"+25:00\": not an offset; expected one such as +02:00");
  EXPECT_EQ(Read("+2:0", ""), "time zone \"+2:0\": not an offset; expected one such as +02:00");
}

}  // namespace
}  // namespace tsingest::testing
