// One librdkafka producer: its configuration, its start, and what it says about its brokers.
#ifndef TSINGEST_SRC_SINK_KAFKA_PRODUCER_H_
#define TSINGEST_SRC_SINK_KAFKA_PRODUCER_H_

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/kafka_handles.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/sink/kafka_publisher.h"

namespace tsingest::kafka {

// Thread-safe after Open().
class Producer {
 public:
  // Delivery reports go to `on_delivery`.
  using OnDelivery = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void*);
  Producer(KafkaPublisherOptions options, OnDelivery on_delivery)
      : options_(std::move(options)), on_delivery_(on_delivery) {}
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // As KafkaPublisher::Open().
  absl::Status Open();
  // See Publisher::Cancel().
  void Cancel() { cancelled_ = true; }
  absl::Status Close();

  rd_kafka_t* client() const { return client_.get(); }

  // The record is librdkafka's, and `ticket` comes back with its delivery report; else why not.
  rd_kafka_resp_err_t Produce(const PublishRecord& record, void* ticket);

  // What stands in the way of delivery; "": nothing. It is replaced by what is said later, but what
  // tells more than "brokers are away" stays until ClearTrouble().
  void SetTrouble(std::string why);
  void ClearTrouble();
  absl::Status Health() const;

 private:
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque);
  static void OnLog(const rd_kafka_t* client, int level, const char*, const char* text);

  absl::StatusOr<Config> MakeConfig();
  // Until a broker answers, something is found that waiting does not mend, or the time is up.
  absl::Status AwaitBroker(MonotonicTime until);
  absl::Status AwaitTopic(const std::string& topic, MonotonicTime until);
  // Why the credentials or TLS can never work as they are; OK: nothing says so.
  absl::Status Refusal() const;

  const KafkaPublisherOptions options_;
  const OnDelivery on_delivery_;
  Client client_;
  std::atomic<bool> cancelled_{false};
  mutable Mutex mutex_;
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
  std::string refusal_ ABSL_GUARDED_BY(mutex_);  // of credentials or TLS
  rd_kafka_resp_err_t refusal_code_ ABSL_GUARDED_BY(mutex_) = RD_KAFKA_RESP_ERR_NO_ERROR;
};

}  // namespace tsingest::kafka

#endif  // TSINGEST_SRC_SINK_KAFKA_PRODUCER_H_
