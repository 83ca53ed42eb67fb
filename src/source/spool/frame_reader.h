// FrameReader: the records of one segment, one after the other.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_FRAME_READER_H_
#define TSINGEST_SRC_SOURCE_SPOOL_FRAME_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/spool/directory.h"
#include "source/spool/format.h"
#include "tsingest/base/file.h"

namespace tsingest::spool {

// Reads while another thread appends: never beyond the bytes it is told of. Not thread-safe.
class FrameReader {
 public:
  // Opens the segment and checks its header. kDataLoss: damaged; else as FileError().
  absl::Status Open(const Segment& segment, const SpoolId& id);
  void Close() { fd_.Reset(); }
  bool IsOn(const Segment& segment) const { return fd_.is_open() && path_ == segment.path; }

  // The record at the current place, without going on; nullopt at byte `limit` of the file. Its
  // views are valid until the next call. kDataLoss: there is none, and where.
  absl::StatusOr<std::optional<Frame>> Peek(std::uint64_t limit);
  // Goes on behind the record that Peek() gave.
  void Advance();

 private:
  // Makes at least `wanted` bytes available at the current place; false: `limit` comes before.
  absl::StatusOr<bool> Fill(std::size_t wanted, std::uint64_t limit);
  std::string_view Available() const {
    return std::string_view(buffer_.data(), filled_).substr(taken_);
  }

  std::string path_;
  FileDescriptor fd_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;    // bytes in the buffer …
  std::size_t taken_ = 0;     // … of which these are done with
  std::uint64_t offset_ = 0;  // in the file, of the byte at taken_
  std::size_t frame_size_ = 0;
};

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_FRAME_READER_H_
