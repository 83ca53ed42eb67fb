// Target: where the drained rows go.
#ifndef TSINGEST_BENCH_DRAIN_TARGET_H_
#define TSINGEST_BENCH_DRAIN_TARGET_H_

#include <cstdint>
#include <string>

#include "drain/timed_process.h"
#include "support/postgres_server.h"

namespace tsingest::bench {

// A private PostgreSQL that waits for its disk at each commit, with the table `metrics` without any
// index and the schema `tsingest`. Failures throw std::runtime_error. Not thread-safe.
class Target {
 public:
  Target();

  std::string Uri() const { return server_.Uri(); }
  // Throws away rows, positions and what a peer has made, and writes a checkpoint.
  void Empty();
  // 0 also while there is no such table.
  std::int64_t Rows(const std::string& table = "metrics") const;
  // Throws unless `metrics` holds so many rows; `who` wrote them.
  void ExpectRows(const std::string& who, std::int64_t rows) const;

  // The limit: the rows of the first `rows` messages, encoded beforehand and sent by `writers`
  // connections in batches of 5,000 by nothing but libpq's COPY calls. No time but theirs counts.
  Usage RunCopyLimit(std::int64_t rows, int writers) const;

 private:
  testing::PostgresServer server_;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_TARGET_H_
