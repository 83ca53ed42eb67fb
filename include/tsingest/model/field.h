// The words a model is written in: Field() and its options.
//
//   Field("device_id", &Reading::device, From{"mac_address", "meta.mac"}, MaxLength{50}, Key{})
#ifndef TSINGEST_MODEL_FIELD_H_
#define TSINGEST_MODEL_FIELD_H_

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tsingest/base/utf8.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/types.h"

namespace tsingest {

// ---- Where a value comes from. At most one of From, FromTopic, FromTopicLevel, Rest per field.
// ----

// Input names, best first; a dot descends into nested objects ("data.temp") and also matches a flat
// key or CSV column of that very name. The column's own name is always tried last.
template <std::size_t N>
struct From {
  std::array<std::string_view, N> names;
  template <class... Names>
  constexpr explicit From(const Names&... list) : names{std::string_view(list)...} {}
};
template <class... Names>
From(const Names&...) -> From<sizeof...(Names)>;

// The whole topic of the message (MQTT, Kafka). Input without a topic (CSV): the column's own name.
struct FromTopic {};

// One level of the topic ("a/b/c": level 0 is a); negative counts from the end (-1 is c).
struct FromTopicLevel {
  int level;
};

// A Json field that collects, as one object, all top-level members that no other field takes.
struct Rest {};

// ---- When the input has no value, or null. ----

// This value is taken. For a CREATE TABLE it also becomes the column's DEFAULT.
template <class V>
struct Default {
  V value;
  constexpr explicit Default(V v) : value(v) {}
};
Default(const char*)->Default<std::string_view>;

// A Timestamp field: the message's arrival time is taken.
struct DefaultToArrival {};

// ---- Which tokens a field takes; of the others it stays empty (the field must be optional). ----

// Numbers only: JSON numbers, CSV cells that are numbers. Never true, "75.5" or an object.
struct OnlyNumbers {};
// Everything that is not a number: strings as they are, true/false and documents as JSON text.
struct OnlyNonNumbers {};
// A number field reads true and false (JSON, or the CSV words) as 1 and 0.
struct BoolAsNumber {};

// An empty string, or one of blanks, counts as no value (see "When the input has no value").
struct EmptyAsMissing {};

// ---- Rules. Any struct with these two members is a rule. ----
//   bool Holds(const T& value) const;
//   void Describe(std::string& out) const;   // worded to follow the value: "is empty"

struct MaxLength {  // characters, as varchar(n); also makes the column varchar(n)
  std::size_t characters;
  constexpr bool Holds(std::string_view text) const {
    return text.size() <= characters || CountCharacters(text) <= characters;
  }
  void Describe(std::string& out) const {
    out += "is longer than " + std::to_string(characters) + " characters";
  }
};

struct NotEmpty {
  constexpr bool Holds(std::string_view text) const { return !text.empty(); }
  void Describe(std::string& out) const { out += "is empty"; }
};

// Closed interval. NaN is outside.
template <class V>
struct InRange {
  V low;
  V high;
  constexpr InRange(V l, V h) : low(l), high(h) {}
  template <class T>
  constexpr bool Holds(const T& value) const {
    return value >= low && value <= high;
  }
  void Describe(std::string& out) const {
    out += "is outside [" + ShowBound(low) + ", " + ShowBound(high) + "]";
  }

