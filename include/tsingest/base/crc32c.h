// CRC-32C (Castagnoli): the checksum of iSCSI (RFC 3720, appendix B.4), with hardware where it is.
#ifndef TSINGEST_BASE_CRC32C_H_
#define TSINGEST_BASE_CRC32C_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tsingest {
namespace internal {

inline constexpr std::array<std::uint32_t, 256> kCrc32cTable = [] {
  constexpr std::uint32_t kReversedPolynomial = 0x82F63B78u;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    table[i] = crc;
  }
  return table;
}();

// Both take and give the register as it is, without the inversions at the ends.
inline std::uint32_t Crc32cByTable(std::string_view bytes, std::uint32_t crc) {
  for (const char c : bytes) {
    crc = kCrc32cTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t Crc32cByHardware(std::string_view bytes,
                                                                        std::uint32_t crc) {
  std::uint64_t wide = crc;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return narrow;
}
#endif

}  // namespace internal

// The checksum of `bytes`; of a longer text when `before` is that of what stands in front:
// Crc32c(b, Crc32c(a)) == Crc32c(a + b). Of the digits 1 to 9 it is 0xE3069283.
inline std::uint32_t Crc32c(std::string_view bytes, std::uint32_t before = 0) {
#if defined(__x86_64__)
  static const bool has_hardware = __builtin_cpu_supports("sse4.2") != 0;
  if (has_hardware) return ~internal::Crc32cByHardware(bytes, ~before);
#endif
  return ~internal::Crc32cByTable(bytes, ~before);
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_CRC32C_H_
