#include "tools/csv/csv_replay.h"

#include <cstdint>

#include "fmt/format.h"
#include "tools/csv/earlier_letters.h"
#include "tsingest/pipeline/fence.h"
#include "tsingest/service/number_text.h"

namespace tsingest {

CsvSourceOptions MakeCsvSourceOptions(const CsvSettings& settings, Logger& logger) {
  CsvSourceOptions options;
  options.files = settings.files;
  if (!settings.delimiter.empty()) options.delimiter = ToCharacter(settings.delimiter);
  CsvSyntax syntax;
  FillCsvSyntax(settings.reading, &syntax);
  options.quote = syntax.quote;
  options.escape = syntax.escape;
  options.skip_lines = settings.skip_lines;
  if (!settings.comment.empty()) options.comment = ToCharacter(settings.comment);
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
                      const RunResult& result) {
  const absl::Status& status = result.status;
  const Balance& balance = result.counters.balance;
  if (common.dry_run) return "Nothing was written: it was a dry run";
  const bool has_written = balance.written + balance.deduplicated + balance.dead_lettered > 0;
  if (common.target.kind == TargetKind::kStdout) {
    return "Running this again prints all rows, from the first one on";
  }
  if (common.target.kind == TargetKind::kOther) {
    return has_written
               ? "What is published stays published, and running this again would publish it again"
               : "Running this again begins at the first row";
  }
  if (settings.ledger.empty()) {
    return has_written ? "What is written stays written, and running this again would write it "
                         "twice: use --import-id to make an import that can go on where it stopped"
                       : "Nothing was written: running this again begins at the first row";
  }
  if (absl::IsDataLoss(status)) {
    return "What is written stays written. Put the whole file in its place, under the same name, "
           "and run the same command again: import " +
           settings.ledger + " goes on where it stopped";
  }
  // Both would be heeded for ever.
  if (!FencedStreams(status).empty()) {
    return "What is written stays written. That run goes on with import " + settings.ledger +
           " from here: leave it to it, or stop it and then run the same command again";
  }
  // Such an error says itself what is to be done, and running again alone does not help.
  if (absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status)) {
    return "What is written stays written";
  }
  return "Run the same command again to go on where import " + settings.ledger + " stopped";
}

namespace {

std::string LettersText(const CommonSettings& common, const CsvSettings& settings,
                        std::int64_t letters) {
  const std::string place = common.dead_letter_target.kind == DeadLetterKind::kFile
                                ? " --dead-letter file:" + common.dead_letter_target.name
                                : "";
  return fmt::format(
      "{} of its records {} dead letters of earlier runs, in {}, and not in the table: see why "
      "(tsingest-dlq list --source {} --by reason{}), then mend and replay them (tsingest-dlq "
      "replay), or purge them. If none of its rows is in the table because a flag was wrong: purge "
      "them, delete the position (DELETE FROM tsingest.positions WHERE ledger = '{}'), and load it "
      "anew",
      GroupDigits(static_cast<std::uint64_t>(letters)), letters == 1 ? "is one of the" : "are",
      common.dead_letter_target.name, common.defaults.tool, place, settings.ledger);
}

}  // namespace

void SayWhatWasBefore(const CommonSettings& common, const CsvSettings& settings,
                      const CsvSource& source, std::string_view model, Logger& logger,
                      RunWords* words) {
  const CsvProgress progress = source.Progress();
  if (settings.ledger.empty() || progress.files_resumed == 0) return;
  const bool is_complete = progress.files_resumed == progress.files &&
                           progress.files_done == progress.files && progress.records == 0;
  LettersOf of{.streams = {}, .model = model, .table = common.table};
  if (of.table.empty()) of.table = model;
  for (std::int64_t id = 0; id < progress.files; ++id) {
    of.streams.emplace(source.StreamName(static_cast<StreamId>(id)));
  }
  const absl::StatusOr<std::int64_t> letters = CountEarlierLetters(common, of);
  if (letters.ok() && *letters > 0) {
    words->has_earlier_letters = true;
    const std::string text = LettersText(common, settings, *letters);
    words->note += (words->note.empty() ? "" : "; ") + text;
    logger.Log(LogLevel::kWarn, "csv",
               fmt::format("import {} is {} {}", settings.ledger,
                           is_complete ? "complete, but" : "loaded to the end, but", text));
    return;
  }
  if (is_complete) {
    logger.Log(
        LogLevel::kInfo, "csv",
        fmt::format("import {} is complete: nothing to do; an earlier run has loaded all of {}",
                    settings.ledger, fmt::join(settings.files, ", ")));
  }
  if (!letters.ok()) {
    logger.Log(LogLevel::kWarn, "csv",
               fmt::format("whether earlier runs of import {} have left dead letters is not known: "
                           "{}",
                           settings.ledger, std::string(letters.status().message())));
  }
}

void SayWhatWasLeftOut(std::int64_t comments, std::uint64_t empty_records,
                       std::uint64_t filtered_records, const Balance& balance, Logger& logger,
                       RunWords* words) {
  if (comments > 0) {
    logger.Log(LogLevel::kInfo, "csv", "comments were left out", {{"lines", comments}});
  }
  if (empty_records > 0) {
    logger.Log(LogLevel::kInfo, "csv", "records of nothing but empty cells were left out",
               {{"records", empty_records}});
  }
  if (filtered_records == 0) return;
  const bool is_all = balance.received == 0;
  words->note =
      fmt::format("{} {} left out by --filter or --device{}", GroupDigits(filtered_records),
                  filtered_records == 1 ? "record was" : "records were",
                  is_all ? ", and no other came: is the value written as in the file?" : "");
  logger.Log(is_all ? LogLevel::kWarn : LogLevel::kInfo, "csv", words->note);
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
