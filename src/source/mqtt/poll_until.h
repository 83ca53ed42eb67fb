// poll(2) with a deadline of the monotonic clock.
#ifndef TSINGEST_SOURCE_MQTT_POLL_UNTIL_H_
#define TSINGEST_SOURCE_MQTT_POLL_UNTIL_H_

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

// Returns when a descriptor is ready, at `until`, after an hour, or on a signal. revents are set,
// or 0.
inline void PollUntil(pollfd* fds, std::size_t count, MonotonicTime now, MonotonicTime until) {
  constexpr Duration kLongest = std::chrono::hours(1);
  const Duration left = until <= now             ? Duration(0)
                        : until - now < kLongest ? Duration(until - now)
                                                 : kLongest;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec limit = {seconds.count(), (left - seconds).count()};
  if (ppoll(fds, count, &limit, nullptr) < 0) {
    std::for_each(fds, fds + count, [](pollfd& fd) { fd.revents = 0; });
  }
}

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_POLL_UNTIL_H_
