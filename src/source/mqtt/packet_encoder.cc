#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "source/mqtt/packets.h"
#include "source/mqtt/properties.h"
#include "source/mqtt/wire.h"

namespace tsingest::mqtt {
namespace {

void AppendFixedHeader(PacketType type, std::uint8_t flags, std::size_t remaining,
                       ByteBuffer& out) {
  out.AppendByte(static_cast<char>(static_cast<unsigned>(type) << 4 | flags));
  AppendVariableInteger(static_cast<std::uint32_t>(remaining), out);
}

void AppendPacket(PacketType type, std::uint8_t flags, const ByteBuffer& body, ByteBuffer& out) {
  AppendFixedHeader(type, flags, body.size(), out);
  out.Append(body.view());
}

void AppendProperty(Property id, std::uint32_t value, ByteBuffer& out) {
  out.AppendByte(static_cast<char>(id));
  out.AppendBigEndian(value);
}

void AppendProperty(Property id, std::uint16_t value, ByteBuffer& out) {
  out.AppendByte(static_cast<char>(id));
  out.AppendBigEndian(value);
}

void AppendConnectProperties(const Connect& connect, ByteBuffer& out) {
  ByteBuffer list;
  if (connect.session_expiry != 0) {
    AppendProperty(Property::kSessionExpiry, connect.session_expiry, list);
  }
  AppendProperty(Property::kReceiveMaximum, connect.receive_maximum, list);
  if (connect.maximum_packet_size != 0) {
    AppendProperty(Property::kMaximumPacketSize, connect.maximum_packet_size, list);
  }
  if (connect.topic_alias_maximum != 0) {
    AppendProperty(Property::kTopicAliasMaximum, connect.topic_alias_maximum, list);
  }
  AppendVariableInteger(static_cast<std::uint32_t>(list.size()), out);
  out.Append(list.view());
}

// [5] 3.1.2.3.
constexpr std::uint8_t kCleanStart = 0x02;
constexpr std::uint8_t kPasswordFlag = 0x40;
constexpr std::uint8_t kUserNameFlag = 0x80;

// [5] 3.8.3.1: retained messages only where the subscription did not exist before.
constexpr std::uint8_t kRetainWhenNew = 1 << 4;

}  // namespace

void EncodeConnect(const Connect& connect, ByteBuffer& out) {
  ByteBuffer body;
  AppendString("MQTT", body);
  body.AppendByte(static_cast<char>(connect.level));
  unsigned flags = connect.clean_start ? kCleanStart : 0;
  if (!connect.username.empty()) flags |= kUserNameFlag;
  if (!connect.password.empty()) flags |= kPasswordFlag;
  body.AppendByte(static_cast<char>(flags));
  body.AppendBigEndian(connect.keep_alive_seconds);
  if (connect.level == Level::kV5) AppendConnectProperties(connect, body);
  AppendString(connect.client_id, body);
  if (!connect.username.empty()) AppendString(connect.username, body);
  if (!connect.password.empty()) AppendString(connect.password, body);
  AppendPacket(PacketType::kConnect, 0, body, out);
}

void EncodeSubscribe(Level level, std::uint16_t packet_id, std::span<const std::string> filters,
                     std::uint8_t qos, ByteBuffer& out) {
  ByteBuffer body;
  body.AppendBigEndian(packet_id);
  if (level == Level::kV5) body.AppendByte(0);  // no properties
  const unsigned options = qos | (level == Level::kV5 ? kRetainWhenNew : 0u);
  for (const std::string& filter : filters) {
    AppendString(filter, body);
    body.AppendByte(static_cast<char>(options));
  }
  AppendPacket(PacketType::kSubscribe, 2, body, out);
}

void EncodeUnsubscribe(Level level, std::uint16_t packet_id, std::span<const std::string> filters,
                       ByteBuffer& out) {
  ByteBuffer body;
  body.AppendBigEndian(packet_id);
  if (level == Level::kV5) body.AppendByte(0);  // no properties
  for (const std::string& filter : filters) AppendString(filter, body);
  AppendPacket(PacketType::kUnsubscribe, 2, body, out);
}

void EncodeAck(PacketType type, Level level, std::uint16_t packet_id, std::uint8_t code,
               ByteBuffer& out) {
  const bool with_code = level == Level::kV5 && code != reason::kSuccess;
  AppendFixedHeader(type, 0, with_code ? 3 : 2, out);
  out.AppendBigEndian(packet_id);
  if (with_code) out.AppendByte(static_cast<char>(code));
}

void EncodePingreq(ByteBuffer& out) { AppendFixedHeader(PacketType::kPingreq, 0, 0, out); }

void EncodeDisconnect(Level level, std::uint8_t code, ByteBuffer& out) {
  const bool with_code = level == Level::kV5 && code != reason::kSuccess;
  AppendFixedHeader(PacketType::kDisconnect, 0, with_code ? 1 : 0, out);
  if (with_code) out.AppendByte(static_cast<char>(code));
}

}  // namespace tsingest::mqtt
