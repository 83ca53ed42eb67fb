// One event that threads wait for.
#ifndef TSINGEST_TESTS_SUPPORT_NOTIFICATION_H_
#define TSINGEST_TESTS_SUPPORT_NOTIFICATION_H_

#include "absl/base/thread_annotations.h"
#include "tsingest/base/mutex.h"

namespace tsingest::testing {

// Thread-safe. Notify() may be called more than once.
class Notification {
 public:
  void Notify() {
    MutexLock lock(&mutex_);
    notified_ = true;
    changed_.SignalAll();
  }
  void Wait() {
    MutexLock lock(&mutex_);
    while (!notified_) changed_.Wait(&mutex_);
  }
  bool HasBeenNotified() const {
    MutexLock lock(&mutex_);
    return notified_;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool notified_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_NOTIFICATION_H_
