// SpooledSource: puts a disk between a source that cannot be read again and the pipeline.
#ifndef TSINGEST_SOURCE_SPOOLED_H_
#define TSINGEST_SOURCE_SPOOLED_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/histogram.h"
#include "tsingest/pipeline/ledger_view.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

namespace spool {
class SpoolIo;
}  // namespace spool

struct SpoolOptions {
  // Where the segments lie. Made if it is not there (its parent must be); otherwise empty, or the
  // spool of an earlier run. One process at a time.
  std::string directory;
  // Bound of the segments in bytes, at least 64 KiB. When it is reached nothing more is taken from
  // the inner source until the sink has committed some. One message that is larger passes alone.
  std::int64_t max_bytes = std::int64_t{1} << 30;
  // A segment is closed at this size, and deleted as a whole. 0: an eighth of max_bytes, at most
  // 64 MiB.
  std::int64_t segment_bytes = 0;
  // One line per event worth knowing. Called from any thread; may be empty.
  std::function<void(std::string_view)> log = {};
  // For tests: where writes go instead of the disk. Borrowed.
  spool::SpoolIo* io = nullptr;

  // kInvalidArgument names the option, its value and its limit.
  absl::Status Validate() const;
};

// The state of the moment, and counters since the start.
struct SpoolStats {
  std::string id;           // hexadecimal; empty before Start()
  std::uint64_t bytes = 0;  // of the segments
  std::uint64_t max_bytes = 0;
  std::size_t segments = 0;
  std::uint64_t records = 0;       // durable here, not committed in the sink
  Duration oldest_age{};           // of the oldest of them, since it arrived
  bool full = false;               // max_bytes is reached: nothing is taken in
  std::uint64_t spooled = 0;       // messages made durable
  std::uint64_t groups = 0;        // by so many fdatasync()s
  std::uint64_t failures = 0;      // groups that had to be written again, to a fresh segment
  std::uint64_t cut_tails = 0;     // unfinished writes that the start has cut off …
  std::uint64_t cut_bytes = 0;     // … and their size
  std::uint64_t lost_records = 0;  // gaps met that tsingest-spool repair has left
  HistogramSnapshot sync_seconds;
};

// Wraps a source whose messages cannot be read again (MQTT): what it gives is written to disk and
// then acknowledged to it, and the pipeline reads it from there. One stream, "spool:ID", whose
// offsets are the numbers of the records; replayable, so that with a transactional sink every
// message in the spool is written exactly once. A message that the inner source gives twice (after
// a kill between fdatasync and PUBACK) is two messages here.
//
// Threads: as Source says, plus one inside, which makes all calls of the inner source from Start()
// to Close(). Health(), Wake() and Stats() are thread-safe.
class SpooledSource final : public Source {
 public:
  // Borrows the source and the clock.
  SpooledSource(Source& inner, SpoolOptions options, Clock& clock = SystemClock());
  ~SpooledSource() override;

  // Opens the spool and the inner source, and begins to take messages in: before, and whether, the
  // sink can be reached. Once; Open() does it if it was not called. Errors: those of the inner
  // Open(); kInvalidArgument (options, a replayable inner source); kFailedPrecondition (directory
  // in use, not a spool, or of another version); kDataLoss (damaged: see tsingest-spool);
  // kPermissionDenied, kNotFound, kUnavailable of the file system.
  absl::Status Start();

  // For PostgresOptions::review_ledger: the sink keeps positions. A spool of which it has none is
  // then read from its first record on, because the database may be an older one; otherwise from
  // where the last run had committed.
  absl::StatusOr<std::vector<StreamRename>> Review(const LedgerView& ledger);

  absl::Status Open(SourceListener& listener) override;
  // kDataLoss: a record is damaged. Errors of the inner source.
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message) override;
  void Wake() override;
  void Pause() override;
  void Resume() override;
  absl::Status Commit(StreamId stream, std::int64_t next) override;
  // kFailedPrecondition: the stored position is not one of this spool (directory or database were
  // restored from a backup).
  absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                    const std::optional<StoredPosition>& stored) override;
  std::string_view StreamName(StreamId stream) const override;
  std::string StreamDetail(StreamId stream) const override;
  // The inner source's, and whether the spool is full or cannot write.
  absl::Status Health() const override;
  bool Replayable() const override { return true; }
  absl::Status Close() override;

  SpoolStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_SPOOLED_H_
