#include "drain/flags.h"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "support/paths.h"

namespace tsingest::bench {
namespace {

std::int64_t ParseCount(const std::string& flag, const std::string& text, std::int64_t least = 1) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < least || value > 1'000'000'000) {
    throw std::runtime_error(flag + " is \"" + text + "\"; it must be a number, " +
                             std::to_string(least) + " or more");
  }
  return value;
}

std::vector<int> ParseCounts(const std::string& flag, const std::string& text) {
  std::vector<int> values;
  for (const auto part : absl::StrSplit(text, ',')) {
    values.push_back(static_cast<int>(ParseCount(flag, std::string(part))));
  }
  return values;
}

}  // namespace

DrainFlags ParseDrainFlags(int argc, char** argv, const std::string& case_flag, DrainFlags flags) {
  const bool has_latency = flags.latency_seconds > 0;
  if (flags.writers == 0) flags.writers = DefaultWriters();
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw std::runtime_error(flag + " needs a value");
    const std::string value = argv[i + 1];
    if (flag == "--rounds") {
      flags.rounds = static_cast<int>(ParseCount(flag, value));
    } else if (flag == "--messages") {
      flags.messages = ParseCount(flag, value);
    } else if (flag == "--json") {
      flags.json = value;
    } else if (flag == "--telegraf") {
      flags.telegraf = value;
    } else if (flag == "--only") {
      flags.only = absl::StrSplit(value, ',');
    } else if (flag == "--writers") {
      flags.writers = static_cast<int>(ParseCount(flag, value));
    } else if (flag == "--latency" && has_latency) {
      flags.latency_seconds = static_cast<int>(ParseCount(flag, value, 0));
    } else if (flag == case_flag) {
      flags.cases = ParseCounts(flag, value);
    } else {
      throw std::runtime_error("unknown flag " + flag + "; there are --rounds, --messages, " +
                               case_flag + ", --writers, --only, " +
                               (has_latency ? "--latency, " : "") + "--json and --telegraf");
    }
  }
  return flags;
}

std::vector<std::string> TelegrafCommand(const DrainFlags& flags, const std::string& configuration,
                                         const std::vector<std::string>& variables) {
  std::vector<std::string> command = {"env", "WRITERS=" + std::to_string(flags.writers)};
  command.insert(command.end(), variables.begin(), variables.end());
  const auto path = testing::SourceDirectory() / "bench/peers" / configuration;
  command.insert(command.end(), {flags.telegraf, "--quiet", "--config", path.string()});
  return command;
}

int DefaultWriters() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
}

}  // namespace tsingest::bench
