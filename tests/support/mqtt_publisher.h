// MqttPublisher: publishes at QoS 0, 1 or 2 and knows what the broker has accepted.
#ifndef TSINGEST_TESTS_SUPPORT_MQTT_PUBLISHER_H_
#define TSINGEST_TESTS_SUPPORT_MQTT_PUBLISHER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tsingest::testing {

struct PublisherOptions {
  std::string user = {};
  std::string password = {};
  bool v5 = false;
};

// MQTT over plain TCP to 127.0.0.1, blocking. Failures throw std::runtime_error. Not thread-safe.
class MqttPublisher {
 public:
  explicit MqttPublisher(int port, const PublisherOptions& options = {});
  ~MqttPublisher();
  MqttPublisher(const MqttPublisher&) = delete;
  MqttPublisher& operator=(const MqttPublisher&) = delete;

  // Publishes all, and returns when the broker has acknowledged them all (QoS 0: when sent).
  void Publish(std::string_view topic, const std::vector<std::string>& payloads, int qos = 1,
               bool retain = false);
  // With user properties (MQTT 5, QoS 1).
  void PublishWithProperties(std::string_view topic, std::string_view payload,
                             std::string_view properties);
  // How many were acknowledged so far, also when Publish() threw.
  std::size_t accepted() const { return accepted_; }

 private:
  void Send(std::string_view bytes);
  // Reads what is there and answers it; waits if `block`.
  void Receive(bool block);
  void Handle(unsigned type, std::string_view body);

  int fd_ = -1;
  bool v5_;
  unsigned next_id_ = 1;
  std::size_t sent_ = 0;
  std::size_t accepted_ = 0;
  bool connected_ = false;
  std::string unread_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_MQTT_PUBLISHER_H_