 private:
  static std::string ShowBound(V bound) {
    std::string text = std::to_string(bound);
    if constexpr (std::is_floating_point_v<V>) {
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
    }
    return text;
  }
};

// Neither NaN nor infinite.
struct Finite {
  template <std::floating_point T>
  bool Holds(T value) const {
    return std::isfinite(value);
  }
  void Describe(std::string& out) const { out += "is not finite"; }
};

template <std::size_t N>
struct OneOf {
  std::array<std::string_view, N> values;
  template <class... Values>
  constexpr explicit OneOf(const Values&... list) : values{std::string_view(list)...} {}
  constexpr bool Holds(std::string_view text) const {
    for (const std::string_view value : values) {
      if (value == text) return true;
    }
    return false;
  }
  void Describe(std::string& out) const {
    out += "is none of";
    for (std::size_t i = 0; i < N; ++i) {
      out += i == 0 ? " " : ", ";
      out += values[i];
    }
  }
};
template <class... Values>
OneOf(const Values&...) -> OneOf<sizeof...(Values)>;

// ---- The table. ----

// Part of the primary key that --create makes.
struct Key {};
// Leaves out NOT NULL for a field that is never empty (its member is not std::optional).
struct Nullable {};

// ---- Option look-up. ----

template <class T>
inline constexpr bool kIsFromOption = false;
template <std::size_t N>
inline constexpr bool kIsFromOption<From<N>> = true;
template <class T>
inline constexpr bool kIsDefaultOption = false;
template <class V>
inline constexpr bool kIsDefaultOption<Default<V>> = true;
template <class T>
inline constexpr bool kIsOneOfRule = false;
template <std::size_t N>
inline constexpr bool kIsOneOfRule<OneOf<N>> = true;
template <class T>
inline constexpr bool kIsRangeRule = false;
template <class V>
inline constexpr bool kIsRangeRule<InRange<V>> = true;

template <class R, class T>
concept FieldRule = requires(const R& rule, const T& value, std::string& out) {
  { rule.Holds(value) } -> std::same_as<bool>;
  rule.Describe(out);
};

template <class O>
concept PlainFieldOption = kIsFromOption<O> || kIsDefaultOption<O> || std::same_as<O, FromTopic> ||
    std::same_as<O, FromTopicLevel> || std::same_as<O, Rest> || std::same_as<O, DefaultToArrival> ||
    std::same_as<O, OnlyNumbers> || std::same_as<O, OnlyNonNumbers> ||
    std::same_as<O, BoolAsNumber> || std::same_as<O, EmptyAsMissing> || std::same_as<O, Key> ||
    std::same_as<O, Nullable>;

template <class O, class T>
concept FieldOption = PlainFieldOption<O> || FieldRule<O, T>;

namespace internal {

// What of an option can be wrong with a field of type T, in words. Each fails by itself.
template <class T, class O>
constexpr void CheckOption() {
  using V = ValueType<T>;
  constexpr bool kIsText = std::convertible_to<const V&, std::string_view>;
  if constexpr (std::same_as<O, MaxLength> || std::same_as<O, NotEmpty> || kIsOneOfRule<O>) {
    static_assert(kIsText, "tsingest: MaxLength, NotEmpty and OneOf are rules of text fields");
  } else if constexpr (std::same_as<O, Finite>) {
    static_assert(std::floating_point<V>, "tsingest: Finite is a rule of float and double fields");
  } else if constexpr (std::same_as<O, Key>) {
    static_assert(!kIsOptional<T>,
                  "tsingest: a Key field cannot be std::optional: a primary key has no NULL");
  } else if constexpr (std::same_as<O, Rest>) {
    static_assert(std::same_as<V, Json>, "tsingest: a Rest field is a Json");
  } else if constexpr (std::same_as<O, DefaultToArrival>) {
    static_assert(std::same_as<V, Timestamp>, "tsingest: a DefaultToArrival field is a Timestamp");
  } else if constexpr (std::same_as<O, OnlyNumbers> || std::same_as<O, OnlyNonNumbers>) {
    static_assert(kIsOptional<T>,
                  "tsingest: an OnlyNumbers or OnlyNonNumbers field is std::optional");
  } else if constexpr (kIsDefaultOption<O>) {
    using D = decltype(O::value);
    constexpr bool kFits = std::is_arithmetic_v<V>
                               ? std::is_arithmetic_v<D> &&
                                     std::same_as<V, bool> == std::same_as<D, bool> &&
                                     (std::floating_point<V> || std::integral<D>)
                               : std::constructible_from<V, const D&>;
    static_assert(kFits, "tsingest: Default has a value of another type than its field");
  } else {
    static_assert(FieldOption<O, V>,
                  "tsingest: this is neither an option of Field() nor a rule for the field's type "
                  "(a rule has Holds(const T&) and Describe(std::string&), see model/field.h)");
  }
}

}  // namespace internal

// One field of row type M: made by Field(). `T` is the member's type.
template <class M, class T, class... Options>
struct FieldDef {
  using Row = M;
  using Type = T;
  using Value = ValueType<T>;

  std::string_view column;
  T M::*member;
  std::tuple<Options...> options;

  template <class Option>
  static constexpr bool Has() {
    return (std::same_as<Option, Options> || ...);
  }
  static constexpr bool HasFrom() { return (kIsFromOption<Options> || ...); }
  static constexpr bool HasDefault() { return (kIsDefaultOption<Options> || ...); }

  template <class Option>
  constexpr const Option& Get() const {
    return std::get<Option>(options);
  }
};

// Declares a field. `column` is the table's column; the member may be std::optional.
// What cannot be is a compile error that says so.
template <class M, class T, class... Options>
constexpr FieldDef<M, T, Options...> Field(std::string_view column, T M::*member,
                                           Options... options) {
  static_assert(PgColumn<T>,
                "tsingest: a field cannot have this type: take one of model/types.h, or specialise "
                "PgType for it (examples/04_own_field_type.cc)");
  (internal::CheckOption<T, Options>(), ...);
  static_assert((0 + ... +
                 (kIsFromOption<Options> || std::same_as<Options, FromTopic> ||
                  std::same_as<Options, FromTopicLevel> || std::same_as<Options, Rest>)) <= 1,
                "tsingest: a field has one of From, FromTopic, FromTopicLevel and Rest");
  static_assert(
      (0 + ... + (kIsDefaultOption<Options> || std::same_as<Options, DefaultToArrival>)) <= 1,
      "tsingest: a field has one Default or DefaultToArrival");
  return {column, member, {options...}};
}

// The list of a model's fields, in column order.
template <class... Defs>
constexpr std::tuple<Defs...> Fields(Defs... defs) {
  return {defs...};
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_FIELD_H_
