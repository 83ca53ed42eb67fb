#include "sink/postgres/core.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include <unistd.h>

#include "sink/postgres/batch_writer.h"
#include "sink/postgres/letters.h"
#include "tsingest/pipeline/fence.h"

namespace tsingest::postgres {
namespace {

constexpr std::chrono::milliseconds kSleepStep(50);
constexpr std::chrono::seconds kLettersLogInterval(10);
// Locks are waited for so many attempts before those who hold them are ended.
constexpr int kPatientAttempts = 4;
constexpr char kTokenLedger[] = "tsingest:session";

// 128 random bits as hexadecimal digits.
std::string RandomToken() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string token;
  for (int word = 0; word < 4; ++word) {
    std::uint32_t bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) token += kHex[bits & 15];
  }
  return token;
}

// Who we are, for whoever finds himself fenced: `csv-replay on host7, pid 4711, 5f0c…`.
std::string OwnerName(const std::string& source, const std::string& token) {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return CleanText(source + " on " + host + ", pid " + std::to_string(getpid()) + ", " + token);
}

}  // namespace

SinkCore::Impl::Impl(PostgresOptions options, TableSpec spec, Clock& clock)
    : options_(std::move(options)),
      spec_(std::move(spec)),
      clock_(clock),
      token_(RandomToken()),
      ledger_(options_.ledger, OwnerName(options_.source, token_)),
      token_ledger_(kTokenLedger, ledger_.process()) {}

std::unique_ptr<Connection> SinkCore::Impl::NewConnection() const {
  return std::make_unique<Connection>(
      conninfo_,
      [this](absl::LogSeverity severity, std::string_view text) {
        Log(severity, std::string(text));
      },
      clock_);
}

std::shared_ptr<const Loaded> SinkCore::Impl::loaded() const {
  absl::MutexLock lock(&mutex_);
  return loaded_;
}

PgStatus SinkCore::Impl::Reload(Connection& connection, absl::Status* fits) {
  std::shared_ptr<const Loaded> fresh;
  if (PgStatus status = LoadTarget(connection, &fresh, fits); !status.ok()) return status;
  if (!fits->ok()) return {};
  absl::MutexLock lock(&mutex_);
  loaded_ = std::move(fresh);
  return {};
}

// ---- Streams. ----

absl::StatusOr<std::vector<std::optional<StoredPosition>>> SinkCore::Impl::Claim(
    std::span<const StreamClaim> streams) {
  const std::string owner = ledger_.OwnerOfClaim(claims_.fetch_add(1) + 1);
  std::vector<Ledger::Stream> wanted;
  for (const StreamClaim& claim : streams) {
    StreamEntry entry{
        .name = CleanText(claim.name), .detail = CleanText(claim.detail), .owner = owner};
    wanted.push_back({entry.name, entry.detail});
    absl::MutexLock lock(&mutex_);
    streams_[claim.stream] = std::move(entry);
  }
  std::vector<std::optional<StoredPosition>> positions(streams.size());
  if (proof_ != Proof::kLedger || streams.empty()) return positions;
  absl::Status status = Patiently("claiming streams", [&](Connection& connection) {
    return ClaimOnce(connection, owner, wanted, &positions);
  });
  if (!status.ok()) return status;
  return positions;
}

PgStatus SinkCore::Impl::ClaimOnce(Connection& connection, const std::string& owner,
                                   std::span<const Ledger::Stream> streams,
                                   std::vector<std::optional<StoredPosition>>* positions) {
  std::set<std::string> earlier;
  PgStatus status = InTransaction(
      connection, [&] { return ledger_.Claim(connection, owner, streams, positions, &earlier); });
  // Someone holds the rows: whose are they?
  if (!status.ok() && Classify(status.error()) == Fault::kLock) {
    if (PgStatus found = ledger_.FindOthers(connection, streams, &earlier); !found.ok()) {
      return found;
    }
  }
  absl::MutexLock lock(&mutex_);
  earlier_processes_.merge(earlier);
  return status;
}

void SinkCore::Impl::EndEarlierOwners(Connection& connection) {
  std::set<std::string> processes;
  {
    absl::MutexLock lock(&mutex_);
    processes = earlier_processes_;
  }
  if (processes.empty()) return;
  std::int64_t ended = 0;
  const PgStatus status = Ledger::EndTransactionsOf(connection, processes, &ended);
  if (!status.ok()) {
    Log(absl::LogSeverity::kInfo, status.error().Text());
  } else if (ended != 0) {
    Log(absl::LogSeverity::kWarning,
        "ended " + std::to_string(ended) +
            " session(s) of an instance that had these streams before: it does not go on, and held "
            "locks that rows wait for");
  }
}

