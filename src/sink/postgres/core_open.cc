// SinkCore::Impl::Open(): everything that is found out, checked and created before the first row.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sink/postgres/core.h"
#include "sink/postgres/create.h"
#include "sink/postgres/letters.h"

namespace tsingest::postgres {
namespace {

constexpr int kOldestServer = 130000;  // pg_current_xact_id(), and what is still maintained

std::string Milliseconds(Duration length) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(length).count();
  return std::to_string(std::max<std::int64_t>(ms, 1));
}

constexpr std::uint32_t kJsonOid = 114;
constexpr std::uint32_t kJsonbOid = 3802;

struct NeededColumn {
  std::string_view name;
  std::uint32_t type_oid;
  std::string_view type;
};

// Tables of ours that someone else may have made.
absl::Status CheckColumns(const Table& table, std::span<const NeededColumn> needed) {
  for (const NeededColumn& column : needed) {
    const Column* found = table.Find(column.name);
    if (found != nullptr && found->base_oid == column.type_oid) continue;
    return absl::FailedPreconditionError(
        "table " + table.name.Display() + ": column " + QuoteIdentifier(column.name) +
        (found == nullptr ? " is missing" : " is " + found->type_name) + "; it must be " +
        std::string(column.type));
  }
  return absl::OkStatus();
}

constexpr NeededColumn kPositionsColumns[] = {
    {"ledger", kTextOid, "text"},     {"stream", kTextOid, "text"},
    {"position", kInt8Oid, "bigint"}, {"detail", kTextOid, "text"},
    {"owner", kTextOid, "text"},      {"updated_at", kTimestamptzOid, "timestamptz"}};

constexpr NeededColumn kLettersColumns[] = {
    {"at", kTimestamptzOid, "timestamptz"}, {"source", kTextOid, "text"},
    {"stream", kTextOid, "text"},           {"position", kInt8Oid, "bigint"},
    {"line", kInt8Oid, "bigint"},           {"topic", kTextOid, "text"},
    {"reason", kTextOid, "text"},           {"code", kTextOid, "text"},
    {"payload", kByteaOid, "bytea"},        {"key", kByteaOid, "bytea"}};

}  // namespace

absl::Status SinkCore::Impl::Configure() {
  if (absl::Status status = options_.Validate(); !status.ok()) return status;
  const std::string& name = options_.table.empty() ? spec_.model_table : options_.table;
  absl::StatusOr<TableName> table = ParseTableName(name);
  if (!table.ok()) return table.status();
  table_ = *std::move(table);
  spec_.table = table_;
  if (options_.dead_letters.to == PostgresDeadLetters::To::kTable) {
    absl::StatusOr<TableName> letters = ParseTableName(options_.dead_letters.table);
    if (!letters.ok()) return letters.status();
    letters_table_ = *std::move(letters);
  }
  constexpr int kConnectSeconds = 10;
  absl::StatusOr<Conninfo> conninfo =
      ParseConninfo(options_.conninfo, options_.application_name, kConnectSeconds);
  if (!conninfo.ok()) return conninfo.status();
  conninfo_ = *std::move(conninfo);
  proof_ = options_.dry_run ? Proof::kNone : Proof::kLedger;
  absl::MutexLock lock(&control_mutex_);
  control_ = NewConnection();
  control_->set_cancelled([this] { return cancelled_.load(std::memory_order_relaxed); });
  return absl::OkStatus();
}

absl::Status SinkCore::Impl::Open() {
  if (absl::Status status = Configure(); !status.ok()) return status;
  const bool forever = options_.startup_wait == Duration::max();
  const MonotonicTime deadline =
      clock_.Now() + (forever ? Duration::zero() : options_.startup_wait);
  Backoff backoff(options_.backoff);
  for (;;) {
    absl::Status status = OpenOnce();
    if (cancelled_.load(std::memory_order_relaxed))
      return absl::CancelledError("opening: cancelled");
    if (status.ok()) {
      ReportWell(HealthBoard::kControl);
      return status;
    }
    const bool may_wait = absl::IsUnavailable(status) && (forever || clock_.Now() < deadline);
    if (!may_wait) return status;
    if (health_.SetSick(HealthBoard::kControl, std::string(status.message()))) {
      Log(absl::LogSeverity::kWarning,
          "waiting for the database: " + std::string(status.message()));
    }
    Sleep(backoff.Next());
  }
}

