// Vector look-ups over text: SSE2 (every x86-64) or eight bytes in a word elsewhere.
#ifndef TSINGEST_MODEL_INTERNAL_BYTE_SCAN_H_
#define TSINGEST_MODEL_INTERNAL_BYTE_SCAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) && !defined(TSINGEST_NO_SIMD)
#include <emmintrin.h>
#define TSINGEST_HAS_SSE2 1
#else
#define TSINGEST_HAS_SSE2 0
#endif

namespace tsingest::internal {

// Bytes that a look-up below takes at a time.
#if TSINGEST_HAS_SSE2
inline constexpr std::size_t kScanBytes = 16;
#else
inline constexpr std::size_t kScanBytes = 8;
#endif

// What a block of text holds that matters inside a JSON string.
struct StringBlock {
  // Index of the first quote, backslash or control byte (< 0x20); kScanBytes when there is none.
  std::size_t stop;
  // Whether a byte before `stop` is not ASCII.
  bool has_non_ascii;
};

#if TSINGEST_HAS_SSE2

// Index of the first byte that is a quote, a backslash, a control byte (< 0x20) or not ASCII;
// kScanBytes when there is none. Reads kScanBytes bytes at `p`.
[[gnu::always_inline]] inline std::size_t PlainStringBytes(const char* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  // Bytes with bit 1 turned over: the quote (0x22) comes to stand right behind the control bytes,
  // and what is not ASCII is negative.
  const __m128i turned = _mm_xor_si128(bytes, _mm_set1_epi8(2));
  const __m128i low = _mm_cmplt_epi8(turned, _mm_set1_epi8(0x21));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const auto stops = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, backslash)));
  return static_cast<unsigned>(__builtin_ctz(stops | 0x10000u));
}

// Reads kScanBytes bytes at `p`.
inline StringBlock LookForStringStop(const char* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const auto stops = static_cast<unsigned>(
      _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)));
  const auto high = static_cast<unsigned>(_mm_movemask_epi8(bytes));
  const unsigned stop = static_cast<unsigned>(std::countr_zero(stops | 0x10000u));
  return {stop, (high & ((1u << stop) - 1)) != 0};
}

// Bit i is set when byte i of the 32 bytes at `p` is a decimal digit.
inline std::uint32_t DigitMask32(const char* p) {
  const auto digits = [](const char* at) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i value = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(is_digit));
  };
  return digits(p) | (digits(p + 16) << 16);
}

#else

inline constexpr std::uint64_t kLowBits = 0x0101010101010101u;
inline constexpr std::uint64_t kHighBits = 0x8080808080808080u;

// The high bit of every zero byte of `word`, and possibly of bytes above the lowest zero byte.
inline std::uint64_t ZeroBytes(std::uint64_t word) { return (word - kLowBits) & ~word & kHighBits; }

inline std::size_t PlainStringBytes(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  const std::uint64_t stops = ZeroBytes(word ^ (kLowBits * '"')) |
                              ZeroBytes(word ^ (kLowBits * '\\')) |
                              ((word - kLowBits * ' ') & kHighBits) | (word & kHighBits);
  return stops == 0 ? 8 : static_cast<unsigned>(std::countr_zero(stops)) / 8;
}

inline StringBlock LookForStringStop(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  const std::uint64_t control = (word - kLowBits * 0x20) & ~word & kHighBits;
  const std::uint64_t stops =
      ZeroBytes(word ^ (kLowBits * '"')) | ZeroBytes(word ^ (kLowBits * '\\')) | control;
  const std::uint64_t high = word & kHighBits;
  if (stops == 0) return {8, high != 0};
  const auto bit = static_cast<unsigned>(std::countr_zero(stops));
  return {bit / 8, (high & ((std::uint64_t{1} << (bit & 56)) - 1)) != 0};
}

inline std::uint32_t DigitMask32(const char* p) {
  std::uint32_t mask = 0;
  for (unsigned i = 0; i < 32; ++i) {
    mask |= static_cast<std::uint32_t>(static_cast<unsigned char>(p[i] - '0') <= 9) << i;
  }
  return mask;
}

#endif

}  // namespace tsingest::internal

#endif  // TSINGEST_MODEL_INTERNAL_BYTE_SCAN_H_
