#include "tools/common/sink_factory.h"

#include "absl/base/log_severity.h"
#include "fmt/format.h"
#include "tsingest/base/units.h"
#include "tsingest/decode/letter_reading_text.h"
#include "tsingest/sink/file_dead_letter.h"

namespace tsingest {
namespace {

// "36h" -> "129600 seconds": an interval literal as PostgreSQL reads it. "none" stays.
std::string IntervalLiteral(const std::string& duration) {
  if (duration.empty() || duration == "none") return duration;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*ParseDuration(duration));
  return fmt::format("{} seconds", seconds.count());
}

OnConflict ParseOnConflict(std::string_view name) {
  if (name == "update") return OnConflict::kUpdate;
  return name == "error" ? OnConflict::kError : OnConflict::kSkip;
}

DirectCompress ParseDirectCompress(std::string_view name) {
  if (name == "on") return DirectCompress::kOn;
  return name == "off" ? DirectCompress::kOff : DirectCompress::kAuto;
}

}  // namespace

LogOptions MakeLogOptions(const CommonSettings& common) {
  LogOptions options;
  options.level = ParseLogLevel(common.log_level).value_or(LogLevel::kInfo);
  if (common.log_format == "json") options.format = LogFormat::kJson;
  if (common.log_format == "text") options.format = LogFormat::kText;
  return options;
}

PipelineOptions MakePipelineOptions(const CommonSettings& common) {
  PipelineOptions options;
  options.batch_rows = static_cast<std::size_t>(common.batch_rows.value_or(0));
  options.batch_bytes = static_cast<std::size_t>(common.batch_bytes);
  options.linger = common.linger;
  options.buffer_bytes = common.buffer_bytes;
  options.writers = common.writers;
  options.drain_timeout = common.drain_timeout;
  if (common.max_rejects.has_value()) {
    options.max_rejects = static_cast<std::uint64_t>(*common.max_rejects);
  }
  return options;
}

PostgresOptions MakePostgresOptions(const CommonSettings& common, const SinkContext& context,
                                    Logger& logger, DeadLetterStore* letters) {
  PostgresOptions options;
  options.conninfo = common.target.conninfo;
  options.table = common.table;
  options.ledger = context.ledger;
  options.review_ledger = context.review_ledger;
  options.create.enabled = common.create;
  options.create.ddl = {
      .layout = common.layout == "compressed" ? TableLayout::kCompressed : TableLayout::kRows,
      .chunk_interval = IntervalLiteral(common.chunk_interval),
      .compress_after = IntervalLiteral(common.compress_after),
      .retention = IntervalLiteral(common.retention)};
  options.on_conflict = ParseOnConflict(common.on_conflict);
  options.direct_compress = ParseDirectCompress(common.direct_compress);
  options.use_insert = common.write_method == "insert";
  options.dry_run = common.dry_run;
  if (letters != nullptr) {
    options.dead_letters.to = PostgresDeadLetters::To::kStore;
    options.dead_letters.store = letters;
  } else if (common.dead_letter_target.kind == DeadLetterKind::kTable) {
    options.dead_letters.table = common.dead_letter_target.name;
  } else {
    options.dead_letters.to = PostgresDeadLetters::To::kNone;
  }
  options.source = common.defaults.tool;
  options.stream_name = context.stream_name;
  options.reading = context.reading;
  options.application_name = common.defaults.tool;
  options.source_forgets = context.source_forgets;
  if (common.defaults.is_service) options.startup_wait = Duration::max();
  options.log = logger.SeverityLog("postgres");
  options.on_dead_letter = context.on_dead_letter;
  options.on_error = context.on_error;
  return options;
}

LetterReadingOf JsonReading(std::string_view model, std::string table, const JsonOptions& json) {
  LetterReading reading;
  reading.model = model;
  reading.table = std::move(table);
  reading.json = json;
  return [text = WriteLetterReading(reading)](StreamId) { return text; };
}

absl::StatusOr<std::unique_ptr<DeadLetterStore>> MakeDeadLetterStore(const CommonSettings& common,
                                                                     const SinkContext& context) {
  const DeadLetterTarget& target = common.dead_letter_target;
  std::unique_ptr<DeadLetterStore> store;
  if (common.dry_run) return store;
  if (target.kind == DeadLetterKind::kFile)
    store = std::make_unique<FileDeadLetterStore>(target.name);
  if (target.kind == DeadLetterKind::kKafka) store = context.kafka_letters(target.name);
  if (store == nullptr) return store;
  if (absl::Status status = store->Open(); !status.ok()) {
    if (target.kind != DeadLetterKind::kFile) return status;
    return absl::Status(status.code(),
                        fmt::format("{}; name another place with --dead-letter file:PATH, or none",
                                    std::string(status.message())));
  }
  return store;
}

}  // namespace tsingest
