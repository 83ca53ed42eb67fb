// A transactional sink in memory: what a database does to a writer, on demand.
#ifndef TSINGEST_TESTS_SUPPORT_FAKE_SINK_H_
#define TSINGEST_TESTS_SUPPORT_FAKE_SINK_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "support/test_row.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/fence.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest::testing {

enum class Fault : std::uint8_t {
  kNone,
  kUnavailable,    // fails before anything is sent, heals
  kLostCommit,     // the connection breaks during COMMIT, which did not happen
  kLostAnswer,     // the connection breaks during COMMIT, which did happen
  kConfiguration,  // can never work: kFailedPrecondition
  kBadAccount,     // writes, but answers for one row too many: a fault of the sink
  kGivesUp,        // returns kCancelled although nobody has cancelled: a fault of the sink
};

// What is durable, and who owns which stream. Outlives the sinks: several of them, one after the
// other or at the same time, are runs and instances. Thread-safe.
class FakeDatabase {
 public:
  struct Position {
    std::int64_t next = 0;
    std::string detail = {};
  };
  struct Letter {
    std::string stream = {};
    std::int64_t position = 0;
    std::string code = {};
    std::string reason = {};
    std::string payload = {};
    friend bool operator==(const Letter&, const Letter&) = default;
  };
  // What one batch would make durable.
  struct Transaction {
    int owner = 0;
    std::vector<std::pair<std::string, StreamRange>> ranges;  // with the stream's name
    std::vector<std::int64_t> ids;
    std::vector<Letter> letters;
  };

  int NewOwner() { return ++owners_; }

  // All of them at once: of two instances that claim the same streams one has them all.
  std::vector<std::optional<Position>> Claim(std::span<const StreamClaim> claims, int owner) {
    MutexLock lock(&mutex_);
    std::vector<std::optional<Position>> out;
    for (const StreamClaim& claim : claims) {
      owners_of_[claim.name] = owner;
      const auto it = positions_.find(claim.name);
      if (it != positions_.end()) it->second.detail = claim.detail;
      out.push_back(it == positions_.end() ? std::nullopt : std::optional(it->second));
    }
    return out;
  }
  // False: another one has claimed the stream meanwhile.
  bool SetInitial(const std::string& stream, Position position, int owner) {
    MutexLock lock(&mutex_);
    if (owners_of_[stream] != owner) return false;
    positions_[stream] = std::move(position);
    return true;
  }

  // Takes row locks on all ids, or none: false, another transaction has one of them.
  bool TryLock(const void* transaction, std::span<const std::int64_t> ids) {
    MutexLock lock(&mutex_);
    for (const std::int64_t id : ids) {
      const auto it = locks_.find(id);
      if (it != locks_.end() && it->second != transaction) return false;
    }
    for (const std::int64_t id : ids) locks_[id] = transaction;
    return true;
  }
  void Unlock(const void* transaction) {
    MutexLock lock(&mutex_);
    std::erase_if(locks_, [&](const auto& entry) { return entry.second == transaction; });
  }

  // All or nothing. kAborted: a stream is not the owner's any more.
  absl::StatusOr<WriteResult> Commit(const Transaction& transaction, bool unique_ids) {
    MutexLock lock(&mutex_);
    std::vector<StreamId> fenced;
    for (const auto& [name, range] : transaction.ranges) {
      const Position& stored = positions_[name];
      if (owners_of_[name] != transaction.owner || stored.next != range.first) {
        fenced.push_back(range.stream);
      }
    }
    if (!fenced.empty()) return FencedError(fenced, "another instance has claimed the stream");
    WriteResult result;
    for (const std::int64_t id : transaction.ids) {
      if (unique_ids && !unique_.insert(id).second) {
        ++result.deduplicated;
      } else {
        rows_.push_back(id);
        ++result.written;
      }
    }
    for (const auto& [name, range] : transaction.ranges) positions_[name].next = range.next;
    letters_.insert(letters_.end(), transaction.letters.begin(), transaction.letters.end());
    result.dead_lettered = transaction.letters.size();
    result.bytes = transaction.ids.size() * sizeof(std::int64_t);
    ++commits_;
    return result;
  }

