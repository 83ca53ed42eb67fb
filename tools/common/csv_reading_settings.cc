#include "tools/common/csv_reading_settings.h"

#include "absl/status/statusor.h"
#include "tsingest/model/time_format.h"
#include "tsingest/model/time_zone.h"

namespace tsingest {
namespace {

void DeclareTimes(Settings& settings, CsvReadingSettings& v, const std::string& group) {
  settings.Add(&v.time_format,
               {.name = "time-format",
                .value = "FORMAT",
                .group = group,
                .help = "how times are written, as strptime has it (%d/%m/%Y %H.%M.%S)",
                .default_text = "read automatically"});
  settings.Add(&v.time_unit, {.name = "time-unit",
                              .value = "UNIT",
                              .group = group,
                              .help = "unit of epoch numbers",
                              .choices = {"s", "ms", "us", "ns"},
                              .default_text = "told by magnitude"});
  settings.Add(&v.time_zone, {.name = "time-zone",
                              .value = "ZONE",
                              .group = group,
                              .help = "of times without an offset (Europe/Berlin, +02:00)",
                              .default_text = "UTC"});
}

absl::Status IsQuote(std::string_view text) {
  if (text == "none" || IsCharacter(text).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError("is neither one character nor the word none");
}

absl::Status FillTimes(const Settings& settings, CsvReadingSettings& v, TimeOptions* time) {
  time->format = v.time_format;
  if (std::string wrong = v.time_format.empty() ? "" : CheckTimeFormat(v.time_format);
      !wrong.empty()) {
    return settings.Invalid("time-format", wrong);
  }
  if (v.time_unit == "s") time->epoch_unit = EpochUnit::kSeconds;
  if (v.time_unit == "ms") time->epoch_unit = EpochUnit::kMilliseconds;
  if (v.time_unit == "us") time->epoch_unit = EpochUnit::kMicroseconds;
  if (v.time_unit == "ns") time->epoch_unit = EpochUnit::kNanoseconds;
  if (v.time_zone.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<AbslTimeZone>> zone = AbslTimeZone::Load(v.time_zone);
  if (!zone.ok()) return settings.Invalid("time-zone", std::string(zone.status().message()));
  v.zone = *std::move(zone);
  time->zone = v.zone.get();
  return absl::OkStatus();
}

}  // namespace

std::optional<std::pair<std::string, std::string>> SplitPair(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

absl::Status IsPair(std::string_view text) {
  return SplitPair(text) ? absl::OkStatus()
                         : absl::InvalidArgumentError("must be two names with = between them");
}

absl::Status IsCharacter(std::string_view text) {
  if (text.size() == 1 || text == "tab" || text == "\\t") return absl::OkStatus();
  return absl::InvalidArgumentError("is not one character (or the word tab)");
}

char ToCharacter(std::string_view text) {
  return text == "tab" || text == "\\t" ? '\t' : text.front();
}

void DeclareCsvReading(Settings& settings, CsvReadingSettings& v, const CsvReadingGroups& groups) {
  settings.Add(&v.quote, {.name = "quote",
                          .value = "C",
                          .group = groups.input,
                          .help = "what fields are quoted with, one character, or none",
                          .check = IsQuote});
  settings.Add(&v.escape, {.name = "escape",
                           .value = "C",
                           .group = groups.input,
                           .help = "what stands before a quote, or itself, inside quotes (\\)",
                           .default_text = "quotes are doubled",
                           .check = IsCharacter});
  settings.Add(&v.nulls, {.name = "null",
                          .value = "TEXT…",
                          .group = groups.input,
                          .help = "spellings of NULL besides the empty cell (NA -200)",
                          .greedy = true,
                          .takes_empty = true});
  DeclareTimes(settings, v, groups.input);
  settings.Add(&v.map, {.name = "map",
                        .value = "FIELD=COLUMN…",
                        .group = groups.fields,
                        .help = "fill a field of the model from another column, or from several "
                                "joined by a blank (time=Date+Time)",
                        .greedy = true,
                        .is_map = true,
                        .check = IsPair});
  settings.Add(&v.set, {.name = "set",
                        .value = "FIELD=VALUE…",
                        .group = groups.fields,
                        .help = "fill a field with a constant",
                        .separator = '\0',
                        .greedy = true,
                        .is_map = true,
                        .check = IsPair});
  settings.Add(&v.unpivot, {.name = "unpivot",
                            .value = "COL[:UNIT],…",
                            .group = groups.fields,
                            .help = "one narrow row per named column"});
}

void FillCsvSyntax(const CsvReadingSettings& v, CsvSyntax* syntax) {
  syntax->quote = v.quote == "none" ? '\0' : ToCharacter(v.quote);
  syntax->escape = v.escape.empty() ? '\0' : ToCharacter(v.escape);
}

absl::Status FillCsvReading(const Settings& settings, CsvReadingSettings& v, CsvOptions* options) {
  options->nulls = v.nulls;
  for (const std::string& text : v.map) {
    auto [field, column] = *SplitPair(text);
    options->map.push_back({std::move(field), std::move(column)});
  }
  for (const std::string& text : v.set) {
    auto [field, value] = *SplitPair(text);
    options->set.push_back({std::move(field), std::move(value)});
  }
  for (const std::string& text : v.unpivot) {
    const std::size_t colon = text.rfind(':');
    options->unpivot.push_back(colon == std::string::npos
                                   ? CsvMeasure{text, ""}
                                   : CsvMeasure{text.substr(0, colon), text.substr(colon + 1)});
  }
  return FillTimes(settings, v, &options->parse.time);
}

}  // namespace tsingest
