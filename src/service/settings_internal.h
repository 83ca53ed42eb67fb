// What the parts of Settings share.
#ifndef TSINGEST_SRC_SERVICE_SETTINGS_INTERNAL_H_
#define TSINGEST_SRC_SERVICE_SETTINGS_INTERNAL_H_

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/service/settings.h"

namespace tsingest::internal {

// A value as one layer gives it.
struct RawValue {
  std::vector<std::string> items;  // one, or those of a list
  std::string place;
  std::string missing_variable;   // of a ${VAR} without a value in the file
  bool is_only_variable = false;  // … and nothing else stands there
  bool is_split = false;          // items are complete; no separator is looked for
};

struct Entry {
  SettingTarget target;
  SettingOptions options;
  std::string default_text;  // the target's value before Load()
  SettingLayer layer = SettingLayer::kDefault;
  std::string place = "default";
};

using RawValues = std::map<std::string, RawValue, std::less<>>;

bool IsList(const Entry& entry);
bool IsBool(const Entry& entry);

// "batch-size" -> "TSINGEST_BATCH_SIZE".
std::string EnvironmentName(std::string_view setting);
// Lower case, '_' as '-': how paths of the file are compared.
std::string NormalPath(std::string_view path);

// Puts the value into the target. kInvalidArgument: "<place>: <value> <why>; allowed: …".
absl::Status Assign(Entry& entry, const RawValue& value);
// The target's value as text that Assign() reads (lists joined by the separator); nullopt: empty.
std::optional<std::string> ShowPlain(const Entry& entry);
// … and as YAML, secrets masked.
std::string ShowYaml(const Entry& entry);
// `text` as an alias means it: with its unit, or its word for the value.
std::string Translate(const SettingAlias& alias, std::string text);
// true/false for yes, no, on, off, 1, 0 … ; nullopt: none of them.
std::optional<bool> ReadBool(std::string_view text);

// The group of --config and --help, last in the help.
inline constexpr std::string_view kGeneralGroup = "Configuration and help";

// See Settings::AddAction().
struct Action {
  std::string name;
  std::string help;
  std::function<absl::StatusOr<std::string>()> print;
};

struct FlagResult {
  RawValues values;
  std::vector<std::string> positional;
  bool help = false;
  bool version = false;
  bool print_config = false;
  const Action* action = nullptr;  // the one that was asked for
};
absl::StatusOr<FlagResult> ReadFlags(std::span<const Entry> entries,
                                     std::span<const Action> actions, bool takes_positional,
                                     std::span<const std::string> args);

struct FileRules {
  std::span<const Entry> entries;
  const std::map<std::string, std::string>* ignored;  // normal path -> why
};
absl::StatusOr<RawValues> ReadFile(const std::string& path, const FileRules& rules,
                                   const EnvironmentMap& env, std::vector<std::string>* warnings);

absl::StatusOr<RawValues> ReadEnvironment(std::span<const Entry> entries, const EnvironmentMap& env,
                                          std::vector<std::string>* warnings);

std::string HelpText(const ToolInfo& info, std::span<const Entry> entries,
                     std::span<const Action> actions, const PositionalOptions* positional);

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_SETTINGS_INTERNAL_H_
