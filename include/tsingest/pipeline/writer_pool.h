// WriterPool<M>: the threads that write batches.
#ifndef TSINGEST_PIPELINE_WRITER_POOL_H_
#define TSINGEST_PIPELINE_WRITER_POOL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/commit_order.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/fence.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/pipeline/remove_streams.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

// A batch on its way through a writer and back.
template <class M>
struct WriteJob {
  std::unique_ptr<Batch<M>> batch = {};
  FlushReason reason = FlushReason::kRows;
  std::size_t held_bytes = 0;  // charged to the memory budget
  // Set when it comes back. OK: what is left in the batch is durable. kCancelled: given up, nothing
  // of it is visible. Else: why the run must end.
  absl::Status status = {};
};

// Takes batches in order and writes them with N threads that commit in that order. Batches that
// lose a stream (revoked, or fenced while `group_consumer`) go on without it.
//
// Threads: Submit(), TakeDone(), WaitForDone(), Start() and Stop() belong to the polling thread;
// Wake() is thread-safe.
template <class M>
class WriterPool {
 public:
  struct Options {
    bool group_consumer = false;    // Source::IsGroupConsumer()
    std::function<void()> on_done;  // called by writers after each batch; thread-safe
    PipelineObserver* observer = nullptr;
  };

  // Borrows all that is given by reference.
  WriterPool(CommitOrder& order, PipelineCounters& counters, Clock& clock)
      : order_(order), counters_(counters), clock_(clock) {}
  ~WriterPool() { Stop(); }
  WriterPool(const WriterPool&) = delete;
  WriterPool& operator=(const WriterPool&) = delete;

  // Starts one thread per writer. kResourceExhausted: the system gives no more threads.
  absl::Status Start(std::vector<std::unique_ptr<SinkWriter<M>>> writers, Options options) {
    options_ = std::move(options);
    writers_ = std::move(writers);
    try {
      for (auto& writer : writers_)
        threads_.emplace_back([this, w = writer.get()] { RunWriter(*w); });
    } catch (const std::system_error& error) {
      Stop();
      return absl::ResourceExhaustedError(std::string("cannot start a writer thread: ") +
                                          error.what());
    }
    return absl::OkStatus();
  }

