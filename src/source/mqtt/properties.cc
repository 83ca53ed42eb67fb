#include "source/mqtt/properties.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace tsingest::mqtt {
namespace {

enum class Kind : std::uint8_t { kByte, kU16, kU32, kVariable, kString, kBinary, kPair };

constexpr std::uint16_t In(PacketType type) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(type));
}
constexpr std::uint16_t kPublishOnly = In(PacketType::kPublish);
constexpr std::uint16_t kConnackOnly = In(PacketType::kConnack);
constexpr std::uint16_t kAuthAlso = In(PacketType::kConnack) | In(PacketType::kAuth);
constexpr std::uint16_t kAnswers =
    In(PacketType::kConnack) | In(PacketType::kPuback) | In(PacketType::kPubrec) |
    In(PacketType::kPubrel) | In(PacketType::kPubcomp) | In(PacketType::kSuback) |
    In(PacketType::kUnsuback) | In(PacketType::kDisconnect) | In(PacketType::kAuth);

struct Definition {
  Property id;
  Kind kind;
  std::uint16_t packets;  // packets from a server that may carry it
  std::uint32_t lowest;   // of numbers
  std::uint32_t highest;
  std::string_view name;
};

constexpr std::uint32_t kAny = 0xFFFF'FFFF;

// [5] table 2-4 and the sections it names, for packets from a server. Session Expiry Interval is
// not allowed in a DISCONNECT from a server (MQTT-3.14.2-2).
constexpr std::array<Definition, 24> kDefinitions = {{
    {Property::kPayloadFormat, Kind::kByte, kPublishOnly, 0, 1, "Payload Format Indicator"},
    {Property::kMessageExpiry, Kind::kU32, kPublishOnly, 0, kAny, "Message Expiry Interval"},
    {Property::kContentType, Kind::kString, kPublishOnly, 0, 0, "Content Type"},
    {Property::kResponseTopic, Kind::kString, kPublishOnly, 0, 0, "Response Topic"},
    {Property::kCorrelationData, Kind::kBinary, kPublishOnly, 0, 0, "Correlation Data"},
    {Property::kSubscriptionId, Kind::kVariable, kPublishOnly, 1, kAny, "Subscription Identifier"},
    {Property::kSessionExpiry, Kind::kU32, kConnackOnly, 0, kAny, "Session Expiry Interval"},
    {Property::kAssignedClientId, Kind::kString, kConnackOnly, 0, 0, "Assigned Client Identifier"},
    {Property::kServerKeepAlive, Kind::kU16, kConnackOnly, 0, kAny, "Server Keep Alive"},
    {Property::kAuthenticationMethod, Kind::kString, kAuthAlso, 0, 0, "Authentication Method"},
    {Property::kAuthenticationData, Kind::kBinary, kAuthAlso, 0, 0, "Authentication Data"},
    {Property::kResponseInformation, Kind::kString, kConnackOnly, 0, 0, "Response Information"},
    {Property::kServerReference, Kind::kString,
     In(PacketType::kConnack) | In(PacketType::kDisconnect), 0, 0, "Server Reference"},
    {Property::kReasonString, Kind::kString, kAnswers, 0, 0, "Reason String"},
    {Property::kReceiveMaximum, Kind::kU16, kConnackOnly, 1, kAny, "Receive Maximum"},
    {Property::kTopicAliasMaximum, Kind::kU16, kConnackOnly, 0, kAny, "Topic Alias Maximum"},
    // 0 and values past our maximum are told apart from other errors by the session.
    {Property::kTopicAlias, Kind::kU16, kPublishOnly, 0, kAny, "Topic Alias"},
    {Property::kMaximumQos, Kind::kByte, kConnackOnly, 0, 1, "Maximum QoS"},
    {Property::kRetainAvailable, Kind::kByte, kConnackOnly, 0, 1, "Retain Available"},
    {Property::kUserProperty, Kind::kPair, kAnswers | kPublishOnly, 0, 0, "User Property"},
    {Property::kMaximumPacketSize, Kind::kU32, kConnackOnly, 1, kAny, "Maximum Packet Size"},
    {Property::kWildcardAvailable, Kind::kByte, kConnackOnly, 0, 1,
     "Wildcard Subscription Available"},
    {Property::kSubscriptionIdAvailable, Kind::kByte, kConnackOnly, 0, 1,
     "Subscription Identifiers Available"},
    {Property::kSharedAvailable, Kind::kByte, kConnackOnly, 0, 1, "Shared Subscription Available"},
}};

const Definition* Find(std::uint32_t id) {
  for (const Definition& d : kDefinitions) {
    if (static_cast<std::uint32_t>(d.id) == id) return &d;
  }
  return nullptr;
}

struct Value {
  std::uint32_t number = 0;
  std::string_view text;
  std::string_view second;
};

