// How CSV records are read: the settings that csv-replay and tsingest-dlq share.
#ifndef TSINGEST_TOOLS_COMMON_CSV_READING_SETTINGS_H_
#define TSINGEST_TOOLS_COMMON_CSV_READING_SETTINGS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/model/time_options.h"
#include "tsingest/service/settings.h"

namespace tsingest {

// Values after Settings::Load().
struct CsvReadingSettings {
  std::string quote = "\"";  // one character, or "none"
  std::string escape;        // one character; empty: the quote
  std::vector<std::string> nulls;
  std::vector<std::string> map;
  std::vector<std::string> set;
  std::vector<std::string> unpivot;
  std::string time_format;
  std::string time_unit;
  std::string time_zone;
  std::shared_ptr<const TimeZoneRule> zone;  // made by FillCsvReading()
};

// Groups of --help that the settings stand in.
struct CsvReadingGroups {
  std::string input;   // --null, --time-format, …
  std::string fields;  // --map, --set, --unpivot
};

// Their names.
inline constexpr std::string_view kCsvReadingNames[] = {
    "quote", "escape", "null", "map", "set", "unpivot", "time-format", "time-unit", "time-zone"};

void DeclareCsvReading(Settings& settings, CsvReadingSettings& values,
                       const CsvReadingGroups& groups);
// Puts the values into the options, which borrow `values.zone`. kInvalidArgument names the setting.
absl::Status FillCsvReading(const Settings& settings, CsvReadingSettings& values,
                            CsvOptions* options);

// The quote and the escape of a file.
void FillCsvSyntax(const CsvReadingSettings& values, CsvSyntax* syntax);

// A setting that is one character, or the word tab, and what it stands for.
absl::Status IsCharacter(std::string_view text);
char ToCharacter(std::string_view text);

// "LEFT=RIGHT" at the first '='; nullopt: it is none.
std::optional<std::pair<std::string, std::string>> SplitPair(std::string_view text);
// Whether it is, as a check of a setting.
absl::Status IsPair(std::string_view text);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_CSV_READING_SETTINGS_H_
