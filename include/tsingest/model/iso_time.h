// ISO 8601 / RFC 3339 text to a civil time with offset.
#ifndef TSINGEST_MODEL_ISO_TIME_H_
#define TSINGEST_MODEL_ISO_TIME_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/internal/digits.h"
#include "tsingest/model/time_options.h"

namespace tsingest {

namespace internal {

// A time as written, before its offset is applied. Fields are in range.
struct WrittenTime {
  std::int64_t days = 0;            // of the date, since 1970-01-01
  std::uint32_t second_of_day = 0;  // 0 to 86400; a leap second counts as second 59
  std::uint32_t micros = 0;         // 0 to 1000000, after rounding
  bool leap_second = false;         // written with second 60
  bool has_offset = false;
  std::int32_t offset_seconds = 0;  // east of UTC

  // As if it were UTC.
  Timestamp Civil() const {
    const std::int64_t seconds = days * 86'400 + second_of_day + (leap_second ? 1 : 0);
    return Timestamp(std::chrono::microseconds(seconds * kMicrosPerSecond + micros));
  }
};

// Why the time is none; empty: *out is it. UTC, or `zone`, is taken when no offset was written;
// `local` tells whether *out is the first of two then.
inline std::string_view ToInstant(const WrittenTime& time, const TimeZoneRule* zone,
                                  LocalInstants* local, Timestamp* out) {
  *out = time.Civil();
  if (time.has_offset) {
    *out -= std::chrono::seconds(time.offset_seconds);
  } else if (zone != nullptr) {
    *local = zone->Find(*out);
    if (local->kind == LocalInstants::Kind::kSkipped) {
      return "is a local time that does not exist: the zone's clocks are put forward over it";
    }
    *out = local->first;
  }
  if (!time.leap_second) [[likely]]
    return {};
  const std::int64_t second = out->time_since_epoch().count() - time.micros;
  if (second % kMicrosPerDay == 0) return {};
  return "has second 60 at another minute than 23:59 UTC";
}

// Microseconds of the digits behind a decimal point: rounded half to even, so 0 to 1000000.
inline std::uint32_t RoundFraction(const char* digits, std::size_t count) {
  std::uint32_t micros = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    micros = micros * 10 + (i < count ? static_cast<std::uint32_t>(digits[i] - '0') : 0);
  }
  if (count <= 6 || digits[6] < '5') return micros;
  bool above_half = digits[6] > '5' || (micros & 1) != 0;
  for (std::size_t i = 7; i < count && !above_half; ++i) above_half = digits[i] != '0';
  return micros + (above_half ? 1 : 0);
}

// Walks over a text. Every Take returns false, or 0, and may have moved when the text is not so.
class TimeCursor {
 public:
  explicit TimeCursor(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  bool AtEnd() const { return p_ == end_; }
  const char* position() const { return p_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - p_); }
  void Skip(std::size_t bytes) { p_ += bytes; }
  char Peek() const { return p_ == end_ ? '\0' : *p_; }

  bool Take(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }

  // Takes a word given in lower case, whatever its case in the text.
  bool TakeWord(std::string_view lower) {
    if (left() < lower.size() || !EqualsIgnoringCase({p_, lower.size()}, lower)) return false;
    p_ += lower.size();
    return true;
  }

  std::size_t CountDigits() const {
    const char* p = p_;
    while (p != end_ && IsDigit(*p)) ++p;
    return static_cast<std::size_t>(p - p_);
  }

  // From `min` to `max` digits, as many as there are.
  bool TakeNumber(std::size_t min, std::size_t max, unsigned* out) {
    unsigned value = 0;
    std::size_t count = 0;
    for (; count < max && p_ != end_ && IsDigit(*p_); ++count) {
      value = value * 10 + static_cast<unsigned>(*p_++ - '0');
    }
    *out = value;
    return count >= min;
  }
  bool TakeTwo(unsigned* out) { return TakeNumber(2, 2, out); }

  // One or more digits behind a decimal point.
  bool TakeFraction(std::uint32_t* micros) {
    const std::size_t count = CountDigits();
    *micros = RoundFraction(p_, count);
    p_ += count;
    return count != 0;
  }

