// CommitOrder: lets parallel writers write at the same time and commit one after the other.
#ifndef TSINGEST_PIPELINE_COMMIT_ORDER_H_
#define TSINGEST_PIPELINE_COMMIT_ORDER_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

// The batches in flight, in the order they were taken. A batch may commit when every earlier one is
// finished (committed or given up):
//
//     batch 7  COPY ──────── Wait ─ commit ─ Finish
//     batch 8  COPY ── Wait ················ commit ─ Finish
//     batch 9     COPY ───────── Wait ················ commit ─ Finish
//
// Waiting batches hold open transactions. Should batch 7 need a row lock that batch 8 holds,
// neither could go on: 7 waits for 8's lock, 8 for its turn. So when 7 reports a lock, 8 and 9 are
// told to yield: they roll back, wait without locks, and are written anew once it is their turn.
//
// Thread-safe. One gate (BatchGate) per batch is lent to its writer.
class CommitOrder {
 public:
  using Turn = CommitGate::Turn;

  // A batch enters, behind all others. `sequence` is one more than that of the batch before.
  void Enter(std::uint64_t sequence, std::span<const StreamRange> ranges) {
    MutexLock lock(&mutex_);
    if (entries_.empty()) first_ = sequence;
    Entry entry;
    for (const StreamRange& range : ranges) entry.streams.push_back(range.stream);
    entries_.push_back(std::move(entry));
  }

  // The batch is committed or given up: the next one may go.
  void Finish(std::uint64_t sequence) {
    MutexLock lock(&mutex_);
    At(sequence).finished = true;
    while (!entries_.empty() && entries_.front().finished) {
      entries_.pop_front();
      ++first_;
    }
    changed_.SignalAll();
  }

  // See CommitGate::Wait().
  Turn Wait(std::uint64_t sequence, bool holding_locks) {
    MutexLock lock(&mutex_);
    for (;; changed_.Wait(&mutex_)) {
      if (IsCancelled(sequence)) return Turn::kCancel;
      if (sequence == first_) return Turn::kGo;
      if (holding_locks && IsAskedToYield(sequence)) {
        yields_.fetch_add(1, std::memory_order_relaxed);
        return Turn::kYield;
      }
    }
  }

  // Before a batch is begun: returns at once unless an earlier batch waits for a lock; then, when
  // it is this batch's turn. Else its new locks could block the earlier batch again.
  Turn WaitToBegin(std::uint64_t sequence) {
    {
      MutexLock lock(&mutex_);
      if (IsCancelled(sequence)) return Turn::kCancel;
      if (!IsAskedToYield(sequence)) return Turn::kGo;
    }
    return Wait(sequence, /*holding_locks=*/false);
  }

  // See CommitGate. Lasts until the batch is finished.
  void AskOthersToYield(std::uint64_t sequence) {
    MutexLock lock(&mutex_);
    At(sequence).waits_for_lock = true;
    changed_.SignalAll();
  }

  bool Cancelled(std::uint64_t sequence) const {
    MutexLock lock(&mutex_);
    return IsCancelled(sequence);
  }

  // Waits for `length`, or until the batch is cancelled.
  void Backoff(std::uint64_t sequence, Duration length) {
    MutexLock lock(&mutex_);
    retries_.fetch_add(1, std::memory_order_relaxed);
    constexpr Duration kLongest = std::chrono::hours(24);
    const MonotonicTime until = std::chrono::steady_clock::now() + std::min(length, kLongest);
    while (!IsCancelled(sequence)) {
      if (changed_.WaitUntil(&mutex_, until)) return;
    }
  }

  // Every batch in flight, and every later one, is to be given up.
  void CancelAll() {
    MutexLock lock(&mutex_);
    cancel_from_ = 0;
    changed_.SignalAll();
  }

  // Every batch behind this one is to be given up: it could not be written, so none may follow.
  void CancelAfter(std::uint64_t sequence) {
    MutexLock lock(&mutex_);
    cancel_from_ = std::min(cancel_from_, sequence + 1);
    changed_.SignalAll();
  }

  // These streams are lost. Batches in flight that have them are cancelled until TakeLostStreams().
  void LoseStreams(std::span<const StreamId> streams) {
    MutexLock lock(&mutex_);
    for (Entry& entry : entries_) {
      for (const StreamId stream : streams) {
        if (!entry.finished && Contains(entry.streams, stream) && !Contains(entry.lost, stream)) {
          entry.lost.push_back(stream);
        }
      }
    }
    changed_.SignalAll();
  }

  // The streams that the batch was cancelled for; it goes on without them. Empty: it was cancelled
  // as a whole, or not at all.
  std::vector<StreamId> TakeLostStreams(std::uint64_t sequence) {
    MutexLock lock(&mutex_);
    if (sequence >= cancel_from_) return {};
    Entry& entry = At(sequence);
    std::erase_if(entry.streams, [&](StreamId stream) { return Contains(entry.lost, stream); });
    return std::exchange(entry.lost, {});
  }

  // Whether a batch in flight has one of these streams.
  bool InFlight(std::span<const StreamId> streams) const {
    MutexLock lock(&mutex_);
    return std::ranges::any_of(entries_, [&](const Entry& entry) {
      return !entry.finished && std::ranges::any_of(streams, [&](StreamId stream) {
        return Contains(entry.streams, stream);
      });
    });
  }

  // Waits between attempts, and transactions rolled back to let an earlier batch pass.
  std::uint64_t retries() const { return retries_.load(std::memory_order_relaxed); }
  std::uint64_t yields() const { return yields_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::vector<StreamId> streams;
    std::vector<StreamId> lost;
    bool finished = false;
    bool waits_for_lock = false;
  };

  static bool Contains(const std::vector<StreamId>& streams, StreamId stream) {
    return std::ranges::find(streams, stream) != streams.end();
  }
  Entry& At(std::uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return entries_[sequence - first_];
  }
  bool IsCancelled(std::uint64_t sequence) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return sequence >= cancel_from_ || !entries_[sequence - first_].lost.empty();
  }
  bool IsAskedToYield(std::uint64_t sequence) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (std::uint64_t i = first_; i < sequence; ++i) {
      const Entry& earlier = entries_[i - first_];
      if (earlier.waits_for_lock && !earlier.finished) return true;
    }
    return false;
  }

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t first_ ABSL_GUARDED_BY(mutex_) = 1;  // sequence of entries_.front()
  std::uint64_t cancel_from_ ABSL_GUARDED_BY(mutex_) = ~std::uint64_t{0};
  std::atomic<std::uint64_t> retries_{0};
  std::atomic<std::uint64_t> yields_{0};
};

// One batch's view of the order, as writers see it. Used by the thread that writes the batch.
class BatchGate final : public CommitGate {
 public:
  BatchGate(CommitOrder& order, std::uint64_t sequence) : order_(order), sequence_(sequence) {}

  Turn Wait(bool holding_locks) override { return order_.Wait(sequence_, holding_locks); }
  void AskOthersToYield() override { order_.AskOthersToYield(sequence_); }
  bool Cancelled() const override { return order_.Cancelled(sequence_); }
  void Backoff(Duration length) override { order_.Backoff(sequence_, length); }

 private:
  CommitOrder& order_;
  const std::uint64_t sequence_;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_COMMIT_ORDER_H_
