// KafkaProducer: puts messages into a topic, for tests.
#ifndef TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_
#define TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_

#include <memory>
#include <string>
#include <string_view>

struct rd_kafka_s;

namespace tsingest::testing {

// Throws std::runtime_error when something is refused or, at Flush(), not delivered within 60 s.
class KafkaProducer {
 public:
  explicit KafkaProducer(const std::string& brokers);
  ~KafkaProducer();

  // partition -1: by the key. Waits while the queue is full.
  void Send(const std::string& topic, std::string_view payload, std::string_view key = {},
            int partition = -1);
  // Every message sent so far is acknowledged by the broker.
  void Flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_KAFKA_PRODUCER_H_
