// Checks and walks over raw JSON text (RFC 8259) without building a document.
#ifndef TSINGEST_MODEL_JSON_TEXT_H_
#define TSINGEST_MODEL_JSON_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/model/internal/json_scan.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/token.h"

namespace tsingest {

// Whether a text is JSON, and where it stops being so.
struct JsonCheck {
  RejectCode code = RejectCode::kOk;  // kSyntax, kEncoding, kLimit; with CheckJsonb also kRange
  std::size_t offset = 0;             // byte of the text that `rule` is about
  std::string_view rule;              // a literal: "expected ',' or '}'"
  std::size_t limit = 0;              // with kLimit: the limit in question, bytes or levels

  bool ok() const { return code == RejectCode::kOk; }
};

// Whether `text` is exactly one JSON value, with white space around it or not. Strict: RFC 8259's
// grammar and valid UTF-8, no byte order mark, nothing behind the value. Uses constant stack.
inline JsonCheck CheckJson(std::string_view text, const JsonLimits& limits = {});

// As CheckJson(), and whether PostgreSQL 15's jsonb takes it: no \u0000, no half of a surrogate
// pair, no number beyond numeric.
inline JsonCheck CheckJsonb(std::string_view text, const JsonLimits& limits = {});

// CheckJsonb() for a PgType: context.why says "is not JSON: expected a name in quotes (byte 7 of
// the value)".
inline RejectCode CheckJsonb(std::string_view text, ParseContext& context);

// The one value in `text`, which CheckJson() accepts. A string is unescaped (into context.arena
// when it has escapes; otherwise the token views `text`). Fails with kEncoding, and context.why,
// for a string that text columns cannot hold. Objects and arrays give their raw text.
inline RejectCode ReadJsonValue(std::string_view text, ParseContext& context, Token* token);

// What stands between the quotes of a JSON string that CheckJson() accepts, as UTF-8 text. Views
// `escaped` when there is nothing to unescape, else context.arena. Fails with kEncoding for \u0000
// and for half a surrogate pair: PostgreSQL's text holds neither.
inline RejectCode UnescapeJsonString(std::string_view escaped, ParseContext& context,
                                     std::string_view* text);

// Goes over the elements of an array's text that CheckJson() accepts:
//
//   JsonArrayElements elements(token.text, context);
//   for (Token element; elements.Next(&element);) …
//   if (elements.code() != RejectCode::kOk) return elements.code();   // context.why is set
//
// Tokens view `array` or context.arena. Not thread-safe.
class JsonArrayElements {
 public:
  // What `array` views, and `context`, outlive the object.
  JsonArrayElements(std::string_view array, ParseContext& context)
      : context_(context), scanner_(Unlimited()) {
    scanner_.Start(array);
    next_ = scanner_.SkipSpace(scanner_.SkipSpace(array.data()) + 1);
  }

  // False at the end, and after a string that text cannot hold.
  bool Next(Token* token) {
    if (next_ == nullptr || scanner_.Peek(next_) == ']' || code_ != RejectCode::kOk) return false;
    const char* const first = next_;
    const char* const last = scanner_.SkipValue(first);
    if (last == nullptr) return false;
    next_ = scanner_.SkipSpace(last);
    if (scanner_.Peek(next_) == ',') next_ = scanner_.SkipSpace(next_ + 1);
    code_ = ReadJsonValue({first, static_cast<std::size_t>(last - first)}, context_, token);
    return code_ == RejectCode::kOk;
  }

  RejectCode code() const { return code_; }

  // Number of elements in `array`, text that CheckJson() accepts.
  static std::size_t Count(std::string_view array) {
    internal::JsonScanner<false> scanner(Unlimited());
    scanner.Start(array);
    std::size_t count = 0;
    const char* p = scanner.SkipSpace(scanner.SkipSpace(array.data()) + 1);
    while (p != nullptr && p < scanner.end() && *p != ']') {
      ++count;
      p = scanner.SkipValue(p);
      if (p == nullptr) break;
      p = scanner.SkipSpace(p);
      if (scanner.Peek(p) == ',') p = scanner.SkipSpace(p + 1);
    }
    return count;
  }

 private:
  static constexpr JsonLimits Unlimited() {
    constexpr auto kMost = static_cast<std::size_t>(-1);
    return {kMost, kMost, kMost, JsonLimits::kMaxDepth};
  }

