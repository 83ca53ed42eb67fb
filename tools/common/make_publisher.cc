// The publishers of this build: TSINGEST_HAS_KAFKA, TSINGEST_HAS_MQTT.
#include <memory>

#include "tools/common/preview_publisher.h"
#include "tools/common/publish_settings.h"
#ifdef TSINGEST_HAS_KAFKA
#include "tsingest/sink/kafka_publisher.h"
#endif
#ifdef TSINGEST_HAS_MQTT
#include "tsingest/sink/mqtt_publisher.h"
#endif

namespace tsingest {
namespace {

#ifdef TSINGEST_HAS_KAFKA
std::unique_ptr<Publisher> MakeKafka(const PublishSettings& v, bool is_fixed, Logger& logger) {
  KafkaPublisherOptions options{.brokers = v.target.brokers,
                                .log = logger.LineLog(LogLevel::kDebug, "kafka")};
  for (const std::string& text : v.kafka) {
    const std::size_t equals = text.find('=');
    options.properties.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  if (is_fixed) options.topics = {v.target.topic};
  return std::make_unique<KafkaPublisher>(std::move(options));
}
#endif

#ifdef TSINGEST_HAS_MQTT
absl::StatusOr<std::unique_ptr<Publisher>> MakeMqtt(const PublishSettings& v, Logger& logger) {
  MqttPublisherOptions options;
  options.broker = v.target.brokers;
  options.client_id = v.client_id;
  options.qos = v.qos;
  options.in_flight = v.in_flight;
  options.log = logger.LineLog(LogLevel::kDebug, "mqtt");
  const bool has_user = v.target.brokers.find('@') != std::string::npos;
  if (!has_user) {
    options.username = v.username;
    options.password = v.password;
  }
  if (v.protocol == "5") options.protocol = MqttProtocol::kV5;
  if (v.protocol == "3.1.1") options.protocol = MqttProtocol::kV311;
  options.tls.ca_file = v.ca_file;
  options.tls.cert_file = v.cert_file;
  options.tls.key_file = v.key_file;
  options.tls.key_password = v.key_password;
  options.tls.verify = !v.insecure;
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return std::make_unique<MqttPublisher>(std::move(options));
}
#endif

}  // namespace

std::vector<std::string> PublishSchemes() {
  return {
#ifdef TSINGEST_HAS_KAFKA
      "kafka",
#endif
#ifdef TSINGEST_HAS_MQTT
      "mqtt",
      "mqtts",
#endif
  };
}

absl::StatusOr<std::unique_ptr<Publisher>> MakePublisher(const CommonSettings& common,
                                                         const PublishSettings& publish,
                                                         [[maybe_unused]] bool is_fixed,
                                                         Logger& logger) {
  std::unique_ptr<Publisher> publisher;
  const bool is_kafka = publish.target.scheme == "kafka";
#ifdef TSINGEST_HAS_KAFKA
  if (is_kafka) publisher = MakeKafka(publish, is_fixed, logger);
#endif
#ifdef TSINGEST_HAS_MQTT
  if (!is_kafka) {
    absl::StatusOr<std::unique_ptr<Publisher>> mqtt = MakeMqtt(publish, logger);
    if (!mqtt.ok()) return mqtt.status();
    publisher = *std::move(mqtt);
  }
#endif
  if (publisher == nullptr) return absl::UnimplementedError("this build cannot publish there");
  if (!common.dry_run && !publish.dry_run_if_unreachable) return publisher;
  const auto when =
      common.dry_run ? PreviewPublisher::When::kAlways : PreviewPublisher::When::kIfUnreachable;
  return std::make_unique<PreviewPublisher>(std::move(publisher), when, is_kafka ? "Kafka" : "MQTT",
                                            logger);
}

}  // namespace tsingest
