// Writing to file descriptors: all of it or a clear reason why not.
#ifndef TSINGEST_BASE_FILE_H_
#define TSINGEST_BASE_FILE_H_

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"

namespace tsingest {

// Owns a file descriptor. Moves, does not copy; not thread-safe.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { Reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void Reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// A status for a failed call on the file `name`: what failed and the system's own words.
// kUnavailable for what heals (disk full, quota, I/O error), kNotFound, kPermissionDenied, else
// kFailedPrecondition.
inline absl::Status FileError(std::string_view what, std::string_view name, int error) {
  const std::string text =
      std::string(what) + " " + std::string(name) + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::UnavailableError(text);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text + " (does its directory exist?)");
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case EPIPE:
      return absl::FailedPreconditionError(text + " (whoever was reading it has gone)");
    default:
      return absl::FailedPreconditionError(text);
  }
}

namespace internal {

// Keeps SIGPIPE from ending the process while a thread writes to a pipe; the write fails with
// EPIPE.
class SigpipeBlocker {
 public:
  SigpipeBlocker() {
    sigset_t pending;
    sigemptyset(&pending);
    ::sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeBlocker() {
    constexpr std::timespec kNoWait{0, 0};
    if (!was_pending_) {
      while (::sigtimedwait(&sigpipe_, nullptr, &kNoWait) == -1 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlocker(const SigpipeBlocker&) = delete;
  SigpipeBlocker& operator=(const SigpipeBlocker&) = delete;

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace internal

// Writes `bytes` from *done on, and counts in *done what is written. OK: all of it. After an error
// the call may be repeated and goes on where it stopped. `name` is for messages. Interruptions,
// short writes and full non-blocking pipes are dealt with; a broken pipe is kFailedPrecondition,
// not SIGPIPE.
inline absl::Status WriteFully(int fd, std::string_view bytes, std::size_t* done,
                               std::string_view name) {
  const internal::SigpipeBlocker blocker;
  while (*done < bytes.size()) {
    const ssize_t written = ::write(fd, bytes.data() + *done, bytes.size() - *done);
    if (written > 0) {
      *done += static_cast<std::size_t>(written);
    } else if (written == 0 || (errno != EINTR && errno != EAGAIN)) {
      return FileError("cannot write to", name, written == 0 ? ENOSPC : errno);
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      constexpr int kLongestWaitMs = 1000;
      ::poll(&ready, 1, kLongestWaitMs);
    }
  }
  return absl::OkStatus();
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_FILE_H_
