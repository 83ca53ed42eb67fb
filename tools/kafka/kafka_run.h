// RunKafka<M>: one run of kafka2ts for one model.
#ifndef TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_
#define TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "tools/common/run_log.h"
#include "tools/common/service_host.h"
#include "tools/common/sink_factory.h"
#include "tools/kafka/kafka_settings.h"
#include "tsingest/decode/json.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/service/log.h"
#include "tsingest/service/signals.h"
#include "tsingest/sink/kafka_publisher.h"
#include "tsingest/source/kafka.h"

namespace tsingest {

// What /status and /metrics show of the source.
void FillKafkaStatus(const KafkaSource& source, const KafkaSettings& kafka, ServiceStatus& status);

// Reads, writes, serves HTTP, and says how it went. Returns the exit code.
template <Described M>
int RunKafka(const CommonSettings& common, const KafkaSettings& kafka, Logger& logger,
             SignalWatcher& signals) {
  KafkaOptions source_options = kafka.options;
  source_options.log = logger.LineLog(LogLevel::kInfo, "kafka");
  KafkaSource source(std::move(source_options));
  JsonDecoder<M> decoder;
  ServiceHost host(common, logger);
  SinkContext context;
  context.ledger = kafka.ledger;
  context.stream_name = [&](StreamId id) { return std::string(source.StreamName(id)); };
  context.on_dead_letter = host.DeadLetterHook();
  context.kafka_letters = [&](const std::string& topic) -> std::unique_ptr<DeadLetterStore> {
    return std::make_unique<KafkaDeadLetterStore>(
        KafkaPublisherOptions{.brokers = kafka.brokers,
                              .properties = kafka.options.properties,
                              .log = logger.LineLog(LogLevel::kWarn, "kafka")},
        topic);
  };
  absl::StatusOr<SinkParts<M>> sink = MakeSink<M>(common, context, logger);
  if (!sink.ok()) return FailedToStart(logger, sink.status());
  RunLog run_log(logger);
  Pipeline<M, JsonDecoder<M>> pipeline(source, *sink->sink, decoder, MakePipelineOptions(common),
                                       {.observer = &run_log});
  absl::Status status = signals.Start(
      {.drain = [&](int) { pipeline.Stop(); }, .stop_now = [&] { pipeline.StopNow(); }});
  if (status.ok()) {
    status = host.Start({.counters = [&] { return pipeline.Counters(); },
                         .state = [&] { return pipeline.state(); },
                         .health = [&] { return pipeline.Health(); },
                         .source_health = [&] { return source.Health(); },
                         .sink_health = [&] { return sink->sink->Health(); },
                         .more = [&](ServiceStatus& s) { FillKafkaStatus(source, kafka, s); }});
  }
  if (status.ok()) status = pipeline.Open();
  if (!status.ok()) return FailedToStart(logger, status);
  const RunResult result = pipeline.Run();
  host.Stop();
  return ReportRun(common, result, logger, signals,
                   "Start it again: it goes on at the stored positions");
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_
