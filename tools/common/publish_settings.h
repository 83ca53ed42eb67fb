// --to kafka://… and mqtt://…: what publishing can be told.
#ifndef TSINGEST_TOOLS_COMMON_PUBLISH_SETTINGS_H_
#define TSINGEST_TOOLS_COMMON_PUBLISH_SETTINGS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/common/common_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/sink/publisher.h"

namespace tsingest {

// The URI of a broker and a topic, taken apart.
struct PublishTarget {
  std::string scheme;   // "kafka", "mqtt", "mqtts"
  std::string brokers;  // Kafka: "host:port,host:port"; MQTT: the URI without the topic
  std::string topic;    // percent-decoded; {column} stands for the row's value
};

// "kafka://HOST[:PORT][,…]/TOPIC" or "mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC".
// kInvalidArgument says what is missing; never a password.
absl::StatusOr<PublishTarget> ParsePublishTarget(std::string_view uri);

// Values after Settings::Load().
struct PublishSettings {
  bool dry_run_if_unreachable = false;
  std::vector<std::string> kafka;  // key=value
  int qos = 1;
  std::string protocol = "auto";
  int in_flight = 1000;
  std::string client_id;
  std::string username;
  std::string password;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string key_password;
  bool insecure = false;

  // Worked out by the check that DeclarePublishSettings() adds, where --to is a broker.
  PublishTarget target;
};

// The schemes of --to that this build can publish to.
std::vector<std::string> PublishSchemes();

// Declares the settings and their check. All three must outlive each other's use.
void DeclarePublishSettings(Settings& settings, PublishSettings& values,
                            const CommonSettings& common);

// The publisher for the target, not opened; with --dry-run, or --dry-run-if-unreachable, one that
// prints. `is_fixed`: every row goes to the one topic, which then must exist.
// kInvalidArgument: options that exclude each other.
absl::StatusOr<std::unique_ptr<Publisher>> MakePublisher(const CommonSettings& common,
                                                         const PublishSettings& publish,
                                                         bool is_fixed, Logger& logger);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_PUBLISH_SETTINGS_H_
