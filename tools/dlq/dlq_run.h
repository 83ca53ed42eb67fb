// What tsingest-dlq does.
#ifndef TSINGEST_TOOLS_DLQ_DLQ_RUN_H_
#define TSINGEST_TOOLS_DLQ_DLQ_RUN_H_

#include <memory>
#include <optional>
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

// What a replay reads from, and what of it.
struct ChosenLetters {
  std::unique_ptr<LetterBox> box;
  LetterSourceOptions options;
};

// Which letters, up to which, and what is tried in their place, for the model whose table has this
// name. They are in the table when it returns, but for a dry run of a file; other replays are kept
// out as long as the box lives. kInvalidArgument: some cannot be read as they should be
// (CheckReadings()); a file is as it was then.
absl::StatusOr<ChosenLetters> ChooseLetters(const CommonSettings& common, const DlqSettings& dlq,
                                            std::string_view model_table, Logger& logger);
// Sets the model, and the table where it is not told, to what the chosen letters say. Returns an
// exit code when there is nothing to replay, or it cannot be told.
std::optional<int> TakeModelFromLetters(const DlqSettings& dlq, Logger& logger,
                                        CommonSettings* common);
// How letters are read that do not say it.
LetterDecoderOptions MakeDecoderOptions(const CommonSettings& common, const DlqSettings& dlq);
// The name of the table of letters.
std::string LetterTableName(const CommonSettings& common);

// Puts letters through the normal way into the table of M. Returns the exit code.
template <Described M>
int RunReplay(CommonSettings common, const DlqSettings& dlq, Logger& logger,
              SignalWatcher& signals) {
  common.dead_letter_target = {.kind = DeadLetterKind::kTable, .name = LetterTableName(common)};
  // Makes, or completes, the tables before they are looked at; and sees that rows can be written
  // before a file is taken over.
  const bool is_file = dlq.letters.kind == DeadLetterKind::kFile;
  if ((common.create || is_file) && !common.dry_run) {
    PostgresSink<M> maker(MakePostgresOptions(common, {}, logger, nullptr));
    if (absl::Status status = maker.Open(); !status.ok()) return FailedToStart(logger, status);
  }
  auto letters = ChooseLetters(common, dlq, Model<M>::kTable, logger);
  if (!letters.ok()) return FailedToStart(logger, letters.status());

  LetterSource source(*letters->box, std::move(letters->options));
  LetterDecoder<M> decoder(source, MakeDecoderOptions(common, dlq));
  if (absl::Status status = decoder.Prepare(); !status.ok()) return FailedToStart(logger, status);
  PostgresOptions sink_options = MakePostgresOptions(common, {}, logger, nullptr);
  sink_options.dead_letters.replay = !(is_file && common.dry_run);  // it has no ids of the table
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
  return ReportRun(
      common, result, logger, signals,
      {.how_to_go_on = std::string("Run it again") + (is_file ? ", without --dead-letter" : "") +
                       ": what is replayed is out of the table, the rest is still "
                       "there"});
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_DLQ_DLQ_RUN_H_
