// Model<M>: one list of fields that JSON and CSV decoding, validation, COPY bytes and CREATE TABLE
// all come from.
//
//   struct Reading { tsingest::Timestamp time; std::string_view device; std::optional<double> temp;
//   };
//
//   template <> struct tsingest::Model<Reading> {
//     static constexpr std::string_view kTable = "readings";
//     static constexpr auto kFields = tsingest::Fields(
//         tsingest::Field("time", &Reading::time, tsingest::From{"ts"}),
//         tsingest::Field("device", &Reading::device, tsingest::MaxLength{50}),
//         tsingest::Field("temp", &Reading::temp, tsingest::InRange{-90.0, 60.0}));
//   };
//
// Optional members: `kLayout` (Layout, below) and `kIndexes` (std::array<IndexDef, N>) for
// --create; `kUnpivot` (UnpivotFields) for wide input; `kScalarName` (std::string_view): the input
// name under which a message that is one bare JSON scalar is read.
#ifndef TSINGEST_MODEL_MODEL_H_
#define TSINGEST_MODEL_MODEL_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tsingest/model/decimal_text.h"
#include "tsingest/model/field.h"
#include "tsingest/model/internal/model_check.h"
#include "tsingest/model/parse_number.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/pg_types.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/token.h"

namespace tsingest {

// Specialise it for your row type (declared in model/internal/model_check.h).
template <class M>
struct Model;

// How the table is laid out in TimescaleDB. Columns are separated by commas, as in SQL; empty: the
// part is left out. Intervals are PostgreSQL interval literals ("1 day").
struct Layout {
  std::string_view time_column;  // partitions the hypertable
  std::string_view segment_by;   // compression: one segment per combination of these
  std::string_view order_by;     // compression: order inside a segment ("time DESC")
  std::string_view chunk_interval;
  std::string_view compress_after;
  std::string_view retention;
};

struct IndexDef {
  std::string_view name;
  std::string_view columns;  // as in CREATE INDEX: "device_id, time DESC"
};

// Which columns of a narrow model an unpivoted (wide) record fills: one row per measured column.
struct UnpivotFields {
  std::string_view label;  // takes the measured column's name …
  std::string_view value;  // … and its cell
  std::string_view unit;   // takes the unit given for that column; empty: the model has none
  // True: the name is appended to `label` as one more topic level ("plant/7" -> "plant/7/temp").
  bool label_is_topic_level = false;
};

// M has a model: a table name and a non-empty list of fields of M itself. A model with a mistake is
// a compile error that says which (model/internal/model_check.h).
template <class M>
concept Described = requires {
  sizeof(Model<M>);
}
&&internal::ModelCheck<M>::kIsSound;

template <Described M>
inline constexpr std::size_t kFieldCount =
    std::tuple_size_v<std::remove_cvref_t<decltype(Model<M>::kFields)>>;

// Calls visit(field) for each FieldDef in column order.
template <Described M, class Visitor>
constexpr void ForEachField(Visitor&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, Model<M>::kFields);
}

enum class ValueOrigin : std::uint8_t { kNames, kTopic, kTopicLevel, kRest };

// One field as decoders and the table checks see it: no templates, so that a model made at run time
// can have the same. Rows are `void*` to the row type the bindings were made for.
struct FieldBinding {
  std::string_view column;
  std::span<const std::string_view> names;  // input names, best first
  ValueOrigin origin = ValueOrigin::kNames;
  int topic_level = 0;
  bool is_key = false;
  bool not_null = false;           // the column is NOT NULL in a table that --create makes
  std::string_view pg_type;        // "double precision"; varchar without its length
  std::uint32_t pg_oid = 0;        // 0: known by name only
  std::size_t max_characters = 0;  // MaxLength; 0: none

  bool defaults_to_arrival = false;
  // Appends the field's Default as JSON; null: it has none.
  void (*append_default)(ByteBuffer& json) = nullptr;

  // Reads the token (not kNull) into the row's field and checks the field's rules.
  RejectCode (*set)(void* row, const Token& token, ParseContext& context) = nullptr;
  // The input has no value: default, arrival time, NULL or kMissing.
  RejectCode (*set_missing)(void* row, ParseContext& context) = nullptr;
};

