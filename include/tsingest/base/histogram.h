// Histogram: counts of observations in fixed buckets, as Prometheus wants them.
#ifndef TSINGEST_BASE_HISTOGRAM_H_
#define TSINGEST_BASE_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsingest {

// What a histogram held at one moment. counts[i] are observations <= bounds[i] and above the bound
// before (not cumulative); the last element of counts, one more than bounds, is for all above.
struct HistogramSnapshot {
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;
  double sum = 0;

  std::uint64_t Total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts) total += count;
    return total;
  }
};

// Buckets of seconds, from 100 us to two minutes: a commit on a fast disk to a server that
// restarts.
inline constexpr std::array<double, 19> kSecondsBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25,   0.5,     1,      2.5,   5,      10,    30,   60,    120};

// Buckets of rows in a batch.
inline constexpr std::array<double, 13> kRowsBuckets = {
    1, 10, 50, 100, 500, 1000, 2500, 5000, 10'000, 25'000, 50'000, 100'000, 500'000};

// Thread-safe and lock-free; Observe() is a few nanoseconds. A snapshot's count is exactly the sum
// of its buckets; its sum may lag by the observations that are being made meanwhile.
template <std::size_t N>
class Histogram {
 public:
  // bounds: upper bounds, growing; lives as long as the histogram.
  explicit constexpr Histogram(const std::array<double, N>& bounds) : bounds_(bounds) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void Observe(double value) {
    std::size_t bucket = 0;
    while (bucket < N && value > bounds_[bucket]) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    double sum = sum_.load(std::memory_order_relaxed);
    while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
    }
  }

  HistogramSnapshot Snapshot() const {
    HistogramSnapshot out;
    out.bounds.assign(bounds_.begin(), bounds_.end());
    for (const auto& count : counts_) out.counts.push_back(count.load(std::memory_order_relaxed));
    out.sum = sum_.load(std::memory_order_relaxed);
    return out;
  }

 private:
  const std::array<double, N>& bounds_;
  std::array<std::atomic<std::uint64_t>, N + 1> counts_{};
  std::atomic<double> sum_{0};
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_HISTOGRAM_H_
