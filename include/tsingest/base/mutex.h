// Mutex, MutexLock and CondVar with the annotations of Clang's thread safety analysis.
//
// The standard's own, because their locks are seen by ThreadSanitizer. Those of a prebuilt Abseil
// are not: it reports a race for whatever they guard.
#ifndef TSINGEST_BASE_MUTEX_H_
#define TSINGEST_BASE_MUTEX_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/clock.h"

namespace tsingest {

// Guards what is marked ABSL_GUARDED_BY(it). Not recursive.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds the mutex for the length of a scope.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// Waits give the mutex up meanwhile and have it again when they return. They may return without a
// signal: look at the condition in a loop. Waits are of real time.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex* mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    changed_.wait(lock);
    lock.release();
  }

  // True: the deadline has passed.
  bool WaitUntil(Mutex* mutex, MonotonicTime deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    const bool timed_out = changed_.wait_until(lock, deadline) == std::cv_status::timeout;
    lock.release();
    return timed_out;
  }

  // True: the time has passed. At most a year at once.
  bool WaitFor(Mutex* mutex, Duration length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    constexpr Duration kYear = std::chrono::hours(365 * 24);
    return WaitUntil(mutex, std::chrono::steady_clock::now() + std::min(length, kYear));
  }

  void Signal() { changed_.notify_one(); }
  void SignalAll() { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_MUTEX_H_
