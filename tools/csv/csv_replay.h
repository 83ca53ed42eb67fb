// CsvReplay<M>: one run of csv-replay for one model.
#ifndef TSINGEST_TOOLS_CSV_CSV_REPLAY_H_
#define TSINGEST_TOOLS_CSV_CSV_REPLAY_H_

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tools/common/common_settings.h"
#include "tools/common/publish_settings.h"
#include "tools/common/publish_sink.h"
#include "tools/common/run_log.h"
#include "tools/common/sink_factory.h"
#include "tools/common/stop_on_signals.h"
#include "tools/csv/csv_settings.h"
#include "tools/csv/stream_readings.h"
#include "tsingest/decode/csv.h"
#include "tsingest/decode/letter_reading_text.h"
#include "tsingest/pipeline/pacer.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/service/log.h"
#include "tsingest/service/progress.h"
#include "tsingest/service/signals.h"
#include "tsingest/service/summary.h"
#include "tsingest/source/csv.h"

namespace tsingest {

// What of the settings is the source's.
CsvSourceOptions MakeCsvSourceOptions(const CsvSettings& settings, Logger& logger);
// How the files are read, but for their headers, the model and the table.
LetterReading MakeCsvReading(const CsvSettings& settings, const CsvOptions& options);
// How to go on after a run that ended so.
std::string HowToGoOn(const CommonSettings& common, const CsvSettings& settings,
                      const RunResult& result);

// Of a run that has finished: says that an import had been loaded before, where that is so, and
// what earlier runs of it have left as dead letters. Fills `words`.
void SayWhatWasBefore(const CommonSettings& common, const CsvSettings& settings,
                      const CsvSource& source, std::string_view model, Logger& logger,
                      RunWords* words);

// Says what gave no rows although it was read well, in the log and, where it is all, in the note.
void SayWhatWasLeftOut(std::int64_t comments, std::uint64_t empty_records,
                       std::uint64_t filtered_records, const Balance& balance, Logger& logger,
                       RunWords* words);

// What of a file's columns is worth knowing, each once in a run.
class HeaderLog {
 public:
  explicit HeaderLog(Logger& logger) : logger_(logger) {}
  // What `on_header` does, which gives the decoder its header, and then says what is to be said.
  template <class D>
  std::function<absl::Status(StreamId, const CsvHeader&)> Around(
      std::function<absl::Status(StreamId, const CsvHeader&)> on_header, const D& decoder) {
    return
        [this, on_header = std::move(on_header), &decoder](StreamId id, const CsvHeader& header) {
          absl::Status status = on_header(id, header);
          if (status.ok()) {
            Say(decoder.notes(), decoder.UnusedColumns(), decoder.UnfilledFields());
          }
          return status;
        };
  }

 private:
  void Say(std::span<const std::string> notes, const std::vector<std::string>& unused_columns,
           const std::vector<std::string>& unfilled_fields);
  void Once(const std::string& line);

  Logger& logger_;
  std::set<std::string> said_;
};

// Tells a decoder of the records of earlier runs.
template <Described M>
class Rereading {
 public:
  explicit Rereading(CsvDecoder<M>& decoder) : decoder_(decoder) {}
  void Take(const Message& message) {
    arena_.Reset();
    rows_.clear();
    decoder_.Relearn({.payload = message.payload,
                      .topic = {},
                      .arrival = message.arrival,
                      .offset = message.position.offset},
                     arena_, rows_);
  }

 private:
  CsvDecoder<M>& decoder_;
  Arena arena_;
  std::vector<M> rows_;
};

// The context with the source's view of the ledger.
inline SinkContext Reviewed(SinkContext context, CsvSource& source) {
  context.review_ledger = [&source](const LedgerView& view) { return source.Review(view); };
  return context;
}

// Leaves out what ReportRun() says at once: an error of a file ends the run, nothing is waited for.
class CsvRunLog final : public RunLog {
 public:
  using RunLog::RunLog;
  void OnHealthChange(std::string_view part, const absl::Status& health) override {
    if (part != "source") RunLog::OnHealthChange(part, health);
  }
};

// The row's own time, for --speed: its first timestamp field.
template <Described M>
std::optional<Timestamp> TimeOfRow(const M& row) {
  std::optional<Timestamp> time;
  bool found = false;
  ForEachField<M>([&](const auto& field) {
    using Def = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::same_as<typename Def::Value, Timestamp>) {
      if (!std::exchange(found, true)) time = row.*field.member;
    }
  });
  return time;
}

template <Described M>
std::unique_ptr<Pacer<M>> MakePacer(const CsvSettings& settings) {
  if (settings.rows_per_second > 0) return std::make_unique<RatePacer<M>>(settings.rows_per_second);
  if (settings.interval > Duration::zero())
    return std::make_unique<IntervalPacer<M>>(settings.interval);
  if (settings.speed > 0) return std::make_unique<SpeedPacer<M>>(settings.speed, &TimeOfRow<M>);
  return nullptr;
}