  // Waits until the queue is empty and all writers have returned.
  void Stop() {
    {
      MutexLock lock(&mutex_);
      closing_ = true;
      submitted_.SignalAll();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    writers_.clear();
  }

  // Queues a batch taken from the batcher.
  void Submit(WriteJob<M> job) {
    ++in_flight_;
    order_.Enter(job.batch->meta.sequence, job.batch->meta.ranges);
    MutexLock lock(&mutex_);
    queue_.push_back(std::move(job));
    submitted_.Signal();
  }

  // Batches that have come back since the last call, in the order they did.
  std::vector<WriteJob<M>> TakeDone() {
    MutexLock lock(&mutex_);
    woken_ = false;
    in_flight_ -= done_.size();
    return std::exchange(done_, {});
  }

  // Streams found to be fenced since the last call.
  std::vector<StreamId> TakeFenced() {
    MutexLock lock(&mutex_);
    return std::exchange(fenced_, {});
  }

  // Waits until a batch has come back, Wake() is called, or `timeout` has passed.
  void WaitForDone(Duration timeout) {
    MutexLock lock(&mutex_);
    const MonotonicTime until = std::chrono::steady_clock::now() + timeout;
    while (done_.empty() && !woken_) {
      if (returned_.WaitUntil(&mutex_, until)) break;
    }
    woken_ = false;
  }

  // Ends a WaitForDone(), or the next one.
  void Wake() {
    MutexLock lock(&mutex_);
    woken_ = true;
    returned_.Signal();
  }

  // Batches submitted that TakeDone() has not given back. Polling thread only.
  std::size_t in_flight() const { return in_flight_; }
  // Of these, batches that no writer has begun.
  std::size_t queued() const {
    MutexLock lock(&mutex_);
    return queue_.size();
  }

 private:
  void RunWriter(SinkWriter<M>& writer) {
    for (WriteJob<M> job; NextJob(&job);) {
      const std::uint64_t sequence = job.batch->meta.sequence;
      job.status = WriteJobWith(writer, job);
      if (!job.status.ok()) order_.CancelAfter(sequence);
      GiveBack(std::move(job));
      // After the batch is in `done_`: who sees that it is not in flight any more finds it there.
      order_.Finish(sequence);
      if (options_.on_done) options_.on_done();
    }
  }

  bool NextJob(WriteJob<M>* job) {
    MutexLock lock(&mutex_);
    while (queue_.empty() && !closing_) submitted_.Wait(&mutex_);
    if (queue_.empty()) return false;
    *job = std::move(queue_.front());
    queue_.pop_front();
    return true;
  }

  void GiveBack(WriteJob<M> job) {
    MutexLock lock(&mutex_);
    done_.push_back(std::move(job));
    returned_.Signal();
  }

  // Writes the batch, without the streams that are lost meanwhile.
  absl::Status WriteJobWith(SinkWriter<M>& writer, WriteJob<M>& job) {
    Batch<M>& batch = *job.batch;
    const std::uint64_t sequence = batch.meta.sequence;
    BatchGate gate(order_, sequence);
    while (!batch.empty()) {
      absl::Status status = absl::CancelledError("the batch was given up");
      if (order_.WaitToBegin(sequence) == CommitGate::Turn::kGo) {
        const Attempt attempt{batch.Received(), batch.meta.rejects.size(), clock_.Now()};
        absl::StatusOr<WriteResult> result = writer.Write(batch, gate);
        if (result.ok()) return Account(job, attempt, *result);
        status = result.status();
      }
      NoteFence(status);
      const std::vector<StreamId> lost = order_.TakeLostStreams(sequence);
      if (lost.empty()) return status;
      counters_.AddHandedOver(RemoveStreams(batch, lost));
    }
    return absl::OkStatus();
  }

  // Makes fenced streams lost for all batches in flight, this one among them.
  void NoteFence(const absl::Status& status) {
    if (!absl::IsAborted(status) || !options_.group_consumer) return;
    const std::vector<StreamId> fenced = FencedStreams(status);
    order_.LoseStreams(fenced);
    MutexLock lock(&mutex_);
    fenced_.insert(fenced_.end(), fenced.begin(), fenced.end());
  }

  // What the batch was before the sink saw it.
  struct Attempt {
    std::uint64_t received;
    std::uint64_t rejects;
    MonotonicTime began;
  };

  absl::Status Account(const WriteJob<M>& job, const Attempt& attempt, const WriteResult& result) {
    const MonotonicTime now = clock_.Now();
    const BatchMeta& meta = job.batch->meta;
    if (!counters_.AddWritten(result, attempt.received, attempt.rejects)) {
      return absl::InternalError(
          "batch " + std::to_string(meta.sequence) + ": the sink answered for " +
          std::to_string(result.written) + " written, " + std::to_string(result.deduplicated) +
          " deduplicated and " + std::to_string(result.dead_lettered) + " dead-lettered rows of " +
          std::to_string(attempt.received) + " received, " + std::to_string(attempt.rejects) +
          " of them rejects");
    }
    counters_.ObserveWrite(std::chrono::duration<double>(now - attempt.began).count());
    counters_.ObserveAge(std::chrono::duration<double>(now - meta.opened).count());
    if (options_.observer != nullptr) {
      options_.observer->OnBatchWritten({.sequence = meta.sequence,
                                         .received = attempt.received,
                                         .reason = job.reason,
                                         .result = result,
                                         .write_time = now - attempt.began,
                                         .age = now - meta.opened});
    }
    return absl::OkStatus();
  }

  CommitOrder& order_;
  PipelineCounters& counters_;
  Clock& clock_;
  Options options_;
  std::vector<std::unique_ptr<SinkWriter<M>>> writers_;
  std::vector<std::thread> threads_;
  std::size_t in_flight_ = 0;

  mutable Mutex mutex_;
  CondVar submitted_;
  CondVar returned_;
  std::deque<WriteJob<M>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<WriteJob<M>> done_ ABSL_GUARDED_BY(mutex_);
  std::vector<StreamId> fenced_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_WRITER_POOL_H_
