// RunContest: everyone drains the same messages, one after the other, round by round.
#ifndef TSINGEST_BENCH_DRAIN_CONTEST_H_
#define TSINGEST_BENCH_DRAIN_CONTEST_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "drain/comparison.h"
#include "drain/target.h"
#include "drain/timed_process.h"

namespace tsingest::bench {

// What one contestant has to drain.
struct Job {
  std::string topic;
  std::string id;  // of its consumer group (Kafka) or session (MQTT); nobody else has it
  std::int64_t messages = 0;
  std::int64_t rows = 0;
};

struct Contestant {
  std::string name;
  std::function<Usage(const Job&)> run;
  int fraction = 1;    // drains 1 / fraction of the messages: a slow peer, whose rate is enough
  bool starts = true;  // it is a process of its own
};

// The broker with what there is to drain.
class Backlog {
 public:
  virtual ~Backlog() = default;
  // For each of these numbers of messages a job (topic, id) that is ready to be drained.
  virtual std::vector<Job> Prepare(const std::vector<std::int64_t>& messages) = 0;
};

struct Contest {
  std::string name;
  std::vector<Contestant> contestants;
  std::vector<std::string> only = {};  // those that take part; empty: all
  int rounds = 1;
  std::int64_t messages = 0;
  std::int64_t start_messages = 1;  // next to nothing: what a start is measured with
  int rows_per_message = 1;
};

// Measures everyone's start, then the rounds. Failures throw std::runtime_error.
Comparison RunContest(const Contest& contest, Backlog& backlog, Target& target);

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_CONTEST_H_
