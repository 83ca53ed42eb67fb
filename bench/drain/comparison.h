// Comparison: who drained the same messages how fast, over several rounds.
#ifndef TSINGEST_BENCH_DRAIN_COMPARISON_H_
#define TSINGEST_BENCH_DRAIN_COMPARISON_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "drain/timed_process.h"

namespace tsingest::bench {

// One contestant's run in one round. `start` is what the same command takes for next to nothing;
// rates do not count it.
struct Drain {
  std::int64_t points = 0;
  Usage usage;
  Usage start;

  double Rate() const { return static_cast<double>(points) / (usage.seconds - start.seconds); }
};

// `ours` to the slowest of `others`.
struct RatioOf {
  std::string ours;
  std::vector<std::string> others;
};

// Every contestant runs once per round. Figures are medians over the rounds, a ratio is the median
// of the rounds' ratios.
class Comparison {
 public:
  explicit Comparison(std::string name) : name_(std::move(name)) {}

  void Add(const std::string& contestant, const Drain& drain);
  // Left out, if one of them did not take part.
  void AddRatio(const RatioOf& ratio);
  bool Has(const std::string& contestant) const { return drains_.contains(contestant); }
  // The load average of this machine, noted before each round.
  void NoteLoad();

  double MedianRate(const std::string& contestant) const;

  // Markdown: a table, then the ratios.
  std::string Text() const;
  // An object.
  std::string Json() const;

 private:
  double Ratio(const RatioOf& ratio) const;

  std::string name_;
  std::vector<std::string> contestants_;              // in the order of their first run
  std::map<std::string, std::vector<Drain>> drains_;  // one per round
  std::vector<RatioOf> ratios_;
  std::vector<double> loads_;
};

double Median(std::vector<double> values);
// The one whose time is the median (of an even number: the shorter of the two).
Usage MedianUsage(std::vector<Usage> usages);

// Prints the comparisons, and writes them as a JSON array to `json_path` unless it is empty, with
// `last` (a JSON object, or empty) behind them. Throws std::runtime_error.
void Report(const std::vector<Comparison>& comparisons, const std::string& json_path,
            const std::string& last = "");

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_COMPARISON_H_
