// bench_load: our writer end to end beside what a user would pick instead, against a private
// PostgreSQL, alternating in one run.
//
//   bench_load [--rounds N] [--rows N] [--full] [--json FILE] [--svg FILE]
//
// Each run is a process of its own, so that CPU time, peak memory and allocations are its own.
// Figures are medians over the rounds; ratios are medians of the rounds' ratios.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "load/contestants.h"
#include "load/report.h"
#include "support/postgres_server.h"

namespace tsingest::bench {
namespace {

struct Flags {
  int rounds = 5;
  std::int64_t rows = 1'000'000;
  bool full = false;
  std::string json;
  std::string svg;
};

std::vector<Case> Cases(bool full) {
  std::vector<Case> cases;
  const auto add = [&](Table table, int writers, std::int64_t batch, std::vector<std::string> who) {
    cases.push_back({table, writers, batch, std::move(who), {}});
  };
  add(Table::kMetricsPlain, 1, 5000,
      {"limit", "ours", "ours-ledger", "copy-text", "insert-many", "insert-one"});
  add(Table::kMetricsPlain, 2, 5000, {"limit", "ours", "ours-ledger"});
  add(Table::kMetricsTime, 1, 5000, {"limit", "ours"});
  add(Table::kIotSeed, 1, 5000, {"limit", "ours", "copy-text", "insert-many"});
  if (!full) return cases;
  add(Table::kMetricsPlain, 4, 5000, {"limit", "ours"});
  add(Table::kMetricsPlain, 1, 1000, {"limit", "ours"});
  add(Table::kMetricsPlain, 1, 10000, {"limit", "ours"});
  add(Table::kMetricsTime, 2, 5000, {"limit", "ours"});
  add(Table::kMetricsTime, 4, 5000, {"limit", "ours"});
  add(Table::kIotSeed, 2, 5000, {"limit", "ours"});
  add(Table::kIotSeed, 4, 5000, {"limit", "ours"});
  return cases;
}

// Slow ones load fewer rows; the rate is what counts.
std::int64_t RowsFor(const std::string& contestant, Table table, std::int64_t rows) {
  if (contestant == "insert-one") return rows / 50;
  if (contestant == "insert-many") return rows / 5;
  return table == Table::kIotSeed ? rows / 4 : rows;
}

// Runs one job in a child process, which hands its outcome back through a pipe.
Outcome RunInChild(const Job& job) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    try {
      const Outcome outcome = Run(job);
      const bool written = write(ends[1], &outcome, sizeof outcome) == sizeof outcome;
      _exit(written ? 0 : 1);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}: {}\n", job.contestant, error.what());
      _exit(1);
    }
  }
  close(ends[1]);
  Outcome outcome;
  const bool complete = read(ends[0], &outcome, sizeof outcome) == sizeof outcome;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!complete || status != 0) throw std::runtime_error("a contestant failed");
  return outcome;
}

int Main(const Flags& flags) {
  testing::PostgresServer server(
      {.fsync = true,
       .settings = {"shared_buffers = 1GB", "max_wal_size = 8GB", "checkpoint_timeout = 30min"}});
  std::vector<Case> cases = Cases(flags.full);
  for (int round = 0; round < flags.rounds; ++round) {
    for (Case& c : cases) {
      for (const std::string& contestant : c.contestants) {
        Job job{
            contestant,  c.table, c.writers, c.batch_rows, RowsFor(contestant, c.table, flags.rows),
            server.Uri()};
        job.rows -= job.rows % job.batch_rows;
        c.Add(contestant, job.rows, RunInChild(job));
      }
    }
    fmt::print(stderr, "round {} of {} done\n", round + 1, flags.rounds);
  }
  fmt::print("{}", FormatTable(cases));
  if (!flags.json.empty()) WriteText(flags.json, FormatJson(cases));
  if (!flags.svg.empty()) WriteText(flags.svg, FormatSvg(cases));
  return 0;
}

Flags Parse(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&]() -> std::string {
      if (++i == argc) throw std::runtime_error(flag + " needs a value");
      return argv[i];
    };
    if (flag == "--rounds") {
      flags.rounds = std::stoi(value());
    } else if (flag == "--rows") {
      flags.rows = std::stoll(value());
    } else if (flag == "--json") {
      flags.json = value();
    } else if (flag == "--svg") {
      flags.svg = value();
    } else if (flag == "--full") {
      flags.full = true;
    } else {
      throw std::runtime_error("bench_load: unknown flag " + flag);
    }
  }
  return flags;
}

}  // namespace
}  // namespace tsingest::bench

int main(int argc, char** argv) {
  try {
    return tsingest::bench::Main(tsingest::bench::Parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
