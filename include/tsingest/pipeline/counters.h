// Counters of a pipeline, and the balance that must always hold.
#ifndef TSINGEST_PIPELINE_COUNTERS_H_
#define TSINGEST_PIPELINE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/histogram.h"
#include "tsingest/base/mutex.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/batcher.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

inline constexpr std::size_t kRejectCodes = static_cast<std::size_t>(RejectCode::kServer) + 1;

// Where every row is that was received. Rows; a message that cannot be decoded counts as one.
struct Balance {
  std::uint64_t received = 0;
  std::uint64_t written = 0;
  std::uint64_t deduplicated = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t in_flight = 0;  // in memory, neither written nor recorded
  // Rows of streams that went to another instance before they were written. They are read again
  // there and no longer count as received here.
  std::uint64_t handed_over = 0;

  // Promise 1.
  bool Holds() const { return received == written + deduplicated + dead_lettered + in_flight; }
};

// All counters at one moment. The balance is consistent in itself; the others are each exact and
// may be some nanoseconds apart.
struct CountersSnapshot {
  Balance balance;
  std::uint64_t messages = 0;         // taken from the source
  std::uint64_t payload_bytes = 0;    // of these messages
  std::uint64_t batches = 0;          // written
  std::uint64_t sink_bytes = 0;       // sent to the sink
  std::uint64_t retries = 0;          // waits of writers for a sick sink
  std::uint64_t yields = 0;           // transactions rolled back to let an earlier batch pass
  std::uint64_t commit_failures = 0;  // Source::Commit() that failed; none of them loses anything
  std::uint64_t streams_fenced = 0;   // streams that the sink refused: another instance had them
  std::uint64_t streams_lost = 0;     // streams that the coordinator had given to another instance
  std::uint64_t pauses = 0;           // times the source was paused because the buffer was full
  std::uint64_t open_batch_rows = 0;  // rows and rejects in the batch that is being filled
  std::int64_t buffered_bytes = 0;    // memory of batches at the moment
  std::int64_t buffered_bytes_peak = 0;
  std::array<std::uint64_t, kFlushReasons> flushes{};  // by FlushReason
  std::array<std::uint64_t, kRejectCodes> rejects{};   // by RejectCode
  HistogramSnapshot write_seconds;                     // SinkWriter::Write(), its retries included
  HistogramSnapshot age_seconds;                       // from a batch's first message to its commit
  HistogramSnapshot batch_rows;                        // rows and rejects per batch

  std::uint64_t Rejected() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : rejects) sum += count;
    return sum;
  }
};

// Thread-safe. The balance is changed as a whole, under a lock that is taken per Poll() and per
// batch, never per row, so that every snapshot balances.
class PipelineCounters {
 public:
  // ---- polling thread ----

  // Rows and rejects decoded since the last call. Called before their batch is handed to a writer.
  void AddReceived(std::uint64_t rows) {
    if (rows == 0) return;
    MutexLock lock(&mutex_);
    balance_.received += rows;
    balance_.in_flight += rows;
  }
  void AddMessages(std::uint64_t messages, std::uint64_t payload_bytes) {
    Add(messages_, messages);
    Add(payload_bytes_, payload_bytes);
  }
  void AddReject(RejectCode code) { Add(rejects_[static_cast<std::size_t>(code)], 1); }
  void AddFlush(FlushReason reason) { Add(flushes_[static_cast<std::size_t>(reason)], 1); }
  void SetOpenBatchRows(std::uint64_t rows) {
    open_batch_rows_.store(rows, std::memory_order_relaxed);
  }
  void AddCommitFailure() { Add(commit_failures_, 1); }
  void AddPause() { Add(pauses_, 1); }
  void AddStreamFenced() { Add(streams_fenced_, 1); }
  void AddStreamLost() { Add(streams_lost_, 1); }

  // ---- writer threads ----

