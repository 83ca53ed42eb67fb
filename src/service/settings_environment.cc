// Environment variables, and secrets in files that variables name.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "fmt/format.h"
#include "service/settings_internal.h"

namespace tsingest {

EnvironmentMap ProcessEnvironment() {
  EnvironmentMap out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

namespace internal {
namespace {

constexpr std::size_t kMaxSecretFileBytes = 64 * 1024;

absl::StatusOr<std::string> ReadSecretFile(const std::string& variable, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxSecretFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("environment {}: cannot read {}, or it is empty", variable, path));
  }
  if (text.size() > kMaxSecretFileBytes) {
    return absl::InvalidArgumentError(fmt::format("environment {}: {} is larger than {} bytes",
                                                  variable, path, kMaxSecretFileBytes));
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

const std::string* NonEmpty(const EnvironmentMap& env, const std::string& name) {
  const auto found = env.find(name);
  return found == env.end() || found->second.empty() ? nullptr : &found->second;
}

// The value that `alias` has in the environment, if any.
absl::StatusOr<std::optional<RawValue>> Look(const Entry& entry, const SettingAlias& alias,
                                             const EnvironmentMap& env) {
  const std::string* value = NonEmpty(env, alias.name);
  const std::string file_variable = alias.name + "_FILE";
  const std::string* path =
      entry.options.secret == Secret::kNone ? nullptr : NonEmpty(env, file_variable);
  if (value != nullptr && path != nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("environment {} and {} are both set; keep one", alias.name, file_variable));
  }
  RawValue out;
  if (path != nullptr) {
    absl::StatusOr<std::string> text = ReadSecretFile(file_variable, *path);
    if (!text.ok()) return text.status();
    out.items = {*std::move(text)};
    out.place = "environment " + file_variable;
    return out;
  }
  if (value == nullptr) return std::nullopt;
  out.items = {Translate(alias, *value)};
  out.place = "environment " + alias.name;
  return out;
}

void WarnOfUnknown(const EnvironmentMap& env, const std::vector<std::string>& known,
                   std::vector<std::string>* warnings) {
  for (const auto& [name, value] : env) {
    if (!name.starts_with("TSINGEST_") || std::ranges::find(known, name) != known.end()) continue;
    const std::string nearest = NearestWord(name, known, 2);
    if (nearest.empty()) continue;
    warnings->push_back(fmt::format("environment {} is not used; did you mean {}?", name, nearest));
  }
}

}  // namespace

std::string EnvironmentName(std::string_view setting) {
  std::string out = "TSINGEST_";
  for (const char c : setting) {
    out.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return out;
}

absl::StatusOr<RawValues> ReadEnvironment(std::span<const Entry> entries, const EnvironmentMap& env,
                                          std::vector<std::string>* warnings) {
  RawValues out;
  std::vector<std::string> known;
  for (const Entry& entry : entries) {
    std::vector<SettingAlias> aliases = {SettingAlias(EnvironmentName(entry.options.name).c_str())};
    aliases.insert(aliases.end(), entry.options.env.begin(), entry.options.env.end());
    for (const SettingAlias& alias : aliases) {
      known.push_back(alias.name);
      if (entry.options.secret != Secret::kNone) known.push_back(alias.name + "_FILE");
      absl::StatusOr<std::optional<RawValue>> value = Look(entry, alias, env);
      if (!value.ok()) return value.status();
      if (value->has_value()) out.emplace(entry.options.name, **value);  // the first one stays
    }
  }
  WarnOfUnknown(env, known, warnings);
  return out;
}

}  // namespace internal
}  // namespace tsingest
