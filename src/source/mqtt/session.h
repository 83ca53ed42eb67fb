// Session: the subscriber's side of one MQTT session as a state machine: bytes in, bytes out.
#ifndef TSINGEST_SOURCE_MQTT_SESSION_H_
#define TSINGEST_SOURCE_MQTT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "source/mqtt/inflight.h"
#include "source/mqtt/packets.h"
#include "source/mqtt/protocol.h"
#include "source/mqtt/window_estimator.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

struct SessionConfig {
  std::string client_id;
  std::string username;
  std::string password;
  std::vector<std::string> topics;
  std::vector<std::string> unsubscribe;
  std::uint8_t qos = 1;
  bool clean_session = false;
  std::uint32_t session_expiry = 0;  // seconds
  std::uint16_t receive_maximum = 65535;
  std::uint16_t keepalive = 30;  // seconds
  // Topic aliases that an MQTT 5 broker may use; each can hold a topic of 64 KiB.
  std::uint16_t topic_alias_maximum = 64;
  std::uint32_t max_packet_bytes = 16 * 1024 * 1024;
  Duration response_timeout = std::chrono::seconds(10);
};

// Why a connection cannot go on.
struct SessionError {
  enum class Kind : std::uint8_t {
    kBroken,       // a peer that breaks the protocol, or does not answer; closed without a reason
    kUnavailable,  // the broker says it cannot serve now
    kRefused,      // credentials, client identifier, topics: only a person can mend it
    kVersion,      // the broker does not speak this protocol version
    kTakenOver,    // another client has the same client identifier
    kRedirected,   // use another server
  };
  Kind kind = Kind::kBroken;
  absl::Status status;
  std::string server_reference;  // kRedirected; may be empty
};

struct SessionCounters {
  std::uint64_t messages = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t suppressed = 0;
  std::uint64_t qos0_dropped = 0;
  std::uint64_t oversize = 0;
};

// Where a session's messages go. Called from Session::Receive().
class SessionHandler {
 public:
  enum class Verdict : std::uint8_t {
    kTaken,
    kBlocked,  // no room now: the packet stays unread
    kDropped,  // QoS 0 only: not taken, and not to be offered again
  };
  virtual ~SessionHandler() = default;
  // Views are valid during the call, `message.payload` and `message.topic` as long as the bytes
  // given to Receive(), except that `topic_is_copy` says the topic is not of those bytes.
  virtual Verdict OnMessage(const Publish& message, std::int64_t arrival, bool topic_is_copy) = 0;
  // A line for the log.
  virtual void OnNotice(std::string_view text) = 0;
};

// The state of one session: it outlives network connections, as MQTT's session state does.
//
// Acknowledgements. Every message gets the next arrival number. Acknowledge(next) says that all
// before `next` are durable; PUBACK (QoS 1) and PUBREC (QoS 2) go out in the order in which the
// PUBLISH packets came on the current connection (MQTT-4.6.0-2, -3). What is owed on a connection
// is forgotten with it: the broker sends those messages again, and only that copy is acknowledged.
//
// Redeliveries. If the broker resumed the session, an unacknowledged packet identifier still means
// the same message, because no acknowledgement has freed it. A PUBLISH with DUP, that identifier
// and the same topic and payload is therefore not given again: it is owed an acknowledgement under
// the arrival number of its first copy, at once if that is durable already. The bytes are compared
// (by a 64-bit hash) because another client with our client identifier may have used the session
// in between. Anything else is a new message: what is doubtful is delivered twice, never lost.
//
// QoS 2. PUBREC means "durable" here. From PUBREC to PUBREL the identifier is kept, and a PUBLISH
// with it is answered by PUBREC again. This state lives in memory: after a restart of the process
// delivery is at least once also for QoS 2.
//
// No sockets, no clock, no threads: not thread-safe.
class Session {
 public:
  // Borrows the handler.
  Session(SessionConfig config, SessionHandler& handler);

  // A network connection is up: forgets what belonged to the last one and puts CONNECT into
  // output().
  void Connect(Level level, MonotonicTime now);
  // The network connection is gone.
  void OnClosed();

  // Takes whole packets from the front of `bytes` and returns how many bytes it took. Stops at a
  // packet that is not complete (see WantedBytes()), that the handler has no room for (blocked()),
  // when much output waits to be sent, and after an error (error()).
  std::size_t Receive(std::string_view bytes, MonotonicTime now);
  // Size of the incomplete packet that Receive() stopped at; 0: not known yet.
  std::size_t WantedBytes() const { return wanted_; }
  bool blocked() const { return blocked_; }
  // Output has piled up because the broker does not read: nothing more is taken until it does.
  bool congested() const;

  // Everything with an arrival number below `next` is durable.
  void Acknowledge(std::int64_t next, MonotonicTime now);

  // Keepalive, response deadlines, subscription retries.
  void Tick(MonotonicTime now);
  // When Tick() is to be called next.
  MonotonicTime NextTick() const;

  // Puts DISCONNECT into output(); the broker keeps the session. What comes afterwards is ignored.
  void Disconnect();

  // Bytes for the broker. OnSent(n): the first n were handed to the connection.
  std::string_view output() const { return output_.view().substr(sent_); }
  void OnSent(std::size_t count, MonotonicTime now);

