#include "tools/dlq/dlq_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tsingest/base/units.h"
#include "tsingest/model/parse_time.h"
#include "tsingest/model/pg_types.h"
#include "tsingest/model/reject.h"

namespace tsingest {
namespace {

constexpr char kWhich[] = "Which letters";
constexpr char kShown[] = "How they are shown";
constexpr char kRepair[] = "Repair and replay";
constexpr char kReading[] = "How replay reads letters that do not say it themselves";
constexpr std::array<std::pair<std::string_view, DlqCommand>, 4> kCommands = {
    {{"list", DlqCommand::kList},
     {"show", DlqCommand::kShow},
     {"replay", DlqCommand::kReplay},
     {"purge", DlqCommand::kPurge}}};

// A time as the models read it, or a length of time back from now.
absl::StatusOr<Timestamp> ParsePoint(std::string_view text) {
  if (const auto length = ParseDuration(text); length.ok()) {
    return std::chrono::time_point_cast<std::chrono::microseconds>(SystemClock().WallNow() -
                                                                   *length);
  }
  const ParseOptions options;
  ParseContext context{.options = &options, .why = {}};
  Timestamp time{};
  if (ParseTimestamp({TokenKind::kText, text}, context, &time) == RejectCode::kOk) return time;
  return absl::InvalidArgumentError(
      "is neither a time (2024-01-15T10:30:00Z) nor a length of time back from now (24h)");
}

absl::Status IsPoint(std::string_view text) { return ParsePoint(text).status(); }

void DeclareFilters(Settings& settings, DlqSettings& v) {
  const auto text = [&](std::string* to, std::string name, std::string value, std::string help) {
    settings.Add(to, {.name = std::move(name),
                      .value = std::move(value),
                      .group = kWhich,
                      .help = std::move(help)});
  };
  text(&v.source, "source", "NAME", "only letters of this tool (kafka2ts, csv-replay)");
  text(&v.stream, "stream", "NAME", "only letters of this file, partition or session");
  text(&v.code, "code", "CODE", "only letters with this code (time, missing, 23514)");
  text(&v.reason, "reason", "TEXT", "only letters with this text in their reason");
  const auto point = [&](std::string* to, std::string name, std::string help) {
    settings.Add(to, {.name = std::move(name),
                      .value = "WHEN",
                      .group = kWhich,
                      .help = std::move(help),
                      .check = IsPoint});
  };
  point(&v.since, "since", "only letters stored at this time or later; 24h: a day back from now");
  point(&v.until, "until", "only letters stored before this time");
  settings.Add(&v.limit, {.name = "limit",
                          .value = "N",
                          .group = kWhich,
                          .help = "list and --edit: so many letters at most",
                          .min = "1",
                          .max = "1000000000"});
}

void DeclareOutputAndRepair(Settings& settings, DlqSettings& v) {
  settings.Add(&v.by, {.name = "by",
                       .value = "WHAT",
                       .group = kShown,
                       .help = "list: how many letters there are of each reason, code or source",
                       .choices = {"reason", "code", "source"}});
  settings.Add(&v.output, {.name = "output",
                           .value = "HOW",
                           .group = kShown,
                           .help = "list and show: for people, or one JSON object a line, as "
                                   "--from-file takes it back",
                           .choices = {"text", "json"}});
  settings.Add(&v.edit, {.name = "edit",
                         .group = kRepair,
                         .help = "replay: repair the letters in $VISUAL or $EDITOR first; lines "
                                 "that are taken out are not replayed"});
  settings.Add(&v.from_file,
               {.name = "from-file",
                .value = "FILE",
                .group = kRepair,
                .help = "replay: repaired letters, one JSON object a line with id and payload; - "
                        "is stdin. Only these are replayed"});
  settings.Add(&v.yes, {.name = "yes", .group = kRepair, .help = "purge: do it, without asking"});
}

// For letters that do not say how they were read.
void DeclareReading(Settings& settings, DlqSettings& v) {
  settings.Add(&v.columns, {.name = "columns",
                            .value = "a,b,c",
                            .group = kReading,
                            .help = "the header of the CSV files that they are from"});
  settings.Add(&v.delimiter, {.name = "delimiter",
                              .value = "C",
                              .group = kReading,
                              .help = "what separates fields, one character or tab",
                              .check = IsCharacter});
  settings.Add(&v.decimal_comma,
               {.name = "decimal-comma", .group = kReading, .help = "1,5 is one and a half"});
  DeclareCsvReading(settings, v.reading, {.input = kReading, .fields = kReading});
  settings.Add(&v.ignore_readings,
               {.name = "ignore-readings",
                .group = kReading,
                .help = "read all letters so, also those that say how they were read and those of "
                        "another model or table"});
  settings.Add(&v.any_table, {.name = "any-table",
                              .group = kRepair,
                              .help = "replay letters, too, that were for another table"});
}

absl::Status ReadWords(const Settings& settings, DlqSettings& v) {
  const auto names = "list, show, replay or purge";
  if (v.words.empty()) {
    return absl::InvalidArgumentError(fmt::format("what to do is missing: {}", names));
  }
  const auto* const found =
      std::ranges::find(kCommands, v.words.front(), &decltype(kCommands)::value_type::first);
  if (found == kCommands.end()) {
    return absl::InvalidArgumentError(
        fmt::format("{} is no command; it is {}", ShowValue(v.words.front()), names));
  }
  v.command = found->second;
  for (std::size_t i = 1; i < v.words.size(); ++i) {
    const std::string& word = v.words[i];
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id < 1) {
      return absl::InvalidArgumentError(
          fmt::format("{} is no letter's id (a number, as list shows it)", ShowValue(word)));
    }
    v.filter.ids.push_back(id);
  }
  if (v.command == DlqCommand::kShow && v.filter.ids.empty()) {
    return absl::InvalidArgumentError("show needs the id of a letter, as list shows it");
  }
  if (v.edit && !v.from_file.empty()) {
    return settings.Invalid("edit", "and --from-file exclude each other");
  }
  if (!v.from_file.empty() && !v.filter.ids.empty()) {
    return settings.Invalid("from-file", "names the letters itself; leave the ids out");
  }
  return absl::OkStatus();
}

absl::Status ReadCsv(const Settings& settings, DlqSettings& v) {
  // Only flags: in the environment or a file they may be there for csv-replay.
  const auto is_given = [&](std::string_view name) {
    return settings.Layer(name) == SettingLayer::kFlag;
  };
  v.has_reading = is_given("columns") || is_given("delimiter") || is_given("decimal-comma") ||
                  std::ranges::any_of(kCsvReadingNames, is_given);
  if (!v.columns.empty()) {
    v.csv_header.emplace(CsvHeader{.names = v.columns});
    v.csv_header->dialect.syntax.delimiter = ToCharacter(v.delimiter);
    FillCsvSyntax(v.reading, &v.csv_header->dialect.syntax);
    if (absl::Status status = v.csv_header->dialect.syntax.Validate(); !status.ok()) return status;
    v.csv_header->dialect.decimal_comma = v.decimal_comma;
  }
  absl::Status status = FillCsvReading(settings, v.reading, &v.csv);
  return status.ok() ? v.csv.Validate() : status;
}

absl::Status Check(const Settings& settings, DlqSettings& v, const CommonSettings& common) {
  if (absl::Status status = ReadWords(settings, v); !status.ok()) return status;
  v.filter.source = v.source;
  v.filter.stream = v.stream;
  v.filter.code = v.code;
  v.filter.reason = v.reason;
  if (!v.since.empty()) v.filter.since = *ParsePoint(v.since);
  if (!v.until.empty()) v.filter.until = *ParsePoint(v.until);
  if (v.by == "reason") v.group = LetterGroup::kReason;
  if (v.by == "code") v.group = LetterGroup::kCode;
  if (v.by == "source") v.group = LetterGroup::kSource;
  if (absl::Status status = ReadCsv(settings, v); !status.ok()) return status;
  if (v.command == DlqCommand::kPurge && !v.yes && !common.dry_run) {
    return absl::InvalidArgumentError(
        "purge removes letters for good: give --yes, or --dry-run to see how many");
  }
  v.letters = common.dead_letter_target;
  const DeadLetterKind kind = v.letters.kind;
  if (kind == DeadLetterKind::kNone) {
    return settings.Invalid("dead-letter", "none keeps no letters to work on");
  }
  if (v.command != DlqCommand::kReplay) return absl::OkStatus();
  if (common.target.kind != TargetKind::kPostgres) {
    return settings.Invalid("to", "replay writes into PostgreSQL: --to postgresql://…");
  }
  if (common.model.empty() && v.ignore_readings) {
    return settings.Invalid(
        "model", fmt::format("is missing; allowed: {}", fmt::join(common.defaults.models, ", ")));
  }
  const bool names_letters = !v.filter.ids.empty() || !v.from_file.empty() || v.edit;
  if (names_letters && kind != DeadLetterKind::kTable) {
    return settings.Invalid(
        "dead-letter",
        "replay takes these letters into the table first, where they get other ids: "
        "replay without ids, and repair what fails again in the table");
  }
  return absl::OkStatus();
}

}  // namespace

void DeclareDlqSettings(Settings& settings, DlqSettings& values, const CommonSettings& common) {
  settings.AddPositional(
      &values.words,
      {.name = "COMMAND", .help = "list, show, replay or purge, then ids of letters"});
  DeclareFilters(settings, values);
  DeclareOutputAndRepair(settings, values);
  DeclareReading(settings, values);
  settings.AddCheck([&settings, &values, &common] { return Check(settings, values, common); });
}

}  // namespace tsingest
