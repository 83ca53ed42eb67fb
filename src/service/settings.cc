#include "tsingest/service/settings.h"

#include <cstdio>
#include <cstdlib>

#include "fmt/format.h"
#include "service/settings_internal.h"
#include "tsingest/service/standard_streams.h"
#include "tsingest/service/version.h"

namespace tsingest {

using internal::Entry;
using internal::RawValue;
using internal::RawValues;

struct Settings::State {
  ToolInfo info;
  std::vector<Entry> entries;
  std::vector<std::string>* positional_target = nullptr;
  PositionalOptions positional;
  std::map<std::string, std::string> ignored;
  std::vector<std::function<absl::Status()>> checks;
  std::vector<internal::Action> actions;
  std::vector<std::string> warnings;
  std::string config_path;
  std::string incomplete;  // why a check failed, for --print-config

  Entry* Find(std::string_view name) {
    for (Entry& entry : entries) {
      if (entry.options.name == name) return &entry;
    }
    return nullptr;
  }
  Entry& Get(std::string_view name) {
    Entry* entry = Find(name);
    if (entry != nullptr) return *entry;
    fmt::print(stderr, "Settings: no setting {} is declared\n", name);
    std::abort();
  }

  absl::Status ApplyLayer(const RawValues& values, SettingLayer layer);
};

namespace {

// The file asks for a variable that is not set. Fine when nobody needs the value, or when it is a
// password that may not be needed at all.
absl::Status CheckVariable(const Entry& entry, const RawValue& value, bool* skip,
                           std::vector<std::string>* warnings) {
  if (value.missing_variable.empty()) return absl::OkStatus();
  *skip = true;
  if (entry.layer > SettingLayer::kFile) return absl::OkStatus();
  const std::string what =
      fmt::format("{}: ${{{}}} is not set", value.place, value.missing_variable);
  if (entry.options.secret == Secret::kWhole && value.is_only_variable) {
    warnings->push_back(what + ": going on without");
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("{}; set the variable or write ${{{}:-default}}", what, value.missing_variable));
}

// By fputs(): fmt::print() throws when stderr takes nothing.
void Complain(const std::string& tool, const absl::Status& status) {
  std::fputs(fmt::format("{}: {}\n", tool, std::string(status.message())).c_str(), stderr);
}

std::string VersionText(const ToolInfo& info) {
  return fmt::format("{} {} (tsingest, {})\n", info.tool, Version(), BuildCompiler());
}

}  // namespace

Settings::Settings(ToolInfo info) : state_(std::make_unique<State>()) {
  state_->info = std::move(info);
  Add(&state_->config_path, {.name = "config",
                             .value = "FILE",
                             .group = std::string(internal::kGeneralGroup),
                             .help = "read settings from this YAML file; ${VAR} and "
                                     "${VAR:-default} in it are replaced"});
}

Settings::~Settings() = default;

void Settings::Add(SettingTarget target, SettingOptions options) {
  if (state_->Find(options.name) != nullptr) {
    fmt::print(stderr, "Settings: {} is declared twice\n", options.name);
    std::abort();
  }
  Entry& entry = state_->entries.emplace_back();
  entry.target = target;
  entry.options = std::move(options);
}

void Settings::AddPositional(std::vector<std::string>* target, PositionalOptions options) {
  state_->positional_target = target;
  state_->positional = std::move(options);
}

void Settings::AddEnv(std::string_view name, SettingAlias alias) {
  state_->Get(name).options.env.push_back(std::move(alias));
}

void Settings::AddYaml(std::string_view name, SettingAlias alias) {
  state_->Get(name).options.yaml.push_back(std::move(alias));
}

void Settings::IgnoreYaml(std::string path, std::string why) {
  state_->ignored.emplace(internal::NormalPath(path), std::move(why));
}

void Settings::AddAction(std::string name, std::string help,
                         std::function<absl::StatusOr<std::string>()> print) {
  state_->actions.push_back({std::move(name), std::move(help), std::move(print)});
}

void Settings::AddCheck(std::function<absl::Status()> check) {
  state_->checks.push_back(std::move(check));
}

absl::Status Settings::State::ApplyLayer(const RawValues& values, SettingLayer layer) {
  for (Entry& entry : entries) {
    const auto value = values.find(entry.options.name);
    if (value == values.end() || entry.layer > layer) continue;
    bool skip = false;
    if (absl::Status status = CheckVariable(entry, value->second, &skip, &warnings); !status.ok()) {
      return status;
    }
    if (skip) continue;
    if (absl::Status status = internal::Assign(entry, value->second); !status.ok()) return status;
    entry.layer = layer;
    entry.place = value->second.place;
  }
  return absl::OkStatus();
}

absl::StatusOr<Settings::Outcome> Settings::Load(std::span<const std::string> args,
                                                 const EnvironmentMap& env) {
  State& state = *state_;
  for (Entry& entry : state.entries) entry.default_text = internal::ShowPlain(entry).value_or("");
  absl::StatusOr<internal::FlagResult> flags =
      internal::ReadFlags(state.entries, state.actions, state.positional_target != nullptr, args);
  if (!flags.ok()) return flags.status();
  if (flags->help) return Outcome{.run = false, .output = Help()};
  if (flags->version) return Outcome{.run = false, .output = VersionText(state.info)};
  // From the strongest layer down: a weaker one does not touch what is set.
  absl::Status status = state.ApplyLayer(flags->values, SettingLayer::kFlag);
  if (!status.ok()) return status;
  absl::StatusOr<RawValues> variables =
      internal::ReadEnvironment(state.entries, env, &state.warnings);
  if (!variables.ok()) return variables.status();
  if (status = state.ApplyLayer(*variables, SettingLayer::kEnvironment); !status.ok())
    return status;
  if (!state.config_path.empty()) {
    absl::StatusOr<RawValues> file = internal::ReadFile(
        state.config_path, {state.entries, &state.ignored}, env, &state.warnings);
    if (!file.ok()) return file.status();
    if (status = state.ApplyLayer(*file, SettingLayer::kFile); !status.ok()) return status;
  }
  if (flags->action != nullptr) {
    absl::StatusOr<std::string> output = flags->action->print();
    if (!output.ok()) return output.status();
    return Outcome{.run = false, .output = *std::move(output)};
  }
  if (state.positional_target != nullptr) *state.positional_target = std::move(flags->positional);
  for (const auto& check : state.checks) {
    if (status = check(); status.ok()) continue;
    if (!flags->print_config) return status;
    state.incomplete = std::string(status.message());
    break;
  }
  if (flags->print_config) return Outcome{.run = false, .output = PrintConfig()};
  return Outcome{};
}

std::optional<int> Settings::LoadOrExit(int argc, const char* const* argv) {
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) args.emplace_back(argv[i]);
  absl::StatusOr<Outcome> outcome = Load(args, ProcessEnvironment());
  if (!outcome.ok()) {
    Complain(state_->info.tool, outcome.status());
    return 2;
  }
  if (outcome->run) return std::nullopt;
  const absl::Status printed = PrintToStdout(outcome->output);
  if (printed.ok()) return 0;
  Complain(state_->info.tool, printed);
  return 1;
}

