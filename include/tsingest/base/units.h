// Sizes ("8MiB"), durations ("100ms") and rates ("1000/s") as people write them.
#ifndef TSINGEST_BASE_UNITS_H_
#define TSINGEST_BASE_UNITS_H_

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"

namespace tsingest {
namespace internal {

struct UnitDef {
  std::string_view name;
  std::int64_t factor;
};

inline constexpr std::array<UnitDef, 13> kSizeUnits = {{{"", 1},
                                                        {"B", 1},
                                                        {"KiB", 1LL << 10},
                                                        {"MiB", 1LL << 20},
                                                        {"GiB", 1LL << 30},
                                                        {"TiB", 1LL << 40},
                                                        {"kB", 1000},
                                                        {"MB", 1000LL * 1000},
                                                        {"GB", 1000LL * 1000 * 1000},
                                                        {"K", 1LL << 10},
                                                        {"M", 1LL << 20},
                                                        {"G", 1LL << 30},
                                                        {"T", 1LL << 40}}};

inline constexpr std::array<UnitDef, 16> kDurationUnits = {{{"d", 86'400'000'000'000},
                                                            {"day", 86'400'000'000'000},
                                                            {"days", 86'400'000'000'000},
                                                            {"week", 604'800'000'000'000},
                                                            {"weeks", 604'800'000'000'000},
                                                            {"h", 3'600'000'000'000},
                                                            {"hour", 3'600'000'000'000},
                                                            {"hours", 3'600'000'000'000},
                                                            {"m", 60'000'000'000},
                                                            {"min", 60'000'000'000},
                                                            {"minutes", 60'000'000'000},
                                                            {"s", 1'000'000'000},
                                                            {"seconds", 1'000'000'000},
                                                            {"ms", 1'000'000},
                                                            {"us", 1'000},
                                                            {"ns", 1}}};

struct RateUnit {
  std::string_view name;
  double seconds;
};
inline constexpr std::array<RateUnit, 5> kRateUnits = {
    {{"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}}};

inline bool SameWord(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// `digits` ("12" or "1.5") times factor, to the nearest whole. False: too large.
inline bool ScaleDecimal(std::string_view digits, std::int64_t factor, std::int64_t* out) {
  const std::size_t point = digits.find('.');
  const std::string_view whole_digits = digits.substr(0, point);
  std::int64_t whole = 0;
  const auto [end, error] =
      std::from_chars(whole_digits.data(), whole_digits.data() + whole_digits.size(), whole);
  if (error != std::errc() || whole > std::numeric_limits<std::int64_t>::max() / factor)
    return false;
  *out = whole * factor;
  if (point == std::string_view::npos) return true;
  double fraction = 0;
  std::from_chars(digits.data() + point, digits.data() + digits.size(), fraction);
  const std::int64_t part = std::llround(fraction * static_cast<double>(factor));
  if (part > std::numeric_limits<std::int64_t>::max() - *out) return false;
  *out += part;
  return true;
}

// Splits "1.5h30m" after its first number and unit. False: there is no number at the front.
inline bool TakeNumber(std::string_view& text, std::string_view* digits, std::string_view* unit) {
  std::size_t end = 0;
  std::size_t points = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) {
    if (text[end++] == '.') ++points;
  }
  *digits = text.substr(0, end);
  if (points > 1 || end == points || digits->back() == '.' || digits->front() == '.') return false;
  std::size_t unit_end = end;
  while (unit_end < text.size() && (text[unit_end] < '0' || text[unit_end] > '9')) ++unit_end;
  *unit = text.substr(end, unit_end - end);
  while (unit->starts_with(' ')) unit->remove_prefix(1);
  while (unit->ends_with(' ')) unit->remove_suffix(1);
  text.remove_prefix(unit_end);
  return true;
}

}  // namespace internal

// Bytes: "8388608", "8MiB", "64 KiB", "1.5GiB", "10MB" (1000-based), "8M" (1024-based); case does
// not matter. kInvalidArgument says what is allowed.
inline absl::StatusOr<std::int64_t> ParseSize(std::string_view text) {
  const auto fail = [&] {
    return absl::InvalidArgumentError(
        "\"" + std::string(text) +
        "\" is not a size; write bytes or a number with KiB, MiB or GiB (8MiB)");
  };
  std::string_view rest = text;
  std::string_view digits;
  std::string_view name;
  if (!internal::TakeNumber(rest, &digits, &name) || !rest.empty()) return fail();
  for (const internal::UnitDef& unit : internal::kSizeUnits) {
    if (!internal::SameWord(unit.name, name)) continue;
    std::int64_t bytes = 0;
    if (!internal::ScaleDecimal(digits, unit.factor, &bytes)) return fail();
    return bytes;
  }
  return fail();
}

// "100ms", "5s", "1.5h", "1h30m", "7d", "90 days"; units d (day, days), week, h (hour), m (min),
// s, ms, us, ns. Only 0 needs no unit.
// kInvalidArgument says what is allowed.
inline absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  const auto fail = [&] {
    return absl::InvalidArgumentError(
        "\"" + std::string(text) +
        "\" is not a duration; write a number with ms, s, m, h or d (100ms)");
  };
  if (text == "0") return Duration::zero();
  std::string_view rest = text;
  std::int64_t total = 0;
  if (rest.empty()) return fail();
  while (!rest.empty()) {
    std::string_view digits;
    std::string_view name;
    if (!internal::TakeNumber(rest, &digits, &name)) return fail();
    bool known = false;
    for (const internal::UnitDef& unit : internal::kDurationUnits) {
      if (unit.name != name) continue;
      known = true;
      std::int64_t part = 0;
      if (!internal::ScaleDecimal(digits, unit.factor, &part)) return fail();
      if (part > std::numeric_limits<std::int64_t>::max() - total) return fail();
      total += part;
    }
    if (!known) return fail();
  }
  return Duration(total);
}

// The shortest exact text that ParseSize() reads back: "8MiB", "1000B" is "1000".
inline std::string FormatSize(std::int64_t bytes) {
  for (const std::string_view name : {"TiB", "GiB", "MiB", "KiB"}) {
    for (const internal::UnitDef& unit : internal::kSizeUnits) {
      if (unit.name == name && bytes != 0 && bytes % unit.factor == 0) {
        return std::to_string(bytes / unit.factor) + std::string(name);
      }
    }
  }
  return std::to_string(bytes);
}

// The exact text that ParseDuration() reads back: "100ms", "2h15m30s", "0s"; days show as hours,
// unless they are whole: "7d".
inline std::string FormatDuration(Duration length) {
  std::int64_t rest = length.count();
  if (rest == 0) return "0s";
  std::string out;
  if (rest < 0) {
    out = "-";
    rest = -rest;
  }
  constexpr std::int64_t kDay = 86'400'000'000'000;
  if (rest % kDay == 0) return out + std::to_string(rest / kDay) + "d";
  for (const std::string_view name : {"h", "m", "s", "ms", "us", "ns"}) {
    for (const internal::UnitDef& unit : internal::kDurationUnits) {
      if (unit.name != name || rest < unit.factor) continue;
      out += std::to_string(rest / unit.factor) + std::string(name);
      rest %= unit.factor;
    }
  }
  return out;
}

// Events per second: "1000/s", "1000" (the same), "90/min", "0.5/h". kInvalidArgument says what is
// allowed; 0 is not.
inline absl::StatusOr<double> ParseRate(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view number = text.substr(0, slash);
  const std::string_view unit = slash == std::string_view::npos ? "s" : text.substr(slash + 1);
  double count = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count,
                                            std::chars_format::fixed);
  if (error == std::errc() && end == number.data() + number.size() && std::isfinite(count)) {
    for (const auto& [name, seconds] : internal::kRateUnits) {
      if (name == unit && count / seconds > 0) return count / seconds;
    }
  }
  return absl::InvalidArgumentError("\"" + std::string(text) +
                                    "\" is not a rate; write a number above 0 with /s, /min or /h "
                                    "(1000/s)");
}

// The shortest text that ParseRate() reads back exactly: "1000/s".
inline std::string FormatRate(double per_second) {
  std::array<char, 400> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), per_second,
                                          std::chars_format::fixed);
  return error == std::errc() ? std::string(digits.data(), end) + "/s" : "";
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_UNITS_H_
