// Those who load the same rows in different ways.
#ifndef TSINGEST_BENCH_LOAD_CONTESTANTS_H_
#define TSINGEST_BENCH_LOAD_CONTESTANTS_H_

#include <cstdint>
#include <string>

namespace tsingest::bench {

enum class Table : std::uint8_t { kMetricsPlain, kMetricsTime, kIotSeed };

struct Job {
  std::string contestant;  // ours, ours-ledger, limit, copy-text, insert-many, insert-one
  Table table = Table::kMetricsPlain;
  int writers = 1;
  std::int64_t batch_rows = 5000;
  std::int64_t rows = 0;
  std::string conninfo;
};

struct Outcome {
  double seconds = 0;         // of writing; preparation is not counted
  double cpu_us_per_row = 0;  // of this process, user and system, while writing
  double allocations_per_row = 0;
  std::int64_t peak_rss_kib = 0;
};

// Makes the job's table anew, runs it in this process, and checks that every row is there. Throws
// std::runtime_error.
Outcome Run(const Job& job);

// Calls of operator new in this process so far.
std::uint64_t Allocations();

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_LOAD_CONTESTANTS_H_
