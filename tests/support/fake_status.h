// A tool's status as a test wants it.
#ifndef TSINGEST_TESTS_SUPPORT_FAKE_STATUS_H_
#define TSINGEST_TESTS_SUPPORT_FAKE_STATUS_H_

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/mutex.h"
#include "tsingest/service/status.h"

namespace tsingest::testing_support {

// Thread-safe.
class FakeStatus final : public StatusProvider {
 public:
  ServiceStatus Status() override {
    MutexLock lock(&mutex_);
    return status_;
  }
  template <class Change>
  void Update(Change change) {
    MutexLock lock(&mutex_);
    change(status_);
  }

 private:
  Mutex mutex_;
  ServiceStatus status_ ABSL_GUARDED_BY(mutex_);
};

// S2's example: 1,500,000 points in 300 batches.
inline void FillExample(ServiceStatus& status) {
  status.state = PipelineState::kRunning;
  status.counters.balance = {.received = 1500000,
                             .written = 1495000,
                             .deduplicated = 2000,
                             .dead_lettered = 500,
                             .in_flight = 2500};
  status.counters.messages = 1500000;
  status.counters.payload_bytes = 210000000;
  status.counters.batches = 300;
  status.counters.sink_bytes = 120000000;
  status.counters.flushes[static_cast<std::size_t>(FlushReason::kRows)] = 290;
  status.counters.flushes[static_cast<std::size_t>(FlushReason::kLinger)] = 11;
  status.counters.rejects[static_cast<std::size_t>(RejectCode::kSyntax)] = 400;
  status.counters.rejects[static_cast<std::size_t>(RejectCode::kServer)] = 100;
  status.counters.open_batch_rows = 2500;
  status.counters.buffered_bytes = 4 << 20;
  HistogramSnapshot seconds{.bounds = {0.005, 0.01, 0.1}, .counts = {100, 150, 50, 0}, .sum = 2.55};
  status.counters.write_seconds = seconds;
  status.counters.age_seconds = seconds;
  status.counters.batch_rows = {.bounds = {100, 5000}, .counts = {0, 300, 0}, .sum = 1500000};
  status.source = {.kind = "mqtt",
                   .connected = true,
                   .address = "tcp://emqx:1883",
                   .messages_received = 1500000,
                   .messages_dropped = 0,
                   .window_used = 20,
                   .window_size = 100};
  status.sink = {.connections = 10,
                 .idle_connections = 6,
                 .errors = {{"08006", 3}, {"08001", 2}, {"53100", 1}, {"none", 4}}};
}

}  // namespace tsingest::testing_support

#endif  // TSINGEST_TESTS_SUPPORT_FAKE_STATUS_H_
