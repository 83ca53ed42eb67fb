// The properties of MQTT 5 packets that a server sends ([5] 2.2.2).
#ifndef TSINGEST_SOURCE_MQTT_PROPERTIES_H_
#define TSINGEST_SOURCE_MQTT_PROPERTIES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/mqtt/protocol.h"
#include "source/mqtt/wire.h"

namespace tsingest::mqtt {

// Property identifiers ([5] table 2-4).
enum class Property : std::uint8_t {
  kPayloadFormat = 0x01,
  kMessageExpiry = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionId = 0x0B,
  kSessionExpiry = 0x11,
  kAssignedClientId = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardAvailable = 0x28,
  kSubscriptionIdAvailable = 0x29,
  kSharedAvailable = 0x2A,
};

// What a subscriber uses of a property list, with the standard's defaults; everything else is
// checked and left. Views are of the packet.
struct Properties {
  std::uint64_t present = 0;  // one bit per identifier
  std::uint32_t session_expiry = 0;
  std::uint32_t maximum_packet_size = 0;  // 0: no limit
  std::uint16_t server_keep_alive = 0;
  std::uint16_t topic_alias = 0;  // 0: none
  bool wildcard_available = true;
  bool shared_available = true;
  std::uint32_t user_properties = 0;  // how many
  std::string_view assigned_client_id;
  std::string_view server_reference;
  std::string_view reason_string;
  std::string_view raw;  // the whole list, for ForEachUserProperty

  bool Has(Property id) const { return (present >> static_cast<unsigned>(id) & 1) != 0; }
};

// Reads a property list with its length from `reader`. False: `why` says what is wrong with it
// (unknown or not allowed in such a packet, twice, cut off, value not allowed, bad UTF-8).
bool ReadProperties(PacketType packet, Reader& reader, Properties* out, Violation* why);

// Calls fn(name, value) for each user property of a list that ReadProperties() accepted.
template <class Fn>
void ForEachUserProperty(const Properties& properties, Fn&& fn);

// Moves `reader` behind the value of property `id`; false when it is cut off. Internal to
// ForEachUserProperty.
bool SkipPropertyValue(std::uint8_t id, Reader& reader);

template <class Fn>
void ForEachUserProperty(const Properties& properties, Fn&& fn) {
  Reader reader(properties.raw);
  std::uint8_t id = 0;
  while (reader.ReadByte(&id)) {
    if (id != static_cast<std::uint8_t>(Property::kUserProperty)) {
      if (!SkipPropertyValue(id, reader)) return;
      continue;
    }
    std::string_view name;
    std::string_view value;
    if (!reader.ReadPrefixed(&name) || !reader.ReadPrefixed(&value)) return;
    fn(name, value);
  }
}

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_PROPERTIES_H_
