// Backoff: how long to wait before the next attempt.
#ifndef TSINGEST_BASE_RETRY_H_
#define TSINGEST_BASE_RETRY_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/units.h"

namespace tsingest {

struct BackoffOptions {
  // Shortest wait, and the ceiling of the first one is `multiplier` times this. More than 0.
  Duration min = std::chrono::milliseconds(100);
  // No wait is longer. At least `min`.
  Duration max = std::chrono::seconds(30);
  // What the ceiling grows by with every attempt. At least 1.
  double multiplier = 2.0;

  // kInvalidArgument names the field, its value and its limit.
  absl::Status Validate() const {
    const auto fail = [](const std::string& text) { return absl::InvalidArgumentError(text); };
    if (min <= Duration::zero()) {
      return fail("backoff: min is " + FormatDuration(min) + "; it must be more than 0");
    }
    if (max < min) {
      return fail("backoff: max is " + FormatDuration(max) + ", less than min, " +
                  FormatDuration(min));
    }
    if (!(multiplier >= 1.0)) {
      return fail("backoff: multiplier is " + std::to_string(multiplier) +
                  "; it must be at least 1");
    }
    return absl::OkStatus();
  }
};

// Exponential backoff with full jitter: each wait is drawn evenly from [min, ceiling], and the
// ceiling grows from min * multiplier to max. The jitter spreads the clients of a server that comes
// back ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Deterministic for a seed.
// Not thread-safe.
class Backoff {
 public:
  // Options that Validate() accepts. Give every client a seed of its own.
  explicit Backoff(const BackoffOptions& options = {}, std::uint64_t seed = 0)
      : options_(options), state_(seed), ceiling_(Grow(options.min)) {}

  // The wait before the next attempt.
  Duration Next() {
    const double span = static_cast<double>((ceiling_ - options_.min).count());
    const auto extra = static_cast<Duration::rep>(span * RandomFraction());
    ceiling_ = Grow(ceiling_);
    ++attempts_;
    return std::min(options_.min + Duration(extra), options_.max);
  }

  // An attempt has succeeded: start over with short waits.
  void Reset() {
    ceiling_ = Grow(options_.min);
    attempts_ = 0;
  }

  // Waits given since the last Reset().
  int attempts() const { return attempts_; }

 private:
  Duration Grow(Duration length) const {
    const double grown = static_cast<double>(length.count()) * options_.multiplier;
    if (grown >= static_cast<double>(options_.max.count())) return options_.max;
    return Duration(static_cast<Duration::rep>(grown));
  }

  // [0, 1), from SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
  double RandomFraction() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  }

  BackoffOptions options_;
  std::uint64_t state_;
  Duration ceiling_;
  int attempts_ = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_BASE_RETRY_H_
