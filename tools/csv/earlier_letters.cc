#include "tools/csv/earlier_letters.h"

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "tools/dlq/letter_file.h"
#include "tools/dlq/readings.h"
#include "tsingest/decode/letter_reading_text.h"
#include "tsingest/sink/postgres_letters.h"

namespace tsingest {
namespace {

// A letter that does not say how it was read, or says it as this version does not know, may be one.
bool IsOf(const std::string& text, const LettersOf& of) {
  const absl::StatusOr<LetterReading> reading = ParseLetterReading(text);
  if (!reading.ok()) return true;
  return reading->model == of.model &&
         (reading->table.empty() || of.table.empty() || IsSameTable(reading->table, of.table));
}

absl::StatusOr<std::int64_t> CountInTable(const CommonSettings& common, const LettersOf& of) {
  LetterTable table({.conninfo = common.target.conninfo,
                     .table = common.dead_letter_target.name,
                     .application_name = common.defaults.tool});
  if (absl::Status status = table.Open(); !status.ok()) {
    return absl::IsNotFound(status) ? absl::StatusOr<std::int64_t>(0) : status;
  }
  const auto readings = table.ReadingsOf(
      common.defaults.tool, std::vector<std::string>(of.streams.begin(), of.streams.end()));
  if (!readings.ok()) return readings.status();
  std::int64_t count = 0;
  for (const LetterReadings& letters : *readings) {
    if (IsOf(letters.reading, of)) count += letters.count;
  }
  return count;
}

absl::StatusOr<std::int64_t> CountInFile(const CommonSettings& common, const LettersOf& of) {
  constexpr std::size_t kPage = 500;
  LetterFile file(common.dead_letter_target.name);
  if (absl::Status status = file.Open(); !status.ok()) {
    return absl::IsNotFound(status) ? absl::StatusOr<std::int64_t>(0) : status;
  }
  std::int64_t count = 0;
  for (std::int64_t after = 0;;) {
    const auto page = file.Read({.source = common.defaults.tool}, after, kPage);
    if (!page.ok()) return page.status();
    if (page->empty()) return count;
    for (const StoredLetter& letter : *page) {
      if (of.streams.contains(letter.stream) && IsOf(letter.reading, of)) ++count;
    }
    after = page->back().id;
  }
}

}  // namespace

absl::StatusOr<std::int64_t> CountEarlierLetters(const CommonSettings& common,
                                                 const LettersOf& of) {
  switch (common.dead_letter_target.kind) {
    case DeadLetterKind::kTable:
      return CountInTable(common, of);
    case DeadLetterKind::kFile:
      return CountInFile(common, of);
    default:
      return absl::UnimplementedError("dead letters are not kept where they can be counted");
  }
}

}  // namespace tsingest
