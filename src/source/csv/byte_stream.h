// Bytes of an input, one stage on top of another: file, decompression, transcoding.
#ifndef TSINGEST_SRC_SOURCE_CSV_BYTE_STREAM_H_
#define TSINGEST_SRC_SOURCE_CSV_BYTE_STREAM_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"

namespace tsingest::csv {

struct ReadResult {
  std::size_t size = 0;
  bool end = false;  // with size 0: there is nothing more

  // Nothing came until the deadline.
  bool idle() const { return size == 0 && !end; }
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Reads what there is, at most `capacity` (> 0) bytes; waits for the first byte until `deadline`.
  // An error comes after all bytes before it, and stays.
  virtual absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity,
                                          MonotonicTime deadline) = 0;
};

// Bytes that were read ahead, then the rest of the stream they came from.
class PrefixedStream final : public ByteStream {
 public:
  PrefixedStream(std::string prefix, std::unique_ptr<ByteStream> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}

  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity,
                                  MonotonicTime deadline) override {
    if (at_ == prefix_.size()) return rest_->Read(out, capacity, deadline);
    const std::size_t size = std::min(capacity, prefix_.size() - at_);
    std::memcpy(out, prefix_.data() + at_, size);
    at_ += size;
    return ReadResult{size, false};
  }

 private:
  std::string prefix_;
  std::size_t at_ = 0;
  std::unique_ptr<ByteStream> rest_;
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_BYTE_STREAM_H_
