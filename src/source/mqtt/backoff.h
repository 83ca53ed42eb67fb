// When to try again: exponential backoff with jitter, and a memory that outlasts short connections.
#ifndef TSINGEST_SOURCE_MQTT_BACKOFF_H_
#define TSINGEST_SOURCE_MQTT_BACKOFF_H_

#include <algorithm>

#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

// Pauses min, 2 min, 4 min … max, each shortened by a random part of up to a half. Failures are
// forgotten only once a connection has lasted `max`: two clients that push each other out, or a
// broker that drops us after CONNACK, are met at longer and longer intervals.
class Backoff {
 public:
  Backoff(Duration min, Duration max) : min_(min), max_(std::max(min, max)), next_(min) {}

  // The pause before the next attempt. `random`: uniform in [0, 1).
  Duration Next(double random) {
    const Duration base = next_;
    next_ = base > max_ / 2 ? max_ : base * 2;
    return Jitter(base, random);
  }
  // The pause after a refusal that only a person can mend.
  Duration Longest(double random) {
    next_ = max_;
    return Jitter(max_, random);
  }

  void OnEstablished(MonotonicTime now) { established_ = now; }
  void OnLost(MonotonicTime now) {
    if (now - established_ >= max_) next_ = min_;
  }

 private:
  static Duration Jitter(Duration base, double random) {
    return base -
           Duration(static_cast<Duration::rep>(static_cast<double>(base.count()) * random / 2));
  }

  Duration min_;
  Duration max_;
  Duration next_;
  MonotonicTime established_{};
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_BACKOFF_H_
