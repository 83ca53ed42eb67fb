#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "source/mqtt/packets.h"
#include "source/mqtt/topic.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

constexpr std::string_view kNoProperties("\0", 1);

bool Malformed(Violation* why, std::string text) {
  *why = {reason::kMalformedPacket, std::move(text)};
  return false;
}

bool ProtocolError(Violation* why, std::string text) {
  *why = {reason::kProtocolError, std::move(text)};
  return false;
}

bool CutOff(PacketType type, Violation* why) {
  return Malformed(why, fmt::format("{}: the packet is cut off", PacketName(type)));
}

bool NothingBehind(PacketType type, const Reader& reader, Violation* why) {
  if (reader.empty()) return true;
  return Malformed(why,
                   fmt::format("{}: {} bytes behind its end", PacketName(type), reader.size()));
}

bool ReadPacketId(PacketType type, Reader& reader, std::uint16_t* out, Violation* why) {
  if (!reader.ReadU16(out)) return CutOff(type, why);
  if (*out != 0) return true;
  return ProtocolError(why,
                       fmt::format("{}: packet identifier 0 (MQTT-2.2.1-3)", PacketName(type)));
}

// The flags that a packet of this type must have ([5] table 2-2); PUBLISH has its own.
std::uint8_t RequiredFlags(PacketType type) { return type == PacketType::kPubrel ? 2 : 0; }

bool SentByServers(PacketType type, Level level) {
  switch (type) {
    case PacketType::kConnack:
    case PacketType::kPublish:
    case PacketType::kPubrel:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
      return true;
    // Answers to a PUBLISH of ours are out of place: we publish nothing.
    default:
      return level == Level::kV5 && (type == PacketType::kDisconnect || type == PacketType::kAuth);
  }
}

}  // namespace

bool CheckHeader(const FixedHeader& header, Level level, Violation* why) {
  if (header.type == PacketType::kReserved ||
      (header.type == PacketType::kAuth && level != Level::kV5)) {
    return Malformed(why, fmt::format("control packet type {} does not exist in {}",
                                      static_cast<unsigned>(header.type), LevelName(level)));
  }
  if (!SentByServers(header.type, level)) {
    return ProtocolError(why,
                         fmt::format("{} from a server to a subscriber", PacketName(header.type)));
  }
  if (header.type != PacketType::kPublish && header.flags != RequiredFlags(header.type)) {
    return Malformed(why, fmt::format("{}: fixed header flags 0x{:X} (MQTT-2.1.3-1)",
                                      PacketName(header.type), header.flags));
  }
  if (header.type == PacketType::kPingresp && header.remaining != 0) {
    return Malformed(why, fmt::format("PINGRESP: {} bytes behind its end", header.remaining));
  }
  return true;
}

bool DecodeConnack(Level level, std::string_view body, Connack* out, Violation* why) {
  Reader reader(body);
  std::uint8_t flags = 0;
  std::uint8_t code = 0;
  if (!reader.ReadByte(&flags) || !reader.ReadByte(&code)) return CutOff(PacketType::kConnack, why);
  if ((flags & 0xFE) != 0) {
    return Malformed(why, fmt::format("CONNACK: acknowledge flags 0x{:02X}", flags));
  }
  out->session_present = flags != 0;
  // A server that does not speak MQTT 5 refuses it as 3.1.1 says: a small code, no properties (but
  // Moquette sends their length, 0, all the same).
  const bool bare_refusal =
      code != 0 &&
      (reader.empty() || (code < reason::kUnspecified && reader.rest() == kNoProperties));
  const bool return_code = level == Level::kV311 || (bare_refusal && code < reason::kUnspecified);
  out->code = return_code ? ReasonOfConnectReturn(code) : code;
  if (out->code != 0) out->code_text = return_code ? ConnectReturnText(code) : ReasonText(code);
  if (level == Level::kV5 && !bare_refusal &&
      !ReadProperties(PacketType::kConnack, reader, &out->properties, why)) {
    return false;
  }
  if (out->code != 0 && out->session_present) {
    return ProtocolError(why, "CONNACK: session present beside a refusal (MQTT-3.2.2-6)");
  }
  return (level == Level::kV5 && bare_refusal) || NothingBehind(PacketType::kConnack, reader, why);
}

bool DecodePublish(Level level, std::uint8_t flags, std::string_view body, Publish* out,
                   Violation* why) {
  Reader reader(body);
  out->qos = flags >> 1 & 3;
  out->dup = (flags & 8) != 0;
  out->retain = (flags & 1) != 0;
  if (out->qos == 3) return Malformed(why, "PUBLISH: QoS 3 (MQTT-3.3.1-4)");
  if (out->dup && out->qos == 0) return Malformed(why, "PUBLISH: DUP with QoS 0 (MQTT-3.3.1-2)");
  if (!reader.ReadPrefixed(&out->topic)) return CutOff(PacketType::kPublish, why);
  if (out->qos != 0 && !ReadPacketId(PacketType::kPublish, reader, &out->packet_id, why)) {
    return false;
  }
  if (level == Level::kV5 && !ReadProperties(PacketType::kPublish, reader, &out->properties, why)) {
    return false;
  }
  if (!out->topic.empty() && !IsTopicName(out->topic)) {
    return Malformed(why, fmt::format("PUBLISH: topic {} has a wildcard, a NUL character or bad "
                                      "UTF-8 (MQTT-3.3.2-1, -2)",
                                      ShowValue(out->topic)));
  }
  if (out->topic.empty() && !out->properties.Has(Property::kTopicAlias)) {
    return ProtocolError(why, "PUBLISH: no topic (MQTT-4.7.3-1)");
  }
  out->payload = reader.rest();
  return true;
}

bool DecodeSubscriptionAck(PacketType type, Level level, std::string_view body,
                           SubscriptionAck* out, Violation* why) {
  Reader reader(body);
  if (!ReadPacketId(type, reader, &out->packet_id, why)) return false;
  if (level == Level::kV5) {
    Properties properties;
    if (!ReadProperties(type, reader, &properties, why)) return false;
    out->reason_string = properties.reason_string;
  } else if (type == PacketType::kUnsuback) {
    return NothingBehind(type, reader, why);
  }
  out->codes = reader.rest();
  return true;
}

bool DecodeRelease(Level level, std::string_view body, Release* out, Violation* why) {
  Reader reader(body);
  if (!ReadPacketId(PacketType::kPubrel, reader, &out->packet_id, why)) return false;
  if (level == Level::kV5 && reader.ReadByte(&out->code) && !reader.empty()) {
    Properties properties;
    if (!ReadProperties(PacketType::kPubrel, reader, &properties, why)) return false;
  }
  if (out->code != reason::kSuccess && out->code != reason::kPacketIdNotFound) {
    return Malformed(why, fmt::format("PUBREL: {}", ReasonText(out->code)));
  }
  return NothingBehind(PacketType::kPubrel, reader, why);
}

bool DecodeDisconnect(std::string_view body, ServerDisconnect* out, Violation* why) {
  Reader reader(body);
  if (reader.ReadByte(&out->code) && !reader.empty() &&
      !ReadProperties(PacketType::kDisconnect, reader, &out->properties, why)) {
    return false;
  }
  return NothingBehind(PacketType::kDisconnect, reader, why);
}

}  // namespace tsingest::mqtt
