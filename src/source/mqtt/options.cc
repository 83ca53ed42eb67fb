#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mqtt/broker_address.h"
#include "fmt/format.h"
#include "source/mqtt/options.h"
#include "source/mqtt/protocol.h"
#include "source/mqtt/topic.h"
#include "source/mqtt/wire.h"
#include "tsingest/model/reject.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace mqtt {
namespace {

absl::Status Bad(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

absl::Status InRange(std::string_view name, std::int64_t value, std::int64_t low,
                     std::int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Bad(fmt::format("{} {}: it must be {} to {}", name, value, low, high));
}

absl::Status CheckString(std::string_view name, std::string_view value, bool secret) {
  if (value.size() <= kMaxStringBytes && IsValidString(value)) return absl::OkStatus();
  return Bad(fmt::format("{}{}: it must be UTF-8 without NUL, of at most {} bytes", name,
                         secret ? std::string() : " " + ShowValue(value), kMaxStringBytes));
}

absl::Status CheckFilters(std::string_view name, const std::vector<std::string>& filters) {
  for (const std::string& filter : filters) {
    const std::string error = TopicFilterError(filter);
    if (!error.empty()) return Bad(fmt::format("{}: {}", name, error));
  }
  return absl::OkStatus();
}

absl::Status CheckTopics(const MqttOptions& o) {
  if (o.topics.empty()) return Bad("no topics: give at least one topic filter, such as sensors/#");
  if (absl::Status s = CheckFilters("topics", o.topics); !s.ok()) return s;
  if (absl::Status s = CheckFilters("unsubscribe", o.unsubscribe); !s.ok()) return s;
  for (const std::string& filter : o.topics) {
    if (o.connections <= 1 || IsSharedFilter(filter)) continue;
    return Bad(
        fmt::format("{} connections with topic {}: each would get every message; share it "
                    "between them, as in $share/ingest/{}",
                    o.connections, ShowValue(filter), filter));
  }
  return absl::OkStatus();
}

absl::Status CheckCredentials(const MqttOptions& o, const BrokerAddress& broker) {
  const bool user = !o.username.empty() || !broker.username.empty();
  const bool password = !o.password.empty() || !broker.password.empty();
  if (password && !user && o.protocol != MqttProtocol::kV5) {
    return Bad("a password without a user name: MQTT 3.1.1 does not allow it");
  }
  if (absl::Status s = CheckString("user name", o.username, false); !s.ok()) return s;
  return CheckString("password", o.password, true);
}

absl::Status CheckTls(const MqttTlsOptions& tls, const BrokerAddress& broker) {
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    return Bad("a client certificate needs both files, certificate and key");
  }
  const bool given = !tls.ca_file.empty() || !tls.ca_path.empty() || !tls.cert_file.empty();
  if (given && !broker.tls) {
    return Bad(
        fmt::format("TLS files are given, but {} is not encrypted: write mqtts://", broker.Uri()));
  }
  return absl::OkStatus();
}

absl::Status CheckNumbers(const MqttOptions& o) {
  const std::int64_t expiry = o.session_expiry.value_or(std::chrono::seconds(0)).count();
  for (const absl::Status& s : {
           InRange("qos", o.qos, 0, 2),
           InRange("receive maximum", o.receive_maximum, 1, 65535),
           InRange("keepalive (s)", o.keepalive.count(), 0, 65535),
           InRange("topic alias maximum", o.topic_alias_maximum, 0, 1024),
           InRange("connections", o.connections, 1, kMaxConnections),
           InRange("largest packet (bytes)", static_cast<std::int64_t>(o.max_packet_bytes), 256,
                   kMaxPacketBytes),
           InRange("receive buffer (bytes)", static_cast<std::int64_t>(o.receive_buffer_bytes),
                   4096, std::int64_t{1} << 40),
       }) {
    if (!s.ok()) return s;
  }
  if (expiry < 0) return Bad(fmt::format("session expiry {} s: it cannot be negative", expiry));
  if (o.connect_timeout <= Duration(0)) return Bad("the connect timeout must be more than 0");
  if (o.reconnect_min <= Duration(0) || o.reconnect_max < o.reconnect_min) {
    return Bad("the reconnect pauses must be more than 0, the longest not below the shortest");
  }
  return absl::OkStatus();
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "unknown";
  return name;
}

}  // namespace

std::string ClientId(const MqttOptions& options, int index) {
  std::string id = options.client_id.empty() ? "data-ingestion-" + HostName() : options.client_id;
  if (options.connections > 1) id += fmt::format("-{}", index + 1);
  return id;
}

SessionConfig MakeSessionConfig(const MqttOptions& o, const BrokerAddress& broker, int index) {
  constexpr std::chrono::seconds kDefaultExpiry = std::chrono::hours(7 * 24);
  const std::chrono::seconds expiry =
      o.session_expiry.value_or(o.clean_session ? std::chrono::seconds(0) : kDefaultExpiry);
  SessionConfig out;
  out.client_id = ClientId(o, index);
  const bool from_uri = o.username.empty() && !broker.username.empty();
  out.username = from_uri ? broker.username : o.username;
  out.password = o.password.empty() ? broker.password : o.password;
  out.topics = o.topics;
  out.unsubscribe = o.unsubscribe;
  out.qos = static_cast<std::uint8_t>(o.qos);
  out.clean_session = o.clean_session;
  out.session_expiry =
      static_cast<std::uint32_t>(std::min<std::int64_t>(expiry.count(), kSessionNeverExpires));
  out.receive_maximum = static_cast<std::uint16_t>(o.receive_maximum);
  out.topic_alias_maximum = static_cast<std::uint16_t>(o.topic_alias_maximum);
  out.keepalive = static_cast<std::uint16_t>(o.keepalive.count());
  out.max_packet_bytes = static_cast<std::uint32_t>(o.max_packet_bytes);
  out.response_timeout = o.connect_timeout;
  return out;
}

}  // namespace mqtt

absl::Status MqttOptions::Validate() const {
  const absl::StatusOr<mqtt::BrokerAddress> address = mqtt::ParseBrokerUri(broker);
  if (!address.ok()) return address.status();
  if (absl::Status s = mqtt::CheckNumbers(*this); !s.ok()) return s;
  if (absl::Status s = mqtt::CheckTopics(*this); !s.ok()) return s;
  if (absl::Status s = mqtt::CheckCredentials(*this, *address); !s.ok()) return s;
  if (absl::Status s = mqtt::CheckString("client id", client_id, false); !s.ok()) return s;
  return mqtt::CheckTls(tls, *address);
}

}  // namespace tsingest
