// What a broker says, byte by byte: for tests of a subscriber against every kind of broker.
#ifndef TSINGEST_TESTS_SUPPORT_SCRIPTED_BROKER_H_
#define TSINGEST_TESTS_SUPPORT_SCRIPTED_BROKER_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace tsingest::testing {

// ---- bytes of the wire format ----

inline std::string Byte(unsigned value) { return std::string(1, static_cast<char>(value)); }

inline std::string U16(unsigned value) { return Byte(value >> 8 & 0xFF) + Byte(value & 0xFF); }

inline std::string U32(std::uint32_t value) { return U16(value >> 16) + U16(value & 0xFFFF); }

inline std::string Variable(std::size_t value) {
  std::string out;
  do {
    const unsigned low = value & 0x7F;
    value >>= 7;
    out += Byte(value != 0 ? low | 0x80 : low);
  } while (value != 0);
  return out;
}

inline std::string Prefixed(std::string_view text) {
  return U16(static_cast<unsigned>(text.size())) + std::string(text);
}

inline std::string Packet(unsigned first_byte, std::string_view body) {
  return Byte(first_byte) + Variable(body.size()) + std::string(body);
}

// ---- properties of MQTT 5, concatenated by + ----

inline std::string ByteProperty(unsigned id, unsigned value) { return Byte(id) + Byte(value); }
inline std::string U16Property(unsigned id, unsigned value) { return Byte(id) + U16(value); }
inline std::string U32Property(unsigned id, std::uint32_t value) { return Byte(id) + U32(value); }
inline std::string StringProperty(unsigned id, std::string_view text) {
  return Byte(id) + Prefixed(text);
}
inline std::string UserProperty(std::string_view name, std::string_view value) {
  return Byte(0x26) + Prefixed(name) + Prefixed(value);
}

// A broker's packets at one protocol level.
struct BrokerPackets {
  bool v5 = true;

  std::string List(std::string_view properties) const {
    return v5 ? Variable(properties.size()) + std::string(properties) : std::string();
  }
  std::string Connack(bool session_present = false, unsigned code = 0,
                      std::string_view properties = {}) const {
    return Packet(0x20, Byte(session_present ? 1 : 0) + Byte(code) + List(properties));
  }
  std::string Suback(unsigned id, std::string_view codes, std::string_view properties = {}) const {
    return Packet(0x90, U16(id) + List(properties) + std::string(codes));
  }
  std::string Unsuback(unsigned id, std::string_view codes) const {
    return Packet(0xB0, U16(id) + (v5 ? List("") + std::string(codes) : std::string()));
  }
  // id: ignored with QoS 0.
  std::string Publish(unsigned qos, unsigned id, std::string_view topic, std::string_view payload,
                      bool dup = false, std::string_view properties = {}) const {
    return Packet(0x30 | qos << 1 | (dup ? 8u : 0u), Prefixed(topic) + (qos == 0 ? "" : U16(id)) +
                                                         List(properties) + std::string(payload));
  }
  std::string Pubrel(unsigned id) const { return Packet(0x62, U16(id)); }
  std::string Pingresp() const { return Packet(0xD0, ""); }
  std::string Disconnect(unsigned code, std::string_view properties = {}) const {
    return Packet(0xE0, Byte(code) + List(properties));
  }
};

// ---- what the subscriber said ----

struct ClientPacket {
  unsigned type = 0;
  unsigned flags = 0;
  std::string body;

  // Of packets that begin with one.
  unsigned PacketId() const {
    return static_cast<unsigned char>(body.at(0)) * 256u + static_cast<unsigned char>(body.at(1));
  }
};

// "PUBACK 7", "PUBCOMP 7 0x92", "PINGREQ", "SUBSCRIBE 1", "DISCONNECT 0x82".
inline std::string Describe(const ClientPacket& packet) {
  static constexpr std::string_view kNames[] = {"0",         "CONNECT",  "CONNACK",     "PUBLISH",
                                                "PUBACK",    "PUBREC",   "PUBREL",      "PUBCOMP",
                                                "SUBSCRIBE", "SUBACK",   "UNSUBSCRIBE", "UNSUBACK",
                                                "PINGREQ",   "PINGRESP", "DISCONNECT",  "AUTH"};
  const auto code = [&](std::size_t at) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(packet.body.at(at));
    return std::string(" 0x") + kHex[byte >> 4] + kHex[byte & 15];
  };
  std::string out(kNames[packet.type & 15]);
  const bool has_id = packet.type != 1 && packet.type != 12 && packet.type != 14;
  if (has_id) out += " " + std::to_string(packet.PacketId());
  if (packet.type >= 4 && packet.type <= 7 && packet.body.size() > 2) out += code(2);
  if (packet.type == 14 && !packet.body.empty()) out += code(0);
  return out;
}

// Splits what a subscriber sent; `rest` (if given) gets what is not a whole packet yet.
inline std::vector<ClientPacket> ParseClientPackets(std::string_view bytes,
                                                    std::string* rest = nullptr) {
  std::vector<ClientPacket> out;
  while (bytes.size() >= 2) {
    std::size_t length = 0;
    std::size_t at = 1;
    unsigned shift = 0;
    bool complete = false;
    for (; at < bytes.size() && at <= 4; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      length |= std::size_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80) == 0) {
        complete = true;
        break;
      }
    }
    if (!complete || bytes.size() - at < length) break;
    const unsigned first = static_cast<unsigned char>(bytes[0]);
    out.push_back({first >> 4u, first & 15u, std::string(bytes.substr(at, length))});
    bytes.remove_prefix(at + length);
  }
  if (rest != nullptr) *rest = std::string(bytes);
  return out;
}

inline std::vector<std::string> DescribeClientPackets(std::string_view bytes) {
  std::string rest;
  std::vector<std::string> out;
  for (const ClientPacket& packet : ParseClientPackets(bytes, &rest)) {
    out.push_back(Describe(packet));
  }
  if (!rest.empty()) out.push_back("incomplete");
  return out;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SCRIPTED_BROKER_H_
