// What a running tool tells about itself: the data behind /status, /metrics and the live page.
#ifndef TSINGEST_SERVICE_STATUS_H_
#define TSINGEST_SERVICE_STATUS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/histogram.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/pipeline_options.h"

namespace tsingest {

using StatusValue = std::variant<std::string, std::int64_t, std::uint64_t, double, bool>;
using StatusFields = std::vector<std::pair<std::string, StatusValue>>;

// A metric that only one kind of source or sink has. Names as Prometheus wants them: a counter ends
// in _total, a time in _seconds.
struct ExtraMetric {
  std::string name;
  std::string help;
  bool is_counter = false;  // else a gauge
  std::vector<std::pair<std::string, std::string>> labels = {};
  double value = 0;
};

struct ExtraHistogram {
  std::string name;
  std::string help;
  HistogramSnapshot values;
};

struct SourceStatus {
  std::string kind;  // "mqtt", "kafka": the section's name in /status
  bool connected = false;
  std::string address;  // of the broker, without a password; "broker" in /status
  std::uint64_t messages_received = 0;
  std::uint64_t messages_dropped = 0;  // QoS 0 only
  // Messages on the way that are not acknowledged, and how many there can be; 0: no such limit.
  std::int64_t window_used = 0;
  std::int64_t window_size = 0;
  // How far reading is behind the end of each stream, in messages; only where it is known.
  std::vector<std::pair<std::string, std::int64_t>> lag = {};
  StatusFields more = {};  // further fields of the section
};

struct SinkStatus {
  int connections = 0;
  int idle_connections = 0;
  // Failed attempts by SQLSTATE ("08006"; "none" for errors that have none).
  std::map<std::string, std::uint64_t> errors = {};
};

// One moment of a tool.
struct ServiceStatus {
  PipelineState state = PipelineState::kIdle;
  CountersSnapshot counters;
  absl::Status source_health;
  absl::Status sink_health;
  SourceStatus source;
  SinkStatus sink;
  std::vector<ExtraMetric> extra = {};
  std::vector<ExtraHistogram> extra_histograms = {};
};

// Implemented by each tool. Thread-safe; called several times a second, so it must be quick and
// must not wait for a sick source or sink.
class StatusProvider {
 public:
  virtual ~StatusProvider() = default;
  virtual ServiceStatus Status() = 0;
};

// A dead letter as the live page shows it.
struct RecentReject {
  Timestamp at{};
  std::string stream = {};
  std::int64_t position = 0;
  std::int64_t line = 0;
  std::string topic = {};
  std::string code = {};
  std::string reason = {};
  std::string payload = {};  // its first bytes
};

// The last few rejects. Thread-safe.
class RecentRejects {
 public:
  static constexpr std::size_t kKept = 20;
  static constexpr std::size_t kPayloadBytes = 200;

  void Add(RecentReject reject);
  // The newest first.
  std::vector<RecentReject> Get() const;

 private:
  mutable Mutex mutex_;
  std::deque<RecentReject> rejects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest

#endif  // TSINGEST_SERVICE_STATUS_H_
