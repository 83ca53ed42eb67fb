#include "tools/dlq/dlq_run.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string_view>
#include <tuple>

#include "tools/dlq/letter_file.h"
#include "tools/dlq/letter_text.h"
#include "tools/dlq/readings.h"
#include "tools/dlq/repairs.h"
#include "tsingest/service/standard_streams.h"
#include "tsingest/service/summary.h"
#include "tsingest/sink/letter_json.h"

namespace tsingest {
namespace {

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

absl::StatusOr<std::unique_ptr<LetterTable>> OpenTable(const CommonSettings& common) {
  auto table = std::make_unique<LetterTable>(
      LetterTableOptions{.conninfo = common.target.conninfo, .table = LetterTableName(common)});
  if (absl::Status status = table->Open(); !status.ok()) return status;
  return table;
}

absl::StatusOr<std::unique_ptr<LetterBox>> OpenBox(const CommonSettings& common) {
  if (common.dead_letter_target.kind == DeadLetterKind::kFile) {
    auto file = std::make_unique<LetterFile>(common.dead_letter_target.name);
    if (absl::Status status = file->Open(); !status.ok()) return status;
    return file;
  }
  return OpenTable(common);
}

void PrintLetter(const StoredLetter& letter, bool as_json, bool whole) {
  if (!as_json) return Print(whole ? LetterText(letter) : LetterLineText(letter));
  ByteBuffer json;
  AppendStoredLetterJson(letter, json);
  json.AppendByte('\n');
  Print(json.view());
}

absl::Status PrintCounts(LetterBox& box, const DlqSettings& dlq) {
  const auto counts = box.Count(dlq.filter, *dlq.group);
  if (!counts.ok()) return counts.status();
  for (const auto& [word, count] : *counts) {
    if (dlq.output == "text") {
      Print(fmt::format("{:>8}  {}\n", count, word));
      continue;
    }
    ByteBuffer json;
    json.Append(fmt::format("{{\"count\":{},\"{}\":", count, dlq.by));
    AppendJsonString(word, json);
    json.Append("}\n");
    Print(json.view());
  }
  return absl::OkStatus();
}

// `*shown`: how many there were.
absl::Status PrintLetters(LetterBox& box, const DlqSettings& dlq, std::size_t limit, bool whole,
                          std::size_t* shown) {
  constexpr std::size_t kPage = 500;
  for (std::int64_t after = 0; *shown < limit;) {
    const auto letters = box.Read(dlq.filter, after, std::min(kPage, limit - *shown));
    if (!letters.ok()) return letters.status();
    if (letters->empty()) break;
    for (const StoredLetter& letter : *letters) {
      PrintLetter(letter, dlq.output == "json", whole);
    }
    after = letters->back().id;
    *shown += letters->size();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> CountAll(LetterBox& box, const LetterFilter& filter) {
  const auto counts = box.Count(filter, LetterGroup::kCode);
  if (!counts.ok()) return counts.status();
  std::int64_t sum = 0;
  for (const auto& [word, count] : *counts) sum += count;
  return sum;
}

absl::Status List(LetterBox& box, const DlqSettings& dlq) {
  if (dlq.group.has_value()) return PrintCounts(box, dlq);
  std::size_t shown = 0;
  absl::Status status =
      PrintLetters(box, dlq, static_cast<std::size_t>(dlq.limit), /*whole=*/false, &shown);
  if (!status.ok() || dlq.output == "json") return status;
  const absl::StatusOr<std::int64_t> all = CountAll(box, dlq.filter);
  if (!all.ok()) return all.status();
  Print(fmt::format("{} of {} letters{}\n", shown, *all,
                    static_cast<std::int64_t>(shown) < *all ? " (--limit shows more)" : ""));
  return absl::OkStatus();
}

absl::Status Show(LetterBox& box, const DlqSettings& dlq) {
  std::size_t shown = 0;
  const std::size_t wanted = dlq.filter.ids.size();
  absl::Status status = PrintLetters(box, dlq, wanted, /*whole=*/true, &shown);
  if (!status.ok() || shown == wanted) return status;
  return absl::OutOfRangeError(
      fmt::format("{} of {} letters are not there (any more)", wanted - shown, wanted));
}

absl::Status Purge(LetterBox& box, const DlqSettings& dlq, bool dry_run) {
  const auto count = dry_run ? CountAll(box, dlq.filter) : box.Purge(dlq.filter);
  if (!count.ok()) return count.status();
  Print(dlq.output == "json"
            ? fmt::format("{{\"{}\":{}}}\n", dry_run ? "would_purge" : "purged", *count)
            : fmt::format("{} letters {}\n", *count, dry_run ? "would be purged" : "purged"));
  return absl::OkStatus();
}

// The ids that the file's letters have in the table now.
absl::StatusOr<LetterIdRanges> TakeFile(const std::string& path, LetterTable& table,
                                        const std::string& name, Logger& logger) {
  LetterIdRanges ids;
  std::int64_t count = 0;
  const auto store = [&](const std::string& mark,
                         absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next) {
    absl::StatusOr<ImportedLetters> imported = table.Import(mark, next);
    if (!imported.ok()) return imported.status();
    count += imported->count;
    ids.insert(ids.end(), imported->ids.begin(), imported->ids.end());
    return absl::OkStatus();
  };
  const auto forget = [&](const std::string& mark) { return table.ForgetImport(mark); };
  const absl::Status status = TakeLetterFile(path, {.store = store, .forget = forget});
  if (!status.ok()) return status;
  std::ranges::sort(ids, {}, &LetterIdRange::first);
  logger.Log(
      LogLevel::kInfo, "letters",
      fmt::format(
          "{} letters of {} are in table {} now{}", count, path, name,
          ids.empty() ? "" : fmt::format(" (ids {} to {})", ids.front().first, ids.back().last)));
  return ids;
}

// A repair that is the payload as it was, because the mend hit another member of the line.
absl::Status SayUnchanged(LetterBox& box, const LetterSourceOptions& options, Logger& logger) {
  constexpr std::size_t kPage = 500;
  std::size_t found = 0;
  std::size_t unchanged = 0;
  for (std::int64_t after = 0;;) {
    const auto page = box.Read(options.filter, after, kPage);
    if (!page.ok()) return page.status();
    if (page->empty()) break;
    for (const StoredLetter& letter : *page) {
      const auto repair = options.repairs.find(letter.id);
      ++found;
      if (repair != options.repairs.end() && repair->second == letter.payload) ++unchanged;
    }
    after = page->back().id;
  }
  if (unchanged == 0) return absl::OkStatus();
  logger.Log(LogLevel::kWarn, "letters",
             fmt::format("{} of {} repairs have the payload as it was: only `payload` is replayed, "
                         "a change of `reason` or another member is not heard",
                         unchanged, found));
  return absl::OkStatus();
}

std::string TargetTable(const CommonSettings& common, std::string_view model_table) {
  return common.table.empty() ? std::string(model_table) : common.table;
}

absl::StatusOr<std::unique_ptr<LetterTable>> OpenForReplay(const CommonSettings& common) {
  auto table = OpenTable(common);
  if (!table.ok() || common.dry_run) return table;
  if (absl::Status status = (*table)->BeginReplay(); !status.ok()) return status;
  return table;
}

// Nothing is taken over before all of them can be read. A dry run reads them where they are.
absl::StatusOr<ChosenLetters> ChooseFile(const CommonSettings& common, const DlqSettings& dlq,
                                         std::string_view model_table, Logger& logger) {
  const std::string& path = dlq.letters.name;
  const std::vector<std::string> files = LetterFilesOf(path);
  const ReplayTarget target{.model = std::string(model_table),
                            .table = TargetTable(common, model_table)};
  if (absl::Status status = CheckReadings(files, dlq, target); !status.ok()) return status;
  ChosenLetters chosen{.box = nullptr, .options = {.filter = dlq.filter, .name = path}};
  if (common.dry_run) {
    auto file = std::make_unique<LetterFile>(files.empty() ? path : files.back());
    if (absl::Status status = file->Open(); !status.ok()) return status;
    chosen.box = std::move(file);
    return chosen;
  }
  auto table = OpenForReplay(common);
  if (!table.ok()) return table.status();
  auto ids = TakeFile(path, **table, LetterTableName(common), logger);
  if (!ids.ok()) return ids.status();
  chosen.options.name = LetterTableName(common);
  chosen.options.only = *std::move(ids);
  chosen.box = *std::move(table);
  return chosen;
}

}  // namespace

int RunDlqCommand(const CommonSettings& common, const DlqSettings& dlq, Logger& logger) {
  const auto box = OpenBox(common);
  if (!box.ok()) return FailedToStart(logger, box.status());
  absl::Status status;
  switch (dlq.command) {
    case DlqCommand::kList:
      status = List(**box, dlq);
      break;
    case DlqCommand::kShow:
      status = Show(**box, dlq);
      break;
    case DlqCommand::kPurge:
      status = Purge(**box, dlq, common.dry_run);
      break;
    case DlqCommand::kReplay:
      break;
  }
  if (status.ok()) status = PrintToStdout("");
  if (status.ok()) return kExitDone;
  logger.Log(LogLevel::kError, "letters", std::string(status.message()));
  return kExitNotFinished;
}

std::optional<int> TakeModelFromLetters(const DlqSettings& dlq, Logger& logger,
                                        CommonSettings* common) {
  absl::StatusOr<std::vector<LetterReadings>> readings;
  if (dlq.letters.kind == DeadLetterKind::kFile) {
    readings = ReadingsOfFiles(LetterFilesOf(dlq.letters.name), dlq.filter);
  } else if (const auto table = OpenTable(*common); table.ok()) {
    readings = (*table)->Readings(dlq.filter, std::numeric_limits<std::int64_t>::max());
  } else {
    readings = table.status();
  }
  if (!readings.ok()) return FailedToStart(logger, readings.status());
  const absl::StatusOr<std::optional<ReplayTarget>> target = FindTarget(*readings);
  if (!target.ok()) return FailedToStart(logger, target.status());
  if (!target->has_value()) {
    logger.Log(LogLevel::kInfo, "letters", "there are no such letters: nothing to replay");
    return kExitDone;
  }
  common->model = (*target)->model;
  if (common->table.empty() && (*target)->table != common->model) common->table = (*target)->table;
  logger.Log(LogLevel::kInfo, "letters",
             fmt::format("the letters say model {}, table {}", common->model,
                         common->table.empty() ? common->model : common->table));
  if (std::ranges::find(common->defaults.models, common->model) != common->defaults.models.end()) {
    return std::nullopt;
  }
  return FailedToStart(
      logger, absl::InvalidArgumentError(fmt::format(
                  "this tool knows no model {}, only {}: replay them with the tool they are from",
                  common->model, fmt::join(common->defaults.models, ", "))));
}

LetterDecoderOptions MakeDecoderOptions(const CommonSettings& common, const DlqSettings& dlq) {
  LetterDecoderOptions options{.csv = dlq.csv,
                               .header = dlq.csv_header,
                               .window = common.window,
                               .ignores_readings = dlq.ignore_readings};
  options.json.parse.time = common.window;
  TimeOptions& time = options.csv.parse.time;
  std::tie(time.not_before, time.not_after, time.max_age, time.max_ahead) =
      std::tie(common.window.not_before, common.window.not_after, common.window.max_age,
               common.window.max_ahead);
  time.ambiguous = AmbiguousTime::kReject;  // letters are no rows in their order
  return options;
}

std::string LetterTableName(const CommonSettings& common) {
  return common.dead_letter_target.kind == DeadLetterKind::kTable ? common.dead_letter_target.name
                                                                  : "tsingest.dead_letter";
}

absl::StatusOr<ChosenLetters> ChooseLetters(const CommonSettings& common, const DlqSettings& dlq,
                                            std::string_view model_table, Logger& logger) {
  if (dlq.letters.kind == DeadLetterKind::kFile) {
    return ChooseFile(common, dlq, model_table, logger);
  }
  auto table = OpenForReplay(common);
  if (!table.ok()) return table.status();
  LetterSourceOptions options{.filter = dlq.filter, .name = LetterTableName(common)};
  if (dlq.edit || !dlq.from_file.empty()) {
    absl::StatusOr<LetterRepairs> repairs =
        dlq.edit ? EditLetters(**table, dlq.filter, static_cast<std::size_t>(dlq.limit))
                 : ReadRepairFile(dlq.from_file);
    if (!repairs.ok()) return repairs.status();
    if (repairs->empty()) return absl::InvalidArgumentError("no letters are left to replay");
    options.filter.ids.clear();
    for (const auto& [id, payload] : *repairs) options.filter.ids.push_back(id);
    options.repairs = *std::move(repairs);
    if (absl::Status status = SayUnchanged(**table, options, logger); !status.ok()) return status;
  }
  const absl::StatusOr<std::int64_t> last = (*table)->LastId();
  if (!last.ok()) return last.status();
  options.last_id = *last;
  absl::Status status =
      CheckReadings(**table, options, dlq,
                    {.model = std::string(model_table), .table = TargetTable(common, model_table)});
  if (!status.ok()) return status;
  return ChosenLetters{.box = *std::move(table), .options = std::move(options)};
}

}  // namespace tsingest
