// The flags that bench_kafka and bench_mqtt share.
#ifndef TSINGEST_BENCH_DRAIN_FLAGS_H_
#define TSINGEST_BENCH_DRAIN_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tsingest::bench {

struct DrainFlags {
  int rounds = 5;
  std::int64_t messages = 0;
  std::vector<int> cases = {};  // numbers of partitions, or windows
  std::string json = {};        // where figures go; empty: printed only
  std::string telegraf = {};    // the peer's program; empty: it does not take part
  int writers = 0;              // connections to the table, the peer's too; 0: DefaultWriters()
  std::vector<std::string> only = {};  // contestants that take part; empty: all
  int latency_seconds = 0;             // how long publish-to-visible is measured; 0: not at all
};

// Flags over `defaults`; `case_flag` ("--partitions") fills `cases`. --latency is known where
// `defaults` has it. Throws std::runtime_error that names the flag.
DrainFlags ParseDrainFlags(int argc, char** argv, const std::string& case_flag,
                           DrainFlags defaults);

// Telegraf with a configuration of bench/peers, whose ${VARIABLES} are given as NAME=VALUE; WRITERS
// comes from the flags.
std::vector<std::string> TelegrafCommand(const DrainFlags& flags, const std::string& configuration,
                                         const std::vector<std::string>& variables);

// As many as our tools take by themselves.
int DefaultWriters();

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_DRAIN_FLAGS_H_
