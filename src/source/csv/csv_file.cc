#include "source/csv/csv_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "source/csv/import_review.h"
#include "tsingest/base/utf8.h"

namespace tsingest::csv {
namespace {

constexpr MonotonicTime kNow = MonotonicTime::min();
constexpr MonotonicTime kWhenever = MonotonicTime::max();

// One call of Begin() skips at most so much, so that Poll() returns now and then.
constexpr std::int64_t kSkipBytes = 64 * 1024 * 1024;

// A file of another beginning, or fewer bytes, stands where a file was loaded from.
constexpr std::string_view kOtherFile =
    "if it was rotated, name the file that was moved too, and both are found by their beginnings; "
    "else put the file back that the import began with, or load this one under another import id";

// Index of the first byte that is not UTF-8, a character cut off at the end aside.
std::size_t FindForeignByte(std::string_view text) {
  const std::size_t at = FindInvalidUtf8(text);
  constexpr std::size_t kLongestCharacter = 4;
  const bool may_be_cut = text.size() - at < kLongestCharacter && at < text.size() &&
                          static_cast<unsigned char>(text[at]) >= 0xC2;
  return may_be_cut ? text.size() : at;
}

}  // namespace

CsvFile::CsvFile(std::string path, const CsvSourceOptions& options, Waiter& waiter,
                 std::atomic<std::int64_t>& bytes_read)
    : path_(std::move(path)), options_(options), waiter_(waiter), bytes_read_(bytes_read) {}

std::int64_t CsvFile::text_size() const {
  const bool is_plain = is_regular() && compression_ == Compression::kNone && encoding_.is_utf8();
  return is_plain ? kind_.size - static_cast<std::int64_t>(encoding_.mark_bytes) : 0;
}

absl::Status CsvFile::Explain(const absl::Status& status) const {
  if (status.message().find(path_) == 0) return status;
  std::string text = fmt::format("{}: {}", path_, std::string(status.message()));
  if (status.code() == absl::StatusCode::kDataLoss && reader_ != nullptr) {
    text += fmt::format("; the text is good up to line {}, byte {}", reader_->line() - 1,
                        reader_->offset());
  }
  return {status.code(), text};
}

absl::Status CsvFile::Look() {
  const absl::StatusOr<FileKind> kind = LookAtFile(path_);
  if (!kind.ok()) return kind.status();
  kind_ = *kind;
  if (!kind_.is_regular) return absl::OkStatus();
  const absl::StatusOr<bool> prepared = Prepare(kWhenever);
  Close();
  return prepared.status();
}

absl::Status CsvFile::Open() {
  if (reader_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<FileStream>> file = FileStream::Open(path_, waiter_, bytes_read_);
  if (!file.ok()) return file.status();
  content_ = std::make_unique<ContentStream>(*std::move(file), options_.encoding);
  reader_ = std::make_unique<RecordReader>(*content_, options_.limits.record_bytes);
  if (is_understood_) reader_->Start(header_.dialect.syntax, options_.comment);
  return absl::OkStatus();
}

void CsvFile::Close() {
  reader_.reset();
  content_.reset();
  before_.reset();
  has_begun_ = false;
}

// ---- The beginning of the text. ----

absl::StatusOr<bool> CsvFile::Prepare(MonotonicTime deadline) {
  if (is_understood_) return true;
  if (absl::Status status = Open(); !status.ok()) return status;
  const absl::StatusOr<bool> filled = FillSample(deadline);
  if (!filled.ok()) return Explain(filled.status());
  if (!*filled) return false;
  if (absl::Status status = Understand(); !status.ok()) return Explain(status);
  is_understood_ = true;
  return true;
}

std::string_view CsvFile::SampleBehindPreamble() const {
  const std::string_view sample = reader_->sample();
  return sample.substr(PreambleBytes(sample, options_.skip_lines, options_.comment));
}

// A pipe that has nothing more at the moment will do with a header and one record.
absl::StatusOr<bool> CsvFile::FillSampleTo(std::size_t wanted, MonotonicTime deadline) {
  constexpr std::size_t kEnoughRecords = 2;
  const CsvSyntax syntax = {.quote = options_.quote, .escape = options_.escape};
  if (is_regular()) return reader_->FillSample(wanted, deadline);
  while (reader_->sample().size() < wanted && !reader_->at_end()) {
    const bool is_enough = HasRecords(SampleBehindPreamble(), kEnoughRecords, syntax);
    const absl::StatusOr<bool> filled =
        reader_->FillSample(reader_->sample().size() + 1, is_enough ? kNow : deadline);
    if (!filled.ok()) return filled;
    if (!*filled) return is_enough;
    if (!reader_->failure().ok()) break;
  }
  return true;
}

absl::StatusOr<bool> CsvFile::FillSample(MonotonicTime deadline) {
  const CsvSyntax syntax = {.quote = options_.quote, .escape = options_.escape};
  for (std::size_t wanted = Fingerprint::kMostBytes;; wanted *= 2) {
    const absl::StatusOr<bool> filled = FillSampleTo(wanted, deadline);
    if (!filled.ok() || !*filled) return filled;
    const std::string_view sample = SampleBehindPreamble();
    if (reader_->at_end() || sample.find('\r') != std::string_view::npos ||
        HasRecords(sample, 1, syntax)) {
      return true;
    }
    if (!reader_->failure().ok()) return reader_->failure();
    if (sample.size() > options_.limits.record_bytes) {
      return absl::InvalidArgumentError(fmt::format(
          "the first record is longer than the limit of {} bytes; is one of its quotes not "
          "closed, or is this not CSV?",
          options_.limits.record_bytes));
    }
  }
}

absl::Status CsvFile::Understand() {
  notes_.clear();
  description_.clear();
  const std::string_view sample = reader_->sample();
  const bool complete = reader_->at_end();
  compression_ = content_->compression();
  encoding_ = content_->encoding();
  fingerprint_ = Fingerprint::Of(sample);
  const std::string_view table = SampleBehindPreamble();
  header_end_ = static_cast<std::int64_t>(sample.size() - table.size());
  const Sniffed sniffed = SniffDialect(table.substr(0, Fingerprint::kMostBytes), complete,
                                       {.delimiter = options_.delimiter,
                                        .decimal_comma = options_.decimal_comma,
                                        .quote = options_.quote,
                                        .escape = options_.escape,
                                        .comment = options_.comment});
  header_.dialect = sniffed.dialect;
  lines_above_table_ = sniffed.lines_above_table;
  if (lines_above_table_ > 0) {
    const std::string_view preamble = sample.substr(0, static_cast<std::size_t>(header_end_));
    lines_above_table_ += std::ranges::count(preamble, header_.dialect.syntax.line_end);
  }
  first_ = ReadFirstRecord(table, complete, sniffed.dialect.syntax);
  if (!first_.found && !complete) {
    return absl::InvalidArgumentError(
        fmt::format("there is no record in the first {} bytes; is this CSV?", sample.size()));
  }
  if (absl::Status status = MakeHeader(sniffed.first_looks_like_data); !status.ok()) return status;
  Describe();
  reader_->Start(header_.dialect.syntax, options_.comment);
  return absl::OkStatus();
}

absl::Status CsvFile::MakeHeader(bool looks_like_data) {
  if (!first_.found) return absl::OkStatus();
  header_.names = options_.columns;
  std::size_t named = first_.cells.size();
  while (named > 0 && first_.cells[named - 1].empty()) --named;
  if (!options_.columns.empty() && options_.columns.size() != named) {
    notes_ += fmt::format("{}: --columns names {} columns, the first record has {}\n", path_,
                          options_.columns.size(), named);
  }
  if (!options_.has_header) {
    for (std::size_t i = header_.names.size(); options_.columns.empty() && i < named; ++i) {
      header_.names.push_back(fmt::format("column_{}", i + 1));
    }
    return absl::OkStatus();
  }
  header_end_ += first_.next;
  if (!options_.columns.empty()) return absl::OkStatus();
  if (first_.broken) {
    return absl::InvalidArgumentError(fmt::format(
        "the header's quotes are broken if fields are separated by {} ({}): a quote is not closed, "
        "or not doubled inside quotes",
        DelimiterName(header_.dialect.syntax.delimiter),
        options_.delimiter.has_value() ? "as told; is that right?"
                                       : "sniffed; if it is wrong, say --delimiter"));
  }
  header_.names = first_.cells;
  header_.names_look_like_data = looks_like_data;
  for (const std::string& name : header_.names) {
    if (IsValidUtf8(name)) continue;
    return absl::InvalidArgumentError(
        fmt::format("column {} of the header is not {}; say --encoding (WINDOWS-1252, UTF-16, …)",
                    ShowValue(name), encoding_.name));
  }
  for (const std::string& note : NormalizeColumnNames(header_.names)) {
    notes_ += fmt::format("{}: {}\n", path_, note);
  }
  return absl::OkStatus();
}

std::string CsvFile::HeaderAdvice() const {
  if (!options_.has_header || header_.names.empty()) return "";
  if (options_.comment == '\0' && header_.names.front().starts_with('#')) {
    return ". If lines that begin with # are comments, say --comment '#'";
  }
  if (lines_above_table_ == 0) return "";
  return fmt::format(". If the header is line {}, say --skip-lines {}", lines_above_table_ + 1,
                     lines_above_table_);
}

void CsvFile::Describe() {
  const CsvDialect& dialect = header_.dialect;
  std::string& text = description_;
  if (compression_ != Compression::kNone) {
    text += compression_ == Compression::kGzip ? "gzip, " : "zstd, ";
  }
  text += fmt::format("{}, delimiter {}", encoding_.name, DelimiterName(dialect.syntax.delimiter));
  if (dialect.decimal_comma) text += ", decimal comma";
  if (dialect.syntax.line_end == '\r') text += ", lines end in CR";
  if (dialect.syntax.skip_initial_space) text += ", blanks before fields skipped";
  if (options_.skip_lines > 0) text += fmt::format(", {} lines skipped", options_.skip_lines);
  if (!options_.has_header) text += ", no header";
  const std::string_view sample = reader_->sample();
  if (const std::size_t at = FindForeignByte(sample); at < sample.size()) {
    notes_ += fmt::format(
        "{}: byte {} of the text is no {}; records with such bytes are rejected (if the file has "
        "another encoding, say --encoding WINDOWS-1252 or the like)\n",
        path_, at, encoding_.is_utf8() ? "UTF-8" : "character in " + encoding_.name);
  }
}

absl::StatusOr<std::string> CsvFile::Beginning() {
  if (absl::Status status = Open(); !status.ok()) return status;
  const absl::StatusOr<bool> filled = reader_->FillSample(Fingerprint::kMostBytes, kWhenever);
  std::string text(reader_->sample().substr(0, Fingerprint::kMostBytes));
  Close();
  if (!filled.ok()) return Explain(filled.status());
  return text;
}

// ---- Where reading starts. ----

absl::StatusOr<std::int64_t> CsvFile::Seek(const std::optional<StoredPosition>& stored) {
  if (!is_regular() && has_begun_) {
    return absl::FailedPreconditionError(
        fmt::format("{}: is a pipe, which cannot be read again", path_));
  }
  if (is_regular()) Close();
  start_ = 0;
  expected_.reset();
  if (!stored.has_value()) return 0;
  const std::optional<StreamDetail> detail = StreamDetail::Parse(stored->detail);
  if (detail.has_value()) expected_ = detail->beginning;
  if (!expected_.has_value() || stored->next < 0) {
    return absl::FailedPreconditionError(
        fmt::format("{}: the stored position {} ({}) is none of a CSV file", path_, stored->next,
                    ShowValue(stored->detail)));
  }
  start_ = stored->next;
  if (!is_regular()) return start_;
  if (text_size() > 0 && start_ > text_size()) {
    return absl::FailedPreconditionError(
        fmt::format("{}: has {} bytes of text, but {} were loaded already, so it was cut or "
                    "replaced; {}",
                    path_, text_size(), start_, kOtherFile));
  }
  if (absl::Status status = Open(); !status.ok()) return status;
  const absl::StatusOr<bool> checked = CheckFingerprint(kWhenever);
  Close();
  if (!checked.ok()) return checked.status();
  return start_;
}

absl::StatusOr<bool> CsvFile::CheckFingerprint(MonotonicTime deadline) {
  const absl::StatusOr<bool> filled = reader_->FillSample(expected_->bytes, deadline);
  if (!filled.ok()) return Explain(filled.status());
  if (!*filled) return false;
  if (Fingerprint::Of(reader_->sample().substr(0, expected_->bytes)) != *expected_) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} bytes of it were loaded already, but its first {} bytes are not those "
                    "of that file, so it was replaced; {}",
                    path_, start_, expected_->bytes, kOtherFile));
  }
  expected_.reset();
  return true;
}

