#include "sink/postgres/row_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tsingest/encode/copy_encoder.h"

namespace tsingest::postgres {
namespace {

// Runs as short as this are written row by row: a failing statement costs more than the rows.
constexpr std::size_t kFewRows = 32;
// Rows in one pipelined block: what is queued on both sides stays small.
constexpr std::size_t kMaxBlock = 512;
// Arrays of one INSERT; the server's limit for one value is 1 GB.
constexpr std::size_t kMaxArrayBytes = 64 * 1024 * 1024;

constexpr char kSavepoint[] = "SAVEPOINT tsingest";
constexpr char kRelease[] = "RELEASE SAVEPOINT tsingest";
constexpr char kRollbackTo[] = "ROLLBACK TO SAVEPOINT tsingest";

// Rows from `first` on that one statement takes, `wanted` at most.
std::size_t RunLength(const RowsJob& job, Shape shape, std::size_t first, std::size_t wanted) {
  std::size_t count = std::min(wanted, job.rows.size() - first);
  if (job.max_rows != 0) count = std::min(count, job.max_rows);
  if (shape != Shape::kInsert) return count;
  while (count > 1 && job.rows.Slice(first, first + count).size() > kMaxArrayBytes) count /= 2;
  return count;
}

bool BlamesRow(Fault fault) {
  return fault == Fault::kRow || fault == Fault::kConflict || fault == Fault::kUnclear;
}

// Row security speaks of a missing privilege where it means that it does not like the row.
Fault FaultOf(const Target& target, const PgError& error) {
  if (error.sqlstate == "42501" && target.table.row_security) return Fault::kUnclear;
  return Classify(error);
}

// The name of a chunk's constraint, without what TimescaleDB puts in front of the table's:
// `"5_3_readings_pkey"` or `"232_readings_pkey"` becomes `"readings_pkey"`. The error's own fields
// do not name it when the chunk is compressed.
void DropChunkNumbers(std::string* text) {
  for (std::size_t at = text->find('"'); at != std::string::npos; at = text->find('"', at + 1)) {
    for (int numbers = 0; numbers < 2; ++numbers) {
      const std::size_t digits = text->find_first_not_of("0123456789", at + 1);
      if (digits == at + 1 || digits == std::string::npos || (*text)[digits] != '_') break;
      text->erase(at + 1, digits - at);
    }
  }
}

// The server's words, about the table that the user knows: TimescaleDB's errors name the chunk and
// the chunk's constraint (`232_readings_pkey`), a dry run's the stand-in.
std::string ReasonOf(const Target& target, const PgError& error) {
  const Table& table = target.table;
  std::string text = error.message;
  const auto replace = [&](const std::string& from, const std::string& to) {
    const std::size_t at = from.empty() ? std::string::npos : text.find("\"" + from + "\"");
    if (at != std::string::npos) text.replace(at + 1, from.size(), to);
  };
  replace(target.sent_to.name, table.name.name);
  if (table.hypertable.has_value()) {
    if (error.schema == "_timescaledb_internal") replace(error.table, table.name.name);
    if (error.sqlstate.starts_with("23")) DropChunkNumbers(&text);
  }
  if (!error.detail.empty()) text += "; " + error.detail;
  return text;
}

// The first name that stands in quotes.
std::string QuotedName(std::string_view text) {
  const std::size_t open = text.find('"');
  if (open == std::string_view::npos) return "";
  const std::size_t close = text.find('"', open + 1);
  return std::string(text.substr(open + 1, close - open - 1));
}

KeyPlace PlaceOf(const Target& target, const PgError& error) {
  if (!error.table.empty()) return {.schema = error.schema, .table = error.table};
  std::string text = error.message;
  if (!target.table.hypertable.has_value()) return {};
  DropChunkNumbers(&text);
  return {.constraint = text == error.message ? "" : QuotedName(text)};
}

}  // namespace

// Where the careful way stands.
struct RowWriter::Progress {
  std::size_t next = 0;          // first row not yet written or found bad
  std::size_t limit = 0;         // rows to try in one statement
  std::size_t known_good = 0;    // rows from `next` that passed in a statement that failed later
  bool one_suspect = false;      // behind those stands the row the server blames
  std::size_t block = kFewRows;  // rows to write one by one when bad rows stand close together
  bool dense = false;            // … which they do
  int failures = 0;
  Shape shape = Shape::kCopy;
  bool savepoint_fresh = true;  // the savepoint stands right behind the last good row
};

std::int64_t BlamedRow(std::string_view context, std::string_view table) {
  const std::size_t last_line = context.find_last_of('\n');
  if (last_line != std::string_view::npos) context.remove_prefix(last_line + 1);
  std::size_t at = context.find(table);
  at = at == std::string_view::npos ? context.find(',') : at + table.size();
  if (at == std::string_view::npos) return -1;
  const std::size_t digit = context.find_first_of("0123456789", at);
  if (digit == std::string_view::npos) return -1;
  std::int64_t line = 0;
  std::from_chars(context.data() + digit, context.data() + context.size(), line);
  return line - 1;
}

PgStatus RowWriter::Write(const RowsJob& job, RowsOutcome* outcome) {
  *outcome = {};
  const std::size_t size = job.rows.size();
  if (size == 0) return connection_.Exec(job.begin);
  Progress progress{.limit = size, .shape = job.shape};
  if (job.shape != Shape::kOneByOne && RunLength(job, job.shape, 0, size) == size) {
    Attempt all = TryRun(job, job.shape, 0, size, job.begin);
    if (all.status.ok()) return Account(job, job.shape, 0, size, all.affected, outcome);
    if (!BlamesRow(FaultOf(*job.target, all.status.error()))) return std::move(all.status);
    if (PgStatus status = connection_.Exec("ROLLBACK"); !status.ok()) return status;
    Recover(*job.target, progress, all, size);
  }
  if (PgStatus status = connection_.Exec(job.begin_again + kSavepoint); !status.ok()) return status;
  progress.savepoint_fresh = true;
  return WriteByRuns(job, progress, outcome);
}

RowWriter::Attempt RowWriter::TryRun(const RowsJob& job, Shape shape, std::size_t first,
                                     std::size_t last, const std::string& before) {
  return shape == Shape::kCopy ? TryCopy(job, first, last, before)
                               : TryInsert(job, first, last, before);
}

RowWriter::Attempt RowWriter::TryCopy(const RowsJob& job, std::size_t first, std::size_t last,
                                      const std::string& before) {
  Attempt attempt;
  attempt.status = connection_.BeginCopy(before + job.target->copy);
  if (!attempt.status.ok()) return attempt;
  const std::string_view rows = job.rows.Slice(first, last);
  for (const std::string_view part : {kCopyHeader, rows, kCopyTrailer}) {
    attempt.status = connection_.PutCopyData(part);
    if (!attempt.status.ok()) return attempt;
  }
  attempt.status = connection_.EndCopy(&attempt.affected);
  if (!attempt.status.ok()) {
    const PgError& error = attempt.status.error();
    const std::int64_t row = BlamedRow(error.context, job.target->sent_to.name);
    if (row >= 0 && row < static_cast<std::int64_t>(last - first)) attempt.failed_at = row;
  }
  return attempt;
}

RowWriter::Attempt RowWriter::TryInsert(const RowsJob& job, std::size_t first, std::size_t last,
                                        const std::string& before) {
  Attempt attempt;
  if (!before.empty()) {
    attempt.status = connection_.Exec(before);
    if (!attempt.status.ok()) return attempt;
  }
  params_.Clear();
  std::vector<FieldReader> readers;
  readers.reserve(last - first);
  for (std::size_t row = first; row < last; ++row) readers.emplace_back(job.rows.Row(row));
  for (const Column& column : job.target->columns) {
    params_.BeginArray(column.array_oid, column.type_oid);
    for (FieldReader& reader : readers) params_.AddRawElement(reader.Next().raw);
    params_.EndArray();
  }
  Result result;
  attempt.status = connection_.Query(job.target->insert_arrays, params_, &result);
  if (attempt.status.ok()) attempt.affected = result.Affected();
  return attempt;
}

PgStatus RowWriter::Account(const RowsJob& job, Shape shape, std::size_t first, std::size_t last,
                            std::int64_t affected, RowsOutcome* outcome) {
  const auto sent = static_cast<std::int64_t>(last - first);
  const Target& target = *job.target;
  const bool resolves = shape == Shape::kInsert && target.Resolves();
  if (affected < 0 || affected > sent ||
      (affected < sent && !resolves && !target.table.has_row_filter)) {
    return PgError{.sqlstate = std::string(kMiscount),
                   .message = "table " + target.table.name.Display() + ": the server stored " +
                              std::to_string(affected) + " of " + std::to_string(sent) +
                              " rows sent, without an error, and the table has no trigger that "
                              "could have dropped rows"};
  }
  outcome->written += static_cast<std::uint64_t>(affected);
  outcome->deduplicated += static_cast<std::uint64_t>(sent - affected);
  outcome->bytes += job.rows.Slice(first, last).size();
  outcome->conflicts |= resolves && affected < sent;
  return {};
}

PgStatus RowWriter::WriteByRuns(const RowsJob& job, Progress progress, RowsOutcome* outcome) {
  while (progress.next < job.rows.size()) {
    if (PgStatus status = WriteNextRun(job, progress, outcome); !status.ok()) return status;
  }
  return {};
}

PgStatus RowWriter::WriteNextRun(const RowsJob& job, Progress& progress, RowsOutcome* outcome) {
  const std::size_t left = job.rows.size() - progress.next;
  if (progress.known_good == 0) {
    if (std::exchange(progress.one_suspect, false)) {
      return WriteOneByOne(job, progress, 1, outcome);
    }
    if (progress.dense)
      return WriteOneByOne(job, progress, std::min(left, progress.block), outcome);
    if (progress.shape == Shape::kOneByOne) {
      return WriteOneByOne(job, progress, std::min(left, kMaxBlock), outcome);
    }
    if (progress.limit <= kFewRows) {
      return WriteOneByOne(job, progress, std::min(left, kFewRows), outcome);
    }
  }
  const std::size_t wanted = progress.known_good != 0 ? progress.known_good : progress.limit;
  const std::size_t count = RunLength(job, progress.shape, progress.next, wanted);
  const std::size_t last = progress.next + count;
  std::string before;
  if (!progress.savepoint_fresh) before = std::string(kRelease) + ";" + kSavepoint + ";";
  progress.savepoint_fresh = true;
  Attempt run = TryRun(job, progress.shape, progress.next, last, before);
  if (!run.status.ok()) {
    if (!BlamesRow(FaultOf(*job.target, run.status.error()))) return std::move(run.status);
    if (PgStatus status = connection_.Exec(kRollbackTo); !status.ok()) return status;
    Recover(*job.target, progress, run, count);
    return {};
  }
  PgStatus status = Account(job, progress.shape, progress.next, last, run.affected, outcome);
  if (!status.ok()) return status;
  progress.next = last;
  progress.savepoint_fresh = false;
  if (progress.known_good == 0) progress.limit = count * 4;
  progress.known_good -= std::min(progress.known_good, count);
  return {};
}

// Decides how to go on behind a statement that failed because of a row, `size` rows long.
void RowWriter::Recover(const Target& target, Progress& progress, const Attempt& failed,
                        std::size_t size) {
  const bool conflict = FaultOf(target, failed.status.error()) == Fault::kConflict;
  progress.known_good = 0;
  progress.one_suspect = false;
  if (conflict && target.Resolves() && progress.shape == Shape::kCopy) {
    progress.shape = target.ConflictShape();
    progress.limit = std::max(size, kFewRows + 1);  // nothing speaks against all at once
    return;
  }
  if (failed.failed_at < 0) {
    progress.limit = size / 2;
    return;
  }
  const auto gap = static_cast<std::size_t>(failed.failed_at);
  progress.known_good = gap;
  progress.one_suspect = true;
  if (++progress.failures > 1) {
    progress.dense = gap < kFewRows / 2;
    progress.limit = std::max(2 * kFewRows, gap * 4);
  }
}

PgStatus RowWriter::Prepare(const RowsJob& job) {
  const std::string& sql = job.target->insert_one;
  if (prepared_session_ == connection_.session() && prepared_sql_ == sql) return {};
  prepared_name_ = "tsingest_" + name_ + "_" + std::to_string(++prepared_count_);
  Params types;
  for (const Column& column : job.target->columns) types.AddNull(column.type_oid);
  Params none;
  if (PgStatus status = connection_.StartPipeline(); !status.ok()) return status;
  const std::string& name = prepared_name_;
  PgStatus status = connection_.SendPrepare(name + "i", sql, types);
  if (status.ok()) status = connection_.SendPrepare(name + "r", kRelease, none);
  if (status.ok()) status = connection_.SendPrepare(name + "s", kSavepoint, none);
  if (status.ok()) status = connection_.SendPrepare(name + "b", kRollbackTo, none);
  if (status.ok()) status = connection_.SendSync();
  if (status.ok()) status = connection_.Flush();
  PgStatus failed;
  for (bool done = !status.ok(); !done;) {
    Result result;
    if (status = connection_.Next(&result); !status.ok()) return status;
    if (!result) continue;
    done = result.status() == PGRES_PIPELINE_SYNC;
    if (result.status() == PGRES_FATAL_ERROR && failed.ok()) failed = connection_.ErrorOf(result);
  }
  if (status.ok()) status = connection_.FinishPipeline();
  if (!status.ok()) return status;
  if (!failed.ok()) return failed;
  prepared_session_ = connection_.session();
  prepared_sql_ = sql;
  return {};
}

// One row's group of messages. Whatever becomes of the INSERT, the savepoint then stands behind the
// last good row, without a round trip in between:
//   INSERT; RELEASE; SAVEPOINT | Sync     the latter two are skipped when the INSERT fails
//   ROLLBACK TO                | Sync     undoes nothing when it did not
PgStatus RowWriter::SendRow(const RowsJob& job, std::size_t row) {
  params_.Clear();
  FieldReader reader(job.rows.Row(row));
  for (const Column& column : job.target->columns) {
    const FieldImage field = reader.Next();
    if (field.is_null) {
      params_.AddNull(column.type_oid);
    } else {
      params_.AddView(column.type_oid, field.value);
    }
  }
  PgStatus status = connection_.SendPrepared(prepared_name_ + "i", params_);
  if (status.ok()) status = connection_.SendPrepared(prepared_name_ + "r");
  if (status.ok()) status = connection_.SendPrepared(prepared_name_ + "s");
  if (status.ok()) status = connection_.SendSync();
  if (status.ok()) status = connection_.SendPrepared(prepared_name_ + "b");
  if (status.ok()) status = connection_.SendSync();
  return status;
}

PgStatus RowWriter::ReadRow(const RowsJob& job, std::size_t row, RowsOutcome* outcome) {
  PgStatus failed;
  std::int64_t affected = -1;
  for (int syncs = 0; syncs < 2;) {
    Result result;
    if (PgStatus status = connection_.Next(&result); !status.ok()) return status;
    if (!result) continue;
    if (result.status() == PGRES_PIPELINE_SYNC) ++syncs;
    if (result.status() == PGRES_COMMAND_OK && affected < 0) affected = result.Affected();
    if (result.status() == PGRES_FATAL_ERROR) {
      if (syncs == 1) return connection_.ErrorOf(result);
      if (failed.ok()) failed = connection_.ErrorOf(result);
    }
  }
  if (!failed.ok()) return Judge(job, row, failed.error(), outcome);
  (affected == 1 ? outcome->written : outcome->deduplicated) += 1;
  outcome->conflicts |= affected == 0;
  outcome->bytes += job.rows.Row(row).size();
  return {};
}

// OK: the row is accounted for. Otherwise the error is not the row's.
PgStatus RowWriter::Judge(const RowsJob& job, std::size_t row, const PgError& error,
                          RowsOutcome* outcome) {
  const Target& target = *job.target;
  const Fault fault = FaultOf(target, error);
  if (!BlamesRow(fault)) return error;
  BadRow& bad = outcome->bad.emplace_back(BadRow{.number = job.rows.Number(row),
                                                 .sqlstate = error.sqlstate,
                                                 .reason = ReasonOf(target, error),
                                                 .unclear = fault == Fault::kUnclear});
  // ON CONFLICT leaves no conflict with a key of the target's, but on a compressed chunk.
  const bool perhaps_ours = !target.Resolves() || target.table.hypertable.has_value();
  bad.conflict =
      fault == Fault::kConflict && target.on_conflict == OnConflict::kSkip && perhaps_ours;
  if (bad.conflict) bad.key = PlaceOf(target, error);
  return {};
}

PgStatus RowWriter::WriteOneByOne(const RowsJob& job, Progress& progress, std::size_t count,
                                  RowsOutcome* outcome) {
  if (!progress.savepoint_fresh) {
    const std::string sql = std::string(kRelease) + ";" + kSavepoint;
    if (PgStatus status = connection_.Exec(sql); !status.ok()) return status;
  }
  progress.savepoint_fresh = true;
  if (PgStatus status = Prepare(job); !status.ok()) return status;
  const std::size_t bad_before = outcome->bad.size();
  PgStatus status = connection_.StartPipeline();
  for (std::size_t i = 0; i < count && status.ok(); ++i) status = SendRow(job, progress.next + i);
  if (status.ok()) status = connection_.Flush();
  for (std::size_t i = 0; i < count && status.ok(); ++i) {
    status = ReadRow(job, progress.next + i, outcome);
  }
  if (!status.ok()) {
    // What is queued behind the failure must not run, let alone wait for the same lock again.
    prepared_session_ = 0;
    connection_.Close();
    return status;
  }
  if (status = connection_.FinishPipeline(); !status.ok()) return status;
  const std::size_t bad = outcome->bad.size() - bad_before;
  progress.next += count;
  if (count > 1) {
    progress.dense = bad * 16 > count;
    progress.block = progress.dense ? std::min(progress.block * 2, kMaxBlock) : kFewRows;
    if (!progress.dense) progress.limit = std::max(progress.limit, 8 * kFewRows);
  }
  return {};
}

}  // namespace tsingest::postgres
