// Intake<M, D>: everything that happens to a message before its batch is taken.
#ifndef TSINGEST_PIPELINE_INTERNAL_INTAKE_H_
#define TSINGEST_PIPELINE_INTERNAL_INTAKE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/budget.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/batcher.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/internal/delivery.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/pacer.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::internal {

// Decodes messages into the open batch, refuses them when there is no room, and hands full batches
// to the delivery. Polling thread only.
template <class M, class D>
class Intake {
 public:
  Intake(Source& source, D& decoder, const PipelineOptions& options, Pacer<M>* pacer,
         PipelineCounters& counters, PipelineObserver& observer, Clock& clock)
      : source_(source),
        decoder_(decoder),
        options_(options),
        pacer_(pacer),
        counters_(counters),
        observer_(observer),
        clock_(clock),
        budget_(options.buffer_bytes),
        batcher_({.batch_rows = std::max<std::size_t>(options.batch_rows, 1),
                  .batch_bytes = BatchBytes(options),
                  .linger = options.linger}),
        delivery_(source, batcher_, budget_, counters, observer, clock) {}

  Delivery<M>& delivery() { return delivery_; }
  const ByteBudget& budget() const { return budget_; }

  // What the sink likes best, where the options leave it open. Before the first message.
  void PreferBatchRows(std::size_t rows) {
    if (options_.batch_rows == 0) batcher_.SetBatchRows(std::max<std::size_t>(rows, 1));
  }

  absl::Status AddStream(StreamId stream, std::int64_t first) {
    ended_.erase(stream);
    if (absl::Status status = batcher_.AddStream(stream, first); !status.ok()) return status;
    return delivery_.AddStream(stream, first);
  }
  bool HasStream(StreamId stream) const { return batcher_.HasStream(stream); }

  // Forgets a stream; what of it is in the open batch is handed over. Its messages are ignored
  // until it is added again.
  void DropStream(StreamId stream) {
    if (!batcher_.HasStream(stream)) return;
    Publish();
    counters_.AddHandedOver(batcher_.DropStream(stream));
    delivery_.DropStream(stream);
    ended_.insert(stream);
  }

  // A poll begins: what was refused may be offered again.
  void BeginPoll() {
    now_ = clock_.Now();
    blocked_ = Blocked::kNo;
  }

  // What Source::Poll() calls. False: not now.
  bool Take(const Message& message) {
    if (Finished() || !delivery_.failure().ok()) return false;
    if (!batcher_.HasStream(message.position.stream)) return Ignore(message.position.stream);
    if (!MakeRoom(message)) return false;
    Tick();
    if (now_ < paced_until_) return false;
    absl::StatusOr<DecodeInput> input = batcher_.AddMessage(message, now_);
    if (!input.ok()) {
      delivery_.Fail(absl::InternalError("source " +
                                         std::string(source_.StreamName(message.position.stream)) +
                                         ": " + std::string(input.status().message())));
      return false;
    }
    const std::size_t rows_before = batcher_.open().rows.size();
    Reject reject = Decode(message, *input);
    const std::size_t rows = reject ? 0 : batcher_.open().rows.size() - rows_before;
    if (IsPaced(rows)) {
      batcher_.AbandonMessage();
      return false;
    }
    Finish(message, rows, std::move(reject));
    FlushIfDue(PollState::kActive);
    return true;
  }

  // Hands the open batch over if it is full, old enough, or `state` says that nothing more comes.
  void FlushIfDue(PollState state) {
    const std::optional<FlushReason> reason = batcher_.ShouldFlush(now_, state);
    if (reason.has_value() && MaySubmit(*reason)) Flush(*reason);
  }

  // Hands the open batch over, if there is one.
  void Flush(FlushReason reason) {
    Publish();
    if (batcher_.empty()) return;
    std::unique_ptr<Batch<M>> batch = batcher_.Take();
    for (StreamRange& range : batch->meta.ranges) range.detail = source_.StreamDetail(range.stream);
    counters_.SetOpenBatchRows(0);
    Recharge();
    delivery_.Submit(std::move(batch), reason);
  }

  // Adds what was taken since the last call to the counters.
  void Publish() {
    counters_.AddReceived(std::exchange(new_rows_, 0));
    counters_.AddMessages(std::exchange(new_messages_, 0), std::exchange(new_bytes_, 0));
    counters_.SetOpenBatchRows(batcher_.empty() ? 0 : batcher_.open().Received());
  }

  // Whether a message was refused for want of room, and there still is none.
  bool IsBlocked() {
    if (blocked_ == Blocked::kQueue) return !MaySubmit(FlushReason::kRows);
    if (blocked_ == Blocked::kMemory) return !budget_.HasRoom(needed_) && delivery_.in_flight() > 0;
    return false;
  }

  // How long to wait before polling: a pacer has asked for it. 0: not at all.
  Duration PaceWait() const { return std::max(Duration(paced_until_ - clock_.Now()), Duration(0)); }

  // When the open batch will be old enough. nullopt: it is empty.
  std::optional<MonotonicTime> LingerDeadline() const { return batcher_.Deadline(); }

  void RefreshNow() { now_ = clock_.Now(); }

  // Limit reached, or too many rejects: no further message is taken.
  bool Finished() const {
    return (options_.limit.has_value() && taken_ >= *options_.limit) || TooManyRejects();
  }
  bool TooManyRejects() const {
    return options_.max_rejects.has_value() && counters_.Rejected() > *options_.max_rejects;
  }

  // Why the last reject was one; empty while there is none.
  const std::string& last_reject() const { return last_reject_; }

 private:
  enum class Blocked : std::uint8_t { kNo, kQueue, kMemory };

