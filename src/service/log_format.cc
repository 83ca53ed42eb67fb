#include <array>
#include <cctype>
#include <chrono>
#include <type_traits>

#include "fmt/format.h"
#include "service/json_writer.h"
#include "service/log_internal.h"
#include "tsingest/base/utf8.h"
#include "tsingest/service/scrub.h"
#include "tsingest/service/time_text.h"

namespace tsingest::internal {
namespace {

constexpr std::size_t kMaxTextBytes = 16 * 1024;
constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 4> kPaddedLevels = {"DEBUG", "INFO ", "WARN ", "ERROR"};

std::string Clean(std::string_view text) {
  if (text.size() <= kMaxTextBytes) return ScrubSecrets(text);
  return ScrubSecrets(text.substr(0, kMaxTextBytes)) + "…";
}

// Line breaks and other control bytes would let input forge log lines.
void AppendPrintable(std::string_view text, std::string* out) {
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      *out += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(1);
    } else {
      out->append(text.substr(0, length));
      text.remove_prefix(length);
    }
  }
}

void AppendTextValue(std::string_view text, std::string* out) {
  const bool plain = !text.empty() && text.find_first_of(" =\"\\\t\n\r") == std::string_view::npos;
  if (plain) return AppendPrintable(text, out);
  AppendJsonText(text, out);
}

std::string TextLine(const LogRecord& record, std::span<const LogField> fields) {
  std::string out = fmt::format("{} {} ", Rfc3339(record.time),
                                kPaddedLevels[static_cast<std::size_t>(record.level)]);
  if (!record.component.empty()) out += fmt::format("{}: ", record.component);
  AppendPrintable(Clean(record.message), &out);
  for (const LogField& field : fields) {
    out += fmt::format(" {}=", field.key);
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string_view>) {
            AppendTextValue(Clean(value), &out);
          } else {
            out += fmt::format("{}", value);
          }
        },
        field.value);
  }
  return out + "\n";
}

std::string JsonLine(const LogRecord& record, std::span<const LogField> fields) {
  JsonWriter json;
  json.BeginObject();
  json.Key("time").String(Rfc3339(record.time));
  json.Key("level").String(kLevels[static_cast<std::size_t>(record.level)]);
  if (!record.component.empty()) json.Key("component").String(record.component);
  json.Key("msg").String(Clean(record.message));
  for (const LogField& field : fields) {
    json.Key(field.key);
    std::visit(
        [&](const auto& value) {
          using T = std::remove_cvref_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string_view>) {
            json.String(Clean(value));
          } else if constexpr (std::is_same_v<T, bool>) {
            json.Bool(value);
          } else if constexpr (std::is_same_v<T, double>) {
            json.Number(value);
          } else {
            json.Integer(value);
          }
        },
        field.value);
  }
  json.EndObject();
  return json.Take() + "\n";
}

// The message without what differs between alike ones.
std::string KindOf(LogLevel level, std::string_view component, std::string_view message) {
  std::string kind = fmt::format("{} {} ", static_cast<int>(level), component);
  bool quoted = false;
  for (const char c : message) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (c == '"') quoted = !quoted;
    if (quoted || (digit && kind.back() == '#')) continue;
    kind.push_back(digit ? '#' : c);
  }
  return kind;
}

}  // namespace

std::string FormatLogLine(LogFormat format, const LogRecord& record,
                          std::span<const LogField> fields) {
  return format == LogFormat::kJson ? JsonLine(record, fields) : TextLine(record, fields);
}

bool RepeatLimiter::Allow(LogLevel level, std::string_view component, std::string_view message,
                          MonotonicTime now) {
  if (level == LogLevel::kDebug) return true;
  const std::string kind = KindOf(level, component, message);
  const auto found = windows_.find(kind);
  if (found == windows_.end() && windows_.size() >= kMaxKinds) return true;
  Window& window = found != windows_.end() ? found->second : windows_[kind];
  if (window.written == 0 || (now >= window.ends && window.held.more == 0)) {
    window = Window{.ends = now + window_, .written = 0, .held = {}};
  }
  if (window.written < burst_) {
    ++window.written;
    return true;
  }
  if (window.held.more++ == 0) {
    window.held.level = level;
    window.held.component = component;
    window.held.message = message;
  }
  return false;
}

std::vector<RepeatLimiter::Repeated> RepeatLimiter::TakeEnded(MonotonicTime now, bool all) {
  std::vector<Repeated> out;
  for (auto window = windows_.begin(); window != windows_.end();) {
    if (!all && now < window->second.ends) {
      ++window;
      continue;
    }
    if (window->second.held.more > 0) out.push_back(std::move(window->second.held));
    window = windows_.erase(window);
  }
  return out;
}

}  // namespace tsingest::internal
