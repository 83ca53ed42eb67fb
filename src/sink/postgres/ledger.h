// The table tsingest.positions: up to where each stream is written, and by whom.
// docs/formats/positions.md
#ifndef TSINGEST_SRC_SINK_POSTGRES_LEDGER_H_
#define TSINGEST_SRC_SINK_POSTGRES_LEDGER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sink/postgres/connection.h"
#include "tsingest/pipeline/ledger_view.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::postgres {

inline constexpr char kPositionsTable[] = "tsingest.positions";

// A stream's step from one stored position to the next, as one batch makes it.
struct LedgerStep {
  std::string stream{};
  std::int64_t first = 0;
  std::int64_t next = 0;
  std::string detail{};
  std::string owner{};  // whom the stream's claim has made its owner
};

// What the ledger says about a batch's steps.
struct LedgerState {
  enum class Kind : std::uint8_t {
    kBefore,     // none of the steps is stored
    kAfter,      // all of them are
    kFenced,     // someone else has claimed a stream
    kElsewhere,  // ours, but neither before nor after: someone has changed or deleted rows
  };
  Kind kind = Kind::kElsewhere;
  std::vector<std::string> streams;  // that are of this kind
  std::string owner;                 // of the first of them
  std::string position;              // of the first of them; "" when the row is gone
};

// Statements on one ledger's rows as one process. Each of its claims makes an owner of its own, so
// that what a session still does which it has lost is refused when it has claimed the stream again.
// Stateless, thread-safe.
class Ledger {
 public:
  // `process`: who this is.
  Ledger(std::string name, std::string process)
      : name_(std::move(name)), process_(std::move(process)) {}

  const std::string& name() const { return name_; }
  const std::string& process() const { return process_; }
  // The owner that the process's claim of this number makes, and back.
  std::string OwnerOfClaim(std::int64_t claim) const;
  static std::string ProcessOf(std::string_view owner);

  // Takes the streams over for `owner`. One result per stream, in their order: its stored position,
  // nullopt when it has none yet. Waits for the transaction of whoever has them until lock_timeout.
  struct Stream {
    std::string name;
    std::string detail;
  };
  // `earlier` (may be null) gets the other processes that had any of them before.
  PgStatus Claim(Connection& connection, const std::string& owner, std::span<const Stream> streams,
                 std::vector<std::optional<StoredPosition>>* out,
                 std::set<std::string>* earlier = nullptr) const;
  // Adds the other processes that have any of the streams now. Waits for nobody.
  PgStatus FindOthers(Connection& connection, std::span<const Stream> streams,
                      std::set<std::string>* others) const;

  // A statement for the beginning of a transaction that writes: it can then be found by its
  // process's name, see EndTransactionsOf(). An advisory lock that nobody waits for, gone with the
  // transaction.
  std::string MarkSql() const;
  // Ends the sessions in which these processes have transactions open. Needs their role. `*ended`:
  // how many there were.
  static PgStatus EndTransactionsOf(Connection& connection, const std::set<std::string>& processes,
                                    std::int64_t* ended);

  // Stores a stream's first position. `*owned`: false when another owner has it.
  PgStatus SetPosition(Connection& connection, const LedgerStep& step, bool* owned) const;

  // Reads all streams of the ledger without claiming them. None where the table is missing.
  PgStatus List(Connection& connection, std::vector<LedgerStream>* out) const;

  // Gives streams other names, all or none. `*renamed`: false when one of them is not there any
  // more. `begin` opens the transaction.
  PgStatus Rename(Connection& connection, const std::string& begin,
                  std::span<const StreamRename> renames, bool* renamed) const;

  // Reads a stream's position without claiming it.
  PgStatus Load(Connection& connection, const std::string& stream,
                std::optional<StoredPosition>* out) const;

  // The statement that makes all steps, or fails with SQLSTATE 22012 when not every row was found
  // as expected. It is to fail by itself because COMMIT is sent right behind it.
  static const std::string& StepSql();
  void StepParams(std::span<const LedgerStep> steps, Params* params) const;

  // Compares the table with the steps. Waits for the transaction that holds the rows until
  // lock_timeout (55P03). Begins and ends a transaction of its own.
  PgStatus Look(Connection& connection, const std::string& begin, std::span<const LedgerStep> steps,
                LedgerState* out) const;

  // Deletes a stream's row, if it is the owner's.
  PgStatus Forget(Connection& connection, const std::string& owner,
                  const std::string& stream) const;

 private:
  LedgerState Compare(std::span<const LedgerStep> steps, const Result& rows) const;

  std::string name_;
  std::string process_;
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_LEDGER_H_
