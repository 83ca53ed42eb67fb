// StopOnSignals: SIGINT and SIGTERM stop a pipeline, as long as this object lives.
#ifndef TSINGEST_TOOLS_COMMON_STOP_ON_SIGNALS_H_
#define TSINGEST_TOOLS_COMMON_STOP_ON_SIGNALS_H_

#include <chrono>

#include "absl/status/status.h"
#include "tools/common/common_settings.h"
#include "tsingest/service/signals.h"

namespace tsingest {

// Make it after the pipeline, so that no signal reaches a pipeline that is gone.
class StopOnSignals {
 public:
  // Borrows the watcher and the pipeline.
  template <class P>
  StopOnSignals(SignalWatcher& signals, const CommonSettings& common, P& pipeline)
      : signals_(signals) {
    // The pipeline keeps the drain's time itself, and says what is left; this is for when it hangs.
    constexpr Duration kSlack = std::chrono::seconds(5);
    status_ = signals.Start({.drain = [&pipeline](int) { pipeline.Stop(); },
                             .stop_now = [&pipeline] { pipeline.StopNow(); },
                             .drain_timeout = common.drain_timeout + kSlack});
  }
  ~StopOnSignals() { signals_.Stop(); }
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

  // Whether signals are watched.
  const absl::Status& status() const { return status_; }

 private:
  SignalWatcher& signals_;
  absl::Status status_;
};

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_STOP_ON_SIGNALS_H_
