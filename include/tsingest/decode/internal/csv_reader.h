// Reads CSV records into fields. Knows no row type.
#ifndef TSINGEST_DECODE_INTERNAL_CSV_READER_H_
#define TSINGEST_DECODE_INTERNAL_CSV_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/utf8.h"
#include "tsingest/decode/csv_options.h"
#include "tsingest/decode/csv_split.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/csv_column_report.h"
#include "tsingest/decode/internal/csv_columns.h"
#include "tsingest/decode/internal/csv_local_times.h"
#include "tsingest/decode/internal/topic_level.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/model.h"

namespace tsingest::internal {

// One record at a time:
//
//   if (reader.Start(input, arena)) { reader.FillField(…) for each field … }
//   if (reader.has_local_times()) reader.SettleLocalTimes(…)
//   Reject reject = reader.TakeReject();
//
// Not thread-safe. The field list must outlive the reader.
class CsvReader {
 public:
  // `segment_by`: Layout's.
  CsvReader(std::span<const FieldBinding> fields, const UnpivotFields* unpivot,
            std::string_view segment_by, CsvOptions options)
      : fields_(fields),
        unpivot_(unpivot),
        options_(std::move(options)),
        local_times_(fields, segment_by, options_.parse.time.zone) {
    context_.options = &options_.parse;
    for (const FieldBinding& field : fields) uses_topic_ |= TakesTopic(field);
  }
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  // `scratch`: a row to try missing values and constants on.
  absl::Status SetHeader(const CsvHeader& header, void* scratch) {
    has_header_ = false;
    local_times_.Clear();
    context_.local_times = nullptr;
    if (absl::Status status = header.dialect.syntax.Validate(); !status.ok()) return status;
    if (header.names.size() > options_.limits.fields) {
      return absl::InvalidArgumentError(
          fmt::format("the header has {} columns, the limit is {}; take columns out of the file "
                      "(cut -d, -f1-20) or split it",
                      header.names.size(), options_.limits.fields));
    }
    absl::StatusOr<CsvColumns> columns =
        CsvColumnMatcher(fields_, unpivot_, header, options_).Match();
    if (!columns.ok()) return columns.status();
    columns_ = *std::move(columns);
    syntax_ = header.dialect.syntax;
    splitter_ = CsvSplitter(syntax_, options_.limits.fields);
    options_.parse.decimal_comma = header.dialect.decimal_comma;
    Arena arena;
    context_.arena = &arena;
    absl::Status status = CheckConstants(scratch);
    status.Update(CheckRequired(scratch, header.names_look_like_data));
    context_.arena = nullptr;
    has_header_ = status.ok();
    return status;
  }

  const CsvColumns& columns() const { return columns_; }
  CsvColumnReport Report() const { return {fields_, columns_, options_}; }

  std::uint64_t empty_records() const { return empty_records_; }
  std::uint64_t filtered_records() const { return filtered_records_; }

  // Learns the order of a record's rows again, which was decoded in an earlier run: `decode`
  // decodes it. It counts as nothing.
  template <class Decode>
  void Relearn(Decode decode) {
    const auto counts = std::pair(empty_records_, filtered_records_);
    decode();
    std::tie(empty_records_, filtered_records_) = counts;
  }

  // Takes a record apart. False: it gives no row, TakeReject() tells whether that is a fault.
  bool Start(const DecodeInput& input, Arena& arena) {
    context_.arena = &arena;
    local_times_.Begin(input.offset, context_);
    context_.arrival = input.arrival;
    topic_ = input.topic;
    record_ = WithoutLineEnd(input.payload);
    if (!has_header_) {
      return Fail(RejectCode::kColumns, "no header was given, so the columns have no names");
    }
    if (record_.size() > options_.limits.record_bytes) return FailRecordSize();
    split_ = splitter_.Split(record_, cells_);
    if (split_.fault != CsvFault::kNone) [[unlikely]]
      return FailSplit();
    if (cells_.front().blank() && std::ranges::all_of(cells_, &CsvCell::blank)) {
      ++empty_records_;
      return false;
    }
    if (!CheckShape() || !PassesFilters()) return false;
    return (split_.plain_text && !uses_topic_) || CheckText();
  }

