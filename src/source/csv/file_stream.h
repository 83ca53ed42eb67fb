// Files, pipes and terminals as byte streams.
#ifndef TSINGEST_SRC_SOURCE_CSV_FILE_STREAM_H_
#define TSINGEST_SRC_SOURCE_CSV_FILE_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/csv/byte_stream.h"
#include "tsingest/base/clock.h"

namespace tsingest::csv {

// A file descriptor, closed at the end unless it is standard input.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }

 private:
  void Close();
  int fd_ = -1;
};

// Waits on the polling thread that another thread can end.
class Waiter {
 public:
  explicit Waiter(Clock& clock) : clock_(clock) {}
  // Makes the pipe that Wake() writes to; kUnavailable when the system has none left.
  absl::Status Open();

  // Thread-safe. Ends a wait, or the next one if none is under way.
  void Wake();
  // True: reading `fd` will not block. False: deadline, or woken.
  bool WaitReadable(int fd, MonotonicTime deadline);
  // Until the deadline, or woken.
  void Wait(MonotonicTime deadline) { WaitReadable(-1, deadline); }

  Clock& clock() { return clock_; }

 private:
  Clock& clock_;
  Descriptor read_end_;
  Descriptor write_end_;
};

// What a path leads to.
struct FileKind {
  bool is_regular = false;  // has a size, and can be read again
  std::int64_t size = 0;
};

// "-" is standard input. kNotFound, kPermissionDenied, kInvalidArgument (a directory); messages
// name the path.
absl::StatusOr<FileKind> LookAtFile(const std::string& path);

class FileStream final : public ByteStream {
 public:
  // `waiter` and `bytes_read`, which is counted up by what was read, are borrowed.
  static absl::StatusOr<std::unique_ptr<FileStream>> Open(const std::string& path, Waiter& waiter,
                                                          std::atomic<std::int64_t>& bytes_read);

  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity, MonotonicTime deadline) override;

 private:
  FileStream(std::string path, Descriptor fd, bool may_block, Waiter& waiter,
             std::atomic<std::int64_t>& bytes_read)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        may_block_(may_block),
        waiter_(waiter),
        bytes_read_(bytes_read) {}

  absl::Status CheckUncut() const;

  std::string path_;
  Descriptor fd_;
  bool may_block_;
  Waiter& waiter_;
  std::atomic<std::int64_t>& bytes_read_;
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_FILE_STREAM_H_
