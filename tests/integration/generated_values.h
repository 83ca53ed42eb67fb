// Random values of every field type, with the edges that break encoders, and their SQL text made
// without the code under test.
#ifndef TSINGEST_TESTS_INTEGRATION_GENERATED_VALUES_H_
#define TSINGEST_TESTS_INTEGRATION_GENERATED_VALUES_H_

#include <arpa/inet.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/model/model.h"

namespace tsingest::testing {

// Randomness and the memory that generated views live in.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Bits() { return random_(); }
  // 0 to n - 1.
  std::size_t Below(std::size_t n) { return random_() % n; }
  bool OneIn(std::size_t n) { return Below(n) == 0; }
  template <class T, std::size_t N>
  T Pick(const T (&values)[N]) {
    return values[Below(N)];
  }
  std::string_view Keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  template <class T>
  T* Room(std::size_t count) {
    return arena_.AllocateArray<T>(count).data();
  }

 private:
  std::mt19937_64 random_;
  std::deque<std::string> kept_;
  Arena arena_;
};

// Generated<T>::Value() makes one; ToSql() is what the server casts back to the same value.
template <class T>
struct Generated;

template <std::signed_integral T>
struct Generated<T> {
  static T Value(Generator& g) {
    if (g.OneIn(4))
      return g.Pick(
          {std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), T{0}, T{-1}, T{1}});
    return static_cast<T>(static_cast<std::int64_t>(g.Bits()) >> g.Below(64));
  }
  static std::string ToSql(T value) { return std::to_string(value); }
};

template <>
struct Generated<bool> {
  static bool Value(Generator& g) { return g.OneIn(2); }
  static std::string ToSql(bool value) { return value ? "t" : "f"; }
};

template <std::floating_point T>
struct Generated<T> {
  using Limits = std::numeric_limits<T>;
  static T Value(Generator& g) {
    if (g.OneIn(3)) {
      return g.Pick({T{0}, -T{0}, Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(),
                     Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min(),
                     -Limits::denorm_min(), Limits::epsilon()});
    }
    if (g.OneIn(2)) return static_cast<T>(static_cast<double>(g.Below(2'000'000)) / 1000 - 1000);
    // Any bits; of the NaNs only the ordinary one, since text has no other.
    T value;
    if constexpr (sizeof(T) == 4) value = std::bit_cast<T>(static_cast<std::uint32_t>(g.Bits()));
    if constexpr (sizeof(T) == 8) value = std::bit_cast<T>(g.Bits());
    return std::isnan(value) ? Limits::quiet_NaN() : value;
  }
  static std::string ToSql(T value) {
    char text[64];
    std::snprintf(text, sizeof(text), sizeof(T) == 4 ? "%.9g" : "%.17g",
                  static_cast<double>(value));
    return text;
  }
};

template <>
struct Generated<std::string_view> {
  static std::string_view Value(Generator& g) {
    static constexpr const char* kPieces[] = {"a",
                                              " ",
                                              "\t",
                                              "\n",
                                              "\\",
                                              "\"",
                                              "'",
                                              "{",
                                              ",",
                                              "\x01",
                                              "\x7f",
                                              "é",
                                              "€",
                                              "😀",
                                              "\xef\xbf\xbf",
                                              "\xf4\x8f\xbf\xbf",
                                              "NULL",
                                              "\\N",
                                              "plant/7",
                                              "\r"};
    static constexpr const char* kBad[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
                                           "\xf4\x90\x80\x80"};
    std::string text;
    for (std::size_t n = g.OneIn(50) ? 5000 : g.Below(12); n != 0; --n) text += g.Pick(kPieces);
    if (g.OneIn(40)) text.insert(g.Below(text.size() + 1), g.Pick(kBad));
    if (g.OneIn(40)) text.insert(g.Below(text.size() + 1), 1, '\0');
    return g.Keep(std::move(text));
  }
  static std::string ToSql(std::string_view value) { return std::string(value); }
};

template <>
struct Generated<std::string> {
  static std::string Value(Generator& g) {
    return std::string(Generated<std::string_view>::Value(g));
  }
  static std::string ToSql(const std::string& value) { return value; }
};