namespace internal {

// `Model<M>::kFields` element I as a type and a value.
template <class M, std::size_t I>
inline constexpr const auto& kField = std::get<I>(Model<M>::kFields);
template <class M, std::size_t I>
using FieldAt = std::tuple_element_t<I, std::remove_cvref_t<decltype(Model<M>::kFields)>>;

template <class M, std::size_t I>
constexpr auto CollectNames() {
  constexpr const auto& field = kField<M, I>;
  std::size_t count = 1;
  std::apply(
      [&](const auto&... option) {
        [[maybe_unused]] const auto add = [&](const auto& o) {
          if constexpr (kIsFromOption<std::remove_cvref_t<decltype(o)>>) count += o.names.size();
        };
        (add(option), ...);
      },
      field.options);
  return count;
}

template <class M, std::size_t I>
inline constexpr auto kNames = [] {
  std::array<std::string_view, CollectNames<M, I>()> names{};
  std::size_t next = 0;
  std::apply(
      [&](const auto&... option) {
        [[maybe_unused]] const auto add = [&](const auto& o) {
          if constexpr (kIsFromOption<std::remove_cvref_t<decltype(o)>>) {
            for (const std::string_view name : o.names) names[next++] = name;
          }
        };
        (add(option), ...);
      },
      kField<M, I>.options);
  names[next] = kField<M, I>.column;
  return names;
}();

// Checks every rule among the options against a present value.
template <class Def, class T>
RejectCode CheckRules(const Def& field, const T& value, ParseContext& context) {
  RejectCode result = RejectCode::kOk;
  std::apply(
      [&](const auto&... option) {
        [[maybe_unused]] const auto check = [&](const auto& rule) {
          using O = std::remove_cvref_t<decltype(rule)>;
          if constexpr (!PlainFieldOption<O>) {
            if (result == RejectCode::kOk && !rule.Holds(value)) [[unlikely]] {
              context.why.clear();
              rule.Describe(context.why);
              result = RejectCode::kRule;
            }
          }
        };
        (check(option), ...);
      },
      field.options);
  return result;
}

template <class M, std::size_t I>
RejectCode SetMissing(void* row, ParseContext& context) {
  using Def = FieldAt<M, I>;
  constexpr const Def& field = kField<M, I>;
  auto& member = static_cast<M*>(row)->*field.member;
  if constexpr (Def::HasDefault()) {
    std::apply(
        [&](const auto&... option) {
          [[maybe_unused]] const auto take = [&](const auto& o) {
            if constexpr (kIsDefaultOption<std::remove_cvref_t<decltype(o)>>) {
              member = static_cast<typename Def::Value>(o.value);
            }
          };
          (take(option), ...);
        },
        field.options);
    return RejectCode::kOk;
  } else if constexpr (Def::template Has<DefaultToArrival>()) {
    member = context.arrival;
    return RejectCode::kOk;
  } else if constexpr (kIsOptional<typename Def::Type>) {
    member.reset();
    return RejectCode::kOk;
  } else {
    return context.Fail(RejectCode::kMissing, "is missing");
  }
}

// Reads the token into the member, which may be std::optional, and checks the field's rules.
template <class Def>
[[gnu::always_inline]] inline RejectCode ReadAndCheck(const Def& field, typename Def::Type& member,
                                                      const Token& token, ParseContext& context) {
  using Value = typename Def::Value;
  if constexpr (kIsOptional<typename Def::Type>) {
    if (!member.has_value()) member.emplace();
    const RejectCode code = PgType<Value>::Parse(token, context, &*member);
    return code == RejectCode::kOk ? CheckRules(field, *member, context) : code;
  } else {
    const RejectCode code = PgType<Value>::Parse(token, context, &member);
    return code == RejectCode::kOk ? CheckRules(field, member, context) : code;
  }
}

// Copies of the token are made only where they differ: a copy of what was just written waits for
// it.
template <class M, std::size_t I>
[[gnu::always_inline]] inline RejectCode SetField(void* row, const Token& token,
                                                  ParseContext& context) {
  using Def = FieldAt<M, I>;
  constexpr const Def& field = kField<M, I>;
  auto& member = static_cast<M*>(row)->*field.member;
  if constexpr (Def::template Has<EmptyAsMissing>()) {
    const bool is_text = token.kind == TokenKind::kString || token.kind == TokenKind::kText;
    if (is_text && TrimBlanks(token.text).empty()) return SetMissing<M, I>(row, context);
  }
  if constexpr (Def::template Has<OnlyNumbers>() || Def::template Has<OnlyNonNumbers>()) {
    static_assert(kIsOptional<typename Def::Type>, "OnlyNumbers/OnlyNonNumbers need std::optional");
    const bool is_number = token.kind == TokenKind::kNumber ||
                           (token.kind == TokenKind::kText &&
                            IsNumberText(token.text, context.options->decimal_comma));
    if (is_number != Def::template Has<OnlyNumbers>()) {
      member.reset();
      return RejectCode::kOk;
    }
    if constexpr (Def::template Has<OnlyNonNumbers>()) {
      if (token.kind == TokenKind::kObject || token.kind == TokenKind::kArray) {
        return ReadAndCheck(field, member, Token{TokenKind::kString, token.text}, context);
      }
    }
  }
  if constexpr (Def::template Has<BoolAsNumber>()) {
    if (token.kind != TokenKind::kNumber) {
      return ReadAndCheck(field, member, BoolTokenAsNumber(token), context);
    }
  }
  return ReadAndCheck(field, member, token, context);
}

template <class M, std::size_t I>
void AppendDefault(ByteBuffer& json) {
  using Value = typename FieldAt<M, I>::Value;
  std::apply(
      [&](const auto&... option) {
        [[maybe_unused]] const auto append = [&](const auto& o) {
          if constexpr (kIsDefaultOption<std::remove_cvref_t<decltype(o)>>) {
            PgType<Value>::AppendJson(static_cast<Value>(o.value), json);
          }
        };
        (append(option), ...);
      },
      kField<M, I>.options);
}

template <class M, std::size_t I>
constexpr FieldBinding MakeBinding() {
  using Def = FieldAt<M, I>;
  constexpr const Def& field = kField<M, I>;
  FieldBinding binding;
  binding.column = field.column;
  binding.names = kNames<M, I>;
  if constexpr (Def::template Has<FromTopic>()) binding.origin = ValueOrigin::kTopic;
  if constexpr (Def::template Has<FromTopicLevel>()) {
    binding.origin = ValueOrigin::kTopicLevel;
    binding.topic_level = field.template Get<FromTopicLevel>().level;
  }
  if constexpr (Def::template Has<Rest>()) {
    static_assert(std::same_as<typename Def::Value, Json>, "Rest{} needs a Json field");
    binding.origin = ValueOrigin::kRest;
  }
  if constexpr (Def::template Has<DefaultToArrival>()) {
    static_assert(std::same_as<typename Def::Value, Timestamp>,
                  "DefaultToArrival{} needs a Timestamp field");
  }
  binding.is_key = Def::template Has<Key>();
  binding.not_null =
      binding.is_key || (!kIsOptional<typename Def::Type> && !Def::template Has<Nullable>());
  binding.pg_type = PgType<typename Def::Value>::kName;
  binding.pg_oid = PgType<typename Def::Value>::kOid;
  if constexpr (Def::template Has<MaxLength>()) {
    binding.max_characters = field.template Get<MaxLength>().characters;
  }
  binding.defaults_to_arrival = Def::template Has<DefaultToArrival>();
  if constexpr (Def::HasDefault()) binding.append_default = &AppendDefault<M, I>;
  binding.set = &SetField<M, I>;
  binding.set_missing = &SetMissing<M, I>;
  return binding;
}

}  // namespace internal

