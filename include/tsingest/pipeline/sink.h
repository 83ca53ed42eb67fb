// Sink: where batches go.
#ifndef TSINGEST_PIPELINE_SINK_H_
#define TSINGEST_PIPELINE_SINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

// What became of a batch's rows and rejects. written + deduplicated + dead_lettered equals
// Batch::Received() when Write() returned OK.
struct WriteResult {
  std::uint64_t written = 0;
  std::uint64_t deduplicated = 0;   // skipped: a row with that key was there
  std::uint64_t dead_lettered = 0;  // stored (or, with --dead-letter none, counted) as dead letters
  std::uint64_t bytes = 0;          // sent to the sink
};

// Orders the commits of parallel writers. Lent to SinkWriter::Write().
class CommitGate {
 public:
  enum class Turn : std::uint8_t {
    kGo,      // every earlier batch is committed: commit now
    kYield,   // an earlier batch is blocked, perhaps by this transaction's locks: roll back, call
              // Wait() again without holding anything, and do the batch anew
    kCancel,  // the pipeline is going down, or the batch's stream was lost: roll back, return
              // kCancelled
  };
  virtual ~CommitGate() = default;
  // Blocks until it is this batch's turn. `holding_locks`: whether a transaction is open meanwhile
  // (only then is kYield returned).
  virtual Turn Wait(bool holding_locks) = 0;
  // This batch waits for a lock (55P03, 40P01): later batches that wait with open transactions
  // yield.
  virtual void AskOthersToYield() = 0;
  // True when the writer is to give up retrying (stop was asked for twice, or the stream was lost).
  virtual bool Cancelled() const = 0;
  // Sleeps between attempts; returns early when Cancelled() becomes true.
  virtual void Backoff(Duration length) = 0;
};

// The stored side of a stream: who owns it and up to where it is written.
struct StreamClaim {
  StreamId stream = 0;
  std::string name = {};    // Source::StreamName()
  std::string detail = {};  // Source::StreamDetail(), stored with the position
};

// One of N parallel writers: owned by one thread, usually with a connection of its own.
template <class M>
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  // OK: rows, rejects and positions are durable; rejects the sink itself found are among the
  // result's dead_lettered. A sink that does not keep rejects in its own transaction hands them to
  // the DeadLetterStore it was made with, before it commits. Otherwise nothing of the batch is
  // visible and it may be written again. Waits and retries by itself whatever heals (server away,
  // no privilege, disk full); what it returns is final:
  //   kCancelled           told to by the gate
  //   kAborted             fenced: another instance has claimed a stream of this batch. Made by
  //                        FencedError() (pipeline/fence.h), which says which streams
  //   kFailedPrecondition  cannot ever work as configured
  // The batch is not const: a sink may sort rows (and row_message with them).
  virtual absl::StatusOr<WriteResult> Write(Batch<M>& batch, CommitGate& gate) = 0;
};

// Creates writers and keeps positions. Thread-safe after Open().
template <class M>
class Sink {
 public:
  virtual ~Sink() = default;

  // Connects, checks (or creates) the target. Errors are one line that says how to mend it.
  virtual absl::Status Open() = 0;

  virtual absl::StatusOr<std::unique_ptr<SinkWriter<M>>> NewWriter() = 0;

  // Rows that a batch is worth having where the user has not said how many. After Open().
  virtual std::size_t PreferredBatchRows() const { return kDefaultBatchRows; }

  // True: Write() stores positions in the rows' own transaction (exactly once with a replayable
  // source) and waits at the gate before it commits. False: the pipeline commits to the source
  // only, after Write().
  virtual bool Transactional() const = 0;

  // Takes the streams over: whoever had them before is fenced from now on. One result per claim:
  // the stored position, or nullopt for a stream not seen before. Waits for a sick database as
  // Write() does.
  virtual absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) = 0;
  // Called after Source::Seek() with the offset that reading starts at, for streams that had no
  // stored position, or whose source cannot go on from it (Replayable() is false): it becomes the
  // stored position, the `first` of their first batch.
  virtual absl::Status SetInitial(StreamId stream, std::int64_t next) = 0;

  // Thread-safe. The run is being stopped: Open(), Claim() and SetInitial() do not wait for a sick
  // database any more but return kCancelled, now and from now on. Write() is told by its gate.
  virtual void Cancel() {}

  // OK, or why nothing is written at the moment ("password authentication failed …"). Thread-safe.
  virtual absl::Status Health() const = 0;

  virtual absl::Status Close() = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_SINK_H_
