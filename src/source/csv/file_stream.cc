#include "source/csv/file_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

#include "fmt/format.h"

namespace tsingest::csv {
namespace {

std::string ErrorText(int error) { return std::generic_category().message(error); }

absl::Status FileError(const std::string& path, int error) {
  const std::string text = fmt::format("{}: {}", path, ErrorText(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EISDIR:
      return absl::InvalidArgumentError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Milliseconds for poll(2): rounded up, so that a wait never ends just before its deadline.
int PollTimeout(MonotonicTime deadline, MonotonicTime now) {
  constexpr auto kLongest = std::chrono::milliseconds(60'000);
  if (deadline <= now) return 0;
  const auto left = std::min<Duration>(deadline - now, kLongest);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

bool IsReadable(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
}

}  // namespace

void Descriptor::Close() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
  fd_ = -1;
}

absl::Status Waiter::Open() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::UnavailableError(fmt::format("cannot make a pipe: {}", ErrorText(errno)));
  }
  read_end_ = Descriptor(ends[0]);
  write_end_ = Descriptor(ends[1]);
  return absl::OkStatus();
}

void Waiter::Wake() {
  const char byte = 0;
  // A full pipe is fine: then a wake-up is pending anyway.
  [[maybe_unused]] const ssize_t written = ::write(write_end_.get(), &byte, 1);
}

bool Waiter::WaitReadable(int fd, MonotonicTime deadline) {
  for (;;) {
    const MonotonicTime now = clock_.Now();
    pollfd fds[2] = {{read_end_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
    const int ready = ::poll(fds, fd < 0 ? 1 : 2, PollTimeout(deadline, now));
    if (ready > 0 && fds[1].revents != 0) return true;
    if (ready > 0 && fds[0].revents != 0) {
      char bytes[64];
      while (::read(read_end_.get(), bytes, sizeof bytes) > 0) {
      }
      return false;
    }
    if (ready < 0 && errno == EINTR) return false;  // a signal: let the caller look around
    if (clock_.Now() >= deadline) return false;
  }
}

absl::StatusOr<FileKind> LookAtFile(const std::string& path) {
  struct stat info;
  const bool is_stdin = path == "-";
  if (is_stdin && !IsReadable(STDIN_FILENO)) {
    return absl::InvalidArgumentError(
        "-: stdin is closed; give it something to read, or name a "
        "file");
  }
  if ((is_stdin ? ::fstat(STDIN_FILENO, &info) : ::stat(path.c_str(), &info)) != 0) {
    return FileError(path, errno);
  }
  if (S_ISDIR(info.st_mode)) return FileError(path, EISDIR);
  if (!is_stdin && ::access(path.c_str(), R_OK) != 0) return FileError(path, errno);
  // Standard input is read once even if it is a file: whoever opened it may share its offset.
  const bool is_regular = !is_stdin && S_ISREG(info.st_mode);
  return FileKind{is_regular, is_regular ? static_cast<std::int64_t>(info.st_size) : 0};
}

absl::StatusOr<std::unique_ptr<FileStream>> FileStream::Open(
    const std::string& path, Waiter& waiter, std::atomic<std::int64_t>& bytes_read) {
  // O_NONBLOCK: a FIFO without a writer is waited for by poll(2), like one without data.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  Descriptor fd(path == "-" ? STDIN_FILENO : ::open(path.c_str(), kFlags));
  struct stat info;
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) return FileError(path, errno);
  const bool is_regular = S_ISREG(info.st_mode);
#ifdef POSIX_FADV_SEQUENTIAL
  if (is_regular) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  return std::unique_ptr<FileStream>(
      new FileStream(path, std::move(fd), !is_regular, waiter, bytes_read));
}

// At its end: a file that is shorter now than what was read of it is another one, and its last line
// may be a part of one.
absl::Status FileStream::CheckUncut() const {
  struct stat info;
  const off_t at = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (at < 0 || ::fstat(fd_.get(), &info) != 0 || info.st_size >= at) return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "{}: was cut to {} bytes while it was read: {} had been read", path_, info.st_size, at));
}

absl::StatusOr<ReadResult> FileStream::Read(char* out, std::size_t capacity,
                                            MonotonicTime deadline) {
  for (;;) {
    if (may_block_ && !waiter_.WaitReadable(fd_.get(), deadline)) return ReadResult{};
    const ssize_t size = ::read(fd_.get(), out, capacity);
    if (size == 0 && !may_block_) {
      if (absl::Status status = CheckUncut(); !status.ok()) return status;
    }
    if (size >= 0) {
      bytes_read_.fetch_add(size, std::memory_order_relaxed);
      return ReadResult{static_cast<std::size_t>(size), size == 0};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return ReadResult{};
    if (errno != EINTR) return FileError(path_, errno);
  }
}

}  // namespace tsingest::csv