  // Each writer gets a batch, one waits, one is filled.
  static std::size_t BatchBytes(const PipelineOptions& options) {
    const std::int64_t share = options.buffer_bytes / (std::max(options.writers, 1) + 2);
    return std::min(options.batch_bytes,
                    static_cast<std::size_t>(std::max<std::int64_t>(share, 1)));
  }

  // A full batch waits for a place in the queue. What can be read again need not be read far ahead;
  // what cannot (MQTT) is taken in as long as memory lasts. A batch that is only old goes on
  // filling while all writers are busy: larger batches are how a slow sink catches up.
  bool MaySubmit(FlushReason reason) const {
    const auto writers = static_cast<std::size_t>(options_.writers);
    switch (reason) {
      case FlushReason::kRows:
      case FlushReason::kBytes:
        return !source_.Replayable() || delivery_.queued() <= writers;
      case FlushReason::kLinger:
        return delivery_.queued() < writers;
      case FlushReason::kWindow:
      case FlushReason::kMemory:
      case FlushReason::kDrain:
        return true;
    }
    return true;
  }

  // A message of a stream that was given up may still come; one of a stream never heard of may not.
  bool Ignore(StreamId stream) {
    if (ended_.contains(stream)) return true;
    delivery_.Fail(absl::InternalError("the source gave a message of stream " +
                                       std::to_string(stream) + ", which it has not announced"));
    return false;
  }

  bool MakeRoom(const Message& message) {
    std::optional<FlushReason> full = batcher_.ShouldFlush(now_);
    if (!batcher_.Fits(message)) full = FlushReason::kBytes;
    if (full.has_value() && *full != FlushReason::kLinger) {
      if (!MaySubmit(*full)) {
        blocked_ = Blocked::kQueue;
        return false;
      }
      Flush(*full);
    }
    return HasMemory(message);
  }

  bool HasMemory(const Message& message) {
    const auto fits = [&] {
      Recharge();
      needed_ = static_cast<std::int64_t>(batcher_.GrowthFor(message));
      return budget_.HasRoom(needed_);
    };
    if (fits()) return true;
    batcher_.DropSpares();
    if (fits()) return true;
    Flush(FlushReason::kMemory);
    if (fits() || delivery_.in_flight() == 0) return true;
    blocked_ = Blocked::kMemory;
    return false;
  }

  // Keeps the budget at what the batcher holds.
  void Recharge() {
    const auto held = static_cast<std::int64_t>(batcher_.OpenBytes() + batcher_.SpareBytes());
    if (held == charged_) return;
    budget_.Charge(held - charged_);
    charged_ = held;
  }

  // Reads the clock often enough for linger, seldom enough for speed.
  void Tick() {
    constexpr std::uint64_t kMessagesPerReading = 32;
    if (batcher_.empty() || ++ticks_ % kMessagesPerReading == 0) now_ = clock_.Now();
  }

  Reject Decode(const Message& message, const DecodeInput& input) {
    if (message.omitted_bytes != 0) {
      const std::size_t total = message.payload.size() + message.omitted_bytes;
      return {RejectCode::kLimit, "message of " + std::to_string(total) +
                                      " bytes is larger than the source's limit; only "
                                      "its first " +
                                      std::to_string(message.payload.size()) + " bytes were kept"};
    }
    if (message.is_null) return {};  // says that a key is gone: no row
    return decoder_.Decode(input, batcher_.open().arena, batcher_.open().rows);
  }

  bool IsPaced(std::size_t rows) {
    if (pacer_ == nullptr || rows == 0) return false;
    now_ = clock_.Now();
    const Duration wait = pacer_->Wait(std::span<const M>(batcher_.open().rows).last(rows), now_);
    paced_until_ = now_ + wait;
    return wait > Duration::zero();
  }

  void Finish(const Message& message, std::size_t rows, Reject reject) {
    const RejectCode code = reject.code;
    batcher_.FinishMessage(std::move(reject));
    ++new_messages_;
    new_bytes_ += message.payload.size();
    new_rows_ += code == RejectCode::kOk ? rows : 1;
    if (rows != 0 || code != RejectCode::kOk) ++taken_;
    if (code != RejectCode::kOk) Report(message, code);
  }

  void Report(const Message& message, RejectCode code) {
    counters_.AddReject(code);
    last_reject_ = batcher_.open().meta.rejects.back().reason;
    observer_.OnReject({.stream = source_.StreamName(message.position.stream),
                        .position = message.position,
                        .line = message.line,
                        .topic = message.topic,
                        .payload = message.payload,
                        .code = code,
                        .reason = last_reject_});
  }

  Source& source_;
  D& decoder_;
  const PipelineOptions options_;
  Pacer<M>* const pacer_;
  PipelineCounters& counters_;
  PipelineObserver& observer_;
  Clock& clock_;
  ByteBudget budget_;
  Batcher<M> batcher_;
  Delivery<M> delivery_;
  std::unordered_set<StreamId> ended_;  // announced once, not read any more

  MonotonicTime now_{};
  MonotonicTime paced_until_{};
  std::uint64_t ticks_ = 0;
  Blocked blocked_ = Blocked::kNo;
  std::int64_t needed_ = 0;
  std::int64_t charged_ = 0;
  std::uint64_t taken_ = 0;         // messages that gave a row or a reject
  std::uint64_t new_rows_ = 0;      // not yet in the counters: rows and rejects …
  std::uint64_t new_messages_ = 0;  // … and the messages
  std::uint64_t new_bytes_ = 0;     // … and their payload
  std::string last_reject_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_PIPELINE_INTERNAL_INTAKE_H_
