// What a run says in the log, and how it ends.
#ifndef TSINGEST_TOOLS_COMMON_RUN_LOG_H_
#define TSINGEST_TOOLS_COMMON_RUN_LOG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/common/common_settings.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/service/log.h"
#include "tsingest/service/signals.h"

namespace tsingest {

// Events of the pipeline as log lines. Thread-safe, as its base asks for.
class RunLog : public PipelineObserver {
 public:
  explicit RunLog(Logger& logger) : logger_(logger) {}

  void OnStateChange(PipelineState state, std::string_view why) override;
  void OnStream(std::string_view stream, StreamEvent event, std::int64_t position) override;
  void OnReject(const RejectReport& reject) override;
  void OnCommitFailed(std::string_view stream, const absl::Status& status) override;
  void OnHealthChange(std::string_view part, const absl::Status& health) override;

 private:
  Logger& logger_;
};

// Says why nothing was started; returns the exit code.
int FailedToStart(Logger& logger, const absl::Status& status);
// Likewise where a signal may have been the reason: then that is said, and the exit code is 128 and
// the signal, as after a drain.
int FailedToStart(Logger& logger, const SignalWatcher& signals, const absl::Status& status);

// What only the tool can say of its run.
struct RunWords {
  std::string how_to_go_on = {};     // shown when the run did not finish
  std::string note = {};             // shown in any case; empty: nothing
  bool has_earlier_letters = false;  // of runs that this one went on with: as if they were its own
};

// Logs the end, prints the summary on stdout, returns the exit code.
int ReportRun(const CommonSettings& common, const RunResult& result, Logger& logger,
              const SignalWatcher& signals, const RunWords& words);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_RUN_LOG_H_
