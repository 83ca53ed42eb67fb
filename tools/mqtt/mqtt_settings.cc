#include "tools/mqtt/mqtt_settings.h"

#include <chrono>

#include "absl/status/status.h"

namespace tsingest {
namespace {

constexpr char kGroup[] = "Where messages come from";
constexpr char kSpool[] = "Disk spool, for outages longer than the broker holds messages";
constexpr char kTls[] = "TLS (mqtts://)";

void DeclareBroker(Settings& settings, MqttSettings& v) {
  settings.Add(&v.broker, {.name = "broker",
                           .value = "URI",
                           .group = kGroup,
                           .help = "mqtt://HOST[:1883] or mqtts://HOST[:8883]",
                           .env = {"INGESTION_MQTT_BROKER_URL"},
                           .yaml = {"mqtt.broker_url"},
                           .secret = Secret::kInside});
  settings.Add(&v.topics,
               {.name = "topics",
                .value = "FILTER…",
                .group = kGroup,
                .help = "topic filters; $share/GROUP/FILTER shares the load between instances",
                .env = {"INGESTION_MQTT_TOPICS"},
                .yaml = {"mqtt.topics"},
                .greedy = true});
  settings.Add(&v.client_id,
               {.name = "client-id",
                .value = "ID",
                .group = kGroup,
                .help = "the session's name: the same in every run, another for each instance",
                .env = {"INGESTION_MQTT_CLIENT_ID"},
                .yaml = {"mqtt.client_id"},
                .default_text = "data-ingestion-{hostname}"});
  settings.Add(&v.username, {.name = "username",
                             .value = "NAME",
                             .group = kGroup,
                             .help = "user",
                             .env = {"MQTT_USERNAME"},
                             .yaml = {"mqtt.username"}});
  settings.Add(&v.password, {.name = "mqtt-password",
                             .group = kGroup,
                             .help = "password",
                             .env = {"MQTT_PASSWORD"},
                             .yaml = {"mqtt.password"},
                             .secret = Secret::kWhole,
                             .has_flag = false});
}

void DeclareSession(Settings& settings, MqttSettings& v) {
  settings.Add(&v.qos, {.name = "qos",
                        .value = "N",
                        .group = kGroup,
                        .help = "highest quality of service asked for (0 may lose messages)",
                        .yaml = {"mqtt.qos"},
                        .min = "0",
                        .max = "2"});
  settings.Add(&v.protocol, {.name = "protocol",
                             .value = "VERSION",
                             .group = kGroup,
                             .help = "MQTT version",
                             .yaml = {"mqtt.protocol"},
                             .choices = {"auto", "3.1.1", "5"}});
  settings.Add(&v.clean_session,
               {.name = "clean-session",
                .group = kGroup,
                .help = "begin each start with an empty session: what comes while "
                        "we are away is lost",
                .yaml = {"mqtt.clean_session"}});
  settings.Add(&v.session_expiry, {.name = "session-expiry",
                                   .value = "D",
                                   .group = kGroup,
                                   .help = "how long the broker keeps the session (MQTT 5)",
                                   .yaml = {"mqtt.session_expiry"},
                                   .default_text = "7d"});
  settings.Add(&v.receive_maximum, {.name = "receive-maximum",
                                    .value = "N",
                                    .group = kGroup,
                                    .help = "most messages on the way and not acknowledged (MQTT "
                                            "5); bounds the rate at N per commit",
                                    .yaml = {"mqtt.receive_maximum"},
                                    .min = "1",
                                    .max = "65535"});
  settings.Add(&v.topic_aliases, {.name = "topic-aliases",
                                  .value = "N",
                                  .group = kGroup,
                                  .help = "topic aliases that the broker may use (MQTT 5); some "
                                          "brokers confuse them when a session is resumed",
                                  .yaml = {"mqtt.topic_aliases"},
                                  .min = "0",
                                  .max = "1024"});
  settings.Add(&v.keepalive, {.name = "keepalive",
                              .value = "D",
                              .group = kGroup,
                              .help = "a silent broker is asked after this long",
                              .yaml = {"mqtt.keep_alive", "mqtt.keepalive"},
                              .min = "0s",
                              .max = "65535s"});
  settings.Add(&v.connections,
               {.name = "connections",
                .value = "N",
                .group = kGroup,
                .help = "connections of this process; more than one needs $share topics",
                .yaml = {"mqtt.connections"},
                .min = "1",
                .max = "64"});
  settings.Add(&v.ledger,
               {.name = "ledger",
                .value = "NAME",
                .group = kGroup,
                .help = "name under which the sessions' progress is kept in the database"});
}

void DeclareSpool(Settings& settings, MqttSettings& v) {
  settings.Add(&v.spool,
               {.name = "spool",
                .value = "DIR",
                .group = kSpool,
                .help = "keep messages here until the database has them, and acknowledge them to "
                        "the broker when this disk has them; a directory for each instance",
                .yaml = {"spool.directory"},
                .default_text = "none: acknowledged when the database has them"});
  settings.Add(&v.spool_bytes,
               {.name = "spool-bytes",
                .value = "B",
                .group = kSpool,
                .help = "most that the spool may hold; then the broker keeps what comes",
                .yaml = {"spool.bytes"},
                .min = "1MiB",
                .is_size = true});
}

absl::Status CheckSpool(const Settings& settings, const MqttSettings& v,
                        const CommonSettings& common) {
  if (v.spool.empty()) {
    return settings.IsGiven("spool-bytes")
               ? settings.Invalid("spool-bytes", "needs --spool DIR beside it")
               : absl::OkStatus();
  }
  if (!common.dry_run) return absl::OkStatus();
  return settings.Invalid("spool", "cannot be used with --dry-run, which acknowledges nothing");
}

void DeclareTls(Settings& settings, MqttSettings& v) {
  settings.Add(&v.ca_file, {.name = "ca-file",
                            .value = "PEM",
                            .group = kTls,
                            .help = "certificates to trust",
                            .yaml = {"mqtt.tls.ca_file"},
                            .default_text = "the system's"});
  settings.Add(&v.cert_file, {.name = "cert-file",
                              .value = "PEM",
                              .group = kTls,
                              .help = "client certificate",
                              .yaml = {"mqtt.tls.cert_file"}});
  settings.Add(&v.key_file, {.name = "key-file",
                             .value = "PEM",
                             .group = kTls,
                             .help = "its private key",
                             .yaml = {"mqtt.tls.key_file"}});
  settings.Add(&v.key_password, {.name = "key-password",
                                 .group = kTls,
                                 .help = "password of the key",
                                 .secret = Secret::kWhole,
                                 .has_flag = false});
  settings.Add(&v.server_name, {.name = "server-name",
                                .value = "NAME",
                                .group = kTls,
                                .help = "name in the broker's certificate",
                                .default_text = "the host"});
  settings.Add(&v.insecure, {.name = "insecure",
                             .group = kTls,
                             .help = "take any certificate: encrypts, but proves nothing"});
}

absl::Status Check(MqttSettings& v) {
  MqttOptions& o = v.options;
  o.broker = v.broker;
  o.username = v.username;
  o.password = v.password;
  o.client_id = v.client_id;
  o.topics = v.topics;
  o.qos = v.qos;
  o.protocol = v.protocol == "5"       ? MqttProtocol::kV5
               : v.protocol == "3.1.1" ? MqttProtocol::kV311
                                       : MqttProtocol::kAuto;
  o.clean_session = v.clean_session;
  if (v.session_expiry.has_value()) {
    o.session_expiry = std::chrono::duration_cast<std::chrono::seconds>(*v.session_expiry);
  }
  o.receive_maximum = v.receive_maximum;
  o.topic_alias_maximum = v.topic_aliases;
  o.keepalive = std::chrono::ceil<std::chrono::seconds>(v.keepalive);
  o.connections = v.connections;
  o.tls.ca_file = v.ca_file;
  o.tls.cert_file = v.cert_file;
  o.tls.key_file = v.key_file;
  o.tls.key_password = v.key_password;
  o.tls.server_name = v.server_name;
  o.tls.verify = !v.insecure;
  return o.Validate();
}

}  // namespace

void DeclareMqttSettings(Settings& settings, MqttSettings& values, const CommonSettings& common) {
  DeclareBroker(settings, values);
  DeclareSession(settings, values);
  DeclareSpool(settings, values);
  DeclareTls(settings, values);
  settings.AddCheck([&values] { return Check(values); });
  settings.AddCheck([&] { return CheckSpool(settings, values, common); });
}

}  // namespace tsingest
