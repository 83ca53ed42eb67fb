// Text to number: correctly rounded, in time linear in the text.
#ifndef TSINGEST_MODEL_PARSE_NUMBER_H_
#define TSINGEST_MODEL_PARSE_NUMBER_H_

#include <array>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

#include "tsingest/model/decimal_text.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/token.h"

namespace tsingest {

// Longest number text that is read, blanks and sign included; anything longer is a kLimit reject.
// JSON scanners need no limit of their own.
inline constexpr std::size_t kMaxNumberBytes = 16 * 1024;

// How numbers are written, by the kind of their token:
//   kNumber         a JSON number (RFC 8259 section 6)
//   kString, kText  blanks around it, a leading '+', ".5" and "5." are accepted as well; with
//                   ParseOptions::decimal_comma a kText is written with ',' and '.' is refused in
//                   it, because "1.234" would be a thousand there
// Anything else, and text that is no number, is a kType reject.

namespace internal {

inline constexpr std::string_view kNotANumber = "is not a number";

inline RejectCode FailTooLong(ParseContext& context) {
  return context.Fail(RejectCode::kLimit, "is longer than the 16384 bytes that a number may have");
}

// A number's text without what std::from_chars() does not read: blanks, '+', the decimal comma.
class NumberText {
 public:
  // kOk, kType or kLimit.
  RejectCode Read(const Token& token, ParseContext& context) {
    if (token.text.size() > kMaxNumberBytes) return FailTooLong(context);
    text_ = token.text;
    const bool is_text = token.kind == TokenKind::kString || token.kind == TokenKind::kText;
    if (!is_text && token.kind != TokenKind::kNumber) {
      return context.Fail(RejectCode::kType, kNotANumber);
    }
    if (is_text) {
      text_ = TrimBlanks(text_);
      if (text_.size() > 1 && text_[0] == '+' && text_[1] != '-' && text_[1] != '+') {
        text_.remove_prefix(1);
      }
    }
    if (text_.empty()) return context.Fail(RejectCode::kType, "is empty, not a number");
    if (token.kind == TokenKind::kText && context.options->decimal_comma) {
      return ReadComma(context);
    }
    return RejectCode::kOk;
  }

  std::string_view view() const { return text_; }
  // Whether it begins as digits do, sign aside: not a word such as NaN.
  bool StartsAsDigits() const {
    const char c = text_[text_[0] == '-' && text_.size() > 1 ? 1 : 0];
    return IsDigit(c) || c == '.';
  }

 private:
  RejectCode ReadComma(ParseContext& context) {
    if (text_.find('.') != std::string_view::npos) {
      return context.Fail(RejectCode::kType, "has a point where numbers have a decimal comma");
    }
    const std::size_t comma = text_.find(',');
    if (comma == std::string_view::npos) return RejectCode::kOk;
    char* copy = text_.size() <= sizeof(small_) ? small_ : context.arena->Allocate(text_.size());
    std::memcpy(copy, text_.data(), text_.size());
    copy[comma] = '.';
    text_ = {copy, text_.size()};
    return RejectCode::kOk;
  }

