// What one batch's fate tells about how to write the next.
#ifndef TSINGEST_SRC_SINK_POSTGRES_SHAPE_MEMORY_H_
#define TSINGEST_SRC_SINK_POSTGRES_SHAPE_MEMORY_H_

#include <algorithm>
#include <atomic>

namespace tsingest::postgres {

// Whether rows are likely to meet keys that exist. A COPY that fails for one is paid twice, so
// after one has failed, a number of batches goes by INSERT … ON CONFLICT at once: more of them each
// time. Thread-safe; what is lost to a race costs a retry, never a row.
class ShapeMemory {
 public:
  // Asked once per batch.
  bool ExpectsConflicts() {
    int left = left_.load(std::memory_order_relaxed);
    while (left > 0) {
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  // A batch that was (or was not) expected to meet conflicts did (or did not).
  void Note(bool expected, bool met) {
    const int window = window_.load(std::memory_order_relaxed);
    if (expected) {
      if (met) left_.store(std::max(left_.load(std::memory_order_relaxed), kShortest));
    } else if (met) {
      window_.store(std::min(window * 2, kLongest), std::memory_order_relaxed);
      left_.store(window, std::memory_order_relaxed);
    } else {
      window_.store(std::max(window / 2, kShortest), std::memory_order_relaxed);
    }
  }

 private:
  static constexpr int kShortest = 16;  // batches
  static constexpr int kLongest = 1024;
  std::atomic<int> left_{0};
  std::atomic<int> window_{kShortest};
};

// Whether batches stand in each other's way: they then wait for their turn before they begin, so
// that none holds locks that an earlier one needs. Thread-safe.
class LockMemory {
 public:
  // Asked once per batch.
  bool WaitsForTurn() {
    int left = left_.load(std::memory_order_relaxed);
    while (left > 0) {
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void NoteConflict() {
    const int window = window_.load(std::memory_order_relaxed);
    window_.store(std::min(window * 2, kLongest), std::memory_order_relaxed);
    left_.store(window, std::memory_order_relaxed);
  }

 private:
  static constexpr int kLongest = 4096;  // batches
  std::atomic<int> left_{0};
  std::atomic<int> window_{32};
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_SHAPE_MEMORY_H_
