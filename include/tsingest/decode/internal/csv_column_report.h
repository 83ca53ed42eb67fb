// What a CSV file's columns are to a model, in words.
#ifndef TSINGEST_DECODE_INTERNAL_CSV_COLUMN_REPORT_H_
#define TSINGEST_DECODE_INTERNAL_CSV_COLUMN_REPORT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "tsingest/base/buffer.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/decode/internal/csv_columns.h"
#include "tsingest/model/model.h"

namespace tsingest::internal {

// The field's value is (a level of) the message's topic.
inline bool TakesTopic(const FieldBinding& field) {
  return field.origin == ValueOrigin::kTopic || field.origin == ValueOrigin::kTopicLevel;
}

// Unpivoted columns give it all it has.
inline bool IsFilledByMeasure(const CsvFieldPlan& plan) {
  return plan.measured == CsvMeasured::kLabel || plan.measured == CsvMeasured::kValue;
}

// Views all it is given; meant to be used at once.
class CsvColumnReport {
 public:
  CsvColumnReport(std::span<const FieldBinding> fields, const CsvColumns& columns,
                  const CsvOptions& options)
      : fields_(fields), columns_(columns), options_(options) {}

  // "time <- ts, unit = C, label <- name of temp, hum; not used: light".
  std::string Describe() const {
    std::string text;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const std::string source = DescribeSource(columns_.fields[i]);
      if (source.empty()) continue;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", fields_[i].column, source);
    }
    const std::vector<std::string> unused = Unused();
    if (unused.empty()) return text;
    return fmt::format("{}; not used: {}", text, fmt::join(unused, ", "));
  }

  // Columns that fill no field and are asked for by no filter.
  std::vector<std::string> Unused() const {
    std::vector<std::string> unused;
    if (std::ranges::any_of(columns_.fields,
                            [](const CsvFieldPlan& plan) { return plan.feed == CsvFeed::kRest; })) {
      return unused;
    }
    for (const CsvRestColumn& rest : columns_.rest) {
      const bool is_filter = std::ranges::any_of(
          columns_.filters,
          [&](const CsvFilterPlan& filter) { return filter.column == rest.column; });
      if (!is_filter) unused.push_back(columns_.names[rest.column]);
    }
    return unused;
  }

  // Fields that nothing of the file fills, each with what it gets instead: "unit (\"\")".
  std::vector<std::string> Unfilled() const {
    std::vector<std::string> unfilled;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const CsvFieldPlan& plan = columns_.fields[i];
      if (plan.feed != CsvFeed::kNothing || IsFilledByMeasure(plan)) continue;
      const bool has_unit = plan.measured == CsvMeasured::kUnit &&
                            std::ranges::none_of(columns_.measures, [](const CsvMeasurePlan& m) {
                              return m.unit.empty();
                            });
      if (has_unit || (options_.with_topic && TakesTopic(fields_[i]))) continue;
      unfilled.push_back(fmt::format("{} ({})", fields_[i].column, DescribeMissing(fields_[i])));
    }
    return unfilled;
  }

  // Fields that must have a value and get none, and how to give them one. `lacking` may be empty:
  // then nothing of the file feeds any field.
  std::string DescribeLack(std::span<const FieldBinding* const> lacking,
                           bool look_like_data) const {
    std::string text = lacking.empty() ? "no column of the file feeds any field of the model"
                                       : "the file has no column for ";
    for (std::size_t i = 0; i < lacking.size(); ++i) {
      text += fmt::format("{}{} (looked for {})", i == 0 ? "" : ", ", lacking[i]->column,
                          fmt::join(WithoutRepeats(lacking[i]->names), ", "));
    }
    const std::string_view example = lacking.empty() ? "FIELD" : lacking.front()->column;
    text += fmt::format(
        "; it has {}. Name the column with --map {}=COLUMN, or give a constant with "
        "--set {}=VALUE",
        ShowNames(columns_.names), example, example);
    if (look_like_data) {
      text +=
          ". The first line looks like data: if there is no header, say --no-header --columns "
          "NAME,NAME,…";
    }
    return text;
  }

 private:
  static std::string DescribeMissing(const FieldBinding& field) {
    if (field.defaults_to_arrival) return "arrival time";
    if (field.append_default == nullptr) return "NULL";
    ByteBuffer json;
    field.append_default(json);
    return std::string(json.view());
  }

  static std::vector<std::string_view> WithoutRepeats(std::span<const std::string_view> names) {
    std::vector<std::string_view> out;
    for (const std::string_view name : names) {
      if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    }
    return out;
  }

  std::string DescribeSource(const CsvFieldPlan& plan) const {
    std::vector<std::string> names;
    if (plan.measured != CsvMeasured::kNo && plan.measured != CsvMeasured::kUnit) {
      for (const CsvMeasurePlan& measure : columns_.measures) names.push_back(measure.name);
      return fmt::format("<- {} of {}", plan.measured == CsvMeasured::kLabel ? "name" : "value",
                         fmt::join(names, ", "));
    }
    switch (plan.feed) {
      case CsvFeed::kNothing:
        return "";
      case CsvFeed::kConstant:
        return fmt::format("= {}", plan.constant);
      case CsvFeed::kRest:
        for (const CsvRestColumn& rest : columns_.rest)
          names.push_back(columns_.names[rest.column]);
        break;
      case CsvFeed::kColumns:
      case CsvFeed::kJoined:
        for (const std::uint32_t column : plan.columns) names.push_back(columns_.names[column]);
        break;
    }
    const std::string_view between = plan.feed == CsvFeed::kJoined ? " + " : ", ";
    return names.empty() ? "" : fmt::format("<- {}", fmt::join(names, between));
  }

  const std::span<const FieldBinding> fields_;
  const CsvColumns& columns_;
  const CsvOptions& options_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_CSV_COLUMN_REPORT_H_
