// PgType<> of uuid.
#ifndef TSINGEST_MODEL_PG_TYPES_UUID_H_
#define TSINGEST_MODEL_PG_TYPES_UUID_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/pg_types/text.h"
#include "tsingest/model/types.h"

namespace tsingest {

// Reads 32 hexadecimal digits in either case, a dash allowed after every fourth, in braces or not,
// or behind urn:uuid: (RFC 4122 section 3). Written with dashes in lower case.
template <>
struct PgType<Uuid> {
  static constexpr std::string_view kName = "uuid";
  static constexpr std::uint32_t kOid = 2950;
  static constexpr std::uint32_t kArrayOid = 2951;
  static constexpr std::size_t kFixedSize = 16;

  static RejectCode Parse(const Token& token, ParseContext& context, Uuid* out) {
    if (token.kind == TokenKind::kString || token.kind == TokenKind::kText) {
      if (Read(TrimBlanks(token.text), out)) return RejectCode::kOk;
    }
    return context.Fail(RejectCode::kType, "is not a UUID");
  }
  static RejectCode Check(const Uuid&, ParseContext&) { return RejectCode::kOk; }
  static constexpr std::size_t Size(const Uuid&) { return kFixedSize; }
  static char* Write(char* out, const Uuid& value) {
    std::memcpy(out, value.bytes.data(), kFixedSize);
    return out + kFixedSize;
  }
  static void AppendJson(const Uuid& value, ByteBuffer& out) {
    static constexpr char kHex[] = "0123456789abcdef";
    char* const begin = out.Reserve(38);
    char* p = begin;
    *p++ = '"';
    for (std::size_t i = 0; i < value.bytes.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
      *p++ = kHex[value.bytes[i] >> 4];
      *p++ = kHex[value.bytes[i] & 15];
    }
    *p++ = '"';
    out.Advance(static_cast<std::size_t>(p - begin));
  }

 private:
  static bool Read(std::string_view text, Uuid* out) {
    constexpr std::string_view kUrn = "urn:uuid:";
    if (EqualsIgnoringCase(text.substr(0, kUrn.size()), kUrn)) {
      text.remove_prefix(kUrn.size());
    } else if (text.starts_with('{') && text.ends_with('}')) {
      text = text.substr(1, text.size() - 2);
    }
    for (std::size_t i = 0; i < out->bytes.size(); ++i) {
      if (i != 0 && i % 2 == 0 && text.starts_with('-')) text.remove_prefix(1);
      if (text.size() < 2) return false;
      const int high = internal::HexValue(text[0]);
      const int low = internal::HexValue(text[1]);
      if (high < 0 || low < 0) return false;
      out->bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
      text.remove_prefix(2);
    }
    return text.empty();
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_UUID_H_
