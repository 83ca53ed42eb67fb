// File descriptors that close themselves, and one to wake a thread that polls.
#ifndef TSINGEST_SOURCE_MQTT_FD_H_
#define TSINGEST_SOURCE_MQTT_FD_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace tsingest::mqtt {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Becomes readable by Signal() and stays so until Drain(). Thread-safe.
class WakeFd {
 public:
  WakeFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  bool ok() const { return static_cast<bool>(fd_); }
  int get() const { return fd_.get(); }
  void Signal() {
    const std::uint64_t one = 1;
    // Full (EAGAIN) means signalled already.
    [[maybe_unused]] const ssize_t written = write(fd_.get(), &one, sizeof(one));
  }
  void Drain() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(fd_.get(), &count, sizeof(count));
  }

 private:
  UniqueFd fd_;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_FD_H_