// Reads, writes, and says how it went. Returns the exit code.
template <Described M>
int RunCsvReplay(const CommonSettings& common, const CsvSettings& csv,
                 const PublishSettings& publish, Logger& logger, SignalWatcher& signals) {
  CsvOptions csv_options = csv.csv;
  TimeOptions& time = csv_options.parse.time;
  std::tie(time.not_before, time.not_after, time.max_age, time.max_ahead) =
      std::tie(common.window.not_before, common.window.not_after, common.window.max_age,
               common.window.max_ahead);
  CsvDecoder<M> decoder(csv_options);
  CsvSourceOptions source_options = MakeCsvSourceOptions(csv, logger);
  StreamReadings readings;
  LetterReading reading = MakeCsvReading(csv, csv_options);
  reading.model = Model<M>::kTable;
  reading.table = TableOfLetters<M>(common);
  source_options.on_header = [&](StreamId stream, const CsvHeader& header) {
    reading.header = header;
    readings.Set(stream, WriteLetterReading(reading));
    return decoder.SetHeader(header);
  };
  HeaderLog header_log(logger);
  source_options.model = Model<M>::kTable;
  source_options.on_header = header_log.Around(std::move(source_options.on_header), decoder);
  Rereading<M> rereading(decoder);
  if (time.zone != nullptr && time.ambiguous == AmbiguousTime::kOrder) {
    source_options.on_reread = [&](StreamId, const Message& message) { rereading.Take(message); };
  }
  CsvSource source(std::move(source_options));
  if (absl::Status status = source.Look(); !status.ok()) return FailedToStart(logger, status);

  const SinkContext context{
      .ledger = csv.ledger,
      .stream_name = [&](StreamId id) { return std::string(source.StreamName(id)); },
      .reading = [&](StreamId id) { return readings.Get(id); }};
  absl::StatusOr<SinkParts<M>> sink = common.target.kind == TargetKind::kOther
                                          ? MakePublishSink<M>(common, publish, context, logger)
                                          : MakeSink<M>(common, Reviewed(context, source), logger);
  if (!sink.ok()) return FailedToStart(logger, sink.status());
  const std::unique_ptr<Pacer<M>> pacer = MakePacer<M>(csv);
  CsvRunLog run_log(logger);
  PipelineOptions options = MakePipelineOptions(common);
  options.limit = csv.row_limit;
  Pipeline<M, CsvDecoder<M>> pipeline(source, *sink->sink, decoder, options,
                                      {.pacer = pacer.get(), .observer = &run_log});
  const StopOnSignals stop(signals, common, pipeline);
  if (!stop.status().ok()) return FailedToStart(logger, stop.status());
  if (absl::Status status = pipeline.Open(); !status.ok()) {
    return FailedToStart(logger, signals, status);
  }

  std::optional<ProgressBar> bar;
  if (ShowsProgress(csv.progress, STDERR_FILENO)) {
    bar.emplace(logger, STDERR_FILENO, [&] { return Progress(pipeline, source); });
  }
  const RunResult result = pipeline.Run();
  bar.reset();
  RunWords words{.how_to_go_on = HowToGoOn(common, csv, result)};
  SayWhatWasLeftOut(source.Progress().comments, decoder.empty_records(), decoder.filtered_records(),
                    result.counters.balance, logger, &words);
  const bool is_finished = result.status.ok() && result.end == RunEnd::kFinished;
  if (is_finished && result.counters.balance.dead_lettered == 0) {
    SayWhatWasBefore(common, csv, source, Model<M>::kTable, logger, &words);
  }
  const int exit_code = ReportRun(common, result, logger, signals, words);
  // The header of a pipe is known only now.
  const bool is_wrong_header =
      absl::IsInvalidArgument(result.status) && result.counters.balance.received == 0;
  return is_wrong_header ? StartExitCode(result.status) : exit_code;
}

template <class P>
ProgressState Progress(const P& pipeline, const CsvSource& source) {
  const CountersSnapshot counters = pipeline.Counters();
  const CsvProgress read = source.Progress();
  const absl::Status health = pipeline.Health();
  return {.rows = counters.balance.written + counters.balance.deduplicated +
                  counters.balance.dead_lettered,
          .rejects = counters.balance.dead_lettered,
          .bytes_done = static_cast<std::uint64_t>(read.read_bytes),
          .bytes_total = static_cast<std::uint64_t>(read.total_bytes),
          .note = health.ok() ? std::string() : std::string(health.message())};
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_CSV_CSV_REPLAY_H_
