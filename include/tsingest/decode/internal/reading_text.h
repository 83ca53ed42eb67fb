// ReadingText: the members of a LetterReading as JSON.
#ifndef TSINGEST_DECODE_INTERNAL_READING_TEXT_H_
#define TSINGEST_DECODE_INTERNAL_READING_TEXT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/model.h"
#include "tsingest/model/types.h"

namespace tsingest {

namespace internal {

// The members of the object. An array of pairs is written as flags have them: "FIELD=COLUMN".
struct ReadingText {
  std::optional<std::string_view> format, model, table, time_zone, time_unit, time_format,
      ambiguous_time;
  std::optional<std::string_view> delimiter, quote, escape, line_end, framing;
  std::optional<Timestamp> not_before, not_after;
  std::optional<std::int64_t> max_age_us, max_ahead_us;
  std::optional<bool> decimal_comma, skip_initial_space, with_topic;
  std::optional<Json> columns, nulls, map, set, unpivot, filter;
  std::optional<std::int64_t> record_bytes, field_bytes, fields;  // CsvLimits
  std::optional<std::int64_t> total_bytes, string_bytes, number_bytes, depth, members, objects;
  std::optional<Json> unknown;
};

// By AmbiguousTime.
inline constexpr std::array<std::string_view, 4> kAmbiguousTimeNames = {"order", "earlier", "later",
                                                                        "reject"};
inline constexpr std::array<std::string_view, 5> kEpochUnitNames = {"auto", "s", "ms", "us", "ns"};

}  // namespace internal

template <>
struct Model<internal::ReadingText> {
  using T = internal::ReadingText;
  static constexpr std::string_view kTable = "reading";
  static constexpr auto kFields = Fields(
      Field("format", &T::format), Field("model", &T::model), Field("table", &T::table),
      Field("time_zone", &T::time_zone), Field("time_unit", &T::time_unit),
      Field("time_format", &T::time_format), Field("ambiguous_time", &T::ambiguous_time),
      Field("delimiter", &T::delimiter), Field("quote", &T::quote), Field("escape", &T::escape),
      Field("line_end", &T::line_end), Field("framing", &T::framing),
      Field("not_before", &T::not_before), Field("not_after", &T::not_after),
      Field("max_age_us", &T::max_age_us), Field("max_ahead_us", &T::max_ahead_us),
      Field("decimal_comma", &T::decimal_comma),
      Field("skip_initial_space", &T::skip_initial_space), Field("with_topic", &T::with_topic),
      Field("columns", &T::columns), Field("nulls", &T::nulls), Field("map", &T::map),
      Field("set", &T::set), Field("unpivot", &T::unpivot), Field("filter", &T::filter),
      Field("record_bytes", &T::record_bytes), Field("field_bytes", &T::field_bytes),
      Field("fields", &T::fields), Field("total_bytes", &T::total_bytes),
      Field("string_bytes", &T::string_bytes), Field("number_bytes", &T::number_bytes),
      Field("depth", &T::depth), Field("members", &T::members), Field("objects", &T::objects),
      Field("unknown", &T::unknown, Rest{}));
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_INTERNAL_READING_TEXT_H_
