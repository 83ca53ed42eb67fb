// PrintingSink<M>: shows rows on stdout before another sink tries them (--dry-run).
#ifndef TSINGEST_TOOLS_COMMON_PRINTING_SINK_H_
#define TSINGEST_TOOLS_COMMON_PRINTING_SINK_H_

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/service/standard_streams.h"

namespace tsingest {

template <Described M>
class PrintingSink final : public Sink<M> {
 public:
  explicit PrintingSink(std::unique_ptr<Sink<M>> sink) : sink_(std::move(sink)) {}

  absl::Status Open() override { return sink_->Open(); }
  absl::StatusOr<std::unique_ptr<SinkWriter<M>>> NewWriter() override {
    absl::StatusOr<std::unique_ptr<SinkWriter<M>>> writer = sink_->NewWriter();
    if (!writer.ok()) return writer.status();
    return std::make_unique<Writer>(*std::move(writer));
  }
  std::size_t PreferredBatchRows() const override { return sink_->PreferredBatchRows(); }
  bool Transactional() const override { return sink_->Transactional(); }
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    return sink_->Claim(streams);
  }
  absl::Status SetInitial(StreamId stream, std::int64_t next) override {
    return sink_->SetInitial(stream, next);
  }
  void Cancel() override { sink_->Cancel(); }
  absl::Status Health() const override { return sink_->Health(); }
  absl::Status Close() override { return sink_->Close(); }

 private:
  class Writer final : public SinkWriter<M> {
   public:
    explicit Writer(std::unique_ptr<SinkWriter<M>> writer) : writer_(std::move(writer)) {}
    absl::StatusOr<WriteResult> Write(Batch<M>& batch, CommitGate& gate) override {
      text_.Clear();
      for (const M& row : batch.rows) {
        AppendJsonRow(row, text_);
        text_.AppendByte('\n');
      }
      if (absl::Status status = PrintToStdout(text_.view()); !status.ok()) return status;
      return writer_->Write(batch, gate);
    }

   private:
    std::unique_ptr<SinkWriter<M>> writer_;
    ByteBuffer text_;
  };

  std::unique_ptr<Sink<M>> sink_;
};

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_PRINTING_SINK_H_
