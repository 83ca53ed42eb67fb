// How timestamps in the input are read.
#ifndef TSINGEST_MODEL_TIME_OPTIONS_H_
#define TSINGEST_MODEL_TIME_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "tsingest/base/clock.h"

namespace tsingest {

// Unit of an epoch number. kAuto tells by magnitude; the cut-offs stand in parse_time.h.
enum class EpochUnit : std::uint8_t { kAuto, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

// Where local times without an offset are on the time line. Implementations are thread-safe.
class TimeZoneRule {
 public:
  virtual ~TimeZoneRule() = default;
  // The instant of a civil time given as if it were UTC. nullopt: that local time does not exist
  // (skipped when clocks go forward). A repeated local time gives its first occurrence.
  virtual std::optional<Timestamp> ToUtc(Timestamp civil_as_if_utc) const = 0;
};

struct TimeOptions {
  EpochUnit epoch_unit = EpochUnit::kAuto;
  // For times without an offset; null: UTC. Borrowed, must outlive the decoder.
  const TimeZoneRule* zone = nullptr;
  // strptime-like pattern (%Y %m %d %H %M %S %f %z %y %b %p %I %j %s and literals); empty:
  // automatic.
  std::string format;
  // Only times in [not_before, not_after] are accepted; a guard against stray chunks.
  std::optional<Timestamp> not_before;
  std::optional<Timestamp> not_after;
  // Likewise, from the message's arrival: no older than `max_age`, no more than `max_ahead` after.
  std::optional<Duration> max_age;
  std::optional<Duration> max_ahead;

  bool HasWindow() const {
    return not_before.has_value() || not_after.has_value() || max_age.has_value() ||
           max_ahead.has_value();
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_TIME_OPTIONS_H_
