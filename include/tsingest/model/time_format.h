// Times in a format that the user describes, in the manner of strptime().
#ifndef TSINGEST_MODEL_TIME_FORMAT_H_
#define TSINGEST_MODEL_TIME_FORMAT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tsingest/model/civil_time.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/iso_time.h"

namespace tsingest {

// Directives of TimeOptions::format. The whole text must match.
//
//   %Y  year, 4 digits              %H  hour 0-24, 1 or 2 digits (24 only in 24:00:00, the day's
//   end) %y  year, 2 digits: 69-99 are   %I  hour 1-12, with %p
//       1969-1999, 00-68 2000-2068  %p  AM or PM
//   %m  month 1-12                  %M  minute 0-59, 1 or 2 digits
//   %b  month's English name, short %S  second 0-59, 60 for a leap second, 1 or 2 digits
//   %B  or long (either reads both) %f  fraction of the second, any number of digits
//   %d  day of the month, 1 or 2    %z  offset: Z, UTC, GMT, ±HH, ±HHMM, ±HH:MM[:SS]
//   %j  day of the year, 1-3 digits %s  seconds since 1970-01-01T00:00:00Z, perhaps negative
//   %a  weekday's English name      %T  %H:%M:%S      %F  %Y-%m-%d
//   %A  (not checked)               %%  a percent sign
//
// A blank in the format stands for any number of blanks, even none; every other character for
// itself. Names are read in any case. %f may follow %S or %s. A time of day that the format does
// not mention is 0.

namespace internal {

inline constexpr std::string_view kMonths[] = {"january",   "february", "march",    "april",
                                               "may",       "june",     "july",     "august",
                                               "september", "october",  "november", "december"};
inline constexpr std::string_view kWeekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                                 "thursday", "friday", "saturday"};

// What the directives have read so far.
struct FormattedFields {
  std::int64_t year = -1;
  unsigned month = 0;
  unsigned day = 0;
  unsigned day_of_year = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  int half_day = -1;  // 0: AM, 1: PM
  bool twelve_hours = false;
  bool has_epoch = false;
  bool epoch_is_negative = false;
  std::int64_t epoch_seconds = 0;  // without its sign
};

// Index of the name, long or short, that the text goes on with; -1: none.
template <std::size_t N>
int TakeName(TimeCursor& in, const std::string_view (&names)[N]) {
  for (std::size_t i = 0; i < N; ++i) {
    if (in.TakeWord(names[i]) || in.TakeWord(names[i].substr(0, 3))) return static_cast<int>(i);
  }
  return -1;
}

inline bool TakeTwoDigitYear(TimeCursor& in, FormattedFields* fields) {
  unsigned year = 0;
  if (!in.TakeTwo(&year)) return false;
  fields->year = year < 69 ? 2000 + year : 1900 + year;
  return true;
}

inline bool TakeEpochSeconds(TimeCursor& in, FormattedFields* fields) {
  fields->epoch_is_negative = in.Take('-');
  const std::size_t count = in.CountDigits();
  if (count == 0 || count > 12) return false;
  std::int64_t seconds = 0;
  for (std::size_t i = 0; i < count; ++i) seconds = seconds * 10 + (in.position()[i] - '0');
  in.Skip(count);
  fields->epoch_seconds = seconds;
  fields->has_epoch = true;
  return true;
}

inline bool TakeOffset(TimeCursor& in, WrittenTime* out) {
  out->has_offset = true;
  if (in.TakeWord("z") || in.TakeWord("utc") || in.TakeWord("gmt")) return true;
  return TakeNumericOffset(in, &out->offset_seconds);
}

inline bool TakeFormat(std::string_view format, TimeCursor& in, FormattedFields* fields,
                       WrittenTime* out);

inline bool TakeDirective(char directive, TimeCursor& in, FormattedFields* fields,
                          WrittenTime* out) {
  unsigned number = 0;
  int index = 0;
  switch (directive) {
    case 'Y':
      if (!in.TakeNumber(4, 4, &number)) return false;
      fields->year = number;
      return true;
    case 'y':
      return TakeTwoDigitYear(in, fields);
    case 'm':
      return in.TakeNumber(1, 2, &fields->month);
    case 'b':
    case 'B':
      index = TakeName(in, kMonths);
      fields->month = static_cast<unsigned>(index + 1);
      return index >= 0;
    case 'd':
      return in.TakeNumber(1, 2, &fields->day);
    case 'j':
      return in.TakeNumber(1, 3, &fields->day_of_year);
    case 'a':
    case 'A':
      return TakeName(in, kWeekdays) >= 0;
    case 'H':
      return in.TakeNumber(1, 2, &fields->hour);
    case 'I':
      fields->twelve_hours = true;
      return in.TakeNumber(1, 2, &fields->hour) && fields->hour - 1 < 12;
    case 'p':
      fields->half_day = in.TakeWord("am") ? 0 : in.TakeWord("pm") ? 1 : -1;
      return fields->half_day >= 0;
    case 'M':
      return in.TakeNumber(1, 2, &fields->minute);
    case 'S':
      return in.TakeNumber(1, 2, &fields->second);
    case 'f':
      return in.TakeFraction(&out->micros);
    case 'z':
      return TakeOffset(in, out);
    case 's':
      return TakeEpochSeconds(in, fields);
    case 'T':
      return TakeFormat("%H:%M:%S", in, fields, out);
    case 'F':
      return TakeFormat("%Y-%m-%d", in, fields, out);
    case '%':
      return in.Take('%');
    default:
      return false;
  }
}

inline bool TakeFormat(std::string_view format, TimeCursor& in, FormattedFields* fields,
                       WrittenTime* out) {
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      if (!TakeDirective(format[++i], in, fields, out)) return false;
    } else if (IsBlank(format[i])) {
      while (IsBlank(in.Peek())) in.Skip(1);
    } else if (!in.Take(format[i])) {
      return false;
    }
  }
  return true;
}

