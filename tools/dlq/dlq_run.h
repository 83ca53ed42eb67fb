// What tsingest-dlq does.
#ifndef TSINGEST_TOOLS_DLQ_DLQ_RUN_H_
#define TSINGEST_TOOLS_DLQ_DLQ_RUN_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tools/common/common_settings.h"
#include "tools/common/run_log.h"
#include "tools/common/sink_factory.h"
#include "tools/common/stop_on_signals.h"
#include "tools/dlq/dlq_settings.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/service/log.h"
#include "tsingest/service/signals.h"
#include "tsingest/sink/postgres_letters.h"
#include "tsingest/source/letters.h"

namespace tsingest {

// list, show and purge. Returns the exit code.
int RunDlqCommand(const CommonSettings& common, const DlqSettings& dlq, Logger& logger);

// The table that letters are replayed from: with it open, other replays are kept out, and letters
// from elsewhere are in it.
absl::StatusOr<std::unique_ptr<LetterTable>> OpenForReplay(const CommonSettings& common,
                                                           const DlqSettings& dlq, Logger& logger);
// Which letters, up to which, and what is tried in their place, for the model whose table has this
// name. kInvalidArgument: some cannot be read as they should be (CheckReadings()).
absl::StatusOr<LetterSourceOptions> ChooseLetters(LetterTable& table, const CommonSettings& common,
                                                  const DlqSettings& dlq,
                                                  std::string_view model_table);
// How letters are read that do not say it.
LetterDecoderOptions MakeDecoderOptions(const CommonSettings& common, const DlqSettings& dlq);
// The name of the table of letters.
std::string LetterTableName(const CommonSettings& common);

// Puts letters through the normal way into the table of M. Returns the exit code.
template <Described M>
int RunReplay(CommonSettings common, const DlqSettings& dlq, Logger& logger,
              SignalWatcher& signals) {
  common.dead_letter_target = {.kind = DeadLetterKind::kTable, .name = LetterTableName(common)};
  // Makes, or completes, the tables before they are looked at.
  if (common.create && !common.dry_run) {
    PostgresSink<M> maker(MakePostgresOptions(common, {}, logger, nullptr));
    if (absl::Status status = maker.Open(); !status.ok()) return FailedToStart(logger, status);
  }
  auto table = OpenForReplay(common, dlq, logger);
  if (!table.ok()) return FailedToStart(logger, table.status());
  auto options = ChooseLetters(**table, common, dlq, Model<M>::kTable);
  if (!options.ok()) return FailedToStart(logger, options.status());

  LetterSource source(**table, *std::move(options));
  LetterDecoder<M> decoder(source, MakeDecoderOptions(common, dlq));
  if (absl::Status status = decoder.Prepare(); !status.ok()) return FailedToStart(logger, status);
  PostgresOptions sink_options = MakePostgresOptions(common, {}, logger, nullptr);
  sink_options.dead_letters.replay = true;
  std::unique_ptr<Sink<M>> sink = std::make_unique<PostgresSink<M>>(std::move(sink_options));
  if (common.dry_run) sink = std::make_unique<PrintingSink<M>>(std::move(sink));
  RunLog run_log(logger);
  Pipeline<M, LetterDecoder<M>> pipeline(source, *sink, decoder, MakePipelineOptions(common),
                                         {.observer = &run_log});
  const StopOnSignals stop(signals, common, pipeline);
  absl::Status status = stop.status();
  if (status.ok()) status = pipeline.Open();
  if (!status.ok()) return FailedToStart(logger, status);
  const RunResult result = pipeline.Run();
  return ReportRun(common, result, logger, signals,
                   "Run it again: what is replayed is out of the table, the rest is still there");
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_DLQ_RUN_H_
