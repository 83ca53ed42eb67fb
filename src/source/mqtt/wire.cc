#include "source/mqtt/wire.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tsingest::mqtt {

VariableInteger ParseVariableInteger(std::string_view bytes) {
  VariableInteger out;
  for (std::uint32_t i = 0; i < 4; ++i) {
    if (i == bytes.size()) return out;
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    out.value |= static_cast<std::uint32_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      out.bytes = i + 1;
      const bool minimal = i == 0 || byte != 0;
      out.state = minimal ? VariableInteger::State::kComplete : VariableInteger::State::kNotMinimal;
      return out;
    }
  }
  out.state = VariableInteger::State::kTooLong;
  return out;
}

bool Reader::ReadVariable(std::uint32_t* out) {
  const VariableInteger parsed = ParseVariableInteger(rest_);
  if (parsed.state != VariableInteger::State::kComplete) return false;
  *out = parsed.value;
  rest_.remove_prefix(parsed.bytes);
  return true;
}

void AppendVariableInteger(std::uint32_t value, ByteBuffer& out) {
  do {
    const std::uint32_t low = value & 0x7F;
    value >>= 7;
    out.AppendByte(static_cast<char>(value != 0 ? low | 0x80 : low));
  } while (value != 0);
}

void AppendString(std::string_view text, ByteBuffer& out) {
  out.AppendBigEndian(static_cast<std::uint16_t>(text.size()));
  out.Append(text);
}

FixedHeader ParseFixedHeader(std::string_view bytes, Level level) {
  FixedHeader out;
  if (bytes.empty()) return out;
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  out.type = static_cast<PacketType>(first >> 4);
  out.flags = first & 0x0F;
  const VariableInteger length = ParseVariableInteger(bytes.substr(1));
  out.remaining = length.value;
  out.header_bytes = 1 + length.bytes;
  switch (length.state) {
    case VariableInteger::State::kIncomplete:
      break;
    case VariableInteger::State::kComplete:
      out.state = FixedHeader::State::kComplete;
      break;
    case VariableInteger::State::kTooLong:
      out.state = FixedHeader::State::kMalformed;
      break;
    case VariableInteger::State::kNotMinimal:
      // MQTT 3.1.1 does not ask for the shortest form.
      out.state =
          level == Level::kV5 ? FixedHeader::State::kMalformed : FixedHeader::State::kComplete;
      break;
  }
  return out;
}

}  // namespace tsingest::mqtt