  Reject TakeReject() { return std::exchange(reject_, Reject{}); }

  // Sets field i from its column, constant, topic or the remaining columns; those that the
  // unpivoted column fills are left alone. False: rejected.
  [[gnu::always_inline]] bool FillField(const FieldBinding& field, std::size_t i, void* row) {
    const CsvFieldPlan& plan = columns_.fields[i];
    if (plan.feed == CsvFeed::kColumns && plan.measured == CsvMeasured::kNo &&
        plan.columns.size() == 1 && !(TakesTopic(field) && !topic_.empty())) [[likely]] {
      const CsvCell& cell = cells_[plan.columns.front()];
      const RejectCode code = IsNull(cell, plan.is_text)
                                  ? field.set_missing(row, context_)
                                  : field.set(row, {TokenKind::kText, Text(cell)}, context_);
      return code == RejectCode::kOk || FailField(field, plan, code, &cell);
    }
    return FillOther(field, plan, row);
  }

  // Whether the row has times that were written without an offset.
  bool has_local_times() const { return !local_times_.empty(); }

  // Tells those of them that came twice apart, by the order of the device's rows. `field_of`: the
  // field that a value of the row belongs to, or none. False: rejected.
  bool SettleLocalTimes(absl::FunctionRef<std::optional<std::size_t>(const void*)> field_of) {
    if (local_times_.AreQuiet()) return true;
    reject_ = local_times_.Settle(field_of, Device(), context_);
    return !reject_;
  }

  // 0: the records are not unpivoted.
  std::size_t measure_count() const { return columns_.measures.size(); }

  // Sets the fields that unpivoted column `m` fills.
  bool FillMeasured(std::size_t m, void* row) {
    context_.local_times = nullptr;  // one record's rows have one order
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const CsvFieldPlan& plan = columns_.fields[i];
      if (plan.measured != CsvMeasured::kNo &&
          !FillMeasuredField(fields_[i], plan, columns_.measures[m], row)) {
        return false;
      }
    }
    return true;
  }

 private:
  std::string_view WithoutLineEnd(std::string_view payload) const {
    if (payload.ends_with(syntax_.line_end)) payload.remove_suffix(1);
    if (payload.ends_with('\r')) payload.remove_suffix(1);
    return payload;
  }

  std::string_view Text(const CsvCell& cell) { return cell.Text(syntax_, *context_.arena); }

  // The cells that tell devices apart (constants and measured columns are the same in all records).
  std::string Device() {
    std::string device;
    for (const std::size_t i : local_times_.device_fields()) {
      const CsvFieldPlan& plan = columns_.fields[i];
      const bool is_same = plan.feed == CsvFeed::kConstant || plan.feed == CsvFeed::kRest;
      if (is_same || (plan.measured != CsvMeasured::kNo && plan.feed == CsvFeed::kNothing)) {
        continue;
      }
      const CsvCell* cell = nullptr;
      const std::optional<Token> token = Find(fields_[i], plan, &cell);
      device += token.has_value() ? std::string(token->text) : std::string();
      device += '\0';
    }
    return device;
  }

  // ---- The header. ----

