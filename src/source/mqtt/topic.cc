#include "source/mqtt/topic.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include "source/mqtt/protocol.h"
#include "source/mqtt/wire.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

constexpr std::string_view kShare = "$share/";

// What is wrong with a filter without its $share part; "" when nothing is.
std::string_view LevelsError(std::string_view filter) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '+' && filter[i] != '#') continue;
    const bool starts_level = i == 0 || filter[i - 1] == '/';
    const bool ends_level = i + 1 == filter.size() || filter[i + 1] == '/';
    if (!starts_level || !ends_level) return "+ and # must stand alone between slashes (4.7.1)";
    if (filter[i] == '#' && i + 1 != filter.size()) return "# must be the last level (4.7.1.2)";
  }
  return {};
}

std::string_view ShareError(std::string_view filter) {
  filter.remove_prefix(kShare.size());
  const std::size_t slash = filter.find('/');
  const std::string_view group = filter.substr(0, slash);
  if (group.empty() || group.find_first_of("+#") != std::string_view::npos) {
    return "the group in $share/GROUP/FILTER must be a name without + and # (4.8.2)";
  }
  if (slash == std::string_view::npos || slash + 1 == filter.size()) {
    return "no filter behind the group: it is written $share/GROUP/FILTER (4.8.2)";
  }
  return LevelsError(filter.substr(slash + 1));
}

std::string_view FilterError(std::string_view filter) {
  if (filter.empty()) return "is empty (4.7.3)";
  if (filter.size() > kMaxStringBytes) return "is longer than 65535 bytes (4.7.3)";
  if (!IsValidString(filter)) return "is not valid UTF-8 or has a NUL character (1.5.4)";
  return IsSharedFilter(filter) ? ShareError(filter) : LevelsError(filter);
}

}  // namespace

std::string TopicFilterError(std::string_view filter) {
  const std::string_view error = FilterError(filter);
  return error.empty() ? std::string()
                       : fmt::format("topic filter {}: {}", ShowValue(filter), error);
}

bool IsTopicName(std::string_view name) {
  return !name.empty() && IsValidString(name) && !HasWildcard(name);
}

bool IsSharedFilter(std::string_view filter) { return filter.starts_with(kShare); }

bool HasWildcard(std::string_view filter) {
  return filter.find_first_of("+#") != std::string_view::npos;
}

}  // namespace tsingest::mqtt
