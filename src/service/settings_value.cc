// Texts into typed targets and back.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "fmt/format.h"
#include "service/settings_internal.h"
#include "tsingest/base/units.h"
#include "tsingest/model/reject.h"
#include "tsingest/service/scrub.h"

namespace tsingest::internal {
namespace {

template <class T>
struct Inner {
  using type = T;
};
template <class T>
struct Inner<std::optional<T>> {
  using type = T;
};

std::string Shown(const Entry& entry, std::string_view text) {
  switch (entry.options.secret) {
    case Secret::kNone:
      return ShowValue(text);
    case Secret::kInside:
      return ShowValue(ScrubSecrets(text));
    case Secret::kWhole:
      break;
  }
  return "the value";
}

std::string Allowed(const SettingOptions& options) {
  if (!options.choices.empty())
    return fmt::format("; allowed: {}", fmt::join(options.choices, ", "));
  if (!options.min.empty() && !options.max.empty()) {
    return fmt::format("; allowed: {} to {}", options.min, options.max);
  }
  if (!options.min.empty()) return fmt::format("; allowed: {} or more", options.min);
  if (!options.max.empty()) return fmt::format("; allowed: up to {}", options.max);
  return "";
}

// One value of type T. The error is what follows the shown value.
absl::Status Read(std::string_view text, const SettingOptions&, std::string* out) {
  *out = std::string(text);
  return absl::OkStatus();
}

absl::Status Read(std::string_view text, const SettingOptions&, bool* out) {
  const std::optional<bool> value = ReadBool(text);
  if (!value.has_value()) return absl::InvalidArgumentError("is neither true nor false");
  *out = *value;
  return absl::OkStatus();
}

absl::Status Read(std::string_view text, const SettingOptions& options, std::int64_t* out) {
  if (options.is_size) {
    absl::StatusOr<std::int64_t> size = ParseSize(text);
    if (!size.ok()) {
      return absl::InvalidArgumentError(
          "is not a size; write bytes or a number with KiB, MiB or GiB");
    }
    *out = *size;
    return absl::OkStatus();
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::InvalidArgumentError("is not a whole number");
  }
  return absl::OkStatus();
}

absl::Status Read(std::string_view text, const SettingOptions& options, int* out) {
  std::int64_t wide = 0;
  if (absl::Status status = Read(text, options, &wide); !status.ok()) return status;
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError("is too large");
  }
  *out = static_cast<int>(wide);
  return absl::OkStatus();
}

absl::Status Read(std::string_view text, const SettingOptions&, double* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(*out)) {
    return absl::InvalidArgumentError("is not a number");
  }
  return absl::OkStatus();
}

absl::Status Read(std::string_view text, const SettingOptions&, Duration* out) {
  absl::StatusOr<Duration> length = ParseDuration(text);
  if (!length.ok()) {
    return absl::InvalidArgumentError(
        "is not a duration; write a number with ms, s, m, h or d (100ms)");
  }
  *out = *length;
  return absl::OkStatus();
}

template <class T>
bool InLimits(const T& value, const SettingOptions& options) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
    return true;
  } else {
    T limit{};
    const bool low =
        options.min.empty() || (Read(options.min, options, &limit).ok() && value >= limit);
    const bool high =
        options.max.empty() || (Read(options.max, options, &limit).ok() && value <= limit);
    return low && high;
  }
}

template <class T>
absl::Status ReadChecked(std::string_view text, const SettingOptions& options, T* out) {
  if (!options.choices.empty() &&
      std::ranges::find(options.choices, text) == options.choices.end()) {
    return absl::InvalidArgumentError("is not a choice");
  }
  if (absl::Status status = Read(text, options, out); !status.ok()) return status;
  if (!InLimits(*out, options)) return absl::InvalidArgumentError("is out of range");
  return options.check ? options.check(text) : absl::OkStatus();
}

