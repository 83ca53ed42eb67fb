#include "drain/target.h"

#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "drain/messages.h"
#include "support/pg_client.h"
#include "tsingest/decode/json.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/sink/postgres.h"

namespace tsingest::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::PgClient;

constexpr std::int64_t kBatchRows = 5000;
constexpr std::int64_t kDistinctBatches = 8;  // they are sent again and again: there is no key

ByteBuffer EncodeBatch(std::int64_t first, std::int64_t count) {
  Arena arena;
  JsonDecoder<Metric> decoder;
  std::vector<Metric> rows;
  for (std::int64_t i = first; i < first + count; ++i) {
    const DecodeInput input{
        .payload = arena.CopyPadded(MetricMessage(i)), .topic = "bench", .arrival = {}};
    if (const Reject reject = decoder.Decode(input, arena, rows))
      throw std::runtime_error(reject.reason);
  }
  ByteBuffer bytes;
  CopyEncoder<Metric>::Header(bytes);
  for (const Metric& row : rows) CopyEncoder<Metric>::Row(row, bytes);
  CopyEncoder<Metric>::Trailer(bytes);
  return bytes;
}

// So many rows, encoded beforehand.
class ReadyBatches {
 public:
  explicit ReadyBatches(std::int64_t rows)
      : count_((rows + kBatchRows - 1) / kBatchRows),
        last_(EncodeBatch((count_ - 1) * kBatchRows, rows - (count_ - 1) * kBatchRows)) {
    for (std::int64_t b = 0; b < std::min(count_ - 1, kDistinctBatches); ++b) {
      full_.push_back(EncodeBatch(b * kBatchRows, kBatchRows));
    }
  }

  std::int64_t count() const { return count_; }
  const ByteBuffer& at(std::int64_t batch) const {
    return batch == count_ - 1 ? last_ : full_[static_cast<std::size_t>(batch) % full_.size()];
  }

 private:
  const std::int64_t count_;
  const ByteBuffer last_;
  std::vector<ByteBuffer> full_;
};

std::string CopyStatement() {
  std::string columns;
  for (const FieldBinding& field : kBindings<Metric>) {
    columns += (columns.empty() ? "" : ", ") + std::string(field.column);
  }
  return "COPY metrics (" + columns + ") FROM STDIN (FORMAT binary)";
}

void SendBatch(PGconn* connection, const std::string& copy, const ByteBuffer& bytes) {
  const auto expect = [&](PGresult* result, ExecStatusType wanted) {
    const bool ok = PQresultStatus(result) == wanted;
    PQclear(result);
    if (!ok) throw std::runtime_error(PQerrorMessage(connection));
  };
  expect(PQexec(connection, copy.c_str()), PGRES_COPY_IN);
  PQputCopyData(connection, bytes.data(), static_cast<int>(bytes.size()));
  PQputCopyEnd(connection, nullptr);
  expect(PQgetResult(connection), PGRES_COMMAND_OK);
  while (PGresult* const rest = PQgetResult(connection)) PQclear(rest);
}

std::int64_t CountRows(PgClient& client, const std::string& table) {
  if (client.Value("SELECT to_regclass('" + table + "') IS NULL") == "t") return 0;
  return std::stoll(client.Value("SELECT count(*) FROM " + table));
}

// Counting a large table costs what it measures, and nothing hangs on the moment: the next look is
// when the rest should be there.
milliseconds NextLook(steady_clock::duration elapsed, std::int64_t found, std::int64_t rows) {
  if (found == 0) return milliseconds(20);
  const double rest = static_cast<double>(rows - found) / static_cast<double>(found);
  const auto wait = std::chrono::duration_cast<milliseconds>(elapsed * rest);
  return std::clamp(wait, milliseconds(200), milliseconds(2000));
}

// In seconds since 1970.
double LastCommit(PgClient& client, const std::string& table) {
  return std::stod(
      client.Value("SELECT extract(epoch FROM max(pg_xact_commit_timestamp(x))) FROM "
                   "(SELECT DISTINCT xmin AS x FROM " +
                   table + ") AS t"));
}

}  // namespace

Target::Target()
    : server_({.fsync = true,
               .settings = {"shared_buffers = 1GB", "max_wal_size = 8GB",
                            "checkpoint_timeout = 30min", "min_wal_size = 4GB",
                            "track_commit_timestamp = on", "track_wal_io_timing = on"}}) {
  PostgresOptions options;
  options.conninfo = Uri();
  options.ledger = "bench";
  options.create.enabled = true;
  PostgresSink<Metric> sink(options);
  if (const absl::Status status = sink.Open(); !status.ok())
    throw std::runtime_error(status.ToString());
  for (const testing::TextRow& row :
       server_.Query("SELECT indexname FROM pg_indexes WHERE tablename = 'metrics'")) {
    server_.Exec("DROP INDEX " + row.front());
  }
  MakeWalFiles();
}

// A server that has run for a while uses the files of its WAL again. A new one makes each of them,
// which stops all commits for about 100 ms.
void Target::MakeWalFiles() {
  server_.Query(
      "SELECT count(pg_logical_emit_message(false, '', repeat('x', 1048576)))"
      " FROM generate_series(1, 1024)");
  server_.Exec("CHECKPOINT");
}

void Target::Empty() {
  server_.Exec("TRUNCATE metrics, tsingest.positions");
  server_.Exec("DROP TABLE IF EXISTS telegraf");
  server_.Exec("CHECKPOINT");
}

std::int64_t Target::Rows(const std::string& table) const {
  PgClient client(Uri());
  return CountRows(client, table);
}

void Target::ExpectRows(const std::string& who, std::int64_t rows, const std::string& table) const {
  if (const std::int64_t found = Rows(table); found != rows) {
    throw std::runtime_error(who + " wrote " + std::to_string(found) + " rows of " +
                             std::to_string(rows));
  }
}

Usage Target::AwaitRows(TimedProcess& process, const std::string& who, std::int64_t rows,
                        const std::string& table) const {
  PgClient client(Uri());
  const auto begin = steady_clock::now();
  Usage usage = process.AwaitDone([&]() -> std::optional<milliseconds> {
    const std::int64_t found = CountRows(client, table);
    if (found >= rows) return std::nullopt;
    return NextLook(steady_clock::now() - begin, found, rows);
  });
  ExpectRows(who, rows, table);
  usage.seconds = LastCommit(client, table) -
                  std::chrono::duration<double>(process.started_at().time_since_epoch()).count();
  return usage;
}

Usage Target::RunCopyLimit(std::int64_t rows, int writers) const {
  const ReadyBatches batches(rows);
  std::vector<PgClient> connections;
  for (int i = 0; i < writers; ++i) connections.emplace_back(Uri());
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&](PGconn* connection) {
    try {
      for (std::int64_t b = next++; b < batches.count(); b = next++) {
        SendBatch(connection, CopyStatement(), batches.at(b));
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  const auto start = steady_clock::now();
  std::vector<std::thread> threads;
  for (const PgClient& connection : connections) threads.emplace_back(work, connection.raw());
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  const std::chrono::duration<double> elapsed = steady_clock::now() - start;
  ExpectRows("bare COPY", rows);
  return {.seconds = elapsed.count()};
}

}  // namespace tsingest::bench
