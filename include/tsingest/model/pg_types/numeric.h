// PgType<> of numeric.
#ifndef TSINGEST_MODEL_PG_TYPES_NUMERIC_H_
#define TSINGEST_MODEL_PG_TYPES_NUMERIC_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/parse_number.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/types.h"

namespace tsingest {

namespace internal {

// A decimal number as PostgreSQL's numeric: digits of base 10000, most significant first, the first
// one worth 10000^weight. Made of a DecimalText that it views.
class NumericDigits {
 public:
  static constexpr std::int64_t kMaxDigitsBeforePoint = 131'072;
  static constexpr std::int64_t kMaxDigitsBehindPoint = 16'383;

  explicit NumericDigits(const DecimalText& number) : number_(number) {
    const auto fraction = static_cast<std::int64_t>(number.fraction.size());
    scale_ = std::max<std::int64_t>(0, fraction - number.exponent);
    const std::optional<std::int64_t> magnitude = number.Magnitude();
    if (!magnitude.has_value()) return;
    top_ = *magnitude - 1;
    while (number.Digit(first_) == '0') ++first_;
    std::size_t last = number.DigitCount() - 1;
    while (number.Digit(last) == '0') --last;
    weight_ = FloorDiv4(top_);
    const std::int64_t lowest = top_ - static_cast<std::int64_t>(last - first_);
    count_ = static_cast<std::size_t>(weight_ - FloorDiv4(lowest) + 1);
  }

  std::size_t count() const { return count_; }
  std::int64_t weight() const { return weight_; }
  // Digits behind the decimal point, as written: "1.50" has two.
  std::int64_t scale() const { return scale_; }
  bool negative() const { return number_.negative && count_ != 0; }

  bool Fits() const { return top_ < kMaxDigitsBeforePoint && scale_ <= kMaxDigitsBehindPoint; }

  // The digit worth 10000^(weight - i).
  std::int16_t Digit(std::size_t i) const {
    const std::int64_t power = (weight_ - static_cast<std::int64_t>(i)) * 4;
    int value = 0;
    for (std::int64_t p = power + 3; p >= power; --p) value = value * 10 + DecimalAt(p);
    return static_cast<std::int16_t>(value);
  }

 private:
  static constexpr std::int64_t FloorDiv4(std::int64_t value) { return value >> 2; }

  // The decimal digit worth 10^power.
  int DecimalAt(std::int64_t power) const {
    const std::int64_t behind_first = top_ - power;
    if (behind_first < 0) return 0;
    const std::size_t index = first_ + static_cast<std::size_t>(behind_first);
    return index < number_.DigitCount() ? number_.Digit(index) - '0' : 0;
  }

  const DecimalText& number_;
  std::size_t first_ = 0;  // index of the first decimal digit that is not 0
  std::int64_t top_ = -1;  // its power of ten
  std::int64_t weight_ = 0;
  std::int64_t scale_ = 0;
  std::size_t count_ = 0;  // of base-10000 digits; 0: the number is zero
};

}  // namespace internal

// Reads numbers as ParseFloat() does, but exactly, with the digits behind the point as written
// ("1.50" stays 1.50). At most kMaxNumberBytes of text, 131,072 digits before the point and 16,383
// behind it, PostgreSQL's own limits (kRange).
// Binary (numeric_send): count of base-10000 digits, weight, sign, scale, digits: 16 bits each.
template <>
struct PgType<Numeric> {
  static constexpr std::string_view kName = "numeric";
  static constexpr std::uint32_t kOid = 1700;
  static constexpr std::uint32_t kArrayOid = 1231;

  static RejectCode Parse(const Token& token, ParseContext& context, Numeric* out) {
    internal::NumberText number;
    if (const RejectCode code = number.Read(token, context); code != RejectCode::kOk) return code;
    if (!number.StartsAsDigits()) return ReadWord(number.view(), context, out);
    // A decimal comma's copy is on the stack: it has to last as long as the row.
    const bool in_token = number.view().data() >= token.text.data() &&
                          number.view().data() < token.text.data() + token.text.size();
    out->text = in_token ? number.view() : context.arena->Copy(number.view());
    return Check(*out, context);
  }

