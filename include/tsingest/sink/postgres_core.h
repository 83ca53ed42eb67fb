// The compiled side of the PostgreSQL sink: everything that does not know the row type.
// PostgresSink (sink/postgres.h) is a thin layer over it; a model made at run time uses it as it
// is.
#ifndef TSINGEST_SINK_POSTGRES_CORE_H_
#define TSINGEST_SINK_POSTGRES_CORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/encode/ddl.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/sink.h"
#include "tsingest/sink/postgres_options.h"

namespace tsingest::postgres {

// A batch's rows as binary COPY data (encode/copy_encoder.h), one after the other, without header
// and trailer.
struct EncodedRows {
  std::string_view bytes;
  std::span<const std::size_t> ends;       // end of row i in `bytes`
  std::span<const std::uint32_t> message;  // row i came from BatchMeta::messages[message[i]]
  // Appends row i as a JSON object: the dead letter of a row whose message has no payload.
  absl::FunctionRef<void(std::size_t row, ByteBuffer& json)> as_json;
};

// One writer with a connection of its own, made on first use. Owned by one thread at a time.
class RowsWriter {
 public:
  virtual ~RowsWriter() = default;
  // As SinkWriter::Write(). Borrows everything during the call.
  virtual absl::StatusOr<WriteResult> Write(const EncodedRows& rows, const BatchMeta& meta,
                                            CommitGate& gate) = 0;
};

// What Open() found out about the target, for messages and for choosing the batch size.
struct TargetInfo {
  std::string table;   // schema.name
  std::string server;  // host:port, database, user
  bool is_hypertable = false;
  bool direct_compress = false;  // batches that are worth it are compressed on the way in
  std::string choice;            // why, or why not, in one sentence
};

// Rows that a batch should have for direct compress: a compressed batch of TimescaleDB holds up to
// 1,000 rows of one segment, and fuller ones are faster to write and smaller. Batches of fewer than
// kLeastDirectCompressRows go by plain COPY (ADR 4 has the measurements).
inline constexpr std::size_t kDirectCompressRows = 20'000;
inline constexpr std::size_t kLeastDirectCompressRows = 2'000;

// The sink without its row type. See Sink for the meaning of the members that it has too, and for
// their errors. Thread-safe after Open(); must outlive its writers.
class SinkCore {
 public:
  // `spec`: the model's fields; its table name is replaced by options.table. Views of `spec` and
  // the clock are borrowed.
  SinkCore(PostgresOptions options, TableSpec spec, Clock& clock);
  ~SinkCore();
  SinkCore(const SinkCore&) = delete;
  SinkCore& operator=(const SinkCore&) = delete;

  absl::Status Open();
  absl::StatusOr<std::unique_ptr<RowsWriter>> NewWriter();
  bool Transactional() const;
  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams);
  absl::Status SetInitial(StreamId stream, std::int64_t next);
  // Reads a stream's position by its name, without claiming it.
  absl::StatusOr<std::optional<StoredPosition>> LoadPosition(const std::string& stream);
  void Cancel();
  absl::Status Health() const;
  absl::Status Close();

  // Requires that Open() has succeeded.
  TargetInfo Info() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SINK_POSTGRES_CORE_H_