absl::Status SinkCore::Impl::OpenOnce() {
  if (absl::Status status = ConnectControl(); !status.ok()) return status;
  absl::MutexLock lock(&control_mutex_);
  if (absl::Status status = ReviewLedger(); !status.ok()) return status;
  if (options_.create.enabled && !options_.dry_run) {
    if (absl::Status status = CreateMissing(); !status.ok()) return status;
  }
  if (absl::Status status = CheckLedger(); !status.ok()) return status;
  MakeBegin();
  if (absl::Status status = CheckTarget(); !status.ok()) return status;
  return CheckLetters();
}

absl::Status SinkCore::Impl::ConnectControl() {
  absl::MutexLock lock(&control_mutex_);
  if (PgStatus status = control_->Connect(); !status.ok()) {
    return Describe(status.error(), "");
  }
  where_ = control_->Where();
  if (control_->server_version() < kOldestServer) {
    return absl::FailedPreconditionError(where_ + ": PostgreSQL " +
                                         std::to_string(control_->server_version() / 10000) +
                                         " is too old; 13 or newer is needed");
  }
  Result result;
  PgStatus status =
      control_->Exec("SELECT extract(epoch FROM pg_postmaster_start_time())::text", &result);
  if (!status.ok()) return Describe(status.error(), "");
  control_server_start_ = result.Text(0, 0);
  return absl::OkStatus();
}

// Of the target, also before it is created.
PgStatus SinkCore::Impl::FindSchema(std::string* schema) {
  *schema = table_.schema;
  if (!schema->empty()) return {};
  constexpr char kSql[] =
      "SELECT coalesce((SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n "
      "ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)), current_schema(), '')";
  Params params;
  params.AddText(table_.Quoted());
  Result result;
  PgStatus status = control_->Query(kSql, params, &result);
  if (status.ok()) *schema = result.Text(0, 0);
  return status;
}

absl::Status SinkCore::Impl::ReviewLedger() {
  if (!options_.review_ledger || options_.ledger.empty()) return absl::OkStatus();
  LedgerView view{.ledger = ledger_.name(), .table = {}, .streams = {}};
  TableName table = table_;
  PgStatus status = FindSchema(&table.schema);
  if (status.ok()) status = ledger_.List(*control_, &view.streams);
  if (!status.ok()) return Describe(status.error(), "the import's positions: ");
  view.table = table.Display();
  absl::StatusOr<std::vector<StreamRename>> renames = options_.review_ledger(view);
  if (!renames.ok()) return renames.status();
  if (renames->empty() || options_.dry_run) return absl::OkStatus();
  const std::string begin =
      "BEGIN; SET LOCAL lock_timeout = " + Milliseconds(options_.lock_timeout);
  bool renamed = false;
  status = ledger_.Rename(*control_, begin, *renames, &renamed);
  if (!status.ok()) return Describe(status.error(), "renaming streams of the import: ");
  if (renamed) return absl::OkStatus();
  return absl::UnavailableError("ledger \"" + ledger_.name() +
                                "\": another run has changed its streams meanwhile; run it again");
}

absl::Status SinkCore::Impl::CreateMissing() {
  const Creation creation{
      .spec = spec_, .ddl = options_.create.ddl, .letters_table = letters_table_};
  std::vector<std::string> notes;
  absl::Status invalid;
  PgStatus status = Create(*control_, creation, &notes, &invalid);
  if (!invalid.ok()) return invalid;
  if (!status.ok()) return Describe(status.error(), "--create: ");
  for (const std::string& note : notes) Log(absl::LogSeverity::kInfo, note);
  return absl::OkStatus();
}

