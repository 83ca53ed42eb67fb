// Base64 (RFC 4648 section 4), for bytes that are no text.
#ifndef TSINGEST_BASE_BASE64_H_
#define TSINGEST_BASE_BASE64_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tsingest/base/buffer.h"

namespace tsingest {

// Appends the bytes in the standard alphabet, with padding and without line breaks.
inline void AppendBase64(std::string_view bytes, ByteBuffer& out) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char* p = out.Reserve((bytes.size() + 2) / 3 * 4);
  const char* const begin = p;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return k < left ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    *p++ = kAlphabet[word >> 18];
    *p++ = kAlphabet[word >> 12 & 63];
    *p++ = left > 1 ? kAlphabet[word >> 6 & 63] : '=';
    *p++ = left > 2 ? kAlphabet[word & 63] : '=';
  }
  out.Advance(static_cast<std::size_t>(p - begin));
}

// The bytes that AppendBase64() made `text` of. nullopt: it is no such text (length, alphabet or
// padding is wrong).
inline std::optional<std::string> DecodeBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  std::string out;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t value = kAlphabet.find(digits[i]);
    if (value == std::string_view::npos) return std::nullopt;
    word = word << 6 | static_cast<std::uint32_t>(value);
    // 6, 12, 18, 24 bits: every digit but the first of four completes a byte.
    if (i % 4 != 0) out.push_back(static_cast<char>(word >> (6 - 2 * (i % 4)) & 0xff));
  }
  return out;
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_BASE64_H_