template <>
struct Generated<Bytes> {
  static Bytes Value(Generator& g) {
    std::string bytes;
    for (std::size_t n = g.OneIn(50) ? 70'000 : g.Below(20); n != 0; --n)
      bytes += static_cast<char>(g.Bits());
    return {g.Keep(std::move(bytes))};
  }
  static std::string ToSql(const Bytes& value) {
    std::string text = "\\x";
    for (const char c : value.data) {
      char hex[3];
      std::snprintf(hex, sizeof(hex), "%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      text += hex;
    }
    return text;
  }
};

// By the number of the Julian day, which PostgreSQL reads and which needs no calendar here.
template <class D>
std::string JulianText(std::chrono::sys_time<D> value) {
  // floor<days>() would overflow near the ends of the type.
  constexpr std::int64_t kPerDay = std::chrono::days(1) / D(1);
  const std::int64_t count = value.time_since_epoch().count();
  const std::int64_t rest = (count % kPerDay + kPerDay) % kPerDay;
  const std::int64_t day = count / kPerDay - (count % kPerDay < 0 ? 1 : 0);
  const std::int64_t micros = std::chrono::floor<std::chrono::microseconds>(D(rest)).count();
  char time[64];
  std::snprintf(time, sizeof(time), "J%lld %02d:%02d:%02d.%06d UTC",
                static_cast<long long>(day + 2'440'588), static_cast<int>(micros / 3'600'000'000),
                static_cast<int>(micros / 60'000'000 % 60),
                static_cast<int>(micros / 1'000'000 % 60), static_cast<int>(micros % 1'000'000));
  return time;
}

template <>
struct Generated<Timestamp> {
  static constexpr std::int64_t kMin = kMinTimestamp.time_since_epoch().count();
  static Timestamp Value(Generator& g) {
    const auto at = [](std::int64_t micros) {
      return Timestamp(std::chrono::microseconds(micros));
    };
    if (g.OneIn(4)) {
      return at(g.Pick({kMin, kMin + 1, kMin - 1, std::numeric_limits<std::int64_t>::max(),
                        std::numeric_limits<std::int64_t>::min(), std::int64_t{0}, std::int64_t{-1},
                        std::int64_t{946'684'800'000'000}}));
    }
    return at(static_cast<std::int64_t>(g.Bits()) >> g.Below(64));
  }
  static std::string ToSql(Timestamp value) { return JulianText(value); }
};

template <class D>
struct Generated<std::chrono::sys_time<D>> {
  using Time = std::chrono::sys_time<D>;
  static Time Value(Generator& g) {
    return Time(
        D(static_cast<typename D::rep>(static_cast<std::int64_t>(g.Bits()) >> g.Below(64))));
  }
  static std::string ToSql(Time value) { return JulianText(value); }
};

template <>
struct Generated<Date> {
  static Date Value(Generator& g) {
    if (g.OneIn(4))
      return g.Pick({kMinDate, kMaxDate, kMinDate - std::chrono::days(1),
                     kMaxDate + std::chrono::days(1), Date()});
    return Date(std::chrono::days(static_cast<std::int32_t>(g.Bits()) >> g.Below(32)));
  }
  static std::string ToSql(Date value) {
    return "J" + std::to_string(value.time_since_epoch().count() + 2'440'588);
  }
};

template <>
struct Generated<Uuid> {
  static Uuid Value(Generator& g) {
    Uuid value;
    for (auto& byte : value.bytes) byte = static_cast<std::uint8_t>(g.Bits());
    return g.OneIn(10) ? Uuid{} : value;
  }
  static std::string ToSql(const Uuid& value) {
    return Generated<Bytes>::ToSql({{reinterpret_cast<const char*>(value.bytes.data()), 16}})
        .substr(2);
  }
};

template <>
struct Generated<Inet> {
  static Inet Value(Generator& g) {
    Inet value{.is_ipv6 = g.OneIn(2)};
    const std::size_t bits = value.is_ipv6 ? 128 : 32;
    value.prefix_bits = static_cast<std::uint8_t>(g.OneIn(3) ? bits : g.Below(bits + 3));
    for (auto& byte : value.address)
      byte = g.OneIn(2) ? std::uint8_t{0} : static_cast<std::uint8_t>(g.Bits());
    return value;
  }
  static std::string ToSql(const Inet& value) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(value.is_ipv6 ? AF_INET6 : AF_INET, value.address.data(), text, sizeof(text));
    return std::string(text) + "/" + std::to_string(value.prefix_bits);
  }
};

template <>
struct Generated<Numeric> {
  static std::string Digits(Generator& g, std::size_t most) {
    std::string digits;
    for (std::size_t n = g.Below(most) + 1; n != 0; --n)
      digits += g.OneIn(3) ? '0' : static_cast<char>('0' + g.Below(10));
    return digits;
  }
  static Numeric Value(Generator& g) {
    if (g.OneIn(8)) {
      return {g.Pick({"NaN",      "Infinity", "-Infinity",
                      "0",        "-0",       "0.000",
                      "1e131071", "1e131072", "9e-16383",
                      "1e-16384", "0e-16383", "0e-16384",
                      "0e200000", "10000",    "9999",
                      "-.5",      "5.",       "1e",
                      "",         "abc",      "1e99999999999999999999"})};
    }
    std::string text = g.OneIn(3) ? "-" : "";
    text += Digits(g, g.OneIn(20) ? 3000 : 20);
    if (g.OneIn(2)) text += "." + Digits(g, g.OneIn(20) ? 3000 : 20);
    if (g.OneIn(4))
      text += (g.OneIn(2) ? "e" : "E-") + std::to_string(g.Below(g.OneIn(3) ? 20'000 : 30));
    return {g.Keep(std::move(text))};
  }
  static std::string ToSql(const Numeric& value) { return std::string(value.text); }
};

template <>
struct Generated<Json> {
  static void Append(Generator& g, std::string& out, int depth) {
    static constexpr const char* kScalars[] = {"null",
                                               "true",
                                               "false",
                                               "0",
                                               "-0",
                                               "-1.50",
                                               "1e5",
                                               "1E-5",
                                               "12345678901234567890.5",
                                               "\"\"",
                                               "\"a\\\"b\\\\\\/\\b\\f\\n\\r\\t\"",
                                               "\"é€😀\"",
                                               "\"\\u00e9\\ud83d\\ude00\"",
                                               "1e131071",
                                               "1e-16383",
                                               "0.10",
                                               "\"\\u0001\""};
    static constexpr const char* kBad[] = {"\"\\u0000\"",
                                           "\"\\ud800\"",
                                           "\"\\udc00\"",
                                           "\"\\ud800x\"",
                                           "1e131072",
                                           "1e-16384",
                                           "nul",
                                           "01",
                                           "\"\xff\"",
                                           "{",
                                           "[1,]",
                                           "\"\n\"",
                                           "1.",
                                           "+1",
                                           "'a'",
                                           "",
                                           "\"\\ud83d\\u0041\"",
                                           "\"\\x41\"",
                                           "1e99999999999999999999999",
                                           "0e-16384",
                                           "\"\\uD800\\uD800\""};
    if (g.OneIn(60)) {
      out += g.Pick(kBad);
    } else if (depth == 0 || g.OneIn(2)) {
      out += g.Pick(kScalars);
    } else {
      const bool object = g.OneIn(2);
      out += object ? "{" : "[ ";
      for (std::size_t n = g.Below(4), i = 0; i < n; ++i) {
        if (i != 0) out += ", ";
        if (object) out += g.Pick({"\"a\": ", "\"b\":", "\"\":", "\"a\\u0062\" : ", "\"ключ\":"});
        Append(g, out, depth - 1);
      }
      out += object ? "}" : "]";
    }
  }
  static Json Value(Generator& g) {
    std::string text;
    if (g.OneIn(200)) {
      const std::size_t depth = g.Below(1000) + 1;
      return {g.Keep(std::string(depth, '[') + std::string(depth, ']'))};
    }
    Append(g, text, 4);
    return {g.Keep(std::move(text))};
  }
  static std::string ToSql(const Json& value) { return std::string(value.text); }
};

// An element inside an array literal.
inline std::string QuoteElement(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

template <class T>
std::string ArrayToSql(const auto& values) {
  std::string out = "{";
  for (const T& value : values) {
    if (out.size() != 1) out += ",";
    if constexpr (kIsOptional<T>) {
      out += value.has_value() ? QuoteElement(Generated<ValueType<T>>::ToSql(*value)) : "NULL";
    } else {
      out += QuoteElement(Generated<T>::ToSql(value));
    }
  }
  return out + "}";
}

template <class T>
T GeneratedElement(Generator& g) {
  if constexpr (kIsOptional<T>) {
    if (g.OneIn(5)) return std::nullopt;
  }
  return Generated<ValueType<T>>::Value(g);
}

template <class T>
struct Generated<Array<T>> {
  static Array<T> Value(Generator& g) {
    const std::size_t count = g.OneIn(100) ? 500 : g.Below(5);
    T* const room = g.Room<T>(count);
    for (std::size_t i = 0; i < count; ++i) std::construct_at(room + i, GeneratedElement<T>(g));
    return {std::span<const T>(room, count)};
  }
  static std::string ToSql(const Array<T>& value) { return ArrayToSql<T>(value.values); }
};

template <class T>
struct Generated<std::vector<T>> {
  static std::vector<T> Value(Generator& g) {
    std::vector<T> values;
    for (std::size_t n = g.Below(5); n != 0; --n) values.push_back(GeneratedElement<T>(g));
    return values;
  }
  static std::string ToSql(const std::vector<T>& value) { return ArrayToSql<T>(value); }
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_INTEGRATION_GENERATED_VALUES_H_