absl::Status SinkCore::Impl::SetInitial(StreamId stream, std::int64_t next) {
  if (proof_ != Proof::kLedger) return absl::OkStatus();
  const LedgerStep step = StepOf({.stream = stream, .first = next, .next = next});
  bool owned = false;
  absl::Status status = Patiently("storing a first position", [&](Connection& connection) {
    return InTransaction(connection, [&] { return ledger_.SetPosition(connection, step, &owned); });
  });
  if (!status.ok() || owned) return status;
  return FencedError({&stream, 1}, "ledger \"" + ledger_.name() + "\", stream \"" + step.stream +
                                       "\": another instance has claimed it");
}

absl::StatusOr<std::optional<StoredPosition>> SinkCore::Impl::LoadPosition(
    const std::string& stream) {
  std::optional<StoredPosition> position;
  if (proof_ != Proof::kLedger) return position;
  absl::Status status = Patiently("reading a position", [&](Connection& connection) {
    return InTransaction(connection,
                         [&] { return ledger_.Load(connection, CleanText(stream), &position); });
  });
  if (!status.ok()) return status;
  return position;
}

std::string SinkCore::Impl::NameOf(StreamId stream) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found != streams_.end()) return found->second.name;
  }
  return options_.stream_name ? CleanText(options_.stream_name(stream)) : std::string();
}

LedgerStep SinkCore::Impl::StepOf(const StreamRange& range) const {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(range.stream);
  LedgerStep step{.stream = {}, .first = range.first, .next = range.next, .detail = {}};
  if (found != streams_.end()) {
    step.stream = found->second.name;
    step.owner = found->second.owner;
    step.detail = range.detail.empty() ? found->second.detail : CleanText(range.detail);
  }
  return step;
}

// ---- Transactions. ----

std::string SinkCore::Impl::Begin(bool immediate_constraints) const {
  return immediate_constraints ? begin_ + "SET CONSTRAINTS ALL IMMEDIATE;" : begin_;
}

std::string SinkCore::Impl::CompressSetting(const Loaded& loaded, bool on) {
  if (!loaded.compress.setting_known()) return "";
  return std::string("SET LOCAL timescaledb.enable_direct_compress_copy = ") +
         (on ? "on;" : "off;");
}

std::optional<std::string> SinkCore::Impl::XactWitness(const std::string& xact,
                                                       const std::string& server_start) {
  absl::MutexLock lock(&control_mutex_);
  if (!control_->connected() || control_server_start_ != server_start) return std::nullopt;
  Params params;
  params.AddText(xact);
  Result result;
  const PgStatus status = control_->Query("SELECT pg_xact_status($1::xid8)", params, &result);
  if (!status.ok()) {
    if (status.error().connection_lost) control_->Close();
    return std::nullopt;
  }
  if (result.rows() != 1 || result.IsNull(0, 0)) return std::nullopt;
  return std::string(result.Text(0, 0));
}

// Waits for locks no longer than lock_timeout, so that there is something to say about it.
PgStatus SinkCore::Impl::InTransaction(Connection& connection,
                                       const std::function<PgStatus()>& work) const {
  if (PgStatus status = connection.Exec(begin_to_look_); !status.ok()) return status;
  PgStatus status = work();
  if (status.ok()) return connection.Exec("COMMIT");
  if (connection.connected() && !connection.Exec("ROLLBACK").ok()) connection.Close();
  if (status.error().sqlstate == "55P03" && status.error().hint.empty()) {
    status.error().hint = "an open transaction holds rows of " + std::string(kPositionsTable) +
                          "; pg_blocking_pids() tells whose it is";
  }
  return status;
}

// Runs statements on the control session until they succeed or it makes no sense to go on.
absl::Status SinkCore::Impl::Patiently(std::string_view what,
                                       const std::function<PgStatus(Connection&)>& work) {
  Backoff backoff(options_.backoff);
  for (;;) {
    if (cancelled_.load(std::memory_order_relaxed)) {
      return absl::CancelledError(std::string(what) + ": cancelled");
    }
    PgStatus status;
    {
      absl::MutexLock lock(&control_mutex_);
      if (!control_->connected()) status = control_->Connect();
      if (status.ok()) status = work(*control_);
      if (!status.ok()) {
        status = WithMend(*control_, status.error());
        const bool locked = Classify(status.error()) == Fault::kLock;
        if (locked && backoff.attempts() > kPatientAttempts && control_->connected()) {
          EndEarlierOwners(*control_);
        }
        control_->Close();
      }
    }
    if (status.ok()) {
      ReportWell(HealthBoard::kControl);
      return absl::OkStatus();
    }
    if (status.error().cancelled) continue;
    const Fault fault = Classify(status.error());
    if (fault == Fault::kRow || fault == Fault::kConflict || fault == Fault::kUnclear) {
      return absl::FailedPreconditionError(std::string(what) + ": " + status.error().Text());
    }
    ReportSick(HealthBoard::kControl, status.error(), fault);
    Sleep(backoff.Next());
  }
}

