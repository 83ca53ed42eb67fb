#include "tools/dlq/readings.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "tools/dlq/letter_file.h"
#include "tsingest/decode/letter_reading_text.h"
#include "tsingest/encode/sql.h"

namespace tsingest {
namespace {

std::string Some(const LetterReadings& letters) {
  return fmt::format("{} of the letters (the first: {})", letters.count, letters.first_id);
}

absl::Status CheckReading(const LetterReadings& letters, const DlqSettings& dlq,
                          const ReplayTarget& target) {
  const absl::StatusOr<LetterReading> reading = ParseLetterReading(letters.reading);
  if (!reading.ok()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} cannot be read as they say: {}. Replay them with the version that stored them, or give "
        "--ignore-readings and the flags that say how",
        Some(letters), std::string(reading.status().message())));
  }
  if (reading->model != target.model) {
    return absl::InvalidArgumentError(fmt::format(
        "{} are of model {}, and this replay is of model {}: replay them by themselves with "
        "--model {} (choose by id, --source or --stream), or give --ignore-readings to read them "
        "as {}",
        Some(letters), reading->model, target.model, reading->model, target.model));
  }
  if (dlq.any_table || reading->table.empty() || IsSameTable(reading->table, target.table)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "{} were for table {}, and this replay writes into {}: replay them by themselves with "
      "--table {} (choose by id, --source or --stream), or give --any-table to have them in {}",
      Some(letters), reading->table, target.table, reading->table, target.table));
}

bool SaysNothing(const LetterReadings& letters, const DlqSettings& dlq) {
  return letters.reading.empty() || dlq.ignore_readings;
}

// Without the header they would only fail again, and for a reason that says nothing.
absl::Status CheckUnsaid(const std::vector<LetterReadings>& all, const DlqSettings& dlq) {
  if (dlq.csv_header.has_value()) return absl::OkStatus();
  for (const LetterReadings& letters : all) {
    if (!SaysNothing(letters, dlq) || letters.source != "csv-replay") continue;
    return absl::InvalidArgumentError(fmt::format(
        "{} are records of CSV files{}: name the files' columns with --columns a,b,c, and what "
        "else csv-replay was told (--delimiter, --quote, --escape, --decimal-comma, --null, --map, "
        "--set, --unpivot, "
        "--time-format, --time-unit, --time-zone), or leave them out (--source kafka2ts)",
        Some(letters),
        dlq.ignore_readings ? "" : " and do not say how they were read (an older version)"));
  }
  return absl::OkStatus();
}

// The repairs that may be CSV records; what begins as JSON does is read as JSON.
std::vector<std::int64_t> RepairsOfRecords(const LetterRepairs& repairs) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, payload] : repairs) {
    const std::size_t first = payload.find_first_not_of(" \t\r\n");
    const bool is_json =
        first != std::string::npos && (payload[first] == '{' || payload[first] == '[');
    if (!is_json) ids.push_back(id);
  }
  return ids;
}

}  // namespace

bool IsSameTable(const std::string& one, const std::string& other) {
  const absl::StatusOr<TableName> a = ParseTableName(one);
  const absl::StatusOr<TableName> b = ParseTableName(other);
  if (!a.ok() || !b.ok()) return one == other;
  return a->name == b->name && (a->schema.empty() || b->schema.empty() || a->schema == b->schema);
}

namespace {

absl::Status CheckSaid(const std::vector<LetterReadings>& all, const DlqSettings& dlq,
                       const ReplayTarget& target) {
  bool uses_settings = all.empty();
  for (const LetterReadings& letters : all) {
    if (SaysNothing(letters, dlq)) {
      uses_settings = true;
    } else if (absl::Status status = CheckReading(letters, dlq, target); !status.ok()) {
      return status;
    }
  }
  if (!dlq.has_reading || uses_settings) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "all of the letters say how they were read, and flags such as --columns or --map would not "
      "be heeded: leave them out, or give --ignore-readings");
}

}  // namespace

absl::StatusOr<std::vector<LetterReadings>> ReadingsOfFiles(const std::vector<std::string>& files,
                                                            const LetterFilter& filter) {
  constexpr std::size_t kPage = 500;
  std::map<std::pair<std::string, std::string>, LetterReadings> all;
  for (const std::string& path : files) {
    LetterFile file(path);
    if (absl::Status status = file.Open(); !status.ok()) return status;
    for (std::int64_t after = 0;;) {
      const auto page = file.Read(filter, after, kPage);
      if (!page.ok()) return page.status();
      if (page->empty()) break;
      for (const StoredLetter& letter : *page) {
        LetterReadings& letters = all[{letter.reading, letter.source}];
        if (letters.count++ > 0) continue;
        letters.reading = letter.reading;
        letters.source = letter.source;
        letters.first_id = letter.id;
      }
      after = page->back().id;
    }
  }
  std::vector<LetterReadings> readings;
  for (auto& [key, letters] : all) readings.push_back(std::move(letters));
  return readings;
}

absl::StatusOr<std::optional<ReplayTarget>> FindTarget(const std::vector<LetterReadings>& chosen) {
  std::optional<ReplayTarget> target;
  for (const LetterReadings& letters : chosen) {
    const absl::StatusOr<LetterReading> reading = ParseLetterReading(letters.reading);
    if (!reading.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("{} do not say of which model they are: give --model NAME", Some(letters)));
    }
    if (!target.has_value()) {
      target = {.model = reading->model, .table = reading->table};
    } else if (target->model != reading->model) {
      return absl::InvalidArgumentError(fmt::format(
          "the letters are of several models ({}, {}): replay each by itself with --model NAME "
          "(choose its letters by id, --source or --stream)",
          target->model, reading->model));
    } else if (!IsSameTable(target->table, reading->table)) {
      target->table.clear();
    }
  }
  return target;
}

absl::Status CheckReadings(LetterTable& table, const LetterSourceOptions& chosen,
                           const DlqSettings& dlq, const ReplayTarget& target) {
  auto all = table.Readings(chosen.filter, chosen.last_id);
  if (!all.ok()) return all.status();
  if (absl::Status status = CheckSaid(*all, dlq, target); !status.ok()) return status;
  if (chosen.repairs.empty()) return CheckUnsaid(*all, dlq);
  LetterFilter records{.ids = RepairsOfRecords(chosen.repairs)};
  if (records.ids.empty()) return absl::OkStatus();
  all = table.Readings(records, chosen.last_id);
  return all.ok() ? CheckUnsaid(*all, dlq) : all.status();
}

absl::Status CheckReadings(const std::vector<std::string>& files, const DlqSettings& dlq,
                           const ReplayTarget& target) {
  const auto all = ReadingsOfFiles(files, dlq.filter);
  if (!all.ok()) return all.status();
  if (absl::Status status = CheckSaid(*all, dlq, target); !status.ok()) return status;
  return CheckUnsaid(*all, dlq);
}

}  // namespace tsingest