absl::Status SinkCore::Impl::CheckTarget() {
  std::shared_ptr<const Loaded> loaded;
  absl::Status fits;
  PgStatus status = LoadTarget(*control_, &loaded, &fits);
  if (!status.ok()) return Describe(status.error(), "table " + table_.Display() + ": ");
  if (!fits.ok()) return fits;
  const std::string name = loaded->target.table.name.Display();
  if (options_.direct_compress == DirectCompress::kOn && !loaded->compress.usable()) {
    return absl::FailedPreconditionError("--direct-compress on: table " + name + ": " +
                                         loaded->compress.why());
  }
  if (loaded->target.table.hypertable.has_value()) {
    Log(absl::LogSeverity::kInfo, "table " + name + ": direct compress " +
                                      (loaded->compress.usable() ? "on: " : "off: ") +
                                      loaded->compress.why());
  }
  absl::MutexLock lock(&mutex_);
  loaded_ = std::move(loaded);
  return absl::OkStatus();
}

PgStatus SinkCore::Impl::LoadTarget(Connection& connection, std::shared_ptr<const Loaded>* loaded,
                                    absl::Status* fits) {
  std::optional<Table> table;
  StandIn stand_in{.name = {"pg_temp", "tsingest_proof_" + token_.substr(0, 8)}, .create = {}};
  PgStatus status = options_.dry_run
                        ? LoadStandIn(connection, spec_, options_.create, &table, &stand_in, fits)
                        : LoadTable(connection, table_, &table);
  if (!status.ok() || !fits->ok()) return status;
  if (!table.has_value()) {
    *fits = absl::NotFoundError("table " + table_.Display() + " does not exist in " +
                                connection.Where() + "; --create makes it");
    return {};
  }
  absl::StatusOr<Target> target = MakeTarget(*std::move(table), spec_.fields, options_);
  *fits = target.status();
  if (absl::IsPermissionDenied(*fits)) {
    *fits =
        absl::PermissionDeniedError(WithGrants(std::string(fits->message()), Grants(connection)));
  }
  if (!fits->ok()) return {};
  if (options_.dry_run) Redirect(*target, stand_in.name, stand_in.create);
  const DirectCompress mode = options_.dry_run ? DirectCompress::kOff : options_.direct_compress;
  DirectCompressPlan compress(*target, mode);
  *loaded = std::make_shared<const Loaded>(
      Loaded{.target = *std::move(target), .compress = std::move(compress), .at = clock_.Now()});
  return {};
}

// With a ledger the table of positions must be there; without one it is used if it is.
absl::Status SinkCore::Impl::CheckLedger() {
  if (options_.dry_run) return absl::OkStatus();
  const bool wanted = !options_.ledger.empty();
  std::optional<Table> table;
  PgStatus status = LoadTable(*control_, {"tsingest", "positions"}, &table);
  const bool forbidden = !status.ok() && status.error().sqlstate == "42501";
  if (!status.ok() && !forbidden) return Describe(status.error(), "");
  const std::string name = kPositionsTable;
  absl::Status usable;
  if (forbidden) {
    usable = absl::PermissionDeniedError(
        WithGrants("table " + name + ": " + status.error().message, Grants(*control_)));
  } else if (!table.has_value()) {
    usable = absl::NotFoundError("table " + name + " is missing; run once with --create");
  } else if (!table->can_insert || !table->can_update) {
    usable = absl::PermissionDeniedError(
        WithGrants("table " + name + ": no privilege to write positions", Grants(*control_)));
  } else {
    usable = CheckColumns(*table, kPositionsColumns);
  }
  if (wanted) return usable;
  proof_ = usable.ok() ? Proof::kToken : Proof::kXactId;
  return absl::OkStatus();
}

absl::Status SinkCore::Impl::CheckLetters() {
  const bool used = options_.dead_letters.to == PostgresDeadLetters::To::kTable;
  if (!used || options_.dry_run) return absl::OkStatus();
  std::optional<Table> table;
  PgStatus status = LoadTable(*control_, letters_table_, &table);
  const std::string what = "dead letter table " + letters_table_.Display();
  if (!status.ok()) return Describe(status.error(), what + ": ");
  if (!table.has_value()) {
    return absl::NotFoundError(
        what + " is missing; run once with --create, or choose another --dead-letter");
  }
  if (!table->can_insert) {
    return absl::PermissionDeniedError(
        WithGrants(what + ": no privilege to insert", Grants(*control_)));
  }
  const auto has = [&](std::string_view name, auto... type_oids) {
    const Column* column = table->Find(name);
    return column != nullptr && ((column->base_oid == type_oids) || ...);
  };
  letters_columns_ = {.row = table->Find("message_row") != nullptr,
                      .reading = has("reading", kJsonbOid, kJsonOid, kTextOid),
                      .arrival = has("arrival", kTimestamptzOid)};
  return CheckColumns(*table, kLettersColumns);
}

