#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/service/settings.h"

namespace tsingest {
namespace {

// Optimal string alignment distance: insertions, deletions, replacements, swaps of neighbours.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::size_t Score(std::string_view word, std::string_view candidate) {
  const std::size_t distance = EditDistance(word, candidate);
  // --batch for --batch-size: the shorter is a part of the longer.
  const bool is_part = word.size() >= 3 && candidate.find(word) != std::string_view::npos;
  return is_part ? std::min<std::size_t>(distance, 2) : distance;
}

// The least is the nearest: few edits, then a long common beginning (--create for --crate, not
// --rate), then a short word.
struct Rank {
  std::size_t score = 0;
  std::size_t beyond_prefix = 0;  // of `word`, behind what both begin with
  std::size_t size = 0;
  auto operator<=>(const Rank&) const = default;
};

Rank RankOf(std::string_view word, std::string_view candidate) {
  const std::size_t prefix =
      static_cast<std::size_t>(std::ranges::mismatch(word, candidate).in1 - word.begin());
  return {Score(word, candidate), word.size() - prefix, candidate.size()};
}

}  // namespace

std::string NearestWord(std::string_view word, std::span<const std::string> candidates,
                        std::size_t max_distance) {
  const std::string* best = nullptr;
  Rank best_rank;
  for (const std::string& candidate : candidates) {
    const Rank rank = RankOf(word, candidate);
    if (best == nullptr || rank < best_rank) {
      best = &candidate;
      best_rank = rank;
    }
  }
  return best != nullptr && best_rank.score <= max_distance ? *best : std::string();
}

}  // namespace tsingest
