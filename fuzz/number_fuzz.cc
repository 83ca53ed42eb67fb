// Numbers: what is accepted has the value that strtod() and exact integer arithmetic give it.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "tsingest/model/pg_types.h"

namespace {

using tsingest::Arena;
using tsingest::ParseContext;
using tsingest::ParseOptions;
using tsingest::PgType;
using tsingest::RejectCode;
using tsingest::Token;
using tsingest::TokenKind;

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

template <class T>
RejectCode Parse(const Token& token, ParseContext& context, T* value) {
  context.why.clear();
  const RejectCode code = PgType<T>::Parse(token, context, value);
  Require((code == RejectCode::kOk) == context.why.empty());
  if (code == RejectCode::kOk) Require(PgType<T>::Check(*value, context) == RejectCode::kOk);
  return code;
}

template <class T>
void CheckFloat(const Token& token, const std::string& plain, bool is_number, ParseContext& context,
                T (*oracle)(const char*, char**)) {
  T value = 0;
  const RejectCode code = Parse(token, context, &value);
  if (!is_number) {
    Require(code == RejectCode::kType || !std::isfinite(value));
    return;
  }
  const T expected = oracle(plain.c_str(), nullptr);
  Require(code == (std::isinf(expected) ? RejectCode::kRange : RejectCode::kOk));
  if (code != RejectCode::kOk) return;
  Require(value == expected && std::signbit(value) == std::signbit(expected));
}

template <class T>
void CheckInteger(const Token& token, const std::string& plain, bool is_number,
                  ParseContext& context) {
  T value = 0;
  const RejectCode code = Parse(token, context, &value);
  const long double expected = std::strtold(plain.c_str(), nullptr);  // 64 bits of mantissa
  if (code == RejectCode::kOk) {
    Require(is_number && expected == static_cast<long double>(value));
  } else if (code == RejectCode::kRange) {
    Require(is_number && (expected > static_cast<long double>(std::numeric_limits<T>::max()) ||
                          expected < static_cast<long double>(std::numeric_limits<T>::min())));
  } else if (is_number) {
    // Not an integer: what long double can tell of that.
    Require(std::fabs(expected) >= 0x1p62L || expected != std::trunc(expected) ||
            plain.find_first_of(".eE") != std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 2000) return 0;
  const bool comma = (data[0] & 1) != 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (text.find('\0') != std::string::npos) return 0;  // tokens never hold NUL
  ParseOptions options;
  options.decimal_comma = comma;
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  const Token token{(data[0] & 2) != 0 && !comma ? TokenKind::kString : TokenKind::kText, text};
  const bool is_number = tsingest::IsNumberText(text, comma);
  std::string plain = text;
  if (const std::size_t at = plain.find(','); comma && at != std::string::npos) plain[at] = '.';

  CheckFloat<double>(token, plain, is_number, context, &std::strtod);
  CheckFloat<float>(token, plain, is_number, context, &std::strtof);
  CheckInteger<std::int16_t>(token, plain, is_number, context);
  CheckInteger<std::int32_t>(token, plain, is_number, context);
  CheckInteger<std::int64_t>(token, plain, is_number, context);

  tsingest::Numeric numeric;
  const RejectCode code = Parse(token, context, &numeric);
  if (is_number) Require(code == RejectCode::kOk || code == RejectCode::kRange);
  return 0;
}
