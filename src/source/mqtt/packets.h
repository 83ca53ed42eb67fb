// The control packets that a server sends, decoded in place, and those a subscriber sends.
#ifndef TSINGEST_SOURCE_MQTT_PACKETS_H_
#define TSINGEST_SOURCE_MQTT_PACKETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "source/mqtt/properties.h"
#include "source/mqtt/protocol.h"
#include "source/mqtt/wire.h"
#include "tsingest/base/buffer.h"

namespace tsingest::mqtt {

// [5] 3.2, [3] 3.2.
struct Connack {
  bool session_present = false;
  std::uint8_t code = 0;  // MQTT 5 reason code (of a 3.1.1 return code: its equivalent)
  std::string code_text;  // filled when code is not success
  Properties properties;
};

// [5] 3.3, [3] 3.3. Views are of the packet; `topic` is empty when the topic alias stands for it.
struct Publish {
  std::uint8_t qos = 0;
  bool dup = false;
  bool retain = false;
  std::uint16_t packet_id = 0;  // 0 with QoS 0
  std::string_view topic;
  std::string_view payload;
  std::size_t omitted_bytes = 0;  // of the payload, when only its beginning is here
  Properties properties;
};

// SUBACK and UNSUBACK ([5] 3.9, 3.11). An UNSUBACK of 3.1.1 has no codes.
struct SubscriptionAck {
  std::uint16_t packet_id = 0;
  std::string_view codes;  // one byte per filter
  std::string_view reason_string;
};

// PUBREL ([5] 3.6).
struct Release {
  std::uint16_t packet_id = 0;
  std::uint8_t code = 0;
};

// DISCONNECT from a server ([5] 3.14).
struct ServerDisconnect {
  std::uint8_t code = 0;
  Properties properties;
};

// Whether a server may send such a packet at this level, with these flags and this length.
bool CheckHeader(const FixedHeader& header, Level level, Violation* why);

// Each reads the part behind the fixed header; false with the reason when it breaks the standard.
bool DecodeConnack(Level level, std::string_view body, Connack* out, Violation* why);
bool DecodePublish(Level level, std::uint8_t flags, std::string_view body, Publish* out,
                   Violation* why);
bool DecodeSubscriptionAck(PacketType type, Level level, std::string_view body,
                           SubscriptionAck* out, Violation* why);
bool DecodeRelease(Level level, std::string_view body, Release* out, Violation* why);
bool DecodeDisconnect(std::string_view body, ServerDisconnect* out, Violation* why);

// What goes into a CONNECT packet ([5] 3.1).
struct Connect {
  Level level = Level::kV5;
  std::string_view client_id;
  std::string_view username;  // empty: none
  std::string_view password;  // empty: none
  bool clean_start = false;
  std::uint16_t keep_alive_seconds = 0;
  // MQTT 5 only:
  std::uint32_t session_expiry = 0;
  std::uint16_t receive_maximum = 65535;
  std::uint32_t maximum_packet_size = 0;
  std::uint16_t topic_alias_maximum = 0;
};
void EncodeConnect(const Connect& connect, ByteBuffer& out);

// Filters are checked and at most kMaxStringBytes long, and there is at least one. MQTT 5: retained
// messages are asked for only where the subscription is new (Retain Handling 1).
void EncodeSubscribe(Level level, std::uint16_t packet_id, std::span<const std::string> filters,
                     std::uint8_t qos, ByteBuffer& out);
void EncodeUnsubscribe(Level level, std::uint16_t packet_id, std::span<const std::string> filters,
                       ByteBuffer& out);
// PUBACK, PUBREC, PUBCOMP. A code other than success is sent to MQTT 5 servers only.
void EncodeAck(PacketType type, Level level, std::uint16_t packet_id, std::uint8_t code,
               ByteBuffer& out);
void EncodePingreq(ByteBuffer& out);
void EncodeDisconnect(Level level, std::uint8_t code, ByteBuffer& out);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_PACKETS_H_
