// Bounds-checked reading of MQTT's data types ([5] 1.5), and writing of them.
#ifndef TSINGEST_SOURCE_MQTT_WIRE_H_
#define TSINGEST_SOURCE_MQTT_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/mqtt/protocol.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/utf8.h"

namespace tsingest::mqtt {

// Reads from a view and never past it. A member that returns false has read nothing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool ReadByte(std::uint8_t* out) {
    if (rest_.empty()) return false;
    *out = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return true;
  }
  bool ReadU16(std::uint16_t* out) { return ReadInteger(out); }
  bool ReadU32(std::uint32_t* out) { return ReadInteger(out); }
  bool ReadBytes(std::size_t count, std::string_view* out) {
    if (rest_.size() < count) return false;
    *out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }
  // Two bytes of length and the bytes: binary data, or a string that is not checked yet.
  bool ReadPrefixed(std::string_view* out) {
    if (rest_.size() < 2) return false;
    const std::size_t length = LoadBigEndian<std::uint16_t>(rest_.data());
    if (rest_.size() - 2 < length) return false;
    *out = rest_.substr(2, length);
    rest_.remove_prefix(2 + length);
    return true;
  }
  // A variable byte integer in its shortest form (MQTT-1.5.5-1).
  bool ReadVariable(std::uint32_t* out);

  std::string_view rest() const { return rest_; }
  std::size_t size() const { return rest_.size(); }
  bool empty() const { return rest_.empty(); }

 private:
  template <class T>
  bool ReadInteger(T* out) {
    if (rest_.size() < sizeof(T)) return false;
    *out = LoadBigEndian<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return true;
  }

  std::string_view rest_;
};

// A UTF-8 encoded string may hold neither ill-formed sequences nor U+0000 (MQTT-1.5.4-1, -2).
inline bool IsValidString(std::string_view text) {
  return text.find('\0') == std::string_view::npos && IsValidUtf8(text);
}

// The variable byte integer at the start of `bytes`.
struct VariableInteger {
  enum class State : std::uint8_t {
    kComplete,
    kIncomplete,  // more bytes are needed
    kTooLong,     // a fifth byte would follow
    kNotMinimal,  // complete, but a shorter form exists
  };
  State state = State::kIncomplete;
  std::uint32_t value = 0;
  std::uint32_t bytes = 0;  // of the encoded form
};
VariableInteger ParseVariableInteger(std::string_view bytes);

// value <= kMaxVariableByteInteger.
void AppendVariableInteger(std::uint32_t value, ByteBuffer& out);
// text.size() <= kMaxStringBytes; also binary data.
void AppendString(std::string_view text, ByteBuffer& out);

// First byte and remaining length of a control packet ([5] 2.1.1).
struct FixedHeader {
  enum class State : std::uint8_t { kComplete, kIncomplete, kMalformed };
  State state = State::kIncomplete;
  PacketType type = PacketType::kReserved;
  std::uint8_t flags = 0;
  std::uint32_t remaining = 0;
  std::uint32_t header_bytes = 0;
  std::size_t TotalBytes() const { return std::size_t{header_bytes} + remaining; }
};
FixedHeader ParseFixedHeader(std::string_view bytes, Level level);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_WIRE_H_
