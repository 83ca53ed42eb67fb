#include "tools/csv/csv_settings.h"

#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/base/units.h"
#include "tsingest/model/reject.h"

namespace tsingest {
namespace {

constexpr char kInput[] = "What the files are like";
constexpr char kFields[] = "Which column goes where";
constexpr char kPace[] = "Which rows, and how fast";

absl::Status IsLimit(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text == "all" || (error == std::errc() && end == text.data() + text.size()))
    return absl::OkStatus();
  return absl::InvalidArgumentError("is neither a number of records nor the word all");
}

absl::Status IsRate(std::string_view text) {
  return ParseRate(text).ok() ? absl::OkStatus()
                              : absl::InvalidArgumentError("is not a rate such as 500/s");
}

void DeclareInput(Settings& settings, CsvSettings& v) {
  settings.AddPositional(&v.files,
                         {.name = "FILE", .help = "CSV files, also .gz and .zst; - is stdin"});
  settings.Add(&v.delimiter, {.name = "delimiter",
                              .value = "C",
                              .group = kInput,
                              .help = "what separates fields, one character or tab",
                              .default_text = "sniffed and reported",
                              .check = IsCharacter});
  settings.Add(&v.decimal_comma, {.name = "decimal-comma",
                                  .group = kInput,
                                  .help = "1,5 is one and a half",
                                  .default_text = "sniffed and reported"});
  settings.Add(&v.skip_lines, {.name = "skip-lines",
                               .value = "N",
                               .group = kInput,
                               .help = "so many lines stand above the header, or the first record",
                               .min = "0"});
  settings.Add(&v.comment, {.name = "comment",
                            .value = "C",
                            .group = kInput,
                            .help = "lines that begin with this character are no records (#)",
                            .default_text = "none are",
                            .check = IsCharacter});
  settings.Add(&v.no_header, {.name = "no-header",
                              .group = kInput,
                              .help = "the first record is data; name the columns with --columns"});
  settings.Add(&v.columns, {.name = "columns",
                            .value = "a,b,c",
                            .group = kInput,
                            .help = "names of the columns of a file without header"});
  settings.Add(&v.encoding,
               {.name = "encoding",
                .value = "NAME",
                .group = kInput,
                .help = "utf-8, utf-16, latin1, or any name that iconv knows",
                .default_text = "UTF-8, or UTF-16 where the file begins with its mark"});
}

void DeclareFields(Settings& settings, CsvSettings& v) {
  settings.Add(&v.import_id,
               {.name = "import-id",
                .value = "ID",
                .group = kFields,
                .help = "name of this import: its position is stored with the rows, and "
                        "the same command goes on there, exactly once"});
  settings.Add(&v.resume, {.name = "resume",
                           .group = kFields,
                           .help = "go on where the import stopped",
                           .default_text = "with --import-id"});
}

void DeclareLocalTimes(Settings& settings, CsvSettings& v) {
  settings.Add(
      &v.ambiguous_time,
      {.name = "ambiguous-time",
       .value = "WHICH",
       .group = kInput,
       .help = "which coming of a local time that came twice is meant, because clocks "
               "were put back: that of the order of a device's rows (going back is the "
               "second; reject where order does not tell), the earlier, the later, or none",
       .choices = {"order", "earlier", "later", "reject"}});
}

void DeclarePace(Settings& settings, CsvSettings& v) {
  settings.Add(&v.filter, {.name = "filter",
                           .value = "COLUMN=VALUE…",
                           .group = kPace,
                           .help = "only rows with this value (of several for one column, any)",
                           .greedy = true,
                           .is_map = true,
                           .check = IsPair});
  settings.Add(&v.device, {.name = "device",
                           .value = "ID",
                           .group = kPace,
                           .help = "only this device: --filter device_id=ID"});
  settings.Add(&v.limit, {.name = "limit",
                          .value = "N",
                          .group = kPace,
                          .help = "stop after so many records (with --unpivot one record gives "
                                  "several rows), or all",
                          .env = {"ROW_LIMIT"},
                          .check = IsLimit});
  settings.Add(&v.rate, {.name = "rate",
                         .value = "N/s",
                         .group = kPace,
                         .help = "so many rows a second",
                         .default_text = "full speed",
                         .check = IsRate});
  settings.Add(&v.interval, {.name = "interval",
                             .value = "D",
                             .group = kPace,
                             .help = "pause between rows",
                             .min = "0s"});
  settings.Add(&v.speed, {.name = "speed",
                          .value = "X",
                          .group = kPace,
                          .help = "X times as fast as recorded (1: as if the devices were alive)",
                          .min = "0"});
  settings.Add(&v.progress, {.name = "progress",
                             .value = "WHEN",
                             .group = "What is reported",
                             .help = "bar on stderr; auto: only on a terminal",
                             .choices = {"auto", "always", "never"}});
}

void FillFilter(CsvSettings& v) {
  for (const std::string& text : v.filter) {
    auto [column, value] = *SplitPair(text);
    v.csv.filter.push_back({std::move(column), std::move(value)});
  }
  if (!v.device.empty()) v.csv.filter.push_back({"device_id", v.device});
}

// After the zone.
absl::Status FillLocalTimes(const Settings& settings, CsvSettings& v) {
  TimeOptions& time = v.csv.parse.time;
  if (v.ambiguous_time == "earlier") time.ambiguous = AmbiguousTime::kEarlier;
  if (v.ambiguous_time == "later") time.ambiguous = AmbiguousTime::kLater;
  if (v.ambiguous_time == "reject") time.ambiguous = AmbiguousTime::kReject;
  if (time.zone != nullptr || !settings.IsGiven("ambiguous-time")) return absl::OkStatus();
  return settings.Invalid("ambiguous-time",
                          "is about local times: say whose with --time-zone Europe/Berlin");
}

absl::Status FillPace(const Settings& settings, CsvSettings& v) {
  const int paces =
      (v.rate.empty() ? 0 : 1) + (v.interval > Duration::zero() ? 1 : 0) + (v.speed > 0 ? 1 : 0);
  if (paces > 1)
    return settings.Invalid("rate", "--rate, --interval and --speed exclude each other");
  if (!v.rate.empty()) v.rows_per_second = *ParseRate(v.rate);
  if (v.limit != "all") v.row_limit = std::stoull(v.limit);
  return absl::OkStatus();
}

absl::Status Check(const Settings& settings, CsvSettings& v, const CommonSettings& common) {
  if (v.files.empty()) {
    return absl::InvalidArgumentError("no file given; name the CSV files to read, or - for stdin");
  }
  if (v.no_header && v.columns.empty()) {
    return settings.Invalid("no-header", "needs the columns' names: --columns a,b,c");
  }
  if (!v.columns.empty() && !v.no_header) {
    return settings.Invalid("columns",
                            "goes with --no-header; to rename columns use --map FIELD=COLUMN");
  }
  if (settings.IsGiven("import-id") && v.import_id.empty()) {
    return settings.Invalid("import-id",
                            "is empty; name the import, or leave it out to load without a position "
                            "(every run then loads everything)");
  }
  if (settings.IsGiven("resume") && v.resume && v.import_id.empty()) {
    return settings.Invalid("resume",
                            "needs --import-id ID, the name its position is stored under");
  }
  if (v.resume && common.target.kind == TargetKind::kPostgres) v.ledger = v.import_id;
  if (!v.import_id.empty() && common.target.kind == TargetKind::kOther) {
    return settings.Invalid(
        "import-id",
        fmt::format("stores a position in the rows' own transaction, and {} has none for it: an "
                    "import that stopped is published anew from its beginning (at least once)",
                    common.target.scheme == "kafka" ? "Kafka" : "MQTT"));
  }
  if (!v.import_id.empty() && common.target.kind != TargetKind::kPostgres) {
    return settings.Invalid("import-id",
                            "stores a position with the rows, so it needs PostgreSQL as --to");
  }
  if (absl::Status status = FillCsvReading(settings, v.reading, &v.csv); !status.ok()) {
    return status;
  }
  FillFilter(v);
  if (absl::Status status = FillPace(settings, v); !status.ok()) return status;
  if (absl::Status status = FillLocalTimes(settings, v); !status.ok()) return status;
  return v.csv.Validate();
}

}  // namespace

void DeclareCsvSettings(Settings& settings, CsvSettings& values, const CommonSettings& common) {
  DeclareInput(settings, values);
  DeclareCsvReading(settings, values.reading, {.input = kInput, .fields = kFields});
  DeclareFields(settings, values);
  DeclarePace(settings, values);
  DeclareLocalTimes(settings, values);
  settings.AddCheck([&settings, &values, &common] { return Check(settings, values, common); });
}

}  // namespace tsingest