bool ReadValue(Kind kind, Reader& reader, Value* out) {
  std::uint8_t byte = 0;
  std::uint16_t u16 = 0;
  switch (kind) {
    case Kind::kByte:
      if (!reader.ReadByte(&byte)) return false;
      out->number = byte;
      return true;
    case Kind::kU16:
      if (!reader.ReadU16(&u16)) return false;
      out->number = u16;
      return true;
    case Kind::kU32:
      return reader.ReadU32(&out->number);
    case Kind::kVariable:
      return reader.ReadVariable(&out->number);
    case Kind::kString:
    case Kind::kBinary:
      return reader.ReadPrefixed(&out->text);
    case Kind::kPair:
      return reader.ReadPrefixed(&out->text) && reader.ReadPrefixed(&out->second);
  }
  return false;
}

void Store(Property id, const Value& value, Properties* out) {
  switch (id) {
    case Property::kSessionExpiry:
      out->session_expiry = value.number;
      break;
    case Property::kMaximumPacketSize:
      out->maximum_packet_size = value.number;
      break;
    case Property::kServerKeepAlive:
      out->server_keep_alive = static_cast<std::uint16_t>(value.number);
      break;
    case Property::kTopicAlias:
      out->topic_alias = static_cast<std::uint16_t>(value.number);
      break;
    case Property::kWildcardAvailable:
      out->wildcard_available = value.number != 0;
      break;
    case Property::kSharedAvailable:
      out->shared_available = value.number != 0;
      break;
    case Property::kUserProperty:
      ++out->user_properties;
      break;
    case Property::kAssignedClientId:
      out->assigned_client_id = value.text;
      break;
    case Property::kServerReference:
      out->server_reference = value.text;
      break;
    case Property::kReasonString:
      out->reason_string = value.text;
      break;
    default:
      break;
  }
}

bool Malformed(Violation* why, std::string text) {
  *why = {reason::kMalformedPacket, std::move(text)};
  return false;
}

bool CheckStrings(PacketType packet, const Definition& d, const Value& value, Violation* why) {
  if (d.kind != Kind::kString && d.kind != Kind::kPair) return true;
  if (IsValidString(value.text) && IsValidString(value.second)) return true;
  return Malformed(
      why, fmt::format("{}: {} is not valid UTF-8 (MQTT-1.5.4)", PacketName(packet), d.name));
}

bool CheckNumber(PacketType packet, const Definition& d, const Value& value, Violation* why) {
  if (d.kind > Kind::kVariable) return true;
  if (value.number >= d.lowest && value.number <= d.highest) return true;
  *why = {reason::kProtocolError,
          fmt::format("{}: {} cannot be {}", PacketName(packet), d.name, value.number)};
  return false;
}

// Which properties may be repeated: user properties, and subscription identifiers of a PUBLISH.
bool Repeatable(Property id) {
  return id == Property::kUserProperty || id == Property::kSubscriptionId;
}

bool ReadOne(PacketType packet, Reader& reader, Properties* out, Violation* why) {
  std::uint32_t id = 0;
  if (!reader.ReadVariable(&id)) {
    return Malformed(why, fmt::format("{}: property list is cut off", PacketName(packet)));
  }
  const Definition* d = Find(id);
  if (d == nullptr) {
    return Malformed(why, fmt::format("{}: unknown property 0x{:02X}", PacketName(packet), id));
  }
  if ((d->packets & In(packet)) == 0) {
    *why = {reason::kProtocolError, fmt::format("{} from a server cannot have the property {}",
                                                PacketName(packet), d->name)};
    return false;
  }
  Value value;
  if (!ReadValue(d->kind, reader, &value)) {
    return Malformed(why, fmt::format("{}: {} is cut off", PacketName(packet), d->name));
  }
  if (out->Has(d->id) && !Repeatable(d->id)) {
    *why = {reason::kProtocolError, fmt::format("{}: {} twice", PacketName(packet), d->name)};
    return false;
  }
  if (!CheckStrings(packet, *d, value, why) || !CheckNumber(packet, *d, value, why)) return false;
  out->present |= std::uint64_t{1} << static_cast<unsigned>(d->id);
  Store(d->id, value, out);
  return true;
}

}  // namespace

bool ReadProperties(PacketType packet, Reader& reader, Properties* out, Violation* why) {
  std::uint32_t length = 0;
  std::string_view list;
  if (!reader.ReadVariable(&length) || !reader.ReadBytes(length, &list)) {
    return Malformed(why, fmt::format("{}: property length exceeds the packet or is malformed",
                                      PacketName(packet)));
  }
  out->raw = list;
  Reader properties(list);
  while (!properties.empty()) {
    if (!ReadOne(packet, properties, out, why)) return false;
  }
  return true;
}

bool SkipPropertyValue(std::uint8_t id, Reader& reader) {
  const Definition* d = Find(id);
  Value value;
  return d != nullptr && ReadValue(d->kind, reader, &value);
}

}  // namespace tsingest::mqtt
