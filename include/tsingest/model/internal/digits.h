// Runs of digits, eight at a time.
#ifndef TSINGEST_MODEL_INTERNAL_DIGITS_H_
#define TSINGEST_MODEL_INTERNAL_DIGITS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tsingest::internal {

inline constexpr auto kPowersOfTen = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// How many of the eight bytes, from the first in memory on, are digits: 0 to 8.
inline unsigned CountLeadingDigits(std::uint64_t word) {
  const std::uint64_t x = word ^ 0x3030303030303030u;
  const std::uint64_t not_digit = ((x + 0x7676767676767676u) | x) & 0x8080808080808080u;
  return not_digit == 0 ? 8 : static_cast<unsigned>(std::countr_zero(not_digit)) / 8;
}

// The number that eight digits (or zero bytes) in memory spell.
inline std::uint64_t EightDigits(std::uint64_t word) {
  word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
  word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
  return (word & 0x0000ffff0000ffffu) * 42949672960001u >> 32;
}

// The number that the last `count` (1 to 8) bytes before `end` spell; eight bytes before `end` are
// readable. False: they are not all digits.
inline bool LastDigits(const char* end, std::size_t count, std::uint64_t* value) {
  std::uint64_t word = 0;
  std::memcpy(&word, end - 8, 8);
  word = (word ^ 0x3030303030303030u) & ~std::uint64_t{0} << ((8 - count) * 8);
  *value = EightDigits(word);
  return (((word + 0x7676767676767676u) | word) & 0x8080808080808080u) == 0;
}

// Appends the run of digits at `p` to `value`; returns their count. The value is right while it has
// at most 19 digits. Reads nothing before `begin` or behind `end`.
inline std::size_t ReadDigitRun(const char* begin, const char*& p, const char* end,
                                std::uint64_t& value) {
  std::size_t total = 0;
  for (;;) {
    const auto left = static_cast<std::size_t>(end - p);
    if (left == 0) return total;
    std::uint64_t word = 0;
    if (left >= 8) {
      std::memcpy(&word, p, 8);
    } else if (end - begin >= 8) {
      std::memcpy(&word, end - 8, 8);
      word >>= (8 - left) * 8;
    } else {
      std::memcpy(&word, p, left);
    }
    const unsigned count = CountLeadingDigits(word);
    if (count == 0) return total;
    value = value * kPowersOfTen[count] + EightDigits(word << (8 - count) * 8);
    p += count;
    total += count;
    if (count < 8) return total;
  }
}

}  // namespace tsingest::internal

#endif  // TSINGEST_MODEL_INTERNAL_DIGITS_H_