bool SinkCore::Impl::Sleep(Duration length) const {
  for (; length > Duration::zero(); length -= kSleepStep) {
    if (cancelled_.load(std::memory_order_relaxed)) return false;
    clock_.Sleep(std::min<Duration>(length, kSleepStep));
  }
  return !cancelled_.load(std::memory_order_relaxed);
}

absl::Status SinkCore::Impl::Close() {
  absl::MutexLock lock(&control_mutex_);
  if (control_ != nullptr) control_->Close();
  return absl::OkStatus();
}

// ---- What is told. ----

void SinkCore::Impl::Log(absl::LogSeverity severity, const std::string& text) const {
  if (options_.log) options_.log(severity, text);
}

void SinkCore::Impl::LogChoice(DirectCompressPlan::Verdict verdict) {
  {
    absl::MutexLock lock(&mutex_);
    // The small batch at the end of a load is no news.
    const bool is_rest = verdict == DirectCompressPlan::Verdict::kTooFewRows &&
                         logged_choices_.contains(DirectCompressPlan::Verdict::kWorthIt);
    if (is_rest || !logged_choices_.insert(verdict).second) return;
  }
  const bool good = verdict == DirectCompressPlan::Verdict::kWorthIt;
  Log(good ? absl::LogSeverity::kInfo : absl::LogSeverity::kWarning,
      "table " + loaded()->target.table.name.Display() + ": " +
          DirectCompressPlan::Explain(verdict));
}

void SinkCore::Impl::ReportSick(int part, const PgError& error, Fault fault) {
  if (options_.on_error) options_.on_error(error.sqlstate);
  std::string text = error.Text();
  if (const std::string_view mend = MendFor(error.sqlstate); !mend.empty() && error.hint.empty()) {
    text.append("; ").append(mend);
  }
  const bool heals = fault == Fault::kTransient || fault == Fault::kLock;
  if (!health_.SetSick(part, text)) return;
  Log(heals ? absl::LogSeverity::kWarning : absl::LogSeverity::kError,
      "writing waits and is tried again: " + text);
}

void SinkCore::Impl::ReportWell(int part) {
  if (health_.SetWell(part)) Log(absl::LogSeverity::kInfo, "writing goes on");
}

void SinkCore::Impl::NoteLetters(std::span<const DeadLetter> letters) {
  if (letters.empty()) return;
  if (options_.on_dead_letter) {
    for (const DeadLetter& letter : letters) options_.on_dead_letter(letter);
  }
  std::uint64_t count = 0;
  {
    absl::MutexLock lock(&mutex_);
    letters_unlogged_ += letters.size();
    const MonotonicTime now = clock_.Now();
    if (letters_logged_ != MonotonicTime{} && now - letters_logged_ < kLettersLogInterval) return;
    letters_logged_ = now;
    count = std::exchange(letters_unlogged_, 0);
  }
  const DeadLetter& last = letters.back();
  Log(absl::LogSeverity::kWarning, std::to_string(count) +
                                       " dead letter(s); the latest: " + std::string(last.reason) +
                                       " (" + std::string(last.code) + ")");
}

TargetInfo SinkCore::Impl::Info() const {
  const auto now = loaded();
  return {.table = now->target.table.name.Display(),
          .server = where_,
          .is_hypertable = now->target.table.hypertable.has_value(),
          .direct_compress = now->compress.usable(),
          .choice = now->compress.why()};
}

// ---- SinkCore. ----

SinkCore::SinkCore(PostgresOptions options, TableSpec spec, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(spec), clock)) {}
SinkCore::~SinkCore() = default;

absl::Status SinkCore::Open() { return impl_->Open(); }
absl::StatusOr<std::unique_ptr<RowsWriter>> SinkCore::NewWriter() {
  if (impl_->loaded() == nullptr) return absl::FailedPreconditionError("PostgreSQL sink: not open");
  return std::make_unique<BatchWriter>(*impl_);
}
bool SinkCore::Transactional() const {
  return !impl_->options().ledger.empty() && !impl_->options().dry_run;
}
absl::StatusOr<std::vector<std::optional<StoredPosition>>> SinkCore::Claim(
    std::span<const StreamClaim> streams) {
  return impl_->Claim(streams);
}
absl::Status SinkCore::SetInitial(StreamId stream, std::int64_t next) {
  return impl_->SetInitial(stream, next);
}
absl::StatusOr<std::optional<StoredPosition>> SinkCore::LoadPosition(const std::string& stream) {
  return impl_->LoadPosition(stream);
}
void SinkCore::Cancel() { impl_->Cancel(); }
absl::Status SinkCore::Health() const { return impl_->health().Get(); }
absl::Status SinkCore::Close() { return impl_->Close(); }
TargetInfo SinkCore::Info() const { return impl_->Info(); }

}  // namespace tsingest::postgres
