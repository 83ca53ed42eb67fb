#include "tools/csv/csv_replay.h"

namespace tsingest {

CsvSourceOptions MakeCsvSourceOptions(const CsvSettings& settings, Logger& logger) {
  CsvSourceOptions options;
  options.files = settings.files;
  if (settings.delimiter == "tab" || settings.delimiter == "\\t") {
    options.delimiter = '\t';
  } else if (!settings.delimiter.empty()) {
    options.delimiter = settings.delimiter.front();
  }
  options.decimal_comma = settings.decimal_comma;
  options.has_header = !settings.no_header;
  options.columns = settings.columns;
  options.encoding = settings.encoding;
  options.log = logger.LineLog(LogLevel::kInfo, "csv");
  return options;
}

LetterReading MakeCsvReading(const CsvSettings& settings, const CsvOptions& options) {
  LetterReading reading;
  reading.format = LetterReading::Format::kCsv;
  reading.csv = options;
  reading.time_zone = settings.reading.time_zone;
  return reading;
}

std::string HowToGoOn(const CommonSettings& common, const CsvSettings& settings,
                      const absl::Status& status) {
  if (common.target.kind == TargetKind::kOther) {
    return "What is published stays published, and running this again would publish it again";
  }
  if (settings.ledger.empty()) {
    return "What is written stays written, and running this again would write it twice: use "
           "--import-id to make an import that can go on where it stopped";
  }
  // Such an error says itself what is to be done, and running again alone does not help.
  if (absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status)) {
    return "What is written stays written";
  }
  return "Run the same command again to go on where import " + settings.ledger + " stopped";
}

}  // namespace tsingest
