// MqttSource: MQTT topics as a source that acknowledges after the rows are committed.
#ifndef TSINGEST_SOURCE_MQTT_H_
#define TSINGEST_SOURCE_MQTT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mqtt.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

struct MqttOptions {
  // mqtt:// or tcp:// HOST[:1883], mqtts://, ssl:// or tls:// HOST[:8883]. IPv6 in brackets. A user
  // and password in the URI (percent-encoded) are taken when `username` is empty.
  std::string broker = "mqtt://localhost:1883";
  std::string username;
  std::string password;  // never shown; MQTT 3.1.1 needs a user name beside it
  // The broker keeps the session (subscriptions, unacknowledged messages) under this name; two
  // clients with the same one push each other out. Empty: data-ingestion-{hostname}. With several
  // connections -1, -2 … are appended.
  std::string client_id;
  // Topic filters, `$share/GROUP/FILTER` too. Filters that overlap may give a message twice: that
  // is up to the broker.
  std::vector<std::string> topics;
  // Filters that an earlier run left in the persistent session, to be unsubscribed.
  std::vector<std::string> unsubscribe;
  // Highest quality of service asked for: 0 (may be lost), 1, 2. The message's own may be lower.
  int qos = 1;
  MqttProtocol protocol = MqttProtocol::kAuto;
  // False: the broker keeps the session while we are away and nothing is missed. True: each start
  // begins with an empty session, and what comes while disconnected is lost.
  bool clean_session = false;
  // How long the broker keeps the session after the connection is gone (MQTT 5 only; 3.1.1 leaves
  // it to the broker). Unset: 7 days, or 0 with clean_session. 4294967295 s and more: for ever.
  std::optional<std::chrono::seconds> session_expiry;
  // Most messages of QoS 1 and 2 that the broker may have on the way to us unacknowledged (MQTT 5;
  // 1 to 65535; half of the packet identifiers by default, because some brokers confuse themselves
  // when they use them all). The broker may use fewer: see docs/mqtt.md.
  int receive_maximum = 32767;
  // Topic aliases that an MQTT 5 broker may use, 0 to 1024: they save the bytes of long topics.
  // None by default: there are brokers (mochi 2.7) that send a resumed session the aliases of the
  // connection before, which mean nothing any more, and the session never gets past them.
  int topic_alias_maximum = 0;
  // A broker that says nothing for this long is asked (PINGREQ) and given up when it does not
  // answer. 0 s: never; up to 65535 s. The broker may ask for another value (MQTT 5).
  std::chrono::seconds keepalive{30};
  // For each of: TCP and TLS together, CONNACK, SUBACK, PINGRESP.
  Duration connect_timeout = std::chrono::seconds(10);
  // Pause before a reconnect: doubled from `reconnect_min` to `reconnect_max` while attempts fail,
  // each shortened by a random part of up to a half. Begins anew once a connection has lasted
  // reconnect_max.
  Duration reconnect_min = std::chrono::milliseconds(200);
  Duration reconnect_max = std::chrono::seconds(30);
  // True: Open() succeeds although the broker cannot be reached, and goes on trying. What waiting
  // does not mend (credentials, certificates, refused topics) fails Open() either way.
  bool wait_for_broker = true;
  // Largest MQTT packet taken, 256 B to 256 MiB; announced to an MQTT 5 broker, which then keeps
  // larger ones to itself. A larger message from a 3.1.1 broker is given with its beginning only
  // (Message::omitted_bytes) and never held in memory.
  std::size_t max_packet_bytes = 16 * 1024 * 1024;
  // Bound of what is received and not yet polled, bytes over all connections. When it is reached no
  // more is read; messages of QoS 0 are dropped and counted once that has lasted `qos0_patience`.
  std::size_t receive_buffer_bytes = 16 * 1024 * 1024;
  Duration qos0_patience = std::chrono::seconds(5);
  // Connections of this process, each a session and a stream of its own. More than one only with
  // `$share/…` topics: otherwise each would get every message.
  int connections = 1;
  // Follow the server references of an MQTT 5 broker ("use another server").
  bool follow_redirects = true;
  MqttTlsOptions tls;
  // One line per event worth knowing (connected, lost and why). Called from the I/O thread; may be
  // empty.
  std::function<void(std::string_view)> log;
  // The same for what the broker does not keep to: a lost session (messages may be missing), a
  // lower QoS, a shorter session expiry. Empty: goes to `log`.
  std::function<void(std::string_view)> warn{};

  // kInvalidArgument names the option, its value and what it takes.
  absl::Status Validate() const;
};

// Counters since Open(), and the state of the moment, over all connections.
struct MqttStats {
  int connections = 0;                  // configured
  int connected = 0;                    // of these, connected and subscribed
  std::uint64_t messages_received = 0;  // PUBLISH packets, redeliveries too
  std::uint64_t bytes_received = 0;     // of the connections, MQTT headers included
  std::uint64_t acknowledged = 0;       // PUBACK and PUBREC sent
  std::uint64_t redelivered = 0;        // received with the DUP flag
  std::uint64_t suppressed = 0;         // of these, known to be here already and not given again
  std::uint64_t qos0_dropped = 0;       // receive buffer full for longer than qos0_patience
  std::uint64_t oversize = 0;           // given with their beginning only
  std::uint64_t reconnects = 0;         // connections lost that had been established
  std::uint64_t failed_attempts = 0;    // connection attempts that did not succeed
  std::uint64_t stalls = 0;             // times the in-flight window was found exhausted
  int unacknowledged = 0;               // QoS 1 and 2 messages received, not yet acknowledged
  int window = 0;                  // most the broker has on the way at once, as found; 0: unknown
  std::size_t buffered_bytes = 0;  // received, not yet polled
};

// MQTT 3.1.1 and 5 subscriber over TCP or TLS. A PUBACK (QoS 1) or PUBREC (QoS 2) is sent when
// Commit() has said that the message is durable, and in the order of receipt (MQTT-4.6.0-2).
//
// One stream per connection, named "mqtt:HOST:PORT/CLIENT_ID". Offsets are arrival numbers that go
// on from the stored position; they order and fence, but nothing can be read again by them:
// delivery is at least once. What the broker sends again after a reconnect while the first copy is
// still here (same packet identifier, DUP, same bytes, session resumed) is recognised and not given
// twice. docs/delivery.md tells which duplicates remain.
//
// Threads: as Source says, plus one I/O thread inside, which keeps the sessions alive whatever the
// poller does. Health(), Wake() and Stats() are thread-safe.
class MqttSource final : public Source {
 public:
  // Borrows the clock.
  explicit MqttSource(MqttOptions options, Clock& clock = SystemClock());
  ~MqttSource() override;

  // Connects and subscribes every connection; waits for the outcome of the first attempt, or
  // Wake(). kInvalidArgument (options, certificates, protocol), kPermissionDenied (credentials,
  // refused topics, broker's certificate not trusted), kUnavailable (only without wait_for_broker).
  absl::Status Open(SourceListener& listener) override;
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message) override;
  void Wake() override;
  void Pause() override;
  void Resume() override;
  // kInvalidArgument: no such stream, or `next` lies behind what was given.
  absl::Status Commit(StreamId stream, std::int64_t next) override;
  absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                    const std::optional<StoredPosition>& stored) override;
  std::string_view StreamName(StreamId stream) const override;
  std::string StreamDetail(StreamId stream) const override;
  absl::Status Health() const override;
  bool Replayable() const override { return false; }
  // Sends what was committed, then DISCONNECT; the broker keeps the session. At most about 3 s.
  absl::Status Close() override;

  MqttStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_MQTT_H_
