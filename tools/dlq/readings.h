// Whether letters can be read as they were, before a replay touches any of them.
#ifndef TSINGEST_TOOLS_DLQ_READINGS_H_
#define TSINGEST_TOOLS_DLQ_READINGS_H_

#include <string>

#include "absl/status/status.h"
#include "tools/dlq/dlq_settings.h"
#include "tsingest/sink/postgres_letters.h"
#include "tsingest/source/letters.h"

namespace tsingest {

// What a replay is for.
struct ReplayTarget {
  std::string model;
  std::string table;  // [SCHEMA.]NAME
};

// kInvalidArgument: letters among the chosen ones are of another model or table, were read in a way
// that this version does not know, or do not say how, and the settings do not either. The message
// says how many, the first one's id, and which flag helps.
absl::Status CheckReadings(LetterTable& table, const LetterSourceOptions& chosen,
                           const DlqSettings& dlq, const ReplayTarget& target);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_READINGS_H_