  // Set once the connection must be closed (output() may hold a DISCONNECT to send before).
  const std::optional<SessionError>& error() const { return error_; }
  // Connected, and every topic granted.
  bool ready() const { return phase_ == Phase::kRunning && requests_.empty() && refusal_.ok(); }
  // The first connection asked for the session of an earlier run, and there was none.
  bool began_without_session() const { return began_without_session_; }
  // SUBACK is late, and messages of the session wait for their acknowledgements meanwhile.
  bool is_held_up() const { return is_held_up_; }
  // CONNACK was received on this connection.
  bool established() const { return phase_ == Phase::kRunning; }
  // Why topics are refused, although the connection stays up.
  const absl::Status& refusal() const { return refusal_; }

  // Whether the broker waits for acknowledgements. To be asked when the socket was read empty.
  bool WindowExhausted(MonotonicTime now);
  MonotonicTime NextWindowCheck() const;
  int window() const { return window_.window(); }  // 0: not known
  // Messages that the broker counts as on the way to us.
  int Outstanding() const { return static_cast<int>(acks_.size()) + unreleased_; }

  std::int64_t next_arrival() const { return next_arrival_; }
  const SessionCounters& counters() const { return counters_; }

 private:
  enum class Phase : std::uint8_t { kClosed, kConnecting, kRunning, kDisconnecting };

  // A SUBSCRIBE or UNSUBSCRIBE that waits for its answer.
  struct Request {
    std::uint16_t packet_id = 0;
    PacketType answer = PacketType::kSuback;
    std::vector<std::string> filters;
    MonotonicTime sent{};
    int attempt = 1;  // with another packet identifier each
  };

  // The packet at the front of `bytes`: how many bytes it had, 0 when it was not taken.
  std::size_t ReceiveOne(std::string_view bytes, MonotonicTime now);
  // Each handles one packet body; false only when the handler has no room for a message.
  bool Handle(const FixedHeader& header, std::string_view body, MonotonicTime now);
  bool HandlePublish(std::uint8_t flags, std::string_view body, std::size_t omitted,
                     MonotonicTime now);
  void HandleConnack(std::string_view body, MonotonicTime now);
  void HandleSubscriptionAck(PacketType type, std::string_view body, MonotonicTime now);
  void HandleRelease(std::string_view body);
  void HandleDisconnect(std::string_view body);
  void HandlePingresp(MonotonicTime now);

  // Oversized messages of MQTT 3.1.1 brokers: their beginning is handled, the rest skipped.
  std::size_t HandleOversize(const FixedHeader& header, std::string_view bytes, MonotonicTime now);

  void RefuseConnection(const Connack& connack);
  bool CheckCapabilities(const Connack& connack);
  void StartRunning(const Connack& connack, MonotonicTime now);
  void SendRequests(PacketType answer, const std::vector<std::string>& filters, MonotonicTime now,
                    int attempt = 1);
  // Returns the filters to ask for at once under another packet identifier.
  std::vector<std::string> TakeCodes(const Request& request, const SubscriptionAck& ack);

  bool ResolveTopic(Publish& message, bool* copy);
  enum class Kin : std::uint8_t { kNew, kAgain, kRepeatedOnConnection, kConflict };
  Kin Compare(const Publish& message, std::uint64_t fingerprint);
  bool GiveMessage(const Publish& message, std::uint64_t fingerprint, bool topic_is_copy,
                   MonotonicTime now);
  void NoticeExcess(const Publish& message);
  void Owe(const Publish& message, Inflight& entry, MonotonicTime now);
  void SendAcks();

  void Fail(SessionError::Kind kind, absl::Status status);
  void Fail(const Violation& violation);
  MonotonicTime PingDue() const;
  MonotonicTime ResponseDue() const;
  MonotonicTime HeldUpDue() const;
  void NoticeShares();
  std::string_view MissingResponse() const;

  SessionConfig config_;
  SessionHandler& handler_;
  Level level_ = Level::kV5;
  Phase phase_ = Phase::kClosed;
  std::optional<SessionError> error_;
  absl::Status refusal_;

  ByteBuffer output_;
  std::size_t sent_ = 0;
  std::size_t wanted_ = 0;
  std::size_t skip_ = 0;  // bytes of an oversized message still to be passed over
  bool blocked_ = false;

  std::uint32_t connection_ = 0;
  bool clean_start_ = false;
  bool connected_before_ = false;
  bool subscribed_before_ = false;  // in the broker's session
  bool began_without_session_ = false;
  bool shares_noticed_ = false;
  bool is_held_up_ = false;
  std::uint16_t keepalive_ = 0;
  std::uint16_t next_packet_id_ = 1;
  std::vector<Request> requests_;
  std::uint32_t server_max_packet_ = 0;  // 0: no limit
  MonotonicTime retry_subscribe_ = MonotonicTime::max();
  std::vector<std::string> refused_;
  std::vector<std::string> aliases_;  // [alias - 1]

  MonotonicTime connect_sent_{};
  MonotonicTime last_sent_{};
  MonotonicTime last_received_{};
  MonotonicTime last_progress_{};  // of output() towards the broker
  MonotonicTime ping_sent_{};
  bool ping_waits_ = false;
  bool excess_noticed_ = false;  // on this connection

  std::int64_t next_arrival_ = 0;
  std::int64_t durable_ = 0;  // arrival numbers below it are durable
  AckQueue acks_;
  InflightTable inflight_;
  int unreleased_ = 0;  // QoS 2 on this connection between PUBREC and PUBREL
  WindowEstimator window_;
  SessionCounters counters_;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_SESSION_H_
