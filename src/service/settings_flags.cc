// Command-line arguments, by CLI11.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "fmt/format.h"
#include "service/settings_internal.h"
#include "tsingest/model/reject.h"
#include "tsingest/service/scrub.h"

namespace tsingest::internal {
namespace {

// In front of an argument that CLI11 is to take as a value whatever it looks like.
constexpr char kIsValue = '\x01';

std::string AsValue(const std::string& text) { return kIsValue + text; }
std::string Plain(const std::string& text) {
  return !text.empty() && text[0] == kIsValue ? text.substr(1) : text;
}

// "-200", "-.5": not flags.
bool IsNegativeNumber(std::string_view text) {
  return text.size() > 1 && text[0] == '-' &&
         text.find_first_not_of("0123456789.", 1) == std::string_view::npos;
}

bool IsFlag(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && !IsNegativeNumber(text);
}

// The list that takes all arguments up to the next flag, if `argument` is its flag.
const Entry* GreedyList(std::string_view argument, std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    if (entry.options.greedy && entry.options.has_flag && argument == "--" + entry.options.name) {
      return &entry;
    }
  }
  return nullptr;
}

// Whether `argument` may be a further value of a list. Where the tool also takes file names, what
// is one ends the list.
bool ContinuesList(const std::string& argument, const Entry& entry, bool takes_positional) {
  if (IsFlag(argument)) return false;
  if (!takes_positional) return true;
  if (entry.options.is_map) return argument.find('=') != std::string::npos;
  return argument != "-" && access(argument.c_str(), F_OK) != 0;
}

std::vector<std::string> FlagNames(std::span<const Entry> entries) {
  std::vector<std::string> names = {"--help", "--version", "--config", "--print-config"};
  for (const Entry& entry : entries) {
    if (entry.options.has_flag) names.push_back("--" + entry.options.name);
  }
  return names;
}

absl::Status EmptyValue(std::string_view flag) {
  return absl::InvalidArgumentError(
      fmt::format("{}: its value is empty (a shell variable that is not set?); give one, or leave "
                  "the flag out",
                  flag));
}

// "--linger" when nothing, or another flag, follows where its value should be.
absl::Status CheckHasValue(std::span<const std::string> args, std::size_t i,
                           std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    const std::string flag = "--" + entry.options.name;
    if (!IsBool(entry) && args[i] == flag + "=") return EmptyValue(flag);
    if (IsBool(entry) || args[i] != flag) continue;
    const std::vector<std::string> flags = FlagNames(entries);
    const bool has_value =
        i + 1 < args.size() &&
        std::ranges::find(flags, args[i + 1].substr(0, args[i + 1].find('='))) == flags.end();
    if (has_value) continue;
    return absl::InvalidArgumentError(
        fmt::format("--{0} needs a value: --{0} {1}", entry.options.name, entry.options.value));
  }
  return absl::OkStatus();
}

// The arguments with every value of a greedy list behind a flag of its own, and what only looks
// like a flag marked.
absl::StatusOr<std::vector<std::string>> Prepare(std::span<const std::string> args,
                                                 std::span<const Entry> entries,
                                                 bool takes_positional) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--") {  // only positional arguments from here on
      for (++i; i < args.size(); ++i) out.push_back(AsValue(args[i]));
      break;
    }
    if (absl::Status status = CheckHasValue(args, i, entries); !status.ok()) return status;
    out.push_back(IsNegativeNumber(args[i]) ? AsValue(args[i]) : args[i]);
    const Entry* list = GreedyList(args[i], entries);
    if (list == nullptr) continue;
    out.push_back(AsValue(args[++i]));
    while (i + 1 < args.size() && ContinuesList(args[i + 1], *list, takes_positional)) {
      out.push_back("--" + list->options.name);
      out.push_back(AsValue(args[++i]));
    }
  }
  std::ranges::reverse(out);  // as CLI11 wants them
  return out;
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
  option->expected(1)->allow_extra_args(false);
  return option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

absl::Status UnknownArgument(const std::string& argument, std::span<const Entry> entries) {
  if (argument.size() < 2 || argument[0] != '-') {
    return absl::InvalidArgumentError(
        fmt::format("unexpected argument {}; see --help", ShowValue(ScrubSecrets(argument))));
  }
  const std::string flag = argument.substr(0, argument.find('='));
  const std::size_t letters = flag.size() - std::min(flag.size(), flag.find_first_not_of('-'));
  const std::size_t most_edits = letters <= 3 ? 1 : std::max<std::size_t>(2, letters / 3);
  const std::string nearest = NearestWord(flag, FlagNames(entries), most_edits);
  return absl::InvalidArgumentError(
      nearest.empty()
          ? fmt::format("unknown flag {}; see --help", flag)
          : fmt::format("unknown flag {}; did you mean {}? (--help shows all)", flag, nearest));
}

absl::Status Collect(const Entry& entry, const CLI::Option& option, RawValues* values) {
  if (option.count() == 0) return absl::OkStatus();
  RawValue value;
  for (const std::string& item : option.results()) value.items.push_back(Plain(item));
  value.place = "--" + entry.options.name;
  const bool has_empty = std::ranges::find(value.items, "") != value.items.end();
  if (has_empty && !entry.options.takes_empty) return EmptyValue(value.place);
  if (IsBool(entry)) value.items = {value.items.back()};
  if (!IsList(entry) && value.items.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("{} is given {} times; keep one", value.place, value.items.size()));
  }
  values->emplace(entry.options.name, std::move(value));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FlagResult> ReadFlags(std::span<const Entry> entries,
                                     std::span<const Action> actions, bool takes_positional,
                                     std::span<const std::string> args) {
  FlagResult result;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", result.help);
  app.add_flag("--version", result.version);
  app.add_flag("--print-config", result.print_config);
  for (const Action& action : actions) {
    app.add_flag_callback("--" + action.name, [&] { result.action = &action; });
  }
  std::vector<CLI::Option*> options;
  std::vector<std::vector<std::string>> sinks(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    options.push_back(entries[i].options.has_flag ? Declare(app, entries[i], entries, &sinks[i])
                                                  : nullptr);
  }
  if (takes_positional) app.add_option("FILE", result.positional);
  absl::StatusOr<std::vector<std::string>> prepared = Prepare(args, entries, takes_positional);
  if (!prepared.ok()) return prepared.status();
  try {
    app.parse(*std::move(prepared));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (result.help || result.version) return result;
  for (std::string& file : result.positional) file = Plain(file);
  std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) {
    for (std::string& extra : extras) extra = Plain(extra);
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
