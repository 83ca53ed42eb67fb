// What decoders hand to fields: one scalar (or nested document) of the input, and the surroundings
// it is to be read in.
#ifndef TSINGEST_MODEL_TOKEN_H_
#define TSINGEST_MODEL_TOKEN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_options.h"

namespace tsingest {

enum class TokenKind : std::uint8_t {
  kNull,    // JSON null; a CSV cell that spells NULL
  kTrue,    // JSON true
  kFalse,   // JSON false
  kNumber,  // a JSON number, `text` as written
  kString,  // a JSON string, `text` unescaped, valid UTF-8 without NUL
  kText,    // a CSV cell: may be read as anything, valid UTF-8 without NUL
  kObject,  // `text` is the raw JSON of the whole object
  kArray,   // `text` is the raw JSON of the whole array
};

// `text` views the batch's arena: it lives as long as the row.
struct Token {
  TokenKind kind = TokenKind::kNull;
  std::string_view text;
  // kObject, kArray: the decoder has seen that jsonb takes the text. False: not known, so look.
  bool fits_jsonb = false;
};

// How decoders read values; the same for every row of a source.
struct ParseOptions {
  TimeOptions time;
  // Decimal comma: "1,5" is 1.5 in number columns (CSV dialects).
  bool decimal_comma = false;
};

// A time that was read without an offset, in TimeOptions::zone.
struct LocalTime {
  Timestamp* value = nullptr;  // where its first instant was put
  Timestamp written{};         // as if it were UTC
  LocalInstants instants{};
};

// Lent to PgType<T>::Parse and to rules. One per decoding thread.
struct ParseContext {
  const ParseOptions* options = nullptr;
  Arena* arena = nullptr;  // for what a value needs beyond its token; lives as long as the row
  Timestamp arrival{};     // when the message came
  // For AmbiguousTime::kOrder: collects the local times of a record, for whoever knows the order.
  std::vector<LocalTime>* local_times = nullptr;
  std::string why;  // set by whoever returns a code other than kOk: the broken rule, worded
                    // to follow the value: "is not a number"
  // Fails with a reason in one statement: `return context.Fail(RejectCode::kType, "is not …")`.
  [[gnu::cold, gnu::noinline]] RejectCode Fail(RejectCode code, std::string_view rule) {
    why.assign(rule);
    return code;
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_TOKEN_H_
