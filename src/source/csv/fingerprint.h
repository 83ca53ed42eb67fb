// Recognises a file by how its text begins.
#ifndef TSINGEST_SRC_SOURCE_CSV_FINGERPRINT_H_
#define TSINGEST_SRC_SOURCE_CSV_FINGERPRINT_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fmt/format.h"

namespace tsingest::csv {

// Length and 64-bit FNV-1a hash of the first bytes of a text: at most kMostBytes, all there were
// when it was taken. Appending to a file does not change the fingerprint of what it began with.
struct Fingerprint {
  static constexpr std::size_t kMostBytes = 64 * 1024;

  std::size_t bytes = 0;
  std::uint64_t hash = 0;

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;

  static Fingerprint Of(std::string_view text) {
    text = text.substr(0, kMostBytes);
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
    return {text.size(), hash};
  }

  // "csv1 65536 0123456789abcdef".
  std::string ToString() const { return fmt::format("csv1 {} {:016x}", bytes, hash); }

  // nullopt: not written by ToString().
  static std::optional<Fingerprint> Parse(std::string_view text) {
    constexpr std::string_view kFormat = "csv1 ";
    if (!text.starts_with(kFormat)) return std::nullopt;
    const char* const end = text.data() + text.size();
    Fingerprint out;
    const auto bytes = std::from_chars(text.data() + kFormat.size(), end, out.bytes);
    if (bytes.ec != std::errc() || bytes.ptr == end || *bytes.ptr != ' ') return std::nullopt;
    const auto hash = std::from_chars(bytes.ptr + 1, end, out.hash, 16);
    if (hash.ec != std::errc() || hash.ptr != end || out.bytes > kMostBytes) return std::nullopt;
    return out;
  }
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_FINGERPRINT_H_
