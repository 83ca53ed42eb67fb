// SinkCore::Impl: what the writers of one sink share.
#ifndef TSINGEST_SRC_SINK_POSTGRES_CORE_H_
#define TSINGEST_SRC_SINK_POSTGRES_CORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "sink/postgres/connection.h"
#include "sink/postgres/direct_compress.h"
#include "sink/postgres/health.h"
#include "sink/postgres/ledger.h"
#include "sink/postgres/letters.h"
#include "sink/postgres/rights.h"
#include "sink/postgres/row_memory.h"
#include "sink/postgres/shape_memory.h"
#include "sink/postgres/target.h"
#include "tsingest/sink/postgres_core.h"

namespace tsingest::postgres {

// How the outcome of a COMMIT is found out whose answer was lost.
enum class Proof : std::uint8_t {
  kLedger,  // positions of the batch's streams
  kToken,   // a position of the writer's own, for sinks without a ledger
  kXactId,  // pg_xact_status(), as long as the server has not crashed: see XactWitness()
  kNone,    // dry run: nothing is committed
};

// A stream as the ledger knows it.
struct StreamEntry {
  std::string name;  // clean UTF-8
  std::string detail;
  std::string owner;  // in the ledger
};

// What is known about the target, replaced as a whole when the catalog is read again.
struct Loaded {
  Target target;
  DirectCompressPlan compress;
  MonotonicTime at{};
};

// Thread-safe after Open().
class SinkCore::Impl {
 public:
  Impl(PostgresOptions options, TableSpec spec, Clock& clock);

  absl::Status Open();
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams);
  absl::Status SetInitial(StreamId stream, std::int64_t next);
  absl::StatusOr<std::optional<StoredPosition>> LoadPosition(const std::string& stream);
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  absl::Status Close();
  TargetInfo Info() const;

  // For writers.
  const PostgresOptions& options() const { return options_; }
  Clock& clock() const { return clock_; }
  const HealthBoard& health() const { return health_; }
  ShapeMemory& shapes() { return shapes_; }
  LockMemory& locks() { return locks_; }
  Proof proof() const { return proof_; }
  const Ledger& ledger() const { return ledger_; }
  const Ledger& token_ledger() const { return token_ledger_; }
  const TableName& letters_table() const { return letters_table_; }
  const NewLetterColumns& letters_columns() const { return letters_columns_; }
  const std::string& token() const { return token_; }
  RowMemory& row_memory() { return row_memory_; }
  // The server had no connection left for a writer once. From then on writers give theirs back
  // whenever they do not write: one that waits for its turn, or for work, would otherwise keep the
  // connection that an earlier batch needs.
  std::atomic<bool>& shares_connections() { return shares_connections_; }
  std::unique_ptr<Connection> NewConnection() const;
  int NextWriter() { return writers_.fetch_add(1); }

  // The target as last read. Never null after Open().
  std::shared_ptr<const Loaded> loaded() const;
  // Reads the catalog again. `*fits`: why rows cannot be written any more; loaded() is then as
  // before.
  PgStatus Reload(Connection& connection, absl::Status* fits);

  // Ends transactions of the processes that had our streams before us: frozen or cut off, they
  // would keep their locks.
  void EndEarlierOwners(Connection& connection);

  std::string NameOf(StreamId stream) const;
  LedgerStep StepOf(const StreamRange& range) const;

  // Statements that open a transaction: to write, and to look at the ledger. Each ends with ';'.
  std::string Begin(bool immediate_constraints) const;
  const std::string& BeginToLook() const { return begin_to_look_; }
  // GRANT statements for what the connection's role lacks; see MissingGrants().
  std::string Grants(Connection& connection) const;
  // The error, with those statements as its hint when it is about a privilege.
  PgError WithMend(Connection& connection, PgError error) const;

  // Switches direct compress on or off for the transaction, where the server knows it.
  static std::string CompressSetting(const Loaded& loaded, bool on);

  // What became of a transaction whose session is lost: "committed", "aborted" or "in progress", as
  // pg_xact_status() says. Only the control session is asked, and only if it was open all the time
  // on a server started at `server_start`: a server that has crashed since may have given the
  // number to another transaction. nullopt: cannot be known.
  std::optional<std::string> XactWitness(const std::string& xact, const std::string& server_start);

  void Log(absl::LogSeverity severity, const std::string& text) const;
  void LogChoice(DirectCompressPlan::Verdict verdict);
  void ReportSick(int part, const PgError& error, Fault fault);
  void ReportWell(int part);
  void NoteLetters(std::span<const DeadLetter> letters);

 private:
  // core_open.cc
  absl::Status Configure();
  absl::Status OpenOnce();
  absl::Status ConnectControl();
  absl::Status ReviewLedger();
  PgStatus FindSchema(std::string* schema);
  absl::Status CreateMissing();
  absl::Status CheckTarget();
  absl::Status CheckLedger();
  absl::Status CheckLetters();
  void MakeBegin();
  // The error with what can be done about it. kUnavailable: may heal by itself.
  absl::Status Describe(const PgError& error, std::string_view what) const;

  PgStatus LoadTarget(Connection& connection, std::shared_ptr<const Loaded>* loaded,
                      absl::Status* fits);
  PgStatus InTransaction(Connection& connection, const std::function<PgStatus()>& work) const;
  PgStatus ClaimOnce(Connection& connection, const std::string& owner,
                     std::span<const Ledger::Stream> streams,
                     std::vector<std::optional<StoredPosition>>* positions);
  absl::Status Patiently(std::string_view what, const std::function<PgStatus(Connection&)>& work);
  // False: cancelled meanwhile.
  bool Sleep(Duration length) const;

  const PostgresOptions options_;
  TableSpec spec_;
  Clock& clock_;
  const std::string token_;  // of this run: random
  Ledger ledger_;
  Ledger token_ledger_;
  TableName table_;
  TableName letters_table_;
  NewLetterColumns letters_columns_;
  Conninfo conninfo_;
  Proof proof_ = Proof::kLedger;
  std::string begin_;
  std::string begin_to_look_;
  std::string where_;
  HealthBoard health_;
  ShapeMemory shapes_;
  LockMemory locks_;
  std::atomic<bool> cancelled_{false};
  std::atomic<int> writers_{0};
  std::atomic<std::int64_t> claims_{0};
  RowMemory row_memory_;
  std::atomic<bool> shares_connections_{false};

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Loaded> loaded_ ABSL_GUARDED_BY(mutex_);
  std::map<StreamId, StreamEntry> streams_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> earlier_processes_ ABSL_GUARDED_BY(mutex_);
  std::set<DirectCompressPlan::Verdict> logged_choices_ ABSL_GUARDED_BY(mutex_);
  MonotonicTime letters_logged_ ABSL_GUARDED_BY(mutex_){};
  std::uint64_t letters_unlogged_ ABSL_GUARDED_BY(mutex_) = 0;

  absl::Mutex control_mutex_;
  std::unique_ptr<Connection> control_ ABSL_GUARDED_BY(control_mutex_);
  std::string control_server_start_ ABSL_GUARDED_BY(control_mutex_);
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_CORE_H_
