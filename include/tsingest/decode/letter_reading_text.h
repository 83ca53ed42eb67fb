// A LetterReading as text: one JSON object with `format`, `model` and `table`, for CSV the header's
// `columns`, and every setting that is not as by default, under the names of internal::ReadingText.
#ifndef TSINGEST_DECODE_LETTER_READING_TEXT_H_
#define TSINGEST_DECODE_LETTER_READING_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tsingest/decode/internal/reading_parser.h"
#include "tsingest/decode/internal/reading_writer.h"
#include "tsingest/decode/letter_reading.h"

namespace tsingest {

// The reading as compact JSON, valid UTF-8 without NUL.
inline std::string WriteLetterReading(const LetterReading& reading) {
  return internal::ReadingWriter().Write(reading);
}

// Reads what WriteLetterReading() wrote, also after jsonb has sorted its members.
// kInvalidArgument: no such object, or one with a member or value that this version does not know.
inline absl::StatusOr<LetterReading> ParseLetterReading(std::string_view text) {
  return internal::ReadingParser().Parse(text);
}

}  // namespace tsingest

#endif  // TSINGEST_DECODE_LETTER_READING_TEXT_H_