  std::string_view text_;
  char small_[64];
};

// The floating-point words, sign included. nullopt: none of them.
template <std::floating_point T>
std::optional<T> ReadFloatWord(std::string_view text) {
  if (EqualsIgnoringCase(text, "nan")) return std::numeric_limits<T>::quiet_NaN();
  const bool negative = text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (!EqualsIgnoringCase(text, "inf") && !EqualsIgnoringCase(text, "infinity")) {
    return std::nullopt;
  }
  const T infinity = std::numeric_limits<T>::infinity();
  return negative ? -infinity : infinity;
}

// The digits of a decimal number with an integral value ("3.0", "1e3") as plain digits with sign,
// written to `out`, which has room for 24 bytes. Returns their count; 0: not integral; more than
// 20: out of every integer's range (then nothing is written).
inline std::size_t WriteIntegral(const DecimalText& number, char* out) {
  const std::optional<std::int64_t> magnitude = number.Magnitude();
  if (!magnitude.has_value()) {
    *out = '0';
    return 1;
  }
  if (*magnitude <= 0) return 0;
  const auto point = static_cast<std::int64_t>(number.integer.size()) + number.exponent;
  const auto digits = static_cast<std::int64_t>(number.DigitCount());
  for (std::int64_t i = point < 0 ? 0 : point; i < digits; ++i) {
    if (number.Digit(static_cast<std::size_t>(i)) != '0') return 0;
  }
  if (*magnitude > 19) return 21;
  char* p = out;
  if (number.negative) *p++ = '-';
  for (std::int64_t i = point - *magnitude; i < point; ++i) {
    *p++ = i < digits ? number.Digit(static_cast<std::size_t>(i)) : '0';
  }
  return static_cast<std::size_t>(p - out);
}

template <class T>
constexpr std::string_view OutOfRangeRule() {
  if constexpr (std::same_as<T, std::int16_t>) {
    return "is out of range for smallint (-32768 to 32767)";
  } else if constexpr (std::same_as<T, std::int32_t>) {
    return "is out of range for integer (-2147483648 to 2147483647)";
  } else if constexpr (std::same_as<T, std::int64_t>) {
    return "is out of range for bigint (-9223372036854775808 to 9223372036854775807)";
  } else if constexpr (std::same_as<T, float>) {
    return "is out of range for real (about 3.4e38)";
  } else {
    return "is out of range for double precision (about 1.8e308)";
  }
}

// The way for what std::from_chars() alone does not read: "3.0", "1e3".
template <std::signed_integral T>
RejectCode ParseIntegralDecimal(std::string_view text, ParseContext& context, T* out) {
  const std::optional<DecimalText> number = SplitDecimal(text);
  if (!number.has_value()) return context.Fail(RejectCode::kType, kNotANumber);
  char digits[24];
  const std::size_t size = WriteIntegral(*number, digits);
  if (size == 0) return context.Fail(RejectCode::kType, "is not an integer");
  if (size <= 20 && std::from_chars(digits, digits + size, *out).ec == std::errc()) {
    return RejectCode::kOk;
  }
  return context.Fail(RejectCode::kRange, OutOfRangeRule<T>());
}

// The way for most integers: a JSON number of up to 18 digits that fits. False: anything else.
template <std::signed_integral T>
bool ReadPlainInteger(const Token& token, T* out) {
  if (token.kind != TokenKind::kNumber) return false;
  const char* p = token.text.data();
  const char* const end = p + token.text.size();
  const bool negative = p != end && *p == '-';
  p += negative ? 1 : 0;
  if (static_cast<std::size_t>(end - p) - 1 >= 18) return false;  // none, or too many
  std::int64_t value = 0;
  for (; p != end; ++p) {
    if (!IsDigit(*p)) return false;
    value = value * 10 + (*p - '0');
  }
  if (negative) value = -value;
  *out = static_cast<T>(value);
  return *out == value;
}

// Powers of ten that T holds exactly: up to 10^22 in a double (a long double needs no more), 10^10
// in a float.
template <std::floating_point T>
inline constexpr std::size_t kExactPowers = std::same_as<T, float> ? 11 : 23;

template <std::floating_point T>
inline constexpr auto kPowerOfTen = [] {
  std::array<T, kExactPowers<T>> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// digits (below 2^63, which x87 loads at once) / 10^places, rounded to T from the quotient in the
// 64 bits of x87's long double. A decimal and its quotient are on the same side of every number
// that is half-way between two of T, unless the quotient is such a number itself: then false, as
// where long double has other bits.
template <std::floating_point T>
bool DivideExtended(std::uint64_t digits, std::size_t places, T* out) {
  if constexpr (std::numeric_limits<long double>::digits == 64) {
    constexpr int kLostBits = 64 - std::numeric_limits<T>::digits;
    const long double quotient = static_cast<long double>(static_cast<std::int64_t>(digits)) /
                                 kPowerOfTen<long double>[places];
    std::uint64_t mantissa;
    std::memcpy(&mantissa, &quotient, sizeof mantissa);
    const std::uint64_t lost = mantissa & ((std::uint64_t{1} << kLostBits) - 1);
    *out = static_cast<T>(quotient);
    return lost != std::uint64_t{1} << (kLostBits - 1);
  }
  return false;
}

// The way for short decimals, such as 21.75: digits and power of ten are exact in T, so that one
// division rounds them correctly (W. Clinger, How to Read Floating Point Numbers Accurately, 1990).
// False: anything else.
template <std::floating_point T>
bool ReadShortDecimal(std::string_view text, T* out) {
  static_assert(FLT_EVAL_METHOD == 0, "a division in a wider type would be rounded twice");
  constexpr std::size_t kMaxBytes = 18;  // any digits fit 63 bits
  if (text.size() - 1 >= kMaxBytes || !IsDigit(text.back())) return false;
  const char* p = text.data();
  const char* const end = p + text.size();
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  const char* fraction = end;
  std::uint64_t digits = 0;
  for (; p != end; ++p) {
    if (IsDigit(*p)) {
      digits = digits * 10 + static_cast<std::uint64_t>(*p - '0');
    } else if (*p == '.' && fraction == end) {
      fraction = p + 1;
    } else {
      return false;
    }
  }
  const auto places = static_cast<std::size_t>(end - fraction);
  T value;
  if (digits <= std::uint64_t{1} << std::numeric_limits<T>::digits && places < kExactPowers<T>) {
    value = static_cast<T>(digits) / kPowerOfTen<T>[places];
  } else if (!DivideExtended(digits, places, &value)) {
    return false;
  }
  *out = negative ? -value : value;
  return true;
}

// The way for most floats: a JSON number that is finite. False: anything else.
template <std::floating_point T>
bool ReadPlainFloat(const Token& token, T* out) {
  if (token.kind != TokenKind::kNumber || token.text.size() > kMaxNumberBytes) return false;
  if (ReadShortDecimal(token.text, out)) [[likely]]
    return true;
  const char* const end = token.text.data() + token.text.size();
  const std::from_chars_result result = std::from_chars(token.text.data(), end, *out);
  return result.ptr == end && result.ec == std::errc() && std::isfinite(*out);
}

// std::from_chars() said out of range, or infinity: too small is a zero, too large is a reject.
template <std::floating_point T>
RejectCode ParseExtreme(std::string_view text, ParseContext& context, T* out) {
  const std::optional<DecimalText> number = SplitDecimal(text);
  if (!number.has_value()) return context.Fail(RejectCode::kType, kNotANumber);
  if (number->Magnitude().value_or(0) > 0) {
    return context.Fail(RejectCode::kRange, OutOfRangeRule<T>());
  }
  *out = number->negative ? -T{0} : T{0};
  return RejectCode::kOk;
}

}  // namespace internal

// Whether a CSV cell is a decimal number (no words: NaN and Infinity are text here). The test that
// OnlyNumbers and OnlyNonNumbers divide cells by.
inline bool IsNumberText(std::string_view text, bool decimal_comma) {
  return SplitDecimal(TrimBlanks(text), decimal_comma ? ',' : '.').has_value();
}

// An integer column's value. Decimals and exponents are accepted when the value is an integer all
// the same ("3.0", "1e3", "1500e-2"). Rejects: kType, kRange, kLimit.
template <std::signed_integral T>
RejectCode ParseInteger(const Token& token, ParseContext& context, T* out) {
  if (internal::ReadPlainInteger(token, out)) [[likely]]
    return RejectCode::kOk;
  internal::NumberText number;
  if (const RejectCode code = number.Read(token, context); code != RejectCode::kOk) return code;
  const std::string_view text = number.view();
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, *out);
  if (result.ptr == end && result.ec == std::errc()) [[likely]]
    return RejectCode::kOk;
  if (result.ptr == end && result.ec == std::errc::result_out_of_range) {
    return context.Fail(RejectCode::kRange, internal::OutOfRangeRule<T>());
  }
  return internal::ParseIntegralDecimal(text, context, out);
}

// A float column's value, rounded to nearest. Text may also be NaN, inf or Infinity, in any case,
// with a sign before the infinities. What is nearer to 0 than to the smallest number becomes 0
// (PostgreSQL's own text input refuses it); what is beyond the largest is a kRange reject.
template <std::floating_point T>
RejectCode ParseFloat(const Token& token, ParseContext& context, T* out) {
  if (internal::ReadPlainFloat(token, out)) [[likely]]
    return RejectCode::kOk;
  internal::NumberText number;
  if (const RejectCode code = number.Read(token, context); code != RejectCode::kOk) return code;
  const std::string_view text = number.view();
  if (!number.StartsAsDigits()) [[unlikely]] {
    const std::optional<T> word = internal::ReadFloatWord<T>(text);
    if (!word.has_value()) return context.Fail(RejectCode::kType, internal::kNotANumber);
    *out = *word;
    return RejectCode::kOk;
  }
  if (internal::ReadShortDecimal(text, out)) return RejectCode::kOk;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, *out);
  if (result.ptr != end) return context.Fail(RejectCode::kType, internal::kNotANumber);
  if (result.ec == std::errc() && std::isfinite(*out)) [[likely]]
    return RejectCode::kOk;
  return internal::ParseExtreme(text, context, out);
}

// true and false as PostgreSQL's boolean spells them, in any case: true t yes y on, false f no n
// off.
constexpr std::optional<bool> BoolWord(std::string_view text) {
  text = TrimBlanks(text);
  for (const std::string_view word : {"true", "t", "yes", "y", "on"}) {
    if (EqualsIgnoringCase(text, word)) return true;
  }
  for (const std::string_view word : {"false", "f", "no", "n", "off"}) {
    if (EqualsIgnoringCase(text, word)) return false;
  }
  return std::nullopt;
}

// What BoolAsNumber reads: true and false, as JSON or as words, become the numbers 1 and 0. Other
// tokens are returned as they are.
constexpr Token BoolTokenAsNumber(const Token& token) {
  std::optional<bool> value;
  if (token.kind == TokenKind::kTrue || token.kind == TokenKind::kFalse) {
    value = token.kind == TokenKind::kTrue;
  } else if (token.kind == TokenKind::kString || token.kind == TokenKind::kText) {
    value = BoolWord(token.text);
  }
  if (!value.has_value()) return token;
  return {TokenKind::kNumber, *value ? "1" : "0"};
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PARSE_NUMBER_H_
