#include "drain/messages.h"

#include <chrono>

#include "fmt/format.h"

namespace tsingest::bench {

namespace {

template <class Unit>
std::string Message(std::int64_t i, std::chrono::sys_time<Unit> at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  return fmt::format(
      "{{\"timestamp\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:0{}}Z\",\"value\":{}.{:02},"
      "\"quality\":192,\"unit\":\"C\",\"device_id\":\"plc-{:03}\",\"tag_id\":\"temperature\","
      "\"line\":\"line-{}\",\"site\":\"plant-north\",\"gateway\":\"opc-gateway-{:02}\"}}",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
      time.seconds().count(), time.subseconds().count(), time.fractional_width, 20 + i % 60, i % 97,
      i % 500, i % 7, i % 16);
}

}  // namespace

std::string MetricMessage(std::int64_t i) {
  constexpr std::int64_t kFirstMs = 1'700'000'000'000;
  return Message(i, std::chrono::sys_time<std::chrono::milliseconds>(
                        std::chrono::milliseconds(kFirstMs + i * 7)));
}

std::string MetricMessage(std::int64_t i, std::chrono::sys_time<std::chrono::microseconds> at) {
  return Message(i, at);
}

std::string MetricArray(std::int64_t first, int count) {
  std::string array = "[";
  for (std::int64_t i = first; i < first + count; ++i) {
    if (i > first) array += ',';
    array += MetricMessage(i);
  }
  return array + ']';
}

}  // namespace tsingest::bench
