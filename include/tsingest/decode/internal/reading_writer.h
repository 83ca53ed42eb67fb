// ReadingWriter: a LetterReading as JSON.
#ifndef TSINGEST_DECODE_INTERNAL_READING_WRITER_H_
#define TSINGEST_DECODE_INTERNAL_READING_WRITER_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/utf8.h"
#include "tsingest/decode/internal/reading_text.h"
#include "tsingest/decode/letter_reading.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/pg_types.h"

namespace tsingest {

namespace internal {

// Appends the members that differ from the defaults.
class ReadingWriter {
 public:
  std::string Write(const LetterReading& reading) {
    const bool is_csv = reading.format == LetterReading::Format::kCsv;
    out_.AppendByte('{');
    Text("format", is_csv ? "csv" : "json");
    Text("model", reading.model);
    if (!reading.table.empty()) Text("table", reading.table);
    is_csv ? Csv(reading) : JsonMembers(reading.json);
    Time(reading);
    out_.AppendByte('}');
    return std::string(out_.view());
  }

 private:
  void Name(std::string_view name) {
    if (out_.size() > 1) out_.AppendByte(',');
    AppendJsonString(name, out_);
    out_.AppendByte(':');
  }
  // Neither jsonb nor our own reader takes bytes that are no UTF-8, or NUL.
  void Value(std::string_view text) {
    std::string clean;
    while (!text.empty()) {
      const std::size_t length = text.front() == '\0' ? 0 : Utf8SequenceLength(text);
      clean += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
      text.remove_prefix(length == 0 ? 1 : length);
    }
    AppendJsonString(clean, out_);
  }
  void Text(std::string_view name, std::string_view text) {
    Name(name);
    Value(text);
  }
  void TextUnless(std::string_view name, std::string_view text, std::string_view normal) {
    if (text != normal) Text(name, text);
  }
  void True(std::string_view name, bool value) {
    if (!value) return;
    Name(name);
    out_.Append("true");
  }
  void NumberUnless(std::string_view name, std::size_t value, std::size_t normal) {
    if (value == normal) return;
    Name(name);
    AppendJsonInteger(value, out_);
  }
  template <class Items, class Show>
  void List(std::string_view name, const Items& items, Show show) {
    if (items.empty()) return;
    Name(name);
    char before = '[';
    for (const auto& item : items) {
      out_.AppendByte(std::exchange(before, ','));
      Value(show(item));
    }
    out_.AppendByte(']');
  }

  void Csv(const LetterReading& reading) {
    const auto same = [](const std::string& text) { return text; };
    const auto pair = [](const std::string& left, const std::string& right) {
      return left + "=" + right;
    };
    const CsvDialect& dialect = reading.header.dialect;
    const CsvDialect normal;
    List("columns", reading.header.names, same);
    TextUnless("delimiter", {&dialect.syntax.delimiter, 1}, {&normal.syntax.delimiter, 1});
    if (dialect.syntax.quote != normal.syntax.quote) {
      const char* const quote = &dialect.syntax.quote;
      Text("quote", {quote, *quote == '\0' ? std::size_t{0} : std::size_t{1}});
    }
    if (dialect.syntax.has_escape()) Text("escape", {&dialect.syntax.escape, 1});
    if (dialect.syntax.line_end == '\r') Text("line_end", "cr");
    True("skip_initial_space", dialect.syntax.skip_initial_space);
    True("decimal_comma", dialect.decimal_comma);
    List("nulls", reading.csv.nulls, same);
    List("map", reading.csv.map, [&](const CsvMapping& m) { return pair(m.field, m.column); });
    List("set", reading.csv.set, [&](const CsvConstant& c) { return pair(c.field, c.value); });
    List("unpivot", reading.csv.unpivot, [](const CsvMeasure& m) {
      const bool needs_colon = !m.unit.empty() || m.column.find(':') != std::string::npos;
      return needs_colon ? m.column + ":" + m.unit : m.column;
    });
    List("filter", reading.csv.filter, [&](const CsvFilter& f) { return pair(f.column, f.value); });
    True("with_topic", reading.csv.with_topic);
    const CsvLimits limits;
    NumberUnless("record_bytes", reading.csv.limits.record_bytes, limits.record_bytes);
    NumberUnless("field_bytes", reading.csv.limits.field_bytes, limits.field_bytes);
    NumberUnless("fields", reading.csv.limits.fields, limits.fields);
  }

  void JsonMembers(const JsonOptions& json) {
    const JsonOptions normal;
    if (json.framing == JsonFraming::kSingle) Text("framing", "single");
    True("decimal_comma", json.parse.decimal_comma);
    NumberUnless("total_bytes", json.limits.total_bytes, normal.limits.total_bytes);
    NumberUnless("string_bytes", json.limits.string_bytes, normal.limits.string_bytes);
    NumberUnless("number_bytes", json.limits.number_bytes, normal.limits.number_bytes);
    NumberUnless("depth", json.limits.depth, normal.limits.depth);
    NumberUnless("members", json.members, normal.members);
    NumberUnless("objects", json.objects, normal.objects);
  }

  void Time(const LetterReading& reading) {
    const TimeOptions& time = reading.time();
    if (time.epoch_unit != EpochUnit::kAuto) {
      Text("time_unit", kEpochUnitNames[static_cast<std::size_t>(time.epoch_unit)]);
    }
    TextUnless("time_zone", reading.time_zone, "");
    TextUnless("time_format", time.format, "");
    TextUnless("ambiguous_time", kAmbiguousTimeNames[static_cast<std::size_t>(time.ambiguous)],
               kAmbiguousTimeNames.front());
    const auto instant = [&](std::string_view name, const std::optional<Timestamp>& at) {
      if (!at.has_value()) return;
      Name(name);
      PgType<Timestamp>::AppendJson(*at, out_);
    };
    const auto length = [&](std::string_view name, const std::optional<Duration>& duration) {
      if (!duration.has_value()) return;
      Name(name);
      AppendJsonInteger(std::chrono::floor<std::chrono::microseconds>(*duration).count(), out_);
    };
    instant("not_before", time.not_before);
    instant("not_after", time.not_after);
    length("max_age_us", time.max_age);
    length("max_ahead_us", time.max_ahead);
  }

  ByteBuffer out_;
};

}  // namespace internal

}  // namespace tsingest

#endif  // TSINGEST_DECODE_INTERNAL_READING_WRITER_H_