absl::StatusOr<bool> CsvFile::Begin(MonotonicTime deadline) {
  if (has_begun_) return true;
  if (is_regular() && is_empty()) is_understood_ = false;  // perhaps there is something by now
  const absl::StatusOr<bool> prepared = Prepare(deadline);
  if (!prepared.ok() || !*prepared) return prepared;
  if (absl::Status status = Open(); !status.ok()) return status;
  if (expected_.has_value()) {
    const absl::StatusOr<bool> checked = CheckFingerprint(deadline);
    if (!checked.ok() || !*checked) return checked;
  }
  const std::int64_t target = std::max(start_, header_end_);
  const std::int64_t step = std::min(target, reader_->offset() + kSkipBytes);
  const absl::StatusOr<bool> skipped = reader_->SkipTo(step, deadline);
  if (absl::IsOutOfRange(skipped.status())) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} bytes of its text were loaded already, but it has only {}, so it was "
                    "cut or replaced; {}",
                    path_, start_, reader_->offset(), kOtherFile));
  }
  if (!skipped.ok()) return Explain(skipped.status());
  if (!*skipped || step < target) return false;
  if (start_ > header_end_) {
    const absl::StatusOr<bool> checked = CheckContinuation(deadline);
    if (!checked.ok() || !*checked) return checked;
  }
  has_begun_ = true;
  return true;
}