inline bool StoreDate(const FormattedFields& fields, WrittenTime* out) {
  if (fields.year < 0) return false;
  if (fields.day_of_year != 0) {
    if (fields.day_of_year > (IsLeapYear(fields.year) ? 366u : 365u)) return false;
    out->days = DaysFromCivil(fields.year, 1, 1) + fields.day_of_year - 1;
    return true;
  }
  if (!IsValidDate(fields.year, fields.month, fields.day)) return false;
  out->days = DaysFromCivil(fields.year, fields.month, fields.day);
  return true;
}

inline bool StoreEpochFields(const FormattedFields& fields, WrittenTime* out) {
  std::int64_t seconds = fields.epoch_seconds;
  if (fields.epoch_is_negative) {
    seconds = -seconds - (out->micros != 0 ? 1 : 0);
    out->micros = out->micros != 0 ? 1'000'000 - out->micros : 0;
  }
  out->days = (seconds >= 0 ? seconds : seconds - 86'399) / 86'400;
  out->second_of_day = static_cast<std::uint32_t>(seconds - out->days * 86'400);
  out->has_offset = true;
  out->offset_seconds = 0;
  return out->Civil() >= kMinTimestamp;
}

inline bool StoreFields(const FormattedFields& fields, WrittenTime* out) {
  if (fields.has_epoch) return StoreEpochFields(fields, out);
  if (!StoreDate(fields, out)) return false;
  unsigned hour = fields.hour;
  if (fields.twelve_hours) hour = hour % 12 + (fields.half_day == 1 ? 12 : 0);
  if (hour == 24) return StoreEndOfDay(fields.minute, fields.second, out);
  return StoreTimeOfDay(hour, fields.minute, fields.second, out);
}

// False: the text does not match the format, or is no time.
inline bool ReadFormattedTime(std::string_view format, std::string_view text, WrittenTime* out) {
  TimeCursor in(text);
  FormattedFields fields;
  return TakeFormat(format, in, &fields, out) && in.AtEnd() && StoreFields(fields, out);
}

}  // namespace internal

// What is wrong with a time format, for whoever configured it; empty: it is good.
inline std::string CheckTimeFormat(std::string_view format) {
  constexpr std::string_view kKnown = "YymbBdjaAHIpMSfzsTF%";
  std::string seen;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    const std::string_view directive = format.substr(i, 2);
    if (directive.size() < 2 || kKnown.find(directive[1]) == std::string_view::npos) {
      return "time format \"" + std::string(format) + "\": unknown directive \"" +
             std::string(directive) +
             "\"; known are %Y %y %m %b %B %d %j %a %A %H %I %p %M %S %f " + "%z %s %T %F %%";
    }
    seen += directive[1];
    ++i;
  }
  const auto has = [&](std::string_view any) { return seen.find_first_of(any) != seen.npos; };
  const bool has_date = has("Yy") && (has("j") || (has("mbB") && has("d")));
  if (!has("sF") && !has_date) {
    return "time format \"" + std::string(format) +
           "\": no complete date; it needs %Y (or %y) with %m (or %b) and %d, or %j, or %F or %s";
  }
  if (has("I") != has("p")) {
    return "time format \"" + std::string(format) + "\": %I and %p go together";
  }
  return {};
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_TIME_FORMAT_H_
