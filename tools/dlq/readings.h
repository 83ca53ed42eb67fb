// Whether letters can be read as they were, before a replay touches any of them.
#ifndef TSINGEST_TOOLS_DLQ_READINGS_H_
#define TSINGEST_TOOLS_DLQ_READINGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/dlq/dlq_settings.h"
#include "tsingest/sink/postgres_letters.h"
#include "tsingest/source/letters.h"

namespace tsingest {

// What a replay is for.
struct ReplayTarget {
  std::string model;
  std::string table;  // [SCHEMA.]NAME
};

// What the letters that `chosen` names are of, for a replay that is not told. nullopt: there are no
// such letters. kInvalidArgument: they are of several models, or do not say of which. The table is
// empty where they are for several.
absl::StatusOr<std::optional<ReplayTarget>> FindTarget(const std::vector<LetterReadings>& chosen);
// The readings of the letters in files that a filter chooses.
absl::StatusOr<std::vector<LetterReadings>> ReadingsOfFiles(const std::vector<std::string>& files,
                                                            const LetterFilter& filter);

// The same, as far as both say it: one of them may leave the schema to the search_path.
bool IsSameTable(const std::string& one, const std::string& other);

// kInvalidArgument: letters among the chosen ones are of another model or table, were read in a way
// that this version does not know, or do not say how, and the settings do not either. The message
// says how many, the first one's id, and which flag helps.
absl::Status CheckReadings(LetterTable& table, const LetterSourceOptions& chosen,
                           const DlqSettings& dlq, const ReplayTarget& target);
// The same of the letters in files that the settings choose. kInvalidArgument also: a line is no
// letter.
absl::Status CheckReadings(const std::vector<std::string>& files, const DlqSettings& dlq,
                           const ReplayTarget& target);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_READINGS_H_
