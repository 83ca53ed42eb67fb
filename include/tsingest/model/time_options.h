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

// Where one local time is on the time line.
struct LocalInstants {
  enum class Kind : std::uint8_t {
    kUnique,
    kRepeated,  // clocks were put back over it: it came twice
    kSkipped,   // clocks were put forward over it: it never came
  };
  Kind kind = Kind::kUnique;
  Timestamp first{};   // the instant; of a repeated local time its first coming
  Timestamp second{};  // kRepeated: its second coming
};

// The local times [begin, end) that come twice: at the instant `at` clocks are put back from `end`
// to `begin`. Local times are given as if they were UTC.
struct RepeatedHour {
  Timestamp begin{};
  Timestamp end{};
  Timestamp at{};
};

// Where local times without an offset are on the time line. Implementations are thread-safe.
class TimeZoneRule {
 public:
  virtual ~TimeZoneRule() = default;
  // Of a local time given as if it were UTC.
  virtual LocalInstants Find(Timestamp local_as_if_utc) const = 0;
  // The first of them after `instant`; nullopt: none, or not known (then the order of rows tells
  // nothing, see AmbiguousTime::kOrder).
  virtual std::optional<RepeatedHour> NextRepeatedHour(Timestamp) const { return std::nullopt; }
};

// What becomes of a local time that came twice.
enum class AmbiguousTime : std::uint8_t {
  // The order of a device's rows tells, where a decoder keeps it (CsvDecoder); elsewhere, and where
  // it does not tell, as kReject.
  kOrder,
  kEarlier,  // its first coming
  kLater,    // its second
  kReject,
};

struct TimeOptions {
  EpochUnit epoch_unit = EpochUnit::kAuto;
  // For times without an offset; null: UTC. Borrowed, must outlive the decoder.
  const TimeZoneRule* zone = nullptr;
  AmbiguousTime ambiguous = AmbiguousTime::kOrder;
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
