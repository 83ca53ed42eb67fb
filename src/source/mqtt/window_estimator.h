// WindowEstimator: notices that the broker waits for acknowledgements.
#ifndef TSINGEST_SOURCE_MQTT_WINDOW_ESTIMATOR_H_
#define TSINGEST_SOURCE_MQTT_WINDOW_ESTIMATOR_H_

#include <cstdint>

#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

// A broker sends at most so many messages of QoS 1 and 2 unacknowledged. Receive Maximum bounds
// that from our side; the broker's own limit (Mosquitto: max_inflight_messages, 20; or a number of
// bytes) is told by nothing in the protocol. While a batch waits for its linger time with that
// window full, nothing moves: a window of 20 and 100 ms of linger are 200 messages a second. So the
// window is found from outside:
//
//   arrivals  ||||||||                          ||||||||
//   acks                            ########
//              <-- quiet Q -------->        <D->
//
// If nothing came for Q before an acknowledgement, and something comes at once (D) after it, the
// broker was waiting for it. Where that happens at the largest number ever outstanding, or thrice
// at the same number, that is taken for the window, and from then on reaching it means "exhausted"
// without any wait. The belief is dropped when more arrives than it allows, or when
// acknowledgements stop being followed by arrivals; now and then it is put to the test by waiting a
// little. While no window is known, `quiet_` of silence with messages outstanding is taken for
// exhaustion. It gets longer when that was wrong, and when messages are seen to come after such a
// silence without an acknowledgement (a slow publisher); it gets shorter when it was right.
//
// Not thread-safe; a few nanoseconds per arrival.
class WindowEstimator {
 public:
  static constexpr Duration kShortestQuiet = std::chrono::milliseconds(5);
  static constexpr Duration kLongestQuiet = std::chrono::seconds(1);
  static constexpr Duration kTestQuiet = std::chrono::milliseconds(20);

  // A new connection. `limit`: our Receive Maximum, or 65535. What was learned stays as a guess.
  void OnConnected(int limit);

  // A message of QoS 1 or 2 came; `outstanding` counts it.
  void OnArrival(int outstanding, MonotonicTime now) {
    if (probing_) {
      EndProbe(now);
    } else if (outstanding > 1 && !acknowledged_ && now - last_arrival_ > kNoticedGap) {
      OnGap(now - last_arrival_);
    }
    reported_ = acknowledged_ = false;
    last_arrival_ = now;
    if (outstanding > peak_) peak_ = outstanding;
    if (outstanding > window_) window_ = 0;
  }

  // Acknowledgements are about to be sent; `outstanding` before them.
  void OnAcknowledge(int outstanding, MonotonicTime now);

  // Whether nothing more is to be expected until an acknowledgement. To be asked when all that the
  // socket had was read.
  bool Exhausted(int outstanding, MonotonicTime now);

  // When Exhausted() can become true by the passing of time; MonotonicTime::max(): not by that.
  MonotonicTime NextCheck(int outstanding) const;

  // Round trip time to the broker, when one was measured.
  void OnRoundTrip(Duration rtt);

  // The window as found, or the limit once it was reached; 0: not known.
  int window() const {
    if (window_ != 0) return window_;
    return peak_ >= limit_ ? limit_ : 0;
  }

 private:
  static constexpr Duration kNoticedGap = std::chrono::milliseconds(1);

  void EndProbe(MonotonicTime now);
  // Messages came `gap` apart without an acknowledgement between them.
  void OnGap(Duration gap);
  void OnRightGuess();
  void OnWrongGuess();
  bool TestDue() const { return window_ < limit_ && hits_ >= next_test_; }
  // How long it must have been quiet for `outstanding` to count as exhausted.
  Duration NeededQuiet(int outstanding) const;

  int limit_ = 65535;
  int window_ = 0;  // believed; 0: none
  int peak_ = 0;    // most ever outstanding on this connection
  Duration quiet_ = kShortestQuiet;
  Duration rtt_{0};
  MonotonicTime last_arrival_{};

  bool acknowledged_ = false;  // since the last arrival
  bool reported_ = false;      // found exhausted, and nothing came or was acknowledged since
  int hits_ = 0;               // times that window_ was reached
  int next_test_ = 4;
  int misses_ = 0;          // wrong guesses in a row
  int candidate_ = 0;       // where the last right guess was …
  int candidate_seen_ = 0;  // … and how often in a row

  bool probing_ = false;
  int probe_outstanding_ = 0;
  MonotonicTime probe_start_{};
  Duration probe_quiet_{0};
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_WINDOW_ESTIMATOR_H_