  ParseContext& context_;
  internal::JsonScanner<false> scanner_;
  const char* next_ = nullptr;
  RejectCode code_ = RejectCode::kOk;
};

namespace internal {

// Scans one value with nothing but white space around it.
inline JsonCheck ScanJsonText(std::string_view text, const JsonLimits& limits, bool for_jsonb) {
  if (text.size() > limits.total_bytes) {
    return {RejectCode::kLimit, limits.total_bytes, "the text has more bytes than the limit",
            limits.total_bytes};
  }
  JsonScanner<false> scanner(limits);
  scanner.Start(text);
  const char* p = scanner.SkipValue(scanner.SkipSpace(text.data()));
  if (p != nullptr) {
    p = scanner.SkipSpace(p);
    if (p != scanner.end())
      scanner.Fail(RejectCode::kSyntax, p, "expected nothing behind the value");
  }
  JsonFault fault = scanner.fault();
  if (fault.code == RejectCode::kOk && for_jsonb) fault = scanner.unsafe();
  if (fault.code == RejectCode::kOk) return {};
  return {fault.code, static_cast<std::size_t>(fault.at - text.data()), fault.rule, fault.limit};
}

// Appends the UTF-8 form of a code point; returns the byte after it.
inline char* WriteUtf8(char* out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return out;
}

constexpr char UnescapedChar(char kind) {
  switch (kind) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return kind;  // '"', '\\', '/'
  }
}

// The character of the \u escape at *p, and *p behind it (a surrogate pair is two escapes).
// -1: half a surrogate pair. The escapes keep the grammar.
inline std::int32_t ReadUnicodeEscape(const char** p, const char* end) {
  const int unit = HexQuad(*p + 2);
  *p += 6;
  if (unit < 0xD800 || unit > 0xDFFF) return unit;
  if (unit > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') return -1;
  const int low = HexQuad(*p + 2);
  if (low < 0xDC00 || low > 0xDFFF) return -1;
  *p += 6;
  return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

}  // namespace internal

inline JsonCheck CheckJson(std::string_view text, const JsonLimits& limits) {
  return internal::ScanJsonText(text, limits, /*for_jsonb=*/false);
}

inline JsonCheck CheckJsonb(std::string_view text, const JsonLimits& limits) {
  return internal::ScanJsonText(text, limits, /*for_jsonb=*/true);
}

inline RejectCode CheckJsonb(std::string_view text, ParseContext& context) {
  JsonLimits limits;
  limits.depth = JsonLimits::kMaxDepth;
  limits.number_bytes = limits.string_bytes = limits.total_bytes;
  const JsonCheck check = CheckJsonb(text, limits);
  if (check.ok()) return RejectCode::kOk;
  context.why = check.code == RejectCode::kSyntax ? "is not JSON: " : "";
  context.why.append(check.rule);
  if (check.limit != 0) context.why.append(" of ").append(std::to_string(check.limit));
  context.why.append(" (byte ").append(std::to_string(check.offset)).append(" of the value)");
  return check.code;
}

inline RejectCode UnescapeJsonString(std::string_view escaped, ParseContext& context,
                                     std::string_view* text) {
  const char* p = escaped.data();
  const char* const end = p + escaped.size();
  const auto find_escape = [&](const char* from) {
    const void* found =
        from == end ? nullptr : std::memchr(from, '\\', static_cast<std::size_t>(end - from));
    return found == nullptr ? end : static_cast<const char*>(found);
  };
  const char* stop = find_escape(p);
  if (stop == end) {
    *text = escaped;
    return RejectCode::kOk;
  }
  char* const start = context.arena->Allocate(escaped.size());  // unescaping never lengthens
  char* out = start;
  for (;;) {
    std::memcpy(out, p, static_cast<std::size_t>(stop - p));
    out += stop - p;
    if (stop == end) break;
    p = stop;
    if (p[1] != 'u') {
      *out++ = internal::UnescapedChar(p[1]);
      p += 2;
    } else {
      const std::int32_t c = internal::ReadUnicodeEscape(&p, end);
      if (c == 0)
        return context.Fail(RejectCode::kEncoding, "holds \\u0000, which text cannot store");
      if (c < 0)
        return context.Fail(
            RejectCode::kEncoding,
            "holds half a surrogate pair (\\uD800 to \\uDFFF), which is no character");
      out = internal::WriteUtf8(out, static_cast<std::uint32_t>(c));
    }
    stop = find_escape(p);
  }
  *text = {start, static_cast<std::size_t>(out - start)};
  return RejectCode::kOk;
}

inline RejectCode ReadJsonValue(std::string_view text, ParseContext& context, Token* token) {
  while (!text.empty() && internal::IsJsonSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && internal::IsJsonSpace(text.back())) text.remove_suffix(1);
  *token = {TokenKind::kNumber, text};
  switch (text.empty() ? 'n' : text.front()) {
    case '"': {
      token->kind = TokenKind::kString;
      return UnescapeJsonString(text.substr(1, text.size() - 2), context, &token->text);
    }
    case '{':
      token->kind = TokenKind::kObject;
      break;
    case '[':
      token->kind = TokenKind::kArray;
      break;
    case 't':
      token->kind = TokenKind::kTrue;
      break;
    case 'f':
      token->kind = TokenKind::kFalse;
      break;
    case 'n':
      token->kind = TokenKind::kNull;
      break;
    default:
      break;
  }
  return RejectCode::kOk;
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_JSON_TEXT_H_
