// AckTracker: out-of-order completions in, contiguous committable prefix out.
#ifndef TSINGEST_PIPELINE_ACK_TRACKER_H_
#define TSINGEST_PIPELINE_ACK_TRACKER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// Keeps, for every stream, the ranges that are on their way to the sink, in order:
//
//     acknowledged | done  open  done  done |  not read yet
//                  ^ committable            ^ read
//
// A range that completes moves `committable` only when everything before it is complete: what is
// acknowledged to the source is never past an unfinished message. Ranges of a stream are adjacent.
// All work is per range (a batch), none per message. Not thread-safe.
class AckTracker {
 public:
  // Starts to track a stream that is read from `first` on. kAlreadyExists: it is tracked.
  absl::Status AddStream(StreamId stream, std::int64_t first) {
    const auto [it, is_new] = streams_.try_emplace(stream, Stream{first, first, {}});
    if (is_new) return absl::OkStatus();
    return absl::AlreadyExistsError(Name(stream) + " is tracked already");
  }

  // Forgets a stream and its open ranges; it may be added again. kNotFound: it is not tracked.
  absl::Status DropStream(StreamId stream) {
    if (streams_.erase(stream) == 1) return absl::OkStatus();
    return absl::NotFoundError(Name(stream) + " is not tracked");
  }

  bool HasStream(StreamId stream) const { return streams_.contains(stream); }

  // A range has been read and is on its way. kNotFound: unknown stream; kInvalidArgument: empty or
  // backward range; kOutOfRange: it does not begin where the stream's last range ended.
  absl::Status Begin(const StreamRange& range) {
    const auto it = streams_.find(range.stream);
    if (it == streams_.end()) {
      return absl::NotFoundError(Name(range.stream) + " is not tracked");
    }
    if (range.next <= range.first) {
      return absl::InvalidArgumentError(Show(range) + " is empty or goes backward");
    }
    Stream& stream = it->second;
    if (range.first != stream.read) {
      return absl::OutOfRangeError(Show(range) + " does not follow " + std::to_string(stream.read) +
                                   ", where the range before ended");
    }
    stream.read = range.next;
    stream.open.push_back({range.first, range.next, false});
    return absl::OkStatus();
  }

  // A range that Begin() was told of is durable. Returns the position before which everything is,
  // if this has moved it. kNotFound: unknown stream or range; kFailedPrecondition: completed twice.
  absl::StatusOr<std::optional<std::int64_t>> Complete(const StreamRange& range) {
    const auto it = streams_.find(range.stream);
    if (it == streams_.end()) {
      return absl::NotFoundError("completion of unknown " + Name(range.stream));
    }
    Stream& stream = it->second;
    if (range.next <= stream.committable) {
      return absl::FailedPreconditionError(Show(range) +
                                           " is complete already: everything before " +
                                           std::to_string(stream.committable) + " is");
    }
    if (absl::Status status = Mark(stream, range); !status.ok()) return status;
    if (!stream.open.front().done) return std::optional<std::int64_t>();
    for (; !stream.open.empty() && stream.open.front().done; stream.open.pop_front()) {
      stream.committable = stream.open.front().next;
    }
    return std::optional<std::int64_t>(stream.committable);
  }

  // Everything before it is durable. nullopt: the stream is not tracked.
  std::optional<std::int64_t> Committable(StreamId stream) const {
    const auto it = streams_.find(stream);
    if (it == streams_.end()) return std::nullopt;
    return it->second.committable;
  }

  // Ranges begun that Committable() does not cover yet, over all streams.
  std::size_t Outstanding() const {
    std::size_t count = 0;
    for (const auto& [id, stream] : streams_) count += stream.open.size();
    return count;
  }

 private:
  struct Range {
    std::int64_t first;
    std::int64_t next;
    bool done;
  };
  struct Stream {
    std::int64_t committable;
    std::int64_t read;
    std::deque<Range> open;
  };

  static absl::Status Mark(Stream& stream, const StreamRange& range) {
    for (Range& open : stream.open) {
      if (open.first != range.first || open.next != range.next) continue;
      if (open.done) return absl::FailedPreconditionError(Show(range) + " is complete already");
      open.done = true;
      return absl::OkStatus();
    }
    return absl::NotFoundError("completion of unknown range " + Show(range));
  }

  static std::string Name(StreamId stream) { return "stream " + std::to_string(stream); }
  static std::string Show(const StreamRange& range) {
    return Name(range.stream) + " [" + std::to_string(range.first) + ", " +
           std::to_string(range.next) + ")";
  }

  std::unordered_map<StreamId, Stream> streams_;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_ACK_TRACKER_H_