// The fields of M as bindings, in column order.
template <Described M>
inline constexpr std::array<FieldBinding, kFieldCount<M>> kBindings = [
]<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<FieldBinding, sizeof...(I)>{internal::MakeBinding<M, I>()...};
}
(std::make_index_sequence<kFieldCount<M>>{});

namespace internal {

// The field of the row whose member holds the object at `value`, if any does.
template <Described M>
std::optional<std::size_t> FieldOf(const M& row, const void* value) {
  std::optional<std::size_t> found;
  std::size_t next = 0;
  ForEachField<M>([&](const auto& field) {
    const auto& member = row.*field.member;
    const auto begin = reinterpret_cast<std::uintptr_t>(&member);
    const auto at = reinterpret_cast<std::uintptr_t>(value);
    if (at >= begin && at < begin + sizeof(member)) found = next;
    ++next;
  });
  return found;
}

}  // namespace internal

// Checks a row that no decoder made: each value is one that COPY accepts, and keeps its rules.
// On failure reject.reason names the column and the value.
template <Described M>
Reject Validate(const M& row, ParseContext& context) {
  Reject reject;
  ForEachField<M>([&](const auto& field) {
    if (reject) return;
    using Def = std::remove_cvref_t<decltype(field)>;
    const auto& member = row.*field.member;
    const auto check = [&](const typename Def::Value& value) {
      RejectCode code = PgType<typename Def::Value>::Check(value, context);
      if (code == RejectCode::kOk) code = internal::CheckRules(field, value, context);
      if (code == RejectCode::kOk) return;
      ByteBuffer shown;
      PgType<typename Def::Value>::AppendJson(value, shown);
      std::string_view text = shown.view();
      if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
      reject = {code, std::string(field.column) + ": " + ShowValue(text) + " " + context.why};
    };
    if constexpr (kIsOptional<typename Def::Type>) {
      if (member.has_value()) check(*member);
    } else {
      check(member);
    }
  });
  return reject;
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_MODEL_H_
