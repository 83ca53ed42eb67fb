// Target: the table, and the statements that put rows of the model into it.
#ifndef TSINGEST_SRC_SINK_POSTGRES_TARGET_H_
#define TSINGEST_SRC_SINK_POSTGRES_TARGET_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sink/postgres/row_checks.h"
#include "sink/postgres/table.h"
#include "tsingest/model/model.h"
#include "tsingest/sink/postgres_options.h"

namespace tsingest::postgres {

// How a run of rows is sent.
enum class Shape : std::uint8_t {
  kCopy,    // COPY: fastest; a key that exists is an error
  kInsert,  // INSERT … SELECT unnest($1), … : whole columns as arrays, with the conflict policy
  kOneByOne,  // INSERT … VALUES per row, pipelined, each behind a savepoint: tells exactly which
              // rows the server refuses, and why
};

// Immutable once made; shared by all writers.
struct Target {
  Table table;
  std::span<const FieldBinding> fields;
  std::vector<Column> columns{};  // of `fields`, in their order
  OnConflict on_conflict = OnConflict::kSkip;
  RowChecks checks{};

  bool can_copy = true;           // else rows are inserted: row security, a view without trigger
  bool can_insert_arrays = true;  // else one by one: a column is an array itself
  bool can_resolve = true;        // ON CONFLICT works on this table
  TableName sent_to{};            // the table of the statements: `table`, or its stand-in (dry run)
  std::string prelude{};          // statement that makes the stand-in, ended by ';'
  std::string copy{};
  std::string insert_arrays{};
  std::string insert_one{};

  // The shape for rows of which nothing is known yet, and for rows whose keys may exist.
  Shape FirstShape() const { return can_copy ? Shape::kCopy : ConflictShape(); }
  Shape ConflictShape() const { return can_insert_arrays ? Shape::kInsert : Shape::kOneByOne; }
  // Whether INSERT handles keys that exist, by ON CONFLICT.
  bool Resolves() const { return on_conflict != OnConflict::kError && can_resolve; }
};

// kFailedPrecondition, kPermissionDenied: the table does not fit model and options; one line with
// the mend.
absl::StatusOr<Target> MakeTarget(Table table, std::span<const FieldBinding> fields,
                                  const PostgresOptions& options);

// Has the rows go to another table of the same columns, without triggers: a dry run's.
void Redirect(Target& target, const TableName& stand_in, const std::string& create);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_TARGET_H_
