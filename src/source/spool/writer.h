// SpoolWriter: gathers messages into a group and makes it durable with one write and one sync.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_WRITER_H_
#define TSINGEST_SRC_SOURCE_SPOOL_WRITER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "source/spool/format.h"
#include "source/spool/io.h"
#include "source/spool/segment_list.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/histogram.h"
#include "tsingest/pipeline/message.h"

namespace tsingest::spool {

struct WriterOptions {
  std::string directory;
  SpoolId id{};
  std::uint64_t max_bytes = 0;      // of all segments
  std::uint64_t segment_bytes = 0;  // a segment is closed when it has so many
};

// Counters that other threads may read.
struct WriterStats {
  std::atomic<std::uint64_t> records{0};   // made durable
  std::atomic<std::uint64_t> groups{0};    // … by so many syncs
  std::atomic<std::uint64_t> failures{0};  // groups that could not be made durable
  Histogram<kSecondsBuckets.size()> sync_seconds{kSecondsBuckets};
};

// One thread. Borrows everything.
class SpoolWriter {
 public:
  SpoolWriter(WriterOptions options, SpoolIo& io, SegmentList& segments, Clock& clock);

  // Whether the message fits into the spool's bound. A message that is larger than the bound fits
  // when the sink lacks nothing else.
  bool HasRoomFor(const Message& message);

  // Takes the message into the group.
  void Add(const Message& message);
  bool empty() const { return group_.empty(); }
  std::size_t group_bytes() const { return group_.size(); }

  // Makes the group durable and shows it to the reader. After an error nothing of it is visible;
  // the segment is given up where it was durable, and another call tries the group in a fresh file.
  absl::Status Commit();

  const WriterStats& stats() const { return stats_; }

 private:
  absl::Status WriteGroup();
  absl::Status BeginSegment();
  void Publish();
  void GiveUpSegment();

  const WriterOptions options_;
  SpoolIo& io_;
  SegmentList& segments_;
  Clock& clock_;
  WriterStats stats_;

  std::int64_t next_;  // number of the next message
  std::string group_;  // records [group_first_, next_)
  std::int64_t group_first_;

  std::unique_ptr<AppendFile> file_;  // null: the next group begins a segment
  Segment segment_;                   // what of file_ is durable; end == first: nothing yet
};

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_WRITER_H_
