// tsingest-spool: looks at the disk spool of mqtt2ts, and mends it.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tools/mqtt/spool_commands.h"
#include "tsingest/service/settings.h"
#include "tsingest/service/standard_streams.h"

int main(int argc, char** argv) {
  using namespace tsingest;
  OpenClosedStandardStreams();
  Settings settings(
      {.tool = "tsingest-spool",
       .summary = "Looks at the disk spool of mqtt2ts (--spool), and mends it",
       .usage = "inspect|verify|repair DIR",
       .examples =
           {"tsingest-spool inspect /var/spool/mqtt2ts    # what is in it, how much is unread",
            "tsingest-spool inspect /var/spool/mqtt2ts --messages 10    # its oldest messages, too",
            "tsingest-spool verify /var/spool/mqtt2ts    # reads every byte; silent when all is "
            "well",
            "tsingest-spool repair /var/spool/mqtt2ts    # keeps what can be read, notes what not"},
       .notes = "inspect and verify change nothing and may be used while mqtt2ts runs.\n"
                "Exit codes: 0 all is well; 3 repaired, but records are lost; 1 damaged, or could "
                "not finish; 2 wrong usage."});
  std::vector<std::string> arguments;
  SpoolCommand command;
  settings.AddPositional(&arguments, {.name = "COMMAND DIR", .help = "what to do, and where"});
  settings.Add(&command.messages, {.name = "messages",
                                   .value = "N",
                                   .group = "What to show and do",
                                   .help = "inspect: also the first N messages, as JSON lines",
                                   .min = "0"});
  settings.Add(&command.new_id,
               {.name = "new-id",
                .group = "What to show and do",
                .help = "repair: another name for the spool, so that all that is in it is written "
                        "again; after a restore from a backup"});
  settings.AddCheck([&] { return ReadSpoolCommand(arguments, &command); });
  if (const std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;
  return RunSpoolCommand(command);
}
