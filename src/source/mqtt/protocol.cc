#include "source/mqtt/protocol.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fmt/format.h"

namespace tsingest::mqtt {
namespace {

struct ReasonName {
  std::uint8_t code;
  std::string_view text;
};

// [5] table 2-6.
constexpr std::array<ReasonName, 43> kReasons = {{
    {0x00, "success"},
    {0x01, "granted QoS 1"},
    {0x02, "granted QoS 2"},
    {0x04, "disconnect with will message"},
    {0x10, "no matching subscribers"},
    {0x11, "no subscription existed"},
    {0x18, "continue authentication"},
    {0x19, "re-authenticate"},
    {0x80, "unspecified error"},
    {0x81, "malformed packet"},
    {0x82, "protocol error"},
    {0x83, "implementation specific error"},
    {0x84, "unsupported protocol version"},
    {0x85, "client identifier not valid"},
    {0x86, "bad user name or password"},
    {0x87, "not authorized"},
    {0x88, "server unavailable"},
    {0x89, "server busy"},
    {0x8A, "banned"},
    {0x8B, "server shutting down"},
    {0x8C, "bad authentication method"},
    {0x8D, "keep alive timeout"},
    {0x8E, "session taken over"},
    {0x8F, "topic filter invalid"},
    {0x90, "topic name invalid"},
    {0x91, "packet identifier in use"},
    {0x92, "packet identifier not found"},
    {0x93, "receive maximum exceeded"},
    {0x94, "topic alias invalid"},
    {0x95, "packet too large"},
    {0x96, "message rate too high"},
    {0x97, "quota exceeded"},
    {0x98, "administrative action"},
    {0x99, "payload format invalid"},
    {0x9A, "retain not supported"},
    {0x9B, "QoS not supported"},
    {0x9C, "use another server"},
    {0x9D, "server moved"},
    {0x9E, "shared subscriptions not supported"},
    {0x9F, "connection rate exceeded"},
    {0xA0, "maximum connect time"},
    {0xA1, "subscription identifiers not supported"},
    {0xA2, "wildcard subscriptions not supported"},
}};

struct ConnectReturn {
  std::string_view text;
  std::uint8_t reason;
};

// [3] table 3.1.
constexpr std::array<ConnectReturn, 6> kConnectReturns = {{
    {"accepted", reason::kSuccess},
    {"unacceptable protocol version", reason::kUnsupportedVersion},
    {"client identifier rejected", reason::kClientIdNotValid},
    {"server unavailable", 0x88},
    {"bad user name or password", reason::kBadUserNameOrPassword},
    {"not authorized", reason::kNotAuthorized},
}};

constexpr std::array<std::string_view, 16> kPacketNames = {
    "packet type 0", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",        "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ",       "PINGRESP", "DISCONNECT", "AUTH"};

}  // namespace

std::string_view PacketName(PacketType type) {
  return kPacketNames[static_cast<std::size_t>(type) & 15];
}

std::string ReasonText(std::uint8_t code) {
  const auto* found =
      std::ranges::find_if(kReasons, [&](const ReasonName& r) { return r.code == code; });
  if (found == kReasons.end()) {
    return fmt::format("reason code 0x{:02X}", code);
  }
  return fmt::format("{} (0x{:02X})", found->text, code);
}

std::string ConnectReturnText(std::uint8_t code) {
  if (code >= kConnectReturns.size()) return fmt::format("return code {}", code);
  return fmt::format("{} ({})", kConnectReturns[code].text, code);
}

std::uint8_t ReasonOfConnectReturn(std::uint8_t code) {
  return code < kConnectReturns.size() ? kConnectReturns[code].reason : reason::kUnspecified;
}

std::string_view LevelName(Level level) { return level == Level::kV5 ? "MQTT 5" : "MQTT 3.1.1"; }

}  // namespace tsingest::mqtt
