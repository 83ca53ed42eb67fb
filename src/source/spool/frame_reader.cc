#include "source/spool/frame_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace tsingest::spool {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kKeptBytes = 16 * kReadBytes;  // what one large message has made is not kept

}  // namespace

absl::Status FrameReader::Open(const Segment& segment, const SpoolId& id) {
  path_ = segment.path;
  filled_ = taken_ = 0;
  offset_ = 0;
  if (buffer_.size() > kKeptBytes) buffer_ = {};
  fd_ = FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd_.is_open()) return FileError("cannot open", path_, errno);
  const absl::StatusOr<bool> filled = Fill(kSegmentHeaderBytes, segment.bytes);
  if (!filled.ok()) return filled.status();
  const absl::StatusOr<SegmentHeader> header =
      ParseSegmentHeader(Available().substr(0, *filled ? kSegmentHeaderBytes : 0));
  if (!header.ok()) return DamageError(path_, std::string(header.status().message()));
  if (header->id != id || header->first != segment.first) {
    return absl::FailedPreconditionError(
        fmt::format("{} belongs to another spool or is renamed", path_));
  }
  frame_size_ = kSegmentHeaderBytes;
  Advance();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Frame>> FrameReader::Peek(std::uint64_t limit) {
  if (offset_ >= limit) return std::nullopt;
  Frame frame;
  std::size_t needed = kFrameBytes;
  while (true) {
    const absl::StatusOr<bool> filled = Fill(needed, limit);
    if (!filled.ok()) return filled.status();
    const FrameState state = ParseFrame(Available(), &frame, &needed);
    if (state == FrameState::kValid && frame.size() <= limit - offset_) break;
    if (state == FrameState::kShort && *filled) continue;
    return DamageError(path_, fmt::format("is damaged at byte {}", offset_));
  }
  frame_size_ = frame.size();
  return frame;
}

void FrameReader::Advance() {
  taken_ += frame_size_;
  offset_ += frame_size_;
  frame_size_ = 0;
}

absl::StatusOr<bool> FrameReader::Fill(std::size_t wanted, std::uint64_t limit) {
  while (filled_ - taken_ < wanted) {
    const std::uint64_t at = offset_ + (filled_ - taken_);
    if (at >= limit) return false;
    if (taken_ > 0) std::memmove(buffer_.data(), buffer_.data() + taken_, filled_ - taken_);
    filled_ -= taken_;
    taken_ = 0;
    buffer_.resize(std::max({buffer_.size(), wanted, kReadBytes}));
    const std::size_t room = std::min<std::uint64_t>(buffer_.size() - filled_, limit - at);
    const ssize_t got = ::pread(fd_.get(), buffer_.data() + filled_, room, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", path_, errno);
    if (got == 0) return false;
    filled_ += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace tsingest::spool
