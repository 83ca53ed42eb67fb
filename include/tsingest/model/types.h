// The C++ types a field of a model can have, and the PostgreSQL type each stands for.
//
//   bool                 boolean             std::string_view, std::string   text, varchar(n)
//   std::int16_t         smallint            Timestamp (base/clock.h)        timestamptz
//   std::int32_t         integer             Date                            date
//   std::int64_t         bigint              Uuid                            uuid
//   float                real                Json                            jsonb
//   double               double precision    Bytes                           bytea
//   Numeric              numeric             Inet                            inet
//   Array<T>             T[], one dimension, T any of the above
//   std::optional<T>     the same, NULL when empty
//
// Types that hold a view (std::string_view, Json, Bytes, Numeric, Array) own nothing: in a row made
// by a decoder they view the batch's arena; in a row of your own the bytes must outlive the write.
#ifndef TSINGEST_MODEL_TYPES_H_
#define TSINGEST_MODEL_TYPES_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "tsingest/base/clock.h"

namespace tsingest {

// A calendar day in the proleptic Gregorian calendar.
using Date = std::chrono::sys_days;

// RFC 4122 UUID, bytes in the order they are written.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const Uuid&, const Uuid&) = default;
};

// A JSON text (RFC 8259), any kind of value, valid UTF-8.
struct Json {
  std::string_view text;
  friend bool operator==(const Json&, const Json&) = default;
};

// Arbitrary bytes.
struct Bytes {
  std::string_view data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

// An exact decimal number as its text: [-]digits[.digits][e[+-]digits], or NaN, Infinity,
// -Infinity.
struct Numeric {
  std::string_view text;
  friend bool operator==(const Numeric&, const Numeric&) = default;
};

// An IPv4 or IPv6 host address with the length of its network prefix in bits (32 or 128: one host).
struct Inet {
  bool is_ipv6 = false;
  std::uint8_t prefix_bits = 32;
  std::array<std::uint8_t, 16> address{};  // network order; IPv4 uses the first four bytes
  friend bool operator==(const Inet&, const Inet&) = default;
};

// A one-dimensional array of T that may hold NULLs (Array<std::optional<double>>).
template <class T>
struct Array {
  std::span<const T> values;
  friend bool operator==(const Array& a, const Array& b) {
    return std::ranges::equal(a.values, b.values);
  }
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
inline constexpr bool kIsOptional = IsOptional<T>::value;

// T without its std::optional.
template <class T>
struct ValueTypeOf {
  using type = T;
};
template <class T>
struct ValueTypeOf<std::optional<T>> {
  using type = T;
};
template <class T>
using ValueType = typename ValueTypeOf<T>::type;

}  // namespace tsingest

#endif  // TSINGEST_MODEL_TYPES_H_
