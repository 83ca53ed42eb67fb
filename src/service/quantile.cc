#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tsingest/service/endpoints.h"

namespace tsingest {

double QuantileBetween(const HistogramSnapshot& before, const HistogramSnapshot& now, double q) {
  std::vector<std::uint64_t> counts = now.counts;
  for (std::size_t i = 0; i < counts.size() && i < before.counts.size(); ++i) {
    counts[i] -= std::min(counts[i], before.counts[i]);
  }
  const auto total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
  if (total == 0) return 0;
  const double wanted = q * total;
  double below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    if (count > 0 && below + count >= wanted) {
      const double low = i == 0 ? 0 : now.bounds[i - 1];
      if (i == now.bounds.size()) return low;  // above the last bound: at least that
      return low + (now.bounds[i] - low) * (wanted - below) / count;
    }
    below += count;
  }
  return now.bounds.empty() ? 0 : now.bounds.back();
}

}  // namespace tsingest
