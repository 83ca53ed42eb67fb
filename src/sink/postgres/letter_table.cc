#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/base/log_severity.h"
#include "sink/postgres/connection.h"
#include "sink/postgres/letter_sql.h"
#include "sink/postgres/letters.h"
#include "sink/postgres/rights.h"
#include "sink/postgres/table.h"
#include "tsingest/sink/postgres_letters.h"

namespace tsingest {

using postgres::Connection;
using postgres::Params;
using postgres::PgError;
using postgres::PgStatus;
using postgres::Result;

namespace {

constexpr int kConnectSeconds = 10;

absl::Status StatusOf(const PgError& error, const std::string& what) {
  std::string text = what + ": " + error.Text();
  if (const std::string_view mend = postgres::MendFor(error.sqlstate);
      !mend.empty() && error.hint.empty()) {
    text.append("; ").append(mend);
  }
  if (error.sqlstate.starts_with("28") || error.sqlstate == "42501") {
    return absl::PermissionDeniedError(text);
  }
  if (error.connection_lost || error.sqlstate.empty()) return absl::UnavailableError(text);
  return absl::FailedPreconditionError(text);
}

LetterIdRanges RangesOf(std::vector<std::int64_t> ids) {
  std::ranges::sort(ids);
  LetterIdRanges ranges;
  for (const std::int64_t id : ids) {
    if (!ranges.empty() && ranges.back().last == id - 1) {
      ranges.back().last = id;
    } else {
      ranges.push_back({id, id});
    }
  }
  return ranges;
}

// "ids 1-500 512-512"
std::string RangesText(const LetterIdRanges& ranges) {
  std::string text = "ids";
  for (const auto& [first, last] : ranges) {
    text += " " + std::to_string(first) + "-" + std::to_string(last);
  }
  return text;
}

// What RangesText() wrote; empty: something else.
LetterIdRanges ParseRanges(std::string_view text) {
  LetterIdRanges ranges;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](char before, std::int64_t* out) {
    if (at == end || *at != before) return false;
    const auto [behind, error] = std::from_chars(at + 1, end, *out);
    at = behind;
    return error == std::errc();
  };
  if (!text.starts_with("ids")) return ranges;
  at += 3;
  for (LetterIdRange range; number(' ', &range.first) && number('-', &range.last);) {
    ranges.push_back(range);
  }
  return ranges;
}

}  // namespace

