// SegmentList: the durable segments of an open spool, as its writer and its reader share them.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_SEGMENT_LIST_H_
#define TSINGEST_SRC_SOURCE_SPOOL_SEGMENT_LIST_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "source/spool/directory.h"
#include "source/spool/io.h"
#include "tsingest/base/mutex.h"

namespace tsingest::spool {

//     first ........ committed ............ end
//     | deletable    | the sink lacks them  | not durable yet
//
// A segment is deleted when all of it is committed; the last one stays, because it tells the next
// number. Thread-safe.
class SegmentList {
 public:
  // Borrows `io`.
  SegmentList(SpoolIo& io, std::vector<Segment> segments, std::int64_t end, std::int64_t committed);

  // ---- writer ----
  // A new segment with its first records is durable.
  void Add(Segment segment);
  // The last segment has grown, durably.
  void Grow(std::int64_t end, std::uint64_t bytes);

  // ---- reader ----
  // The segment that has the record; nullopt: there is none yet.
  std::optional<Segment> Find(std::int64_t sequence) const;
  // Everything before `next` is committed. Deletes what is not needed any more.
  void Commit(std::int64_t next);

  // ---- any ----
  std::int64_t first() const;      // of the oldest record that is here
  std::int64_t committed() const;  // lies between first() and end()
  std::int64_t end() const;
  std::uint64_t bytes() const;
  std::size_t segments() const;

 private:
  // Takes what is done with off the list; the caller deletes it without the lock.
  std::vector<std::string> TakeDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Delete(const std::vector<std::string>& paths);

  SpoolIo& io_;
  mutable Mutex mutex_;
  std::deque<Segment> segments_ ABSL_GUARDED_BY(mutex_);
  std::int64_t end_ ABSL_GUARDED_BY(mutex_);
  std::int64_t committed_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_SEGMENT_LIST_H_
