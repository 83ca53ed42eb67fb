// BatchWriter: one batch, one transaction, however many attempts it takes.
#ifndef TSINGEST_SRC_SINK_POSTGRES_BATCH_WRITER_H_
#define TSINGEST_SRC_SINK_POSTGRES_BATCH_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sink/postgres/connection.h"
#include "sink/postgres/core.h"
#include "sink/postgres/letters.h"
#include "sink/postgres/replayed_letters.h"
#include "sink/postgres/row_writer.h"
#include "tsingest/base/retry.h"
#include "tsingest/sink/postgres_core.h"

namespace tsingest::postgres {

//   BEGIN; COPY           one round trip
//   rows
//   "COPY n"              n is compared with what was sent
//   gate                  earlier batches commit first
//   dead letters, ledger step, COMMIT     one round trip
//
// When the connection breaks behind COMMIT, what became of it is read from the ledger.
class BatchWriter final : public RowsWriter {
 public:
  explicit BatchWriter(SinkCore::Impl& core);
  ~BatchWriter() override;

  absl::StatusOr<WriteResult> Write(const EncodedRows& rows, const BatchMeta& meta,
                                    CommitGate& gate) override;

 private:
  // How an attempt ended.
  struct End {
    enum class Kind : std::uint8_t {
      kDone,     // committed
      kYield,    // told to step back; not committed
      kFailed,   // `error`; not committed
      kInDoubt,  // `error`; perhaps committed
      kMoved,    // a ledger row was not as expected; not committed
      kFinal,    // `final`: nothing more to try
    };
    Kind kind = Kind::kDone;
    PgStatus error;
    absl::Status final;
  };
  static End Failed(PgStatus error) {
    return {.kind = End::Kind::kFailed, .error = std::move(error), .final = {}};
  }
  static End Final(absl::Status status) {
    return {.kind = End::Kind::kFinal, .error = {}, .final = std::move(status)};
  }

  // Rows of the last attempt that were refused for a reason that is perhaps not theirs.
  struct Suspects {
    std::vector<std::pair<std::uint32_t, std::string>> rows;  // number, SQLSTATE
    std::uint64_t since = 0;                                  // see RowMemory::Now()
  };

  // The batch being written, as far as attempts share it.
  struct Work {
    const EncodedRows& encoded;
    const BatchMeta& meta;
    CommitGate& gate;
    std::vector<LedgerStep> steps{};

    // How to write it.
    Proof proof = Proof::kLedger;
    bool ordered = true;      // in the order of batches
    bool has_turn = false;    // every earlier batch is committed
    bool wait_first = false;  // … which is to be so before the transaction begins
    bool expects_conflicts = false;
    bool immediate = false;  // deferred constraints are checked by each statement
    std::size_t max_rows = 0;
    int miscounts = 0;
    Suspects suspects{};
    bool others_taken = false;  // the table has taken other rows since it refused those

    // The rows as they are sent, made for `loaded`.
    std::shared_ptr<const Loaded> loaded{};
    bool arranged = false;
    Rows rows{};
    bool compress = false;
    std::vector<BadRow> prechecked{};

    RowsOutcome outcome{};
    std::set<std::string> letters_stored{};  // in an external store, which no rollback undoes
    std::string xact{};
    bool in_doubt = false;  // a session that is lost may still commit
  };

  // A session, so that its remains can be found from another one.
  struct SessionInfo {
    std::string server_start{};
    std::int64_t pid = 0;
    std::string backend_start{};
  };

  bool NeedsOrder() const;
  End Attempt(Work& work);
  PgStatus Ready(Work& work, absl::Status* fits);
  PgStatus Load(Work& work, absl::Status* fits);
  PgStatus StartSession();
  void Arrange(Work& work);
  void Reorder(Work& work, std::span<const std::uint32_t> order);
  PgStatus PutRows(Work& work);
  End TakeTurn(Work& work, bool holding_locks);
  void ShareConnection();
  End Commit(Work& work);
  PgStatus StoreLetters(Work& work);
  PgStatus SendCommit(Work& work, int* statements);
  PgStatus SendLetters(int* statements);
  PgStatus SendSettled(const Work& work, int* statements);
  End ReadCommit(Work& work, int statements);

  // batch_verdicts.cc
  PgStatus SettleConflicts(Work& work);
  End CheckUnclear(Work& work, std::uint64_t began);
  bool TakesOthers(const Work& work);
  void KeepARow(const Work& work);

  // batch_proof.cc
  Proof ProofFor(const BatchMeta& meta) const;
  const Ledger& LedgerOf(const Work& work) const;
  const std::string& TokenOwner() const { return core_.token_ledger().process(); }
  PgStatus StartToken();
  void NewToken();
  void ForgetToken();
  void GiveUp(const Work& work);

  // batch_recovery.cc
  End React(Work& work, End end);
  void Wait(Work& work, const PgError& error);
  void Rollback();
  End AfterMove(Work& work);
  End Resolve(Work& work, const PgError& error);
  End ResolveByLedger(Work& work);
  End ResolveByXact(Work& work);
  End Judge(const Work& work, const LedgerState& state) const;
  void LeaveSession();
  void EndOldSession();

  SinkCore::Impl& core_;
  const int number_;
  std::unique_ptr<Connection> connection_;
  RowWriter row_writer_;
  Backoff backoff_;
  bool reload_ = false;        // the catalog may have changed
  std::uint64_t session_ = 0;  // of the connection, that StartSession() has seen
  SessionInfo session_info_;
  SessionInfo old_session_;           // the last one that was lost
  std::int64_t token_position_ = -1;  // kToken: commits so far; -1: no row yet
  std::string token_stream_;
  int tokens_ = 0;
  std::vector<std::string> old_tokens_;  // rows to be removed
  ByteBuffer arranged_;
  std::vector<std::size_t> arranged_ends_;
  std::vector<std::uint32_t> arranged_numbers_;
  Letters letters_;
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_BATCH_WRITER_H_
