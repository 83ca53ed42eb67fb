// Time zones by name.
#ifndef TSINGEST_MODEL_TIME_ZONE_H_
#define TSINGEST_MODEL_TIME_ZONE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/iso_time.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_options.h"

namespace tsingest {

// A zone of the IANA database (the system's tzdata) or a fixed offset. Thread-safe.
class AbslTimeZone final : public TimeZoneRule {
 public:
  // "Europe/Berlin", "UTC", or an offset east of UTC: "+02:00", "-0330", "+9". kInvalidArgument for
  // anything else; the message names it and says what may be wrong.
  static absl::StatusOr<std::unique_ptr<AbslTimeZone>> Load(std::string_view name) {
    const std::string_view trimmed = TrimBlanks(name);
    if (trimmed.starts_with('+') || trimmed.starts_with('-')) return LoadOffset(trimmed);
    absl::TimeZone zone;
    // A path would be opened as a file, and "localtime" means another zone on each machine.
    const bool is_name = !trimmed.empty() && trimmed.front() != '/' && trimmed.front() != ':' &&
                         trimmed.front() != '.' && trimmed != "localtime";
    if (!is_name || !absl::LoadTimeZone(std::string(trimmed), &zone)) {
      return absl::InvalidArgumentError(
          "time zone " + ShowValue(name) +
          " is not known: expected a name of the IANA database such as Europe/Berlin (Debian "
          "package tzdata) or an offset such as +02:00");
    }
    return std::unique_ptr<AbslTimeZone>(new AbslTimeZone(zone));
  }

  LocalInstants Find(Timestamp local_as_if_utc) const override {
    using Info = absl::TimeZone::TimeInfo;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(local_as_if_utc);
    const auto fraction = local_as_if_utc - seconds;
    const Info info = zone_.At(kEpoch + seconds.time_since_epoch().count());
    if (info.kind == Info::SKIPPED) return {.kind = LocalInstants::Kind::kSkipped};
    if (info.kind == Info::UNIQUE) return {.first = FromAbsl(info.pre) + fraction};
    return {.kind = LocalInstants::Kind::kRepeated,
            .first = FromAbsl(info.pre) + fraction,
            .second = FromAbsl(info.post) + fraction};
  }

  std::optional<RepeatedHour> NextRepeatedHour(Timestamp instant) const override {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(instant);
    absl::Time at = absl::FromUnixSeconds(seconds.time_since_epoch().count());
    absl::TimeZone::CivilTransition transition;
    while (zone_.NextTransition(at, &transition)) {
      const bool is_back = transition.to < transition.from;
      at = zone_.At(is_back ? transition.to : transition.from).trans;
      if (is_back) {
        return RepeatedHour{.begin = FromCivil(transition.to),
                            .end = FromCivil(transition.from),
                            .at = FromAbsl(at)};
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr absl::CivilSecond kEpoch{1970, 1, 1};

  explicit AbslTimeZone(absl::TimeZone zone) : zone_(zone) {}

  static Timestamp FromAbsl(absl::Time time) {
    return Timestamp(std::chrono::seconds(absl::ToUnixSeconds(time)));
  }
  static Timestamp FromCivil(absl::CivilSecond civil) {
    return Timestamp(std::chrono::seconds(civil - kEpoch));
  }

  static absl::StatusOr<std::unique_ptr<AbslTimeZone>> LoadOffset(std::string_view text) {
    std::string padded(text);
    if (padded.size() == 2) padded.insert(1, "0");
    internal::TimeCursor in(padded);
    std::int32_t seconds = 0;
    if (!internal::TakeNumericOffset(in, &seconds) || !in.AtEnd()) {
      return absl::InvalidArgumentError("time zone " + ShowValue(text) +
                                        ": not an offset; expected one such as +02:00");
    }
    return std::unique_ptr<AbslTimeZone>(new AbslTimeZone(absl::FixedTimeZone(seconds)));
  }

  absl::TimeZone zone_;
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_TIME_ZONE_H_