  // A batch of `received` rows and rejects, of which `rejects` were found before the sink, is done.
  // False, and nothing is counted: the result does not add up to what was received.
  [[nodiscard]] bool AddWritten(const WriteResult& result, std::uint64_t received,
                                std::uint64_t rejects) {
    if (result.written + result.deduplicated + result.dead_lettered != received) return false;
    if (result.dead_lettered < rejects || !Settle(result, received)) return false;
    Add(batches_, 1);
    Add(sink_bytes_, result.bytes);
    Add(rejects_[static_cast<std::size_t>(RejectCode::kServer)], result.dead_lettered - rejects);
    batch_rows_.Observe(static_cast<double>(received));
    return true;
  }
  // Rows of a stream that another instance has now.
  void AddHandedOver(std::uint64_t rows) {
    MutexLock lock(&mutex_);
    balance_.received -= rows;
    balance_.in_flight -= rows;
    balance_.handed_over += rows;
  }
  void ObserveWrite(double seconds) { write_seconds_.Observe(seconds); }
  void ObserveAge(double seconds) { age_seconds_.Observe(seconds); }

  // ---- any thread ----

  Balance GetBalance() const {
    MutexLock lock(&mutex_);
    return balance_;
  }
  std::uint64_t Rejected() const {
    std::uint64_t sum = 0;
    for (const auto& count : rejects_) sum += count.load(std::memory_order_relaxed);
    return sum;
  }
  CountersSnapshot Snapshot() const {
    CountersSnapshot out;
    out.balance = GetBalance();
    out.messages = Get(messages_);
    out.payload_bytes = Get(payload_bytes_);
    out.batches = Get(batches_);
    out.sink_bytes = Get(sink_bytes_);
    out.commit_failures = Get(commit_failures_);
    out.pauses = Get(pauses_);
    out.streams_fenced = Get(streams_fenced_);
    out.streams_lost = Get(streams_lost_);
    out.open_batch_rows = Get(open_batch_rows_);
    for (std::size_t i = 0; i < kFlushReasons; ++i) out.flushes[i] = Get(flushes_[i]);
    for (std::size_t i = 0; i < kRejectCodes; ++i) out.rejects[i] = Get(rejects_[i]);
    out.write_seconds = write_seconds_.Snapshot();
    out.age_seconds = age_seconds_.Snapshot();
    out.batch_rows = batch_rows_.Snapshot();
    return out;
  }

 private:
  using Counter = std::atomic<std::uint64_t>;
  bool Settle(const WriteResult& result, std::uint64_t received) {
    MutexLock lock(&mutex_);
    if (balance_.in_flight < received) return false;
    balance_.in_flight -= received;
    balance_.written += result.written;
    balance_.deduplicated += result.deduplicated;
    balance_.dead_lettered += result.dead_lettered;
    return true;
  }
  static void Add(Counter& counter, std::uint64_t n) {
    counter.fetch_add(n, std::memory_order_relaxed);
  }
  static std::uint64_t Get(const Counter& counter) {
    return counter.load(std::memory_order_relaxed);
  }

  mutable Mutex mutex_;
  Balance balance_ ABSL_GUARDED_BY(mutex_);
  Counter messages_{0};
  Counter payload_bytes_{0};
  Counter batches_{0};
  Counter sink_bytes_{0};
  Counter commit_failures_{0};
  Counter pauses_{0};
  Counter streams_fenced_{0};
  Counter streams_lost_{0};
  Counter open_batch_rows_{0};
  std::array<Counter, kFlushReasons> flushes_{};
  std::array<Counter, kRejectCodes> rejects_{};
  Histogram<kSecondsBuckets.size()> write_seconds_{kSecondsBuckets};
  Histogram<kSecondsBuckets.size()> age_seconds_{kSecondsBuckets};
  Histogram<kRowsBuckets.size()> batch_rows_{kRowsBuckets};
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_COUNTERS_H_
