// Dead letters as people read them.
#ifndef TSINGEST_TOOLS_DLQ_LETTER_TEXT_H_
#define TSINGEST_TOOLS_DLQ_LETTER_TEXT_H_

#include <string>
#include <string_view>

#include "tsingest/pipeline/letter_box.h"

namespace tsingest {

// One line for a list: id, time, code, place, attempts, reason.
std::string LetterLineText(const StoredLetter& letter);
// All there is about the letter, on several lines; the payload readable, or as a dump of its bytes.
std::string LetterText(const StoredLetter& letter);
// Text as it is; anything else, and text with control characters, sixteen bytes a line in
// hexadecimal with what is printable beside it.
std::string PayloadText(std::string_view payload);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_LETTER_TEXT_H_
