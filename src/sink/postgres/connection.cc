#include "sink/postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace tsingest::postgres {
namespace {

constexpr std::chrono::milliseconds kCancelCheck(50);  // how long a wait may overlook a cancel
constexpr int kDefaultConnectSeconds = 10;

std::string_view Field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string OneLine(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool IsSqlstate(std::string_view text) {
  return text.size() == 5 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

// libpq gives no SQLSTATE for a connection that was refused; but in a verbose message it stands
// behind the severity, in every language: `FATAL:  28P01: password authentication failed …`.
void MoveSqlstate(std::string& message, std::string& sqlstate) {
  for (std::size_t at = message.find(":  "); at != std::string::npos;
       at = message.find(":  ", at + 1)) {
    const std::string_view code = std::string_view(message).substr(at + 3, 5);
    if (!IsSqlstate(code) || message.compare(at + 8, 2, ": ") != 0) continue;
    sqlstate = code;
    message.erase(at + 3, 7);
  }
}

// A verbose message ends with `LOCATION:  auth_failed, auth.c:326`.
bool IsLocationLine(std::string_view line) {
  const std::size_t at = line.rfind(".c:");
  return at != std::string_view::npos &&
         line.find_first_not_of("0123456789", at + 3) == std::string_view::npos;
}

std::chrono::seconds ConnectTimeout(const Conninfo& conninfo) {
  std::string text(conninfo.Get("connect_timeout"));
  if (const char* env = std::getenv("PGCONNECT_TIMEOUT"); text.empty() && env != nullptr) {
    text = env;
  }
  int seconds = kDefaultConnectSeconds;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds(seconds);
}

absl::LogSeverity SeverityOf(const PGresult* notice) {
  return Field(notice, PG_DIAG_SEVERITY_NONLOCALIZED) == "WARNING" ? absl::LogSeverity::kWarning
                                                                   : absl::LogSeverity::kInfo;
}

constexpr char kForgetUserSchema[] =
    "SELECT pg_catalog.set_config('search_path', pg_catalog.regexp_replace("
    "pg_catalog.current_setting('search_path'), '\"?\\$user\"?\\s*,?\\s*', ''), false)";

bool EndsSession(const PGresult* error) {
  const std::string_view severity = Field(error, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == "FATAL" || severity == "PANIC";
}

// "… already exists, skipping": the answer to IF NOT EXISTS, of no interest.
bool IsExistsNotice(std::string_view sqlstate) {
  return sqlstate == "42P07" || sqlstate == "42P06" || sqlstate == "42710" || sqlstate == "42701";
}

}  // namespace

std::int64_t Result::Int(int row, int column) const {
  std::int64_t value = 0;
  const std::string_view text = Text(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::int64_t Result::Affected() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Connection::Connection(const Conninfo& conninfo, LogFunction log, Clock& clock)
    : conninfo_(conninfo), log_(std::move(log)), clock_(clock), secrets_(conninfo.secrets) {}

Connection::~Connection() { Close(); }

void Connection::Close() {
  PQfinish(connection_);
  connection_ = nullptr;
}

std::string Connection::Where() const { return where_; }

PgStatus Connection::Connect() {
  Close();
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : conninfo_.parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  // Only the blocking call tries the next of several hosts after connect_timeout.
  connection_ = conninfo_.several_hosts ? PQconnectdbParams(keywords.data(), values.data(), 0)
                                        : PQconnectStartParams(keywords.data(), values.data(), 0);
  if (connection_ == nullptr) return PgError{.message = "out of memory", .connection_lost = true};
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);
  if (PgStatus status = ConnectPolling(); !status.ok()) {
    Close();
    return status;
  }
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  PQsetNoticeReceiver(connection_, &OnNotice, this);
  PQsetnonblocking(connection_, 1);
  ++session_;
  // For a user of that name "$user" in the search_path is our own schema, once it is there: tables
  // of rows must not end up in it.
  if (std::string_view(PQuser(connection_)) == "tsingest") return Exec(kForgetUserSchema);
  return {};
}

PgStatus Connection::ConnectPolling() {
  const auto timeout = ConnectTimeout(conninfo_);
  const MonotonicTime deadline = clock_.Now() + timeout;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  if (PQstatus(connection_) == CONNECTION_OK) state = PGRES_POLLING_OK;
  if (PQstatus(connection_) == CONNECTION_BAD) state = PGRES_POLLING_FAILED;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    pollfd waiting{.fd = PQsocket(connection_),
                   .events = static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                   .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(kCancelCheck.count()));
    if (cancelled_ && cancelled_()) return PgError{.message = "cancelled", .cancelled = true};
    if (timeout.count() > 0 && clock_.Now() > deadline) {
      return PgError{.message = Where() + ": no answer within " + std::to_string(timeout.count()) +
                                " s (connect_timeout)",
                     .connection_lost = true};
    }
    if (ready > 0) state = PQconnectPoll(connection_);
  }
  const auto part = [](const char* text) { return text == nullptr ? "" : text; };
  where_ = std::string(part(PQhost(connection_))) + ":" + part(PQport(connection_)) +
           ", database \"" + part(PQdb(connection_)) + "\", user \"" + part(PQuser(connection_)) +
           "\"";
  if (const char* password = PQpass(connection_)) secrets_.Add(password);
  if (state == PGRES_POLLING_OK) return {};
  return ConnectError();
}

PgError Connection::ConnectError() const {
  PgError error{.connection_lost = true};
  std::string_view text = PQerrorMessage(connection_);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || IsLocationLine(line)) continue;
    if (!error.message.empty()) error.message += "; ";
    error.message += line;
  }
  MoveSqlstate(error.message, error.sqlstate);
  if (PQconnectionNeedsPassword(connection_) != 0) error.sqlstate = "28P01";
  error.message = secrets_.Scrub(OneLine(error.message));
  return error;
}

PgError Connection::ErrorOf(const Result& result) const {
  const PGresult* raw = result.get();
  const auto text = [&](int code) { return secrets_.Scrub(Field(raw, code)); };
  PgError error{.sqlstate = text(PG_DIAG_SQLSTATE),
                .message = OneLine(text(PG_DIAG_MESSAGE_PRIMARY)),
                .detail = OneLine(text(PG_DIAG_MESSAGE_DETAIL)),
                .hint = OneLine(text(PG_DIAG_MESSAGE_HINT)),
                .context = text(PG_DIAG_CONTEXT),
                .schema = text(PG_DIAG_SCHEMA_NAME),
                .table = text(PG_DIAG_TABLE_NAME),
                .constraint = text(PG_DIAG_CONSTRAINT_NAME),
                .connection_lost = EndsSession(raw) || PQstatus(connection_) != CONNECTION_OK};
  if (error.message.empty()) {
    error.message = OneLine(
        secrets_.Scrub(raw == nullptr ? PQerrorMessage(connection_) : PQresultErrorMessage(raw)));
  }
  return error;
}

PgError Connection::Lost() const {
  return {.message = OneLine(secrets_.Scrub(PQerrorMessage(connection_))), .connection_lost = true};
}

PgStatus Connection::Wait(bool write) {
  for (;;) {
    pollfd waiting{.fd = PQsocket(connection_),
                   .events = static_cast<short>(write ? POLLIN | POLLOUT : POLLIN),
                   .revents = 0};
    if (waiting.fd < 0) return Lost();
    const int ready = poll(&waiting, 1, static_cast<int>(kCancelCheck.count()));
    if (cancelled_ && cancelled_()) return PgError{.message = "cancelled", .cancelled = true};
    if (ready <= 0) continue;
    // What the server says before it goes is still read by Next(); so a failure is not one here.
    if ((waiting.revents & ~POLLOUT) != 0) PQconsumeInput(connection_);
    return {};
  }
}

PgStatus Connection::Sent(int ok) {
  if (ok == 1) return {};
  PgError error = Lost();
  error.connection_lost = PQstatus(connection_) != CONNECTION_OK;
  return error;
}

PgStatus Connection::Flush() {
  for (;;) {
    const int left = PQflush(connection_);
    if (left <= 0) return {};  // all sent, or the connection is gone: reading says why
    if (PgStatus status = Wait(true); !status.ok()) return status;
  }
}

PgStatus Connection::Next(Result* result) {
  while (PQisBusy(connection_) != 0) {
    if (PQstatus(connection_) != CONNECTION_OK) break;  // PQgetResult() then has the last words
    if (PQflush(connection_) < 0) break;
    if (PgStatus status = Wait(false); !status.ok()) return status;
  }
  *result = Result(PQgetResult(connection_));
  if (!*result && PQstatus(connection_) != CONNECTION_OK) return Lost();
  return {};
}

// Reads results to the end of the statement; the first error counts, else `last` is kept.
PgStatus Connection::Collect(Result* last) {
  if (PgStatus status = Flush(); !status.ok()) return status;
  PgStatus failed;
  for (;;) {
    Result result;
    if (PgStatus status = Next(&result); !status.ok())
      return failed.ok() ? std::move(status) : std::move(failed);
    if (!result) return failed;
    switch (result.status()) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        if (last != nullptr) *last = std::move(result);
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        return PgError{.message = "a COPY was not expected here", .connection_lost = true};
      default:
        if (failed.ok()) failed = ErrorOf(result);
    }
  }
}

