// Why a piece of input cannot become a row.
#ifndef TSINGEST_MODEL_REJECT_H_
#define TSINGEST_MODEL_REJECT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tsingest/base/show_value.h"

namespace tsingest {

// Stable classes of rejects; the slug of each is what dead letters and metrics carry as `code`.
enum class RejectCode : std::uint8_t {
  kOk = 0,
  kSyntax,    // not JSON, not CSV, not an object
  kEncoding,  // invalid UTF-8, a NUL character in text
  kLimit,     // a hard limit: size, depth, number length, field count
  kColumns,   // a CSV record with more or fewer fields than its header
  kMissing,   // a required field is absent or null
  kType,      // the value cannot be read as the column's type
  kRange,     // the value does not fit the column's type
  kTime,      // not a timestamp, or outside the accepted window
  kRule,      // a rule of the model: length, range, one-of, not-empty, finite
  kServer,    // the database refused the row; the dead letter's code is its SQLSTATE
};

constexpr std::string_view RejectSlug(RejectCode code) {
  switch (code) {
    case RejectCode::kOk:
      return "ok";
    case RejectCode::kSyntax:
      return "syntax";
    case RejectCode::kEncoding:
      return "encoding";
    case RejectCode::kLimit:
      return "limit";
    case RejectCode::kColumns:
      return "columns";
    case RejectCode::kMissing:
      return "missing";
    case RejectCode::kType:
      return "type";
    case RejectCode::kRange:
      return "range";
    case RejectCode::kTime:
      return "time";
    case RejectCode::kRule:
      return "rule";
    case RejectCode::kServer:
      return "server";
  }
  return "unknown";
}

// A reject as decoders and validators report it. `reason` names the field, the value (cut to
// kMaxShownValueBytes) and the rule: `value: "abc" is not a number`. The place (line, offset) is
// added by whoever knows it.
struct Reject {
  static constexpr std::size_t kMaxShownValueBytes = tsingest::kMaxShownValueBytes;

  RejectCode code = RejectCode::kOk;
  std::string reason;

  explicit operator bool() const { return code != RejectCode::kOk; }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_REJECT_H_
