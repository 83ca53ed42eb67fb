// DescribeModel<M>(): what a model's fields are read from and stored as, for a person.
#ifndef TSINGEST_ENCODE_DESCRIBE_MODEL_H_
#define TSINGEST_ENCODE_DESCRIBE_MODEL_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "fmt/format.h"
#include "tsingest/base/buffer.h"
#include "tsingest/encode/ddl.h"
#include "tsingest/model/field.h"
#include "tsingest/model/model.h"

namespace tsingest {
namespace internal {

inline std::string ShortType(const FieldBinding& field) {
  return field.pg_type == "timestamp with time zone" ? "timestamptz" : ColumnType(field);
}

inline std::string DescribeOrigin(const FieldBinding& field) {
  switch (field.origin) {
    case ValueOrigin::kTopic:
      return fmt::format("the topic, else {}", field.column);
    case ValueOrigin::kTopicLevel:
      return fmt::format("level {} of the topic, else {}", field.topic_level, field.column);
    case ValueOrigin::kRest:
      return "all that no other field takes";
    case ValueOrigin::kNames:
      break;
  }
  std::vector<std::string_view> names;
  for (const std::string_view name : field.names) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// What a field gets that the input has no value for.
inline std::string DescribeWithout(const FieldBinding& field, bool is_optional) {
  if (field.defaults_to_arrival) return "arrival time";
  if (field.append_default == nullptr) return is_optional ? "NULL" : "rejected";
  ByteBuffer json;
  field.append_default(json);
  return std::string(json.view());
}

// "kept out when it is empty or is outside [0, 1]".
template <class Def>
std::string DescribeRules(const Def& field) {
  std::vector<std::string> notes;
  std::vector<std::string> rules;
  const auto look = [&](const auto& option) {
    using O = std::remove_cvref_t<decltype(option)>;
    // The type tells of MaxLength.
    if constexpr (!PlainFieldOption<O> && !std::same_as<O, MaxLength>) {
      option.Describe(rules.emplace_back());
    }
    if constexpr (std::same_as<O, Key>) notes.emplace_back("key");
    if constexpr (std::same_as<O, BoolAsNumber>) notes.emplace_back("true and false are 1 and 0");
    if constexpr (std::same_as<O, EmptyAsMissing>) notes.emplace_back("empty text is no value");
    if constexpr (std::same_as<O, OnlyNumbers>) notes.emplace_back("numbers only, else NULL");
    if constexpr (std::same_as<O, OnlyNonNumbers>) notes.emplace_back("no numbers, else NULL");
  };
  std::apply([&](const auto&... option) { (look(option), ...); }, field.options);
  if (!rules.empty()) {
    notes.insert(notes.begin(), fmt::format("rejected if it {}", fmt::join(rules, " or ")));
  }
  return fmt::format("{}", fmt::join(notes, "; "));
}

// Columns of a table as wide as their longest cell, two blanks between them.
inline std::string AlignTable(std::span<const std::vector<std::string>> rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{}{:<{}}", i == 0 ? "" : "  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

template <Described M>
std::string DescribeTable() {
  std::string text;
  if constexpr (requires { Model<M>::kLayout; }) {
    constexpr const Layout& layout = Model<M>::kLayout;
    text += fmt::format("\nIn TimescaleDB: chunks by {}, segments by {}\n", layout.time_column,
                        layout.segment_by.empty() ? "nothing" : layout.segment_by);
  }
  if constexpr (requires { Model<M>::kUnpivot; }) {
    constexpr const UnpivotFields& unpivot = Model<M>::kUnpivot;
    text += fmt::format("--unpivot: a column's name goes to {}, its cell to {}{}\n", unpivot.label,
                        unpivot.value,
                        unpivot.unit.empty() ? "" : fmt::format(", its unit to {}", unpivot.unit));
  }
  if constexpr (requires { Model<M>::kScalarName; }) {
    text += fmt::format("A message that is one bare JSON value is its {}\n", Model<M>::kScalarName);
  }
  return text;
}

}  // namespace internal

// A line for each field: column, type in PostgreSQL, input names (best first), what it gets without
// a value, rules.
template <Described M>
std::string DescribeModel() {
  std::vector<std::vector<std::string>> rows = {
      {"FIELD", "TYPE", "READ FROM", "WITHOUT A VALUE", "RULES"}};
  std::size_t i = 0;
  ForEachField<M>([&](const auto& field) {
    using Def = std::remove_cvref_t<decltype(field)>;
    const FieldBinding& binding = kBindings<M>[i++];
    rows.push_back({std::string(binding.column), internal::ShortType(binding),
                    internal::DescribeOrigin(binding),
                    internal::DescribeWithout(binding, kIsOptional<typename Def::Type>),
                    internal::DescribeRules(field)});
  });
  return fmt::format("Model {}\n\n", Model<M>::kTable) + internal::AlignTable(rows) +
         internal::DescribeTable<M>();
}

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_DESCRIBE_MODEL_H_
