// What batching and the pipeline cost per row, beside keeping the same messages in a plain vector
// of strings, which is what a hand-written loop does. Decoding is nearly free here, on purpose.
// `allocations_per_row` counts operator new in the whole process while the benchmark runs.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/pipeline/pipeline.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

// Not inlined: g++ would see malloc() at one end of a pair and not at the other, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tsingest {
namespace {

struct BenchRow {
  Timestamp time{};
  std::int64_t id = 0;
  std::string_view device;
};

}  // namespace

template <>
struct Model<BenchRow> {
  static constexpr std::string_view kTable = "bench";
  static constexpr auto kFields = Fields(Field("time", &BenchRow::time), Field("id", &BenchRow::id),
                                         Field("device", &BenchRow::device));
};

namespace {

constexpr std::size_t kBatchRows = 5000;
constexpr std::int64_t kMessages = 500'000;

// About the size of the messages the tools are made for.
const std::string kPayload(140, 'x');

struct NoDecoder {
  Reject Decode(const DecodeInput& input, Arena&, std::vector<BenchRow>& rows) {
    rows.push_back({.time = input.arrival, .id = 1, .device = input.payload.substr(0, 12)});
    return {};
  }
};

Message MakeMessage(std::int64_t offset) {
  Message message;
  message.payload = kPayload;
  message.topic = "plant/7/temperature";
  message.position = {.stream = 0, .offset = offset, .next = offset + 1};
  return message;
}

void BM_VectorOfStrings(benchmark::State& state) {
  std::vector<std::pair<std::string, std::string>> kept;
  std::int64_t offset = 0;
  const std::uint64_t before = allocations;
  for (auto _ : state) {
    const Message message = MakeMessage(offset++);
    kept.emplace_back(message.payload, message.topic);
    if (kept.size() == kBatchRows) kept.clear();
    benchmark::DoNotOptimize(kept.data());
  }
  state.counters["allocations_per_row"] =
      static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_VectorOfStrings);

void BM_Batcher(benchmark::State& state) {
  Batcher<BenchRow> batcher({.batch_rows = kBatchRows});
  if (!batcher.AddStream(0, 0).ok()) return state.SkipWithError("stream");
  NoDecoder decoder;
  std::int64_t offset = 0;
  const auto add = [&] {
    const Message message = MakeMessage(offset++);
    if (!batcher.Fits(message)) batcher.Reuse(batcher.Take());
    const DecodeInput input = *batcher.AddMessage(message, MonotonicTime{});
    batcher.FinishMessage(decoder.Decode(input, batcher.open().arena, batcher.open().rows));
    if (batcher.ShouldFlush(MonotonicTime{})) batcher.Reuse(batcher.Take());
  };
  for (std::size_t i = 0; i < 2 * kBatchRows; ++i) add();  // the steady state
  const std::uint64_t before = allocations;
  for (auto _ : state) add();
  state.counters["allocations_per_row"] =
      static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Batcher);

// Gives kMessages messages of one stream.
class BenchSource final : public Source {
 public:
  absl::Status Open(SourceListener& listener) override {
    listener_ = &listener;
    return absl::OkStatus();
  }
  absl::StatusOr<PollState> Poll(MonotonicTime,
                                 absl::FunctionRef<bool(const Message&)> take) override {
    const StreamId stream = 0;
    if (!std::exchange(assigned_, true)) {
      if (absl::Status status = listener_->OnAssigned({&stream, 1}); !status.ok()) return status;
    }
    for (int i = 0; i < 1000 && next_ < kMessages && take(MakeMessage(next_)); ++i) ++next_;
    return next_ == kMessages ? PollState::kEnd : PollState::kActive;
  }
  void Pause() override {}
  void Resume() override {}
  absl::Status Commit(StreamId, std::int64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::int64_t> Seek(StreamId, const std::optional<StoredPosition>&) override {
    return 0;
  }
  std::string_view StreamName(StreamId) const override { return "bench"; }
  std::string StreamDetail(StreamId) const override { return ""; }
  absl::Status Health() const override { return absl::OkStatus(); }
  bool Replayable() const override { return true; }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  SourceListener* listener_ = nullptr;
  bool assigned_ = false;
  std::int64_t next_ = 0;
};

// Takes batches in order and forgets them.
class NullSink final : public Sink<BenchRow> {
 public:
  absl::Status Open() override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<SinkWriter<BenchRow>>> NewWriter() override {
    class Writer final : public SinkWriter<BenchRow> {
      absl::StatusOr<WriteResult> Write(Batch<BenchRow>& batch, CommitGate& gate) override {
        if (gate.Wait(true) != CommitGate::Turn::kGo) return absl::CancelledError("told to");
        return WriteResult{.written = batch.rows.size()};
      }
    };
    return std::make_unique<Writer>();
  }
  bool Transactional() const override { return true; }
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    return std::vector<std::optional<StoredPosition>>(streams.size());
  }
  absl::Status SetInitial(StreamId, std::int64_t) override { return absl::OkStatus(); }
  absl::Status Health() const override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
};

// Argument: writers. Start and end of a run are in the figures.
void BM_PipelineToNowhere(benchmark::State& state) {
  const std::uint64_t before = allocations;
  for (auto _ : state) {
    BenchSource source;
    NullSink sink;
    NoDecoder decoder;
    PipelineOptions options;
    options.batch_rows = kBatchRows;
    options.writers = static_cast<int>(state.range(0));
    Pipeline<BenchRow, NoDecoder> pipeline(source, sink, decoder, options);
    const RunResult result = pipeline.Run();
    if (!result.status.ok() || result.counters.balance.written != kMessages) {
      return state.SkipWithError("the run failed");
    }
  }
  const auto rows = static_cast<double>(state.iterations() * kMessages);
  state.SetItemsProcessed(state.iterations() * kMessages);
  state.counters["seconds_per_row"] =
      benchmark::Counter(rows, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocations_per_row"] = static_cast<double>(allocations - before) / rows;
}
BENCHMARK(BM_PipelineToNowhere)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tsingest
