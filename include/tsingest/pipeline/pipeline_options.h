// What a pipeline can be told, and what it tells: options, observer, summary.
#ifndef TSINGEST_PIPELINE_PIPELINE_OPTIONS_H_
#define TSINGEST_PIPELINE_PIPELINE_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/units.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/batcher.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

struct PipelineOptions {
  // When a batch is written: see BatcherOptions. batch_rows 0: as many as the sink likes best
  // (Sink::PreferredBatchRows(): 5,000, for PostgreSQL 20,000 where it compresses on the way in).
  std::size_t batch_rows = 0;
  std::size_t batch_bytes = 8 * 1024 * 1024;
  Duration linger = std::chrono::milliseconds(100);

  // Bound of the memory of all batches, filled or kept for reuse, in bytes; at least 1 MiB. When it
  // is reached the source is paused. Batches are made smaller than batch_bytes where that is needed
  // to give every writer one. A single message may exceed the bound: it then is alone in memory.
  std::int64_t buffer_bytes = 64 * 1024 * 1024;

  // Threads that write, each with a SinkWriter of its own; 1 to 256. Commits stay in order.
  int writers = 1;

  // More rejected rows than this end the run with kResourceExhausted, after what was received is
  // written. nullopt: no limit; 0: the first one ends it.
  std::optional<std::uint64_t> max_rejects = {};

  // Ends the run when so many messages (rows of a CSV file) have been taken that gave a row or a
  // reject. nullopt: all.
  std::optional<std::uint64_t> limit = {};

  // How long Stop(), or a stream that goes to another instance, waits for the sink to take what was
  // received. What is not written by then was not acknowledged either and will be read again.
  // 0: does not wait. The end of bounded input waits as long as it takes.
  Duration drain_timeout = std::chrono::seconds(25);

  // kInvalidArgument names the option, its value and its limit.
  absl::Status Validate() const {
    const auto fail = [](const std::string& text) { return absl::InvalidArgumentError(text); };
    constexpr std::int64_t kLeastBuffer = 1024 * 1024;
    if (batch_bytes < 1) return fail("batch_bytes is 0; a batch has at least 1 byte");
    if (linger < Duration::zero()) return fail("linger is negative: " + FormatDuration(linger));
    if (buffer_bytes < kLeastBuffer) {
      return fail("buffer_bytes is " + FormatSize(buffer_bytes) + "; it must be at least " +
                  FormatSize(kLeastBuffer));
    }
    if (writers < 1 || writers > 256) {
      return fail("writers is " + std::to_string(writers) + "; it must be 1 to 256");
    }
    if (drain_timeout < Duration::zero()) {
      return fail("drain_timeout is negative: " + FormatDuration(drain_timeout));
    }
    return absl::OkStatus();
  }
};

enum class PipelineState : std::uint8_t {
  kIdle,      // not started
  kStarting,  // opens the sink and the source
  kRunning,   // reads
  kPaused,    // does not read: the sink takes less than the source gives (or nothing)
  kDraining,  // reads no more; writes and acknowledges what it has
  kStopped,
};

constexpr std::string_view PipelineStateName(PipelineState state) {
  constexpr std::string_view kNames[] = {"idle",   "starting", "running",
                                         "paused", "draining", "stopped"};
  return kNames[static_cast<std::size_t>(state)];
}

// A batch that was written.
struct BatchReport {
  std::uint64_t sequence = 0;
  std::uint64_t received = 0;  // rows and rejects
  FlushReason reason = FlushReason::kRows;
  WriteResult result = {};
  Duration write_time{};  // of SinkWriter::Write()
  Duration age{};         // from its first message to its commit
};

// A message that became no row. Views are valid during the call.
struct RejectReport {
  std::string_view stream = {};  // Source::StreamName()
  Position position = {};
  std::int64_t line = 0;
  std::string_view topic = {};
  std::string_view payload = {};
  RejectCode code = RejectCode::kOk;
  std::string_view reason = {};  // with the line
};

enum class StreamEvent : std::uint8_t {
  kStarted,  // read from `position` on: a new stream
  kResumed,  // read from `position` on, which the sink had stored
  kRevoked,  // given up after all of it was written and acknowledged
  kLost,     // given up; what was not written was handed over
  kFenced,   // another instance has claimed it in the sink
};

constexpr std::string_view StreamEventName(StreamEvent event) {
  constexpr std::string_view kNames[] = {"started", "resumed", "revoked", "lost", "fenced"};
  return kNames[static_cast<std::size_t>(event)];
}

// Where logs and metrics hook in. OnBatchWritten() is called by writer threads, OnHealthChange() by
// a thread of its own, the others by the polling thread: implementations are thread-safe, quick,
// and do not call the pipeline's Run().
class PipelineObserver {
 public:
  virtual ~PipelineObserver() = default;
  virtual void OnStateChange(PipelineState /*state*/, std::string_view /*why*/) {}
  virtual void OnStream(std::string_view /*stream*/, StreamEvent /*event*/,
                        std::int64_t /*position*/) {}
  virtual void OnReject(const RejectReport& /*reject*/) {}
  virtual void OnBatchWritten(const BatchReport& /*batch*/) {}
  // Acknowledging to the source failed; the rows are written, and the position is stored where the
  // sink stores positions.
  virtual void OnCommitFailed(std::string_view /*stream*/, const absl::Status& /*status*/) {}
  // `part` ("source", "sink") got sick, says something else now, or is well again (OK).
  virtual void OnHealthChange(std::string_view /*part*/, const absl::Status& /*health*/) {}
};

// How a run came to its end.
enum class RunEnd : std::uint8_t {
  kFinished,  // the source has nothing more, or the limit was reached
  kStopped,   // Stop() or StopNow()
  kFailed,    // see the status
};

// OK: everything that was received is written, deduplicated or stored as a dead letter, and
// acknowledged. Otherwise: what is acknowledged is safe, `counters.balance.in_flight` rows are not
// written and not acknowledged.
struct RunResult {
  absl::Status status = {};
  RunEnd end = RunEnd::kFailed;
  CountersSnapshot counters = {};
  Duration elapsed{};
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_PIPELINE_OPTIONS_H_
