#include "source/spool/segment_list.h"

#include <algorithm>
#include <utility>

namespace tsingest::spool {

SegmentList::SegmentList(SpoolIo& io, std::vector<Segment> segments, std::int64_t end,
                         std::int64_t committed)
    : io_(io), segments_(segments.begin(), segments.end()), end_(end), committed_(committed) {
  for (const Segment& segment : segments_) bytes_ += segment.bytes;
  const std::int64_t first = segments_.empty() ? end_ : segments_.front().first;
  committed_ = std::clamp(committed_, std::min(first, end_), end_);
}

void SegmentList::Add(Segment segment) {
  std::vector<std::string> done;
  {
    MutexLock lock(&mutex_);
    end_ = segment.end;
    bytes_ += segment.bytes;
    segments_.push_back(std::move(segment));
    done = TakeDone();
  }
  Delete(done);
}

void SegmentList::Grow(std::int64_t end, std::uint64_t bytes) {
  MutexLock lock(&mutex_);
  bytes_ += bytes - segments_.back().bytes;
  segments_.back().end = end_ = end;
  segments_.back().bytes = bytes;
}

std::optional<Segment> SegmentList::Find(std::int64_t sequence) const {
  MutexLock lock(&mutex_);
  if (sequence >= end_) return std::nullopt;
  for (const Segment& segment : segments_) {
    if (sequence < segment.end) return segment;
  }
  return std::nullopt;
}

void SegmentList::Commit(std::int64_t next) {
  std::vector<std::string> done;
  {
    MutexLock lock(&mutex_);
    committed_ = std::max(committed_, std::min(next, end_));
    done = TakeDone();
  }
  Delete(done);
}

std::vector<std::string> SegmentList::TakeDone() {
  std::vector<std::string> paths;
  while (segments_.size() > 1 && segments_.front().end <= committed_) {
    bytes_ -= segments_.front().bytes;
    paths.push_back(std::move(segments_.front().path));
    segments_.pop_front();
  }
  return paths;
}

// A file that cannot be deleted is deleted by the next start: what is in it is committed.
void SegmentList::Delete(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) io_.Remove(path).IgnoreError();
}

std::int64_t SegmentList::first() const {
  MutexLock lock(&mutex_);
  return segments_.empty() ? end_ : segments_.front().first;
}
std::int64_t SegmentList::committed() const {
  MutexLock lock(&mutex_);
  return committed_;
}
std::int64_t SegmentList::end() const {
  MutexLock lock(&mutex_);
  return end_;
}
std::uint64_t SegmentList::bytes() const {
  MutexLock lock(&mutex_);
  return bytes_;
}
std::size_t SegmentList::segments() const {
  MutexLock lock(&mutex_);
  return segments_.size();
}

}  // namespace tsingest::spool
