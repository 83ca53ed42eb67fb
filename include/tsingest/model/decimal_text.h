// Decimal numbers as text, taken apart without losing a digit.
#ifndef TSINGEST_MODEL_DECIMAL_TEXT_H_
#define TSINGEST_MODEL_DECIMAL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace tsingest {

constexpr bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

// What C's isspace() calls a blank in the "C" locale.
constexpr bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// Compares with an ASCII word given in lower case.
constexpr bool EqualsIgnoringCase(std::string_view text, std::string_view lower_word) {
  if (text.size() != lower_word.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower_word[i]) return false;
  }
  return true;
}

// A number is `integer`.`fraction` x 10^`exponent`, where both parts are runs of digits (one may be
// empty) that view the text it was read from.
struct DecimalText {
  // Exponents are cut to [-kMaxExponent, kMaxExponent]: far beyond what any column can hold, and
  // small enough that adding digit counts never overflows.
  static constexpr std::int64_t kMaxExponent = 1'000'000'000'000;

  bool negative = false;
  std::string_view integer;
  std::string_view fraction;
  std::int64_t exponent = 0;

  // Power of ten of the first digit that is not 0, plus one: 12.3 -> 2, 0.012 -> -1. This is the
  // count of digits before the decimal point. nullopt: the number is zero.
  std::optional<std::int64_t> Magnitude() const {
    for (std::size_t i = 0; i < integer.size(); ++i) {
      if (integer[i] != '0') return static_cast<std::int64_t>(integer.size() - i) + exponent;
    }
    for (std::size_t i = 0; i < fraction.size(); ++i) {
      if (fraction[i] != '0') return exponent - static_cast<std::int64_t>(i);
    }
    return std::nullopt;
  }

  // All digits in one row: DigitCount() of them.
  std::size_t DigitCount() const { return integer.size() + fraction.size(); }
  char Digit(std::size_t i) const {
    return i < integer.size() ? integer[i] : fraction[i - integer.size()];
  }
};

namespace internal {

constexpr std::string_view TakeDigits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// [+-]digits, nothing else. nullopt: something else.
constexpr std::optional<std::int64_t> ReadExponent(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    if (value < DecimalText::kMaxExponent) value = value * 10 + (c - '0');
  }
  if (value > DecimalText::kMaxExponent) value = DecimalText::kMaxExponent;
  return negative ? -value : value;
}

}  // namespace internal

// Reads [+-](digits[.[digits]] | .digits)[(e|E)[+-]digits], the whole text; nullopt: it is
// something else. A JSON number (RFC 8259 section 6) is a special case of it.
constexpr std::optional<DecimalText> SplitDecimal(std::string_view text, char point = '.') {
  DecimalText out;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    out.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  out.integer = internal::TakeDigits(text);
  if (!text.empty() && text.front() == point) {
    text.remove_prefix(1);
    out.fraction = internal::TakeDigits(text);
  }
  if (out.integer.empty() && out.fraction.empty()) return std::nullopt;
  if (text.empty()) return out;
  if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
  const std::optional<std::int64_t> exponent = internal::ReadExponent(text.substr(1));
  if (!exponent.has_value()) return std::nullopt;
  out.exponent = *exponent;
  return out;
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_DECIMAL_TEXT_H_
