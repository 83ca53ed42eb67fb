// Where a broker is: the URI of the configuration, and the server references of MQTT 5.
#ifndef TSINGEST_SRC_BASE_MQTT_BROKER_ADDRESS_H_
#define TSINGEST_SRC_BASE_MQTT_BROKER_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tsingest::mqtt {

struct BrokerAddress {
  bool tls = false;
  std::string host;  // name or address; IPv6 without brackets
  std::uint16_t port = 1883;
  std::string username;  // from the URI; empty: none
  std::string password;

  // "broker.local:1883", "[::1]:8883".
  std::string HostPort() const;
  // "mqtt://broker.local:1883": never with user or password.
  std::string Uri() const;
};

inline constexpr std::uint16_t kDefaultPort = 1883;
inline constexpr std::uint16_t kDefaultTlsPort = 8883;

// mqtt, tcp (plain); mqtts, ssl, tls. kInvalidArgument shows the URI without user and password.
absl::StatusOr<BrokerAddress> ParseBrokerUri(std::string_view uri);

// The first usable of a space-separated list of HOST[:PORT] ([5] 4.11), secured as `from` is and
// with its user; nullopt: there is none.
std::optional<BrokerAddress> ParseServerReference(std::string_view references,
                                                  const BrokerAddress& from);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SRC_BASE_MQTT_BROKER_ADDRESS_H_
