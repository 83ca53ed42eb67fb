// How a BatchWriter proves batches that move no position: by a row of its own, which counts them.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sink/postgres/batch_writer.h"

namespace tsingest::postgres {

// Rows that come from no stream move no position: the writer's own row proves them.
Proof BatchWriter::ProofFor(const BatchMeta& meta) const {
  const bool moves_nothing = core_.proof() == Proof::kLedger && meta.ranges.empty();
  return moves_nothing ? Proof::kToken : core_.proof();
}

const Ledger& BatchWriter::LedgerOf(const Work& work) const {
  return work.proof == Proof::kToken ? core_.token_ledger() : core_.ledger();
}

void BatchWriter::GiveUp(const Work& work) {
  Rollback();
  if (work.in_doubt && work.proof == Proof::kToken) NewToken();
}

PgStatus BatchWriter::StartToken() {
  const Ledger::Stream stream{token_stream_, ""};
  std::vector<std::optional<StoredPosition>> stored;
  if (PgStatus status =
          core_.token_ledger().Claim(*connection_, TokenOwner(), {&stream, 1}, &stored);
      !status.ok()) {
    return status;
  }
  bool owned = false;
  const LedgerStep zero{.stream = token_stream_, .next = 0, .owner = TokenOwner()};
  if (PgStatus status = core_.token_ledger().SetPosition(*connection_, zero, &owned);
      !status.ok()) {
    return status;
  }
  if (owned) token_position_ = 0;
  return {};
}

// The next batch is proved by a row of another name: what a lost session may still do to this one
// is not to be taken for it.
void BatchWriter::NewToken() {
  if (token_position_ >= 0) old_tokens_.push_back(token_stream_);
  token_position_ = -1;
  token_stream_ = core_.token() + "/" + std::to_string(number_) + "." + std::to_string(++tokens_);
}

void BatchWriter::ForgetToken() {
  if (!connection_->connected()) return;
  if (token_position_ >= 0) NewToken();
  for (const std::string& token : std::exchange(old_tokens_, {})) {
    const PgStatus forgotten = core_.token_ledger().Forget(*connection_, TokenOwner(), token);
    if (!forgotten.ok()) core_.Log(absl::LogSeverity::kInfo, forgotten.error().Text());
  }
}

}  // namespace tsingest::postgres
