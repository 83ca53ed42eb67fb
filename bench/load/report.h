// Medians and ratios of bench_load, as a table, JSON and SVG.
#ifndef TSINGEST_BENCH_LOAD_REPORT_H_
#define TSINGEST_BENCH_LOAD_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "load/contestants.h"

namespace tsingest::bench {

struct Sample {
  double rows_per_second = 0;
  Outcome outcome;
};

// One table, writer count and batch size; the first contestant is what the others are measured by.
struct Case {
  Table table;
  int writers;
  std::int64_t batch_rows;
  std::vector<std::string> contestants;
  std::map<std::string, std::vector<Sample>> samples;  // one per round

  void Add(const std::string& contestant, std::int64_t rows, const Outcome& outcome) {
    samples[contestant].push_back({static_cast<double>(rows) / outcome.seconds, outcome});
  }
};

std::string FormatTable(const std::vector<Case>& cases);
std::string FormatJson(const std::vector<Case>& cases);
std::string FormatSvg(const std::vector<Case>& cases);
// Throws std::runtime_error.
void WriteText(const std::string& path, const std::string& text);

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_LOAD_REPORT_H_
