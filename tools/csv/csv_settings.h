// What csv-replay can be told beyond the settings all tools share.
#ifndef TSINGEST_TOOLS_CSV_CSV_SETTINGS_H_
#define TSINGEST_TOOLS_CSV_CSV_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/common/common_settings.h"
#include "tools/common/csv_reading_settings.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/service/settings.h"

namespace tsingest {

// Values after Settings::Load().
struct CsvSettings {
  std::vector<std::string> files;
  std::string delimiter;  // one character, "tab", or empty: sniffed
  std::optional<bool> decimal_comma;
  CsvReadingSettings reading;
  std::int64_t skip_lines = 0;
  std::string comment;  // one character; empty: there are no comments
  bool no_header = false;
  std::vector<std::string> columns;
  std::string encoding;
  std::vector<std::string> filter;
  std::string device;
  std::string ambiguous_time = "order";
  std::string limit = "all";
  std::string rate;
  Duration interval = Duration::zero();
  double speed = 0;
  bool resume = true;
  std::string import_id;
  std::string progress = "auto";

  // Worked out by the check that DeclareCsvSettings() adds.
  CsvOptions csv;  // parse.time.zone is reading.zone
  std::optional<std::uint64_t> row_limit;
  double rows_per_second = 0;  // 0: full speed
  std::string ledger;          // the import's name when its position is stored; else empty
};

// Declares the settings and their check. All three must outlive each other's use.
void DeclareCsvSettings(Settings& settings, CsvSettings& values, const CommonSettings& common);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_CSV_CSV_SETTINGS_H_
