// KafkaProducer: puts messages into a topic, for tests.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct rd_kafka_s;

namespace tsingest::testing {

// Throws std::runtime_error when something is refused or, at Flush(), not delivered within 60 s.
class KafkaProducer {
 public:
  using Properties = std::vector<std::pair<std::string, std::string>>;

  // Further librdkafka properties ("compression.type", "transactional.id").
  explicit KafkaProducer(const std::string& brokers, const Properties& properties = {});
  ~KafkaProducer();

  // partition -1: by the key. Waits while the queue is full. A payload without data is a tombstone.
  // time_ms 0: now.
  void Send(const std::string& topic, std::string_view payload, std::string_view key = {},
            int partition = -1, std::int64_t time_ms = 0);
  // Every message sent so far is acknowledged by the broker.
  void Flush();

  // With a transactional.id only.
  void BeginTransaction();
  void CommitTransaction();
  void AbortTransaction();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_
