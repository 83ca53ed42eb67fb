// The pipeline inside a service, with a source of its own: 02_own_source postgresql://…
//
// The source hands out JSON messages of a counter. Its position is stored with the rows: kill the
// program at any moment, start it again, and every number is in the table exactly once.
#include <iostream>
#include <string>

#include "tsingest/decode/json.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/sink/postgres.h"

namespace {

struct Tick {
  std::int64_t number;
  tsingest::Timestamp at;
};

}  // namespace

template <>
struct tsingest::Model<Tick> {
  static constexpr std::string_view kTable = "ticks";
  static constexpr auto kFields = Fields(Field("number", &Tick::number), Field("at", &Tick::at));
};

namespace {

using tsingest::Message;
using tsingest::PollState;
using tsingest::StreamId;

class CounterSource final : public tsingest::Source {
 public:
  explicit CounterSource(std::int64_t end) : end_(end) {}

  absl::Status Open(tsingest::SourceListener& listener) override {
    const StreamId only = 0;
    return listener.OnAssigned({&only, 1});  // calls Seek()
  }
  // `next_` is where reading goes on; a message is one number.
  absl::StatusOr<PollState> Poll(tsingest::MonotonicTime,
                                 absl::FunctionRef<bool(const Message&)> on_message) override {
    for (int i = 0; i < 1000 && next_ < end_; ++i) {
      const std::string payload = "{\"number\":" + std::to_string(next_) +
                                  ",\"at\":" + std::to_string(1'700'000'000 + next_) + "}";
      Message message;
      message.payload = payload;
      message.position = {.stream = 0, .offset = next_, .next = next_ + 1};
      if (!on_message(message)) break;  // no room now: give it again in the next Poll()
      ++next_;
    }
    return next_ == end_ ? PollState::kEnd : PollState::kActive;
  }
  absl::StatusOr<std::int64_t> Seek(
      StreamId, const std::optional<tsingest::StoredPosition>& stored) override {
    next_ = stored.has_value() ? stored->next : 0;
    return next_;
  }
  // Everything before `next` is in the database: a place to delete it from a queue of your own.
  absl::Status Commit(StreamId, std::int64_t) override { return absl::OkStatus(); }
  void Pause() override {}
  void Resume() override {}
  std::string_view StreamName(StreamId) const override { return "counter"; }
  std::string StreamDetail(StreamId) const override { return ""; }
  absl::Status Health() const override { return absl::OkStatus(); }
  bool Replayable() const override { return true; }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  std::int64_t end_;
  std::int64_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CounterSource source(50'000);
  tsingest::PostgresOptions options;
  options.conninfo = argc > 1 ? argv[1] : "";
  options.create.enabled = true;
  options.ledger = "example-02";  // the name that positions are stored under
  tsingest::PostgresSink<Tick> sink(options);
  tsingest::JsonDecoder<Tick> decoder;
  tsingest::Pipeline<Tick, tsingest::JsonDecoder<Tick>> pipeline(source, sink, decoder,
                                                                 {.writers = 2});
  const tsingest::RunResult result = pipeline.Run();
  const tsingest::Balance& balance = result.counters.balance;
  std::cout << balance.received << " received, " << balance.written << " written, "
            << balance.dead_lettered << " dead letters; " << result.status << "\n";
  return result.status.ok() ? 0 : 1;
}
