// Batcher<M>: collects messages and their rows until they are worth a transaction.
#ifndef TSINGEST_PIPELINE_BATCHER_H_
#define TSINGEST_PIPELINE_BATCHER_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/model/keep.h"
#include "tsingest/model/model.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/remove_streams.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

// Why a batch was taken.
enum class FlushReason : std::uint8_t {
  kRows,    // batch_rows reached
  kBytes,   // batch_bytes reached
  kLinger,  // its first message is `linger` old
  kWindow,  // the source gives nothing more until something is acknowledged
  kMemory,  // the memory bound does not let it grow
  kDrain,   // end of input, stop, or the source gives a stream up
};
inline constexpr std::size_t kFlushReasons = 6;

constexpr std::string_view FlushReasonName(FlushReason reason) {
  constexpr std::string_view kNames[kFlushReasons] = {"rows",   "bytes",  "linger",
                                                      "window", "memory", "drain"};
  return kNames[static_cast<std::size_t>(reason)];
}

struct BatcherOptions {
  // A batch is full with so many rows (rejected messages count as one). At least 1. The last
  // message is taken whole, so a message of many rows can make it larger.
  std::size_t batch_rows = kDefaultBatchRows;
  // … or with so many bytes of messages and rows. At least 1. A message that alone is larger gets a
  // batch of its own.
  std::size_t batch_bytes = 8 * 1024 * 1024;
  // … or when its first message has waited so long. 0: after every Poll().
  Duration linger = std::chrono::milliseconds(100);
};

// Fills one batch at a time, keeps the chain of positions over batches, and reuses batches that
// come back: in the steady state nothing is allocated per row. It knows no clock, no lock and no
// I/O.
//
//   if (!batcher.Fits(message)) Submit(batcher.Take());
//   absl::StatusOr<DecodeInput> input = batcher.AddMessage(message, now);
//   Reject reject = decoder.Decode(*input, batcher.open().arena, batcher.open().rows);
//   batcher.FinishMessage(std::move(reject));
//   if (batcher.ShouldFlush(now)) Submit(batcher.Take());
//
// Not thread-safe. Batches that were taken belong to whoever has them.
template <Described M>
class Batcher {
 public:
  explicit Batcher(const BatcherOptions& options = {}) : options_(options) {}

  // Starts the chain of a stream: the first batch's range begins at `first`. kAlreadyExists.
  absl::Status AddStream(StreamId stream, std::int64_t first) {
    if (HasStream(stream)) {
      return absl::AlreadyExistsError("stream " + std::to_string(stream) + " is read already");
    }
    if (stream >= streams_.size()) streams_.resize(stream + 1);
    streams_[stream] = {.known = true, .next = first};
    return absl::OkStatus();
  }

  // Ends the chain of a stream and takes its messages out of the open batch. Returns the rows and
  // rejects taken out. An unknown stream has none.
  std::size_t DropStream(StreamId stream) {
    if (!HasStream(stream)) return 0;
    streams_[stream] = {};
    if (empty()) return 0;
    const std::size_t removed = RemoveStreams(*open_, std::span<const StreamId>(&stream, 1));
    for (std::uint32_t i = 0; i < open_->meta.ranges.size(); ++i) {
      streams_[open_->meta.ranges[i].stream].range = i;
    }
    if (open_->empty()) ResetOpen();
    return removed;
  }

  // At least 1. Holds from the next batch that is opened.
  void SetBatchRows(std::size_t rows) { options_.batch_rows = rows; }

  bool HasStream(StreamId stream) const {
    return stream < streams_.size() && streams_[stream].known;
  }

  // False: the message would take the open batch past batch_bytes; Take() it first. An empty batch
  // fits every message.
  bool Fits(const Message& message) const {
    return empty() || open_->ByteSize() + MessageBytes(message) <= options_.batch_bytes;
  }

