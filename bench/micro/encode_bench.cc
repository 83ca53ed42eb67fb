// Rows to COPY bytes and to JSON, beside what a program would write instead: COPY text.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "fmt/format.h"
#include "tsingest/base/buffer.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

constexpr std::size_t kRows = 1000;

Timestamp At(std::size_t i) {
  return Timestamp(
      std::chrono::microseconds(1'705'314'600'000'000 + static_cast<std::int64_t>(i) * 1000));
}

// Rows that differ as those of a real batch do: every tenth has no number.
template <class M>
std::vector<M> MakeRows();

template <>
std::vector<Metric> MakeRows() {
  std::vector<Metric> rows(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    rows[i].time = At(i);
    rows[i].topic = "dev/plant-07/line-3/temperature";
    rows[i].value = 20.0 + static_cast<double>(i) * 0.01;
    if (i % 10 == 0) {
      rows[i].value.reset();
      rows[i].value_str = "open";
    }
    rows[i].metadata.text = R"({"unit":"°C","device_id":"plc-001"})";
  }
  return rows;
}

template <>
std::vector<IotMeasurement> MakeRows() {
  std::vector<IotMeasurement> rows(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    rows[i].timestamp = At(i);
    rows[i].device_id = "f2-e4fd45f654be";
    rows[i].component_type = "Temperature";
    rows[i].value = 20.0 + static_cast<double>(i) * 0.01;
    rows[i].unit = "°C";
    rows[i].topic = "iot/f2-e4fd45f654be/analog/0";
  }
  return rows;
}

template <>
std::vector<SensorReading> MakeRows() {
  std::vector<SensorReading> rows(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    rows[i] = {.ts = At(i),
               .device_id = "00:0f:00:70:91:0a",
               .co = 0.0117,
               .humidity = 73.8,
               .light = std::int16_t{0},
               .lpg = 0.0142,
               .motion = std::int16_t{1},
               .smoke = 0.0397,
               .temp = 18.9,
               .ingest_time = At(i)};
  }
  return rows;
}

// Time is per row.
template <class M>
void CopyBinary(benchmark::State& state) {
  const std::vector<M> rows = MakeRows<M>();
  ByteBuffer out;
  std::size_t i = 0;
  for (auto _ : state) {
    if (i == kRows) {
      i = 0;
      out.Clear();
    }
    CopyEncoder<M>::Row(rows[i++], out);
  }
  state.counters["bytes/row"] = static_cast<double>(out.size()) / static_cast<double>(i);
}
BENCHMARK_TEMPLATE(CopyBinary, Metric);
BENCHMARK_TEMPLATE(CopyBinary, IotMeasurement);
BENCHMARK_TEMPLATE(CopyBinary, SensorReading);

template <class M>
void JsonRow(benchmark::State& state) {
  const std::vector<M> rows = MakeRows<M>();
  ByteBuffer out;
  std::size_t i = 0;
  for (auto _ : state) {
    if (i == kRows) {
      i = 0;
      out.Clear();
    }
    AppendJsonRow(rows[i++], out);
  }
}
BENCHMARK_TEMPLATE(JsonRow, Metric);
BENCHMARK_TEMPLATE(JsonRow, SensorReading);

// The same metrics rows as COPY text by {fmt}: no escaping, no NULL handling but the ternaries.
void CopyTextByFmt(benchmark::State& state) {
  const std::vector<Metric> rows = MakeRows<Metric>();
  fmt::memory_buffer out;
  char time[kMaxTimestampText];
  std::size_t i = 0;
  for (auto _ : state) {
    if (i == kRows) {
      i = 0;
      out.clear();
    }
    const Metric& row = rows[i++];
    const char* const end = WriteTimestamp(time, row.time);
    fmt::format_to(std::back_inserter(out), "{}\t{}\t{}\t{}\t{}\t{}\n",
                   std::string_view(time, static_cast<std::size_t>(end - time)), row.topic,
                   row.value.value_or(0), row.value_str.value_or("\\N"), row.quality,
                   row.metadata.text);
  }
}
BENCHMARK(CopyTextByFmt);

}  // namespace
}  // namespace tsingest