  std::optional<std::int64_t> StoredNext(const std::string& stream) const {
    MutexLock lock(&mutex_);
    const auto it = positions_.find(stream);
    if (it == positions_.end()) return std::nullopt;
    return it->second.next;
  }
  std::string StoredDetail(const std::string& stream) const {
    MutexLock lock(&mutex_);
    return positions_.at(stream).detail;
  }
  std::vector<std::int64_t> Rows() const {
    MutexLock lock(&mutex_);
    return rows_;
  }
  std::vector<std::int64_t> SortedRows() const {
    std::vector<std::int64_t> rows = Rows();
    std::ranges::sort(rows);
    return rows;
  }
  std::vector<Letter> Letters() const {
    MutexLock lock(&mutex_);
    return letters_;
  }
  std::size_t commits() const {
    MutexLock lock(&mutex_);
    return commits_;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, Position> positions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> owners_of_ ABSL_GUARDED_BY(mutex_);  // by stream
  std::vector<std::int64_t> rows_ ABSL_GUARDED_BY(mutex_);
  std::set<std::int64_t> unique_ ABSL_GUARDED_BY(mutex_);
  std::vector<Letter> letters_ ABSL_GUARDED_BY(mutex_);
  std::map<std::int64_t, const void*> locks_ ABSL_GUARDED_BY(mutex_);
  std::size_t commits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<int> owners_{0};
};

struct FakeSinkOptions {
  bool transactional = true;
  std::size_t preferred_batch_rows = kDefaultBatchRows;
  bool unique_ids = false;  // ids are a unique key: locks while a transaction is open, then skipped
  // A row with this id is refused by the server and becomes a dead letter.
  std::optional<std::int64_t> poison_id = {};
};

class FakeSink final : public Sink<TestRow> {
 public:
  explicit FakeSink(FakeDatabase& database, FakeSinkOptions options = {})
      : database_(database), options_(options), owner_(database.NewOwner()) {}

  // ---- for tests, set before the run; called by writer threads ----

  // What befalls an attempt (0, 1 …) at a batch.
  std::function<Fault(std::uint64_t sequence, int attempt)> fault;
  // Called when the rows are sent and locked, before the writer waits at the gate.
  std::function<void(std::uint64_t sequence)> on_sent;
  // Called right before the commit.
  std::function<void(const BatchMeta&)> on_commit;
  absl::Status open_status;
  absl::Status claim_status;
  std::function<void()> on_claim;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> closed{false};
  std::atomic<int> lock_conflicts{0};

