// Command-line arguments, by CLI11.
#include <CLI/CLI.hpp>

#include <algorithm>

#include "fmt/format.h"
#include "service/settings_internal.h"
#include "tsingest/model/reject.h"
#include "tsingest/service/scrub.h"

namespace tsingest::internal {
namespace {

std::vector<std::string> FlagNames(std::span<const Entry> entries) {
  std::vector<std::string> names = {"--help", "--version", "--config", "--print-config"};
  for (const Entry& entry : entries) {
    if (entry.options.has_flag) names.push_back("--" + entry.options.name);
  }
  return names;
}

// Declares entry's flag. Values are taken from the option itself after parsing.
CLI::Option* Declare(CLI::App& app, const Entry& entry, std::span<const Entry> entries,
                     std::vector<std::string>* sink) {
  const std::string& name = entry.options.name;
  if (IsBool(entry)) {
    const std::string negated = "no-" + name;
    const bool is_free = std::ranges::none_of(
        entries, [&](const Entry& other) { return other.options.name == negated; });
    return app
        .add_flag(is_free ? fmt::format("--{}{{true}},--{}{{false}}", name, negated)
                          : fmt::format("--{}{{true}}", name))
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  CLI::Option* option = app.add_option("--" + name, *sink);
  if (IsList(entry) && entry.options.greedy) {
    option->expected(1, CLI::detail::expected_max_vector_size);
  } else {
    option->expected(1)->allow_extra_args(false);
  }
  return option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

absl::Status UnknownArgument(const std::string& argument, std::span<const Entry> entries) {
  if (argument.size() < 2 || argument[0] != '-') {
    return absl::InvalidArgumentError(
        fmt::format("unexpected argument {}; see --help", ShowValue(ScrubSecrets(argument))));
  }
  const std::string flag = argument.substr(0, argument.find('='));
  const std::string nearest = NearestWord(flag, FlagNames(entries), flag.size() * 2 / 3);
  return absl::InvalidArgumentError(
      nearest.empty()
          ? fmt::format("unknown flag {}; see --help", flag)
          : fmt::format("unknown flag {}; did you mean {}? (--help shows all)", flag, nearest));
}

absl::Status FromCli(const CLI::ParseError& error, std::span<const Entry> entries) {
  const std::string what = error.what();
  for (const Entry& entry : entries) {
    if (what.starts_with("--" + entry.options.name + ":") && !IsBool(entry)) {
      return absl::InvalidArgumentError(
          fmt::format("--{0} needs a value: --{0} {1}", entry.options.name, entry.options.value));
    }
  }
  return absl::InvalidArgumentError(what);
}

absl::Status Collect(const Entry& entry, const CLI::Option& option, RawValues* values) {
  if (option.count() == 0) return absl::OkStatus();
  RawValue value;
  value.items = option.results();
  value.place = "--" + entry.options.name;
  if (IsBool(entry)) value.items = {value.items.back()};
  if (!IsList(entry) && value.items.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("{} is given {} times; keep one", value.place, value.items.size()));
  }
  values->emplace(entry.options.name, std::move(value));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FlagResult> ReadFlags(std::span<const Entry> entries, bool takes_positional,
                                     std::span<const std::string> args) {
  FlagResult result;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", result.help);
  app.add_flag("--version", result.version);
  app.add_flag("--print-config", result.print_config);
  std::vector<CLI::Option*> options;
  std::vector<std::vector<std::string>> sinks(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    options.push_back(entries[i].options.has_flag ? Declare(app, entries[i], entries, &sinks[i])
                                                  : nullptr);
  }
  if (takes_positional) app.add_option("FILE", result.positional);
  try {
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::ParseError& error) {
    return FromCli(error, entries);
  }
  if (result.help || result.version) return result;
  if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) {
    const auto flag =
        std::ranges::find_if(extras, [](const auto& e) { return e.starts_with('-'); });
    return UnknownArgument(flag == extras.end() ? extras.front() : *flag, entries);
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (options[i] == nullptr) continue;
    if (absl::Status status = Collect(entries[i], *options[i], &result.values); !status.ok()) {
      return status;
    }
  }
  return result;
}

}  // namespace tsingest::internal
