// How a run ends: the summary on stdout and the exit code.
#ifndef TSINGEST_SERVICE_SUMMARY_H_
#define TSINGEST_SERVICE_SUMMARY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tsingest/pipeline/counters.h"

namespace tsingest {

enum class SummaryFormat : std::uint8_t { kText, kJson, kNone };

// "text", "json"; everything else: kNone.
SummaryFormat ParseSummaryFormat(std::string_view name);

struct RunSummary {
  Balance balance = {};
  std::uint64_t batches = 0;
  std::uint64_t bytes = 0;  // of input, as received
  double seconds = 0;
  bool is_dry_run = false;  // what is counted as written would be
  // Behind the numbers in the text form: where dead letters are, how to go on. Empty: nothing.
  std::string note = {};
};

// The text to print on stdout, with its newline. JSON is one line:
//   {"received":…,"written":…,"deduplicated":…,"dead_lettered":…,"in_flight":…,"batches":…,
//    "bytes":…,"seconds":…,"rows_per_second":…}
// and after a dry run "dry_run":true behind them.
// rows_per_second counts rows that came to an end, written or not. kNone gives "".
std::string FormatSummary(SummaryFormat format, const RunSummary& summary);

inline constexpr int kExitDone = 0;
inline constexpr int kExitNotFinished = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitDeadLetters = 3;

struct RunOutcome {
  absl::Status status = {};  // of the run; OK when input ended, or was drained after a signal
  int signal = 0;            // that asked to stop before the input ended; 0: none
  Balance balance = {};
};

// 0 all written or deduplicated; 3 something was dead-lettered; 1 could not finish, or something is
// still in flight (given up), or the balance does not hold; 130/143 (128 + signal) after a clean
// drain.
int ExitCode(const RunOutcome& outcome);

// The exit code for an error before the run began: 2 for wrong usage or configuration
// (kInvalidArgument, kNotFound, kFailedPrecondition, kUnauthenticated, kPermissionDenied), else 1.
int StartExitCode(const absl::Status& status);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_SUMMARY_H_
