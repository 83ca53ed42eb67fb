// What tells a sick table from a sick row: other rows that the table takes.
#ifndef TSINGEST_SRC_SINK_POSTGRES_ROW_MEMORY_H_
#define TSINGEST_SRC_SINK_POSTGRES_ROW_MEMORY_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tsingest::postgres {

// Which attempts of any writer had all their rows taken, and when they began; and one row that is
// stored. Thread-safe.
class RowMemory {
 public:
  // A moment: later ones are greater.
  std::uint64_t Now() {
    absl::MutexLock lock(&mutex_);
    return ++now_;
  }
  // An attempt that began then brought rows into the table, and none was refused.
  void NoteTaken(std::uint64_t began) {
    absl::MutexLock lock(&mutex_);
    last_taken_ = std::max(last_taken_, began);
  }
  // Whether such an attempt began after `moment`. One that began before tells nothing about a
  // trouble that began meanwhile.
  bool TakenSince(std::uint64_t moment) const {
    absl::MutexLock lock(&mutex_);
    return last_taken_ > moment;
  }

  // The row is committed.
  void Keep(std::string_view row) {
    absl::MutexLock lock(&mutex_);
    kept_.assign(row);
  }
  // A row that is stored, encoded; empty: none yet.
  std::string Kept() const {
    absl::MutexLock lock(&mutex_);
    return kept_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::uint64_t now_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_ROW_MEMORY_H_
