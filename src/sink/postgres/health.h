// HealthBoard: what the parts of a sink suffer from at the moment.
#ifndef TSINGEST_SRC_SINK_POSTGRES_HEALTH_H_
#define TSINGEST_SRC_SINK_POSTGRES_HEALTH_H_

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace tsingest::postgres {

// Thread-safe. A part is a writer, by its number, or kControl.
class HealthBoard {
 public:
  static constexpr int kControl = -1;

  // The part is sick. True when it was not, or for another reason: then it is worth a line.
  bool SetSick(int part, std::string why) {
    absl::MutexLock lock(&mutex_);
    std::string& known = sick_[part];
    const bool is_news = known != why;
    known = std::move(why);
    return is_news;
  }
  // The part is well. True when it was sick.
  bool SetWell(int part) {
    absl::MutexLock lock(&mutex_);
    return sick_.erase(part) != 0;
  }
  // OK, or kUnavailable with what the first sick part suffers from.
  absl::Status Get() const {
    absl::MutexLock lock(&mutex_);
    return sick_.empty() ? absl::OkStatus() : absl::UnavailableError(sick_.begin()->second);
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<int, std::string> sick_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_HEALTH_H_
