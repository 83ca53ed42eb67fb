// 64 bytes of text at a time, as bit masks: SSE2 (every x86-64), or eight words elsewhere.
#ifndef TSINGEST_DECODE_INTERNAL_BYTE_BLOCK_H_
#define TSINGEST_DECODE_INTERNAL_BYTE_BLOCK_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tsingest/model/internal/byte_scan.h"  // TSINGEST_HAS_SSE2

namespace tsingest::internal {

// In all masks bit i tells of byte i.
inline constexpr std::size_t kBlockBytes = 64;

// The portable block: exact zero-byte detection in 64-bit words.
class WordBlock {
 public:
  // Reads kBlockBytes bytes at `p`, any alignment.
  explicit WordBlock(const char* p) { std::memcpy(words_.data(), p, kBlockBytes); }

  // The bytes equal to `c`.
  std::uint64_t Equal(char c) const {
    const std::uint64_t pattern = kOnes * static_cast<unsigned char>(c);
    return Collect([pattern](std::uint64_t word) { return ZeroBytes(word ^ pattern); });
  }

  // The bytes that are not ASCII, or NUL.
  std::uint64_t NulOrNonAscii() const {
    return Collect([](std::uint64_t word) { return ZeroBytes(word) | (word & kHighs); });
  }

 private:
  static constexpr std::uint64_t kOnes = 0x0101010101010101u;
  static constexpr std::uint64_t kHighs = 0x8080808080808080u;

  // The high bit of each byte that is zero, and of no other: no carry crosses a byte.
  static std::uint64_t ZeroBytes(std::uint64_t word) {
    return ~(((word & ~kHighs) + ~kHighs) | word) & kHighs;
  }

  template <class Find>
  std::uint64_t Collect(Find find) const {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      // The multiplication moves the eight high bits next to each other into the top byte.
      mask |= (((find(words_[i]) >> 7) * 0x0102040810204080u) >> 56) << (8 * i);
    }
    return mask;
  }

  std::array<std::uint64_t, 8> words_;
};

#if TSINGEST_HAS_SSE2

class Sse2Block {
 public:
  explicit Sse2Block(const char* p) {
    for (int i = 0; i < 4; ++i) {
      parts_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
    }
  }

  std::uint64_t Equal(char c) const {
    const __m128i pattern = _mm_set1_epi8(c);
    return Collect([pattern](__m128i bytes) { return _mm_cmpeq_epi8(bytes, pattern); });
  }

  // As signed bytes these are the ones below 1.
  std::uint64_t NulOrNonAscii() const {
    return Collect([](__m128i bytes) { return _mm_cmplt_epi8(bytes, _mm_set1_epi8(1)); });
  }

 private:
  template <class Find>
  std::uint64_t Collect(Find find) const {
    std::uint64_t mask = 0;
    for (int i = 0; i < 4; ++i) {
      const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(find(parts_[i])));
      mask |= std::uint64_t{bits} << (16 * i);
    }
    return mask;
  }

  __m128i parts_[4];
};

using Block = Sse2Block;

#else

using Block = WordBlock;

#endif

// The lowest `count` bits; `count` up to 64.
constexpr std::uint64_t LowBits(std::size_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// Bit i of the result is the parity of bits 0 to i: between an odd and an even set bit it is 1.
// A carry-less multiplication would do the same, but is not in the SSE2 baseline, and the six steps
// here are hidden behind the loads.
constexpr std::uint64_t PrefixXor(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

// How many bytes of `text` equal `c`.
inline std::size_t CountByte(std::string_view text, char c) {
  const char* p = text.data();
  std::size_t left = text.size();
  std::size_t count = 0;
  for (; left >= kBlockBytes; p += kBlockBytes, left -= kBlockBytes) {
    count += static_cast<std::size_t>(std::popcount(Block(p).Equal(c)));
  }
  for (; left != 0; ++p, --left) count += *p == c;
  return count;
}

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_BYTE_BLOCK_H_
