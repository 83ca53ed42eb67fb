// Repaired letters: read from a file, or made in an editor.
#ifndef TSINGEST_TOOLS_DLQ_REPAIRS_H_
#define TSINGEST_TOOLS_DLQ_REPAIRS_H_

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tsingest/pipeline/letter_box.h"
#include "tsingest/source/letters.h"

namespace tsingest {

// One JSON object a line, with `id` and `payload` (or `payload_base64`); what else stands there, as
// `list --output json` writes it, does not count. kInvalidArgument names the line of `name`.
absl::StatusOr<LetterRepairs> ReadRepairs(std::istream& in, std::string_view name);

// From the file, or standard input ("-"). kNotFound, kPermissionDenied, kInvalidArgument.
absl::StatusOr<LetterRepairs> ReadRepairFile(const std::string& path);

// Opens the letters, `limit` at most, in $VISUAL or $EDITOR and reads what was made of them.
// kCancelled: the editor failed. kNotFound: there are no such letters.
absl::StatusOr<LetterRepairs> EditLetters(LetterBox& box, const LetterFilter& filter,
                                          std::size_t limit);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_REPAIRS_H_
