#include "tools/common/run_log.h"

#include <chrono>
#include <vector>

#include "fmt/format.h"
#include "tsingest/service/standard_streams.h"
#include "tsingest/service/summary.h"

namespace tsingest {

namespace {

// False: stdout does not take it, although somebody is to read it.
bool PrintSummary(const CommonSettings& common, const RunSummary& summary, Logger& logger) {
  const std::string text = FormatSummary(ParseSummaryFormat(common.summary), summary);
  if (text.empty() && !common.dry_run) return true;
  const absl::Status status = PrintToStdout(text);
  if (status.ok() || IsStdoutClosed()) return true;
  logger.Log(LogLevel::kError, "run",
             fmt::format("{}: the summary is lost. It was: {}", std::string(status.message()),
                         FormatSummary(SummaryFormat::kJson, summary)));
  return false;
}

}  // namespace

void RunLog::OnStateChange(PipelineState state, std::string_view why) {
  logger_.Log(LogLevel::kDebug, "pipeline", PipelineStateName(state), {{"why", why}});
}

void RunLog::OnStream(std::string_view stream, StreamEvent event, std::int64_t position) {
  const bool lost = event == StreamEvent::kLost || event == StreamEvent::kFenced;
  logger_.Log(lost ? LogLevel::kWarn : LogLevel::kInfo, "pipeline",
              fmt::format("{} {}", stream, StreamEventName(event)), {{"position", position}});
}

void RunLog::OnReject(const RejectReport& reject) {
  logger_.Log(LogLevel::kWarn, "reject", reject.reason,
              {{"stream", reject.stream},
               {"position", reject.position.offset},
               {"code", RejectSlug(reject.code)}});
}

void RunLog::OnCommitFailed(std::string_view stream, const absl::Status& status) {
  logger_.Log(LogLevel::kWarn, "pipeline",
              fmt::format("{}: written, but the source could not be told", stream),
              {{"error", std::string(status.message())}});
}

void RunLog::OnHealthChange(std::string_view part, const absl::Status& health) {
  if (health.ok()) {
    logger_.Log(LogLevel::kInfo, part, "well again, going on");
  } else {
    logger_.Log(LogLevel::kWarn, part, fmt::format("waiting: {}", std::string(health.message())));
  }
}

int FailedToStart(Logger& logger, const absl::Status& status) {
  logger.Log(LogLevel::kError, "start", std::string(status.message()));
  return StartExitCode(status);
}

int FailedToStart(Logger& logger, const SignalWatcher& signals, const absl::Status& status) {
  const int signal = signals.first_signal();
  if (signal == 0 || !absl::IsCancelled(status)) return FailedToStart(logger, status);
  logger.Log(LogLevel::kInfo, "start", "stopped by a signal before anything was read");
  return 128 + signal;
}

int ReportRun(const CommonSettings& common, const RunResult& result, Logger& logger,
              const SignalWatcher& signals, const RunWords& words) {
  const Balance& balance = result.counters.balance;
  const bool finished = result.status.ok() && result.end == RunEnd::kFinished;
  if (!result.status.ok()) {
    logger.Log(LogLevel::kError, "run",
               fmt::format("{}. {}", std::string(result.status.message()), words.how_to_go_on));
  }
  std::vector<std::string> notes;
  if (balance.dead_lettered > 0 && !common.dry_run &&
      common.dead_letter_target.kind != DeadLetterKind::kNone) {
    notes.push_back(fmt::format("dead letters are in {}", common.dead_letter_target.name));
  }
  if (!words.note.empty()) notes.push_back(words.note);
  // A service that was told to stop, and did, is where it should be. After an error the log has
  // said it.
  const bool is_done = finished || !result.status.ok() ||
                       (common.defaults.is_service && result.end == RunEnd::kStopped);
  if (!is_done) notes.push_back(words.how_to_go_on);
  const RunSummary summary{.balance = balance,
                           .batches = result.counters.batches,
                           .bytes = result.counters.payload_bytes,
                           .seconds = std::chrono::duration<double>(result.elapsed).count(),
                           .is_dry_run = common.dry_run,
                           .note = fmt::format("{}", fmt::join(notes, "; "))};
  const bool is_printed = PrintSummary(common, summary, logger);
  const int exit_code =
      ExitCode({.status = result.status,
                .signal = result.end == RunEnd::kFinished ? 0 : signals.first_signal(),
                .balance = balance});
  if (exit_code == kExitDone && words.has_earlier_letters) return kExitDeadLetters;
  return is_printed ? exit_code : kExitNotFinished;
}

}  // namespace tsingest
