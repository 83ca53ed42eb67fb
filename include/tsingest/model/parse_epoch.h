// Epoch numbers to timestamps, exactly.
#ifndef TSINGEST_MODEL_PARSE_EPOCH_H_
#define TSINGEST_MODEL_PARSE_EPOCH_H_

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/parse_number.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_options.h"
#include "tsingest/model/token.h"

namespace tsingest {

namespace internal {

inline constexpr auto kPowersOfTen = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// How many of the eight bytes, from the first in memory on, are digits: 0 to 8.
inline unsigned CountLeadingDigits(std::uint64_t word) {
  const std::uint64_t x = word ^ 0x3030303030303030u;
  const std::uint64_t not_digit = ((x + 0x7676767676767676u) | x) & 0x8080808080808080u;
  return not_digit == 0 ? 8 : static_cast<unsigned>(std::countr_zero(not_digit)) / 8;
}

// The number that eight digits (or zero bytes) in memory spell.
inline std::uint64_t EightDigits(std::uint64_t word) {
  word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
  word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
  return (word & 0x0000ffff0000ffffu) * 42949672960001u >> 32;
}

// Appends the run of digits at `p` to `value`; returns their count. The value is right while it has
// at most 19 digits. Reads nothing before `begin` or behind `end`.
inline std::size_t ReadDigitRun(const char* begin, const char*& p, const char* end,
                                std::uint64_t& value) {
  std::size_t total = 0;
  for (;;) {
    const auto left = static_cast<std::size_t>(end - p);
    if (left == 0) return total;
    std::uint64_t word = 0;
    if (left >= 8) {
      std::memcpy(&word, p, 8);
    } else if (end - begin >= 8) {
      std::memcpy(&word, end - 8, 8);
      word >>= (8 - left) * 8;
    } else {
      std::memcpy(&word, p, left);
    }
    const unsigned count = CountLeadingDigits(word);
    if (count == 0) return total;
    value = value * kPowersOfTen[count] + EightDigits(word << (8 - count) * 8);
    p += count;
    total += count;
    if (count < 8) return total;
  }
}

// Decimal digits of a number below 10^19; 0 has none.
inline int DecimalDigits(std::uint64_t value) {
  const int estimate = static_cast<int>(std::bit_width(value)) * 1233 >> 12;
  return estimate + (value >= kPowersOfTen[static_cast<std::size_t>(estimate)] ? 1 : 0);
}

// Powers of ten from the unit to microseconds. `magnitude`: digits before the decimal point.
inline int MicrosecondShift(EpochUnit unit, std::int64_t magnitude) {
  switch (unit) {
    case EpochUnit::kSeconds: return 6;
    case EpochUnit::kMilliseconds: return 3;
    case EpochUnit::kMicroseconds: return 0;
    case EpochUnit::kNanoseconds: return -3;
    case EpochUnit::kAuto: break;
  }
  return magnitude <= 11 ? 6 : magnitude <= 14 ? 3 : magnitude <= 17 ? 0 : -3;
}

// `micros` with its sign, unless PostgreSQL cannot store that instant.
inline bool StoreEpoch(bool negative, std::uint64_t micros, Timestamp* out) {
  if (micros > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  const auto value = static_cast<std::int64_t>(micros);
  *out = Timestamp(std::chrono::microseconds(negative ? -value : value));
  return *out >= kMinTimestamp;
}

// value / 10^digits to the nearest, ties to even; 1 <= digits <= 19.
inline std::uint64_t DivideHalfEven(std::uint64_t value, int digits) {
  const std::uint64_t divisor = kPowersOfTen[static_cast<std::size_t>(digits)];
  const std::uint64_t quotient = value / divisor;
  const std::uint64_t rest = value % divisor;
  const std::uint64_t half = divisor / 2;
  return quotient + (rest > half || (rest == half && (quotient & 1) != 0) ? 1 : 0);
}

// value x 10^shift as microseconds. `value` < 10^19.
inline bool StoreScaledEpoch(bool negative, std::uint64_t value, std::int64_t shift,
                             Timestamp* out) {
  if (shift < 0) {
    return StoreEpoch(negative, shift < -19 ? 0 : DivideHalfEven(value, static_cast<int>(-shift)),
                      out);
  }
  std::uint64_t micros = 0;
  if (value != 0 &&
      (shift > 19 ||
       __builtin_mul_overflow(value, kPowersOfTen[static_cast<std::size_t>(shift)], &micros))) {
    return false;
  }
  return StoreEpoch(negative, micros, out);
}

// The same for a number of any length: the first `kept` digits count, the rest only rounds.
inline bool StoreLongEpoch(const DecimalText& number, EpochUnit unit, Timestamp* out) {
  const std::optional<std::int64_t> magnitude = number.Magnitude();
  if (!magnitude.has_value()) return StoreEpoch(false, 0, out);
  const std::int64_t kept = *magnitude + MicrosecondShift(unit, *magnitude);
  if (kept > 19) return false;
  if (kept < 0) return StoreEpoch(false, 0, out);
  std::size_t i = 0;
  while (number.Digit(i) == '0') ++i;
  std::uint64_t micros = 0;
  for (std::int64_t n = 0; n < kept; ++n, ++i) {
    const char digit = i < number.DigitCount() ? number.Digit(i) : '0';
    micros = micros * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (i >= number.DigitCount()) return StoreEpoch(number.negative, micros, out);
  const char next = number.Digit(i);
  bool above_half = next > '5';
  for (std::size_t n = i + 1; next == '5' && n < number.DigitCount(); ++n) {
    above_half = above_half || number.Digit(n) != '0';
  }
  micros += above_half || (next == '5' && (micros & 1) != 0) ? 1 : 0;
  return StoreEpoch(number.negative, micros, out);
}

// What the short form reads: [-]digits[.digits][e[-]d[d]], at most 19 digits in all.
struct ShortNumber {
  bool negative = false;
  std::uint64_t digits = 0;
  std::int64_t exponent = 0;  // the value is digits x 10^exponent

  // False: longer, or no number.
  bool Read(std::string_view text, char point) {
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const char* p = begin;
    if (p != end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    const std::size_t whole = ReadDigitRun(begin, p, end, digits);
    std::size_t fraction = 0;
    if (p != end && *p == point) {
      ++p;
      fraction = ReadDigitRun(begin, p, end, digits);
      exponent = -static_cast<std::int64_t>(fraction);
    }
    if (whole + fraction - 1 >= 19) return false;
    if (p == end) return true;
    if (end - p > 4 || (*p | 0x20) != 'e') return false;
    const auto power = ReadExponent({p + 1, static_cast<std::size_t>(end - p - 1)});
    if (!power.has_value()) return false;
    exponent += *power;
    return true;
  }
};

}  // namespace internal

// Reads an epoch number, [+-]digits[.digits][e[+-]digits], whose unit is
//   kAuto  told by its size: the number of digits before the decimal point (leading zeros aside)
//            1 to 11   seconds        |value| < 1e11: up to the year 5138
//            12 to 14  milliseconds   |value| < 1e14
//            15 to 17  microseconds   |value| < 1e17
//            18 …      nanoseconds
//          so every time from 1973-03-03 to 5138-11-16 is read right in each of the four units
// and what is finer than a microsecond is rounded half to even on the decimal digits themselves.
// Rejects: kTime when it is no number or outside kMinTimestamp to kMaxTimestamp, kLimit when it is
// longer than kMaxNumberBytes.
inline RejectCode ParseEpoch(std::string_view text, char point, EpochUnit unit,
                             ParseContext& context, Timestamp* out) {
  internal::ShortNumber number;
  bool in_range = false;
  if (number.Read(text, point)) [[likely]] {
    const std::int64_t magnitude = internal::DecimalDigits(number.digits) + number.exponent;
    const int shift = internal::MicrosecondShift(unit, magnitude);
    in_range = internal::StoreScaledEpoch(number.negative, number.digits, number.exponent + shift,
                                          out);
  } else {
    if (text.size() > kMaxNumberBytes) return internal::FailTooLong(context);
    const std::optional<DecimalText> decimal = SplitDecimal(text, point);
    if (!decimal.has_value()) return context.Fail(RejectCode::kTime, "is not a timestamp");
    in_range = internal::StoreLongEpoch(*decimal, unit, out);
  }
  if (in_range) [[likely]] return RejectCode::kOk;
  return context.Fail(RejectCode::kTime, kTimestampRangeRule);
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PARSE_EPOCH_H_
