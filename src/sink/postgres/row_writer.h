// RowWriter: brings rows into the target inside one transaction, and finds those it cannot take.
#ifndef TSINGEST_SRC_SINK_POSTGRES_ROW_WRITER_H_
#define TSINGEST_SRC_SINK_POSTGRES_ROW_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sink/postgres/connection.h"
#include "sink/postgres/rows.h"
#include "sink/postgres/target.h"

namespace tsingest::postgres {

// What became of the rows; written + deduplicated + bad.size() is their number. Among `bad` are
// rows that are duplicates if the key that exists is one of the target's: see BadRow::conflict.
struct RowsOutcome {
  std::uint64_t written = 0;
  std::uint64_t deduplicated = 0;
  std::uint64_t bytes = 0;  // of row data that the server took
  bool conflicts = false;   // some row's key existed
  std::vector<BadRow> bad;
};

// What is to be written, and how the transaction begins.
struct RowsJob {
  const Target* target = nullptr;
  Rows rows;
  std::string begin;           // statements that open the transaction, each ended by ';'
  std::string begin_again;     // … when it has failed and rows are looked for
  Shape shape = Shape::kCopy;  // to try first
  std::size_t max_rows = 0;    // in one statement; 0: no limit
};

// Not thread-safe; one per connection, which it borrows.
//
// All rows are tried in one statement first. When that fails because of a row, the transaction is
// begun anew and the rows go in by runs, each behind a savepoint:
//
//     COPY ............x              the server names the row, or not
//     COPY ............               the rows before it, known to be good
//     INSERT           x              the row alone: it is bad, and this is exactly why
//     COPY              ...........   the rest
//
// Runs get shorter as failures get denser (down to rows one by one, pipelined, so that a round trip
// is not paid per row) and longer again with success. Every verdict over a row comes from the row
// being written alone.
class RowWriter {
 public:
  // `name`: distinguishes this writer's prepared statements from those of others in a shared
  // session.
  RowWriter(Connection& connection, std::string name)
      : connection_(connection), name_(std::move(name)) {}

  // OK: the transaction is open and holds all rows but outcome->bad. Otherwise the transaction is
  // in any state, the error is not a row's, and everything may be done anew.
  PgStatus Write(const RowsJob& job, RowsOutcome* outcome);

 private:
  // One statement for a run of rows. `failed_at`: index in the run that the server blames, or -1.
  struct Attempt {
    PgStatus status;
    std::int64_t failed_at = -1;
    std::int64_t affected = 0;
  };
  struct Progress;

  Attempt TryRun(const RowsJob& job, Shape shape, std::size_t first, std::size_t last,
                 const std::string& before);
  Attempt TryCopy(const RowsJob& job, std::size_t first, std::size_t last,
                  const std::string& before);
  Attempt TryInsert(const RowsJob& job, std::size_t first, std::size_t last,
                    const std::string& before);
  PgStatus Account(const RowsJob& job, Shape shape, std::size_t first, std::size_t last,
                   std::int64_t affected, RowsOutcome* outcome);

  PgStatus WriteByRuns(const RowsJob& job, Progress progress, RowsOutcome* outcome);
  PgStatus WriteNextRun(const RowsJob& job, Progress& progress, RowsOutcome* outcome);
  static void Recover(const Target& target, Progress& progress, const Attempt& failed,
                      std::size_t size);

  PgStatus WriteOneByOne(const RowsJob& job, Progress& progress, std::size_t count,
                         RowsOutcome* outcome);
  PgStatus Prepare(const RowsJob& job);
  PgStatus SendRow(const RowsJob& job, std::size_t row);
  PgStatus ReadRow(const RowsJob& job, std::size_t row, RowsOutcome* outcome);
  PgStatus Judge(const RowsJob& job, std::size_t row, const PgError& error, RowsOutcome* outcome);

  Connection& connection_;
  const std::string name_;
  std::uint64_t prepared_session_ = 0;
  std::string prepared_sql_;
  std::string prepared_name_;
  int prepared_count_ = 0;
  Params params_;
};

// The row that the server blames, from the last line of an error's context: `COPY t, line 3333`.
// The wording is the server's language, the number is not. Counts from 0; -1: it does not say.
std::int64_t BlamedRow(std::string_view context, std::string_view table);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_ROW_WRITER_H_
