// Base64 (RFC 4648 section 4), for bytes that are no text.
#ifndef TSINGEST_BASE_BASE64_H_
#define TSINGEST_BASE_BASE64_H_

#include <cstddef>
#include <cstdint>
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

}  // namespace tsingest

#endif  // TSINGEST_BASE_BASE64_H_
