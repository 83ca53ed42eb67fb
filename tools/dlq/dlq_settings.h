// What tsingest-dlq can be told beyond the settings all tools share.
#ifndef TSINGEST_TOOLS_DLQ_DLQ_SETTINGS_H_
#define TSINGEST_TOOLS_DLQ_DLQ_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/common_settings.h"
#include "tools/common/csv_reading_settings.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/pipeline/letter_box.h"
#include "tsingest/service/settings.h"

namespace tsingest {

enum class DlqCommand : std::uint8_t { kList, kShow, kReplay, kPurge };

// Values after Settings::Load().
struct DlqSettings {
  std::vector<std::string> words;  // the command and ids, as given
  std::string source;
  std::string stream;
  std::string code;
  std::string reason;
  std::string since;
  std::string until;
  std::int64_t limit = 100;
  std::string by;
  std::string output = "text";
  std::string from_file;
  bool edit = false;
  bool yes = false;
  std::vector<std::string> columns;
  std::string delimiter = ",";
  bool decimal_comma = false;
  CsvReadingSettings reading;
  bool ignore_readings = false;
  bool any_table = false;

  // Worked out by the check that DeclareDlqSettings() adds.
  DlqCommand command = DlqCommand::kList;
  DeadLetterTarget letters;  // where they are
  LetterFilter filter;
  std::optional<LetterGroup> group;
  CsvOptions csv;  // parse.time.zone is reading.zone
  std::optional<CsvHeader> csv_header;
  bool has_reading = false;  // one of the settings that tell how CSV is read was given
};

// Declares the settings and their check, behind those of DeclareCommonSettings(). All three must
// outlive each other's use.
void DeclareDlqSettings(Settings& settings, DlqSettings& values, const CommonSettings& common);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_DLQ_SETTINGS_H_
