// Target: where the drained rows go.
#ifndef TSINGEST_BENCH_DRAIN_TARGET_H_
#define TSINGEST_BENCH_DRAIN_TARGET_H_

#include <cstdint>
#include <string>

#include "drain/timed_process.h"
#include "support/postgres_server.h"

namespace tsingest::bench {

// A private PostgreSQL that waits for its disk at each commit and notes the time of each, with the
// table `metrics` without any index and the schema `tsingest`. Failures throw std::runtime_error.
// Not thread-safe.
class Target {
 public:
  Target();

  std::string Uri() const { return server_.Uri(); }
  // Throws away rows, positions and what a peer has made, and writes a checkpoint.
  void Empty();
  // 0 also while there is no such table.
  std::int64_t Rows(const std::string& table = "metrics") const;
  // Throws unless `table` holds so many rows; `who` wrote them.
  void ExpectRows(const std::string& who, std::int64_t rows,
                  const std::string& table = "metrics") const;
  // Waits until a program that goes on has written `rows` into `table`, and stops it. The time is
  // that of the last commit as the server has noted it, so that nobody needs to look often.
  Usage AwaitRows(TimedProcess& process, const std::string& who, std::int64_t rows,
                  const std::string& table = "metrics") const;
  // One row of a query.
  testing::TextRow Query(const std::string& sql) const { return server_.Query(sql).at(0); }

  // The limit: the rows of the first `rows` messages, encoded beforehand and sent by `writers`
  // connections in batches of 5,000 by nothing but libpq's COPY calls. No time but theirs counts.
  Usage RunCopyLimit(std::int64_t rows, int writers) const;

 private:
  void MakeWalFiles();

  testing::PostgresServer server_;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_TARGET_H_
