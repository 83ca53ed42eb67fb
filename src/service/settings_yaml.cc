// The YAML file.
#include <yaml-cpp/yaml.h>

#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "fmt/format.h"
#include "service/settings_internal.h"

namespace tsingest::internal {
namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;

struct Expanded {
  std::string text;
  std::string missing;  // first variable without value or default
  bool is_only_variable = false;
};

bool IsVariableName(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return true;
}

// Appends the value of `${inside}`. The error is worded to follow the line.
absl::Status ExpandOne(std::string_view inside, const EnvironmentMap& env, Expanded* out) {
  const std::size_t dash = inside.find(":-");
  const std::string_view name = inside.substr(0, dash);
  if (!IsVariableName(name)) {
    return absl::InvalidArgumentError(
        fmt::format("${{{}}} is not ${{NAME}} or ${{NAME:-default}}", inside));
  }
  const auto found = env.find(name);
  if (found != env.end() && !found->second.empty()) {
    out->text += found->second;
  } else if (dash != std::string_view::npos) {
    out->text += inside.substr(dash + 2);
  } else if (out->missing.empty()) {
    out->missing = std::string(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<Expanded> Expand(std::string_view text, const EnvironmentMap& env) {
  Expanded out;
  std::size_t i = 0;
  while (i < text.size()) {
    const std::string_view rest = text.substr(i);
    if (rest.starts_with("$${")) {
      out.text += "${";
      i += 3;
    } else if (rest.starts_with("${")) {
      const std::size_t close = rest.find('}');
      if (close == std::string_view::npos) {
        return absl::InvalidArgumentError("${ without }; write $${ for a literal ${");
      }
      if (absl::Status status = ExpandOne(rest.substr(2, close - 2), env, &out); !status.ok()) {
        return status;
      }
      out.is_only_variable = i == 0 && close + 1 == rest.size();
      i += close + 1;
    } else {
      out.text.push_back(text[i++]);
    }
  }
  return out;
}

struct Target {
  const Entry* entry = nullptr;
  SettingAlias alias{""};
};

class FileReader {
 public:
  FileReader(std::string path, const FileRules& rules, const EnvironmentMap& env,
             std::vector<std::string>* warnings)
      : path_(std::move(path)), rules_(rules), env_(env), warnings_(warnings) {
    for (const Entry& entry : rules_.entries) {
      targets_.emplace(NormalPath(entry.options.name),
                       Target{&entry, SettingAlias(entry.options.name.c_str())});
      for (const SettingAlias& alias : entry.options.yaml) {
        targets_.emplace(NormalPath(alias.name), Target{&entry, alias});
      }
    }
  }

  // `key` is where messages about the whole of `node` point to.
  absl::Status Walk(const YAML::Node& node, const std::string& path, const YAML::Node& key) {
    if (node.IsNull()) return absl::OkStatus();
    if (const auto ignored = rules_.ignored->find(NormalPath(path));
        ignored != rules_.ignored->end()) {
      warnings_->push_back(fmt::format("{}: {} is ignored: {}", Line(node), path, ignored->second));
      return absl::OkStatus();
    }
    const auto target = targets_.find(NormalPath(path));
    const bool takes_map = target != targets_.end() && target->second.entry->options.is_map;
    if (node.IsMap() && !takes_map) return WalkMap(node, path, key);
    if (target == targets_.end()) return Unknown(key, path);
    return Take(node, path, target->second);
  }

  RawValues TakeValues() { return std::move(values_); }

 private:
  // "config.yaml:12"
  std::string Line(const YAML::Node& node) const {
    return fmt::format("{}:{}", path_, node.Mark().line + 1);
  }

  absl::Status Fail(const YAML::Node& node, const std::string& what) const {
    return absl::InvalidArgumentError(fmt::format("{}: {}", Line(node), what));
  }

  bool IsSection(const std::string& path) const {
    const std::string prefix = NormalPath(path) + ".";
    const auto under = [&](const auto& map) {
      const auto next = map.lower_bound(prefix);
      return next != map.end() && next->first.starts_with(prefix);
    };
    return path.empty() || under(targets_) || under(*rules_.ignored);
  }

  absl::Status Unknown(const YAML::Node& node, const std::string& path) const {
    std::vector<std::string> known;
    for (const auto& [name, target] : targets_) {
      known.push_back(target.alias.name);
      // A section is a better answer to a misspelt section than one of its keys.
      if (const std::size_t dot = target.alias.name.find('.'); dot != std::string::npos) {
        known.push_back(target.alias.name.substr(0, dot));
      }
    }
    const std::string nearest = NearestWord(path, known, path.size() * 2 / 3);
    const std::string hint = nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
    return Fail(node, fmt::format("unknown key {}{}", path, hint));
  }

  absl::Status WalkMap(const YAML::Node& node, const std::string& path, const YAML::Node& parent) {
    if (!IsSection(path)) {
      return Fail(parent, fmt::format("{} takes a value, not a mapping", path));
    }
    std::set<std::string> seen;
    for (const auto& member : node) {
      if (!member.first.IsScalar() && !member.first.IsNull()) {
        return Fail(member.first, "a key is not a plain word");
      }
      // --null is a flag, and null: without quotes a key that YAML reads as nothing.
      const std::string key = member.first.IsNull() ? "null" : member.first.Scalar();
      if (!seen.insert(NormalPath(key)).second) {
        return Fail(member.first, fmt::format("{} is given twice in one mapping", key));
      }
      const std::string child = path.empty() ? key : path + "." + key;
      // An unknown key is named at its own line, not at its value's.
      const bool known = targets_.contains(NormalPath(child)) || IsSection(child) ||
                         rules_.ignored->contains(NormalPath(child));
      if (!known) return Unknown(member.first, child);
      if (absl::Status status = Walk(member.second, child, member.first); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }

  absl::Status AddItem(const YAML::Node& node, const SettingAlias& alias, const std::string& key,
                       RawValue* value) {
    if (!node.IsScalar()) return Fail(node, fmt::format("{} is not a plain value", alias.name));
    absl::StatusOr<Expanded> expanded = Expand(node.Scalar(), env_);
    if (!expanded.ok()) return Fail(node, std::string(expanded.status().message()));
    if (!expanded->missing.empty()) value->missing_variable = expanded->missing;
    value->is_only_variable = expanded->is_only_variable;
    value->items.push_back(key + Translate(alias, expanded->text));
    return absl::OkStatus();
  }

  absl::Status Take(const YAML::Node& node, const std::string& path, const Target& target) {
    RawValue value;
    const std::string& name = target.entry->options.name;
    const std::string shown_path = NormalPath(path) == name ? "" : fmt::format(" ({})", path);
    value.place = Line(node) + (shown_path.empty() ? fmt::format(" ({})", name) : shown_path);
    absl::Status status;
    if (node.IsMap()) {
      value.is_split = true;
      for (const auto& member : node) {
        if (status = AddItem(member.second, target.alias, member.first.Scalar() + "=", &value);
            !status.ok()) {
          return status;
        }
      }
    } else if (node.IsSequence()) {
      if (!IsList(*target.entry))
        return Fail(node, fmt::format("{} takes one value, not a list", path));
      value.is_split = true;
      for (const auto& item : node) {
        if (status = AddItem(item, target.alias, "", &value); !status.ok()) return status;
      }
    } else {
      if (status = AddItem(node, target.alias, "", &value); !status.ok()) return status;
    }
    const auto [other, is_new] = values_.emplace(name, value);
    if (!is_new) {
      return Fail(node,
                  fmt::format("{} and {} say the same thing; keep one", path, other->second.place));
    }
    return absl::OkStatus();
  }

  std::string path_;
  FileRules rules_;
  const EnvironmentMap& env_;
  std::vector<std::string>* warnings_;
  std::map<std::string, Target> targets_;
  RawValues values_;
};

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::InvalidArgumentError(
        fmt::format("--config: cannot open {}; is the path right, and readable?", path));
  }
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return absl::InvalidArgumentError(fmt::format("--config: cannot read {}", path));
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        fmt::format("--config: {} is larger than {} bytes", path, kMaxFileBytes));
  }
  return text;
}

}  // namespace

std::string NormalPath(std::string_view path) {
  std::string out(path);
  for (char& c : out) {
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

absl::StatusOr<RawValues> ReadFile(const std::string& path, const FileRules& rules,
                                   const EnvironmentMap& env, std::vector<std::string>* warnings) {
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) return text.status();
  try {
    FileReader reader(path, rules, env, warnings);
    const YAML::Node root = YAML::Load(*text);
    if (!root.IsNull() && !root.IsMap()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: the file is not a mapping of settings (name: value)", path));
    }
    if (absl::Status status = reader.Walk(root, "", root); !status.ok()) return status;
    return reader.TakeValues();
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: not YAML: {}", path, error.mark.line + 1, error.msg));
  }
}

}  // namespace tsingest::internal
