// Finding records and fields in CSV, in bytes per second, beside a bare memchr loop over line ends
// (which knows nothing of quotes) and the automaton walked byte by byte.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/decode/csv.h"
#include "tsingest/decode/csv_scan.h"
#include "tsingest/decode/csv_split.h"
#include "tsingest/model/model.h"

namespace tsingest {

struct CsvBenchRow {
  Timestamp time{};
  std::string_view device;
  std::optional<double> a, b, c, d, e, f, g;
};

template <>
struct Model<CsvBenchRow> {
  static constexpr std::string_view kTable = "bench";
  static constexpr auto kFields =
      Fields(Field("time", &CsvBenchRow::time), Field("device", &CsvBenchRow::device),
             Field("a", &CsvBenchRow::a), Field("b", &CsvBenchRow::b), Field("c", &CsvBenchRow::c),
             Field("d", &CsvBenchRow::d), Field("e", &CsvBenchRow::e), Field("f", &CsvBenchRow::f),
             Field("g", &CsvBenchRow::g));
};

namespace {

constexpr std::size_t kBytes = 8 << 20;
constexpr std::size_t kSliceBytes = 32 * 1024;  // as the source scans

enum Shape : int { kPlain, kQuoted, kLiteralQuotes };

// About kBytes of records like those of sensors: time, device and seven readings.
std::string MakeText(int shape) {
  std::mt19937_64 random(42);
  std::string text;
  for (std::int64_t time = 1'594'512'094'385; text.size() < kBytes; time += 500) {
    const auto add = [&](const std::string& value) {
      if (shape == kQuoted) text += '"';
      text += value;
      if (shape == kQuoted) text += '"';
      text += ',';
    };
    add(std::to_string(time));
    add(shape == kLiteralQuotes ? "panel 5\" left" : "b8:27:eb:bf:9d:51");
    for (int i = 0; i < 7; ++i) add(std::to_string(static_cast<double>(random() % 100'000) / 999));
    text.back() = '\n';
  }
  text.append(Arena::kPadding, '\0');  // the splitter reads ahead
  return text;
}

std::string_view WithoutPadding(const std::string& text) {
  return {text.data(), text.size() - Arena::kPadding};
}

void CountBytes(benchmark::State& state, std::string_view text) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(text.size()));
}

void BM_MemchrLineEnds(benchmark::State& state) {
  const std::string padded = MakeText(static_cast<int>(state.range(0)));
  const std::string_view text = WithoutPadding(padded);
  for (auto _ : state) {
    std::size_t records = 0;
    const char* p = text.data();
    const char* const end = p + text.size();
    while (p < end) {
      const void* found = std::memchr(p, '\n', static_cast<std::size_t>(end - p));
      if (found == nullptr) break;
      p = static_cast<const char*>(found) + 1;
      ++records;
    }
    benchmark::DoNotOptimize(records);
  }
  CountBytes(state, text);
}

void BM_AutomatonByteByByte(benchmark::State& state) {
  const std::string padded = MakeText(static_cast<int>(state.range(0)));
  const std::string_view text = WithoutPadding(padded);
  const CsvSyntax syntax;
  for (auto _ : state) {
    std::size_t records = 0;
    std::size_t fields = 0;
    CsvState at = CsvState::kFieldStart;
    for (const char c : text) {
      if (at != CsvState::kQuoted && c == syntax.line_end) ++records;
      if (at != CsvState::kQuoted && c == syntax.delimiter) ++fields;
      at = NextCsvState(at, c, syntax);
    }
    benchmark::DoNotOptimize(records + fields);
  }
  CountBytes(state, text);
}

template <class Block, bool kWithFields>
void BM_Scan(benchmark::State& state) {
  const std::string padded = MakeText(static_cast<int>(state.range(0)));
  const std::string_view text = WithoutPadding(padded);
  BasicCsvRecordScanner<Block> scanner({});
  BasicCsvSplitter<Block> splitter({}, CsvLimits{}.fields);
  benchmark::DoNotOptimize(&scanner);  // as in a reader, whose members others could change
  benchmark::DoNotOptimize(&splitter);
  std::vector<CsvRecordEnd> ends;
  std::vector<CsvCell> cells;
  for (auto _ : state) {
    std::size_t fields = 0;
    std::size_t begin = 0;
    scanner.Reset();
    for (std::size_t at = 0; at < text.size(); at += kSliceBytes) {
      ends.clear();
      scanner.Scan(text.substr(at, kSliceBytes), ends);
      if constexpr (kWithFields) {
        for (const CsvRecordEnd& record : ends) {
          const std::size_t end = at + record.end;
          splitter.Split(text.substr(begin, end - begin - 1), cells);
          fields += cells.size();
          begin = end;
        }
      }
    }
    benchmark::DoNotOptimize(fields + ends.size());
  }
  CountBytes(state, text);
}

// Records into rows: numbers and times read, rules checked.
void BM_Decode(benchmark::State& state) {
  const std::string padded = MakeText(static_cast<int>(state.range(0)));
  const std::string_view text = WithoutPadding(padded);
  CsvDecoder<CsvBenchRow> decoder;
  if (!decoder.SetHeader({.names = {"time", "device", "a", "b", "c", "d", "e", "f", "g"}}).ok()) {
    return state.SkipWithError("header");
  }
  std::vector<CsvRecordEnd> ends;
  CsvRecordScanner({}).Scan(text, ends);
  std::vector<CsvBenchRow> rows;
  Arena arena;
  for (auto _ : state) {
    std::size_t begin = 0;
    for (const CsvRecordEnd& record : ends) {
      rows.clear();
      const DecodeInput input = {
          .payload = text.substr(begin, record.end - begin - 1), .topic = {}, .arrival = {}};
      if (decoder.Decode(input, arena, rows)) return state.SkipWithError("rejected");
      begin = record.end;
    }
    arena.Reset();
  }
  CountBytes(state, text);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * ends.size()));
}

void Shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgName("shape")->Arg(kPlain)->Arg(kQuoted)->Arg(kLiteralQuotes);
}

BENCHMARK(BM_MemchrLineEnds)->Apply(Shapes);
BENCHMARK(BM_AutomatonByteByByte)->Apply(Shapes);
BENCHMARK_TEMPLATE(BM_Scan, internal::Block, false)->Apply(Shapes)->Name("BM_Records");
BENCHMARK_TEMPLATE(BM_Scan, internal::Block, true)->Apply(Shapes)->Name("BM_RecordsAndFields");
BENCHMARK_TEMPLATE(BM_Scan, internal::WordBlock, true)
    ->Apply(Shapes)
    ->Name("BM_RecordsAndFieldsPortable");
BENCHMARK(BM_Decode)->Apply(Shapes);

}  // namespace
}  // namespace tsingest
