// BatchWriter's verdicts over rows that were refused: is it the row, or the database?
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "sink/postgres/batch_writer.h"

namespace tsingest::postgres {

// A row whose key exists is a duplicate; one that a trigger could not write to another table,
// because of a key there, is not stored at all.
PgStatus BatchWriter::SettleConflicts(Work& work) {
  const Target& target = work.loaded->target;
  RowsOutcome& outcome = work.outcome;
  std::map<KeyPlace, bool> known;
  for (const BadRow& bad : outcome.bad) {
    if (!bad.conflict || known.contains(bad.key)) continue;
    bool& has = known[bad.key];
    if (!target.prelude.empty()) {
      has = true;  // the stand-in of a dry run has no triggers
    } else if (PgStatus status = HasKey(*connection_, target.table, bad.key, &has); !status.ok()) {
      return status;
    }
  }
  const std::size_t duplicates =
      std::erase_if(outcome.bad, [&](const BadRow& bad) { return bad.conflict && known[bad.key]; });
  outcome.deduplicated += duplicates;
  outcome.conflicts |= duplicates != 0;
  return {};
}

// An error of unclear origin is the row's when the database is well: when other rows get in. It may
// fall ill or heal while an attempt runs, so one attempt proves nothing. The same rows must be
// refused in two that follow each other, and other rows taken in both of them, or in between.
BatchWriter::End BatchWriter::CheckUnclear(Work& work, std::uint64_t began) {
  const RowsOutcome& outcome = work.outcome;
  const bool has_trigger = work.loaded->target.table.has_trigger;  // … not fired by a duplicate
  const std::uint64_t taken = outcome.written + (has_trigger ? 0 : outcome.deduplicated);
  Suspects found;
  for (const BadRow& bad : outcome.bad) {
    if (bad.unclear) found.rows.emplace_back(bad.number, bad.sqlstate);
  }
  if (found.rows.empty()) {
    work.suspects = {};
    if (taken != 0) core_.row_memory().NoteTaken(began);
    return {};
  }
  const bool again = found.rows == work.suspects.rows;
  const bool first = work.suspects.rows.empty();
  const bool others = taken != 0 || (again && work.others_taken) || TakesOthers(work);
  if (again && others) return {};
  if (!again) {
    found.since = core_.row_memory().Now();
    work.suspects = std::move(found);
  }
  if (first && others) return {.kind = End::Kind::kYield, .error = {}, .final = {}};
  const auto unclear = std::ranges::find(outcome.bad, true, &BadRow::unclear);
  return Failed(PgError{.sqlstate = unclear->sqlstate, .message = unclear->reason});
}

// Whether the table takes a row that it took before, now and in this transaction. A table with keys
// does not come to firing all its triggers for it: then that cannot be told.
bool BatchWriter::TakesOthers(const Work& work) {
  constexpr char kSavepoint[] = "SAVEPOINT tsingest_other";
  constexpr char kRollback[] = "ROLLBACK TO SAVEPOINT tsingest_other";
  const Target& target = work.loaded->target;
  const bool has_unique = target.table.has_unique;
  const std::string row = core_.row_memory().Kept();
  if (row.empty() || (target.table.has_trigger && has_unique)) return false;
  Params params;
  FieldReader reader(row);
  for (const Column& column : target.columns) {
    const FieldImage field = reader.Next();
    field.is_null ? params.AddNull(column.type_oid) : params.AddView(column.type_oid, field.value);
  }
  if (!connection_->Exec(kSavepoint).ok()) return false;
  Result result;
  const PgStatus status = connection_->Query(target.insert_one, params, &result);
  if (!connection_->Exec(kRollback).ok()) return false;
  if (!status.ok()) return has_unique && Classify(status.error()) == Fault::kConflict;
  return result.Affected() == 1 || has_unique;
}

void BatchWriter::KeepARow(const Work& work) {
  const std::size_t size = work.rows.size();
  if (size != 0 && work.outcome.written == size) core_.row_memory().Keep(work.rows.Row(size - 1));
}

}  // namespace tsingest::postgres