class LetterTable::Impl {
 public:
  Impl(LetterTableOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {}

  absl::Status Open();
  absl::StatusOr<std::vector<StoredLetter>> Read(const LetterFilter& filter, std::int64_t after,
                                                 std::size_t limit);
  absl::StatusOr<LetterCounts> Count(const LetterFilter& filter, LetterGroup by);
  absl::StatusOr<std::vector<LetterReadings>> Readings(const LetterFilter& filter,
                                                       std::int64_t last_id);
  absl::StatusOr<std::vector<LetterReadings>> ReadingsOf(const std::string& source,
                                                         const std::vector<std::string>& streams);
  absl::StatusOr<std::int64_t> Purge(const LetterFilter& filter);
  absl::Status BeginReplay();
  absl::StatusOr<std::int64_t> LastId();
  absl::StatusOr<ImportedLetters> Import(
      const std::string& name, absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next);
  absl::Status ForgetImport(const std::string& name);

 private:
  std::string What() const { return "dead letter table " + table_.Display(); }
  absl::Status Fail(const PgStatus& status) const;
  // GRANT statements for what the role lacks of what was asked for last.
  std::string Grants() const;
  absl::Status CheckColumns(const postgres::Table& table);
  absl::Status CheckReplayable();
  PgStatus Mark(const std::string& name, bool* is_new, LetterIdRanges* ids);
  PgStatus NoteIds(const std::string& name, const LetterIdRanges& ids);
  absl::StatusOr<ImportedLetters> Copy(
      absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next);

  const LetterTableOptions options_;
  Clock& clock_;
  TableName table_;
  std::vector<std::string_view> privileges_ = {"SELECT"};  // that what is being done needs
  bool uses_positions_ = false;
  postgres::LetterColumns columns_;
  std::vector<std::string> missing_;  // of the columns that a replay needs
  std::unique_ptr<Connection> connection_;
};

absl::Status LetterTable::Impl::Fail(const PgStatus& status) const {
  PgError error = status.error();
  if (error.sqlstate == "42501" && error.hint.empty()) error.hint = Grants();
  return StatusOf(error, What());
}

std::string LetterTable::Impl::Grants() const {
  std::vector<postgres::Need> needs = {{.table = table_, .privileges = privileges_}};
  if (uses_positions_) {
    needs.push_back(
        {.table = {"tsingest", "positions"}, .privileges = postgres::kPositionsPrivileges});
  }
  return postgres::MissingGrants(*connection_, needs);
}

absl::Status LetterTable::Impl::Open() {
  absl::StatusOr<TableName> name = ParseTableName(options_.table);
  if (!name.ok()) return name.status();
  table_ = *std::move(name);
  absl::StatusOr<postgres::Conninfo> conninfo =
      postgres::ParseConninfo(options_.conninfo, options_.application_name, kConnectSeconds);
  if (!conninfo.ok()) return conninfo.status();
  connection_ = std::make_unique<Connection>(
      *conninfo, [](absl::LogSeverity, std::string_view) {}, clock_);
  if (PgStatus status = connection_->Connect(); !status.ok()) {
    return StatusOf(status.error(), "database");
  }
  std::optional<postgres::Table> table;
  if (PgStatus status = LoadTable(*connection_, table_, &table); !status.ok()) return Fail(status);
  if (!table.has_value()) {
    return absl::NotFoundError(What() + " does not exist in " + connection_->Where() +
                               "; name the right one with --dead-letter table:NAME");
  }
  return CheckColumns(*table);
}

absl::Status LetterTable::Impl::CheckColumns(const postgres::Table& table) {
  for (const std::string_view column : postgres::kAddedLetterColumns) {
    if (table.Find(column) == nullptr) missing_.emplace_back(column);
  }
  for (const std::string_view column :
       {"at", "source", "stream", "position", "topic", "reason", "code", "payload"}) {
    if (table.Find(column) != nullptr) continue;
    return absl::FailedPreconditionError(What() + " has no column " + std::string(column) +
                                         ": it is no table of dead letters");
  }
  if (table.Find("id") == nullptr) {
    return absl::FailedPreconditionError(
        What() + " has no column id, by which letters are named. Add it: ALTER TABLE " +
        table_.Quoted() + " ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE");
  }
  const auto has = [&](std::string_view column) { return table.Find(column) != nullptr; };
  columns_ = {.line = has("line"),
              .key = has("key"),
              .row = has("message_row"),
              .attempts = has("attempts"),
              .original = has("original"),
              .reading = has("reading"),
              .arrival = has("arrival")};
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredLetter>> LetterTable::Impl::Read(const LetterFilter& filter,
                                                                  std::int64_t after,
                                                                  std::size_t limit) {
  Params params;
  postgres::AddFilter(filter, &params);
  params.AddInt8(after);
  params.AddInt8(static_cast<std::int64_t>(limit));
  Result result;
  PgStatus status = connection_->Query(postgres::ReadLettersSql(table_, columns_), params, &result);
  if (!status.ok()) return Fail(status);
  std::vector<StoredLetter> letters;
  for (int row = 0; row < result.rows(); ++row) {
    letters.push_back(postgres::LetterOf(result, row));
  }
  return letters;
}

absl::StatusOr<LetterCounts> LetterTable::Impl::Count(const LetterFilter& filter, LetterGroup by) {
  Params params;
  postgres::AddFilter(filter, &params);
  Result result;
  PgStatus status = connection_->Query(postgres::CountLettersSql(table_, by), params, &result);
  if (!status.ok()) return Fail(status);
  LetterCounts counts;
  for (int row = 0; row < result.rows(); ++row) {
    counts.emplace_back(result.Text(row, 0), result.Int(row, 1));
  }
  return counts;
}

absl::StatusOr<std::vector<LetterReadings>> LetterTable::Impl::Readings(const LetterFilter& filter,
                                                                        std::int64_t last_id) {
  Params params;
  postgres::AddFilter(filter, &params);
  params.AddInt8(last_id);
  Result result;
  PgStatus status = connection_->Query(postgres::ReadingsSql(table_, columns_), params, &result);
  if (!status.ok()) return Fail(status);
  std::vector<LetterReadings> readings;
  for (int row = 0; row < result.rows(); ++row) {
    readings.push_back({.reading = std::string(result.Text(row, 0)),
                        .source = std::string(result.Text(row, 1)),
                        .count = result.Int(row, 2),
                        .first_id = result.Int(row, 3)});
  }
  return readings;
}

absl::StatusOr<std::vector<LetterReadings>> LetterTable::Impl::ReadingsOf(
    const std::string& source, const std::vector<std::string>& streams) {
  Params params;
  params.AddText(postgres::CleanText(source));
  params.BeginArray(postgres::kTextArrayOid, postgres::kTextOid);
  for (const std::string& stream : streams) params.AddElement(postgres::CleanText(stream));
  params.EndArray();
  Result result;
  PgStatus status =
      connection_->Query(postgres::ReadingsOfStreamsSql(table_, columns_), params, &result);
  if (!status.ok()) return Fail(status);
  std::vector<LetterReadings> readings;
  for (int row = 0; row < result.rows(); ++row) {
    readings.push_back({.reading = std::string(result.Text(row, 0)),
                        .source = source,
                        .count = result.Int(row, 1)});
  }
  return readings;
}

absl::StatusOr<std::int64_t> LetterTable::Impl::Purge(const LetterFilter& filter) {
  privileges_ = {"SELECT", "DELETE"};
  Params params;
  postgres::AddFilter(filter, &params);
  Result result;
  PgStatus status = connection_->Query(postgres::PurgeLettersSql(table_), params, &result);
  if (!status.ok()) return Fail(status);
  return result.Affected();
}

absl::Status LetterTable::Impl::CheckReplayable() {
  privileges_ = postgres::kReplayPrivileges;
  if (!missing_.empty()) {
    std::string names = missing_.front();
    for (std::size_t i = 1; i < missing_.size(); ++i) names += ", " + missing_[i];
    return absl::FailedPreconditionError(What() + " was made by an older version and lacks " +
                                         names + ": run the replay once with --create");
  }
  Params params;
  params.AddText(table_.Quoted());
  Result result;
  PgStatus status = connection_->Query(
      "SELECT has_table_privilege($1, 'UPDATE') AND has_table_privilege($1, 'DELETE') AND "
      "has_table_privilege($1, 'INSERT')",
      params, &result);
  if (!status.ok()) return Fail(status);
  if (result.Bool(0, 0)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      postgres::WithGrants(What() + ": no privilege to replay", Grants()));
}

// A replay that was killed may have left a backend that is about to commit, and its letters would
// be read as if they were still to do. Their removal is checked in the transaction of the rows, so
// the worst is a replay that has to be started again; waiting for a moment in which nobody writes
// makes that rare.
absl::Status LetterTable::Impl::BeginReplay() {
  if (absl::Status status = CheckReplayable(); !status.ok()) return status;
  Params params;
  params.AddText("tsingest-dlq " + table_.Display());
  PgStatus status = connection_->Exec("SET lock_timeout = '10s'");
  if (status.ok()) {
    status =
        connection_->Query("SELECT pg_advisory_lock(hashtextextended($1, 0))", params, nullptr);
  }
  if (!status.ok() && status.error().sqlstate == "55P03") {
    return absl::FailedPreconditionError(What() + ": another replay is running on it");
  }
  if (status.ok() && !connection_->Exec(postgres::AwaitWritersSql(table_)).ok()) {
    status = connection_->Exec("ROLLBACK");
  }
  return status.ok() ? absl::OkStatus() : Fail(status);
}

absl::StatusOr<std::int64_t> LetterTable::Impl::LastId() {
  Result result;
  PgStatus status =
      connection_->Exec("SELECT coalesce(max(id), 0) FROM " + table_.Quoted(), &result);
  if (!status.ok()) return Fail(status);
  return result.Int(0, 0);
}

// Of an import that was done before: its ids, too.
PgStatus LetterTable::Impl::Mark(const std::string& name, bool* is_new, LetterIdRanges* ids) {
  Params params;
  params.AddText(postgres::kImportLedger);
  params.AddText(postgres::CleanText(name));
  Result result;
  PgStatus status = connection_->Query(
      "INSERT INTO tsingest.positions (ledger, stream, position, owner) "
      "VALUES ($1, $2, 1, 'tsingest-dlq') ON CONFLICT DO NOTHING",
      params, &result);
  if (!status.ok()) return status;
  *is_new = result.Affected() == 1;
  if (*is_new) return status;
  status = connection_->Query(
      "SELECT coalesce(detail, '') FROM tsingest.positions WHERE ledger = $1 AND stream = $2",
      params, &result);
  if (status.ok() && result.rows() == 1) *ids = ParseRanges(result.Text(0, 0));
  return status;
}

PgStatus LetterTable::Impl::NoteIds(const std::string& name, const LetterIdRanges& ids) {
  Params params;
  params.AddText(postgres::kImportLedger);
  params.AddText(postgres::CleanText(name));
  params.AddText(RangesText(ids));
  return connection_->Query(
      "UPDATE tsingest.positions SET detail = $3 WHERE ledger = $1 AND stream = $2", params,
      nullptr);
}

absl::StatusOr<ImportedLetters> LetterTable::Impl::Copy(
    absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next) {
  constexpr std::size_t kStatementLetters = 1000;
  constexpr std::size_t kStatementBytes = 8 * 1024 * 1024;
  const std::string sql = postgres::ImportLettersSql(table_);
  std::vector<std::int64_t> ids;
  std::vector<StoredLetter> letters;
  for (bool more = true; more;) {
    letters.clear();
    for (std::size_t bytes = 0; letters.size() < kStatementLetters && bytes < kStatementBytes;) {
      const absl::StatusOr<const StoredLetter*> letter = next();
      if (!letter.ok()) return letter.status();
      more = *letter != nullptr;
      if (!more) break;
      bytes += (*letter)->payload.size() + (*letter)->reason.size();
      letters.push_back(**letter);
    }
    Params params;
    postgres::AddLetters(letters, &params);
    Result result;
    if (PgStatus status = connection_->Query(sql, params, &result); !status.ok()) {
      return Fail(status);
    }
    for (int row = 0; row < result.rows(); ++row) ids.push_back(result.Int(row, 0));
  }
  return ImportedLetters{.count = static_cast<std::int64_t>(ids.size()), .ids = RangesOf(ids)};
}

absl::StatusOr<ImportedLetters> LetterTable::Impl::Import(
    const std::string& name, absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next) {
  bool is_new = false;
  absl::StatusOr<ImportedLetters> imported = ImportedLetters{};
  uses_positions_ = true;
  PgStatus status = connection_->Exec("BEGIN READ WRITE");
  if (status.ok()) status = Mark(name, &is_new, &imported->ids);
  if (status.ok() && is_new) imported = Copy(next);
  if (status.ok() && is_new && imported.ok()) status = NoteIds(name, imported->ids);
  if (!status.ok()) {
    if (!connection_->Exec("ROLLBACK").ok()) connection_->Close();
    return Fail(status);
  }
  status = connection_->Exec(imported.ok() ? "COMMIT" : "ROLLBACK");
  if (imported.ok() && !status.ok()) return Fail(status);
  return imported;
}

absl::Status LetterTable::Impl::ForgetImport(const std::string& name) {
  Params params;
  params.AddText(postgres::kImportLedger);
  params.AddText(postgres::CleanText(name));
  PgStatus status = connection_->Query(
      "DELETE FROM tsingest.positions WHERE ledger = $1 AND stream = $2", params, nullptr);
  return status.ok() ? absl::OkStatus() : Fail(status);
}

LetterTable::LetterTable(LetterTableOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
LetterTable::~LetterTable() = default;
absl::Status LetterTable::Open() { return impl_->Open(); }
absl::StatusOr<std::vector<StoredLetter>> LetterTable::Read(const LetterFilter& filter,
                                                            std::int64_t after, std::size_t limit) {
  return impl_->Read(filter, after, limit);
}
absl::StatusOr<LetterCounts> LetterTable::Count(const LetterFilter& filter, LetterGroup by) {
  return impl_->Count(filter, by);
}
absl::StatusOr<std::vector<LetterReadings>> LetterTable::Readings(const LetterFilter& filter,
                                                                  std::int64_t last_id) {
  return impl_->Readings(filter, last_id);
}
absl::StatusOr<std::vector<LetterReadings>> LetterTable::ReadingsOf(
    const std::string& source, const std::vector<std::string>& streams) {
  return impl_->ReadingsOf(source, streams);
}
absl::StatusOr<std::int64_t> LetterTable::Purge(const LetterFilter& filter) {
  return impl_->Purge(filter);
}
absl::Status LetterTable::BeginReplay() { return impl_->BeginReplay(); }
absl::StatusOr<std::int64_t> LetterTable::LastId() { return impl_->LastId(); }
absl::StatusOr<ImportedLetters> LetterTable::Import(
    const std::string& name, absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next) {
  return impl_->Import(name, next);
}
absl::Status LetterTable::ForgetImport(const std::string& name) {
  return impl_->ForgetImport(name);
}

}  // namespace tsingest
