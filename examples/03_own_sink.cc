// A sink of your own: 03_own_sink
//
// It keeps the latest value of each device in memory. A sink writes a batch as a whole or not at
// all; what it returned OK for, the source is told of.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "tsingest/pipeline/inserter.h"
#include "tsingest/pipeline/sink.h"

struct Level {
  std::string_view device;
  double value;
};

template <>
struct tsingest::Model<Level> {
  static constexpr std::string_view kTable = "levels";
  static constexpr auto kFields =
      Fields(Field("device", &Level::device, NotEmpty{}), Field("value", &Level::value, Finite{}));
};

class LatestSink final : public tsingest::Sink<Level> {
 public:
  absl::Status Open() override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<tsingest::SinkWriter<Level>>> NewWriter() override {
    return std::make_unique<Writer>(*this);
  }
  bool Transactional() const override { return false; }  // keeps no positions
  absl::StatusOr<std::vector<std::optional<tsingest::StoredPosition>>> Claim(
      std::span<const tsingest::StreamClaim> streams) override {
    return std::vector<std::optional<tsingest::StoredPosition>>(streams.size());
  }
  absl::Status SetInitial(tsingest::StreamId, std::int64_t) override { return absl::OkStatus(); }
  absl::Status Health() const override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }

  std::map<std::string, double> Latest() const {
    const absl::MutexLock lock(&mutex_);
    return latest_;
  }

 private:
  class Writer final : public tsingest::SinkWriter<Level> {
   public:
    explicit Writer(LatestSink& sink) : sink_(sink) {}
    absl::StatusOr<tsingest::WriteResult> Write(tsingest::Batch<Level>& batch,
                                                tsingest::CommitGate& gate) override {
      // Earlier batches first, so that the latest value wins.
      if (gate.Wait(/*holding_locks=*/false) == tsingest::CommitGate::Turn::kCancel) {
        return absl::CancelledError("stopped");
      }
      const absl::MutexLock lock(&sink_.mutex_);
      for (const Level& row : batch.rows) sink_.latest_[std::string(row.device)] = row.value;
      return tsingest::WriteResult{.written = batch.rows.size(),
                                   .dead_lettered = batch.meta.rejects.size()};
    }

   private:
    LatestSink& sink_;
  };

  mutable absl::Mutex mutex_;
  std::map<std::string, double> latest_ ABSL_GUARDED_BY(mutex_);
};

int main() {
  LatestSink sink;
  tsingest::Inserter<Level> levels(sink);
  absl::Status status = levels.Open();
  for (int i = 0; status.ok() && i < 1000; ++i) {
    const std::string device = "tank-" + std::to_string(i % 3);
    status = levels.Add({.device = device, .value = static_cast<double>(i)});
  }
  if (status.ok()) status = levels.Flush();
  for (const auto& [device, value] : sink.Latest()) std::cout << device << " " << value << "\n";
  const bool right = sink.Latest() == std::map<std::string, double>{
                                          {"tank-0", 999}, {"tank-1", 997}, {"tank-2", 998}};
  return status.ok() && right ? 0 : 1;
}
