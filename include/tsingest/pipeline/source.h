// Source: where messages come from.
#ifndef TSINGEST_PIPELINE_SOURCE_H_
#define TSINGEST_PIPELINE_SOURCE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// What the source can do next; decides when an unfilled batch is flushed at once.
enum class PollState : std::uint8_t {
  kActive,           // messages may follow at any time
  kWindowExhausted,  // gives nothing more until something is committed (MQTT in-flight window)
  kEnd,              // bounded input: there is nothing more
};

// A stored position, as a transactional sink keeps it.
struct StoredPosition {
  std::int64_t next = 0;    // where reading goes on
  std::string detail = {};  // the source's own words about the stream, see Source::StreamDetail()
};

// Told by Poll() on the polling thread. Implemented by the pipeline.
class SourceListener {
 public:
  virtual ~SourceListener() = default;
  // The source now reads these streams. The listener answers by Source::Seek() for every stream.
  virtual absl::Status OnAssigned(std::span<const StreamId> streams) = 0;
  // The source is about to give these streams up: the listener brings everything received from them
  // to an end (written and committed, or given up when `lost`: someone else has them already).
  virtual void OnRevoked(std::span<const StreamId> streams, bool lost) = 0;
};

// All members but Wake() and Health() are called by one thread, the pipeline's polling thread. A
// source that has threads of its own keeps them inside. Errors that heal by themselves (broker
// away) are not errors of Poll(): the source reconnects and says so through Health().
class Source {
 public:
  virtual ~Source() = default;

  // Connects or opens. Errors: kInvalidArgument (configuration, wrong file), kNotFound,
  // kPermissionDenied, kUnavailable.
  virtual absl::Status Open(SourceListener& listener) = 0;

  // Gives messages to `on_message` until `deadline` or until about 1000 were given, whatever comes
  // first; returns early when it has nothing more for now. `on_message` returns false when no
  // further message can be taken now: the source keeps the ones not given. Keeps the connection
  // alive even while paused, so it is to be called at least once a second.
  virtual absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                         absl::FunctionRef<bool(const Message&)> on_message) = 0;

  // Makes a Poll() that waits return now, and the next one if none is running. Thread-safe: a
  // writer that has committed calls it, so that Commit() follows at once and not at the end of the
  // deadline (an MQTT window would stand idle meanwhile). Sources that never wait need not
  // override it.
  virtual void Wake() {}

  // While paused, Poll() gives no messages but still serves the connection.
  virtual void Pause() = 0;
  virtual void Resume() = 0;

  // Everything before `next` in the stream is durable: acknowledge it. Idempotent; grows only.
  virtual absl::Status Commit(StreamId stream, std::int64_t next) = 0;

  // Where reading starts. nullopt: nothing is stored, begin as configured. Checks that the stream
  // is still the one that `stored.detail` tells of: kFailedPrecondition says how it differs.
  // Returns the offset that reading really starts at: the first expected position.
  virtual absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                            const std::optional<StoredPosition>& stored) = 0;

  // Stable name, the same in every run: "file:data/day.csv", "sensors/3". Lives as long as the
  // source.
  virtual std::string_view StreamName(StreamId stream) const = 0;
  // What to store beside the position to recognise the stream later (file fingerprint, topic id).
  virtual std::string StreamDetail(StreamId stream) const = 0;

  // OK, or why nothing comes at the moment (for /health and the log). Thread-safe.
  virtual absl::Status Health() const = 0;

  // False for sources whose messages cannot be read again by position (MQTT): delivery is then at
  // least once.
  virtual bool Replayable() const = 0;

  // The sink has refused the stream as fenced: another instance has claimed it. Its messages are
  // ignored from now on. A group consumer that the coordinator leaves the stream announces it anew
  // after a while, by OnAssigned(); one that has lost it will be told so by the coordinator.
  virtual void OnFenced(StreamId) {}

  // True: a coordinator hands the streams out and may give one to another instance at any time (a
  // Kafka consumer group). A sink that refuses such a stream as fenced then ends that stream only,
  // not the run.
  virtual bool IsGroupConsumer() const { return false; }

  // Total size of bounded input in the unit of Position::next, for progress; 0: unknown.
  virtual std::int64_t TotalSize() const { return 0; }

  virtual absl::Status Close() = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_SOURCE_H_
