// Metrics in the Prometheus text exposition format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
#ifndef TSINGEST_SRC_SERVICE_METRICS_TEXT_H_
#define TSINGEST_SRC_SERVICE_METRICS_TEXT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/base/histogram.h"
#include "tsingest/service/status.h"

namespace tsingest::internal {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Appends families and their samples. All samples of a family must follow its header.
class MetricsText {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help);
  void Sample(std::string_view name, const Labels& labels, double value);

  // A family of one sample without labels.
  void Counter(std::string_view name, std::string_view help, double value);
  void Gauge(std::string_view name, std::string_view help, double value);
  void Histogram(std::string_view name, std::string_view help, const HistogramSnapshot& values);

  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// What a tool exports: S2's data_ingestion_* and our tsingest_* and process_* families.
std::string ServiceMetrics(const ServiceStatus& status, std::int64_t buffer_limit_bytes,
                           double start_time_seconds);

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_METRICS_TEXT_H_
