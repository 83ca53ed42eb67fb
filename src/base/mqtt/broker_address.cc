#include "base/mqtt/broker_address.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tsingest/base/show_value.h"

namespace tsingest::mqtt {
namespace {

struct Scheme {
  std::string_view name;
  bool tls;
};
constexpr std::array<Scheme, 5> kSchemes = {
    {{"mqtt", false}, {"tcp", false}, {"mqtts", true}, {"ssl", true}, {"tls", true}}};

absl::Status Bad(std::string_view uri, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("broker {}: {}; it is written mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
                  ShowValue(uri), why));
}

// `uri` without what stands before the last @ of its authority.
std::string WithoutUser(std::string_view uri) {
  const std::size_t start = uri.find("://");
  const std::size_t from = start == std::string_view::npos ? 0 : start + 3;
  const std::size_t at = uri.rfind('@');
  if (at == std::string_view::npos || at < from) return std::string(uri);
  return fmt::format("{}…{}", uri.substr(0, from), uri.substr(at));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986 section 2.1; a % that starts no escape stands for itself.
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    if (!escape) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
    i += 2;
  }
  return out;
}

bool ParsePort(std::string_view text, std::uint16_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out != 0;
}

// HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; the words for what is wrong, "" for nothing.
std::string_view ParseHostPort(std::string_view text, BrokerAddress* out) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return "] is missing";
    out->host = std::string(text.substr(1, close - 1));
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') return "something stands between ] and the port";
    port = text;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (text.find(':', std::min(colon + 1, text.size())) != std::string_view::npos) {
      return "an IPv6 address stands in brackets, as in mqtt://[::1]:1883";
    }
    out->host = std::string(text.substr(0, colon));
    port = text.substr(colon);
  }
  if (out->host.empty()) return "there is no host";
  const auto unfit = [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '@'; };
  if (std::ranges::any_of(out->host, unfit))
    return "the host has a character that hosts cannot have";
  if (!port.empty() && !ParsePort(port.substr(1), &out->port)) return "the port is not 1 to 65535";
  return {};
}

}  // namespace

std::string BrokerAddress::HostPort() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string BrokerAddress::Uri() const {
  return fmt::format("{}://{}", tls ? "mqtts" : "mqtt", HostPort());
}

absl::StatusOr<BrokerAddress> ParseBrokerUri(std::string_view uri) {
  const std::string shown = WithoutUser(uri);
  const std::size_t separator = uri.find("://");
  if (separator == std::string_view::npos) return Bad(shown, "no scheme");
  std::string name(uri.substr(0, separator));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name == "ws" || name == "wss") return Bad(shown, "MQTT over WebSocket is not supported");
  const auto* scheme =
      std::ranges::find_if(kSchemes, [&](const Scheme& s) { return s.name == name; });
  if (scheme == kSchemes.end()) return Bad(shown, fmt::format("unknown scheme {}", name));

  BrokerAddress out;
  out.tls = scheme->tls;
  out.port = scheme->tls ? kDefaultTlsPort : kDefaultPort;
  std::string_view rest = uri.substr(separator + 3);
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    const std::size_t colon = std::min(user.find(':'), user.size());
    out.username = PercentDecoded(user.substr(0, colon));
    if (colon < user.size()) out.password = PercentDecoded(user.substr(colon + 1));
    rest.remove_prefix(at + 1);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return Bad(shown, "nothing can stand behind the port (topics are given apart)");
  }
  if (const std::string_view why = ParseHostPort(rest, &out); !why.empty()) return Bad(shown, why);
  return out;
}

std::optional<BrokerAddress> ParseServerReference(std::string_view references,
                                                  const BrokerAddress& from) {
  while (!references.empty()) {
    const std::size_t space = std::min(references.find(' '), references.size());
    const std::string_view one = references.substr(0, space);
    references.remove_prefix(std::min(space + 1, references.size()));
    BrokerAddress out = from;
    out.port = from.tls ? kDefaultTlsPort : kDefaultPort;
    if (!one.empty() && ParseHostPort(one, &out).empty()) return out;
  }
  return std::nullopt;
}

}  // namespace tsingest::mqtt
