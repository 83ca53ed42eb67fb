// Appends JSON values (RFC 8259) to a buffer.
#ifndef TSINGEST_MODEL_JSON_WRITE_H_
#define TSINGEST_MODEL_JSON_WRITE_H_

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "tsingest/base/buffer.h"

namespace tsingest {

// Bytes that the text takes inside a JSON string, quotes excluded.
constexpr std::size_t JsonEscapedSize(std::string_view text) {
  std::size_t size = text.size();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte == '\\') {
      size += 1;
    } else if (byte < 0x20) {
      size += (byte >= '\b' && byte <= '\r' && byte != '\v') ? 1 : 5;
    }
  }
  return size;
}

// Writes the text with quotes, backslashes and control characters escaped, quotes around it
// excluded: JsonEscapedSize(text) bytes at `out`. Returns the byte after. Everything else stays as
// it is, so valid UTF-8 gives a valid JSON string.
constexpr char* WriteJsonEscaped(char* out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  constexpr char kShort[] = "btn?fr";  // for \b (0x08) to \r (0x0d)
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte == '\\') {
      *out++ = '\\';
      *out++ = c;
    } else if (byte >= 0x20) {
      *out++ = c;
    } else if (byte >= '\b' && byte <= '\r' && byte != '\v') {
      *out++ = '\\';
      *out++ = kShort[byte - '\b'];
    } else {
      for (const char escape : {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]}) {
        *out++ = escape;
      }
    }
  }
  return out;
}

// The text as a JSON string. Valid UTF-8 in, valid JSON out.
inline void AppendJsonString(std::string_view text, ByteBuffer& out) {
  const std::size_t size = JsonEscapedSize(text) + 2;
  if (size == 0) __builtin_unreachable();  // g++ 12 sees a wrap and warns of a write to null
  char* p = out.Reserve(size);
  char* const begin = p;
  *p++ = '"';
  p = WriteJsonEscaped(p, text);
  *p++ = '"';
  out.Advance(static_cast<std::size_t>(p - begin));
}

inline void AppendJsonBool(bool value, ByteBuffer& out) { out.Append(value ? "true" : "false"); }

inline void AppendJsonInteger(std::integral auto value, ByteBuffer& out) {
  char* const begin = out.Reserve(24);
  out.Advance(static_cast<std::size_t>(std::to_chars(begin, begin + 24, value).ptr - begin));
}

// The shortest text that reads back as the same value. JSON has no NaN and no infinities: they
// become the strings "NaN", "Infinity" and "-Infinity", PostgreSQL's words.
inline void AppendJsonFloat(std::floating_point auto value, ByteBuffer& out) {
  if (std::isnan(value)) return out.Append("\"NaN\"");
  if (std::isinf(value)) return out.Append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  char* const begin = out.Reserve(32);
  out.Advance(static_cast<std::size_t>(std::to_chars(begin, begin + 32, value).ptr - begin));
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_JSON_WRITE_H_
