// PgType<> of inet.
#ifndef TSINGEST_MODEL_PG_TYPES_INET_H_
#define TSINGEST_MODEL_PG_TYPES_INET_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/inet_text.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/types.h"

namespace tsingest {

// Reads an IPv4 address of four decimal numbers (no leading zeros) or an IPv6 address (RFC 4291
// section 2.2), and after a slash the prefix length in bits; without one it is 32 or 128.
// Binary: family (2: IPv4, 3: IPv6), prefix bits, 0 (it is no cidr), 4 or 16, the address.
template <>
struct PgType<Inet> {
  static constexpr std::string_view kName = "inet";
  static constexpr std::uint32_t kOid = 869;
  static constexpr std::uint32_t kArrayOid = 1041;

  static RejectCode Parse(const Token& token, ParseContext& context, Inet* out) {
    if (token.kind == TokenKind::kString || token.kind == TokenKind::kText) {
      if (Read(TrimBlanks(token.text), out)) return RejectCode::kOk;
    }
    return context.Fail(RejectCode::kType, "is not an IPv4 or IPv6 address");
  }
  static RejectCode Check(const Inet& value, ParseContext& context) {
    if (value.prefix_bits <= MaxBits(value)) return RejectCode::kOk;
    return context.Fail(RejectCode::kRange, "has more prefix bits than the address has");
  }
  static std::size_t Size(const Inet& value) { return 4 + AddressBytes(value); }
  static char* Write(char* out, const Inet& value) {
    constexpr char kIpv4 = 2;
    constexpr char kIpv6 = 3;
    *out++ = value.is_ipv6 ? kIpv6 : kIpv4;
    *out++ = static_cast<char>(value.prefix_bits);
    *out++ = 0;
    *out++ = static_cast<char>(AddressBytes(value));
    std::memcpy(out, value.address.data(), AddressBytes(value));
    return out + AddressBytes(value);
  }
  // "10.0.0.7", and "10.0.0.0/8" when it is not one host.
  static void AppendJson(const Inet& value, ByteBuffer& out) {
    out.AppendByte('"');
    char* const begin = out.Reserve(kMaxAddressText);
    const std::uint8_t* const bytes = value.address.data();
    char* const end = value.is_ipv6 ? WriteIpv6(begin, bytes) : WriteIpv4(begin, bytes);
    out.Advance(static_cast<std::size_t>(end - begin));
    if (value.prefix_bits != MaxBits(value)) {
      out.AppendByte('/');
      AppendJsonInteger(static_cast<unsigned>(value.prefix_bits), out);
    }
    out.AppendByte('"');
  }

 private:
  static std::size_t AddressBytes(const Inet& value) { return value.is_ipv6 ? 16 : 4; }
  static unsigned MaxBits(const Inet& value) { return value.is_ipv6 ? 128 : 32; }

  static bool Read(std::string_view text, Inet* out) {
    const std::size_t slash = text.find('/');
    const std::string_view address = text.substr(0, slash);
    *out = Inet{.is_ipv6 = address.find(':') != std::string_view::npos};
    out->prefix_bits = static_cast<std::uint8_t>(MaxBits(*out));
    std::uint8_t* const bytes = out->address.data();
    if (!(out->is_ipv6 ? ReadIpv6(address, bytes) : ReadIpv4(address, bytes))) return false;
    return slash == std::string_view::npos || ReadBits(text.substr(slash + 1), out);
  }

  static bool ReadBits(std::string_view text, Inet* out) {
    const char* const end = text.data() + text.size();
    const std::from_chars_result result = std::from_chars(text.data(), end, out->prefix_bits);
    return result.ec == std::errc() && result.ptr == end && out->prefix_bits <= MaxBits(*out);
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_INET_H_
