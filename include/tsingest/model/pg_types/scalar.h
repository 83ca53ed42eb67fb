// PgType<> of boolean, the integers and the floats.
#ifndef TSINGEST_MODEL_PG_TYPES_SCALAR_H_
#define TSINGEST_MODEL_PG_TYPES_SCALAR_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/parse_number.h"
#include "tsingest/model/pg_type.h"

namespace tsingest {

// Reads JSON true/false, the numbers 1 and 0, and as text the words of BoolWord().
template <>
struct PgType<bool> {
  static constexpr std::string_view kName = "boolean";
  static constexpr std::uint32_t kOid = 16;
  static constexpr std::uint32_t kArrayOid = 1000;
  static constexpr std::size_t kFixedSize = 1;

  static RejectCode Parse(const Token& token, ParseContext& context, bool* out) {
    const std::optional<bool> value = Read(token);
    if (!value.has_value()) return context.Fail(RejectCode::kType, "is not a boolean");
    *out = *value;
    return RejectCode::kOk;
  }
  static RejectCode Check(bool, ParseContext&) { return RejectCode::kOk; }
  static constexpr std::size_t Size(bool) { return kFixedSize; }
  static char* Write(char* out, bool value) {
    *out = value ? 1 : 0;
    return out + 1;
  }
  static void AppendJson(bool value, ByteBuffer& out) { AppendJsonBool(value, out); }

 private:
  static std::optional<bool> Read(const Token& token) {
    switch (token.kind) {
      case TokenKind::kTrue:
        return true;
      case TokenKind::kFalse:
        return false;
      case TokenKind::kNumber:
      case TokenKind::kString:
      case TokenKind::kText: {
        const std::string_view text = TrimBlanks(token.text);
        if (text == "1") return true;
        if (text == "0") return false;
        return token.kind == TokenKind::kNumber ? std::nullopt : BoolWord(text);
      }
      default:
        return std::nullopt;
    }
  }
};

namespace internal {

// What integers and floats share.
template <class T>
struct PgNumber {
  static constexpr std::size_t kFixedSize = sizeof(T);
  static RejectCode Check(T, ParseContext&) { return RejectCode::kOk; }
  static constexpr std::size_t Size(T) { return sizeof(T); }
  static char* Write(char* out, T value) { return StoreBigEndian(out, value); }
};

template <std::signed_integral T>
struct PgInteger : PgNumber<T> {
  static RejectCode Parse(const Token& token, ParseContext& context, T* out) {
    return ParseInteger(token, context, out);
  }
  static void AppendJson(T value, ByteBuffer& out) { AppendJsonInteger(value, out); }
};

// NaN keeps its bits: PostgreSQL stores what it gets.
template <std::floating_point T>
struct PgFloat : PgNumber<T> {
  static RejectCode Parse(const Token& token, ParseContext& context, T* out) {
    return ParseFloat(token, context, out);
  }
  static void AppendJson(T value, ByteBuffer& out) { AppendJsonFloat(value, out); }
};

}  // namespace internal

template <>
struct PgType<std::int16_t> : internal::PgInteger<std::int16_t> {
  static constexpr std::string_view kName = "smallint";
  static constexpr std::uint32_t kOid = 21;
  static constexpr std::uint32_t kArrayOid = 1005;
};

template <>
struct PgType<std::int32_t> : internal::PgInteger<std::int32_t> {
  static constexpr std::string_view kName = "integer";
  static constexpr std::uint32_t kOid = 23;
  static constexpr std::uint32_t kArrayOid = 1007;
};

template <>
struct PgType<std::int64_t> : internal::PgInteger<std::int64_t> {
  static constexpr std::string_view kName = "bigint";
  static constexpr std::uint32_t kOid = 20;
  static constexpr std::uint32_t kArrayOid = 1016;
};

template <>
struct PgType<float> : internal::PgFloat<float> {
  static constexpr std::string_view kName = "real";
  static constexpr std::uint32_t kOid = 700;
  static constexpr std::uint32_t kArrayOid = 1021;
};

template <>
struct PgType<double> : internal::PgFloat<double> {
  static constexpr std::string_view kName = "double precision";
  static constexpr std::uint32_t kOid = 701;
  static constexpr std::uint32_t kArrayOid = 1022;
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_SCALAR_H_
