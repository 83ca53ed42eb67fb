// ByteBudget: one bound on memory that several threads or components share.
#ifndef TSINGEST_BASE_BUDGET_H_
#define TSINGEST_BASE_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace tsingest {

// Counts bytes held against a limit. It holds no memory itself: who allocates charges first and
// releases when the memory is given back. Thread-safe, lock-free; neither copies nor moves.
class ByteBudget {
 public:
  // limit: bytes, at least 0.
  explicit ByteBudget(std::int64_t limit) : limit_(limit) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Charges when the bytes fit below the limit; else changes nothing and returns false.
  bool TryCharge(std::int64_t bytes) {
    std::int64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    NotePeak(used + bytes);
    return true;
  }

  // Charges in any case: for what is known only afterwards, or must pass to make progress.
  void Charge(std::int64_t bytes) {
    NotePeak(used_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
  }

  void Release(std::int64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::int64_t limit() const { return limit_; }
  std::int64_t used() const { return used_.load(std::memory_order_relaxed); }
  // Most bytes ever held at once.
  std::int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  // Whether so many bytes more would fit.
  bool HasRoom(std::int64_t bytes) const { return bytes <= limit_ - used(); }

 private:
  void NotePeak(std::int64_t used) {
    std::int64_t peak = peak_.load(std::memory_order_relaxed);
    while (used > peak && !peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
    }
  }

  const std::int64_t limit_;
  std::atomic<std::int64_t> used_{0};
  std::atomic<std::int64_t> peak_{0};
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_BUDGET_H_
