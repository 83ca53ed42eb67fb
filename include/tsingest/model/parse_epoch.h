// Epoch numbers to timestamps, exactly.
#ifndef TSINGEST_MODEL_PARSE_EPOCH_H_
#define TSINGEST_MODEL_PARSE_EPOCH_H_

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/internal/digits.h"
#include "tsingest/model/parse_number.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_options.h"
#include "tsingest/model/token.h"

namespace tsingest {

namespace internal {

// Decimal digits of a number below 10^19; 0 has none.
inline int DecimalDigits(std::uint64_t value) {
  const int estimate = static_cast<int>(std::bit_width(value)) * 1233 >> 12;
  return estimate + (value >= kPowersOfTen[static_cast<std::size_t>(estimate)] ? 1 : 0);
}

// Powers of ten from the unit to microseconds. `magnitude`: digits before the decimal point.
inline int MicrosecondShift(EpochUnit unit, std::int64_t magnitude) {
  switch (unit) {
    case EpochUnit::kSeconds:
      return 6;
    case EpochUnit::kMilliseconds:
      return 3;
    case EpochUnit::kMicroseconds:
      return 0;
    case EpochUnit::kNanoseconds:
      return -3;
    case EpochUnit::kAuto:
      break;
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

// What nearly all epochs are: 8 to 19 digits without sign, none of them a leading 0, then a point
// and up to 8 digits or not. False: anything else.
inline bool ReadPlainNumber(std::string_view text, char point, std::uint64_t* digits,
                            std::int64_t* places) {
  const char* p = text.data();
  const char* const end = p + text.size();
  if (text.size() - 8 > 11 || *p == '0' || !LastDigits(p + 8, 8, digits)) return false;
  for (p += 8; p != end && IsDigit(*p); ++p)
    *digits = *digits * 10 + static_cast<unsigned>(*p - '0');
  *places = 0;
  if (p == end) return true;
  const auto count = static_cast<std::size_t>(end - p - 1);
  std::uint64_t fraction = 0;
  if (*p != point || count - 1 >= 8 || !LastDigits(end, count, &fraction)) return false;
  *digits = *digits * kPowersOfTen[count] + fraction;
  *places = static_cast<std::int64_t>(count);
  return true;
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
  std::uint64_t digits = 0;
  std::int64_t places = 0;
  bool in_range = false;
  internal::ShortNumber number;
  if (internal::ReadPlainNumber(text, point, &digits, &places)) [[likely]] {
    const auto magnitude = static_cast<std::int64_t>(text.size()) - places - (places != 0 ? 1 : 0);
    const int shift = internal::MicrosecondShift(unit, magnitude);
    in_range = internal::StoreScaledEpoch(false, digits, shift - places, out);
  } else if (number.Read(text, point)) {
    const std::int64_t magnitude = internal::DecimalDigits(number.digits) + number.exponent;
    const int shift = internal::MicrosecondShift(unit, magnitude);
    in_range =
        internal::StoreScaledEpoch(number.negative, number.digits, number.exponent + shift, out);
  } else {
    if (text.size() > kMaxNumberBytes) return internal::FailTooLong(context);
    const std::optional<DecimalText> decimal = SplitDecimal(text, point);
    if (!decimal.has_value()) return context.Fail(RejectCode::kTime, "is not a timestamp");
    in_range = internal::StoreLongEpoch(*decimal, unit, out);
  }
  if (in_range) [[likely]]
    return RejectCode::kOk;
  return context.Fail(RejectCode::kTime, kTimestampRangeRule);
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PARSE_EPOCH_H_
