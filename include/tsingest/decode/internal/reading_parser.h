// ReadingParser: a LetterReading from JSON.
#ifndef TSINGEST_DECODE_INTERNAL_READING_PARSER_H_
#define TSINGEST_DECODE_INTERNAL_READING_PARSER_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/internal/reading_text.h"
#include "tsingest/decode/json.h"
#include "tsingest/decode/letter_reading.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/time_zone.h"
#include "tsingest/model/token.h"

namespace tsingest {

namespace internal {

// Reads the object back. What it does not know it refuses: another version's setting that is left
// out would read another thing.
class ReadingParser {
 public:
  absl::StatusOr<LetterReading> Parse(std::string_view text) {
    JsonOptions options;
    options.framing = JsonFraming::kSingle;
    options.limits.total_bytes = options.limits.string_bytes = JsonOptions::kMaxMessageBytes;
    JsonDecoder<ReadingText> decoder(options);
    std::vector<ReadingText> rows;
    const Reject reject = decoder.Decode({.payload = arena_.CopyPadded(text)}, arena_, rows);
    if (reject) return Fail(reject.reason);
    if (rows.size() != 1) return Fail("is not one JSON object");
    LetterReading reading;
    absl::Status status = Fill(rows.front(), &reading);
    if (!status.ok()) return status;
    return reading;
  }

 private:
  static absl::Status Fail(std::string_view why) {
    return absl::InvalidArgumentError("reading: " + std::string(why));
  }
  static absl::Status Unknown(std::string_view name, std::string_view value) {
    return Fail(std::string(name) + " " + ShowValue(value) + " is not known to this version");
  }

  absl::Status Fill(const ReadingText& text, LetterReading* reading) {
    if (text.unknown.has_value() && text.unknown->text != "{}") {
      return Unknown("member", text.unknown->text);
    }
    const std::string_view format = text.format.value_or("");
    if (format != "csv" && format != "json") return Unknown("format", format);
    reading->format = format == "csv" ? LetterReading::Format::kCsv : LetterReading::Format::kJson;
    reading->model = text.model.value_or("");
    reading->table = text.table.value_or("");
    absl::Status status = Time(text, reading);
    if (status.ok()) status = format == "csv" ? Csv(text, reading) : JsonMembers(text, reading);
    return status;
  }

  // Sets the value of that name, where there is one. False: there is no such name.
  template <class Names, class Value>
  static bool Choose(const std::optional<std::string_view>& name, const Names& names, Value* to) {
    if (!name.has_value()) return true;
    const auto found = std::ranges::find(names, *name);
    if (found != names.end()) *to = static_cast<Value>(found - names.begin());
    return found != names.end();
  }

  static absl::Status Time(const ReadingText& text, LetterReading* reading) {
    TimeOptions& time = reading->time();
    if (!Choose(text.time_unit, kEpochUnitNames, &time.epoch_unit)) {
      return Unknown("time_unit", *text.time_unit);
    }
    if (!Choose(text.ambiguous_time, kAmbiguousTimeNames, &time.ambiguous)) {
      return Unknown("ambiguous_time", *text.ambiguous_time);
    }
    time.format = text.time_format.value_or("");
    time.not_before = text.not_before;
    time.not_after = text.not_after;
    if (text.max_age_us) time.max_age = std::chrono::microseconds(*text.max_age_us);
    if (text.max_ahead_us) time.max_ahead = std::chrono::microseconds(*text.max_ahead_us);
    if (!text.time_zone.has_value()) return absl::OkStatus();
    auto zone = AbslTimeZone::Load(*text.time_zone);
    if (!zone.ok()) return Fail(std::string(zone.status().message()));
    reading->time_zone = *text.time_zone;
    reading->zone = *std::move(zone);
    time.zone = reading->zone.get();
    return absl::OkStatus();
  }

