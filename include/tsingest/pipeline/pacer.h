// Pacer<M>: slows a replay down to a rate, a pause, or the speed at which it was recorded.
#ifndef TSINGEST_PIPELINE_PACER_H_
#define TSINGEST_PIPELINE_PACER_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "tsingest/base/clock.h"

namespace tsingest {

// Asked by the pipeline for every message that gave rows, on its polling thread.
template <class M>
class Pacer {
 public:
  virtual ~Pacer() = default;
  // 0: the message goes now, and counts. Longer: not before that time has passed; the same message
  // is then asked for again. `rows` are the message's rows, at least one.
  virtual Duration Wait(std::span<const M> rows, MonotonicTime now) = 0;
};

// So many rows a second, evenly. After a stall it catches up at most one second's worth.
template <class M>
class RatePacer final : public Pacer<M> {
 public:
  // rows_per_second: more than 0.
  explicit RatePacer(double rows_per_second) : row_nanoseconds_(1e9 / rows_per_second) {}

  Duration Wait(std::span<const M> rows, MonotonicTime now) override {
    if (!due_.has_value()) due_ = now;
    if (*due_ > now) return *due_ - now;
    constexpr Duration kMostCatchUp = std::chrono::seconds(1);
    const double length = row_nanoseconds_ * static_cast<double>(rows.size());
    due_ = std::max(*due_, now - kMostCatchUp) + Duration(static_cast<Duration::rep>(length));
    return Duration::zero();
  }

 private:
  const double row_nanoseconds_;
  std::optional<MonotonicTime> due_;
};

// A pause of fixed length between messages.
template <class M>
class IntervalPacer final : public Pacer<M> {
 public:
  explicit IntervalPacer(Duration pause) : pause_(pause) {}

  Duration Wait(std::span<const M>, MonotonicTime now) override {
    if (due_.has_value() && *due_ > now) return *due_ - now;
    due_ = now + pause_;
    return Duration::zero();
  }

 private:
  const Duration pause_;
  std::optional<MonotonicTime> due_;
};

// X times as fast as recorded: the distances between the rows' own times, divided by X. Rows that
// are late go at once. When the times start over (the next file of the same day, the next device),
// so does the replay.
template <class M>
class SpeedPacer final : public Pacer<M> {
 public:
  // A row's time; nullopt: it has none and goes at once.
  using TimeOf = std::function<std::optional<Timestamp>(const M&)>;

  // factor: more than 0; 1 is the recorded speed.
  SpeedPacer(double factor, TimeOf time_of) : factor_(factor), time_of_(std::move(time_of)) {}

  Duration Wait(std::span<const M> rows, MonotonicTime now) override {
    const std::optional<Timestamp> time = time_of_(rows.front());
    if (!time.has_value()) return Duration::zero();
    if (!first_.has_value() || StartsOver(*time)) {
      first_ = latest_ = *time;
      began_ = now;
    }
    const std::chrono::duration<double> recorded = *time - *first_;
    const Duration wait = began_ + std::chrono::duration_cast<Duration>(recorded / factor_) - now;
    if (wait > Duration::zero()) return wait;
    latest_ = std::max(latest_, *time);
    return Duration::zero();
  }

 private:
  // Back by a minute or more, and by more than half of what has been replayed: not a late row.
  bool StartsOver(Timestamp time) const {
    const auto back = latest_ - time;
    return back >= std::chrono::minutes(1) && back > (latest_ - *first_) / 2;
  }

  const double factor_;
  const TimeOf time_of_;
  std::optional<Timestamp> first_;
  Timestamp latest_{};
  MonotonicTime began_{};
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_PACER_H_