SettingLayer Settings::Layer(std::string_view name) const { return state_->Get(name).layer; }

std::string Settings::Place(std::string_view name) const { return state_->Get(name).place; }

absl::Status Settings::Invalid(std::string_view name, std::string_view why) const {
  const Entry& entry = state_->Get(name);
  const std::string place = entry.layer != SettingLayer::kDefault ? entry.place
                            : entry.options.has_flag              ? "--" + entry.options.name
                                                                  : entry.options.name;
  return absl::InvalidArgumentError(fmt::format("{}: {}", place, why));
}

const std::vector<std::string>& Settings::warnings() const { return state_->warnings; }

std::string Settings::Help() const {
  return internal::HelpText(state_->info, state_->entries, state_->actions,
                            state_->positional_target == nullptr ? nullptr : &state_->positional);
}

std::string Settings::PrintConfig() const {
  std::string out;
  if (!state_->incomplete.empty()) out += fmt::format("# not complete: {}\n", state_->incomplete);
  for (const Entry& entry : state_->entries) {
    if (entry.options.name == "config") continue;
    const std::string& name = entry.options.name;
    const std::string line =
        fmt::format("{}: {}", name == "null" ? "\"null\"" : name, internal::ShowYaml(entry));
    out += fmt::format("{:<40} # {}\n", line, entry.place);
  }
  return out;
}

}  // namespace tsingest
