// Inserter<M>: rows that a program has in its hands, into a sink, without a source or threads.
#ifndef TSINGEST_PIPELINE_INSERTER_H_
#define TSINGEST_PIPELINE_INSERTER_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/keep.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

struct InserterOptions {
  // A batch is written as soon as it holds so many rows (0: as many as the sink likes best) …
  std::size_t batch_rows = 0;
  // … or so many bytes of rows and the text they view.
  std::size_t batch_bytes = 8 * 1024 * 1024;
};

// Collects rows and writes them in batches from the calling thread. Not thread-safe: one per thread
// (they may share the sink).
//
//   PostgresSink<Reading> sink({.conninfo = "dbname=plant", .create = {.enabled = true}});
//   Inserter<Reading> readings(sink);
//   absl::Status status = readings.Open();
//   … readings.Add({.time = now, .device = "plc-7", .temp = 21.5}) …
//   status = readings.Flush();   // OK: every row added so far is durable
//
// While the database is away, Add() and Flush() wait and retry as the sink does; Cancel() from
// another thread ends that with kCancelled.
template <Described M>
class Inserter {
 public:
  // Borrows the sink (and clock), which must outlive the inserter.
  explicit Inserter(Sink<M>& sink, InserterOptions options = {}, Clock& clock = SystemClock())
      : sink_(sink), options_(options), gate_(clock) {}

  // Opens the sink and a writer. Errors are the sink's.
  absl::Status Open() {
    if (absl::Status status = sink_.Open(); !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<SinkWriter<M>>> writer = sink_.NewWriter();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    if (options_.batch_rows == 0) options_.batch_rows = sink_.PreferredBatchRows();
    return absl::OkStatus();
  }

  // Takes a copy of the row, and of what it views. kInvalidArgument: the row breaks a rule of its
  // model and was not taken; the message names column, value and rule. Other errors are those of
  // Flush(), which runs when the batch is full.
  absl::Status Add(const M& row) {
    if (const Reject reject = Validate(row, context_)) {
      return absl::InvalidArgumentError(reject.reason);
    }
    batch_.rows.push_back(row);
    batch_.row_message.push_back(0);
    KeepRow(batch_.rows.back(), batch_.arena);
    const bool full =
        batch_.rows.size() >= options_.batch_rows || batch_.ByteSize() >= options_.batch_bytes;
    return full ? Flush() : absl::OkStatus();
  }

  // OK: all rows added so far are durable in the sink, or stored as dead letters when the database
  // refused them (totals().dead_lettered). After an error the rows are still held; call it again.
  absl::Status Flush() {
    if (batch_.rows.empty()) return absl::OkStatus();
    if (writer_ == nullptr) return absl::FailedPreconditionError("Inserter: call Open() first");
    batch_.meta.sequence = ++sequence_;
    batch_.meta.messages.assign(1, MessageRecord{});
    absl::StatusOr<WriteResult> result = writer_->Write(batch_, gate_);
    if (!result.ok()) return result.status();
    totals_.written += result->written;
    totals_.deduplicated += result->deduplicated;
    totals_.dead_lettered += result->dead_lettered;
    totals_.bytes += result->bytes;
    batch_.Clear();
    return absl::OkStatus();
  }

  // Rows taken but not yet durable.
  std::size_t pending() const { return batch_.rows.size(); }
  const WriteResult& totals() const { return totals_; }

  // Thread-safe: ends a wait for a sick sink.
  void Cancel() { gate_.cancelled.store(true, std::memory_order_relaxed); }

 private:
  // Nobody else writes in order with this writer: always its turn.
  struct OwnGate final : CommitGate {
    explicit OwnGate(Clock& the_clock) : clock(the_clock) {}
    Turn Wait(bool) override { return Cancelled() ? Turn::kCancel : Turn::kGo; }
    void AskOthersToYield() override {}
    bool Cancelled() const override { return cancelled.load(std::memory_order_relaxed); }
    void Backoff(Duration length) override {
      constexpr Duration kStep = std::chrono::milliseconds(100);
      for (; length.count() > 0 && !Cancelled(); length -= kStep)
        clock.Sleep(std::min(length, kStep));
    }
    Clock& clock;
    std::atomic<bool> cancelled{false};
  };

  Sink<M>& sink_;
  InserterOptions options_;
  OwnGate gate_;
  std::unique_ptr<SinkWriter<M>> writer_;
  Batch<M> batch_;
  ParseOptions parse_options_;
  ParseContext context_{.options = &parse_options_, .arena = &batch_.arena, .why = {}};
  std::uint64_t sequence_ = 0;
  WriteResult totals_;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_INSERTER_H_
