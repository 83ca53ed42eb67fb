// RunKafka<M>: one run of kafka2ts for one model.
#ifndef TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_
#define TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_

#include <memory>
#include <string>
#include <utility>

#include "tools/common/service_host.h"
#include "tools/common/service_run.h"
#include "tools/common/sink_factory.h"
#include "tools/kafka/kafka_settings.h"
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
  SinkContext context;
  context.ledger = kafka.ledger;
  context.kafka_letters = [&](const std::string& topic) -> std::unique_ptr<DeadLetterStore> {
    return std::make_unique<KafkaDeadLetterStore>(
        KafkaPublisherOptions{.brokers = kafka.brokers,
                              .properties = kafka.options.properties,
                              .log = logger.LineLog(LogLevel::kWarn, "kafka")},
        topic);
  };
  return RunService<M>(
      common, logger, signals, source, std::move(context),
      [&](ServiceStatus& status) { FillKafkaStatus(source, kafka, status); },
      "Start it again: it goes on at the stored positions");
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_KAFKA_KAFKA_RUN_H_
