// What a model can have wrong, as compile errors in words.
#ifndef TSINGEST_MODEL_INTERNAL_MODEL_CHECK_H_
#define TSINGEST_MODEL_INTERNAL_MODEL_CHECK_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tsingest/model/decimal_text.h"
#include "tsingest/model/field.h"

namespace tsingest {

template <class M>
struct Model;

namespace internal {

// PostgreSQL's NAMEDATALEN - 1: longer names are cut by the server.
inline constexpr std::size_t kMaxNameBytes = 63;

// Whether a list of columns, separated by commas, has this one.
constexpr bool ListHas(std::string_view list, std::string_view column) {
  while (!list.empty()) {
    const std::size_t end = list.find(',') == list.npos ? list.size() : list.find(',');
    if (TrimBlanks(list.substr(0, end)) == column) return true;
    list.remove_prefix(end == list.size() ? end : end + 1);
  }
  return false;
}

template <class T, class M>
inline constexpr bool kAreFieldsOf = false;
template <class M, class... Defs>
inline constexpr bool kAreFieldsOf<std::tuple<Defs...>, M> = sizeof...(Defs) > 0 &&
                                                             (std::same_as<typename Defs::Row, M> &&
                                                              ...);

template <class M>
concept HasTable = requires {
  { Model<M>::kTable } -> std::convertible_to<std::string_view>;
};
template <class M>
concept HasFields = requires {
  Model<M>::kFields;
}
&&kAreFieldsOf<std::remove_cvref_t<decltype(Model<M>::kFields)>, M>;

template <class M>
constexpr auto ColumnsOf() {
  return std::apply(
      [](const auto&... field) {
        return std::array<std::string_view, sizeof...(field)>{field.column...};
      },
      Model<M>::kFields);
}

template <class M>
constexpr bool HasColumn(std::string_view column) {
  for (const std::string_view name : ColumnsOf<M>()) {
    if (name == column) return true;
  }
  return false;
}

template <class M>
constexpr bool ColumnsDiffer() {
  const auto columns = ColumnsOf<M>();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (columns[i] == columns[k]) return false;
    }
  }
  return true;
}

template <class M>
constexpr bool ColumnsHaveNames() {
  for (const std::string_view name : ColumnsOf<M>()) {
    if (name.empty() || name.size() > kMaxNameBytes) return false;
  }
  return true;
}

// Whether every column of the list, separated by commas, is one of the model's.
template <class M>
constexpr bool AreColumns(std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = list.find(',') == list.npos ? list.size() : list.find(',');
    if (!HasColumn<M>(TrimBlanks(list.substr(0, end)))) return false;
    list.remove_prefix(end == list.size() ? end : end + 1);
  }
  return true;
}

// Whether `holds(field, option)` is true for every option of every field.
template <class M, class Holds>
constexpr bool AllOptions(Holds holds) {
  return std::apply(
      [&](const auto&... field) {
        const auto of_field = [&](const auto& f) {
          return std::apply([&](const auto&... option) { return (holds(f, option) && ...); },
                            f.options);
        };
        return (of_field(field) && ...);
      },
      Model<M>::kFields);
}

template <class M>
constexpr bool RangesAreNotEmpty() {
  return AllOptions<M>([](const auto&, const auto& option) {
    if constexpr (kIsRangeRule<std::remove_cvref_t<decltype(option)>>) {
      return option.low <= option.high;
    }
    return true;
  });
}

template <class M>
constexpr bool DefaultsFit() {
  return AllOptions<M>([](const auto& field, const auto& option) {
    using V = typename std::remove_cvref_t<decltype(field)>::Value;
    using O = std::remove_cvref_t<decltype(option)>;
    if constexpr (kIsDefaultOption<O>) {
      using D = std::remove_cvref_t<decltype(option.value)>;
      if constexpr (std::integral<V> && std::integral<D> && !std::same_as<V, bool>) {
        return std::in_range<V>(option.value);
      }
    }
    return true;
  });
}

template <class M>
constexpr bool HasOneRestAtMost() {
  return std::apply(
      [](const auto&... field) {
        return (0 + ... + int{std::remove_cvref_t<decltype(field)>::template Has<Rest>()}) <= 1;
      },
      Model<M>::kFields);
}

template <class M>
constexpr bool LayoutHasTimeColumn() {
  if constexpr (requires { Model<M>::kLayout.time_column; }) {
    constexpr std::string_view kName = Model<M>::kLayout.time_column;
    return kName.empty() || HasColumn<M>(kName);
  }
  return true;
}

template <class M>
constexpr bool LayoutHasSegmentColumns() {
  if constexpr (requires { Model<M>::kLayout.segment_by; }) {
    return AreColumns<M>(Model<M>::kLayout.segment_by);
  }
  return true;
}

template <class M>
constexpr bool UnpivotHasColumns() {
  if constexpr (requires { Model<M>::kUnpivot.label; }) {
    constexpr auto kUnpivot = Model<M>::kUnpivot;
    return HasColumn<M>(kUnpivot.label) && HasColumn<M>(kUnpivot.value) &&
           (kUnpivot.unit.empty() || HasColumn<M>(kUnpivot.unit));
  }
  return true;
}

// Checks that need the fields; told apart so that one mistake gives one message.
template <class M, bool kHasFields>
struct FieldsCheck {};

template <class M>
struct FieldsCheck<M, true> {
  static_assert(ColumnsHaveNames<M>(),
                "tsingest: a column of the model has no name, or one of more than 63 bytes, which "
                "PostgreSQL would cut");
  static_assert(ColumnsDiffer<M>(), "tsingest: two fields of the model have the same column");
  static_assert(RangesAreNotEmpty<M>(),
                "tsingest: an InRange rule has a lower bound above its upper bound");
  static_assert(DefaultsFit<M>(), "tsingest: a Default is out of the range of its field's type");
  static_assert(HasOneRestAtMost<M>(), "tsingest: a model has at most one Rest field");
  static_assert(LayoutHasTimeColumn<M>(),
                "tsingest: kLayout.time_column is not the name of one column of the model");
  static_assert(LayoutHasSegmentColumns<M>(),
                "tsingest: kLayout.segment_by names something that is no column of the model");
  static_assert(UnpivotHasColumns<M>(),
                "tsingest: kUnpivot names something that is no column of the model");
};

template <class M>
struct ModelCheck : FieldsCheck<M, HasFields<M>> {
  static_assert(std::default_initializable<M>, "tsingest: a row type needs a default constructor");
  static_assert(HasTable<M>,
                "tsingest: Model<M> needs a table: static constexpr std::string_view kTable");
  static_assert(HasFields<M>,
                "tsingest: Model<M> needs a list of fields of M itself: static constexpr auto "
                "kFields = Fields(Field(\"column\", &M::member), ...)");
  static constexpr bool kIsSound = true;
};

}  // namespace internal
}  // namespace tsingest

#endif  // TSINGEST_MODEL_INTERNAL_MODEL_CHECK_H_
