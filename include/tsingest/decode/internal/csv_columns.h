// Which column of a file feeds which field of a model.
#ifndef TSINGEST_DECODE_INTERNAL_CSV_COLUMNS_H_
#define TSINGEST_DECODE_INTERNAL_CSV_COLUMNS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/model.h"

namespace tsingest::internal {

// Where a field's value comes from.
enum class CsvFeed : std::uint8_t { kNothing, kColumns, kJoined, kConstant, kRest };

// What an unpivoted column puts into a field.
enum class CsvMeasured : std::uint8_t { kNo, kLabel, kValue, kUnit };

struct CsvFieldPlan {
  CsvFeed feed = CsvFeed::kNothing;
  CsvMeasured measured = CsvMeasured::kNo;
  bool is_text = false;  // "" is a value of its own here, and blanks count
  // kColumns: best first, the first that is not NULL counts. kJoined: the parts, in order.
  std::vector<std::uint32_t> columns;
  std::string constant;
};

struct CsvMeasurePlan {
  std::uint32_t column = 0;
  std::string name;
  std::string unit;
};

struct CsvFilterPlan {
  std::uint32_t column = 0;
  std::vector<std::string> values;
};

struct CsvRestColumn {
  std::uint32_t column = 0;
  std::string json_name;  // "\"name\":"
};

// Immutable once made.
struct CsvColumns {
  std::vector<std::string> names;
  std::size_t least_fields = 0;  // without the nameless columns at the end
  std::vector<CsvFieldPlan> fields;
  std::vector<CsvMeasurePlan> measures;
  std::vector<CsvFilterPlan> filters;
  std::vector<CsvRestColumn> rest;
  std::vector<std::string> notes;  // one sentence per thing a user may not expect
};

// The words of a header without what differs by habit: case, blanks around, '-' and ' ' for '_'.
inline std::string LooseName(std::string_view name) {
  std::string out(TrimBlanks(name));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c == ' ' || c == '-') c = '_';
  }
  return out;
}

// "a", "b", "c" and 17 more.
inline std::string ShowNames(std::span<const std::string> names) {
  constexpr std::size_t kMost = 40;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kMost; ++i) {
    if (i != 0) out += ", ";
    out += ShowValue(names[i]);
  }
  if (names.size() > kMost) out += fmt::format(" and {} more", names.size() - kMost);
  return out;
}

// Makes CsvColumns; errors are kInvalidArgument. Used once per file.
class CsvColumnMatcher {
 public:
  CsvColumnMatcher(std::span<const FieldBinding> fields, const UnpivotFields* unpivot,
                   const CsvHeader& header, const CsvOptions& options)
      : fields_(fields), unpivot_(unpivot), options_(options) {
    plan_.names = header.names;
    for (std::string& note : NormalizeColumnNames(plan_.names)) {
      plan_.notes.push_back(std::move(note));
    }
    plan_.least_fields = plan_.names.size();
    while (plan_.least_fields > 0 && plan_.names[plan_.least_fields - 1].empty()) {
      --plan_.least_fields;
    }
    used_.resize(plan_.names.size());
    plan_.fields.resize(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) plan_.fields[i].is_text = IsText(fields[i]);
  }

  absl::StatusOr<CsvColumns> Match() {
    absl::Status status = TakeMappings();
    status.Update(TakeConstants());
    status.Update(TakeMeasures());
    if (!status.ok()) return status;
    MatchNames();
    MatchLooseNames();
    status.Update(TakeFilters());
    if (!status.ok()) return status;
    TakeRest();
    return std::move(plan_);
  }

 private:
  // text, varchar, bytea and types of the user's own.
  static bool IsText(const FieldBinding& field) {
    return field.pg_oid == 25 || field.pg_oid == 1043 || field.pg_oid == 17 || field.pg_oid == 0;
  }

  std::optional<std::uint32_t> FindColumn(std::string_view name) const {
    if (name.empty()) return std::nullopt;
    for (std::uint32_t i = 0; i < plan_.names.size(); ++i) {
      if (plan_.names[i] == name) return i;
    }
    return std::nullopt;
  }

  // The only one that has this name, loosely.
  std::optional<std::uint32_t> FindLooseColumn(std::string_view name) const {
    const std::string wanted = LooseName(name);
    std::optional<std::uint32_t> found;
    for (std::uint32_t i = 0; i < plan_.least_fields; ++i) {
      if (LooseName(plan_.names[i]) != wanted) continue;
      if (found.has_value()) return std::nullopt;
      found = i;
    }
    return found;
  }

