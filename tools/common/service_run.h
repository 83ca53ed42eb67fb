// RunService<M>: what kafka2ts and mqtt2ts have in common once they have their source.
#ifndef TSINGEST_TOOLS_COMMON_SERVICE_RUN_H_
#define TSINGEST_TOOLS_COMMON_SERVICE_RUN_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "tools/common/run_log.h"
#include "tools/common/service_host.h"
#include "tools/common/sink_factory.h"
#include "tools/common/stop_on_signals.h"
#include "tsingest/decode/json.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/pipeline/source.h"
#include "tsingest/service/log.h"
#include "tsingest/service/signals.h"

namespace tsingest {

// Writes the source's JSON messages as rows of M, serves HTTP meanwhile, and says how it went.
// `fill_status` adds what only the source knows. Returns the exit code.
template <Described M>
int RunService(const CommonSettings& common, Logger& logger, SignalWatcher& signals, Source& source,
               SinkContext context, std::function<void(ServiceStatus&)> fill_status,
               std::string_view how_to_go_on) {
  ServiceHost host(common, logger);
  context.stream_name = [&](StreamId id) { return std::string(source.StreamName(id)); };
  context.on_dead_letter = host.DeadLetterHook();
  context.on_error = host.ErrorHook();
  JsonOptions json;
  json.parse.time = common.window;
  context.reading = JsonReading(Model<M>::kTable, TableOfLetters<M>(common), json);
  absl::StatusOr<SinkParts<M>> sink = MakeSink<M>(common, context, logger);
  if (!sink.ok()) return FailedToStart(logger, sink.status());
  JsonDecoder<M> decoder(json);
  RunLog run_log(logger);
  Pipeline<M, JsonDecoder<M>> pipeline(source, *sink->sink, decoder, MakePipelineOptions(common),
                                       {.observer = &run_log});
  const StopOnSignals stop(signals, common, pipeline);
  // Ends before what its status is made of, however this function is left.
  struct StopHost {
    ServiceHost& host;
    ~StopHost() { host.Stop(); }
  } stop_host{host};
  absl::Status status = stop.status();
  if (status.ok()) {
    status = host.Start({.counters = [&] { return pipeline.Counters(); },
                         .state = [&] { return pipeline.state(); },
                         .health = [&] { return pipeline.Health(); },
                         .source_health = [&] { return source.Health(); },
                         .sink_health = [&] { return sink->sink->Health(); },
                         .more = std::move(fill_status)});
  }
  if (status.ok()) status = pipeline.Open();
  if (!status.ok()) return FailedToStart(logger, signals, status);
  const RunResult result = pipeline.Run();
  return ReportRun(common, result, logger, signals, {.how_to_go_on = std::string(how_to_go_on)});
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_SERVICE_RUN_H_
