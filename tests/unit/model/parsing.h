// What tests of parsing need: a context, and a value or its reject in one statement.
#ifndef TSINGEST_TESTS_UNIT_MODEL_PARSING_H_
#define TSINGEST_TESTS_UNIT_MODEL_PARSING_H_

#include <ostream>
#include <string>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/model/model.h"

namespace tsingest {

inline std::ostream& operator<<(std::ostream& out, RejectCode code) {
  return out << RejectSlug(code);
}

namespace testing {

inline Token Number(std::string_view text) { return {TokenKind::kNumber, text}; }
inline Token String(std::string_view text) { return {TokenKind::kString, text}; }
inline Token Cell(std::string_view text) { return {TokenKind::kText, text}; }
inline Token RawArray(std::string_view text) { return {TokenKind::kArray, text}; }
inline Token RawObject(std::string_view text) { return {TokenKind::kObject, text}; }

template <class T>
struct Parsed {
  RejectCode code = RejectCode::kOk;
  T value{};
  std::string why;
};

// Reads values as a decoder does; what they view lives as long as the parser.
struct Parser {
  ParseOptions options;
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};

  template <class T>
  Parsed<T> Parse(const Token& token) {
    Parsed<T> out;
    context.why.clear();
    out.code = PgType<T>::Parse(token, context, &out.value);
    if (out.code != RejectCode::kOk) {
      out.why = context.why;
    } else if (PgType<T>::Check(out.value, context) != RejectCode::kOk) {
      out.why = "parsed, but refused by Check(): " + context.why;
      out.code = RejectCode::kServer;
    }
    return out;
  }
  template <class T>
  RejectCode CodeOf(const Token& token) {
    return Parse<T>(token).code;
  }
  template <class T>
  RejectCode Check(const T& value) {
    return PgType<T>::Check(value, context);
  }
};

template <class T>
std::string AsJson(const T& value) {
  ByteBuffer out;
  PgType<T>::AppendJson(value, out);
  return std::string(out.view());
}

// The binary format, in hexadecimal.
template <class T>
std::string AsHex(const T& value) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string bytes(PgType<T>::Size(value) + 1, '\x5a');  // one byte more, to see overruns
  const char* const end = PgType<T>::Write(bytes.data(), value);
  if (end != bytes.data() + bytes.size() - 1 || *end != '\x5a') return "wrote another size";
  bytes.pop_back();
  std::string hex;
  for (const char c : bytes) {
    hex += kHex[static_cast<unsigned char>(c) >> 4];
    hex += kHex[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

}  // namespace testing
}  // namespace tsingest

#endif  // TSINGEST_TESTS_UNIT_MODEL_PARSING_H_
