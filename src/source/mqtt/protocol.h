// Names and numbers of MQTT 3.1.1 and 5.0. Section numbers are those of the OASIS standards:
// [3] MQTT Version 3.1.1, 29 October 2014; [5] MQTT Version 5.0, 7 March 2019.
#ifndef TSINGEST_SOURCE_MQTT_PROTOCOL_H_
#define TSINGEST_SOURCE_MQTT_PROTOCOL_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tsingest::mqtt {

// Protocol level of the CONNECT packet ([3] 3.1.2.2, [5] 3.1.2.2).
enum class Level : std::uint8_t { kV311 = 4, kV5 = 5 };

// Control packet types ([5] 2.1.2).
enum class PacketType : std::uint8_t {
  kReserved = 0,
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};

// Reason codes ([5] 2.4) that the code names; ReasonText() knows all of them.
namespace reason {
inline constexpr std::uint8_t kSuccess = 0x00;
inline constexpr std::uint8_t kNoSubscriptionExisted = 0x11;
inline constexpr std::uint8_t kUnspecified = 0x80;  // and above: failures
inline constexpr std::uint8_t kMalformedPacket = 0x81;
inline constexpr std::uint8_t kProtocolError = 0x82;
inline constexpr std::uint8_t kUnsupportedVersion = 0x84;
inline constexpr std::uint8_t kClientIdNotValid = 0x85;
inline constexpr std::uint8_t kBadUserNameOrPassword = 0x86;
inline constexpr std::uint8_t kNotAuthorized = 0x87;
inline constexpr std::uint8_t kBanned = 0x8A;
inline constexpr std::uint8_t kBadAuthenticationMethod = 0x8C;
inline constexpr std::uint8_t kSessionTakenOver = 0x8E;
inline constexpr std::uint8_t kPacketIdInUse = 0x91;
inline constexpr std::uint8_t kPacketIdNotFound = 0x92;
inline constexpr std::uint8_t kTopicAliasInvalid = 0x94;
inline constexpr std::uint8_t kPacketTooLarge = 0x95;
inline constexpr std::uint8_t kUseAnotherServer = 0x9C;
inline constexpr std::uint8_t kServerMoved = 0x9D;
}  // namespace reason

// Limits of the wire format.
inline constexpr std::uint32_t kMaxVariableByteInteger = 268'435'455;  // [5] 1.5.5
inline constexpr std::uint32_t kMaxFixedHeaderBytes = 5;               // type + 4 of length
inline constexpr std::uint32_t kMaxPacketBytes = kMaxVariableByteInteger + kMaxFixedHeaderBytes;
inline constexpr std::uint32_t kMaxStringBytes = 65'535;            // [5] 1.5.4
inline constexpr std::uint32_t kSessionNeverExpires = 0xFFFF'FFFF;  // [5] 3.1.2.11.2

// What a peer did against the protocol: the reason code to disconnect with, and words.
struct Violation {
  std::uint8_t code = reason::kProtocolError;
  std::string text;
};

// "PUBLISH", …
std::string_view PacketName(PacketType type);

// "not authorized (0x87)". Codes that the standard does not know: "reason code 0x42".
std::string ReasonText(std::uint8_t code);

// The same for the return codes of an MQTT 3.1.1 CONNACK ([3] 3.2.2.3): "not authorized (5)".
std::string ConnectReturnText(std::uint8_t code);

// The MQTT 5 reason code that means the same as an MQTT 3.1.1 CONNACK return code.
std::uint8_t ReasonOfConnectReturn(std::uint8_t code);

// "MQTT 5", "MQTT 3.1.1".
std::string_view LevelName(Level level);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_PROTOCOL_H_
