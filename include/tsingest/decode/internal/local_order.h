// LocalOrder: which coming of a repeated local time is meant, told by the order of rows.
#ifndef TSINGEST_DECODE_INTERNAL_LOCAL_ORDER_H_
#define TSINGEST_DECODE_INTERNAL_LOCAL_ORDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tsingest/model/time_options.h"
#include "tsingest/model/token.h"

namespace tsingest::internal {

// For each device, its last time around the repeated hour it is near, and the coming it is in:
//
//   01:50  02:10  02:40 | 02:05  02:50  03:00        clocks were put back from 03:00 to 02:00
//   before first  first   second second unique
//
// A time of the repeated hour is the first coming behind one that is at most the hour's length
// earlier (before the hour or in its first coming); less than the last one of the first coming, the
// second. Everything else order does not tell. Rows that come late, from before the hour, change
// nothing.
//
// Not thread-safe. The zone is borrowed.
class LocalOrder {
 public:
  enum class Verdict : std::uint8_t { kFirst, kSecond, kNoneBefore, kSame, kBackwards };

  explicit LocalOrder(const TimeZoneRule* zone) : zone_(zone) {}

  static std::string_view Why(Verdict verdict) {
    switch (verdict) {
      case Verdict::kSame:
        return "the row before has the same time";
      case Verdict::kBackwards:
        return "the rows go back in time more than once";
      default:
        return "no row of the same device stands shortly before";
    }
  }

  void Clear() {
    devices_.clear();
    changes_.clear();
    offset_ = -1;
  }

  // A record begins. When it is the last one again, what that has changed is taken back.
  void Begin(std::int64_t offset) {
    if (offset >= 0 && offset == offset_) {
      for (; !changes_.empty(); changes_.pop_back()) Restore(changes_.back());
    }
    changes_.clear();
    pending_.clear();
    offset_ = offset;
  }

  // A unique time, far from any repeated hour and behind all that is known: nothing to learn.
  bool IsQuiet(const LocalTime& time) {
    if (time.instants.kind == LocalInstants::Kind::kRepeated || !devices_.empty()) return false;
    const RepeatedHour* const hour = HourAfter(time.instants.first);
    return hour == nullptr || !IsShortlyBefore(*hour, time.written);
  }

  // The place of a record's time among its device's. Unique times are always kFirst. What is
  // learned counts once Keep() was called.
  Verdict Look(const std::string& device, const LocalTime& time) {
    const bool is_repeated = time.instants.kind == LocalInstants::Kind::kRepeated;
    const RepeatedHour* const hour = HourAfter(time.instants.first);
    const auto found = devices_.find(device);
    const State* const state = found == devices_.end() ? nullptr : &found->second;
    if (!is_repeated) {
      LookAtUnique(device, state, hour, time.written);
      return Verdict::kFirst;
    }
    if (state == nullptr || hour == nullptr || state->hour.at != hour->at) {
      return Verdict::kNoneBefore;
    }
    const Verdict verdict = Compare(*state, time.written);
    if (verdict == Verdict::kFirst || verdict == Verdict::kSecond) {
      const Pass pass = verdict == Verdict::kFirst ? Pass::kFirst : Pass::kSecond;
      pending_.push_back({device, State{*hour, pass, time.written}});
    }
    return verdict;
  }

  // The record's times were all told.
  void Keep() {
    for (auto& [device, state] : pending_) {
      const auto found = devices_.find(device);
      changes_.push_back(
          {device, found == devices_.end() ? std::nullopt : std::optional<State>(found->second)});
      Restore({device, state});
    }
    pending_.clear();
  }

 private:
  enum class Pass : std::uint8_t { kBefore, kFirst, kSecond };
  struct State {
    RepeatedHour hour;
    Pass pass = Pass::kBefore;
    Timestamp last{};  // as it was written
  };
  struct Change {
    std::string device;
    std::optional<State> state;  // nullopt: none
  };

  static bool IsShortlyBefore(const RepeatedHour& hour, Timestamp written) {
    return written < hour.begin && hour.begin - written <= hour.end - hour.begin;
  }

  void Restore(const Change& change) {
    if (change.state.has_value()) {
      devices_[change.device] = *change.state;
    } else {
      devices_.erase(change.device);
    }
  }

  // Looked up once for all times up to that hour.
  const RepeatedHour* HourAfter(Timestamp instant) {
    const bool is_known = instant >= known_from_ && (!hour_.has_value() || instant < hour_->at);
    if (!is_known || !has_hour_) {
      hour_ = zone_->NextRepeatedHour(instant);
      known_from_ = instant;
      has_hour_ = true;
    }
    return hour_.has_value() ? &*hour_ : nullptr;
  }

  void LookAtUnique(const std::string& device, const State* state, const RepeatedHour* hour,
                    Timestamp written) {
    if (state != nullptr) {
      const bool is_same_hour = hour != nullptr && state->hour.at == hour->at;
      if (is_same_hour && state->pass == Pass::kBefore && written > state->last) {
        pending_.push_back({device, State{*hour, Pass::kBefore, written}});
      }
      if (written >= state->hour.end) pending_.push_back({device, std::nullopt});
      if (is_same_hour || written < state->hour.end) return;
    }
    if (hour == nullptr || !IsShortlyBefore(*hour, written)) return;
    pending_.push_back({device, State{*hour, Pass::kBefore, written}});
  }

  static Verdict Compare(const State& state, Timestamp written) {
    if (state.pass == Pass::kBefore) {
      const bool is_near = written - state.last <= state.hour.end - state.hour.begin;
      return is_near ? Verdict::kFirst : Verdict::kNoneBefore;
    }
    if (written == state.last) return Verdict::kSame;
    if (written > state.last) {
      return state.pass == Pass::kFirst ? Verdict::kFirst : Verdict::kSecond;
    }
    return state.pass == Pass::kFirst ? Verdict::kSecond : Verdict::kBackwards;
  }

  const TimeZoneRule* zone_;
  std::unordered_map<std::string, State> devices_;  // those that were near a repeated hour
  std::vector<Change> pending_;                     // of the record being looked at
  std::vector<Change> changes_;                     // how to take back the last record's
  std::int64_t offset_ = -1;

  // The hour that follows every instant in [known_from_, hour_->at).
  bool has_hour_ = false;
  Timestamp known_from_{};
  std::optional<RepeatedHour> hour_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_LOCAL_ORDER_H_
