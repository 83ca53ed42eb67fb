// PgType<> of jsonb.
#ifndef TSINGEST_MODEL_PG_TYPES_JSON_H_
#define TSINGEST_MODEL_PG_TYPES_JSON_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/pg_types/text.h"
#include "tsingest/model/types.h"

namespace tsingest {

// Reads any JSON value as that value: a JSON string becomes a JSON string. A CSV cell is JSON text.
// Refused is what jsonb refuses: \u0000 and halves of surrogate pairs (kEncoding), numbers beyond
// numeric (kRange), nesting deeper than JsonLimits::kMaxDepth (kLimit).
// Binary: a byte of version 1, then the text; the server parses it.
template <>
struct PgType<Json> {
  static constexpr std::string_view kName = "jsonb";
  static constexpr std::uint32_t kOid = 3802;
  static constexpr std::uint32_t kArrayOid = 3807;

  static RejectCode Parse(const Token& token, ParseContext& context, Json* out) {
    out->text = {token.text.data(),
                 token.text.size()};  // by its parts, as PgType<string_view> does
    switch (token.kind) {
      case TokenKind::kObject:
      case TokenKind::kArray:
        return token.fits_jsonb ? RejectCode::kOk : CheckJsonb(token.text, context);
      case TokenKind::kNumber:
      case TokenKind::kText:
        return CheckScalar(token.text, context);
      case TokenKind::kString:
        return Quote(token.text, context, out);
      case TokenKind::kTrue:
        out->text = "true";
        return RejectCode::kOk;
      case TokenKind::kFalse:
        out->text = "false";
        return RejectCode::kOk;
      case TokenKind::kNull:
        break;
    }
    out->text = "null";
    return RejectCode::kOk;
  }
  static RejectCode Check(const Json& value, ParseContext& context) {
    return CheckScalar(value.text, context);
  }
  static std::size_t Size(const Json& value) { return value.text.size() + 1; }
  static char* Write(char* out, const Json& value) {
    *out = 1;
    return PgType<std::string_view>::Write(out + 1, value.text);
  }
  static void AppendJson(const Json& value, ByteBuffer& out) { out.Append(value.text); }

 private:
  // Text that is no JSON is a value of the wrong type here, not a broken message.
  static RejectCode CheckScalar(std::string_view text, ParseContext& context) {
    const RejectCode code = CheckJsonb(text, context);
    return code == RejectCode::kSyntax ? RejectCode::kType : code;
  }

  static RejectCode Quote(std::string_view text, ParseContext& context, Json* out) {
    const RejectCode code = internal::CheckText(text, context);
    if (code != RejectCode::kOk) return code;
    char* const quoted = context.arena->Allocate(JsonEscapedSize(text) + 2);
    *quoted = '"';
    char* end = WriteJsonEscaped(quoted + 1, text);
    *end++ = '"';
    out->text = {quoted, static_cast<std::size_t>(end - quoted)};
    return RejectCode::kOk;
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_JSON_H_
