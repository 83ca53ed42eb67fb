#include "tools/csv/csv_replay.h"

#include "fmt/format.h"

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

void SayIfComplete(const CsvSettings& settings, const CsvProgress& progress, Logger& logger) {
  const bool is_complete = !settings.ledger.empty() && progress.files_resumed == progress.files &&
                           progress.files_done == progress.files && progress.records == 0;
  if (!is_complete) return;
  logger.Log(
      LogLevel::kInfo, "csv",
      fmt::format("import {} is complete: nothing to do; an earlier run has loaded all of {}",
                  settings.ledger, fmt::join(settings.files, ", ")));
}

void HeaderLog::Once(const std::string& line) {
  if (said_.insert(line).second) logger_.Log(LogLevel::kInfo, "csv", line);
}

void HeaderLog::Say(std::span<const std::string> notes,
                    const std::vector<std::string>& unused_columns,
                    const std::vector<std::string>& unfilled_fields) {
  for (const std::string& note : notes) Once(note);
  if (!unused_columns.empty()) {
    Once(fmt::format("columns not used: {}; map them with --map FIELD=COLUMN",
                     fmt::join(unused_columns, ", ")));
  }
  if (!unfilled_fields.empty()) {
    Once(
        fmt::format("fields without a column: {}; fill them with --map FIELD=COLUMN or --set "
                    "FIELD=VALUE",
                    fmt::join(unfilled_fields, ", ")));
  }
}

}  // namespace tsingest
