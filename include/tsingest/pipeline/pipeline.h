// Pipeline: from a source to a sink, with every row accounted for.
#ifndef TSINGEST_PIPELINE_PIPELINE_H_
#define TSINGEST_PIPELINE_PIPELINE_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
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
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/health_watch.h"
#include "tsingest/pipeline/internal/intake.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/pacer.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

// Reads a source to its end, or until it is stopped, and writes what it gives:
//
//     polling thread                                   N writer threads
//     Source::Poll -> decode -> Batcher ── batches ──> SinkWriter::Write, commits in order
//            ^                     ^                          │
//     Source::Commit <- AckTracker <─────── written ──────────┘
//
//   Pipeline<Reading, JsonDecoder<Reading>> pipeline(source, sink, decoder, {.writers = 4});
//   RunResult result = pipeline.Run();
//
// At every moment received = written + deduplicated + dead_lettered + in_flight, and the source is
// told of nothing that is not durable. With a transactional sink and a replayable source each row
// is written exactly once, whatever is killed when; docs/delivery.md says what holds otherwise.
//
// Threads: Open() and Run() belong to one thread, the polling thread, which also makes every call
// of the source but Wake() and Health(). Each writer thread owns one SinkWriter. One more thread
// watches the health of both ends when there is an observer. Stop(), StopNow(), Health(),
// Counters() and state() are thread-safe (not async-signal-safe). Neither copies nor moves; runs
// once.
template <Described M, Decoder<M> D>
class Pipeline final : private SourceListener {
 public:
  // Both optional and borrowed.
  struct Hooks {
    Pacer<M>* pacer = nullptr;
    PipelineObserver* observer = nullptr;
  };

