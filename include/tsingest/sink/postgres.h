// PostgresSink<M>: rows into a PostgreSQL or TimescaleDB table by binary COPY, exactly once.
#ifndef TSINGEST_SINK_POSTGRES_H_
#define TSINGEST_SINK_POSTGRES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/encode/ddl.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/sink/postgres_core.h"
#include "tsingest/sink/postgres_options.h"

namespace tsingest {

// Each batch is one transaction: the rows, the dead letters, and the positions of the batch's
// streams by compare-and-swap. Either all of it is there or nothing, also when the answer to COMMIT
// is lost: then the stored position tells. A row that the database refuses goes to the dead letters
// with the server's reason, and costs its neighbours nothing; what a person has to mend
// (privileges, a missing table, a full disk) is waited for, and said by Health().
//
// What counts as what: `written` rows are stored; `deduplicated` rows met a key that exists (or a
// trigger of the table's that dropped them); `dead_lettered` rows were refused.
//
//   PostgresSink<Reading> sink({.conninfo = "postgresql://plant@db/plant", .ledger = "line-7"});
//   Pipeline<Reading, JsonDecoder<Reading>> pipeline(source, sink, decoder, …);
//
// Threads: as Sink says; thread-safe after Open(). Must outlive its writers.
template <Described M>
class PostgresSink final : public Sink<M> {
 public:
  // Borrows the clock.
  explicit PostgresSink(PostgresOptions options, Clock& clock = SystemClock())
      : core_(std::move(options), SpecOf<M>({}), clock) {}

  // kInvalidArgument: options. kPermissionDenied, kNotFound, kFailedPrecondition: password,
  // database, table or privilege; one line that says how to mend it. kUnavailable: the server could
  // not be reached within `startup_wait`.
  absl::Status Open() override { return core_.Open(); }

  absl::StatusOr<std::unique_ptr<SinkWriter<M>>> NewWriter() override {
    auto rows = core_.NewWriter();
    if (!rows.ok()) return rows.status();
    return std::make_unique<Writer>(*std::move(rows));
  }

  std::size_t PreferredBatchRows() const override {
    return core_.Info().direct_compress ? postgres::kDirectCompressRows : kDefaultBatchRows;
  }

  bool Transactional() const override { return core_.Transactional(); }
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    return core_.Claim(streams);
  }
  absl::Status SetInitial(StreamId stream, std::int64_t next) override {
    return core_.SetInitial(stream, next);
  }
  void Cancel() override { core_.Cancel(); }
  absl::Status Health() const override { return core_.Health(); }
  absl::Status Close() override { return core_.Close(); }

  // The compiled side, for what Sink does not have: Info(), LoadPosition().
  postgres::SinkCore& core() { return core_; }

 private:
  // Encodes in the thread that writes.
  class Writer final : public SinkWriter<M> {
   public:
    explicit Writer(std::unique_ptr<postgres::RowsWriter> rows) : rows_(std::move(rows)) {}

    absl::StatusOr<WriteResult> Write(Batch<M>& batch, CommitGate& gate) override {
      bytes_.Clear();
      ends_.clear();
      for (const M& row : batch.rows) {
        CopyEncoder<M>::Row(row, bytes_);
        ends_.push_back(bytes_.size());
      }
      const auto as_json = [&batch](std::size_t row, ByteBuffer& json) {
        AppendJsonRow(batch.rows[row], json);
      };
      return rows_->Write(
          {.bytes = bytes_.view(), .ends = ends_, .message = batch.row_message, .as_json = as_json},
          batch.meta, gate);
    }

   private:
    std::unique_ptr<postgres::RowsWriter> rows_;
    ByteBuffer bytes_;
    std::vector<std::size_t> ends_;
  };

  postgres::SinkCore core_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_POSTGRES_H_
