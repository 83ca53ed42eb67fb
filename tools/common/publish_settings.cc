#include "tools/common/publish_settings.h"

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/base/show_value.h"
#include "tsingest/service/scrub.h"

namespace tsingest {
namespace {

constexpr char kGroup[] = "Publishing (--to kafka://… or mqtt://…)";
constexpr char kTls[] = "TLS of --to mqtts://…";

absl::Status IsProperty(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos && equals > 0) return absl::OkStatus();
  return absl::InvalidArgumentError("must be key=value");
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// RFC 3986 section 2.1; a % that starts no escape stands for itself.
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                           HexDigit(text[i + 2]) >= 0;
    if (is_escape) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

void DeclareBrokers(Settings& settings, PublishSettings& v) {
  settings.Add(&v.dry_run_if_unreachable,
               {.name = "dry-run-if-unreachable",
                .group = kGroup,
                .help = "when no broker answers at the start, print the messages instead "
                        "([DRY-RUN] {…}) and succeed"});
  settings.Add(&v.kafka, {.name = "kafka",
                          .value = "KEY=VALUE…",
                          .group = kGroup,
                          .help = "any librdkafka producer property: security.protocol=SASL_SSL, "
                                  "sasl.username=…, compression.codec=zstd",
                          .yaml = {"kafka.properties"},
                          .secret = Secret::kInside,
                          .separator = '\0',
                          .greedy = true,
                          .is_map = true,
                          .check = IsProperty});
  settings.Add(&v.qos, {.name = "qos",
                        .value = "N",
                        .group = kGroup,
                        .help = "MQTT quality of service (0: not acknowledged, may be lost)",
                        .yaml = {"mqtt.qos"},
                        .min = "0",
                        .max = "2"});
  settings.Add(&v.protocol, {.name = "protocol",
                             .value = "VERSION",
                             .group = kGroup,
                             .help = "MQTT version",
                             .yaml = {"mqtt.protocol"},
                             .choices = {"auto", "3.1.1", "5"}});
  settings.Add(&v.in_flight, {.name = "in-flight",
                              .value = "N",
                              .group = kGroup,
                              .help = "most MQTT messages on the way and not acknowledged",
                              .min = "1",
                              .max = "30000"});
  settings.Add(&v.client_id, {.name = "client-id",
                              .value = "ID",
                              .group = kGroup,
                              .help = "MQTT client identifier",
                              .default_text = "tsingest-{hostname}-{process}"});
}

void DeclareCredentials(Settings& settings, PublishSettings& v) {
  settings.Add(&v.username, {.name = "username",
                             .value = "NAME",
                             .group = kGroup,
                             .help = "MQTT user, where --to has none",
                             .env = {"MQTT_USERNAME"},
                             .yaml = {"mqtt.username"}});
  settings.Add(&v.password, {.name = "mqtt-password",
                             .group = kGroup,
                             .help = "MQTT password",
                             .env = {"MQTT_PASSWORD"},
                             .yaml = {"mqtt.password"},
                             .secret = Secret::kWhole,
                             .has_flag = false});
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
  settings.Add(&v.insecure, {.name = "insecure",
                             .group = kTls,
                             .help = "take any certificate: encrypts, but proves nothing"});
}

absl::Status Check(const Settings& settings, PublishSettings& v, const CommonSettings& common) {
  const bool is_broker = common.target.kind == TargetKind::kOther;
  const bool is_kafka = is_broker && common.target.scheme == "kafka";
  if (v.dry_run_if_unreachable && !is_broker) {
    return settings.Invalid("dry-run-if-unreachable", "goes with --to kafka://… or mqtt://…");
  }
  if (settings.Layer("kafka") == SettingLayer::kFlag && !is_kafka) {
    return settings.Invalid("kafka", "goes with --to kafka://…");
  }
  for (const char* const name : {"qos", "protocol", "in-flight", "client-id", "username", "ca-file",
                                 "cert-file", "key-file", "insecure"}) {
    if (settings.Layer(name) == SettingLayer::kFlag && (!is_broker || is_kafka)) {
      return settings.Invalid(name, "goes with --to mqtt://… or mqtts://…");
    }
  }
  if (!is_broker) return absl::OkStatus();
  absl::StatusOr<PublishTarget> target = ParsePublishTarget(common.target.uri);
  if (!target.ok()) return settings.Invalid("to", std::string(target.status().message()));
  v.target = *std::move(target);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PublishTarget> ParsePublishTarget(std::string_view uri) {
  const std::string shown = ShowValue(ScrubSecrets(uri));
  PublishTarget target;
  const std::size_t separator = uri.find("://");
  if (separator == std::string_view::npos) {
    return absl::InvalidArgumentError(fmt::format("{} is no URI", shown));
  }
  target.scheme = std::string(uri.substr(0, separator));
  const bool is_kafka = target.scheme == "kafka";
  const std::string_view rest = uri.substr(separator + 3);
  const std::size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  if (slash == std::string_view::npos || slash + 1 == rest.size()) {
    return absl::InvalidArgumentError(
        fmt::format("{} names no topic; it is written {}://HOST:PORT/TOPIC", shown, target.scheme));
  }
  if (authority.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} names no broker; it is written {}://HOST:PORT/TOPIC", shown, target.scheme));
  }
  if (is_kafka && authority.find('@') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("{}: user and password of Kafka are properties: --kafka "
                    "security.protocol=SASL_SSL sasl.username=… sasl.password=…",
                    shown));
  }
  target.brokers = is_kafka ? std::string(authority)
                            : fmt::format("{}://{}", target.scheme, std::string(authority));
  target.topic = PercentDecoded(rest.substr(slash + 1));
  return target;
}

void DeclarePublishSettings(Settings& settings, PublishSettings& values,
                            const CommonSettings& common) {
  DeclareBrokers(settings, values);
  DeclareCredentials(settings, values);
  settings.AddCheck([&settings, &values, &common] { return Check(settings, values, common); });
}

}  // namespace tsingest
