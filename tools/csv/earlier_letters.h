// Dead letters that earlier runs of an import have left.
#ifndef TSINGEST_TOOLS_CSV_EARLIER_LETTERS_H_
#define TSINGEST_TOOLS_CSV_EARLIER_LETTERS_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/common/common_settings.h"

namespace tsingest {

// Whose letters are meant. A letter does not name its import, but how it was read: another import
// of the same files into the same table counts too.
struct LettersOf {
  std::set<std::string> streams;
  std::string_view model;
  std::string table;  // as letters of this run name it
};

// How many are where this run would put its own. kUnimplemented: nobody can look there (none,
// Kafka); else the errors of LetterTable and LetterFile. 0: there is no such table or file.
absl::StatusOr<std::int64_t> CountEarlierLetters(const CommonSettings& common, const LettersOf& of);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_CSV_EARLIER_LETTERS_H_