  // A constant that its field cannot take is a wrong option, not a thousand wrong rows.
  absl::Status CheckConstants(void* scratch) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const CsvFieldPlan& plan = columns_.fields[i];
      if (plan.feed != CsvFeed::kConstant || plan.constant.empty()) continue;
      if (fields_[i].set(scratch, ConstantToken(plan), context_) == RejectCode::kOk) continue;
      return absl::InvalidArgumentError(fmt::format("--set {}={}: {} {}", fields_[i].column,
                                                    plan.constant, ShowValue(plan.constant),
                                                    context_.why));
    }
    return absl::OkStatus();
  }

  absl::Status CheckRequired(void* scratch, bool names_look_like_data) {
    std::vector<const FieldBinding*> lacking;
    bool is_fed = columns_.measures.size() != 0;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const CsvFieldPlan& plan = columns_.fields[i];
      is_fed |= plan.feed != CsvFeed::kNothing && plan.feed != CsvFeed::kRest;
      const bool is_nothing =
          plan.feed == CsvFeed::kConstant ? plan.constant.empty() : plan.feed == CsvFeed::kNothing;
      if (!is_nothing || IsFilledByMeasure(plan)) continue;
      if (options_.with_topic && TakesTopic(fields_[i])) continue;
      if (fields_[i].set_missing(scratch, context_) != RejectCode::kOk) {
        lacking.push_back(&fields_[i]);
      }
    }
    if (lacking.empty() && is_fed) return absl::OkStatus();
    return absl::InvalidArgumentError(Report().DescribeLack(lacking, names_look_like_data));
  }

  // ---- The record. ----

  // The nameless columns that delimiters at the end of each line make may be there or not.
  bool CheckShape() {
    const std::size_t count = cells_.size();
    if (count < columns_.least_fields) return FailCount();
    for (std::size_t i = std::max(columns_.least_fields, columns_.names.size()); i < count; ++i) {
      if (!cells_[i].blank()) return FailCount();
    }
    if (record_.size() <= options_.limits.field_bytes) return true;
    for (std::size_t i = 0; i < count; ++i) {
      if (cells_[i].size > options_.limits.field_bytes) return FailFieldSize(i);
    }
    return true;
  }

  bool PassesFilters() {
    for (const CsvFilterPlan& filter : columns_.filters) {
      if (std::ranges::find(filter.values, Text(cells_[filter.column])) == filter.values.end()) {
        ++filtered_records_;
        return false;
      }
    }
    return true;
  }

  // Slow, for records that are not plain ASCII.
  bool CheckText() {
    const auto is_text = [](std::string_view text) {
      return text.find('\0') == std::string_view::npos && IsValidUtf8(text);
    };
    if (uses_topic_ && !is_text(topic_)) {
      return Fail(RejectCode::kEncoding,
                  fmt::format("the topic {} is not valid UTF-8 without NUL", ShowValue(topic_)));
    }
    if (is_text(record_)) return true;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (is_text(cells_[i].raw())) continue;
      const bool has_nul = cells_[i].raw().find('\0') != std::string_view::npos;
      return Fail(RejectCode::kEncoding,
                  fmt::format("column {}: {} {}", ShowColumn(i), ShowValue(cells_[i].raw()),
                              has_nul ? "contains a NUL character"
                                      : "is not valid UTF-8 (another --encoding?)"));
    }
    return true;
  }

  // ---- Fields. ----

  bool IsNull(const CsvCell& cell, bool is_text) const {
    if (is_text) return !cell.quoted && (cell.size == 0 || IsNullSpelling(cell.raw()));
    if (options_.nulls.empty() && cell.size != 0 && !IsBlank(cell.data[0])) [[likely]]
      return false;
    const std::string_view text = TrimBlanks(cell.raw());
    return text.empty() || IsNullSpelling(text) || IsNullNumber(text);
  }

  // -200,0 where -200 is NULL: the same whole number.
  bool IsNullNumber(std::string_view text) const {
    const char point = options_.parse.decimal_comma ? ',' : '.';
    const std::size_t end = text.find(point);
    if (end == std::string_view::npos || end + 1 == text.size() || !IsDigit(text[end - (end > 0)]))
      return false;
    return text.find_first_not_of('0', end + 1) == std::string_view::npos &&
           IsNullSpelling(text.substr(0, end));
  }

  bool IsNullSpelling(std::string_view text) const {
    return std::ranges::find(options_.nulls, text) != options_.nulls.end();
  }

  // Constants are copied, because rows may outlive the decoder.
  Token ConstantToken(const CsvFieldPlan& plan) {
    return {TokenKind::kText, context_.arena->CopyPadded(plan.constant)};
  }

  // Everything but one column into one field.
  [[gnu::noinline]] bool FillOther(const FieldBinding& field, const CsvFieldPlan& plan, void* row) {
    if (IsFilledByMeasure(plan)) return true;
    if (plan.feed == CsvFeed::kJoined && !HasAllParts(plan)) return FailParts(field, plan);
    const CsvCell* cell = nullptr;
    const std::optional<Token> token = Find(field, plan, &cell);
    const RejectCode code =
        token.has_value() ? field.set(row, *token, context_) : field.set_missing(row, context_);
    if (code == RejectCode::kOk) return true;
    if (plan.feed == CsvFeed::kRest && !token.has_value() &&
        field.set(row, {TokenKind::kObject, "{}", true}, context_) == RejectCode::kOk) {
      return true;
    }
    return FailField(field, plan, code, cell);
  }

  // The field's value; nullopt: NULL. `cell`: the one it stands in, if it is a column's.
  std::optional<Token> Find(const FieldBinding& field, const CsvFieldPlan& plan,
                            const CsvCell** cell) {
    if (!topic_.empty() && field.origin == ValueOrigin::kTopic) {
      return Token{TokenKind::kString, topic_};
    }
    if (!topic_.empty() && field.origin == ValueOrigin::kTopicLevel) {
      const std::optional<std::string_view> level = TopicLevel(topic_, field.topic_level);
      return level.has_value() ? std::optional(Token{TokenKind::kString, *level}) : std::nullopt;
    }
    switch (plan.feed) {
      case CsvFeed::kNothing:
        return std::nullopt;
      case CsvFeed::kRest:
        return CollectRest();
      case CsvFeed::kConstant:
        return plan.constant.empty() ? std::nullopt : std::optional(ConstantToken(plan));
      case CsvFeed::kJoined:
        return Join(plan);
      case CsvFeed::kColumns:
        break;
    }
    for (const std::uint32_t column : plan.columns) {
      *cell = &cells_[column];
      if (!IsNull(**cell, plan.is_text)) return Token{TokenKind::kText, Text(**cell)};
    }
    *cell = &cells_[plan.columns.front()];
    return std::nullopt;
  }

  // ---- Joined columns. ----

  bool IsNullPart(const CsvFieldPlan& plan, std::uint32_t column) const {
    return IsNull(cells_[column], plan.is_text);
  }

  // Half a value is no value; none at all is NULL.
  bool HasAllParts(const CsvFieldPlan& plan) const {
    const auto nulls = std::ranges::count_if(
        plan.columns, [&](std::uint32_t column) { return IsNullPart(plan, column); });
    return nulls == 0 || nulls == std::ssize(plan.columns);
  }

  // The parts with a blank between them; NULLs are left out.
  std::optional<Token> Join(const CsvFieldPlan& plan) {
    joined_.Clear();
    for (const std::uint32_t column : plan.columns) {
      if (IsNullPart(plan, column)) continue;
      if (!joined_.empty()) joined_.AppendByte(' ');
      joined_.Append(Text(cells_[column]));
    }
    if (joined_.empty()) return std::nullopt;
    return Token{TokenKind::kText, context_.arena->CopyPadded(joined_.view())};
  }

  bool FillMeasuredField(const FieldBinding& field, const CsvFieldPlan& plan,
                         const CsvMeasurePlan& measure, void* row) {
    const CsvCell& cell = cells_[measure.column];
    if (plan.measured == CsvMeasured::kUnit && measure.unit.empty()) {
      return FillOther(field, plan, row);
    }
    if (plan.measured != CsvMeasured::kValue) {
      const std::string_view word = plan.measured == CsvMeasured::kLabel
                                        ? Label(field, plan, measure)
                                        : context_.arena->Copy(measure.unit);
      const RejectCode code = field.set(row, {TokenKind::kString, word}, context_);
      return code == RejectCode::kOk ||
             Fail(code, fmt::format("{}: {} {}", field.column, ShowValue(word), context_.why));
    }
    const RejectCode code = IsNull(cell, plan.is_text)
                                ? field.set_missing(row, context_)
                                : field.set(row, {TokenKind::kText, Text(cell)}, context_);
    return code == RejectCode::kOk || FailField(field, plan, code, &cell);
  }

  // The column's name, behind the topic that it is a level of.
  std::string_view Label(const FieldBinding& field, const CsvFieldPlan& plan,
                         const CsvMeasurePlan& measure) {
    if (!unpivot_->label_is_topic_level) return context_.arena->Copy(measure.name);
    const CsvCell* cell = nullptr;
    const std::optional<Token> base = Find(field, plan, &cell);
    if (!base.has_value() || base->text.empty()) return context_.arena->Copy(measure.name);
    const std::size_t size = base->text.size() + 1 + measure.name.size();
    char* const out = context_.arena->Allocate(size);
    char* end = std::ranges::copy(base->text, out).out;
    *end++ = '/';
    std::ranges::copy(measure.name, end);
    return {out, size};
  }

  // ---- Rest{}. ----

  // The columns that feed no field, as one object; NULLs are left out. nullopt: nothing is left.
  std::optional<Token> CollectRest() {
    rest_.Clear();
    for (const CsvRestColumn& rest : columns_.rest) {
      const CsvCell& cell = cells_[rest.column];
      if (IsNull(cell, true)) continue;
      rest_.AppendByte(rest_.empty() ? '{' : ',');
      rest_.Append(rest.json_name);
      AppendRestValue(cell);
    }
    if (rest_.empty()) return std::nullopt;
    rest_.AppendByte('}');
    return Token{TokenKind::kObject, context_.arena->CopyPadded(rest_.view()), true};
  }

  // Unquoted numbers, true and false are such in JSON; everything else is a string.
  void AppendRestValue(const CsvCell& cell) {
    const std::string_view text = TrimBlanks(cell.raw());
    if (!cell.quoted && (text == "true" || text == "false")) return rest_.Append(text);
    const bool may_be_number =
        !cell.quoted && !text.empty() && (IsDigit(text.front()) || text.front() == '-');
    if (!may_be_number) return AppendJsonString(Text(cell), rest_);
    const std::size_t before = rest_.size();
    rest_.Append(text);
    if (options_.parse.decimal_comma) {
      std::ranges::replace(rest_.data() + before, rest_.data() + rest_.size(), ',', '.');
    }
    const bool had_point = options_.parse.decimal_comma && text.find('.') != std::string_view::npos;
    if (!had_point && CheckJsonb(rest_.view().substr(before)).ok()) return;
    rest_.Truncate(before);
    AppendJsonString(Text(cell), rest_);
  }

  // ---- Rejects. All return false. ----

  bool Fail(RejectCode code, std::string reason) {
    reject_ = {code, std::move(reason)};
    return false;
  }

  std::string ShowColumn(std::size_t i) const {
    return i < columns_.names.size() && !columns_.names[i].empty() ? ShowValue(columns_.names[i])
                                                                   : std::to_string(i + 1);
  }

  [[gnu::cold]] bool FailRecordSize() {
    return Fail(RejectCode::kLimit, fmt::format("the record has {} bytes, the limit is {}",
                                                record_.size(), options_.limits.record_bytes));
  }

  [[gnu::cold]] bool FailFieldSize(std::size_t i) {
    return Fail(RejectCode::kLimit,
                fmt::format("column {}: the cell has {} bytes, the limit is {}", ShowColumn(i),
                            cells_[i].size, options_.limits.field_bytes));
  }

  [[gnu::cold]] bool FailCount() {
    return Fail(RejectCode::kColumns, fmt::format("the record has {} fields, the header has {}",
                                                  cells_.size(), columns_.least_fields));
  }

  [[gnu::cold]] bool FailSplit() {
    const std::string column = ShowColumn(split_.field);
    switch (split_.fault) {
      case CsvFault::kOpenQuote:
        return Fail(RejectCode::kSyntax,
                    fmt::format("column {}: the quote that opens it is never closed", column));
      case CsvFault::kTextAfterQuote:
        return Fail(RejectCode::kSyntax,
                    fmt::format("column {}: a quote inside quotes is not doubled, or text follows "
                                "the closing quote",
                                column));
      case CsvFault::kLineBreak:
        return Fail(RejectCode::kSyntax,
                    "a line break outside quotes: expected one record, found several");
      default:
        return Fail(
            RejectCode::kLimit,
            fmt::format("the record has more fields than the limit of {}", options_.limits.fields));
    }
  }

  // "time (columns "Date" and "Time")".
  std::string ShowParts(const FieldBinding& field, const CsvFieldPlan& plan) const {
    std::vector<std::string> names;
    for (const std::uint32_t column : plan.columns) names.push_back(ShowColumn(column));
    return fmt::format("{} (columns {})", field.column, fmt::join(names, " and "));
  }

  [[gnu::noinline, gnu::cold]] bool FailParts(const FieldBinding& field, const CsvFieldPlan& plan) {
    const auto part = std::ranges::find_if(
        plan.columns, [&](std::uint32_t column) { return IsNullPart(plan, column); });
    const CsvCell& cell = cells_[*part];
    return Fail(RejectCode::kMissing,
                fmt::format("{}: is incomplete, the cell of {} is {}", ShowParts(field, plan),
                            ShowColumn(*part),
                            cell.size == 0 ? "empty" : ShowValue(cell.raw()) + ", a NULL"));
  }

  // `cell`: null when the value is no column's.
  [[gnu::noinline, gnu::cold]] bool FailField(const FieldBinding& field, const CsvFieldPlan& plan,
                                              RejectCode code, const CsvCell* cell) {
    std::string reason(field.column);
    if (plan.feed == CsvFeed::kJoined && cell == nullptr) {
      return Fail(code, code == RejectCode::kMissing
                            ? fmt::format("{}: is missing, the cells are empty or NULLs",
                                          ShowParts(field, plan))
                            : fmt::format("{}: {} {}", ShowParts(field, plan),
                                          ShowValue(joined_.view()), context_.why));
    }
    if (cell == nullptr) {
      const std::string value =
          plan.feed == CsvFeed::kConstant ? ShowValue(plan.constant) + " " : "";
      return Fail(code, fmt::format("{}: {}{}", reason, value, context_.why));
    }
    const std::string& name = columns_.names[static_cast<std::size_t>(cell - cells_.data())];
    if (name != reason) reason += fmt::format(" (column {})", ShowValue(name));
    if (code == RejectCode::kMissing) {
      return Fail(code,
                  fmt::format("{}: is missing, the cell is {}", reason,
                              cell->size == 0 ? "empty" : ShowValue(cell->raw()) + ", a NULL"));
    }
    return Fail(code, fmt::format("{}: {} {}", reason, ShowValue(Text(*cell)), context_.why));
  }

  std::span<const FieldBinding> fields_;
  const UnpivotFields* unpivot_;
  CsvOptions options_;
  bool uses_topic_ = false;
  CsvLocalTimes local_times_;

  bool has_header_ = false;
  CsvColumns columns_;
  CsvSyntax syntax_;
  CsvSplitter splitter_;

  ParseContext context_;
  std::string_view record_;
  std::string_view topic_;
  CsvSplit split_;
  std::vector<CsvCell> cells_;
  ByteBuffer rest_;
  ByteBuffer joined_;
  Reject reject_;
  std::uint64_t empty_records_ = 0;
  std::uint64_t filtered_records_ = 0;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_CSV_READER_H_
