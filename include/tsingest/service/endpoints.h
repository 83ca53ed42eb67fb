// Endpoints: what a long-running tool serves by HTTP.
//
//   GET /              a live page
//   GET /health        both ends in detail; 503 while one is sick
//   GET /health/live   200 as long as the process answers
//   GET /health/ready  200 while rows can flow, else 503 with the reason
//   GET /status        counters as JSON
//   GET /metrics       counters for Prometheus (text format 0.0.4)
//   GET /live.json     what the live page draws; ?since=N gives only samples after number N
#ifndef TSINGEST_SERVICE_ENDPOINTS_H_
#define TSINGEST_SERVICE_ENDPOINTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/histogram.h"
#include "tsingest/base/mutex.h"
#include "tsingest/service/http.h"
#include "tsingest/service/status.h"

namespace tsingest {

struct EndpointsOptions {
  std::string service;            // "data-ingestion"
  std::uint64_t buffer_rows = 0;  // bound of the buffer in rows; 0: only in bytes
  std::int64_t buffer_bytes = 0;  // bound of the buffer in bytes
};

// One second of the live page: counters as they stood at its end, and what was observed during it.
struct LiveSample {
  std::uint64_t number = 0;  // 1, 2, 3 …
  std::int64_t at_ms = 0;    // since 1970
  Balance balance;
  std::uint64_t errors = 0;
  std::int64_t buffered_bytes = 0;
  std::int64_t window_used = 0;
  double write_p50 = 0;  // seconds
  double write_p99 = 0;
  double age_p99 = 0;
};

// Thread-safe.
class Endpoints {
 public:
  // Borrows everything but the options.
  Endpoints(EndpointsOptions options, StatusProvider& provider, const RecentRejects& rejects,
            Clock& clock = SystemClock());

  HttpResponse Handle(const HttpRequest& request);

  // Takes a sample for the live page; called once a second.
  void Tick();

  // How many seconds the live page can look back.
  static constexpr std::size_t kSamples = 300;

 private:
  HttpResponse Health() const;
  HttpResponse Ready() const;
  HttpResponse Metrics() const;
  HttpResponse Live(const HttpRequest& request);
  Duration Uptime() const { return clock_.Now() - started_; }

  const EndpointsOptions options_;
  StatusProvider& provider_;
  const RecentRejects& rejects_;
  Clock& clock_;
  const MonotonicTime started_;
  const Timestamp started_at_;
  mutable Mutex mutex_;
  std::deque<LiveSample> samples_ ABSL_GUARDED_BY(mutex_);
  CountersSnapshot last_counters_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_sample_ ABSL_GUARDED_BY(mutex_) = 1;
};

// Estimate of the q-quantile (0..1) of what was observed between two snapshots of a histogram, by
// interpolation inside its bucket; 0 when nothing was. `before` may be empty (since the beginning).
double QuantileBetween(const HistogramSnapshot& before, const HistogramSnapshot& now, double q);

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_ENDPOINTS_H_
