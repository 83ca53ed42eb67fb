// FetchWaker: has librdkafka fetch on as soon as its queue has room again.
#ifndef TSINGEST_SRC_SOURCE_KAFKA_FETCH_WAKER_H_
#define TSINGEST_SRC_SOURCE_KAFKA_FETCH_WAKER_H_

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tsingest/base/mutex.h"

namespace tsingest::kafka {

// Before version 2.2 librdkafka looks only once a second whether a queue that was full
// (queued.min.messages, queued.max.messages.kbytes) has room: a consumer that empties it sooner
// stands idle for the rest of the second. Any request to a partition's leader makes its thread look
// at once; the one for the watermarks changes nothing. It blocks, so a thread of its own makes it.
//
// Start(), Nudge() and the destructor belong to one thread. The client outlives the object.
class FetchWaker {
 public:
  explicit FetchWaker(rd_kafka_t* client) : client_(client) {}
  ~FetchWaker();
  FetchWaker(const FetchWaker&) = delete;
  FetchWaker& operator=(const FetchWaker&) = delete;

  // kResourceExhausted: there is no thread to be had.
  absl::Status Start();
  // Wakes the thread of this partition's leader, soon. While one is being woken others are left
  // out: call it again.
  void Nudge(const std::string& topic, std::int32_t partition);

 private:
  void Run();

  rd_kafka_t* const client_;
  Mutex mutex_;
  CondVar changed_;
  std::string topic_ ABSL_GUARDED_BY(mutex_);  // empty: nobody is to be woken
  std::int32_t partition_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tsingest::kafka

#endif  // TSINGEST_SRC_SOURCE_KAFKA_FETCH_WAKER_H_
