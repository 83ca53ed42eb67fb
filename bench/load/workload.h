// The rows that every contestant of bench_load writes, as messages, structs and COPY bytes.
#ifndef TSINGEST_BENCH_LOAD_WORKLOAD_H_
#define TSINGEST_BENCH_LOAD_WORKLOAD_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::bench {

inline constexpr std::int64_t kFirstSecond = 1'700'000'000;

// Message `i` in S2's form (metrics) or S1's (iot_measurements), about 140 bytes; all different,
// with unique keys. Writes into `out`, which is reused.
template <class M>
void WriteMessage(std::int64_t i, std::string& out) {
  const auto at = std::chrono::sys_time<std::chrono::milliseconds>(
      std::chrono::milliseconds(kFirstSecond * 1000 + i * 7));
  const auto second = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(second - day);
  out.clear();
  const auto stamp = [&](auto end) {
    return fmt::format_to(end, "\"timestamp\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
                          static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                          static_cast<unsigned>(date.day()), time.hours().count(),
                          time.minutes().count(), time.seconds().count(), (at - second).count());
  };
  auto end = std::back_inserter(out);
  if constexpr (std::is_same_v<M, Metric>) {
    end = fmt::format_to(end, "{{\"value\":{}.{},\"quality\":192,\"unit\":\"C\",", 20 + i % 60,
                         i % 97);
    end = stamp(end);
    fmt::format_to(end, ",\"device_id\":\"plc-{:03}\",\"tag_id\":\"temperature\"}}", i % 100);
  } else {
    end = fmt::format_to(end, "{{\"mac_address\":\"f2-e4fd45f6{:04}\",\"mode\":\"modbus\",",
                         i % 1000);
    end = stamp(end);
    fmt::format_to(
        end,
        ",\"data_point_label\":\"Temperature\",\"pin\":\"{}\",\"value\":{}.{},\"unit\":\"C\"}}",
        i % 16, 20 + i % 60, i % 97);
  }
}

// Gives `count` messages from memory: decoding and everything behind it is measured, transport is
// not. A ring of prepared messages, in which only the digits of the time change.
template <class M>
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::int64_t count) : count_(count) {
    ring_.resize(kRing);
    for (std::size_t i = 0; i < kRing; ++i) WriteMessage<M>(static_cast<std::int64_t>(i), ring_[i]);
  }
  absl::Status Open(SourceListener& listener) override {
    const StreamId stream = 0;
    return listener.OnAssigned({&stream, 1});
  }
  absl::StatusOr<PollState> Poll(MonotonicTime,
                                 absl::FunctionRef<bool(const Message&)> on_message) override {
    for (int i = 0; i < 1000 && next_ < count_; ++i) {
      std::string& payload = ring_[static_cast<std::size_t>(next_) % kRing];
      PatchTime(payload, next_);
      if (!on_message({.payload = payload,
                       .key = {},
                       .topic = "plant/line-1/plc",
                       .headers = {},
                       .arrival = Timestamp(std::chrono::seconds(kFirstSecond)),
                       .position = {0, next_, next_ + 1}})) {
        break;
      }
      ++next_;
    }
    return next_ == count_ ? PollState::kEnd : PollState::kActive;
  }
  void Pause() override {}
  void Resume() override {}
  absl::Status Commit(StreamId, std::int64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::int64_t> Seek(StreamId,
                                    const std::optional<StoredPosition>& stored) override {
    next_ = stored ? stored->next : 0;
    return next_;
  }
  std::string_view StreamName(StreamId) const override { return "memory"; }
  std::string StreamDetail(StreamId) const override { return {}; }
  absl::Status Health() const override { return absl::OkStatus(); }
  bool Replayable() const override { return true; }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  static constexpr std::size_t kRing = 20'000;

  // Minutes, seconds and milliseconds of "…T22:13:20.123Z" from the number: unique within
  // an hour's worth of 3.6 million messages.
  static void PatchTime(std::string& payload, std::int64_t i) {
    char* at = payload.data() + payload.find("T", payload.find("stamp\":\"")) + 4;
    const auto digits = [](char* to, std::int64_t value, int width) {
      for (int d = width - 1; d >= 0; --d, value /= 10) to[d] = static_cast<char>('0' + value % 10);
    };
    digits(at, i / 60'000 % 60, 2);
    digits(at + 3, i / 1000 % 60, 2);
    digits(at + 6, i % 1000, 3);
  }

  std::int64_t count_;
  std::int64_t next_ = 0;
  std::vector<std::string> ring_;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_LOAD_WORKLOAD_H_
