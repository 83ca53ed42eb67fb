// --to and --dead-letter, taken apart.
#include <cctype>

#include "fmt/format.h"
#include "tools/common/common_settings.h"
#include "tsingest/model/reject.h"
#include "tsingest/service/scrub.h"

namespace tsingest {
namespace {

bool IsPostgresUri(std::string_view to) {
  return to.starts_with("postgresql://") || to.starts_with("postgres://");
}

// "host=db dbname=x": libpq's key=value form starts with a keyword and '='.
bool IsConninfo(std::string_view to) {
  std::size_t end = 0;
  while (end < to.size() &&
         (std::isalnum(static_cast<unsigned char>(to[end])) != 0 || to[end] == '_')) {
    ++end;
  }
  const std::size_t name_end = end;
  while (end < to.size() && to[end] == ' ') ++end;
  return name_end > 0 && end < to.size() && to[end] == '=';
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.') {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view to, const std::vector<std::string>& schemes) {
  Target target;
  target.shown = ScrubSecrets(to);
  if (to == "stdout:" || to == "stdout") {
    target.kind = TargetKind::kStdout;
    return target;
  }
  if (IsPostgresUri(to) || (to.find("://") == std::string_view::npos && IsConninfo(to))) {
    target.conninfo = std::string(to);
    return target;
  }
  std::string allowed = "postgresql://…, host=… dbname=…, stdout:";
  for (const std::string& scheme : schemes) {
    if (to.starts_with(scheme + "://")) {
      target.kind = TargetKind::kOther;
      target.uri = std::string(to);
      target.scheme = scheme;
      return target;
    }
    allowed += fmt::format(", {}://…", scheme);
  }
  return absl::InvalidArgumentError(fmt::format("{} is no target that rows can go to; allowed: {}",
                                                ShowValue(target.shown), allowed));
}

absl::StatusOr<DeadLetterTarget> ParseDeadLetterTarget(std::string_view text, bool names_kafka) {
  DeadLetterTarget target;
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  if (colon != std::string_view::npos) target.name = std::string(text.substr(colon + 1));
  if (kind == "none" && colon == std::string_view::npos) {
    target.kind = DeadLetterKind::kNone;
  } else if (kind == "table" && (colon == std::string_view::npos || !target.name.empty())) {
    target.kind = DeadLetterKind::kTable;
    if (target.name.empty()) target.name = "tsingest.dead_letter";
  } else if (kind == "file" && !target.name.empty()) {
    target.kind = DeadLetterKind::kFile;
  } else if (kind == "kafka" && !target.name.empty()) {
    target.kind = DeadLetterKind::kKafka;
  } else {
    return absl::InvalidArgumentError(fmt::format(
        "{} is no place for dead letters; allowed: table, table:[SCHEMA.]NAME, file:PATH, {}none",
        ShowValue(text), names_kafka ? "kafka:TOPIC, " : ""));
  }
  return target;
}

std::string ConninfoPart(std::string_view key, std::string_view value) {
  if (value.empty()) return "";
  std::string out = fmt::format("{}='", key);
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "' ";
}

std::string WithPassword(const std::string& conninfo, std::string_view password) {
  // What scrubbing would change has a password.
  if (password.empty() || ScrubSecrets(conninfo) != conninfo) return conninfo;
  if (IsPostgresUri(conninfo)) {
    const char* join = conninfo.find('?') == std::string::npos ? "?" : "&";
    return conninfo + join + "password=" + PercentEncode(password);
  }
  std::string out = conninfo + " " + ConninfoPart("password", password);
  out.pop_back();
  return out;
}

}  // namespace tsingest
