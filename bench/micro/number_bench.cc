// Numbers from text, beside strtod and bare std::from_chars: what the checks cost.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "tsingest/base/arena.h"
#include "tsingest/model/pg_types.h"

namespace tsingest {
namespace {

std::vector<std::string> Copies(std::string_view text) {
  return std::vector<std::string>(64, std::string(text));
}

template <class T>
void Parse(benchmark::State& state, std::string_view text, TokenKind kind) {
  const std::vector<std::string> texts = Copies(text);
  const ParseOptions options;
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  std::size_t i = 0;
  for (auto _ : state) {
    T value;
    if (PgType<T>::Parse({kind, texts[i++ % 64]}, context, &value) != RejectCode::kOk) {
      state.SkipWithError(context.why.c_str());
    }
    benchmark::DoNotOptimize(value);
  }
}

constexpr auto ParseDouble = Parse<double>;
constexpr auto ParseSmallint = Parse<std::int16_t>;
constexpr auto ParseInt = Parse<std::int32_t>;
constexpr auto ParseBigint = Parse<std::int64_t>;
constexpr auto ParseNumeric = Parse<Numeric>;

BENCHMARK_CAPTURE(ParseDouble, short_decimal, "21.6", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseDouble, long_decimal, "0.011737819751470924", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseDouble, cell, "18.899999618530273", TokenKind::kText);
BENCHMARK_CAPTURE(ParseDouble, exponent, "6.02214076e23", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseDouble, tiny, "1.00000000001e-2147483638", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseSmallint, quality, "192", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseBigint, large, "1705314600123456789", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseInt, integral_decimal, "21.0", TokenKind::kNumber);
BENCHMARK_CAPTURE(ParseNumeric, exact, "123456.789", TokenKind::kNumber);

void ThousandsOfDigits(benchmark::State& state) {
  const std::string text = "0." + std::string(static_cast<std::size_t>(state.range(0)), '7');
  const ParseOptions options;
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  for (auto _ : state) {
    double value = 0;
    benchmark::DoNotOptimize(PgType<double>::Parse({TokenKind::kNumber, text}, context, &value));
    benchmark::DoNotOptimize(value);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(ThousandsOfDigits)->Arg(1000)->Arg(16000);

void Strtod(benchmark::State& state) {
  const std::vector<std::string> texts = Copies("0.011737819751470924");
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(std::strtod(texts[i++ % 64].c_str(), nullptr));
}
BENCHMARK(Strtod);

void FromChars(benchmark::State& state) {
  const std::vector<std::string> texts = Copies("0.011737819751470924");
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string& text = texts[i++ % 64];
    double value = 0;
    benchmark::DoNotOptimize(std::from_chars(text.data(), text.data() + text.size(), value));
    benchmark::DoNotOptimize(value);
  }
}
BENCHMARK(FromChars);

}  // namespace
}  // namespace tsingest