  // Copies the message into the open batch. The caller then appends its rows to open().rows and
  // calls FinishMessage() or AbandonMessage(). kFailedPrecondition: its stream is unknown;
  // kOutOfRange: the position goes backward.
  absl::StatusOr<DecodeInput> AddMessage(const Message& message, MonotonicTime now) {
    if (absl::Status status = CheckPosition(message.position); !status.ok()) return status;
    Batch<M>& batch = Open(now);
    MessageRecord record{.payload = batch.arena.CopyPadded(message.payload),
                         .key = batch.arena.Copy(message.key),
                         .topic = KeepTopic(message.topic),
                         .arrival = message.arrival,
                         .position = message.position,
                         .line = message.line};
    batch.meta.messages.push_back(record);
    return DecodeInput{.payload = record.payload,
                       .topic = record.topic,
                       .arrival = record.arrival,
                       .offset = message.position.offset};
  }

  // The message is complete with the rows appended since AddMessage(): none, one or many.
  void FinishMessage() {
    Batch<M>& batch = *open_;
    const auto index = static_cast<std::uint32_t>(batch.meta.messages.size() - 1);
    batch.row_message.resize(batch.rows.size(), index);
    batch.meta.payload_bytes += batch.meta.messages.back().payload.size();
    ExtendRange(batch.meta.messages.back().position);
  }

  // The message is a reject: it counts as one, and rows appended for it are taken away. An empty
  // Reject is FinishMessage().
  void FinishMessage(Reject reject) {
    if (reject) {
      DropNewRows();
      const MessageRecord& record = open_->meta.messages.back();
      if (record.line > 0) {
        reject.reason.insert(0, "line " + std::to_string(record.line) + ": ");
      }
      open_->meta.rejects.push_back(
          {.message = static_cast<std::uint32_t>(open_->meta.messages.size() - 1),
           .code = reject.code,
           .sqlstate = {},
           .reason = std::move(reject.reason)});
    }
    FinishMessage();
  }

  // The message is not taken after all and will be added again: as if AddMessage() had not been
  // called, but for the arena's bytes.
  void AbandonMessage() {
    DropNewRows();
    open_->meta.messages.pop_back();
    if (open_->empty()) ResetOpen();
  }

  // One row that comes from no message. It is copied, and so is what it views. Errors as
  // AddMessage().
  absl::Status Add(const M& row, const Position& position, MonotonicTime now) {
    if (absl::Status status = CheckPosition(position); !status.ok()) return status;
    Batch<M>& batch = Open(now);
    MessageRecord record;
    record.position = position;
    batch.meta.messages.push_back(record);
    batch.rows.push_back(row);
    KeepRow(batch.rows.back(), batch.arena);
    FinishMessage();
    return absl::OkStatus();
  }

  // Why the open batch is to be taken now, if it is. `state`: what the source has said last.
  std::optional<FlushReason> ShouldFlush(MonotonicTime now,
                                         PollState state = PollState::kActive) const {
    if (empty()) return std::nullopt;
    if (open_->Received() >= options_.batch_rows) return FlushReason::kRows;
    if (open_->ByteSize() >= options_.batch_bytes) return FlushReason::kBytes;
    if (state == PollState::kWindowExhausted) return FlushReason::kWindow;
    if (state == PollState::kEnd) return FlushReason::kDrain;
    if (now >= open_->meta.opened + options_.linger) return FlushReason::kLinger;
    return std::nullopt;
  }

  // When the open batch will have lingered long enough. nullopt: it is empty.
  std::optional<MonotonicTime> Deadline() const {
    if (empty()) return std::nullopt;
    return open_->meta.opened + options_.linger;
  }

  // The open batch, numbered 1, 2, 3 …; a new one begins. Null when it is empty.
  std::unique_ptr<Batch<M>> Take() {
    if (empty()) return nullptr;
    open_->meta.sequence = ++sequence_;
    topic_ = {};
    return std::move(open_);
  }

  // Takes a batch back for reuse.
  void Reuse(std::unique_ptr<Batch<M>> batch) {
    batch->Clear();
    spare_bytes_ += batch->HeldBytes();
    spare_.push_back(std::move(batch));
  }

  // Frees the memory of all batches kept for reuse.
  void DropSpares() {
    spare_.clear();
    spare_bytes_ = 0;
  }

  // The batch being filled. Only between AddMessage() and FinishMessage().
  Batch<M>& open() { return *open_; }

  bool empty() const { return open_ == nullptr || open_->empty(); }
  // Rows and rejects in the open batch.
  std::size_t Received() const { return empty() ? 0 : open_->Received(); }

