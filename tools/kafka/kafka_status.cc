#include "fmt/format.h"
#include "tools/kafka/kafka_run.h"

namespace tsingest {

void FillKafkaStatus(const KafkaSource& source, const KafkaSettings& kafka, ServiceStatus& status) {
  status.source.kind = "kafka";
  status.source.address = kafka.brokers;
  status.source.connected = status.source_health.ok();
  status.source.messages_received = status.counters.messages;
  std::int64_t stopped = 0;
  for (const KafkaPartitionState& partition : source.Partitions()) {
    if (!partition.error.empty()) ++stopped;
    const std::int64_t lag = partition.Lag();
    if (lag < 0) continue;
    status.source.lag.emplace_back(fmt::format("{}/{}", partition.topic, partition.partition), lag);
  }
  status.source.more.emplace_back("group", kafka.group);
  status.extra.push_back({.name = "tsingest_kafka_partitions_stopped",
                          .help = "Partitions that are not read because of an error",
                          .value = static_cast<double>(stopped)});
}

}  // namespace tsingest
