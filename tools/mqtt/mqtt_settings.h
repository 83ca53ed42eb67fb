// What mqtt2ts can be told beyond the settings all tools share.
#ifndef TSINGEST_TOOLS_MQTT_MQTT_SETTINGS_H_
#define TSINGEST_TOOLS_MQTT_MQTT_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/common_settings.h"
#include "tsingest/service/settings.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {

// Values after Settings::Load().
struct MqttSettings {
  std::string broker = "mqtt://localhost:1883";
  std::vector<std::string> topics = {"$share/ingestion/dev/#", "$share/ingestion/uns/#"};
  std::string client_id;
  std::string username;
  std::string password;
  int qos = 1;
  std::string protocol = "auto";
  bool clean_session = false;
  std::optional<Duration> session_expiry;
  int receive_maximum = 32767;
  int topic_aliases = 0;
  Duration keepalive = std::chrono::seconds(30);
  int connections = 1;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string key_password;
  std::string server_name;
  bool insecure = false;
  std::string ledger = "mqtt2ts";
  std::string spool;  // empty: none
  std::int64_t spool_bytes = std::int64_t{1} << 30;

  // Worked out by the check that DeclareMqttSettings() adds; without a log.
  MqttOptions options;
};

// Declares the settings, S2's variables and file keys among them, and their check. All must outlive
// `settings`.
void DeclareMqttSettings(Settings& settings, MqttSettings& values, const CommonSettings& common);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_MQTT_MQTT_SETTINGS_H_
