// BatchWriter's other half: what follows an attempt that did not simply succeed.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "sink/postgres/batch_writer.h"
#include "tsingest/pipeline/fence.h"

namespace tsingest::postgres {
namespace {

constexpr int kMostMiscounts = 3;
constexpr std::size_t kFewestRows = 32;
// A sick database is not asked more often than this.
constexpr std::chrono::milliseconds kSickPause(250);
// Waiting for a lock is ordinary work until it has lasted so many attempts.
constexpr int kPatientAttempts = 4;

std::string Quoted(const std::vector<std::string>& streams) {
  constexpr std::size_t kShown = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(streams.size(), kShown); ++i) {
    out += (i == 0 ? "\"" : ", \"") + streams[i] + "\"";
  }
  if (streams.size() > kShown) out += " and " + std::to_string(streams.size() - kShown) + " more";
  return out;
}

}  // namespace

// Returns kDone or kFinal; anything else: try again.
BatchWriter::End BatchWriter::React(Work& work, End end) {
  switch (end.kind) {
    case End::Kind::kDone:
    case End::Kind::kFinal:
      return end;
    case End::Kind::kYield:
      Rollback();
      return end;
    case End::Kind::kMoved:
      Rollback();
      return AfterMove(work);
    case End::Kind::kInDoubt:
      return Resolve(work, end.error.error());
    case End::Kind::kFailed:
      break;
  }
  const PgError& error = end.error.error();
  if (error.cancelled) {
    connection_->Close();
    return Final(absl::CancelledError("the batch was given up"));
  }
  if (error.sqlstate == kMiscount && ++work.miscounts >= kMostMiscounts) {
    return Final(absl::FailedPreconditionError(error.message));
  }
  if (error.sqlstate == "57014") {  // a timeout, or someone's pg_cancel_backend(): try less at once
    const std::size_t rows = work.max_rows == 0 ? work.rows.size() : work.max_rows;
    work.max_rows = std::max(kFewestRows, rows / 2);
  }
  Wait(work, error);
  return end;
}

// Leaves the session as the error asks for, tells about it, and sleeps.
void BatchWriter::Wait(Work& work, const PgError& error) {
  const Fault fault = Classify(error);
  Duration pause = backoff_.Next();
  bool tell = true;
  PgError told = error;
  if (error.connection_lost) {
    LeaveSession();
  } else if (fault == Fault::kTransient || fault == Fault::kLock) {
    Rollback();
  } else {
    if (error.sqlstate == "42501") {
      Rollback();
      told = core_.WithMend(*connection_, error);
    }
    connection_->Close();  // whatever is mended, a new session sees it
    reload_ = true;
    pause = std::max<Duration>(pause, kSickPause);
  }
  if (fault == Fault::kLock) EndOldSession();
  if (fault == Fault::kLock && backoff_.attempts() > kPatientAttempts && connection_->connected()) {
    core_.EndEarlierOwners(*connection_);
  }
  const bool has_no_connection = error.sqlstate == "53300";  // too many connections
  if (has_no_connection) core_.shares_connections().store(true, std::memory_order_relaxed);
  if ((fault == Fault::kLock || has_no_connection) && work.ordered) {
    core_.locks().NoteConflict();
    work.wait_first = true;
    work.gate.AskOthersToYield();
  }
  if (fault == Fault::kLock) tell = backoff_.attempts() > kPatientAttempts;
  if (tell) core_.ReportSick(number_, told, fault);
  work.gate.Backoff(pause);
}

void BatchWriter::Rollback() {
  if (!connection_->connected()) return;
  if (connection_->Idle()) return;
  // In the middle of a COPY or pipeline there is no telling what comes next.
  if (!connection_->AtRest() || !connection_->Exec("ROLLBACK").ok()) connection_->Close();
}

BatchWriter::End BatchWriter::AfterMove(Work& work) {
  work.in_doubt = true;  // perhaps it was a session of ours that moved it
  End end = ResolveByLedger(work);
  if (end.kind == End::Kind::kFinal && work.proof == Proof::kToken &&
      !absl::IsCancelled(end.final)) {
    NewToken();  // someone has tidied up our row; nothing was committed
    return {.kind = End::Kind::kYield, .error = {}, .final = {}};
  }
  return end;
}

