// Slot: what the I/O thread and the rest of the program share about one connection.
#ifndef TSINGEST_SOURCE_MQTT_SLOT_H_
#define TSINGEST_SOURCE_MQTT_SLOT_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "source/mqtt/fd.h"
#include "tsingest/base/mutex.h"

namespace tsingest::mqtt {

// Thread-safe.
class Slot {
 public:
  // Written by the poller, read by the I/O thread: arrival numbers below it are durable.
  std::atomic<std::int64_t> durable{0};

  // Written by the I/O thread. `exhausted`: the broker waits for acknowledgements; `exhaustions`
  // counts how often that began.
  std::atomic<bool> exhausted{false};
  std::atomic<std::uint64_t> exhaustions{0};
  std::atomic<bool> began_without_session{false};  // see Session

  struct Counters {
    std::atomic<std::uint64_t> messages{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> acknowledged{0};
    std::atomic<std::uint64_t> redelivered{0};
    std::atomic<std::uint64_t> suppressed{0};
    std::atomic<std::uint64_t> qos0_dropped{0};
    std::atomic<std::uint64_t> oversize{0};
    std::atomic<std::uint64_t> reconnects{0};
    std::atomic<std::uint64_t> failed_attempts{0};
    std::atomic<int> unacknowledged{0};
    std::atomic<int> window{0};
    std::atomic<bool> connected{false};
  };
  Counters counters;

  // How the connection is. The first call decides the outcome that Open() waits for.
  // `hopeless`: waiting does not mend it.
  void SetStatus(absl::Status status, bool hopeless) {
    const MutexLock lock(&mutex_);
    status_ = std::move(status);
    if (decided_) return;
    decided_ = true;
    hopeless_ = hopeless;
    first_status_ = status_;
    outcome_.Signal();
  }
  absl::Status status() const {
    const MutexLock lock(&mutex_);
    return status_;
  }
  bool decided() const {
    const MutexLock lock(&mutex_);
    return decided_;
  }
  // The outcome of the first attempt. *hopeless: waiting does not mend it.
  absl::Status FirstStatus(bool* hopeless) const {
    const MutexLock lock(&mutex_);
    *hopeless = hopeless_;
    return first_status_;
  }
  // Readable once decided().
  int outcome_fd() const { return outcome_.get(); }

 private:
  WakeFd outcome_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("connecting");
  absl::Status first_status_ ABSL_GUARDED_BY(mutex_);
  bool decided_ ABSL_GUARDED_BY(mutex_) = false;
  bool hopeless_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_SLOT_H_
