#include "source/spool/writer.h"

#include <chrono>
#include <utility>

namespace tsingest::spool {

SpoolWriter::SpoolWriter(WriterOptions options, SpoolIo& io, SegmentList& segments, Clock& clock)
    : options_(std::move(options)),
      io_(io),
      segments_(segments),
      clock_(clock),
      next_(segments.end()),
      group_first_(next_) {}

bool SpoolWriter::HasRoomFor(const Message& message) {
  const std::uint64_t wanted = group_.size() + MessageRecordBytes(message) + kSegmentHeaderBytes;
  if (segments_.bytes() + wanted <= options_.max_bytes) return true;
  if (!group_.empty() || segments_.committed() < segments_.end()) return false;
  file_.reset();  // what is left is committed: it goes as soon as another segment begins
  return true;
}

void SpoolWriter::Add(const Message& message) {
  AppendMessage(message, next_, static_cast<std::uint32_t>(next_ - group_first_), &group_);
  ++next_;
}

absl::Status SpoolWriter::Commit() {
  if (group_.empty()) return absl::OkStatus();
  if (file_ != nullptr && segment_.bytes + group_.size() > options_.segment_bytes) file_.reset();
  absl::Status status = WriteGroup();
  if (status.ok()) {
    Publish();
    return status;
  }
  ++stats_.failures;
  GiveUpSegment();
  return status;
}

absl::Status SpoolWriter::WriteGroup() {
  const bool is_new = file_ == nullptr;
  if (is_new) {
    if (absl::Status status = BeginSegment(); !status.ok()) return status;
  }
  if (absl::Status status = file_->Append(group_); !status.ok()) return status;
  const MonotonicTime began = clock_.Now();
  absl::Status status = file_->Sync();
  if (status.ok() && is_new) status = io_.SyncDirectory(options_.directory);
  stats_.sync_seconds.Observe(std::chrono::duration<double>(clock_.Now() - began).count());
  return status;
}

absl::Status SpoolWriter::BeginSegment() {
  segment_ = {.path = options_.directory + "/" + SegmentName(group_first_),
              .first = group_first_,
              .end = group_first_,
              .bytes = kSegmentHeaderBytes};
  absl::StatusOr<std::unique_ptr<AppendFile>> file = io_.Create(segment_.path);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  return file_->Append(MakeSegmentHeader({.id = options_.id, .first = segment_.first}));
}

void SpoolWriter::Publish() {
  const bool is_new = segment_.end == segment_.first;
  segment_.end = next_;
  segment_.bytes += group_.size();
  if (is_new) {
    segments_.Add(segment_);
  } else {
    segments_.Grow(segment_.end, segment_.bytes);
  }
  stats_.records += static_cast<std::uint64_t>(next_ - group_first_);
  ++stats_.groups;
  group_first_ = next_;
  group_.clear();
}

void SpoolWriter::GiveUpSegment() {
  file_.reset();
  // A file without a durable record would stand in the way of the fresh one, which has its name.
  if (segment_.end == segment_.first) io_.Remove(segment_.path).IgnoreError();
}

}  // namespace tsingest::spool
