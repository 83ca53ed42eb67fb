// Takes the messages of a stream out of a batch that is not written yet.
#ifndef TSINGEST_PIPELINE_REMOVE_STREAMS_H_
#define TSINGEST_PIPELINE_REMOVE_STREAMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {
namespace internal {

inline constexpr std::uint32_t kGone = std::numeric_limits<std::uint32_t>::max();

// Removes the messages of `streams` and their rejects; returns the new index of each old message.
inline std::vector<std::uint32_t> RemoveMessages(BatchMeta& meta,
                                                 std::span<const StreamId> streams) {
  const auto is_lost = [&](StreamId stream) {
    return std::ranges::find(streams, stream) != streams.end();
  };
  std::vector<std::uint32_t> moved_to(meta.messages.size(), kGone);
  std::uint32_t kept = 0;
  for (std::size_t i = 0; i < meta.messages.size(); ++i) {
    const MessageRecord& message = meta.messages[i];
    if (is_lost(message.position.stream)) {
      meta.payload_bytes -= message.payload.size();
      continue;
    }
    moved_to[i] = kept;
    meta.messages[kept++] = message;
  }
  meta.messages.resize(kept);
  std::erase_if(meta.rejects,
                [&](const RejectedMessage& r) { return moved_to[r.message] == kGone; });
  for (RejectedMessage& reject : meta.rejects) reject.message = moved_to[reject.message];
  std::erase_if(meta.ranges, [&](const StreamRange& range) { return is_lost(range.stream); });
  return moved_to;
}

}  // namespace internal

// Removes everything of `streams` from the batch, as if it had never been added; the arena keeps
// its bytes. Rows may be in any order, row_message tells whose they are. Returns the rows and
// rejects removed. Requires that each row_message[i] is an index into meta.messages.
template <class M>
std::size_t RemoveStreams(Batch<M>& batch, std::span<const StreamId> streams) {
  const std::size_t before = batch.Received();
  const std::vector<std::uint32_t> moved_to = internal::RemoveMessages(batch.meta, streams);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    const std::uint32_t message = moved_to[batch.row_message[i]];
    if (message == internal::kGone) continue;
    if (kept != i) batch.rows[kept] = std::move(batch.rows[i]);
    batch.row_message[kept++] = message;
  }
  batch.rows.resize(kept);
  batch.row_message.resize(kept);
  return before - batch.Received();
}

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_REMOVE_STREAMS_H_
