#include "sink/postgres/batch_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"

namespace tsingest::postgres {
namespace {

// What is older than this is read again before a row is refused because of it.
constexpr std::chrono::seconds kCatalogAge(10);

constexpr char kSessionSql[] =
    "SELECT extract(epoch FROM pg_postmaster_start_time())::text, pg_backend_pid(), "
    "(SELECT extract(epoch FROM backend_start)::text FROM pg_stat_activity "
    "WHERE pid = pg_backend_pid())";

bool BlamesRow(const PgError& error) {
  const Fault fault = Classify(error);
  return fault == Fault::kRow || fault == Fault::kConflict || fault == Fault::kUnclear;
}

}  // namespace

BatchWriter::BatchWriter(SinkCore::Impl& core)
    : core_(core),
      number_(core.NextWriter()),
      connection_(core.NewConnection()),
      row_writer_(*connection_, core.token().substr(0, 8) + "_" + std::to_string(number_)),
      backoff_(core.options().backoff, static_cast<std::uint64_t>(number_) + 1),
      token_stream_(core.token() + "/" + std::to_string(number_)) {}

BatchWriter::~BatchWriter() {
  constexpr std::chrono::seconds kLongest(2);
  const MonotonicTime deadline = core_.clock().Now() + kLongest;
  connection_->set_cancelled([this, deadline] { return core_.clock().Now() > deadline; });
  ForgetToken();
}

absl::StatusOr<WriteResult> BatchWriter::Write(const EncodedRows& rows, const BatchMeta& meta,
                                               CommitGate& gate) {
  Work work{.encoded = rows, .meta = meta, .gate = gate};
  work.proof = ProofFor(meta);
  work.ordered = NeedsOrder();
  work.has_turn = !work.ordered;
  work.wait_first = !work.has_turn && core_.locks().WaitsForTurn();
  work.expects_conflicts = core_.shapes().ExpectsConflicts();
  for (const StreamRange& range : meta.ranges) {
    if (work.proof != Proof::kLedger) break;
    work.steps.push_back(core_.StepOf(range));
  }
  connection_->set_cancelled([&gate] { return gate.Cancelled(); });
  const absl::Cleanup forget_gate = [this] { connection_->set_cancelled(nullptr); };
  backoff_.Reset();
  for (;;) {
    if (gate.Cancelled()) {
      GiveUp(work);
      return absl::CancelledError("the batch was given up");
    }
    End end = React(work, Attempt(work));
    if (end.kind == End::Kind::kFinal) {
      GiveUp(work);
      return end.final;
    }
    if (end.kind != End::Kind::kDone) continue;
    if (work.proof == Proof::kToken) ++token_position_;
    core_.ReportWell(number_);
    core_.NoteLetters(letters_.all());
    KeepARow(work);
    ShareConnection();
    return WriteResult{.written = work.outcome.written,
                       .deduplicated = work.outcome.deduplicated,
                       .dead_lettered = meta.rejects.size() + work.outcome.bad.size(),
                       .bytes = work.outcome.bytes};
  }
}

// Positions move in order, and so do rows that others may replace or keep out. The rest is not held
// up.
bool BatchWriter::NeedsOrder() const {
  if (core_.proof() == Proof::kLedger) return true;
  const auto loaded = core_.loaded();
  const Table& table = loaded->target.table;
  return core_.proof() != Proof::kNone &&
         (table.has_unique || table.has_trigger || table.kind == 'v');
}

// ---- One attempt. ----

BatchWriter::End BatchWriter::Attempt(Work& work) {
  if (work.wait_first && !work.has_turn) {
    ShareConnection();
    if (End end = TakeTurn(work, false); end.kind != End::Kind::kDone) return end;
  }
  absl::Status fits;
  if (PgStatus status = Ready(work, &fits); !status.ok()) return Failed(std::move(status));
  if (!fits.ok()) {
    return Failed(
        PgError{.sqlstate = "42804", .message = std::string(fits.message()), .is_ours = true});
  }
  Arrange(work);
  if (!work.prechecked.empty() && core_.clock().Now() - work.loaded->at > kCatalogAge) {
    if (PgStatus status = Load(work, &fits); !status.ok()) return Failed(std::move(status));
    Arrange(work);
  }
  const std::uint64_t began = core_.row_memory().Now();
  work.others_taken = core_.row_memory().TakenSince(work.suspects.since);
  if (PgStatus status = PutRows(work); !status.ok()) return Failed(std::move(status));
  if (End end = CheckUnclear(work, began); end.kind != End::Kind::kDone) return end;
  std::ranges::move(std::vector(work.prechecked), std::back_inserter(work.outcome.bad));
  if (!work.has_turn) {
    if (End end = TakeTurn(work, true); end.kind != End::Kind::kDone) return end;
  }
  return Commit(work);
}

// A session that can write, and the table as it is now. `*fits`: see SinkCore::Impl::Reload().
PgStatus BatchWriter::Ready(Work& work, absl::Status* fits) {
  if (!connection_->connected()) {
    if (PgStatus status = connection_->Connect(); !status.ok()) return status;
  }
  if (session_ != connection_->session()) {
    if (PgStatus status = StartSession(); !status.ok()) return status;
  }
  if (work.proof == Proof::kToken && token_position_ < 0) {
    if (PgStatus status = StartToken(); !status.ok()) return status;
  }
  if (work.proof == Proof::kToken) {
    work.steps = {{token_stream_, token_position_, token_position_ + 1, "", TokenOwner()}};
  }
  if (reload_) return Load(work, fits);
  if (auto loaded = core_.loaded(); loaded != work.loaded) {
    work.loaded = std::move(loaded);
    work.arranged = false;
  }
  return {};
}

PgStatus BatchWriter::Load(Work& work, absl::Status* fits) {
  if (PgStatus status = core_.Reload(*connection_, fits); !status.ok()) return status;
  reload_ = !fits->ok();
  work.loaded = core_.loaded();
  work.arranged = false;
  return {};
}

PgStatus BatchWriter::StartSession() {
  Result result;
  if (PgStatus status = connection_->Exec(kSessionSql, &result); !status.ok()) return status;
  session_info_ = {.server_start = std::string(result.Text(0, 0)),
                   .pid = result.Int(0, 1),
                   .backend_start = std::string(result.Text(0, 2))};
  session_ = connection_->session();
  return {};
}

// Decides which rows are sent, in which order. Rows that the table cannot take are not.
void BatchWriter::Arrange(Work& work) {
  if (std::exchange(work.arranged, true)) return;
  work.rows = {.bytes = work.encoded.bytes, .ends = work.encoded.ends, .numbers = {}};
  work.prechecked.clear();
  work.compress = false;
  const Loaded& loaded = *work.loaded;
  loaded.target.checks.Run(work.rows, &work.prechecked);
  std::vector<std::uint32_t> order;
  if (!work.prechecked.empty()) {
    std::size_t next_bad = 0;
    for (std::uint32_t row = 0; row < work.rows.size(); ++row) {
      const bool bad = next_bad < work.prechecked.size() && work.prechecked[next_bad].number == row;
      bad ? ++next_bad : (order.push_back(row), 0);
    }
    return Reorder(work, order);
  }
  if (!loaded.compress.usable() || work.rows.size() == 0) return;
  const auto verdict = loaded.compress.Examine(work.rows, &order);
  work.compress = verdict == DirectCompressPlan::Verdict::kWorthIt;
  core_.LogChoice(verdict);
  if (work.compress) Reorder(work, order);
}

void BatchWriter::Reorder(Work& work, std::span<const std::uint32_t> order) {
  const Rows all{.bytes = work.encoded.bytes, .ends = work.encoded.ends, .numbers = {}};
  arranged_.Clear();
  arranged_ends_.clear();
  arranged_numbers_.assign(order.begin(), order.end());
  arranged_.Reserve(all.bytes.size());
  for (const std::uint32_t row : order) {
    arranged_.Append(all.Row(row));
    arranged_ends_.push_back(arranged_.size());
  }
  work.rows = {.bytes = arranged_.view(), .ends = arranged_ends_, .numbers = arranged_numbers_};
}

PgStatus BatchWriter::PutRows(Work& work) {
  const Target& target = work.loaded->target;
  const bool expects = work.expects_conflicts && target.Resolves() && !work.compress;
  const std::string begin = core_.Begin(work.immediate) + target.prelude;
  RowsJob job{.target = &target,
              .rows = work.rows,
              .begin = begin + core_.CompressSetting(*work.loaded, work.compress),
              .begin_again = begin + core_.CompressSetting(*work.loaded, false),
              .shape = expects ? target.ConflictShape() : target.FirstShape(),
              .max_rows = work.max_rows};
  PgStatus status = row_writer_.Write(job, &work.outcome);
  if (!status.ok()) return status;
  if (status = SettleConflicts(work); !status.ok()) return status;
  const RowsOutcome& outcome = work.outcome;
  if (target.Resolves() && target.can_copy && work.rows.size() != 0) {
    core_.shapes().Note(expects, outcome.conflicts);
  }
  return {};
}

BatchWriter::End BatchWriter::TakeTurn(Work& work, bool holding_locks) {
  switch (work.gate.Wait(holding_locks)) {
    case CommitGate::Turn::kGo:
      work.has_turn = true;
      return {};
    case CommitGate::Turn::kYield:
      work.wait_first = true;
      return {.kind = End::Kind::kYield, .error = {}, .final = {}};
    case CommitGate::Turn::kCancel:
      break;
  }
  return Final(absl::CancelledError("the batch was given up"));
}

// Gives the connection back when there are too few for all writers.
void BatchWriter::ShareConnection() {
  if (!core_.shares_connections().load(std::memory_order_relaxed)) return;
  ForgetToken();
  connection_->Close();
}

// ---- The end of the transaction. ----

BatchWriter::End BatchWriter::Commit(Work& work) {
  letters_.Build(work.encoded, work.meta, work.outcome.bad,
                 {.source = core_.options().source,
                  .stream_name = [this](StreamId id) { return core_.NameOf(id); },
                  .reading = core_.options().reading,
                  .at = core_.clock().WallNow()});
  if (work.proof == Proof::kNone) {
    Rollback();
    return {};
  }
  if (PgStatus status = StoreLetters(work); !status.ok()) return Failed(std::move(status));
  if (work.proof == Proof::kXactId) {
    Result xact;
    PgStatus status = connection_->Exec("SELECT pg_current_xact_id()::text", &xact);
    if (!status.ok()) return Failed(std::move(status));
    work.xact = xact.Text(0, 0);
  }
  int statements = 0;
  if (PgStatus status = SendCommit(work, &statements); !status.ok()) {
    // Perhaps COMMIT went out, and only the rest of the buffer did not.
    return {.kind = End::Kind::kInDoubt, .error = std::move(status), .final = {}};
  }
  return ReadCommit(work, statements);
}

PgStatus BatchWriter::StoreLetters(Work& work) {
  if (core_.options().dead_letters.to != PostgresDeadLetters::To::kStore) return {};
  const auto key = [](const DeadLetter& letter) {
    return std::string(letter.stream) + '\0' + std::to_string(letter.position) + '\0' +
           std::to_string(letter.row) + '\0' + std::string(letter.reason);
  };
  std::vector<DeadLetter> fresh;
  for (const DeadLetter& letter : letters_.all()) {
    if (!work.letters_stored.contains(key(letter))) fresh.push_back(letter);
  }
  if (fresh.empty()) return {};
  const absl::Status stored = core_.options().dead_letters.store->Store(fresh);
  if (!stored.ok()) return PgError{.message = "dead letters: " + std::string(stored.message())};
  for (const DeadLetter& letter : fresh) work.letters_stored.insert(key(letter));
  return {};
}

// Everything behind the rows in one round trip; a statement that fails takes COMMIT with it.
PgStatus BatchWriter::SendCommit(Work& work, int* statements) {
  PgStatus status = connection_->StartPipeline();
  Params params;
  if (core_.options().dead_letters.to == PostgresDeadLetters::To::kTable) {
    status = core_.options().dead_letters.replay ? SendSettled(work, statements)
                                                 : SendLetters(statements);
  }
  if (status.ok() && !work.steps.empty()) {
    LedgerOf(work).StepParams(work.steps, &params);
    status = connection_->SendQuery(Ledger::StepSql(), params);
    ++*statements;
  }
  params.Clear();
  if (status.ok()) status = connection_->SendQuery("COMMIT", params);
  ++*statements;
  if (status.ok()) status = connection_->SendSync();
  if (status.ok()) status = connection_->Flush();
  return status;
}

PgStatus BatchWriter::SendLetters(int* statements) {
  const NewLetterColumns& columns = core_.letters_columns();
  const std::string sql = InsertLettersSql(core_.letters_table(), columns);
  Params params;
  PgStatus status;
  for (std::size_t next = 0; status.ok() && next < letters_.size(); ++*statements) {
    next = letters_.Fill(next, columns, &params);
    status = connection_->SendQuery(sql, params);
  }
  return status;
}

PgStatus BatchWriter::SendSettled(const Work& work, int* statements) {
  const ReplayedLetters replayed(work.meta, letters_.all());
  return replayed.Send(*connection_, core_.letters_table(), statements);
}

BatchWriter::End BatchWriter::ReadCommit(Work& work, int statements) {
  const int commit = statements - 1;
  const int step = work.steps.empty() ? -1 : commit - 1;
  int at = 0;
  int failed_at = -1;
  PgStatus failed;
  bool committed = false;
  for (bool done = false; !done;) {
    Result result;
    PgStatus status = connection_->Next(&result);
    if (!status.ok()) {
      if (failed_at >= 0 && failed_at < commit) return Failed(std::move(failed));
      return {.kind = End::Kind::kInDoubt, .error = std::move(status), .final = {}};
    }
    if (!result) {
      ++at;
      continue;
    }
    done = result.status() == PGRES_PIPELINE_SYNC;
    committed |= result.status() == PGRES_COMMAND_OK && at == commit && result.Tag() == "COMMIT";
    if (result.status() == PGRES_FATAL_ERROR && failed_at < 0) {
      failed = connection_->ErrorOf(result);
      failed_at = at;
      if (failed.error().connection_lost) break;
    }
  }
  if (committed) {
    // COMMIT is done; a pipeline that cannot be left costs only the session.
    if (PgStatus status = connection_->FinishPipeline(); !status.ok()) connection_->Close();
    return {};
  }
  if (failed_at < 0) return Failed(PgError{.sqlstate = "40000", .message = "COMMIT rolled back"});
  if (failed_at == commit && LeavesCommitInDoubt(failed.error())) {
    return {.kind = End::Kind::kInDoubt, .error = std::move(failed), .final = {}};
  }
  if (failed.error().connection_lost) return Failed(std::move(failed));
  if (PgStatus status = connection_->FinishPipeline(); !status.ok())
    return Failed(std::move(status));
  if (failed_at == step && failed.error().sqlstate == "22012") {
    return {.kind = End::Kind::kMoved, .error = std::move(failed), .final = {}};
  }
  if (core_.options().dead_letters.replay && failed_at < commit &&
      failed.error().sqlstate == "22012") {
    return Final(absl::AbortedError(
        "dead letter table " + core_.letters_table().Display() +
        ": letters of this batch were replayed or removed by someone else meanwhile; nothing of it "
        "was written. Start the replay again: it takes what is still there"));
  }
  if (failed_at == commit && BlamesRow(failed.error()) && !work.immediate) {
    work.immediate = true;  // a deferred constraint: have each statement check it, to find the row
    return {.kind = End::Kind::kYield, .error = {}, .final = {}};
  }
  return Failed(std::move(failed));
}

}  // namespace tsingest::postgres
