// --help.
#include <algorithm>
#include <cstddef>

#include "fmt/format.h"
#include "service/settings_internal.h"
#include "tsingest/base/utf8.h"

namespace tsingest::internal {
namespace {

constexpr std::size_t kTextColumn = 30;
constexpr std::size_t kWidth = 100;

// Appends `text` in the second column, wrapped at spaces. The cursor stands at `column`.
void AppendWrapped(std::string_view text, std::size_t column, std::string* out) {
  if (column + 2 > kTextColumn) {
    out->push_back('\n');
    column = 0;
  }
  out->append(kTextColumn - column, ' ');
  column = kTextColumn;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::size_t width = CountCharacters(text.substr(0, end));
    if (column != kTextColumn && column + 1 + width > kWidth) {
      out->push_back('\n');
      out->append(kTextColumn, ' ');
      column = kTextColumn;
    } else if (column != kTextColumn) {
      out->push_back(' ');
      ++column;
    }
    out->append(text.substr(0, end));
    column += width;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out->push_back('\n');
}

void AppendItem(const std::string& left, std::string_view text, std::string* out) {
  out->append("  ").append(left);
  AppendWrapped(text, CountCharacters(left) + 2, out);
}

std::string Describe(const Entry& entry) {
  const SettingOptions& options = entry.options;
  std::string text = options.help;
  if (!options.choices.empty()) text += fmt::format(": {}", fmt::join(options.choices, ", "));
  const std::string& shown =
      options.default_text.empty() ? entry.default_text : options.default_text;
  const bool quiet = shown.empty() || (IsBool(entry) && shown == "false");
  if (!quiet) text += fmt::format(" (default: {})", shown);
  std::vector<std::string> names = {EnvironmentName(options.name)};
  for (const SettingAlias& alias : options.env) names.push_back(alias.name);
  text += fmt::format(" [{}", fmt::join(names, ", "));
  if (options.secret != Secret::kNone) text += ", or …_FILE naming a file";
  return text + "]";
}

std::string Left(const Entry& entry) {
  const SettingOptions& options = entry.options;
  if (!options.has_flag) return options.name + ":";
  std::string left = "--" + options.name;
  if (!options.value.empty()) left += " " + options.value;
  return left;
}

}  // namespace

std::string HelpText(const ToolInfo& info, std::span<const Entry> entries,
                     std::span<const Action> actions, const PositionalOptions* positional) {
  std::string out = fmt::format("Usage: {} {}\n\n{}\n", info.tool, info.usage, info.summary);
  if (positional != nullptr) {
    out.push_back('\n');
    AppendItem(positional->name, positional->help, &out);
  }
  std::vector<std::string> groups;
  for (const Entry& entry : entries) {
    const std::string& group = entry.options.group;
    if (group != kGeneralGroup && std::ranges::find(groups, group) == groups.end()) {
      groups.push_back(group);
    }
  }
  groups.emplace_back(kGeneralGroup);
  for (const std::string& group : groups) {
    out += fmt::format("\n{}\n", group);
    for (const Entry& entry : entries) {
      if (entry.options.group == group) AppendItem(Left(entry), Describe(entry), &out);
    }
  }
  for (const Action& action : actions) {
    AppendItem("--" + action.name, action.help + ", and exit", &out);
  }
  AppendItem("--print-config", "print the effective settings and where each is from, and exit",
             &out);
  AppendItem("--version", "print the version and exit", &out);
  AppendItem("-h, --help", "print this text and exit", &out);
  out +=
      "\nA flag wins over an environment variable, that over the --config file, that over the\n"
      "default. In the file, --batch-size N is written `batch-size: N`. Names ending in ':' have "
      "no\n"
      "flag. Sizes take KiB, MiB, GiB; durations ms, s, m, h, d.\n";
  if (!info.examples.empty()) out += "\nExamples\n";
  for (const std::string& example : info.examples) out += fmt::format("  {}\n", example);
  if (!info.notes.empty()) out += fmt::format("\n{}\n", info.notes);
  return out;
}

}  // namespace tsingest::internal
