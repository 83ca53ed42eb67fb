// ScanSegment: what is in a segment file, and what is wrong with it.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_SCAN_H_
#define TSINGEST_SRC_SOURCE_SPOOL_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "source/spool/format.h"
#include "tsingest/base/clock.h"

namespace tsingest::spool {

// What is known about a segment beside its bytes.
struct ScanLimits {
  std::int64_t first = kFirstSequence;  // its first record, by its name
  // Everything before it was durable once: what is missing before it is damage.
  std::int64_t durable_end = kFirstSequence;
  // Where the next segment begins: records from there on are ignored (a failed write left them
  // behind, and they were written anew). None: it is the last.
  std::int64_t next_segment = std::numeric_limits<std::int64_t>::max();
};

// Bytes [offset, offset + bytes) are no records; the sequence numbers [first, next) are lost.
struct Damage {
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::int64_t first = 0;
  std::int64_t next = 0;
};

struct SegmentScan {
  absl::Status header;  // OK, or what is wrong with it
  SpoolId id{};
  std::int64_t end = 0;          // sequence number behind the last record that counts
  std::int64_t proven_end = 0;   // everything before it was durable once, as the records tell
  std::size_t valid_bytes = 0;   // up to the end of the last valid record
  std::uint64_t messages = 0;    // valid ones
  std::int64_t gap_records = 0;  // lost before, and recorded as lost
  std::vector<Damage> damage;
  // Behind valid_bytes: a write that was not finished and of which nobody was told; 0 if `damage`
  // goes to the end.
  std::size_t torn_bytes = 0;
  Timestamp first_arrival{};  // of valid messages; of use when messages > 0
  Timestamp last_arrival{};

  bool ok() const { return header.ok() && damage.empty(); }
  std::int64_t lost() const;
};

// Called for each valid record, with where it stands.
class FrameVisitor {
 public:
  virtual ~FrameVisitor() = default;
  virtual void OnFrame(const Frame& frame, std::size_t offset) = 0;
};

// Looks at every byte. An invalid record is damage when it was durable once: when it stands before
// limits.durable_end, or when a record behind it says that it was written after it was durable.
// Otherwise it is a torn write. `visitor` may be null.
SegmentScan ScanSegment(std::string_view content, const ScanLimits& limits,
                        FrameVisitor* visitor = nullptr);

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_SCAN_H_