 private:
  const char* p_;
  const char* end_;
};

// ±HH, ±HHMM, ±HH:MM, each also with seconds; hours to 23. The cursor stands at the sign.
inline bool TakeNumericOffset(TimeCursor& in, std::int32_t* seconds) {
  const bool negative = in.Peek() == '-';
  if (!in.Take('-') && !in.Take('+')) return false;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.TakeTwo(&hour)) return false;
  const bool colon = in.Take(':');
  if (colon || IsDigit(in.Peek())) {
    if (!in.TakeTwo(&minute)) return false;
    if (colon ? in.Take(':') : IsDigit(in.Peek())) {
      if (!in.TakeTwo(&second)) return false;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  const auto total = static_cast<std::int32_t>(hour * 3600 + minute * 60 + second);
  *seconds = negative ? -total : total;
  return true;
}

// Nothing, Z, UTC, GMT or a numeric offset, a blank before it allowed; then the end of the text.
inline bool TakeZone(TimeCursor& in, WrittenTime* out) {
  if (in.AtEnd()) return true;
  in.Take(' ');
  out->has_offset = true;
  if (in.TakeWord("z") || in.TakeWord("utc") || in.TakeWord("gmt")) return in.AtEnd();
  return TakeNumericOffset(in, &out->offset_seconds) && in.AtEnd();
}

inline bool StoreTimeOfDay(unsigned hour, unsigned minute, unsigned second, WrittenTime* out) {
  if (hour > 23 || minute > 59 || second > 60) return false;
  out->leap_second = second == 60;
  out->second_of_day = hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
  return true;
}

// 24:00:00 is the end of the day: the next day's 00:00:00. Only this one time has hour 24.
inline bool StoreEndOfDay(unsigned minute, unsigned second, WrittenTime* out) {
  if (minute != 0 || second != 0 || out->micros != 0) return false;
  out->second_of_day = 86'400;
  return true;
}

// YYYY-MM-DD, YYYY/MM/DD or YYYYMMDD.
inline bool TakeDate(TimeCursor& in, WrittenTime* out) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!in.TakeNumber(4, 4, &year)) return false;
  const char separator = in.Peek() == '-' || in.Peek() == '/' ? in.Peek() : '\0';
  if (separator != '\0') in.Skip(1);
  if (!in.TakeTwo(&month)) return false;
  if (separator != '\0' && !in.Take(separator)) return false;
  if (!in.TakeTwo(&day) || !IsValidDate(year, month, day)) return false;
  out->days = DaysFromCivil(year, month, day);
  return true;
}

// HH:MM[:SS[.fraction]] or HHMM[SS[.fraction]]; a comma may stand for the point.
inline bool TakeTimeOfDay(TimeCursor& in, bool allow_hour_24, WrittenTime* out) {
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.TakeTwo(&hour)) return false;
  const bool colon = in.Take(':');
  if (!in.TakeTwo(&minute)) return false;
  if (colon ? in.Take(':') : IsDigit(in.Peek())) {
    if (!in.TakeTwo(&second)) return false;
    if ((in.Take('.') || in.Take(',')) && !in.TakeFraction(&out->micros)) return false;
  }
  if (hour == 24 && allow_hour_24) return StoreEndOfDay(minute, second, out);
  return StoreTimeOfDay(hour, minute, second, out);
}

// Eight bytes, each a digit where `pattern` has '0' and the same byte elsewhere? Then the digits'
// values, 0 elsewhere; `sums` has 0x76 at digits and 0x7f elsewhere.
inline bool MatchDigits(std::uint64_t word, std::uint64_t pattern, std::uint64_t sums,
                        std::uint64_t* digits) {
  *digits = word ^ pattern;
  return (((*digits + sums) | *digits) & 0x8080808080808080u) == 0;
}

constexpr std::uint64_t PackBytes(const char (&text)[9]) {
  std::uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | static_cast<unsigned char>(text[i]);
  return word;
}

constexpr std::uint64_t DigitSums(const char (&pattern)[9]) {
  std::uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | (pattern[i] == '0' ? 0x76u : 0x7fu);
  return word;
}

inline constexpr std::size_t kIsoHeadBytes = 19;