  absl::Status Csv(const ReadingText& text, LetterReading* reading) {
    if (text.framing || text.total_bytes || text.string_bytes || text.number_bytes || text.depth ||
        text.members || text.objects) {
      return Fail("a setting of JSON stands beside format csv");
    }
    CsvSyntax& syntax = reading->header.dialect.syntax;
    if (text.delimiter) syntax.delimiter = text.delimiter->empty() ? '\0' : text.delimiter->front();
    if (text.quote) syntax.quote = text.quote->empty() ? '\0' : text.quote->front();
    if (text.escape) syntax.escape = text.escape->empty() ? '\0' : text.escape->front();
    if (text.line_end && *text.line_end != "cr") return Unknown("line_end", *text.line_end);
    if (text.line_end) syntax.line_end = '\r';
    syntax.skip_initial_space = text.skip_initial_space.value_or(false);
    reading->header.dialect.decimal_comma = text.decimal_comma.value_or(false);
    CsvOptions& csv = reading->csv;
    csv.with_topic = text.with_topic.value_or(false);
    Number(text.record_bytes, &csv.limits.record_bytes);
    Number(text.field_bytes, &csv.limits.field_bytes);
    Number(text.fields, &csv.limits.fields);
    absl::Status status = CsvLists(text, reading);
    status.Update(syntax.Validate());
    status.Update(csv.Validate());
    return status;
  }

  absl::Status CsvLists(const ReadingText& text, LetterReading* reading) {
    const auto split = [](const std::string& both, std::size_t at) {
      return std::pair(both.substr(0, at), at == std::string::npos ? "" : both.substr(at + 1));
    };
    const auto pairs = [&](std::string_view name, const std::optional<Json>& list, auto* out) {
      std::vector<std::string> texts;
      absl::Status status = List(name, list, &texts);
      for (const std::string& both : texts) {
        auto [left, right] = split(both, both.find('='));
        out->push_back({std::move(left), std::move(right)});
      }
      return status;
    };
    CsvOptions& csv = reading->csv;
    absl::Status status = List("columns", text.columns, &reading->header.names);
    status.Update(List("nulls", text.nulls, &csv.nulls));
    status.Update(pairs("map", text.map, &csv.map));
    status.Update(pairs("set", text.set, &csv.set));
    status.Update(pairs("filter", text.filter, &csv.filter));
    std::vector<std::string> measures;
    status.Update(List("unpivot", text.unpivot, &measures));
    for (const std::string& measure : measures) {
      auto [column, unit] = split(measure, measure.rfind(':'));
      csv.unpivot.push_back({std::move(column), std::move(unit)});
    }
    return status;
  }

  static absl::Status JsonMembers(const ReadingText& text, LetterReading* reading) {
    if (text.columns || text.delimiter || text.quote || text.escape || text.line_end ||
        text.skip_initial_space || text.with_topic || text.nulls || text.map || text.set ||
        text.unpivot || text.filter || text.record_bytes || text.field_bytes || text.fields) {
      return Fail("a setting of CSV stands beside format json");
    }
    JsonOptions& json = reading->json;
    if (text.framing && *text.framing != "single") return Unknown("framing", *text.framing);
    if (text.framing) json.framing = JsonFraming::kSingle;
    json.parse.decimal_comma = text.decimal_comma.value_or(false);
    Number(text.total_bytes, &json.limits.total_bytes);
    Number(text.string_bytes, &json.limits.string_bytes);
    Number(text.number_bytes, &json.limits.number_bytes);
    Number(text.depth, &json.limits.depth);
    Number(text.members, &json.members);
    Number(text.objects, &json.objects);
    return json.Validate();
  }

  static void Number(const std::optional<std::int64_t>& from, std::size_t* to) {
    if (from.has_value()) *to = *from < 0 ? 0 : static_cast<std::size_t>(*from);
  }

  absl::Status List(std::string_view name, const std::optional<Json>& list,
                    std::vector<std::string>* out) {
    if (!list.has_value()) return absl::OkStatus();
    if (!list->text.starts_with('[')) return Fail(std::string(name) + " is no array");
    JsonArrayElements elements(list->text, context_);
    for (Token element; elements.Next(&element);) {
      if (element.kind != TokenKind::kString) return Fail(std::string(name) + " holds no texts");
      out->emplace_back(element.text);
    }
    if (elements.code() != RejectCode::kOk) return Fail(std::string(name) + " " + context_.why);
    return absl::OkStatus();
  }

  Arena arena_;
  ParseContext context_{.arena = &arena_, .why = {}};
};

}  // namespace internal

}  // namespace tsingest

#endif  // TSINGEST_DECODE_INTERNAL_READING_PARSER_H_