std::string SinkCore::Impl::Grants(Connection& connection) const {
  std::vector<Need> needs = {
      {.table = table_, .privileges = {"INSERT"}, .create = options_.create.enabled}};
  if (options_.on_conflict == OnConflict::kUpdate) {
    needs.front().privileges = {"SELECT", "INSERT", "UPDATE"};
  }
  if (options_.dry_run) {  // CREATE TABLE … (LIKE …)
    needs.front() = {.table = table_, .privileges = {"SELECT", "INSERT"}, .temporary = true};
    return MissingGrants(connection, needs);
  }
  if (!options_.ledger.empty() || options_.create.enabled) {
    needs.push_back({.table = {"tsingest", "positions"},
                     .privileges = kPositionsPrivileges,
                     .create = options_.create.enabled});
  }
  if (options_.dead_letters.to == PostgresDeadLetters::To::kTable) {
    needs.push_back(
        {.table = letters_table_, .privileges = {"INSERT"}, .create = options_.create.enabled});
    if (options_.dead_letters.replay) needs.back().privileges = kReplayPrivileges;
  }
  return MissingGrants(connection, needs);
}

PgError SinkCore::Impl::WithMend(Connection& connection, PgError error) const {
  if (error.sqlstate == "42501" && error.hint.empty()) error.hint = Grants(connection);
  return error;
}

void SinkCore::Impl::MakeBegin() {
  const std::string lock = "SET LOCAL lock_timeout = " + Milliseconds(options_.lock_timeout) + ";";
  begin_to_look_ = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;" + lock;
  if (proof_ == Proof::kLedger) begin_to_look_ += ledger_.MarkSql();
  begin_ = begin_to_look_;
  if (options_.statement_timeout > Duration::zero()) {
    begin_ += "SET LOCAL statement_timeout = " + Milliseconds(options_.statement_timeout) + ";";
  }
  const bool must_last = options_.ledger.empty() || options_.source_forgets;
  if (!options_.synchronous_commit.empty()) {
    begin_ += "SET LOCAL synchronous_commit = " + options_.synchronous_commit + ";";
  } else if (must_last) {
    begin_ +=
        "SELECT set_config('synchronous_commit', 'on', true) "
        "WHERE current_setting('synchronous_commit') = 'off';";
  }
}

absl::Status SinkCore::Impl::Describe(const PgError& error, std::string_view what) const {
  const PgError mended = WithMend(*control_, error);
  std::string text = std::string(what) + mended.Text();
  if (const std::string_view mend = MendFor(error.sqlstate); !mend.empty() && mended.hint.empty()) {
    text.append("; ").append(mend);
  }
  if (IsOfTheConnectionString(error)) {
    const bool lacks_tls = error.message.find("does not support SSL") != std::string::npos;
    return absl::InvalidArgumentError(
        "connection string: " + text +
        (lacks_tls ? "; turn ssl on in the server, or do without TLS: sslmode=prefer" : ""));
  }
  const std::string_view sqlstate = error.sqlstate;
  // A server that answers "no" to a connection is there: waiting at the start mends neither.
  const bool refused = sqlstate.starts_with("28") || sqlstate == "3D000";
  const Fault fault = Classify(error);
  if (!refused && (fault == Fault::kTransient || fault == Fault::kLock)) {
    return absl::UnavailableError(text);
  }
  if (sqlstate.starts_with("28") || sqlstate == "42501") return absl::PermissionDeniedError(text);
  if (sqlstate == "3D000" || sqlstate == "42P01") return absl::NotFoundError(text);
  return absl::FailedPreconditionError(text);
}

}  // namespace tsingest::postgres