  // Heap bytes of the open batch, and of those kept for reuse.
  std::size_t OpenBytes() const { return open_ == nullptr ? 0 : open_->HeldBytes(); }
  std::size_t SpareBytes() const { return spare_bytes_; }

  // Heap bytes that adding the message may take at most, not counting rows beyond the first.
  std::size_t GrowthFor(const Message& message) const {
    std::size_t growth = MessageBytes(message) + Arena::kDefaultBlockBytes;
    if (open_ == nullptr) return growth + (spare_.empty() ? ReservedRows() * kBytesPerRow : 0);
    const auto doubling = [](const auto& vector) {
      return vector.size() < vector.capacity() ? 0 : vector.capacity() * sizeof(vector[0]);
    };
    return growth + doubling(open_->rows) + doubling(open_->row_message) +
           doubling(open_->meta.messages);
  }

 private:
  struct Stream {
    bool known = false;
    std::int64_t next = 0;    // where the stream's last message ended
    std::uint64_t batch = 0;  // number of the batch that has a range of the stream …
    std::uint32_t range = 0;  // … and its index there
  };
  static constexpr std::size_t kBytesPerRow =
      sizeof(M) + sizeof(std::uint32_t) + sizeof(MessageRecord);

  static std::size_t MessageBytes(const Message& message) {
    return message.payload.size() + message.key.size() + message.topic.size() + Arena::kPadding +
           kBytesPerRow;
  }

  // Rows that a new batch has room for from the start: no more than batch_bytes lets in.
  std::size_t ReservedRows() const {
    return std::min(options_.batch_rows, options_.batch_bytes / kBytesPerRow + 1);
  }

  absl::Status CheckPosition(const Position& position) const {
    if (!HasStream(position.stream)) {
      return absl::FailedPreconditionError("a message of stream " +
                                           std::to_string(position.stream) + ", which is not read");
    }
    const std::int64_t next = streams_[position.stream].next;
    if (position.offset >= next && position.next > position.offset) return absl::OkStatus();
    return absl::OutOfRangeError("stream " + std::to_string(position.stream) +
                                 " goes backward: message [" + std::to_string(position.offset) +
                                 ", " + std::to_string(position.next) + ") after " +
                                 std::to_string(next) + " was reached");
  }

  Batch<M>& Open(MonotonicTime now) {
    if (open_ == nullptr) {
      if (spare_.empty()) {
        open_ = std::make_unique<Batch<M>>();
        open_->rows.reserve(ReservedRows());
        open_->row_message.reserve(ReservedRows());
        open_->meta.messages.reserve(ReservedRows());
      } else {
        open_ = std::move(spare_.back());
        spare_.pop_back();
        spare_bytes_ -= open_->HeldBytes();
      }
    }
    if (open_->empty()) open_->meta.opened = now;
    return *open_;
  }

  // Messages in a row mostly have the same topic: it is kept once.
  std::string_view KeepTopic(std::string_view topic) {
    if (topic != topic_) topic_ = open_->arena.Copy(topic);
    return topic_;
  }

  void DropNewRows() { open_->rows.resize(open_->row_message.size()); }

  void ResetOpen() {
    open_->Clear();
    topic_ = {};
    for (Stream& stream : streams_) stream.batch = 0;
  }

  void ExtendRange(const Position& position) {
    Stream& stream = streams_[position.stream];
    std::vector<StreamRange>& ranges = open_->meta.ranges;
    if (stream.batch != sequence_ + 1) {
      stream.batch = sequence_ + 1;
      stream.range = static_cast<std::uint32_t>(ranges.size());
      ranges.push_back({.stream = position.stream, .first = stream.next, .next = position.next});
    }
    ranges[stream.range].next = position.next;
    stream.next = position.next;
  }

  BatcherOptions options_;
  std::unique_ptr<Batch<M>> open_;
  std::vector<std::unique_ptr<Batch<M>>> spare_;
  std::size_t spare_bytes_ = 0;
  std::vector<Stream> streams_;
  std::string_view topic_;  // of the open batch's last message
  std::uint64_t sequence_ = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_BATCHER_H_
