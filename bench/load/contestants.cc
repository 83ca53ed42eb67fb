#include "load/contestants.h"

#include <libpq-fe.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "load/workload.h"
#include "support/pg_client.h"
#include "tsingest/decode/json.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/sink/postgres.h"

namespace {
std::atomic<std::uint64_t> allocation_count{0};
}  // namespace

// Apart from their callers, or g++ takes them for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tsingest::bench {
namespace {

using testing::PgClient;
using Steady = std::chrono::steady_clock;

struct PgClose {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, PgClose>;

Connection Connect(const std::string& conninfo) {
  Connection connection(PQconnectdb(conninfo.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection.get()));
  return connection;
}

void Expect(PGconn* connection, PGresult* result, ExecStatusType wanted) {
  const bool ok = PQresultStatus(result) == wanted;
  PQclear(result);
  if (!ok) throw std::runtime_error(PQerrorMessage(connection));
}

void Exec(PGconn* connection, const std::string& sql) {
  Expect(connection, PQexec(connection, sql.c_str()), PGRES_COMMAND_OK);
}

// ---- the measure ----

struct Start {
  Steady::time_point time = Steady::now();
  double cpu = CpuSeconds();
  std::uint64_t allocations = Allocations();

  static double CpuSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  Outcome Finish(std::int64_t rows) const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double n = static_cast<double>(rows);
    return {.seconds = std::chrono::duration<double>(Steady::now() - time).count(),
            .cpu_us_per_row = (CpuSeconds() - cpu) * 1e6 / n,
            .allocations_per_row = static_cast<double>(Allocations() - allocations) / n,
            .peak_rss_kib = usage.ru_maxrss};
  }
};

// ---- the rows, prepared for those who do not decode ----

template <class M>
std::vector<M> DecodeRows(std::int64_t from, std::int64_t count, Arena& arena) {
  JsonDecoder<M> decoder;
  std::vector<M> rows;
  std::string text;
  for (std::int64_t i = from; i < from + count; ++i) {
    WriteMessage<M>(i, text);
    const DecodeInput input{
        .payload = arena.CopyPadded(text), .topic = "plant/line-1/plc", .arrival = {}};
    if (const Reject reject = decoder.Decode(input, arena, rows))
      throw std::runtime_error(reject.reason);
  }
  return rows;
}

template <class M>
std::string Columns() {
  std::string columns;
  for (const FieldBinding& field : kBindings<M>) {
    columns += (columns.empty() ? "" : ", ") + std::string(field.column);
  }
  return columns;
}

// ---- contestants ----

template <class M>
Outcome RunOurs(const Job& job, const std::string& table) {
  MemorySource<M> source(job.rows);
  PostgresOptions options;
  options.conninfo = job.conninfo;
  options.table = table;
  options.dead_letters.to = PostgresDeadLetters::To::kNone;
  if (job.contestant == "ours-ledger") {
    options.ledger = "bench";
    // For the table of positions only: --create would also give bench_rows the model's indexes.
    PostgresOptions other = options;
    other.table = "bench_other";
    other.create.enabled = true;
    PostgresSink<M> maker(std::move(other));
    if (const absl::Status status = maker.Open(); !status.ok())
      throw std::runtime_error(status.ToString());
  }
  PostgresSink<M> sink(options);
  JsonDecoder<M> decoder;
  PipelineOptions pipeline_options;
  pipeline_options.batch_rows = static_cast<std::size_t>(job.batch_rows);
  pipeline_options.writers = job.writers;
  Pipeline<M, JsonDecoder<M>> pipeline(source, sink, decoder, pipeline_options);
  if (const absl::Status status = pipeline.Open(); !status.ok())
    throw std::runtime_error(status.ToString());
  const Start start;
  const RunResult result = pipeline.Run();
  const Outcome outcome = start.Finish(job.rows);
  if (!result.status.ok()) throw std::runtime_error(result.status.ToString());
  return outcome;
}

// The rows encoded beforehand and sent by nothing but libpq: nobody can be faster over one
// protocol.
template <class M>
Outcome RunLimit(const Job& job, const std::string& table) {
  const std::int64_t batches = job.rows / job.batch_rows;
  // Batches of a table without key may repeat; with a key each is its own.
  const std::int64_t distinct =
      job.table == Table::kIotSeed ? batches : std::min<std::int64_t>(batches, 8);
  std::vector<ByteBuffer> encoded(static_cast<std::size_t>(distinct));
  for (std::int64_t b = 0; b < distinct; ++b) {
    Arena arena;
    ByteBuffer& buffer = encoded[static_cast<std::size_t>(b)];
    CopyEncoder<M>::Header(buffer);
    for (const M& row : DecodeRows<M>(b * job.batch_rows, job.batch_rows, arena)) {
      CopyEncoder<M>::Row(row, buffer);
    }
    CopyEncoder<M>::Trailer(buffer);
  }
  const std::string copy = "COPY " + table + " (" + Columns<M>() + ") FROM STDIN (FORMAT binary)";
  std::vector<Connection> connections;
  for (int i = 0; i < job.writers; ++i) connections.push_back(Connect(job.conninfo));
  std::atomic<std::int64_t> next{0};
  const auto work = [&](PGconn* connection) {
    for (std::int64_t b = next++; b < batches; b = next++) {
      const ByteBuffer& bytes = encoded[static_cast<std::size_t>(b % distinct)];
      Exec(connection, "BEGIN");
      Expect(connection, PQexec(connection, copy.c_str()), PGRES_COPY_IN);
      PQputCopyData(connection, bytes.data(), static_cast<int>(bytes.size()));
      PQputCopyEnd(connection, nullptr);
      Expect(connection, PQgetResult(connection), PGRES_COMMAND_OK);
      while (PGresult* const rest = PQgetResult(connection)) PQclear(rest);
      Exec(connection, "COMMIT");
    }
  };
  const Start start;
  std::vector<std::thread> threads;
  for (const Connection& connection : connections) threads.emplace_back(work, connection.get());
  for (std::thread& thread : threads) thread.join();
  return start.Finish(batches * job.batch_rows);
}

// A value as SQL text, or as a field of COPY text.
template <class M, class Append>
void ForEachText(const M& row, Append append) {
  ForEachField<M>([&](const auto& field) {
    const auto& member = row.*field.member;
    ByteBuffer json;
    const auto put = [&](const auto& value) {
      PgType<std::remove_cvref_t<decltype(value)>>::AppendJson(value, json);
    };
    bool is_null = false;
    if constexpr (kIsOptional<std::remove_cvref_t<decltype(member)>>) {
      if (member) put(*member);
      is_null = !member.has_value();
    } else {
      put(member);
    }
    std::string_view text = json.view();
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    append(text, is_null);
  });
}

template <class M>
Outcome RunCopyText(const Job& job, const std::string& table) {
  Arena arena;
  std::string file;
  for (const M& row : DecodeRows<M>(0, job.rows, arena)) {
    bool first = true;
    ForEachText<M>(row, [&](std::string_view text, bool is_null) {
      if (!first) file += '\t';
      first = false;
      if (is_null) {
        file += "\\N";
      } else {
        file += text;  // nothing in the sample needs a backslash
      }
    });
    file += '\n';
  }
  const std::string path = "/tmp/tsingest-bench-" + std::to_string(getpid()) + ".txt";
  {
    std::unique_ptr<FILE, int (*)(FILE*)> out(fopen(path.c_str(), "w"), &fclose);
    if (out == nullptr || fwrite(file.data(), 1, file.size(), out.get()) != file.size()) {
      throw std::runtime_error("cannot write " + path);
    }
  }
  const std::string command = "psql -X -q -d '" + job.conninfo + "' -c \"\\copy " + table + " (" +
                              Columns<M>() + ") from '" + path + "'\"";
  const Start start;
  const int status = std::system(command.c_str());
  Outcome outcome = start.Finish(job.rows);
  remove(path.c_str());
  if (status != 0) throw std::runtime_error("psql failed");
  outcome.cpu_us_per_row = 0;  // psql's, not ours
  outcome.peak_rss_kib = 0;
  return outcome;
}

template <class M>
Outcome RunInsert(const Job& job, const std::string& table, std::int64_t rows_each) {
  Arena arena;
  const std::vector<M> rows = DecodeRows<M>(0, job.rows, arena);
  std::vector<std::string> statements;
  for (std::int64_t i = 0; i < job.rows; ++i) {
    if (i % rows_each == 0) {
      statements.push_back("INSERT INTO " + table + " (" + Columns<M>() + ") VALUES ");
    }
    std::string& sql = statements.back();
    sql += i % rows_each == 0 ? "(" : ",(";
    bool first = true;
    ForEachText<M>(rows[static_cast<std::size_t>(i)], [&](std::string_view text, bool is_null) {
      if (!first) sql += ',';
      first = false;
      sql += is_null ? std::string("NULL") : "'" + std::string(text) + "'";
    });
    sql += ')';
  }
  const Connection connection = Connect(job.conninfo);
  const Start start;
  for (const std::string& sql : statements) Exec(connection.get(), sql);
  return start.Finish(job.rows);
}

template <class M>
Outcome RunModel(const Job& job, const std::string& table) {
  if (job.contestant.starts_with("ours")) return RunOurs<M>(job, table);
  if (job.contestant == "limit") return RunLimit<M>(job, table);
  if (job.contestant == "copy-text") return RunCopyText<M>(job, table);
  if (job.contestant == "insert-many") return RunInsert<M>(job, table, 1000);
  if (job.contestant == "insert-one") return RunInsert<M>(job, table, 1);
  throw std::runtime_error("no contestant " + job.contestant);
}

constexpr char kMetrics[] =
    "CREATE TABLE bench_rows (time timestamptz NOT NULL, topic text NOT NULL, value double "
    "precision, "
    "value_str text, quality smallint, metadata jsonb)";
constexpr char kIot[] =
    "CREATE TABLE bench_rows (timestamp timestamptz NOT NULL, device_id varchar(50) NOT NULL, "
    "connector_mode varchar(50) NOT NULL, component_type varchar(50) NOT NULL, pin_position "
    "varchar(10), "
    "value double precision, unit varchar(20), topic varchar(255), "
    "PRIMARY KEY (timestamp, device_id, connector_mode, component_type, pin_position)); "
    "CREATE INDEX ON bench_rows (device_id, timestamp DESC); "
    "CREATE INDEX ON bench_rows (component_type, timestamp DESC); "
    "CREATE INDEX ON bench_rows (connector_mode, timestamp DESC)";

}  // namespace

std::uint64_t Allocations() { return allocation_count.load(std::memory_order_relaxed); }

Outcome Run(const Job& job) {
  PgClient admin(job.conninfo);
  admin.Exec("DROP SCHEMA IF EXISTS tsingest CASCADE");  // or it is the user's own, and comes first
  admin.Exec("DROP TABLE IF EXISTS bench_rows");
  admin.Exec(job.table == Table::kIotSeed ? kIot : kMetrics);
  if (job.table == Table::kMetricsTime) admin.Exec("CREATE INDEX ON bench_rows (time DESC)");
  admin.Exec("CHECKPOINT");
  const Outcome outcome = job.table == Table::kIotSeed ? RunModel<IotMeasurement>(job, "bench_rows")
                                                       : RunModel<Metric>(job, "bench_rows");
  const std::string found = admin.Value("SELECT count(*) FROM bench_rows");
  if (found != std::to_string(job.rows)) {
    throw std::runtime_error(job.contestant + ": " + found + " rows of " +
                             std::to_string(job.rows));
  }
  return outcome;
}

}  // namespace tsingest::bench