// COMMIT was sent and its answer is lost.
BatchWriter::End BatchWriter::Resolve(Work& work, const PgError& error) {
  LeaveSession();
  work.in_doubt = true;
  if (error.cancelled) return Final(absl::CancelledError("the batch was given up"));
  core_.Log(absl::LogSeverity::kWarning, "the connection broke behind COMMIT (" + error.Text() +
                                             "); looking whether it was done");
  return work.proof == Proof::kXactId ? ResolveByXact(work) : ResolveByLedger(work);
}

BatchWriter::End BatchWriter::ResolveByLedger(Work& work) {
  for (;;) {
    if (work.gate.Cancelled()) return Final(absl::CancelledError("the batch was given up"));
    PgStatus status;
    if (!connection_->connected()) status = connection_->Connect();
    LedgerState state;
    if (status.ok()) {
      status = LedgerOf(work).Look(*connection_, core_.BeginToLook(), work.steps, &state);
    }
    if (status.ok()) return Judge(work, state);
    if (status.error().cancelled) continue;
    Wait(work, status.error());
  }
}

BatchWriter::End BatchWriter::Judge(const Work& work, const LedgerState& state) const {
  const std::string ledger = "ledger \"" + LedgerOf(work).name() + "\"";
  switch (state.kind) {
    case LedgerState::Kind::kAfter:
      return {};
    case LedgerState::Kind::kBefore:
      return {.kind = End::Kind::kYield, .error = {}, .final = {}};
    case LedgerState::Kind::kFenced: {
      std::vector<StreamId> ids;
      for (std::size_t i = 0; i < work.steps.size(); ++i) {
        const bool fenced =
            std::ranges::find(state.streams, work.steps[i].stream) != state.streams.end();
        if (fenced && i < work.meta.ranges.size()) ids.push_back(work.meta.ranges[i].stream);
      }
      return Final(FencedError(
          ids, ledger + ", stream " + Quoted(state.streams) + ": another instance (" + state.owner +
                   ") has claimed it; nothing of this batch was written by this one. Only one "
                   "instance at a time may work on a stream"));
    }
    case LedgerState::Kind::kElsewhere:
      break;
  }
  return Final(absl::FailedPreconditionError(
      ledger + ", stream " + Quoted(state.streams) + ": the stored position " +
      (state.position.empty() ? "is gone" : "is " + state.position) +
      " and fits neither before nor after this batch: someone has changed " +
      std::string(kPositionsTable) + " by hand. Start again; it will go on from what is stored"));
}

// Only a session that was open all the time can tell: see SinkCore::Impl::XactWitness().
BatchWriter::End BatchWriter::ResolveByXact(Work& work) {
  for (;;) {
    if (work.gate.Cancelled()) return Final(absl::CancelledError("the batch was given up"));
    const std::optional<std::string> state =
        core_.XactWitness(work.xact, old_session_.server_start);
    if (state == "committed") return {};
    if (state == "aborted") return {.kind = End::Kind::kYield, .error = {}, .final = {}};
    if (state != "in progress") break;
    if (connection_->connected() || connection_->Connect().ok()) EndOldSession();
    work.gate.Backoff(backoff_.Next());
  }
  return Final(absl::FailedPreconditionError(
      "the server went away while " + std::to_string(work.rows.size()) +
      " rows were being committed, and nothing tells whether they are stored. Look for them in " +
      work.loaded->target.table.name.Display() + "; with the table " + kPositionsTable +
      " (--create makes it) this is found out by itself"));
}

// The connection is lost; what it was connected to perhaps lives on.
void BatchWriter::LeaveSession() {
  if (session_ == connection_->session()) old_session_ = session_info_;
  connection_->Close();
}

// The lost session may live on at the server, holding locks until the network gives up on it.
void BatchWriter::EndOldSession() {
  if (old_session_.pid == 0 || !connection_->connected()) return;
  Params params;
  params.AddInt8(old_session_.pid);
  params.AddText(old_session_.backend_start);
  const PgStatus ended = connection_->Query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 "
      "AND extract(epoch FROM backend_start)::text = $2 AND usename = current_user",
      params, nullptr);
  if (!ended.ok()) core_.Log(absl::LogSeverity::kInfo, ended.error().Text());
}

}  // namespace tsingest::postgres
