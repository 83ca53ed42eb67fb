// Delivery<M>: everything that happens to a batch after it was taken from the batcher.
#ifndef TSINGEST_PIPELINE_INTERNAL_DELIVERY_H_
#define TSINGEST_PIPELINE_INTERNAL_DELIVERY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/budget.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/ack_tracker.h"
#include "tsingest/pipeline/batcher.h"
#include "tsingest/pipeline/commit_order.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/pipeline/source.h"
#include "tsingest/pipeline/writer_pool.h"

namespace tsingest::internal {

// Hands batches to the writers, and when they come back acknowledges to the source what is durable
// without a gap, and gives the batch back to the batcher. Members belong to the polling thread, but
// for Wake() and CancelAll(), which are thread-safe.
template <class M>
class Delivery {
 public:
  Delivery(Source& source, Batcher<M>& batcher, ByteBudget& budget, PipelineCounters& counters,
           PipelineObserver& observer, Clock& clock)
      : source_(source),
        batcher_(batcher),
        budget_(budget),
        counters_(counters),
        observer_(observer),
        pool_(order_, counters, clock) {}

  // Makes `count` writers and starts their threads.
  absl::Status Start(Sink<M>& sink, int count) {
    std::vector<std::unique_ptr<SinkWriter<M>>> writers;
    for (int i = 0; i < count; ++i) {
      absl::StatusOr<std::unique_ptr<SinkWriter<M>>> writer = sink.NewWriter();
      if (!writer.ok()) return writer.status();
      writers.push_back(*std::move(writer));
    }
    return pool_.Start(std::move(writers), {.group_consumer = source_.IsGroupConsumer(),
                                            .on_done = [this] { source_.Wake(); },
                                            .observer = &observer_});
  }
  void Stop() { pool_.Stop(); }

  absl::Status AddStream(StreamId stream, std::int64_t first) {
    return tracker_.AddStream(stream, first);
  }
  // Completions of the stream's batches are ignored from now on.
  void DropStream(StreamId stream) { tracker_.DropStream(stream).IgnoreError(); }

  // Takes over a batch that the batcher has numbered. After a failure it is given up at once.
  void Submit(std::unique_ptr<Batch<M>> batch, FlushReason reason) {
    for (const StreamRange& range : batch->meta.ranges) {
      if (absl::Status status = tracker_.Begin(range); !status.ok()) Fail(std::move(status));
    }
    counters_.AddFlush(reason);
    const std::size_t held = batch->HeldBytes();
    budget_.Charge(static_cast<std::int64_t>(held));
    pool_.Submit({.batch = std::move(batch), .reason = reason, .held_bytes = held, .status = {}});
  }

  // Acknowledges what has become durable; notes failures.
  void Settle() {
    std::unordered_map<StreamId, std::int64_t> durable;
    for (WriteJob<M>& job : pool_.TakeDone()) {
      budget_.Release(static_cast<std::int64_t>(job.held_bytes));
      if (!job.status.ok()) {
        Fail(job.status);
        continue;
      }
      for (const StreamRange& range : job.batch->meta.ranges) Complete(range, durable);
      Recycle(std::move(job));
    }
    for (const auto& [stream, next] : durable) Acknowledge(stream, next);
  }

  // Streams that the sink refused as fenced since the last call.
  std::vector<StreamId> TakeFenced() { return pool_.TakeFenced(); }

  // Streams that are lost: batches in flight go on without them.
  void LoseStreams(std::span<const StreamId> streams) { order_.LoseStreams(streams); }
  bool InFlight(std::span<const StreamId> streams) const { return order_.InFlight(streams); }

  // Waits until a batch comes back, Wake(), or the timeout; then settles.
  void WaitAndSettle(Duration timeout) {
    if (timeout > Duration::zero()) pool_.WaitForDone(timeout);
    Settle();
  }

  void Wake() { pool_.Wake(); }
  void CancelAll() { order_.CancelAll(); }

  std::size_t in_flight() const { return pool_.in_flight(); }
  std::size_t queued() const { return pool_.queued(); }
  // The first thing that cannot be mended; OK while there is none.
  const absl::Status& failure() const { return failure_; }
  // Nothing after what is in flight may be written. Keeps the first status that tells something.
  void Fail(absl::Status status) {
    if (failure_.ok() || (absl::IsCancelled(failure_) && !absl::IsCancelled(status))) {
      failure_ = std::move(status);
    }
  }

  std::uint64_t retries() const { return order_.retries(); }
  std::uint64_t yields() const { return order_.yields(); }

 private:
  void Complete(const StreamRange& range, std::unordered_map<StreamId, std::int64_t>& durable) {
    if (!tracker_.HasStream(range.stream)) return;  // revoked meanwhile: written all the same
    absl::StatusOr<std::optional<std::int64_t>> next = tracker_.Complete(range);
    if (!next.ok()) return Fail(next.status());
    if (next->has_value()) durable[range.stream] = **next;
  }

  void Acknowledge(StreamId stream, std::int64_t next) {
    absl::Status status = source_.Commit(stream, next);
    if (status.ok()) return;
    counters_.AddCommitFailure();
    observer_.OnCommitFailed(source_.StreamName(stream), status);
  }

  // Memory that one large message has made is not kept.
  void Recycle(WriteJob<M> job) {
    const auto held = static_cast<std::int64_t>(job.batch->HeldBytes());
    if (held <= budget_.limit() / 8 || budget_.HasRoom(held)) batcher_.Reuse(std::move(job.batch));
  }

  Source& source_;
  Batcher<M>& batcher_;
  ByteBudget& budget_;
  PipelineCounters& counters_;
  PipelineObserver& observer_;
  CommitOrder order_;
  AckTracker tracker_;
  absl::Status failure_;
  WriterPool<M> pool_;  // last: its threads use what stands above
};

}  // namespace tsingest::internal

#endif  // TSINGEST_PIPELINE_INTERNAL_DELIVERY_H_
