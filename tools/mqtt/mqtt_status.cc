#include "tools/mqtt/mqtt_run.h"
#include "tsingest/service/scrub.h"

namespace tsingest {

void FillMqttStatus(const MqttSource& source, const MqttSettings& mqtt, ServiceStatus& status) {
  const MqttStats stats = source.Stats();
  status.source.kind = "mqtt";
  status.source.address = ScrubSecrets(mqtt.broker);
  status.source.connected = stats.connected == stats.connections;
  status.source.messages_received = stats.messages_received;
  status.source.messages_dropped = stats.qos0_dropped;
  status.source.window_used = stats.unacknowledged;
  status.source.window_size = stats.window;
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    status.extra.push_back(
        {.name = name, .help = help, .is_counter = true, .value = static_cast<double>(value)});
  };
  counter("tsingest_mqtt_acknowledged_total", "PUBACK and PUBREC sent", stats.acknowledged);
  counter("tsingest_mqtt_redelivered_total", "Messages received with the DUP flag",
          stats.redelivered);
  counter("tsingest_mqtt_reconnects_total", "Connections lost", stats.reconnects);
  counter("tsingest_mqtt_window_stalls_total", "Times the in-flight window was exhausted",
          stats.stalls);
}

}  // namespace tsingest