PgStatus Connection::Exec(const std::string& sql, Result* last) {
  if (!connected()) return PgError{.message = "not connected", .connection_lost = true};
  if (PgStatus status = Sent(PQsendQuery(connection_, sql.c_str())); !status.ok()) return status;
  return Collect(last);
}

PgStatus Connection::Query(const std::string& sql, Params& params, Result* result) {
  if (!connected()) return PgError{.message = "not connected", .connection_lost = true};
  if (PgStatus status = SendQuery(sql, params); !status.ok()) return status;
  return Collect(result);
}

PgStatus Connection::BeginCopy(const std::string& sql, Result* before) {
  if (!connected()) return PgError{.message = "not connected", .connection_lost = true};
  if (PgStatus status = Sent(PQsendQuery(connection_, sql.c_str())); !status.ok()) return status;
  if (PgStatus status = Flush(); !status.ok()) return status;
  PgStatus failed;
  for (;;) {
    Result result;
    if (PgStatus status = Next(&result); !status.ok()) return status;
    if (!result) {
      if (failed.ok()) failed = PgError{.message = "the server did not start the COPY"};
      return failed;
    }
    if (result.status() == PGRES_COPY_IN) return {};
    if (result.status() == PGRES_FATAL_ERROR && failed.ok()) failed = ErrorOf(result);
    if (result.status() == PGRES_TUPLES_OK && before != nullptr) *before = std::move(result);
  }
}

