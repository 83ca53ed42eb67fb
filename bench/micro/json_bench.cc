// JSON messages to rows, and to COPY bytes, beside RapidJSON reading the same bytes and doing
// nothing with them. One iteration is a batch; `message` is the time for one message, `of_sax` its
// ratio to RapidJSON's SAX with the flags that make it safe on untrusted input (numbers as strings:
// its own conversion can abort; iterative: recursion overflows the stack). Neither checks UTF-8; we
// do.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "fmt/format.h"
#include "micro/rapidjson_sax.h"
#include "rapidjson/document.h"
#include "rapidjson/reader.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/decode/json.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

constexpr std::size_t kBatch = 1000;

struct Messages {
  std::string name;
  std::string topic;
  std::vector<std::string> payloads;
};

// Messages in the form that the built-in model's devices send, values drawn anew for each.
Messages Make(std::string name, std::string topic, std::string (*message)(std::mt19937&)) {
  std::mt19937 random(42);
  Messages made{std::move(name), std::move(topic), {}};
  for (std::size_t i = 0; i < kBatch; ++i) made.payloads.push_back(message(random));
  return made;
}

double Uniform(std::mt19937& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

std::string IsoTime(std::mt19937& random) {
  return fmt::format("2024-01-15T10:{:02}:{:02}.{:03}Z", random() % 60, random() % 60,
                     random() % 1000);
}

std::string IotMessage(std::mt19937& random) {
  return fmt::format(R"({{"timestamp":"{}","mac_address":"00:1b:44:11:3a:{:02x}","mode":"auto",)"
                     R"("data_point_label":"Temperature","pin":"{}","value":{:.2f},"unit":"C"}})",
                     IsoTime(random), random() % 256, random() % 16, Uniform(random, -20, 120));
}

std::string MetricMessage(std::mt19937& random) {
  return fmt::format(R"({{"value": {:.1f}, "quality": 192, "unit": "°C", "timestamp": "{}", )"
                     R"("device_id": "plc-{:03}", "tag_id": "temperature"}})",
                     Uniform(random, 0, 150), IsoTime(random), random() % 1000);
}

// Floats of 32 bits printed as doubles, as the devices of this form do: 15 to 18 digits.
std::string SensorMessage(std::mt19937& random) {
  const auto wide = [&](double low, double high) {
    return static_cast<double>(static_cast<float>(Uniform(random, low, high)));
  };
  return fmt::format(
      R"({{"data":{{"co":{},"humidity":{},"light":{},"lpg":{},"motion":false,"smoke":{},"temp":{}}},)"
      R"("device_id":"b8:27:eb:bf:9d:{:02x}","ts":{:.6f}}})",
      Uniform(random, 0.001, 0.015), wide(40, 90), random() % 2 == 0, Uniform(random, 0.002, 0.02),
      Uniform(random, 0.01, 0.05), wide(15, 30), random() % 256, Uniform(random, 1.594e9, 1.595e9));
}

const Messages& Iot() {
  static const Messages messages = Make("iot_measurements", "", IotMessage);
  return messages;
}
const Messages& Metrics() {
  static const Messages messages = Make("metrics", "plant/line-3/press/temperature", MetricMessage);
  return messages;
}
const Messages& Sensors() {
  static const Messages messages = Make("sensor_data", "", SensorMessage);
  return messages;
}

// RapidJSON changes the bytes it reads: like us, it gets a copy.
template <class Parse>
void ParseCopies(const Messages& messages, std::vector<char>& copy, Parse parse) {
  for (const std::string& payload : messages.payloads) {
    std::memcpy(copy.data(), payload.c_str(), payload.size() + 1);
    if (!parse(copy.data())) std::abort();
  }
}

template <class Batch>
double Seconds(Batch batch) {
  const auto begin = std::chrono::steady_clock::now();
  batch();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Runs `batch` as the benchmark. RapidJSON's SAX reads the same messages right before each batch,
// so that both run at the speed that the machine has at the time; the median of the pairs is
// `of_sax`.
template <class Batch>
void Run(benchmark::State& state, const Messages& messages, Batch batch) {
  std::vector<char> copy(4096);
  std::vector<double> ratios;
  double took = 0;
  for (auto _ : state) {
    const double sax = Seconds([&] { ParseCopies(messages, copy, bench::ParseRapidSax); });
    const double own = Seconds(batch);
    ratios.push_back(own / sax);
    took += own;
    state.SetIterationTime(own);
  }
  std::size_t bytes = 0;
  for (const std::string& payload : messages.payloads) bytes += payload.size();
  std::ranges::nth_element(ratios, ratios.begin() + std::ssize(ratios) / 2);
  state.counters["message"] = took / (static_cast<double>(state.iterations()) * kBatch);
  state.counters["bytes"] = static_cast<double>(bytes) / kBatch;
  state.counters["of_sax"] = ratios[ratios.size() / 2];
}

template <class Parse>
void RunRapid(benchmark::State& state, const Messages& messages, Parse parse) {
  std::vector<char> copy(4096);
  Run(state, messages, [&] { ParseCopies(messages, copy, parse); });
}

template <unsigned kFlags>
void RapidSax(benchmark::State& state, const Messages& messages) {
  rapidjson::Reader reader;
  RunRapid(state, messages, [&](char* text) {
    rapidjson::InsituStringStream stream(text);
    rapidjson::BaseReaderHandler<> nothing;
    return !reader.Parse<kFlags>(stream, nothing).IsError();
  });
}

constexpr unsigned kSafe = rapidjson::kParseInsituFlag | rapidjson::kParseNumbersAsStringsFlag |
                           rapidjson::kParseIterativeFlag;

void RapidJsonSax(benchmark::State& state, const Messages& messages) {
  RunRapid(state, messages, bench::ParseRapidSax);
}
void RapidJsonSaxDefaultFlags(benchmark::State& state, const Messages& messages) {
  RapidSax<rapidjson::kParseInsituFlag>(state, messages);
}
void RapidJsonSaxCheckingUtf8(benchmark::State& state, const Messages& messages) {
  RapidSax<kSafe | rapidjson::kParseValidateEncodingFlag>(state, messages);
}
void RapidJsonDom(benchmark::State& state, const Messages& messages) {
  RunRapid(state, messages, [](char* text) {
    rapidjson::Document document;
    return !document.ParseInsitu<kSafe>(text).HasParseError();
  });
}

template <class M, bool kEncodes>
void Ours(benchmark::State& state, const Messages& messages) {
  JsonDecoder<M> decoder;
  Arena arena;
  std::vector<M> rows;
  ByteBuffer bytes;
  Run(state, messages, [&] {
    arena.Reset();
    rows.clear();
    bytes.Clear();
    for (const std::string& payload : messages.payloads) {
      const Reject reject = decoder.Decode(
          {.payload = arena.CopyPadded(payload), .topic = messages.topic, .arrival = {}}, arena,
          rows);
      if (reject) std::abort();
    }
    if constexpr (kEncodes) {
      for (const M& row : rows) CopyEncoder<M>::Row(row, bytes);
    }
    benchmark::DoNotOptimize(rows.data());
    benchmark::DoNotOptimize(bytes.data());
  });
}

template <class M>
void Register(const Messages& messages) {
  const auto add = [&](const char* what, void (*run)(benchmark::State&, const Messages&)) {
    benchmark::RegisterBenchmark(
        (messages.name + "/" + what).c_str(),
        [run, &messages](benchmark::State& state) { run(state, messages); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  };
  add("rapidjson_sax", RapidJsonSax);
  add("rapidjson_sax_default_flags", RapidJsonSaxDefaultFlags);
  add("rapidjson_sax_checking_utf8", RapidJsonSaxCheckingUtf8);
  add("rapidjson_dom", RapidJsonDom);
  add("decode", Ours<M, false>);
  add("decode_and_encode", Ours<M, true>);
}

const bool kRegistered = [] {
  Register<IotMeasurement>(Iot());
  Register<Metric>(Metrics());
  Register<SensorReading>(Sensors());
  return true;
}();

}  // namespace
}  // namespace tsingest
