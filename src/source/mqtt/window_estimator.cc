#include "source/mqtt/window_estimator.h"

#include <algorithm>

namespace tsingest::mqtt {
namespace {

constexpr int kMaxTestInterval = 4096;
// How soon after an acknowledgement something comes that has waited for it.
constexpr Duration kPrompt = std::chrono::milliseconds(3);

}  // namespace

void WindowEstimator::OnConnected(int limit) {
  limit_ = limit;
  if (window_ > limit_) window_ = 0;
  peak_ = 0;
  probing_ = false;
  reported_ = false;
  misses_ = 0;
  quiet_ = kShortestQuiet;
}

void WindowEstimator::OnRoundTrip(Duration rtt) {
  rtt_ = rtt_ == Duration(0) ? rtt : std::min(rtt_, rtt);
}

void WindowEstimator::OnAcknowledge(int outstanding, MonotonicTime now) {
  reported_ = false;
  acknowledged_ = true;
  if (probing_ || outstanding == 0) return;
  const Duration quiet = now - last_arrival_;
  const bool expected = window_ != 0 && outstanding >= window_;
  if (quiet < kShortestQuiet && !expected) return;  // tells nothing
  probing_ = true;
  probe_outstanding_ = outstanding;
  probe_start_ = now;
  probe_quiet_ = quiet;
}

void WindowEstimator::EndProbe(MonotonicTime now) {
  probing_ = false;
  const Duration prompt = std::max<Duration>(kPrompt, 2 * rtt_ + std::chrono::milliseconds(1));
  if (now - probe_start_ <= prompt) {
    OnRightGuess();
  } else {
    OnWrongGuess();
  }
}

void WindowEstimator::OnGap(Duration gap) {
  quiet_ = std::min(kLongestQuiet, std::max(quiet_, 2 * gap));
}

void WindowEstimator::OnRightGuess() {
  misses_ = 0;
  quiet_ = std::max(kShortestQuiet, quiet_ / 4);
  if (probe_quiet_ < kShortestQuiet) return;
  candidate_seen_ = probe_outstanding_ == candidate_ ? candidate_seen_ + 1 : 1;
  candidate_ = probe_outstanding_;
  const bool convincing = (window_ == 0 && candidate_ >= peak_) || candidate_seen_ >= 3;
  if (!convincing || window_ == candidate_) return;
  window_ = candidate_;
  hits_ = 0;
  next_test_ = 4;
}

void WindowEstimator::OnWrongGuess() {
  quiet_ = std::min(kLongestQuiet, quiet_ * 2);
  candidate_seen_ = 0;
  if (++misses_ >= 2) window_ = 0;
}

Duration WindowEstimator::NeededQuiet(int outstanding) const {
  if (outstanding >= limit_) return Duration(0);
  if (window_ == 0 || outstanding < window_) return quiet_;
  return TestDue() ? kTestQuiet : Duration(0);
}

bool WindowEstimator::Exhausted(int outstanding, MonotonicTime now) {
  if (outstanding == 0) return false;
  if (reported_) return true;
  if (now - last_arrival_ < NeededQuiet(outstanding)) return false;
  if (window_ != 0 && outstanding >= window_) {
    if (TestDue()) next_test_ = hits_ + std::min(4 * (hits_ + 1), kMaxTestInterval);
    ++hits_;
  }
  reported_ = true;
  return true;
}

MonotonicTime WindowEstimator::NextCheck(int outstanding) const {
  if (outstanding == 0 || reported_) return MonotonicTime::max();
  return last_arrival_ + NeededQuiet(outstanding);
}

}  // namespace tsingest::mqtt
