// Turns the common settings into the objects of a run.
#ifndef TSINGEST_TOOLS_COMMON_SINK_FACTORY_H_
#define TSINGEST_TOOLS_COMMON_SINK_FACTORY_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/common/common_settings.h"
#include "tools/common/printing_sink.h"
#include "tsingest/decode/json_options.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/service/log.h"
#include "tsingest/sink/json_lines.h"
#include "tsingest/sink/postgres.h"
#include "tsingest/sink/publisher.h"

namespace tsingest {

// A sink and what it borrows.
template <Described M>
struct SinkParts {
  std::unique_ptr<Publisher> publisher;      // null: the sink publishes to no broker
  std::unique_ptr<DeadLetterStore> letters;  // null: the sink keeps dead letters itself, or none
  std::unique_ptr<Sink<M>> sink;
};

// What the common settings do not say.
struct SinkContext {
  std::string ledger = {};  // name of stored positions; empty: none are stored
  std::function<std::string(StreamId)> stream_name = {};
  LedgerReview review_ledger = {};
  bool source_forgets = false;  // MQTT
  // Makes the store for --dead-letter kafka:TOPIC; only where the tool allows that.
  std::function<std::unique_ptr<DeadLetterStore>(const std::string& topic)> kafka_letters = {};
  LetterReadingOf reading = {};  // how the messages of dead letters were read
  std::function<void(const DeadLetter&)> on_dead_letter = {};
  std::function<void(std::string_view sqlstate)> on_error = {};
};

LogOptions MakeLogOptions(const CommonSettings& common);
PipelineOptions MakePipelineOptions(const CommonSettings& common);
PostgresOptions MakePostgresOptions(const CommonSettings& common, const SinkContext& context,
                                    Logger& logger, DeadLetterStore* letters);
// The table that letters of M are said to have been for; empty: none, it is not PostgreSQL.
template <Described M>
std::string TableOfLetters(const CommonSettings& common) {
  if (common.target.kind != TargetKind::kPostgres) return "";
  return common.table.empty() ? std::string(Model<M>::kTable) : common.table;
}

// How all messages of a run are read, for their letters.
LetterReadingOf JsonReading(std::string_view model, std::string table, const JsonOptions& json);

// The store, opened, for dead letters that go neither into the sink's own transaction nor nowhere;
// else null.
absl::StatusOr<std::unique_ptr<DeadLetterStore>> MakeDeadLetterStore(const CommonSettings& common,
                                                                     const SinkContext& context);

// Not opened yet. kInvalidArgument: settings that exclude each other.
template <Described M>
absl::StatusOr<SinkParts<M>> MakeSink(const CommonSettings& common, const SinkContext& context,
                                      Logger& logger) {
  SinkParts<M> parts;
  absl::StatusOr<std::unique_ptr<DeadLetterStore>> letters = MakeDeadLetterStore(common, context);
  if (!letters.ok()) return letters.status();
  parts.letters = *std::move(letters);
  if (common.target.kind == TargetKind::kPostgres) {
    PostgresOptions options = MakePostgresOptions(common, context, logger, parts.letters.get());
    if (absl::Status status = options.Validate(); !status.ok()) return status;
    parts.sink = std::make_unique<PostgresSink<M>>(std::move(options));
    if (common.dry_run) parts.sink = std::make_unique<PrintingSink<M>>(std::move(parts.sink));
    return parts;
  }
  JsonLinesOptions options;
  options.dead_letters = parts.letters.get();
  options.source = common.defaults.tool;
  options.reading = context.reading;
  parts.sink = std::make_unique<JsonLinesSink<M>>(std::move(options));
  return parts;
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_SINK_FACTORY_H_