// A last line without an end was loaded as a record. When the text goes on now, then either by that
// line end, or the record was only a part of its line.
absl::StatusOr<bool> CsvFile::CheckContinuation(MonotonicTime deadline) {
  const char line_end = header_.dialect.syntax.line_end;
  if (reader_->last_skipped() == line_end) return true;
  const absl::StatusOr<bool> filled = reader_->FillSample(1, deadline);
  if (!filled.ok()) return Explain(filled.status());
  if (!*filled) return false;
  const std::string_view rest = reader_->sample();
  if (rest.empty() || rest.front() == line_end || rest.front() == '\r') return true;
  return absl::FailedPreconditionError(fmt::format(
      "{}: its last line, {}, had no line end when it was loaded, and has been continued since "
      "(byte {}), so the row in the table, or the dead letter, is half of it. Take that out, have "
      "the whole line read (UPDATE tsingest.positions SET position = {} WHERE stream = '{}' AND "
      "ledger = the import id), and run the same command again",
      path_, reader_->line(), reader_->offset(), reader_->line_begin(), StreamName(path_)));
}

absl::StatusOr<bool> CsvFile::Reread(absl::FunctionRef<void(const Record&)> on_record) {
  constexpr int kMostRecords = 20'000;  // of one call, so that Poll() returns now and then
  if (start_ <= header_end_) return true;
  if (before_ == nullptr) {
    before_ = std::make_unique<Before>();
    absl::StatusOr<std::unique_ptr<FileStream>> file =
        FileStream::Open(path_, waiter_, before_->bytes_read);
    if (!file.ok()) return file.status();
    before_->content = std::make_unique<ContentStream>(*std::move(file), options_.encoding);
    before_->reader =
        std::make_unique<RecordReader>(*before_->content, options_.limits.record_bytes);
    before_->reader->Start(header_.dialect.syntax, options_.comment);
    const absl::StatusOr<bool> skipped = before_->reader->SkipTo(header_end_, kWhenever);
    if (!skipped.ok()) return Explain(skipped.status());
  }
  for (int i = 0; i < kMostRecords; ++i) {
    Record record;
    const absl::StatusOr<Outcome> outcome = before_->reader->Next(&record, kWhenever);
    if (!outcome.ok()) return Explain(outcome.status());
    if (*outcome != Outcome::kRecord || record.next > start_) {
      before_.reset();
      return true;
    }
    const bool is_nothing = record.text.empty() || IsComment(record);
    if (!is_nothing && record.omitted_bytes == 0) on_record(record);
  }
  return false;
}

// ---- Records. ----

absl::StatusOr<Outcome> CsvFile::Next(Record* record, MonotonicTime deadline) {
  const absl::StatusOr<Outcome> outcome = reader_->Next(record, deadline);
  if (!outcome.ok()) return Explain(outcome.status());
  return outcome;
}

}  // namespace tsingest::csv