  absl::Status Open() override { return open_status; }
  absl::StatusOr<std::unique_ptr<SinkWriter<TestRow>>> NewWriter() override {
    return std::make_unique<Writer>(*this);
  }
  std::size_t PreferredBatchRows() const override { return options_.preferred_batch_rows; }
  bool Transactional() const override { return options_.transactional; }

  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    if (on_claim) on_claim();
    if (!claim_status.ok()) return claim_status;
    MutexLock lock(&mutex_);
    for (const StreamClaim& claim : streams) claims_[claim.stream] = claim;
    std::vector<std::optional<StoredPosition>> out(streams.size());
    if (!options_.transactional) return out;
    const auto stored = database_.Claim(streams, owner_);
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (stored[i].has_value()) out[i] = StoredPosition{stored[i]->next, stored[i]->detail};
    }
    return out;
  }
  absl::Status SetInitial(StreamId stream, std::int64_t next) override {
    MutexLock lock(&mutex_);
    const StreamClaim& claim = claims_.at(stream);
    if (!options_.transactional) return absl::OkStatus();
    if (database_.SetInitial(claim.name, {next, claim.detail}, owner_)) return absl::OkStatus();
    return FencedError({&stream, 1}, "another instance has claimed the stream");
  }
  void Cancel() override { cancelled = true; }
  absl::Status Health() const override {
    MutexLock lock(&mutex_);
    return health_;
  }
  absl::Status Close() override {
    closed = true;
    return absl::OkStatus();
  }
  void SetHealth(absl::Status health) {
    MutexLock lock(&mutex_);
    health_ = std::move(health);
  }

 private:
  class Writer final : public SinkWriter<TestRow> {
   public:
    explicit Writer(FakeSink& sink) : sink_(sink) {}

    absl::StatusOr<WriteResult> Write(Batch<TestRow>& batch, CommitGate& gate) override {
      for (int attempt = 0; !gate.Cancelled(); ++attempt) {
        const Fault now = sink_.fault ? sink_.fault(batch.meta.sequence, attempt) : Fault::kNone;
        absl::StatusOr<WriteResult> result = Attempt(batch, gate, now);
        sink_.database_.Unlock(this);
        if (result.ok() || !absl::IsUnavailable(result.status())) return result;
        gate.Backoff(std::chrono::microseconds(200));
      }
      return absl::CancelledError("told to");
    }

   private:
    // kUnavailable: try again.
    absl::StatusOr<WriteResult> Attempt(Batch<TestRow>& batch, CommitGate& gate, Fault now) {
      const absl::Status lost = absl::UnavailableError("server closed the connection");
      if (now == Fault::kUnavailable) return lost;
      if (now == Fault::kConfiguration) return absl::FailedPreconditionError("no such table");
      if (now == Fault::kGivesUp) return absl::CancelledError("had enough");
      const FakeDatabase::Transaction transaction = sink_.Begin(batch);
      if (sink_.options_.unique_ids && !sink_.database_.TryLock(this, transaction.ids)) {
        ++sink_.lock_conflicts;
        gate.AskOthersToYield();
        return absl::UnavailableError("canceling statement due to lock timeout");
      }
      if (sink_.on_sent) sink_.on_sent(batch.meta.sequence);
      if (sink_.options_.transactional) {
        const CommitGate::Turn turn = gate.Wait(/*holding_locks=*/true);
        if (turn == CommitGate::Turn::kCancel) return absl::CancelledError("told to");
        if (turn == CommitGate::Turn::kYield) {
          sink_.database_.Unlock(this);
          gate.Wait(/*holding_locks=*/false);
          return absl::UnavailableError("yielded");
        }
      }
      if (sink_.on_commit) sink_.on_commit(batch.meta);
      if (now == Fault::kLostCommit) return lost;
      absl::StatusOr<WriteResult> result =
          sink_.database_.Commit(transaction, sink_.options_.unique_ids);
      if (now == Fault::kLostAnswer && !sink_.IsStored(transaction)) return lost;
      if (now == Fault::kBadAccount && result.ok()) ++result->written;
      return result;
    }

    FakeSink& sink_;
  };

  FakeDatabase::Transaction Begin(const Batch<TestRow>& batch) const {
    FakeDatabase::Transaction transaction{.owner = owner_, .ranges = {}, .ids = {}, .letters = {}};
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
      if (batch.rows[i].id != options_.poison_id) {
        transaction.ids.push_back(batch.rows[i].id);
        continue;
      }
      transaction.letters.push_back(
          MakeLetter(batch.meta.messages.at(batch.row_message.at(i)), "23514", "refused"));
    }
    for (const RejectedMessage& reject : batch.meta.rejects) {
      transaction.letters.push_back(MakeLetter(batch.meta.messages.at(reject.message),
                                               RejectSlug(reject.code), reject.reason));
    }
    for (const StreamRange& range : batch.meta.ranges) {
      if (options_.transactional) transaction.ranges.emplace_back(NameOf(range.stream), range);
    }
    return transaction;
  }

  FakeDatabase::Letter MakeLetter(const MessageRecord& message, std::string_view code,
                                  std::string_view reason) const {
    return {.stream = NameOf(message.position.stream),
            .position = message.position.offset,
            .code = std::string(code),
            .reason = std::string(reason),
            .payload = std::string(message.payload)};
  }

  std::string NameOf(StreamId stream) const {
    MutexLock lock(&mutex_);
    const auto it = claims_.find(stream);
    return it == claims_.end() ? "?" : it->second.name;
  }

  // Reads the positions back, as after a lost answer to COMMIT.
  bool IsStored(const FakeDatabase::Transaction& transaction) const {
    return std::ranges::all_of(transaction.ranges, [&](const auto& entry) {
      return database_.StoredNext(entry.first) == entry.second.next;
    });
  }

  FakeDatabase& database_;
  const FakeSinkOptions options_;
  const int owner_;
  mutable Mutex mutex_;
  std::map<StreamId, StreamClaim> claims_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_FAKE_SINK_H_
