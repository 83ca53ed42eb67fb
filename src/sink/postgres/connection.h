// Connection: one PostgreSQL session, by libpq without ever blocking in it.
#ifndef TSINGEST_SRC_SINK_POSTGRES_CONNECTION_H_
#define TSINGEST_SRC_SINK_POSTGRES_CONNECTION_H_

#include <libpq-fe.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/log_severity.h"
#include "sink/postgres/conninfo.h"
#include "sink/postgres/error.h"
#include "sink/postgres/params.h"
#include "tsingest/base/clock.h"

namespace tsingest::postgres {

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
// What a statement gave. Text() reads values that were asked for as text.
class Result {
 public:
  Result() = default;
  explicit Result(PGresult* result) : result_(result) {}

  PGresult* get() const { return result_.get(); }
  explicit operator bool() const { return result_ != nullptr; }
  ExecStatusType status() const { return PQresultStatus(result_.get()); }
  int rows() const { return PQntuples(result_.get()); }
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view Text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  bool Bool(int row, int column) const { return Text(row, column) == "t"; }
  std::int64_t Int(int row, int column) const;
  // Rows that INSERT, UPDATE or COPY report; -1 when the tag has no number.
  std::int64_t Affected() const;
  std::string_view Tag() const { return PQcmdStatus(result_.get()); }

 private:
  std::unique_ptr<PGresult, FreeResult> result_;
};

using LogFunction = std::function<void(absl::LogSeverity, std::string_view)>;

// Not thread-safe. Every wait of a member ends with an error of `cancelled` soon after the function
// given to set_cancelled() returns true; the connection is then of no further use.
class Connection {
 public:
  // `log` gets the server's notices. Borrows the clock.
  Connection(const Conninfo& conninfo, LogFunction log, Clock& clock);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void set_cancelled(std::function<bool()> cancelled) { cancelled_ = std::move(cancelled); }

  // Closes what was open and connects anew.
  PgStatus Connect();
  void Close();
  bool connected() const {
    return connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK;
  }
  // No transaction is open. / No statement, COPY or pipeline is under way.
  bool Idle() const { return PQtransactionStatus(connection_) == PQTRANS_IDLE; }
  bool AtRest() const {
    return PQtransactionStatus(connection_) != PQTRANS_ACTIVE &&
           PQpipelineStatus(connection_) == PQ_PIPELINE_OFF;
  }
  int server_version() const { return PQserverVersion(connection_); }
  int backend_pid() const { return PQbackendPID(connection_); }
  // Sessions made so far: tells whether what was set up in an earlier one is gone.
  std::uint64_t session() const { return session_; }
  // `host:port, database "plant", user "ingest"`, as far as known.
  std::string Where() const;

  // One or more statements, simple protocol. `last` takes the result of the last one.
  PgStatus Exec(const std::string& sql, Result* last = nullptr);
  // One statement with parameters; its result as text.
  PgStatus Query(const std::string& sql, Params& params, Result* result);

  // Statements of which the last is COPY … FROM STDIN. `before` takes the rows of the last SELECT.
  PgStatus BeginCopy(const std::string& sql, Result* before = nullptr);
  // Queues bytes and sends what the socket takes. Errors of the server show in EndCopy() only.
  PgStatus PutCopyData(std::string_view bytes);
  // Ends the COPY; the number of rows the server says it copied.
  PgStatus EndCopy(std::int64_t* rows);

  // Pipeline mode (libpq manual, section "Pipeline Mode"): statements are queued by Send…() and
  // their results read in order by Next(). FinishPipeline() requires that all were read.
  PgStatus StartPipeline();
  PgStatus SendQuery(const std::string& sql, Params& params);
  PgStatus SendPrepare(const std::string& name, const std::string& sql, Params& types);
  PgStatus SendPrepared(const std::string& name, Params& params);
  PgStatus SendPrepared(const std::string& name);
  PgStatus SendSync();
  // Sends all that is queued; reads what comes meanwhile, so that neither side can block the other.
  PgStatus Flush();
  // The next result: a statement's, or PGRES_PIPELINE_SYNC, or PGRES_PIPELINE_ABORTED. A failed
  // statement is a result too (status PGRES_FATAL_ERROR; ErrorOf() reads it).
  PgStatus Next(Result* result);
  PgStatus FinishPipeline();

  PgError ErrorOf(const Result& result) const;

 private:
  PgStatus ConnectPolling();
  PgError ConnectError() const;
  PgStatus Wait(bool write);
  PgError Lost() const;
  PgStatus Sent(int ok);
  PgStatus Collect(Result* last);
  static void OnNotice(void* self, const PGresult* result);

  const Conninfo conninfo_;
  const LogFunction log_;
  Clock& clock_;
  std::function<bool()> cancelled_;
  Secrets secrets_;
  PGconn* connection_ = nullptr;
  std::uint64_t session_ = 0;
  std::string where_;
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_CONNECTION_H_
