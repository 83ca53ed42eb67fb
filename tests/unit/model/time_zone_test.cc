#include "tsingest/model/time_zone.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tsingest/model/parse_time.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

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

TEST(AbslTimeZone, TakesTheFirstOfARepeatedHourAndRefusesASkippedOne) {
  EXPECT_EQ(Read("Europe/Berlin", "2024-10-27 02:30:00"), "2024-10-27T00:30:00.000000Z");
  EXPECT_EQ(Read("Europe/Berlin", "2024-03-31 02:30:00"),
            "is a local time that does not exist: the zone's clocks are put forward over it");
  EXPECT_EQ(Read("Europe/Berlin", "2024-03-31 03:00:00"), "2024-03-31T01:00:00.000000Z");
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
