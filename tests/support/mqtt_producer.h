// MqttProducer: publishes numbered messages whatever happens to the broker, and knows which of them
// the broker has accepted.
#ifndef TSINGEST_TESTS_SUPPORT_MQTT_PRODUCER_H_
#define TSINGEST_TESTS_SUPPORT_MQTT_PRODUCER_H_

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tsingest::testing {

struct MqttProducerOptions {
  int port = 0;
  std::string topic;
  long messages = 0;
  long per_second = 1000;
};

// A thread that publishes {"value":SEQ,"quality":ATTEMPT}, SEQ 0, 1, 2 … at QoS 1. When the broker
// goes, it connects again and sends what was not acknowledged once more under the next ATTEMPT, so
// that what the broker has doubled for us can be told from what we have. Starts with the object.
class MqttProducer {
 public:
  explicit MqttProducer(MqttProducerOptions options);
  ~MqttProducer();
  MqttProducer(const MqttProducer&) = delete;
  MqttProducer& operator=(const MqttProducer&) = delete;

  // Thread-safe.
  bool done() const { return done_.load(); }
  long accepted() const { return accepted_count_.load(); }
  // Between the two nothing is published, and what was published is acknowledged.
  void Pause() { running_.lock(); }
  void Resume() { running_.unlock(); }

  // Once done(): [SEQ] the ATTEMPT that was acknowledged.
  const std::vector<int>& attempts() const { return attempts_; }

 private:
  void Run();
  // Publishes messages [from, to) and returns how many the broker took.
  long PublishSome(long from, long to, int attempt);

  MqttProducerOptions options_;
  std::mutex running_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> done_{false};
  std::atomic<long> accepted_count_{0};
  std::vector<int> attempts_;
  std::thread thread_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_MQTT_PRODUCER_H_
