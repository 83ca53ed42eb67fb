#include "service/metrics_text.h"

#include <charconv>
#include <cmath>

#include "fmt/format.h"

namespace tsingest::internal {
namespace {

std::string ValueText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  // Counts as people and scripts read them: 300000, not 3e+05.
  constexpr double kExactIntegers = 9'007'199'254'740'992;  // 2^53
  const bool integer = value == std::trunc(value) && std::abs(value) <= kExactIntegers;
  const auto result =
      integer ? std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed)
              : std::to_chars(text, text + sizeof(text), value);
  return {text, result.ptr};
}

void AppendEscaped(std::string_view text, bool quote, std::string* out) {
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
    } else if (c == '\\' || (quote && c == '"')) {
      out->append("\\").push_back(c);
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace

void MetricsText::Family(std::string_view name, std::string_view type, std::string_view help) {
  out_.append("# HELP ").append(name).append(" ");
  AppendEscaped(help, false, &out_);
  out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void MetricsText::Sample(std::string_view name, const Labels& labels, double value) {
  out_.append(name);
  if (!labels.empty()) {
    out_.push_back('{');
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (i > 0) out_.push_back(',');
      out_.append(labels[i].first).append("=\"");
      AppendEscaped(labels[i].second, true, &out_);
      out_.push_back('"');
    }
    out_.push_back('}');
  }
  out_.append(" ").append(ValueText(value)).append("\n");
}

void MetricsText::Counter(std::string_view name, std::string_view help, double value) {
  Family(name, "counter", help);
  Sample(name, {}, value);
}

void MetricsText::Gauge(std::string_view name, std::string_view help, double value) {
  Family(name, "gauge", help);
  Sample(name, {}, value);
}

void MetricsText::Histogram(std::string_view name, std::string_view help,
                            const HistogramSnapshot& values) {
  Family(name, "histogram", help);
  const std::string bucket = fmt::format("{}_bucket", name);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.bounds.size(); ++i) {
    sum += values.counts[i];
    Sample(bucket, {{"le", ValueText(values.bounds[i])}}, static_cast<double>(sum));
  }
  const auto total = static_cast<double>(values.Total());
  Sample(bucket, {{"le", "+Inf"}}, total);
  Sample(fmt::format("{}_sum", name), {}, values.sum);
  Sample(fmt::format("{}_count", name), {}, total);
}

}  // namespace tsingest::internal
