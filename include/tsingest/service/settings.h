// Settings in layers: flag > environment variable > YAML file > default, each declared once.
//
//   struct Options { std::int64_t batch_rows = 5000; std::string to; } options;
//   Settings settings({.tool = "csv-replay", .summary = "Loads CSV files", .usage = "FILE…"});
//   settings.Add(&options.batch_rows, {.name = "batch-size", .value = "N", .group = "Batches",
//                                      .help = "flush at so many rows", .min = "1"});
//   settings.Add(&options.to, {.name = "to", .value = "URI", .secret = Secret::kInside, …});
//   if (std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;
//
// The setting `batch-size` is then read from --batch-size, TSINGEST_BATCH_SIZE, `batch-size:` (or
// `batch_size:`) in the YAML file, and every alias declared; the target's own value is the default.
// In the file, ${VAR} and ${VAR:-default} are replaced from the environment ($${ gives ${).
//
// Targets must outlive the Settings. Not thread-safe.
#ifndef TSINGEST_SERVICE_SETTINGS_H_
#define TSINGEST_SERVICE_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"

namespace tsingest {

// What --print-config, logs and errors hide of a value.
enum class Secret : std::uint8_t {
  kNone,
  kInside,  // passwords inside a URI, a conninfo string or key=value pairs
  kWhole,   // everything
};

// Another spelling of a setting: an environment variable, or a dotted path in the YAML file.
struct SettingAlias {
  SettingAlias(const char* the_name) : name(the_name) {}  // NOLINT(google-explicit-constructor)
  SettingAlias(std::string the_name, std::string the_bare_unit)
      : name(std::move(the_name)), bare_unit(std::move(the_bare_unit)) {}
  SettingAlias(std::string the_name, std::map<std::string, std::string> the_words)
      : name(std::move(the_name)), words(std::move(the_words)) {}

  std::string name;
  std::string bare_unit;  // put behind a bare number: {"BATCH_TIMEOUT", "s"} reads 5 as 5s
  std::map<std::string, std::string> words;  // other words for values: {{"false", "insert"}}
};

// Where a setting's value goes. std::int64_t holds a number, or bytes with SettingOptions::is_size;
// std::vector<std::string> a list; std::optional stays empty when nothing is given.
using SettingTarget =
    std::variant<std::string*, bool*, int*, std::int64_t*, double*, Duration*,
                 std::vector<std::string>*, std::optional<std::string>*, std::optional<bool>*,
                 std::optional<std::int64_t>*, std::optional<double>*, std::optional<Duration>*>;

struct SettingOptions {
  std::string name;        // lower case words joined by '-'
  std::string value = {};  // what stands for the value in the help: "N", "URI"; empty for bool
  std::string group = {};  // heading in the help
  std::string help = {};   // one sentence without a full stop; default and environment are added
  std::vector<SettingAlias> env = {};     // besides TSINGEST_<NAME>; earlier ones win
  std::vector<SettingAlias> yaml = {};    // besides <name>
  std::vector<std::string> choices = {};  // the only values allowed
  std::string min = {};  // closed limits, written as the value is: "1", "10ms", "64KiB"
  std::string max = {};
  std::string default_text = {};  // shown in the help for a default that is worked out later
  Secret secret = Secret::kNone;  // secrets can also be given by <VARIABLE>_FILE
  bool has_flag = true;           // false: environment and file only
  bool is_size = false;           // the number is bytes and takes KiB, MiB, GiB
  // Lists: what separates items in one argument or variable; '\0': nothing.
  char separator = ',';
  // Lists: one flag takes all arguments up to the next flag; in a tool that also takes file names
  // (AddPositional()), up to one that is an existing file, or "-", or, in a list of key=value, has
  // no
  // '='. The first argument is always taken.
  bool greedy = false;
  // Lists of key=value; in the file also a mapping.
  bool is_map = false;
  // The flag may be given with an empty value. Else that is an error: it mostly comes from a shell
  // variable that is not set.
  bool takes_empty = false;
  // Further check of one value (of each item of a list); its message follows the shown value:
  // "is not a port".
  std::function<absl::Status(std::string_view)> check = {};
};

struct PositionalOptions {
  std::string name;  // "FILE"
  std::string help;
};

// What the tool is, for --help and --version.
struct ToolInfo {
  std::string tool;
  std::string summary;                     // one line
  std::string usage;                       // behind the tool's name: "[flags] FILE…"
  std::vector<std::string> examples = {};  // "command line    # what it does"
  std::string notes = {};                  // exit codes and the like, printed as it is
};

using EnvironmentMap = std::map<std::string, std::string, std::less<>>;
// A copy of the process's environment.
EnvironmentMap ProcessEnvironment();

enum class SettingLayer : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };

class Settings {
 public:
  explicit Settings(ToolInfo info);
  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // Declares a setting. Names must be new; violations abort in the tool's first run.
  void Add(SettingTarget target, SettingOptions options);
  // Declares the arguments without a flag (at most once).
  void AddPositional(std::vector<std::string>* target, PositionalOptions options);
  // Adds spellings, or another default, to a setting declared by someone else.
  void AddEnv(std::string_view name, SettingAlias alias);
  void AddYaml(std::string_view name, SettingAlias alias);
  // A key the file may have that means nothing to this tool (a note in the log says so).
  void IgnoreYaml(std::string path, std::string why);
  // Declares a flag --NAME that prints something and ends with exit code 0, as --help does. `print`
  // is called when all values are set, before any check; its error is a configuration error.
  void AddAction(std::string name, std::string help,
                 std::function<absl::StatusOr<std::string>()> print);
  // Run in order after all values are set; a failure is a configuration error.
  void AddCheck(std::function<absl::Status()> check);

  struct Outcome {
    bool run = true;  // false: print `output` and exit 0 (--help, --version, --print-config)
    std::string output = {};
  };
  // Reads all layers into the targets. `args` without the program's name. kInvalidArgument: one
  // line that names the flag, variable or line of the file, and what is allowed.
  absl::StatusOr<Outcome> Load(std::span<const std::string> args, const EnvironmentMap& env);

  // Load() for main(): prints what is to be printed. A value is the exit code to end with: 0 after
  // --help and the like, 2 after a mistake (on stderr, with the tool's name in front).
  std::optional<int> LoadOrExit(int argc, const char* const* argv);

  // After Load(): the layer and the place ("--linger", "environment BATCH_TIMEOUT",
  // "config.yaml:32", "default") that the value is from.
  SettingLayer Layer(std::string_view name) const;
  std::string Place(std::string_view name) const;
  bool IsGiven(std::string_view name) const { return Layer(name) != SettingLayer::kDefault; }

  // For AddCheck() and for what only turns out later: kInvalidArgument, "<place>: <why>". A setting
  // that was not given is named by its flag.
  absl::Status Invalid(std::string_view name, std::string_view why) const;

  // Remarks for the log: variables that look misspelt, ignored keys.
  const std::vector<std::string>& warnings() const;

  std::string Help() const;
  // The effective settings as YAML that --config reads back (but for masked secrets), with the
  // place of each behind it.
  std::string PrintConfig() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The candidate nearest to `word` by edit distance (insertions, deletions, replacements, swaps of
// neighbours; a candidate that contains `word` counts as near). Empty: none within max_distance.
std::string NearestWord(std::string_view word, std::span<const std::string> candidates,
                        std::size_t max_distance);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_SETTINGS_H_
