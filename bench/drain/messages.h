// The messages that bench_kafka and bench_mqtt drain.
#ifndef TSINGEST_BENCH_DRAIN_MESSAGES_H_
#define TSINGEST_BENCH_DRAIN_MESSAGES_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace tsingest::bench {

// Message `i` in the form of `metrics`: 199 to 201 bytes of JSON, each with its own time.
std::string MetricMessage(std::int64_t i);
// The same at a time of yours, to the microsecond: 203 bytes on average.
std::string MetricMessage(std::int64_t i, std::chrono::sys_time<std::chrono::microseconds> at);

// A JSON array of `count` such objects from `first` on.
std::string MetricArray(std::int64_t first, int count);

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_MESSAGES_H_
