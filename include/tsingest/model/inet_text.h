// IPv4 and IPv6 addresses as text.
#ifndef TSINGEST_MODEL_INET_TEXT_H_
#define TSINGEST_MODEL_INET_TEXT_H_

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace tsingest {

// Longest text of WriteIpv4() and WriteIpv6().
inline constexpr std::size_t kMaxAddressText = 46;

// Four decimal numbers from 0 to 255 without leading zeros (which some read as octal).
inline bool ReadIpv4(std::string_view text, std::uint8_t* out) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (int i = 0; i < 4; ++i) {
    if (i != 0 && (p == end || *p++ != '.')) return false;
    const char* const begin = p;
    const std::from_chars_result result = std::from_chars(begin, end, out[i]);
    if (result.ec != std::errc() || (*begin == '0' && result.ptr - begin > 1)) return false;
    p = result.ptr;
  }
  return p == end;
}

inline char* WriteIpv4(char* out, const std::uint8_t* bytes) {
  for (int i = 0; i < 4; ++i) {
    if (i != 0) *out++ = '.';
    out = std::to_chars(out, out + 3, bytes[i]).ptr;
  }
  return out;
}

namespace internal {

// One group of an IPv6 address: 1 to 4 hexadecimal digits.
inline bool ReadIpv6Group(std::string_view text, std::uint8_t* out) {
  std::uint16_t group = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || text.size() > 4) return false;
  const std::from_chars_result result = std::from_chars(text.data(), end, group, 16);
  out[0] = static_cast<std::uint8_t>(group >> 8);
  out[1] = static_cast<std::uint8_t>(group & 0xff);
  return result.ec == std::errc() && result.ptr == end;
}

// Groups separated by colons, the last one perhaps an IPv4 address, into at most `room` bytes.
// Returns how many bytes they fill; -1: they are none.
inline int ReadIpv6Groups(std::string_view text, std::uint8_t* out, int room) {
  int size = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool is_ipv4 = colon == std::string_view::npos && group.find('.') != group.npos;
    if (size + (is_ipv4 ? 4 : 2) > room) return -1;
    if (!(is_ipv4 ? ReadIpv4(group, out + size) : ReadIpv6Group(group, out + size))) return -1;
    size += is_ipv4 ? 4 : 2;
    if (colon == std::string_view::npos) return size;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;
  }
  return size;
}

struct ZeroRun {
  int begin = 0;  // groups
  int length = 0;
};

// The first of the longest runs of two or more zero groups.
inline ZeroRun LongestZeroRun(const std::uint8_t* bytes) {
  ZeroRun best;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && bytes[2 * end] == 0 && bytes[2 * end + 1] == 0) ++end;
    if (end - i > best.length && end - i >= 2) best = {i, end - i};
    i = end + 1;
  }
  return best;
}

}  // namespace internal

// RFC 4291 section 2.2: eight groups of hexadecimal digits, "::" for groups of zeros, the last 32
// bits perhaps as an IPv4 address. No zone ("%eth0").
inline bool ReadIpv6(std::string_view text, std::uint8_t* out) {
  std::fill(out, out + 16, std::uint8_t{0});
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return internal::ReadIpv6Groups(text, out, 16) == 16;
  std::array<std::uint8_t, 16> tail{};
  const int head_size = internal::ReadIpv6Groups(text.substr(0, gap), out, 14);
  if (head_size < 0 || text.substr(0, gap).find('.') != std::string_view::npos) return false;
  const int tail_size = internal::ReadIpv6Groups(text.substr(gap + 2), tail.data(), 14 - head_size);
  if (tail_size < 0) return false;
  std::copy_n(tail.begin(), tail_size, out + 16 - tail_size);
  return true;
}

// RFC 5952: lower case, "::" for the longest run of zero groups, IPv4-mapped addresses with a
// dotted tail.
inline char* WriteIpv6(char* out, const std::uint8_t* bytes) {
  const internal::ZeroRun zeros = internal::LongestZeroRun(bytes);
  const bool is_mapped =
      zeros.begin == 0 && zeros.length == 5 && bytes[10] == 0xff && bytes[11] == 0xff;
  for (int i = 0; i < 8; ++i) {
    if (zeros.length != 0 && i == zeros.begin) {
      *out++ = ':';
      i += zeros.length - 1;
      if (i == 7) *out++ = ':';
      continue;
    }
    if (i != 0) *out++ = ':';
    if (is_mapped && i == 6) return WriteIpv4(out, bytes + 12);
    out = std::to_chars(out, out + 4, bytes[2 * i] * 256u + bytes[2 * i + 1], 16).ptr;
  }
  return out;
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_INET_TEXT_H_
