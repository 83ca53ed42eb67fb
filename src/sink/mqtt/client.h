// One MQTT connection of libmosquitto.
#ifndef TSINGEST_SRC_SINK_MQTT_CLIENT_H_
#define TSINGEST_SRC_SINK_MQTT_CLIENT_H_

#include <mosquitto.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mqtt/broker_address.h"
#include "tsingest/sink/mqtt_publisher.h"

namespace tsingest::mqtt {

// What happens on a connection. Called from inside Client::Step() only.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  // CONNACK. `refusal`: OK, or why the broker does not let us in.
  virtual void OnConnack(int code, const absl::Status& refusal) = 0;
  // The message is acknowledged, or refused with an MQTT 5 reason code of 128 and more.
  virtual void OnAck(int message_id, int reason) = 0;
};

// A connection, from its first attempt to its end; then a new one is made. Step() belongs to one
// thread; Publish() may be called by one other meanwhile.
class Client {
 public:
  // `version`: MQTT_PROTOCOL_V311 or MQTT_PROTOCOL_V5. kInvalidArgument: certificates.
  static absl::StatusOr<std::unique_ptr<Client>> Make(const MqttPublisherOptions& options,
                                                      const BrokerAddress& address, int version,
                                                      ClientEvents& events);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins to connect.
  absl::Status Connect();
  // Sends and receives what is there, waiting for it for so long at most. An error: it is over, and
  // why.
  absl::Status Step(int wait_ms);
  // Hands a message over. MOSQ_ERR_…; `*message_id` comes back with OnAck().
  int Publish(const PublishRecord& record, int* message_id);
  // Begins to disconnect.
  void Disconnect() { mosquitto_disconnect(handle_.get()); }

  // Most messages that may be on the way. MQTT 3.1.1 has no word for what a broker holds of QoS 2;
  // Mosquitto closes the connection beyond its own 20.
  int window() const;

 private:
  struct Destroy {
    void operator()(mosquitto* handle) const { mosquitto_destroy(handle); }
  };

  Client(const MqttPublisherOptions& options, const BrokerAddress& address, int version,
         ClientEvents& events);
  absl::Status SetTls();
  absl::Status Failure(int code, int error_number);
  static void OnConnect(mosquitto*, void* self, int code, int flags, const mosquitto_property*);
  static void OnPublish(mosquitto*, void* self, int message_id, int reason,
                        const mosquitto_property*);
  static int OnPassword(char* buffer, int size, int writing, void* handle);
  static void OnLog(mosquitto*, void* self, int level, const char* text);

  const MqttPublisherOptions& options_;
  const BrokerAddress& address_;
  const int version_;
  ClientEvents& events_;
  std::string tls_error_;  // what OpenSSL said last
  std::unique_ptr<mosquitto, Destroy> handle_;
};

// The words for a CONNACK that refuses, with what to do about it; OK for one that does not.
absl::Status ConnackStatus(int code, int version, const BrokerAddress& address,
                           std::string_view username);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SRC_SINK_MQTT_CLIENT_H_
