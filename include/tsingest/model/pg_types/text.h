// PgType<> of text and bytea.
#ifndef TSINGEST_MODEL_PG_TYPES_TEXT_H_
#define TSINGEST_MODEL_PG_TYPES_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/utf8.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/pg_type.h"

namespace tsingest {

namespace internal {

// Longest value a field of any type can have: PostgreSQL's MaxAllocSize (1 GiB - 1) less room for
// its headers.
inline constexpr std::size_t kMaxValueBytes = 0x3fffffff - 64;

// Whether every byte is ASCII and not NUL: what nearly all text of devices is. Eight bytes a step.
inline bool IsPlainText(std::string_view text) {
  constexpr std::uint64_t kHigh = 0x8080808080808080u;
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  const char* p = text.data();
  std::size_t left = text.size();
  std::uint64_t bad = 0;
  for (; left >= 8; p += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    // A byte's top bit is set in `word` when it is not ASCII, in `word - kOnes` when it is 0 (or
    // borrowed from, which only a 0 below it causes).
    bad |= (word | (word - kOnes)) & kHigh;
  }
  for (; left != 0; ++p, --left) bad |= (static_cast<signed char>(*p) <= 0 ? kHigh : 0);
  return bad == 0;
}

// Value of a hexadecimal digit; -1: it is none.
constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// What PostgreSQL asks of text in a UTF-8 database.
inline RejectCode CheckText(std::string_view text, ParseContext& context) {
  if (text.size() > kMaxValueBytes) {
    return context.Fail(RejectCode::kLimit, "is longer than the 1 GiB a value can have");
  }
  if (IsPlainText(text)) [[likely]]
    return RejectCode::kOk;
  if (text.find('\0') != std::string_view::npos) {
    return context.Fail(RejectCode::kEncoding, "contains a NUL character");
  }
  if (!IsValidUtf8(text)) return context.Fail(RejectCode::kEncoding, "is not valid UTF-8");
  return RejectCode::kOk;
}

// The text of a scalar as written: strings and cells as they are, JSON numbers, true and false.
inline RejectCode ScalarText(const Token& token, ParseContext& context, std::string_view* out) {
  switch (token.kind) {
    case TokenKind::kTrue:
      *out = "true";
      return RejectCode::kOk;
    case TokenKind::kFalse:
      *out = "false";
      return RejectCode::kOk;
    case TokenKind::kNumber:
    case TokenKind::kString:
    case TokenKind::kText:
      *out = token.text;
      return RejectCode::kOk;
    case TokenKind::kObject:
      return context.Fail(RejectCode::kType, "is an object where a single value is wanted");
    case TokenKind::kArray:
      return context.Fail(RejectCode::kType, "is an array where a single value is wanted");
    case TokenKind::kNull:
      break;
  }
  return context.Fail(RejectCode::kType, "is null");
}

}  // namespace internal

// Reads strings and cells as they are; JSON numbers, true and false as written. UTF-8 without NUL.
template <>
struct PgType<std::string_view> {
  static constexpr std::string_view kName = "text";
  static constexpr std::uint32_t kOid = 25;
  static constexpr std::uint32_t kArrayOid = 1009;

  [[gnu::always_inline]] static RejectCode Parse(const Token& token, ParseContext& context,
                                                 std::string_view* out) {
    if (token.kind != TokenKind::kString && token.kind != TokenKind::kText) [[unlikely]] {
      return internal::ScalarText(token, context, out);
    }
    // UTF-8 without NUL, as every token's text is. Copied by its parts: they were just written one
    // by one, and reading them as one would wait until both are stored.
    *out = {token.text.data(), token.text.size()};
    return RejectCode::kOk;
  }
  static RejectCode Check(std::string_view value, ParseContext& context) {
    return internal::CheckText(value, context);
  }
  static std::size_t Size(std::string_view value) { return value.size(); }
  static char* Write(char* out, std::string_view value) { return StoreBytes(out, value); }
  static void AppendJson(std::string_view value, ByteBuffer& out) { AppendJsonString(value, out); }
};

// As std::string_view, owning its bytes (and so allocating per row).
template <>
struct PgType<std::string> {
  using View = PgType<std::string_view>;
  static constexpr std::string_view kName = View::kName;
  static constexpr std::uint32_t kOid = View::kOid;
  static constexpr std::uint32_t kArrayOid = View::kArrayOid;

  static RejectCode Parse(const Token& token, ParseContext& context, std::string* out) {
    std::string_view view;
    const RejectCode code = View::Parse(token, context, &view);
    if (code == RejectCode::kOk) out->assign(view);
    return code;
  }
  static RejectCode Check(const std::string& value, ParseContext& context) {
    return View::Check(value, context);
  }
  static std::size_t Size(const std::string& value) { return value.size(); }
  static char* Write(char* out, const std::string& value) { return View::Write(out, value); }
  static void AppendJson(const std::string& value, ByteBuffer& out) {
    View::AppendJson(value, out);
  }
};

// Reads strings and cells: `\x` followed by pairs of hexadecimal digits, as PostgreSQL writes
// bytea, is those bytes; everything else is its own UTF-8 bytes. JSON numbers, true and false: the
// bytes as written.
template <>
struct PgType<Bytes> {
  static constexpr std::string_view kName = "bytea";
  static constexpr std::uint32_t kOid = 17;
  static constexpr std::uint32_t kArrayOid = 1001;

  static RejectCode Parse(const Token& token, ParseContext& context, Bytes* out) {
    std::string_view text;
    const RejectCode code = internal::ScalarText(token, context, &text);
    if (code != RejectCode::kOk) return code;
    out->data = text;
    return text.starts_with("\\x") ? ReadHex(text.substr(2), context, out) : RejectCode::kOk;
  }
  static RejectCode Check(const Bytes& value, ParseContext& context) {
    if (value.data.size() <= internal::kMaxValueBytes) return RejectCode::kOk;
    return context.Fail(RejectCode::kLimit, "is longer than the 1 GiB a value can have");
  }
  static std::size_t Size(const Bytes& value) { return value.data.size(); }
  static char* Write(char* out, const Bytes& value) {
    return PgType<std::string_view>::Write(out, value.data);
  }
  // A string in the form that Parse() reads: "\\x6869".
  static void AppendJson(const Bytes& value, ByteBuffer& out) {
    static constexpr char kHex[] = "0123456789abcdef";
    out.Append("\"\\\\x");
    char* p = out.Reserve(value.data.size() * 2);
    for (const char c : value.data) {
      *p++ = kHex[static_cast<unsigned char>(c) >> 4];
      *p++ = kHex[static_cast<unsigned char>(c) & 15];
    }
    out.Advance(value.data.size() * 2);
    out.AppendByte('"');
  }

 private:
  static RejectCode ReadHex(std::string_view digits, ParseContext& context, Bytes* out) {
    constexpr std::string_view kRule = "is not \\x followed by pairs of hexadecimal digits";
    if (digits.size() % 2 != 0) return context.Fail(RejectCode::kType, kRule);
    const std::size_t size = digits.size() / 2;
    char* const bytes = context.arena->Allocate(size);
    for (std::size_t i = 0; i < size; ++i) {
      const int high = internal::HexValue(digits[2 * i]);
      const int low = internal::HexValue(digits[2 * i + 1]);
      if (high < 0 || low < 0) return context.Fail(RejectCode::kType, kRule);
      bytes[i] = static_cast<char>(high * 16 + low);
    }
    out->data = {bytes, size};
    return RejectCode::kOk;
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_TEXT_H_
