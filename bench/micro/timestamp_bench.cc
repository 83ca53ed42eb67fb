// Timestamps from text, beside what a program would use instead: strptime and absl::ParseTime.
#include <ctime>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "tsingest/base/arena.h"
#include "tsingest/model/parse_time.h"
#include "tsingest/model/time_format.h"

namespace tsingest {
namespace {

// The same text many times over in one block, so that no branch learns a single address.
std::vector<std::string> Copies(std::string_view text) {
  return std::vector<std::string>(64, std::string(text));
}

void Parse(benchmark::State& state, std::string_view text, TokenKind kind,
           std::string format = {}) {
  const std::vector<std::string> texts = Copies(text);
  ParseOptions options;
  options.time.format = std::move(format);
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  std::size_t i = 0;
  for (auto _ : state) {
    Timestamp time;
    if (ParseTimestamp({kind, texts[i++ % 64]}, context, &time) != RejectCode::kOk) {
      state.SkipWithError(context.why.c_str());
    }
    benchmark::DoNotOptimize(time);
  }
}

BENCHMARK_CAPTURE(Parse, rfc3339_milliseconds, "2024-01-15T10:30:00.123Z", TokenKind::kString);
BENCHMARK_CAPTURE(Parse, rfc3339_seconds, "2024-01-15T10:30:00Z", TokenKind::kString);
BENCHMARK_CAPTURE(Parse, rfc3339_nanoseconds_offset, "2024-01-15T10:30:00.123456789+05:30",
                  TokenKind::kString);
BENCHMARK_CAPTURE(Parse, iso_no_zone_cell, "2014-04-01 00:00:00", TokenKind::kText);
BENCHMARK_CAPTURE(Parse, iso_basic, "20240115T103000Z", TokenKind::kString);
BENCHMARK_CAPTURE(Parse, epoch_seconds, "1705314600", TokenKind::kNumber);
BENCHMARK_CAPTURE(Parse, epoch_milliseconds, "1705314600123", TokenKind::kNumber);
BENCHMARK_CAPTURE(Parse, epoch_decimal, "1594598424.5023336", TokenKind::kNumber);
BENCHMARK_CAPTURE(Parse, epoch_exponent_cell, "1.5945984245023336E9", TokenKind::kText);
BENCHMARK_CAPTURE(Parse, format, "10/03/2004 18.00.00", TokenKind::kText, "%d/%m/%Y %H.%M.%S");

void AbslParseTime(benchmark::State& state) {
  const std::vector<std::string> texts = Copies("2024-01-15T10:30:00.123Z");
  std::size_t i = 0;
  for (auto _ : state) {
    absl::Time time;
    std::string error;
    benchmark::DoNotOptimize(absl::ParseTime(absl::RFC3339_full, texts[i++ % 64], &time, &error));
  }
}
BENCHMARK(AbslParseTime);

void Strptime(benchmark::State& state) {
  const std::vector<std::string> texts = Copies("2024-01-15T10:30:00");
  std::size_t i = 0;
  for (auto _ : state) {
    std::tm fields{};
    benchmark::DoNotOptimize(strptime(texts[i++ % 64].c_str(), "%Y-%m-%dT%H:%M:%S", &fields));
    benchmark::DoNotOptimize(timegm(&fields));
  }
}
BENCHMARK(Strptime);

void Write(benchmark::State& state) {
  const Timestamp time{std::chrono::microseconds(1'705'314'600'123'000)};
  char text[kMaxTimestampText];
  for (auto _ : state) benchmark::DoNotOptimize(WriteTimestamp(text, time));
}
BENCHMARK(Write);

}  // namespace
}  // namespace tsingest