std::vector<std::string> SplitItems(const RawValue& value, char separator) {
  if (value.is_split || separator == '\0') return value.items;
  std::vector<std::string> out;
  for (const std::string& item : value.items) {
    std::size_t begin = 0;
    while (begin <= item.size()) {
      const std::size_t end = std::min(item.find(separator, begin), item.size());
      out.push_back(item.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return out;
}

std::string Show(const std::string& value, const SettingOptions&) { return value; }
std::string Show(bool value, const SettingOptions&) { return value ? "true" : "false"; }
std::string Show(int value, const SettingOptions&) { return std::to_string(value); }
std::string Show(std::int64_t value, const SettingOptions& options) {
  return options.is_size ? FormatSize(value) : std::to_string(value);
}
std::string Show(double value, const SettingOptions&) { return fmt::format("{}", value); }
std::string Show(Duration value, const SettingOptions&) { return FormatDuration(value); }

std::string Mask(const SettingOptions& options, const std::string& text) {
  if (options.secret == Secret::kWhole && !text.empty()) return "****";
  return options.secret == Secret::kInside ? ScrubSecrets(text) : text;
}

std::string QuoteYaml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.append("\\").push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<int>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

// Quoted unless YAML reads the bare text as that very string.
std::string YamlScalar(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos &&
                     text.front() != '-' && text != "null";
  return plain ? std::string(text) : QuoteYaml(text);
}

template <class T>
std::string YamlOf(const T& value, const SettingOptions& options) {
  if constexpr (std::is_same_v<T, std::string>) return YamlScalar(Mask(options, value));
  return YamlScalar(Mask(options, Show(value, options)));
}

}  // namespace

bool IsList(const Entry& entry) {
  return std::holds_alternative<std::vector<std::string>*>(entry.target);
}

bool IsBool(const Entry& entry) {
  return std::holds_alternative<bool*>(entry.target) ||
         std::holds_alternative<std::optional<bool>*>(entry.target);
}

std::optional<bool> ReadBool(std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "1"}) {
    if (SameWord(word, text)) return true;
  }
  for (const std::string_view word : {"false", "no", "off", "0"}) {
    if (SameWord(word, text)) return false;
  }
  return std::nullopt;
}

std::string Translate(const SettingAlias& alias, std::string text) {
  const bool bare = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
  if (bare && !alias.bare_unit.empty()) return text + alias.bare_unit;
  if (auto word = alias.words.find(text); word != alias.words.end()) return word->second;
  if (const std::optional<bool> flag = ReadBool(text); flag.has_value()) {
    if (auto word = alias.words.find(*flag ? "true" : "false"); word != alias.words.end()) {
      return word->second;
    }
  }
  return text;
}

absl::Status Assign(Entry& entry, const RawValue& value) {
  const SettingOptions& options = entry.options;
  const auto fail = [&](std::string_view text, const absl::Status& why) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: {} {}{}", value.place, Shown(entry, text),
        std::string_view(why.message().data(), why.message().size()), Allowed(options)));
  };
  const auto assign = [&](auto* target) -> absl::Status {
    using T = std::remove_pointer_t<decltype(target)>;
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      std::vector<std::string> items = SplitItems(value, options.separator);
      for (const std::string& item : items) {
        std::string out;
        absl::Status status = ReadChecked(item, options, &out);
        if (status.ok() && options.is_map && item.find('=') == std::string::npos) {
          status = absl::InvalidArgumentError("is not key=value");
        }
        if (!status.ok()) return fail(item, status);
      }
      *target = std::move(items);
    } else {
      if (value.items.size() != 1) {
        return absl::InvalidArgumentError(
            fmt::format("{}: takes one value, not {}", value.place, value.items.size()));
      }
      typename Inner<T>::type out{};
      if (absl::Status status = ReadChecked(value.items[0], options, &out); !status.ok()) {
        return fail(value.items[0], status);
      }
      *target = std::move(out);
    }
    return absl::OkStatus();
  };
  return std::visit(assign, entry.target);
}

std::optional<std::string> ShowPlain(const Entry& entry) {
  const auto show = [&](const auto* target) -> std::optional<std::string> {
    using T = std::remove_cvref_t<decltype(*target)>;
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      if (target->empty()) return std::nullopt;
      const char separator = entry.options.separator == '\0' ? ' ' : entry.options.separator;
      return fmt::format("{}", fmt::join(*target, std::string(1, separator)));
    } else if constexpr (!std::is_same_v<T, typename Inner<T>::type>) {
      if (!target->has_value()) return std::nullopt;
      return Show(**target, entry.options);
    } else {
      std::string text = Show(*target, entry.options);
      if (text.empty()) return std::nullopt;
      return text;
    }
  };
  return std::visit(show, entry.target);
}

std::string ShowYaml(const Entry& entry) {
  const auto show = [&](const auto* target) -> std::string {
    using T = std::remove_cvref_t<decltype(*target)>;
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      std::vector<std::string> items;
      for (const std::string& item : *target)
        items.push_back(YamlScalar(Mask(entry.options, item)));
      return fmt::format("[{}]", fmt::join(items, ", "));
    } else if constexpr (!std::is_same_v<T, typename Inner<T>::type>) {
      return target->has_value() ? YamlOf(**target, entry.options) : std::string();
    } else {
      return YamlOf(*target, entry.options);
    }
  };
  return std::visit(show, entry.target);
}

}  // namespace tsingest::internal
