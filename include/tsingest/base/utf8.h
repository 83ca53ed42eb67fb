// UTF-8 as RFC 3629 section 3 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#ifndef TSINGEST_BASE_UTF8_H_
#define TSINGEST_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tsingest {

// Bytes of the valid sequence that `text` starts with: 1 to 4, or 0 when there is none.
constexpr std::size_t Utf8SequenceLength(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead < 0xF5) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Whether all of `text` is ASCII. Eight bytes a step.
inline bool IsAscii(std::string_view text) {
  const char* p = text.data();
  std::size_t left = text.size();
  for (; left >= 8; p += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    if ((word & 0x8080808080808080u) != 0) return false;
  }
  for (; left != 0; ++p, --left) {
    if (static_cast<unsigned char>(*p) >= 0x80) return false;
  }
  return true;
}

// Index of the first byte that is not part of a valid sequence; text.size() when all is valid.
inline std::size_t FindInvalidUtf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    while (i + 8 <= text.size() && IsAscii(text.substr(i, 8))) i += 8;
    if (i == text.size()) break;
    const std::size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return i;
}

inline bool IsValidUtf8(std::string_view text) {
  return IsAscii(text) || FindInvalidUtf8(text) == text.size();
}

// Number of characters (code points) in valid UTF-8: what varchar(n) counts.
inline std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_UTF8_H_