  static RejectCode Check(const Numeric& value, ParseContext& context) {
    if (value.text.size() > kMaxNumberBytes) return internal::FailTooLong(context);
    if (SpecialSign(value.text) != 0) return RejectCode::kOk;
    const std::optional<DecimalText> number = SplitDecimal(value.text);
    if (!number.has_value()) return context.Fail(RejectCode::kType, internal::kNotANumber);
    if (internal::NumericDigits(*number).Fits()) return RejectCode::kOk;
    return context.Fail(RejectCode::kRange,
                        "is out of range for numeric (131072 digits before the point, 16383 "
                        "behind it)");
  }

  static std::size_t Size(const Numeric& value) {
    const std::optional<DecimalText> number = SplitDecimal(value.text);
    return kHeaderBytes + (number.has_value() ? internal::NumericDigits(*number).count() * 2 : 0);
  }

  static char* Write(char* out, const Numeric& value) {
    const std::optional<DecimalText> number = SplitDecimal(value.text);
    if (!number.has_value()) {
      // The scale of an infinity means nothing; 32 is what the server itself sends.
      const std::uint16_t sign = SpecialSign(value.text);
      return WriteHeader(out, 0, 0, sign, sign == kNanSign ? 0 : 32);
    }
    const internal::NumericDigits digits(*number);
    out = WriteHeader(out, digits.count(), digits.weight(), digits.negative() ? kNegativeSign : 0,
                      digits.scale());
    for (std::size_t i = 0; i < digits.count(); ++i) out = StoreBigEndian(out, digits.Digit(i));
    return out;
  }

  // As a JSON number with the digits as written; NaN and infinities as strings.
  static void AppendJson(const Numeric& value, ByteBuffer& out) {
    const std::optional<DecimalText> number = SplitDecimal(value.text);
    if (!number.has_value()) return AppendJsonString(value.text, out);
    std::string_view integer = number->integer;
    while (integer.size() > 1 && integer.front() == '0') integer.remove_prefix(1);
    if (number->negative) out.AppendByte('-');
    out.Append(integer.empty() ? "0" : integer);
    if (!number->fraction.empty()) {
      out.AppendByte('.');
      out.Append(number->fraction);
    }
    if (number->exponent == 0) return;
    out.AppendByte('e');
    AppendJsonInteger(number->exponent, out);
  }

 private:
  static constexpr std::size_t kHeaderBytes = 8;
  static constexpr std::uint16_t kNegativeSign = 0x4000;
  static constexpr std::uint16_t kNanSign = 0xC000;

  // The sign word of NaN and the infinities; 0: the text is none of them.
  static constexpr std::uint16_t SpecialSign(std::string_view text) {
    if (text == "NaN") return kNanSign;
    if (text == "Infinity") return 0xD000;
    if (text == "-Infinity") return 0xF000;
    return 0;
  }

  static RejectCode ReadWord(std::string_view text, ParseContext& context, Numeric* out) {
    const std::optional<double> word = internal::ReadFloatWord<double>(text);
    if (!word.has_value()) return context.Fail(RejectCode::kType, internal::kNotANumber);
    out->text = std::isnan(*word) ? "NaN" : *word > 0 ? "Infinity" : "-Infinity";
    return RejectCode::kOk;
  }

  static char* WriteHeader(char* out, std::size_t count, std::int64_t weight, std::uint16_t sign,
                           std::int64_t scale) {
    out = StoreBigEndian(out, static_cast<std::uint16_t>(count));
    out = StoreBigEndian(out, static_cast<std::int16_t>(weight));
    out = StoreBigEndian(out, sign);
    return StoreBigEndian(out, static_cast<std::uint16_t>(scale));
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_NUMERIC_H_
