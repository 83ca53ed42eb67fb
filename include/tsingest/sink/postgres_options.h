// What a PostgreSQL sink can be told.
#ifndef TSINGEST_SINK_POSTGRES_OPTIONS_H_
#define TSINGEST_SINK_POSTGRES_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/base/log_severity.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/retry.h"
#include "tsingest/encode/ddl.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/ledger_view.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// A row whose key exists: a unique or exclusion constraint refuses it.
enum class OnConflict : std::uint8_t {
  kSkip,    // the row that is there stays; counted as deduplicated
  kUpdate,  // the new row replaces it (needs a primary key); of rows with one key the last one wins
  kError,   // dead letter, code 23505 or 23P01
};

// Whether COPY writes compressed batches (TimescaleDB >= 2.21). Never on tables with unique
// constraints or triggers, and only for batches that are worth it; the rest goes by plain COPY. The
// choice is logged.
enum class DirectCompress : std::uint8_t {
  kAuto,  // where the table allows it
  kOn,    // as kAuto, but a table that does not allow it is an error of Open()
  kOff,
};

struct PostgresCreate {
  // Create what is missing: table, indexes, hypertable and policies, the schema `tsingest`. What is
  // there is left as it is. Safe when several processes do it at once.
  bool enabled = false;
  DdlOptions ddl{};
};

struct PostgresDeadLetters {
  enum class To : std::uint8_t {
    kTable,  // `table`, in the rows' own transaction
    kStore,  // `store`, before the rows are committed
    kNone,   // logged and counted only
  };
  To to = To::kTable;
  std::string table = "tsingest.dead_letter";
  DeadLetterStore* store = nullptr;  // borrowed; thread-safe
  // The run's messages are letters of `table`, Position::offset is a letter's id
  // (source/letters.h). In the transaction of its rows a letter is removed when none of them was
  // refused; otherwise it stays, with the new reason and one attempt more. Letters that someone
  // else has removed meanwhile end the run (kAborted); nothing of their batch is written. Needs
  // To::kTable.
  bool replay = false;
};

struct PostgresOptions {
  // postgresql://… or key=value pairs, as libpq takes them; empty: PG* variables. sslmode, service,
  // passfile, target_session_attrs, several hosts … work as in psql.
  std::string conninfo{};

  // [SCHEMA.]NAME of the table; empty: the model's.
  std::string table{};

  // The name under which positions are stored, the same in every run of one import or consumer
  // group. Empty: none are stored, and the sink is not Transactional().
  std::string ledger{};

  // Asked by Open() about the ledger as it is, before anything is created: an error of it is
  // Open()'s, and streams are renamed as it says. Called again when the server goes away meanwhile.
  // With dry_run nothing is renamed. May be empty; needs a ledger.
  LedgerReview review_ledger{};

  PostgresCreate create{};
  OnConflict on_conflict = OnConflict::kSkip;
  DirectCompress direct_compress = DirectCompress::kAuto;

  // INSERT with arrays in place of COPY: for proxies that know no COPY. Same guarantees, slower.
  bool use_insert = false;

  // Proves rows instead of storing them: everything goes into a temporary table like the target and
  // is rolled back. Nothing is stored, no position either; results tell what would have become of
  // the rows (keys are checked among the rows of a batch only).
  bool dry_run = false;

  PostgresDeadLetters dead_letters{};

  // For dead letters and messages: which tool this is ("csv-replay").
  std::string source = "tsingest";
  // Names of streams for dead letters when Claim() is not called (no ledger). May be empty.
  std::function<std::string(StreamId)> stream_name{};
  // How the messages of dead letters were read; may be empty.
  LetterReadingOf reading{};

  // application_name in pg_stat_activity, where the connection string has none.
  std::string application_name = "tsingest";

  // "", "on", "off", "local", "remote_write" or "remote_apply". Empty: the server's own setting,
  // but never "off" when acknowledged rows could be lost by it, that is without a ledger, or when
  // `source_forgets`. "off" is refused then.
  std::string synchronous_commit{};
  // The source cannot give again what was acknowledged (MQTT).
  bool source_forgets = false;

  // A statement that takes longer is cancelled and retried with fewer rows; 0: the server's
  // setting.
  Duration statement_timeout = Duration::zero();
  // How long a transaction waits for a lock before later batches of this process are asked to give
  // way; more than 0.
  Duration lock_timeout = std::chrono::milliseconds(500);

  // How long Open() waits for a server that cannot be reached or does not take connections now. 0:
  // one attempt. Duration::max(): until Cancel(). Wrong passwords, databases and tables are errors
  // at once. After Open() the sink waits without limit for whatever heals.
  Duration startup_wait = Duration::zero();
  // Waits between attempts.
  BackoffOptions backoff{.min = std::chrono::milliseconds(50), .max = std::chrono::seconds(5)};

  // Events worth knowing: choices, trouble and its end, notices of the server. Thread-safe; may be
  // empty. Never sees a password.
  std::function<void(absl::LogSeverity, std::string_view)> log{};
  // Called for each dead letter once it is stored. Thread-safe; may be empty.
  std::function<void(const DeadLetter&)> on_dead_letter{};
  // Called for each attempt that failed and is made again, with its SQLSTATE (empty: the server did
  // not say). Thread-safe; may be empty.
  std::function<void(std::string_view sqlstate)> on_error{};

  // kInvalidArgument names the option, its value and what it takes; never shows `conninfo`.
  absl::Status Validate() const;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_POSTGRES_OPTIONS_H_