  // Borrows everything given by reference; all of it must outlive the pipeline.
  Pipeline(Source& source, Sink<M>& sink, D& decoder, const PipelineOptions& options = {},
           const Hooks& hooks = {}, Clock& clock = SystemClock())
      : source_(source),
        sink_(sink),
        options_(options),
        observer_(hooks.observer != nullptr ? *hooks.observer : no_observer_),
        clock_(clock),
        intake_(source, decoder, options, hooks.pacer, counters_, observer_, clock),
        delivery_(intake_.delivery()) {
    if (hooks.observer == nullptr) return;
    health_watch_ = std::make_unique<HealthWatch>(
        std::vector<HealthWatch::Part>{{"sink", [this] { return sink_.Health(); }},
                                       {"source", [this] { return source_.Health(); }}},
        [this](std::string_view part, const absl::Status& health) {
          observer_.OnHealthChange(part, health);
        });
  }
  ~Pipeline() override {
    absl::Status ignored;
    if (state() == PipelineState::kStarting) Close(ignored);  // opened, but never run
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Checks the options, opens the sink, then the source. Errors are theirs: nothing was read, and
  // both are closed again. Run() calls it unless it was called; on its own it tells an error of the
  // start from one of the run.
  absl::Status Open() {
    if (opened_) return absl::FailedPreconditionError("Pipeline: Open() was called before");
    opened_ = true;
    if (absl::Status status = options_.Validate(); !status.ok()) return status;
    SetState(PipelineState::kStarting, "");
    absl::Status status = OpenParts();
    if (!status.ok()) Close(status);
    return status;
  }

  // Runs to the end. See RunResult for what it says.
  RunResult Run() {
    const MonotonicTime began = clock_.Now();
    absl::Status status = opened_ ? absl::OkStatus() : Open();
    if (status.ok() && state() == PipelineState::kStarting) {
      SetState(PipelineState::kRunning, "");
      status = Drain(ReadAll());
      Close(status);
    } else if (status.ok()) {
      status = absl::FailedPreconditionError("Pipeline: Open() failed, or Run() was called before");
    }
    if (stop_level() > 0 && absl::IsCancelled(status) && counters_.GetBalance().in_flight == 0) {
      status = absl::OkStatus();  // stopped while it waited to begin
    }
    const RunEnd end = HowEnded(status);
    return {.status = std::move(status),
            .end = end,
            .counters = Counters(),
            .elapsed = clock_.Now() - began};
  }

  // Stops reading, writes and acknowledges what was received (for drain_timeout at most), and lets
  // Run() return. Returns at once.
  void Stop() { RaiseStopLevel(1); }

  // Gives up what is not written: it was not acknowledged, and will be read again.
  void StopNow() {
    RaiseStopLevel(2);
    delivery_.CancelAll();
    delivery_.Wake();
  }

  // OK, or which end is sick and why.
  absl::Status Health() const {
    absl::Status sink = sink_.Health();
    if (sink.ok()) sink = FenceHealth();
    const absl::Status source = source_.Health();
    if (source.ok()) return Prefixed("sink: ", sink);
    if (sink.ok()) return Prefixed("source: ", source);
    return {sink.code(),
            "sink: " + std::string(sink.message()) + "; source: " + std::string(source.message())};
  }

  CountersSnapshot Counters() const {
    CountersSnapshot snapshot = counters_.Snapshot();
    snapshot.retries = delivery_.retries();
    snapshot.yields = delivery_.yields();
    snapshot.buffered_bytes = intake_.budget().used();
    snapshot.buffered_bytes_peak = intake_.budget().peak();
    return snapshot;
  }

  PipelineState state() const { return state_.load(std::memory_order_relaxed); }

 private:
  // A source is to be polled at least once a second.
  static constexpr Duration kKeepAlive = std::chrono::milliseconds(500);
  // Longest wait in a poll, so that a stop is noticed where Source::Wake() does nothing.
  static constexpr Duration kLongestPoll = std::chrono::milliseconds(100);
  // Shortest wait in a poll for a batch that is old enough but finds all writers busy.
  static constexpr Duration kShortestPoll = std::chrono::milliseconds(5);

  absl::Status OpenParts() {
    if (health_watch_ != nullptr) {
      constexpr Duration kEvery = std::chrono::milliseconds(250);
      if (absl::Status status = health_watch_->Start(kEvery); !status.ok()) return status;
    }
    if (absl::Status status = sink_.Open(); !status.ok()) return status;
    intake_.PreferBatchRows(sink_.PreferredBatchRows());
    if (absl::Status status = delivery_.Start(sink_, options_.writers); !status.ok()) return status;
    return source_.Open(*this);
  }

  // Ends threads and closes both ends; keeps the first error.
  void Close(absl::Status& status) {
    delivery_.Stop();
    status.Update(source_.Close());
    status.Update(sink_.Close());
    health_watch_.reset();
    SetState(PipelineState::kStopped, std::string(status.message()));
  }

  // ---- the loop ----

  // Reads until the source ends, or there is a reason to stop; OK for all but errors of the source.
  absl::Status ReadAll() {
    PollState state = PollState::kActive;
    while (stop_level() == 0 && delivery_.failure().ok() && !intake_.Finished()) {
      intake_.RefreshNow();
      intake_.FlushIfDue(state);
      if (state == PollState::kEnd) return absl::OkStatus();
      if (intake_.IsBlocked()) {
        if (absl::Status status = WaitBlocked(); !status.ok()) return status;
      } else {
        WaitForWindowOrPacer(state);
        absl::StatusOr<PollState> polled = Poll();
        if (!polled.ok()) return polled.status();
        state = *polled;
      }
      Settle();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<PollState> Poll() {
    if (std::exchange(paused_, false)) {
      source_.Resume();
      SetState(PipelineState::kRunning, "");
    }
    intake_.BeginPoll();
    last_poll_ = clock_.Now();
    absl::StatusOr<PollState> state = source_.Poll(
        PollDeadline(last_poll_),
        [this](const Message& message) { return stop_level() == 0 && intake_.Take(message); });
    intake_.Publish();
    return state;
  }

  MonotonicTime PollDeadline(MonotonicTime now) const {
    const MonotonicTime latest = now + kLongestPoll;
    const std::optional<MonotonicTime> linger = intake_.LingerDeadline();
    if (!linger.has_value()) return latest;
    return *linger > now ? std::min(*linger, latest) : now + kShortestPoll;
  }

  // Room comes when a batch comes back. The connection to the source is kept alive meanwhile.
  absl::Status WaitBlocked() {
    delivery_.WaitAndSettle(UntilKeepAlive());
    return intake_.IsBlocked() ? PollPaused() : absl::OkStatus();
  }

  // Polls without taking anything, when it is time.
  absl::Status PollPaused() {
    if (UntilKeepAlive() > Duration::zero()) return absl::OkStatus();
    if (!std::exchange(paused_, true)) {
      source_.Pause();
      counters_.AddPause();
      if (state() == PipelineState::kRunning) {
        SetState(PipelineState::kPaused, "the sink takes less than the source gives");
      }
    }
    last_poll_ = clock_.Now();
    return source_.Poll(last_poll_, [](const Message&) { return false; }).status();
  }

  Duration UntilKeepAlive() const {
    return std::max(Duration(last_poll_ + kKeepAlive - clock_.Now()), Duration::zero());
  }

  // A source that gives nothing until something is acknowledged is not worth a poll before; neither
  // is one whose next message is not due.
  void WaitForWindowOrPacer(PollState state) {
    if (state == PollState::kWindowExhausted && delivery_.in_flight() > 0) {
      delivery_.WaitAndSettle(kKeepAlive);
      return;
    }
    Duration wait = std::min(intake_.PaceWait(), kKeepAlive);
    if (const auto linger = intake_.LingerDeadline(); linger.has_value()) {
      wait = std::min(wait, std::max(Duration(*linger - clock_.Now()), kShortestPoll));
    }
    if (wait > Duration::zero()) delivery_.WaitAndSettle(wait);
  }

  // Writes and acknowledges what was received, and says how the run went.
  absl::Status Drain(absl::Status status) {
    SetState(PipelineState::kDraining, "");
    intake_.Publish();
    if (delivery_.failure().ok() && stop_level() < 2) intake_.Flush(FlushReason::kDrain);
    std::optional<MonotonicTime> until;
    bool too_long = false;
    while (delivery_.in_flight() > 0) {
      if (stop_level() > 0 && !until.has_value()) until = clock_.Now() + options_.drain_timeout;
      too_long = until.has_value() && clock_.Now() >= *until;
      if (too_long || stop_level() >= 2) delivery_.CancelAll();
      Duration wait = UntilKeepAlive();
      if (until.has_value() && !too_long) wait = std::min(wait, Duration(*until - clock_.Now()));
      delivery_.WaitAndSettle(std::max(wait, kShortestPoll));
      DropFenced();
      PollPaused().IgnoreError();  // nothing is read any more
    }
    return Verdict(std::move(status), too_long);
  }

  absl::Status Verdict(absl::Status status, bool too_long) const {
    if (!delivery_.failure().ok() && !absl::IsCancelled(delivery_.failure())) {
      return delivery_.failure();
    }
    const std::uint64_t left = counters_.GetBalance().in_flight;
    const std::string rest =
        std::to_string(left) +
        (left == 1 ? " row was not written; it was not acknowledged either and will be read again"
                   : " rows were not written; they were not acknowledged either and will be read "
                     "again");
    if (!status.ok() && !(stop_level() > 0 && absl::IsCancelled(status))) return status;
    if (left > 0 && too_long && stop_level() < 2) {
      return absl::DeadlineExceededError("the sink did not take what was received within " +
                                         FormatDuration(options_.drain_timeout) + ": " + rest);
    }
    if (left > 0 && stop_level() > 0) return absl::CancelledError("stopped at once: " + rest);
    if (!delivery_.failure().ok()) return delivery_.failure();
    if (left > 0) return absl::InternalError("the counters do not balance: " + rest);
    if (intake_.TooManyRejects()) return RejectError();
    return absl::OkStatus();
  }

  absl::Status RejectError() const {
    const std::uint64_t rejected = counters_.Rejected();
    std::string text = std::to_string(rejected) + (rejected == 1 ? " row was" : " rows were") +
                       " rejected, more than " + std::to_string(*options_.max_rejects) +
                       " (--max-rejects)";
    if (!intake_.last_reject().empty()) text += "; the last one: " + intake_.last_reject();
    return absl::ResourceExhaustedError(text);
  }

  RunEnd HowEnded(const absl::Status& status) const {
    const bool stopped = stop_level() > 0;
    if (status.ok()) return stopped ? RunEnd::kStopped : RunEnd::kFinished;
    const bool given_up = absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
    return stopped && given_up ? RunEnd::kStopped : RunEnd::kFailed;
  }

  void Settle() {
    delivery_.Settle();
    DropFenced();
  }

  void DropFenced() {
    for (const StreamId stream : delivery_.TakeFenced()) {
      if (!intake_.HasStream(stream)) continue;
      delivery_.LoseStreams({&stream, 1});  // batches taken since the sink said so
      intake_.DropStream(stream);
      const std::string_view name = source_.StreamName(stream);
      {
        MutexLock lock(&mutex_);
        fenced_.insert(std::string(name));
      }
      counters_.AddStreamFenced();
      observer_.OnStream(name, StreamEvent::kFenced, 0);
      source_.OnFenced(stream);
    }
  }

  // ---- SourceListener ----

  absl::Status OnAssigned(std::span<const StreamId> streams) override {
    // Batches of a lost stream may still be on their way, and would move its stored position.
    while (delivery_.InFlight(streams) && stop_level() == 0) delivery_.WaitAndSettle(kKeepAlive);
    delivery_.Settle();
    if (stop_level() > 0) return absl::CancelledError("the run is being stopped");
    std::vector<StreamClaim> claims;
    for (const StreamId stream : streams) {
      claims.push_back({.stream = stream,
                        .name = std::string(source_.StreamName(stream)),
                        .detail = source_.StreamDetail(stream)});
    }
    absl::StatusOr<std::vector<std::optional<StoredPosition>>> stored = sink_.Claim(claims);
    if (!stored.ok()) return stored.status();
    if (stored->size() != streams.size()) {
      return absl::InternalError("the sink answered " + std::to_string(stored->size()) +
                                 " claims of " + std::to_string(streams.size()));
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (absl::Status status = Begin(streams[i], (*stored)[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Begin(StreamId stream, const std::optional<StoredPosition>& stored) {
    absl::StatusOr<std::int64_t> first = source_.Seek(stream, stored);
    if (!first.ok()) return first.status();
    const std::string_view name = source_.StreamName(stream);
    const bool resumes = stored.has_value() && stored->next == *first;
    if (stored.has_value() && !resumes && source_.Replayable()) {
      return absl::InternalError(std::string(name) + ": reading would begin at " +
                                 std::to_string(*first) + ", but everything before " +
                                 std::to_string(stored->next) + " is stored, and nothing after");
    }
    if (!resumes) {
      if (absl::Status status = sink_.SetInitial(stream, *first); !status.ok()) return status;
    }
    {
      MutexLock lock(&mutex_);
      fenced_.erase(std::string(name));
    }
    intake_.DropStream(stream);
    observer_.OnStream(name, resumes ? StreamEvent::kResumed : StreamEvent::kStarted, *first);
    return intake_.AddStream(stream, *first);
  }

  void OnRevoked(std::span<const StreamId> streams, bool lost) override {
    if (!lost) {
      intake_.Flush(FlushReason::kDrain);
      const MonotonicTime until = clock_.Now() + options_.drain_timeout;
      while (delivery_.InFlight(streams) && delivery_.failure().ok() && stop_level() < 2 &&
             clock_.Now() < until) {
        delivery_.WaitAndSettle(std::min(kKeepAlive, Duration(until - clock_.Now())));
      }
      delivery_.Settle();
      lost = delivery_.InFlight(streams);
    }
    if (lost) delivery_.LoseStreams(streams);
    for (const StreamId stream : streams) {
      intake_.DropStream(stream);
      if (lost) counters_.AddStreamLost();
      const std::string_view name = source_.StreamName(stream);
      observer_.OnStream(name, lost ? StreamEvent::kLost : StreamEvent::kRevoked, 0);
      MutexLock lock(&mutex_);
      fenced_.erase(std::string(name));
    }
  }

  // ---- state ----

  int stop_level() const { return stop_level_.load(std::memory_order_relaxed); }

  void RaiseStopLevel(int level) {
    int current = stop_level();
    while (current < level && !stop_level_.compare_exchange_weak(current, level)) {
    }
    sink_.Cancel();
    delivery_.Wake();
    source_.Wake();
  }

  void SetState(PipelineState state, std::string_view why) {
    state_.store(state, std::memory_order_relaxed);
    observer_.OnStateChange(state, why);
  }

  absl::Status FenceHealth() const {
    MutexLock lock(&mutex_);
    if (fenced_.empty()) return absl::OkStatus();
    std::string text = "stream " + *fenced_.begin();
    if (fenced_.size() > 1) text += " (and " + std::to_string(fenced_.size() - 1) + " more)";
    return absl::AbortedError(text + " was claimed by another instance");
  }

  static absl::Status Prefixed(std::string_view part, const absl::Status& status) {
    if (status.ok()) return status;
    return {status.code(), std::string(part) + std::string(status.message())};
  }

  Source& source_;
  Sink<M>& sink_;
  const PipelineOptions options_;
  PipelineObserver no_observer_;
  PipelineObserver& observer_;
  Clock& clock_;
  PipelineCounters counters_;
  internal::Intake<M, D> intake_;
  internal::Delivery<M>& delivery_;
  std::unique_ptr<HealthWatch> health_watch_;

  bool opened_ = false;
  bool paused_ = false;
  MonotonicTime last_poll_{};
  std::atomic<int> stop_level_{0};
  std::atomic<PipelineState> state_{PipelineState::kIdle};
  mutable Mutex mutex_;
  std::set<std::string> fenced_ ABSL_GUARDED_BY(mutex_);  // names of streams
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_PIPELINE_H_
