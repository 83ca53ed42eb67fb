// Batch<M>: rows on their way to a sink, with everything needed to acknowledge or reject them.
#ifndef TSINGEST_PIPELINE_BATCH_H_
#define TSINGEST_PIPELINE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// Rows of a batch where neither user nor sink have a wish.
inline constexpr std::size_t kDefaultBatchRows = 5000;

// What a batch keeps of a message: enough to write a dead letter for it. Views are of the batch's
// arena; the payload is the original bytes.
struct MessageRecord {
  std::string_view payload = {};
  std::string_view key = {};
  std::string_view topic = {};
  Timestamp arrival{};
  Position position = {};
  std::int64_t line = 0;
};

// Input that became no row: where it came from and why. `message` indexes Batch::messages.
struct RejectedMessage {
  std::uint32_t message = 0;
  RejectCode code = RejectCode::kOk;
  std::string sqlstate = {};  // set with kServer
  std::string reason = {};    // complete, with the place: `line 17: value: "abc" is not a number`
};

// The part of one stream that a batch covers. Batches of a stream are adjacent: a batch's `first`
// is the `next` of the batch before it.
struct StreamRange {
  StreamId stream = 0;
  std::int64_t first = 0;   // the stream's stored position before this batch
  std::int64_t next = 0;    // … and after it
  std::string detail = {};  // Source::StreamDetail() after its last message; stored with `next`
};

// Everything about a batch but its rows: what a sink needs that does not know the row type.
struct BatchMeta {
  std::uint64_t sequence = 0;                 // 1, 2, 3 … in the order batches were taken
  std::vector<MessageRecord> messages = {};   // in order of arrival
  std::vector<RejectedMessage> rejects = {};  // found while decoding and validating
  std::vector<StreamRange> ranges = {};       // one per stream in the batch
  MonotonicTime opened{};                     // when its first message was added
  std::size_t payload_bytes = 0;              // of all messages, as received
};

// Rows plus the bytes they view plus the positions they came from. A message is always whole in one
// batch. Reused: Clear() keeps all capacity. Owned by one thread at a time; neither copies nor
// moves.
template <class M>
struct Batch {
  Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::vector<M> rows;
  std::vector<std::uint32_t> row_message;  // rows[i] came from meta.messages[row_message[i]]
  BatchMeta meta;
  Arena arena;

  // Rows that this batch accounts for: rows plus rejected messages.
  std::size_t Received() const { return rows.size() + meta.rejects.size(); }
  bool empty() const { return meta.messages.empty(); }

  // Bytes of the batch's content: the measure for --batch-bytes.
  std::size_t ByteSize() const {
    return arena.used() + rows.size() * (sizeof(M) + sizeof(std::uint32_t)) +
           meta.messages.size() * sizeof(MessageRecord) +
           meta.rejects.size() * sizeof(RejectedMessage);
  }

  // Heap bytes held, whether filled or not: the measure for --buffer-bytes.
  std::size_t HeldBytes() const {
    constexpr std::size_t kReasonBytes =
        256;  // generous: a reason shows at most 64 bytes of a value
    return arena.reserved() + rows.capacity() * sizeof(M) +
           row_message.capacity() * sizeof(std::uint32_t) +
           meta.messages.capacity() * sizeof(MessageRecord) +
           meta.rejects.capacity() * sizeof(RejectedMessage) + meta.rejects.size() * kReasonBytes;
  }

  void Clear() {
    rows.clear();
    row_message.clear();
    meta.messages.clear();
    meta.rejects.clear();
    meta.ranges.clear();
    meta.payload_bytes = 0;
    arena.Reset();
  }
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_BATCH_H_
