// What tsingest-spool does.
#ifndef TSINGEST_TOOLS_MQTT_SPOOL_COMMANDS_H_
#define TSINGEST_TOOLS_MQTT_SPOOL_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tsingest {

struct SpoolCommand {
  enum class What : std::uint8_t { kInspect, kVerify, kRepair };
  What what = What::kInspect;
  std::string directory = {};
  std::int64_t messages = 0;
  bool new_id = false;
};

// Takes "COMMAND DIR" apart, and checks that the flags belong to the command.
absl::Status ReadSpoolCommand(const std::vector<std::string>& arguments, SpoolCommand* out);

// Prints to stdout, errors to stderr; returns the exit code.
int RunSpoolCommand(const SpoolCommand& command);

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_MQTT_SPOOL_COMMANDS_H_