// Seconds since the epoch of the first 19 characters, YYYY-MM-DD?HH:MM:SS as UTC, read eight at a
// time. False: some other form (a leap second is one), or no time at all.
[[gnu::always_inline]] inline bool ReadIsoHead(const char* p, std::int64_t* seconds) {
  std::uint64_t date = 0;
  std::uint64_t middle = 0;
  std::uint64_t time = 0;
  std::memcpy(&date, p, 8);
  std::memcpy(&middle, p + 8, 8);
  std::memcpy(&time, p + 11, 8);
  const char separator = p[10];
  middle = (middle & ~std::uint64_t{0xff0000}) | std::uint64_t{'T'} << 16;
  bool is_head = (separator | 0x20) == 't' || separator == ' ';
  is_head &= MatchDigits(date, PackBytes("0000-00-"), DigitSums("0000-00-"), &date);
  is_head &= MatchDigits(middle, PackBytes("00T00:00"), DigitSums("00T00:00"), &middle);
  is_head &= MatchDigits(time, PackBytes("00:00:00"), DigitSums("00:00:00"), &time);
  if (!is_head) return false;
  // Each byte becomes 10 x itself + the byte behind it.
  date = date * 10 + (date >> 8);
  middle = middle * 10 + (middle >> 8);
  time = time * 10 + (time >> 8);
  const auto pair = [](std::uint64_t word, unsigned index) {
    return static_cast<unsigned>(word >> (index * 8) & 0xff);
  };
  const unsigned year = pair(date, 0) * 100 + pair(date, 2);
  const unsigned month = pair(date, 5);
  const unsigned day = pair(middle, 0);
  const unsigned hour = pair(time, 0);
  const unsigned minute = pair(time, 3);
  const unsigned second = pair(time, 6);
  if (month - 1 >= 12 || hour > 23 || minute > 59 || second > 59) return false;
  // Days 29 to 31 are looked at more closely.
  if (day - 1 >= 28 && !IsValidDate(year, month, day)) return false;
  *seconds = DaysFromCivil(year, month, day) * 86'400 +
             static_cast<std::int64_t>(hour * 3600 + minute * 60 + second);
  return true;
}

// What nearly all timestamps are: YYYY-MM-DD?HH:MM:SS[.f…][Z] with at most 6 fraction digits, in
// microseconds since the epoch. False: anything else.
[[gnu::always_inline]] inline bool ReadUtc(std::string_view text, bool needs_zone,
                                           std::int64_t* micros) {
  const char* const begin = text.data();
  std::size_t size = text.size();
  if (size - kIsoHeadBytes > 8) return false;
  const bool has_zone = (begin[size - 1] | 0x20) == 'z';
  if (needs_zone && !has_zone) return false;
  size -= has_zone ? 1 : 0;
  std::int64_t seconds = 0;
  if (size < kIsoHeadBytes || !ReadIsoHead(begin, &seconds)) return false;
  *micros = seconds * kMicrosPerSecond;
  if (size == kIsoHeadBytes) return true;
  // The fraction's digits are the last ones of the last eight bytes.
  const std::size_t count = size - (kIsoHeadBytes + 1);
  if (count - 1 >= 6 || (begin[kIsoHeadBytes] != '.' && begin[kIsoHeadBytes] != ',')) return false;
  std::uint64_t word = 0;
  if (!LastDigits(begin + size, count, &word)) return false;
  *micros += static_cast<std::int64_t>(word * kPowersOfTen[6 - count]);
  return true;
}

// Every accepted form. Text without blanks around it.
inline bool ReadIso(std::string_view text, WrittenTime* out) {
  TimeCursor in(text);
  std::int64_t seconds = 0;
  if (text.size() >= kIsoHeadBytes && ReadIsoHead(text.data(), &seconds)) {
    out->days = (seconds >= 0 ? seconds : seconds - 86'399) / 86'400;
    out->second_of_day = static_cast<std::uint32_t>(seconds - out->days * 86'400);
    in.Skip(kIsoHeadBytes);
    if ((in.Take('.') || in.Take(',')) && !in.TakeFraction(&out->micros)) return false;
    return TakeZone(in, out);
  }
  const bool compact = text.size() >= 14 && in.CountDigits() == 14;  // YYYYMMDDHHMMSS
  if (!TakeDate(in, out)) return false;
  if (in.AtEnd()) return true;
  const bool blank = in.Peek() == ' ';
  if (!compact && !in.Take('T') && !in.Take('t') && !in.Take(' ')) return false;
  return TakeTimeOfDay(in, blank, out) && TakeZone(in, out);
}

}  // namespace internal
}  // namespace tsingest

#endif  // TSINGEST_MODEL_ISO_TIME_H_
