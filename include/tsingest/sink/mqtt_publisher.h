// MqttPublisher: messages to an MQTT broker, each acknowledged before it counts.
#ifndef TSINGEST_SINK_MQTT_PUBLISHER_H_
#define TSINGEST_SINK_MQTT_PUBLISHER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mqtt.h"
#include "tsingest/base/retry.h"
#include "tsingest/sink/publisher.h"

namespace tsingest {

struct MqttPublisherOptions {
  // mqtt:// or tcp:// HOST[:1883], mqtts://, ssl:// or tls:// HOST[:8883]. IPv6 in brackets. A user
  // and password in the URI (percent-encoded) are taken when `username` is empty.
  std::string broker = "mqtt://localhost:1883";
  std::string username;
  std::string password;  // never shown; MQTT 3.1.1 needs a user name beside it
  // Two clients with the same name push each other out. Empty: tsingest-HOST-PID.
  std::string client_id;
  // 0: "acknowledged" means handed to the operating system, and a lost connection loses messages.
  // 1: PUBACK. 2: PUBCOMP.
  int qos = 1;
  MqttProtocol protocol = MqttProtocol::kAuto;
  // Most messages sent and not acknowledged; 1 to 30000. An MQTT 5 broker may allow fewer;
  // with MQTT 3.1.1 and QoS 2 it is 20 at most.
  int in_flight = 1000;
  std::chrono::seconds keepalive{30};
  // How long one attempt to connect may take, and how long Open() tries before it gives up.
  // Afterwards broker outages are waited for.
  Duration connect_timeout = std::chrono::seconds(10);
  // A broker that keeps the connection and acknowledges nothing for so long has lost a message:
  // only a new connection makes it be sent again (MQTT 5, 4.4), so it is made.
  Duration acknowledge_timeout = std::chrono::seconds(30);
  BackoffOptions reconnect = {.min = std::chrono::milliseconds(100),
                              .max = std::chrono::seconds(5)};
  // For mqtts://. `server_name` is not supported here: the certificate must carry the URI's host.
  MqttTlsOptions tls;
  // One line per event worth knowing (connected, lost and why); called from the I/O thread; may be
  // empty.
  std::function<void(std::string_view)> log;

  // kInvalidArgument names the option, its value and what it takes.
  absl::Status Validate() const;
};

// Publishes over MQTT 3.1.1 or 5 with a window of messages that are not acknowledged yet. After a
// lost connection it connects again, in a new session, and sends again what was not acknowledged:
// at least once, at every QoS but 0. Calls of Publish() are served one after the other. An I/O
// thread inside keeps the connection alive between them.
//
// With MQTT 3.1.1 a broker has no way to say that it refuses a message (no right to the topic, too
// large): it acknowledges and drops it, or closes the connection. MQTT 5 says so.
class MqttPublisher final : public Publisher {
 public:
  explicit MqttPublisher(MqttPublisherOptions options);
  ~MqttPublisher() override;

  // kInvalidArgument: options, certificates; kUnauthenticated: the broker refuses the credentials;
  // kPermissionDenied: TLS does not come about, or the broker refuses the client otherwise;
  // kUnavailable: no connection within connect_timeout.
  absl::Status Open() override;
  void Cancel() override;
  // As Publisher says. kFailedPrecondition: the broker does not support the QoS.
  absl::Status Publish(
      std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
      absl::FunctionRef<void(std::size_t index, std::string_view why)> refused) override;
  // Topic names of MQTT 4.7: 1 to 65535 bytes of UTF-8 without NUL, + and #; nor may one begin with
  // $, which is the broker's own.
  std::string_view TopicError(std::string_view topic) const override;
  absl::Status Health() const override;
  // DISCONNECT; at most about a second.
  absl::Status Close() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_MQTT_PUBLISHER_H_
