// One run of the library from a topic's beginning to its end, in this process.
#ifndef TSINGEST_BENCH_KAFKA_LIBRARY_RUN_H_
#define TSINGEST_BENCH_KAFKA_LIBRARY_RUN_H_

#include <string>
#include <vector>

namespace tsingest::bench {

struct LibraryRun {
  std::string ledger;  // empty: no positions are stored, that is at least once
  std::string brokers;
  std::string topic;
  std::string group;
  std::string conninfo;
  int writers = 1;
};

// The arguments by which a bench program calls itself for this run, and back again.
std::vector<std::string> LibraryArguments(const LibraryRun& run);
bool IsLibraryRun(int argc, char** argv, LibraryRun* run);

// As kafka2ts does it, less log and HTTP. Throws std::runtime_error.
void RunLibrary(const LibraryRun& run);

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_KAFKA_LIBRARY_RUN_H_