PgStatus Connection::PutCopyData(std::string_view bytes) {
  constexpr std::size_t kPiece = 64 * 1024;  // bytes in one CopyData message
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    const int done = PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size()));
    if (done < 0) return {};  // the connection is gone: EndCopy() reads why
    if (done == 1) bytes.remove_prefix(piece.size());
    if (PgStatus status = Flush(); !status.ok()) return status;
  }
  return {};
}

PgStatus Connection::EndCopy(std::int64_t* rows) {
  PQputCopyEnd(connection_, nullptr);
  Result result;
  if (PgStatus status = Collect(&result); !status.ok()) return status;
  if (!result) return Lost();
  *rows = result.Affected();
  return {};
}

PgStatus Connection::StartPipeline() {
  if (!connected()) return PgError{.message = "not connected", .connection_lost = true};
  return Sent(PQenterPipelineMode(connection_));
}

PgStatus Connection::SendQuery(const std::string& sql, Params& params) {
  const Params::Wire& wire = params.wire();
  return Sent(PQsendQueryParams(connection_, sql.c_str(), wire.count(), wire.types.data(),
                                wire.values.data(), wire.lengths.data(), wire.formats.data(), 0));
}

PgStatus Connection::SendPrepare(const std::string& name, const std::string& sql, Params& types) {
  const Params::Wire& wire = types.wire();
  return Sent(
      PQsendPrepare(connection_, name.c_str(), sql.c_str(), wire.count(), wire.types.data()));
}

PgStatus Connection::SendPrepared(const std::string& name, Params& params) {
  const Params::Wire& wire = params.wire();
  return Sent(PQsendQueryPrepared(connection_, name.c_str(), wire.count(), wire.values.data(),
                                  wire.lengths.data(), wire.formats.data(), 0));
}

PgStatus Connection::SendPrepared(const std::string& name) {
  return Sent(PQsendQueryPrepared(connection_, name.c_str(), 0, nullptr, nullptr, nullptr, 0));
}

PgStatus Connection::SendSync() { return Sent(PQpipelineSync(connection_)); }

PgStatus Connection::FinishPipeline() { return Sent(PQexitPipelineMode(connection_)); }

void Connection::OnNotice(void* self, const PGresult* result) {
  const auto* connection = static_cast<const Connection*>(self);
  const std::string_view sqlstate = Field(result, PG_DIAG_SQLSTATE);
  if (!connection->log_ || IsExistsNotice(sqlstate)) return;
  std::string text = "server: " + OneLine(Field(result, PG_DIAG_MESSAGE_PRIMARY));
  const std::string_view hint = Field(result, PG_DIAG_MESSAGE_HINT);
  if (!hint.empty()) text += "; " + OneLine(hint);
  connection->log_(SeverityOf(result), connection->secrets_.Scrub(text));
}

}  // namespace tsingest::postgres
