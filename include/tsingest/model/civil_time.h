// Dates and times of day in the proleptic Gregorian calendar, what PostgreSQL can store of them,
// and their text.
#ifndef TSINGEST_MODEL_CIVIL_TIME_H_
#define TSINGEST_MODEL_CIVIL_TIME_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/types.h"

namespace tsingest {

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// 2000-01-01T00:00:00Z, where PostgreSQL counts from, in microseconds and days of the Unix epoch.
inline constexpr std::int64_t kPgEpochMicros = 946'684'800 * kMicrosPerSecond;
inline constexpr std::int64_t kPgEpochDays = 10'957;

// What timestamptz can hold of a Timestamp: from 4714-11-24 BC (Julian day 0; PostgreSQL writes
// 4713 BC) to the end of the C++ type in the year 294247, just short of PostgreSQL's own 294276.
// Outside the server says 22008.
inline constexpr Timestamp kMinTimestamp{
    std::chrono::microseconds{-211'813'488'000'000'000 + kPgEpochMicros}};
inline constexpr Timestamp kMaxTimestamp = Timestamp::max();
inline constexpr std::string_view kTimestampRangeRule =
    "is outside the years 4713 BC to 294247 that a timestamp can have";

// What date can hold: 4714-11-24 BC to 5874897-12-31.
inline constexpr Date kMinDate{std::chrono::days{-2'451'545 + kPgEpochDays}};
inline constexpr Date kMaxDate{std::chrono::days{2'147'483'493 - 2'451'545 + kPgEpochDays}};
inline constexpr std::string_view kDateRangeRule =
    "is outside the years 4713 BC to 5874897 that a date can have";

constexpr bool IsLeapYear(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Requires month in 1..12.
constexpr unsigned DaysInMonth(std::int64_t year, unsigned month) {
  constexpr unsigned char kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[month - 1] + (month == 2 && IsLeapYear(year) ? 1u : 0u);
}

constexpr bool IsValidDate(std::int64_t year, unsigned month, unsigned day) {
  return month - 1 < 12 && day - 1 < DaysInMonth(year, month);
}

// Days since 1970-01-01 of a valid date. Years are astronomical: 0 is 1 BC.
constexpr std::int64_t DaysFromCivil(std::int64_t year, unsigned month, unsigned day) {
  // Years begin in March, so that the leap day is the last one, and are made positive by whole eras
  // of 400 years, which have 146,097 days each.
  constexpr std::int64_t kEras = 25'000;
  const auto y = static_cast<std::uint32_t>(year + kEras * 400 - (month <= 2 ? 1 : 0));
  const std::uint32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::uint32_t century = y / 100;
  const std::uint64_t days = std::uint64_t{y} * 365 + y / 4 - century + century / 4 + day_of_year;
  return static_cast<std::int64_t>(days) - (kEras * 146'097 + 719'468);
}

struct CivilDate {
  std::int64_t year = 1970;
  unsigned month = 1;
  unsigned day = 1;
};

// The date of a day counted from 1970-01-01.
constexpr CivilDate CivilFromDays(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<std::uint32_t>(days - era * 146'097);
  const std::uint32_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint32_t shifted = (5 * day_of_year + 2) / 153;
  const std::uint32_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted + 2) / 5 + 1};
}

// Longest text of WriteTimestamp() and WriteDate().
inline constexpr std::size_t kMaxTimestampText = 36;

namespace internal {

// `value` as at least `width` digits.
constexpr char* WriteDigits(char* out, std::uint64_t value, int width) {
  char digits[20] = {};
  int count = 0;
  while (value != 0 || count < width) {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  while (count != 0) *out++ = digits[--count];
  return out;
}

}  // namespace internal

// "2024-01-15" at `out`, which has room for kMaxTimestampText bytes; returns the byte after. Years
// outside 0000 to 9999 carry a sign, as in ISO 8601: "+12024-01-15", "-0043-03-15".
constexpr char* WriteDate(char* out, Date date) {
  // No date PostgreSQL can store is cut here, only what would overflow on the way.
  constexpr std::int64_t kMaxDays = std::int64_t{1} << 53;
  const std::int64_t days = date.time_since_epoch().count();
  const CivilDate civil = CivilFromDays(std::clamp<std::int64_t>(days, -kMaxDays, kMaxDays));
  if (civil.year < 0) *out++ = '-';
  if (civil.year > 9999) *out++ = '+';
  out = internal::WriteDigits(
      out, static_cast<std::uint64_t>(civil.year < 0 ? -civil.year : civil.year), 4);
  *out++ = '-';
  out = internal::WriteDigits(out, civil.month, 2);
  *out++ = '-';
  return internal::WriteDigits(out, civil.day, 2);
}

// RFC 3339 with microseconds, in UTC: "2024-01-15T10:30:00.123000Z", at `out`, which has room for
// kMaxTimestampText bytes; returns the byte after. Years as in WriteDate().
constexpr char* WriteTimestamp(char* out, Timestamp time) {
  // By remainder: floor<days>() would overflow near the ends of the type.
  const std::int64_t count = time.time_since_epoch().count();
  const std::int64_t rest = count % kMicrosPerDay;
  const auto micros = static_cast<std::uint64_t>(rest < 0 ? rest + kMicrosPerDay : rest);
  out = WriteDate(out, Date(std::chrono::days(count / kMicrosPerDay - (rest < 0 ? 1 : 0))));
  *out++ = 'T';
  const std::uint64_t seconds = micros / kMicrosPerSecond;
  out = internal::WriteDigits(out, seconds / 3600, 2);
  *out++ = ':';
  out = internal::WriteDigits(out, seconds / 60 % 60, 2);
  *out++ = ':';
  out = internal::WriteDigits(out, seconds % 60, 2);
  *out++ = '.';
  out = internal::WriteDigits(out, micros % kMicrosPerSecond, 6);
  *out++ = 'Z';
  return out;
}

inline std::string FormatTimestamp(Timestamp time) {
  char text[kMaxTimestampText];
  return {text, WriteTimestamp(text, time)};
}

inline std::string FormatDate(Date date) {
  char text[kMaxTimestampText];
  return {text, WriteDate(text, date)};
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_CIVIL_TIME_H_
