// What kafka2ts can be told beyond the settings all tools share.
#ifndef TSINGEST_TOOLS_KAFKA_KAFKA_SETTINGS_H_
#define TSINGEST_TOOLS_KAFKA_KAFKA_SETTINGS_H_

#include <string>
#include <vector>

#include "tools/common/common_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/source/kafka.h"

namespace tsingest {

// Values after Settings::Load().
struct KafkaSettings {
  std::string brokers = "localhost:9092";
  std::vector<std::string> topics;
  std::string topic_pattern;
  std::string group = "timescale_sink_group";
  std::string from = "latest";
  std::string until;
  std::vector<std::string> properties;
  std::string ledger;  // after Load(): never empty

  // Worked out by the check that DeclareKafkaSettings() adds; without a log.
  KafkaOptions options;
};

// Declares the settings, S1's variables among them, and their check. Both must outlive `settings`.
void DeclareKafkaSettings(Settings& settings, KafkaSettings& values);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_KAFKA_KAFKA_SETTINGS_H_
