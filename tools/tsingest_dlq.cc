// tsingest-dlq: looks at dead letters, repairs them, and puts them through the normal way again.
#include <optional>

#include "tools/common/common_settings.h"
#include "tools/common/models.h"
#include "tools/dlq/dlq_run.h"
#include "tools/dlq/dlq_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/service/signals.h"
#include "tsingest/service/standard_streams.h"

int main(int argc, char** argv) {
  using namespace tsingest;
  OpenClosedStandardStreams();
  SignalWatcher signals;
  Settings settings(
      {.tool = "tsingest-dlq",
       .summary = "Lists, shows, replays and purges dead letters",
       .usage = "[flags] list|show|replay|purge [ID…]",
       .examples =
           {"tsingest-dlq list --to postgresql:///db --by reason    # what went wrong, how often",
            "tsingest-dlq show 17 --to postgresql:///db",
            "tsingest-dlq replay --code 23514 --to postgresql:///db    # after "
            "the table was mended",
            "tsingest-dlq replay 17 18 --edit --to postgresql:///db    # repair "
            "first",
            "tsingest-dlq list --reason 'is not a number' --output json --to postgresql:///db | "
            "jq -c '.payload |= sub(\",\"; \".\")' | tsingest-dlq replay --from-file - --to "
            "postgresql:///db    # repair by a program",
            "tsingest-dlq purge --until 90d --yes --to postgresql:///db",
            "tsingest-dlq list --dead-letter file:rejects.jsonl    # a file needs no database"},
       .notes =
           "replay writes each letter's rows exactly once: the letter is removed in their own "
           "transaction. What fails again stays, with the new reason and one attempt more. Letters "
           "in a file are taken over into the table first. Each is read as its message was when it "
           "came, with the same settings; --model and --table are those that the letters say, "
           "unless given.\n"
           "Exit codes: 0 done; 3 replayed, but some letters failed again; 1 could not finish; 2 "
           "wrong usage or configuration; 130/143 stopped by a signal after a drain."});
  CommonSettings common;
  DlqSettings dlq;
  DeclareCommonSettings(
      settings, common,
      {.tool = "tsingest-dlq", .models = BuiltinModels::Names(), .is_inspector = true});
  DeclareDlqSettings(settings, dlq, common);
  if (const std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;

  Logger logger(MakeLogOptions(common));
  for (const std::string& warning : settings.warnings()) {
    logger.Log(LogLevel::kWarn, "settings", warning);
  }
  if (dlq.command != DlqCommand::kReplay) return RunDlqCommand(common, dlq, logger);
  if (common.model.empty()) {
    if (const auto exit_code = TakeModelFromLetters(dlq, logger, &common)) return *exit_code;
  }
  return BuiltinModels::With(common.model, [&]<class M>(ModelTag<M>) {
    return RunReplay<M>(common, dlq, logger, signals);
  });
}