  absl::StatusOr<std::uint32_t> NeedColumn(std::string_view name, std::string_view option) const {
    std::optional<std::uint32_t> column = FindColumn(name);
    if (!column.has_value()) column = FindLooseColumn(name);
    if (column.has_value()) return *column;
    return absl::InvalidArgumentError(fmt::format("{}: the file has no column {}; it has {}",
                                                  option, ShowValue(name), ShowNames(plan_.names)));
  }

  std::optional<std::size_t> FindField(std::string_view name) const {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].column == name) return i;
    }
    return std::nullopt;
  }

  absl::StatusOr<std::size_t> NeedField(std::string_view name, std::string_view option) const {
    if (const std::optional<std::size_t> field = FindField(name)) return *field;
    std::vector<std::string> known;
    for (const FieldBinding& field : fields_) known.emplace_back(field.column);
    return absl::InvalidArgumentError(fmt::format("{}: the model has no field {}; it has {}",
                                                  option, ShowValue(name), ShowNames(known)));
  }

  absl::Status TakeMappings() {
    for (const CsvMapping& mapping : options_.map) {
      const std::string option = fmt::format("--map {}={}", mapping.field, mapping.column);
      const absl::StatusOr<std::size_t> field = NeedField(mapping.field, option);
      if (!field.ok()) return field.status();
      absl::StatusOr<std::vector<std::uint32_t>> parts = MappedColumns(mapping.column, option);
      if (!parts.ok()) return parts.status();
      CsvFieldPlan& plan = plan_.fields[*field];
      const bool is_joined = parts->size() > 1;
      if (plan.feed == CsvFeed::kJoined || (is_joined && plan.feed != CsvFeed::kNothing)) {
        return absl::InvalidArgumentError(fmt::format(
            "{}: the field is mapped already, and joined columns are all of a field", option));
      }
      plan.feed = is_joined ? CsvFeed::kJoined : CsvFeed::kColumns;
      for (const std::uint32_t column : *parts) {
        plan.columns.push_back(column);
        used_[column] = true;
      }
    }
    return absl::OkStatus();
  }

  // One column of this name, or else "Date+Time": several.
  absl::StatusOr<std::vector<std::uint32_t>> MappedColumns(std::string_view text,
                                                           std::string_view option) const {
    std::vector<std::string_view> names = {text};
    if (!FindColumn(text).has_value() && !text.ends_with('+') && !text.starts_with('+')) {
      while (names.back().find('+') != std::string_view::npos) {
        const std::size_t plus = names.back().find('+');
        names.push_back(names.back().substr(plus + 1));
        names[names.size() - 2] = names[names.size() - 2].substr(0, plus);
      }
    }
    std::vector<std::uint32_t> columns;
    for (const std::string_view name : names) {
      const absl::StatusOr<std::uint32_t> column = NeedColumn(name, option);
      if (!column.ok()) return column.status();
      columns.push_back(*column);
    }
    return columns;
  }

  absl::Status TakeConstants() {
    for (const CsvConstant& constant : options_.set) {
      const std::string option = fmt::format("--set {}={}", constant.field, constant.value);
      const absl::StatusOr<std::size_t> field = NeedField(constant.field, option);
      if (!field.ok()) return field.status();
      plan_.fields[*field].feed = CsvFeed::kConstant;
      plan_.fields[*field].constant = constant.value;
    }
    return absl::OkStatus();
  }

  absl::Status TakeMeasures() {
    if (options_.unpivot.empty()) return absl::OkStatus();
    if (unpivot_ == nullptr) {
      return absl::InvalidArgumentError(
          "--unpivot: this model is not narrow, it has no fields for a column's name and value");
    }
    for (const CsvMeasure& measure : options_.unpivot) {
      const absl::StatusOr<std::uint32_t> column =
          NeedColumn(measure.column, fmt::format("--unpivot {}", measure.column));
      if (!column.ok()) return column.status();
      plan_.measures.push_back({*column, plan_.names[*column], measure.unit});
      used_[*column] = true;
    }
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (absl::Status status = TakeMeasured(i); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // The value goes to every field that would read a column of the value field's name: models of
  // several types have one for numbers and one for the rest.
  absl::Status TakeMeasured(std::size_t i) {
    CsvFieldPlan& plan = plan_.fields[i];
    const FieldBinding& field = fields_[i];
    if (field.column == unpivot_->label) {
      plan.measured = CsvMeasured::kLabel;
      if (unpivot_->label_is_topic_level) return absl::OkStatus();
    } else if (!unpivot_->unit.empty() && field.column == unpivot_->unit) {
      plan.measured = CsvMeasured::kUnit;
      return absl::OkStatus();
    } else if (std::ranges::find(field.names, unpivot_->value) != field.names.end() &&
               (field.column == unpivot_->value || plan.feed == CsvFeed::kNothing)) {
      plan.measured = CsvMeasured::kValue;
    } else {
      return absl::OkStatus();
    }
    if (plan.feed == CsvFeed::kNothing) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format(
        "field {} is filled by --unpivot, so it can be neither mapped to a column nor set "
        "to a constant",
        ShowValue(field.column)));
  }

  bool WantsColumn(std::size_t i) const {
    const CsvFieldPlan& plan = plan_.fields[i];
    if (fields_[i].origin == ValueOrigin::kRest || plan.feed != CsvFeed::kNothing) return false;
    return plan.measured == CsvMeasured::kNo || plan.measured == CsvMeasured::kUnit ||
           (plan.measured == CsvMeasured::kLabel && unpivot_->label_is_topic_level);
  }

  bool IsMeasure(std::uint32_t column) const {
    return std::ranges::any_of(plan_.measures,
                               [&](const CsvMeasurePlan& m) { return m.column == column; });
  }

  void MatchNames() {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (!WantsColumn(i)) continue;
      std::vector<std::uint32_t>& columns = plan_.fields[i].columns;
      for (const std::string_view name : fields_[i].names) {
        const std::optional<std::uint32_t> column = FindColumn(name);
        if (!column.has_value() || IsMeasure(*column)) continue;
        if (std::ranges::find(columns, *column) == columns.end()) columns.push_back(*column);
        used_[*column] = true;
      }
      if (!columns.empty()) plan_.fields[i].feed = CsvFeed::kColumns;
    }
  }

  void MatchLooseNames() {
    const std::vector<bool> taken = used_;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (!WantsColumn(i)) continue;
      for (const std::string_view name : fields_[i].names) {
        const std::optional<std::uint32_t> column = FindLooseColumn(name);
        if (!column.has_value() || taken[*column]) continue;
        plan_.fields[i].feed = CsvFeed::kColumns;
        plan_.fields[i].columns.push_back(*column);
        used_[*column] = true;
        plan_.notes.push_back(fmt::format("column {} is read as field {}",
                                          ShowValue(plan_.names[*column]), fields_[i].column));
        break;
      }
    }
  }

  absl::StatusOr<std::uint32_t> FilterColumn(const CsvFilter& filter) const {
    if (const std::optional<std::uint32_t> column = FindColumn(filter.column)) return *column;
    if (const std::optional<std::size_t> field = FindField(filter.column)) {
      const CsvFieldPlan& plan = plan_.fields[*field];
      if (plan.feed == CsvFeed::kColumns) return plan.columns.front();
    }
    return NeedColumn(filter.column, fmt::format("--filter {}={}", filter.column, filter.value));
  }

  absl::Status TakeFilters() {
    for (const CsvFilter& filter : options_.filter) {
      const absl::StatusOr<std::uint32_t> column = FilterColumn(filter);
      if (!column.ok()) return column.status();
      const auto same = std::ranges::find(plan_.filters, *column, &CsvFilterPlan::column);
      if (same != plan_.filters.end()) {
        same->values.push_back(filter.value);
      } else {
        plan_.filters.push_back({*column, {filter.value}});
      }
    }
    return absl::OkStatus();
  }

  void TakeRest() {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      CsvFieldPlan& plan = plan_.fields[i];
      if (fields_[i].origin != ValueOrigin::kRest || plan.feed != CsvFeed::kNothing) continue;
      plan.feed = CsvFeed::kRest;
    }
    for (std::uint32_t column = 0; column < plan_.least_fields; ++column) {
      if (used_[column]) continue;
      ByteBuffer name;
      AppendJsonString(plan_.names[column], name);
      name.AppendByte(':');
      plan_.rest.push_back({column, std::string(name.view())});
    }
  }

  std::span<const FieldBinding> fields_;
  const UnpivotFields* unpivot_;
  const CsvOptions& options_;
  CsvColumns plan_;
  std::vector<bool> used_;  // columns that some field takes
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_CSV_COLUMNS_H_
