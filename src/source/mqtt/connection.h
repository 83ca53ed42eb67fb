// Connection: one session on its socket: connects, reconnects, reads, writes.
#ifndef TSINGEST_SOURCE_MQTT_CONNECTION_H_
#define TSINGEST_SOURCE_MQTT_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/mqtt/broker_address.h"
#include "source/mqtt/backoff.h"
#include "source/mqtt/message_queue.h"
#include "source/mqtt/resolver.h"
#include "source/mqtt/session.h"
#include "source/mqtt/slot.h"
#include "source/mqtt/transport.h"
#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

struct ConnectionConfig {
  StreamId stream = 0;
  BrokerAddress broker;
  MqttProtocol protocol = MqttProtocol::kAuto;
  SessionConfig session;
  SSL_CTX* tls = nullptr;       // borrowed; set when any address is TLS
  std::string tls_server_name;  // empty: the host
  Duration connect_timeout = std::chrono::seconds(10);
  Duration reconnect_min = std::chrono::milliseconds(200);
  Duration reconnect_max = std::chrono::seconds(30);
  Duration qos0_patience = std::chrono::seconds(5);
  bool follow_redirects = true;
  std::function<void(std::string_view)> log;
  std::function<void(std::string_view)> warn;
};

// What a connection works with, borrowed from the source.
struct ConnectionContext {
  Slot& slot;
  MessageQueue& queue;
  std::shared_ptr<WakeFd> wake;  // of the I/O thread
  Clock& clock;
};

// Lives on the I/O thread, which polls fd() for events() until deadline() and then calls Serve().
class Connection final : private SessionHandler {
 public:
  Connection(ConnectionConfig config, ConnectionContext context);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const;
  short events() const;
  MonotonicTime deadline() const;

  // Does what is to be done: `ready`: poll(2) reported the descriptor.
  void Serve(bool ready, MonotonicTime now);
  // Begins to end: acknowledges what is durable, disconnects. Go on calling Serve() until done().
  void Close(MonotonicTime now);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t {
    kWaiting,  // until retry_at_
    kResolving,
    kConnecting,  // TCP
    kSecuring,    // TLS
    kOpen,
    kClosing,   // DISCONNECT is on its way out
    kDraining,  // it is out; waiting for the broker to close
    kDone,
  };

  void StartAttempt(MonotonicTime now);
  void ServeResolving(MonotonicTime now);
  void TryNextAddress(MonotonicTime now);
  void ServeConnecting(MonotonicTime now);
  void StartSecuring(MonotonicTime now);
  void ServeSecuring(MonotonicTime now);
  void StartSession(MonotonicTime now);
  void ServeOpen(bool ready, MonotonicTime now);
  void ServeClosing(bool ready, MonotonicTime now);

  bool MayRead() const;
  // False: the stream is at its end, loss_ says why.
  bool ReadAll(MonotonicTime now);
  bool WriteAll(MonotonicTime now);
  void MakeRoom();
  void Parse(MonotonicTime now);
  void CheckReady(MonotonicTime now);
  void CheckWindow(MonotonicTime now);
  void PublishCounters();

  // The attempt or connection has failed.
  void Lose(SessionError error, MonotonicTime now);
  bool Redirect(const SessionError& error);
  bool ChangeProtocol(const SessionError& error);
  Duration Pause(SessionError::Kind kind);
  void Drop();
  absl::Status Describe(const absl::Status& status) const;
  std::string EndOfStreamText() const;
  std::string BrokenStreamText() const;
  void Log(std::string_view text);

  // SessionHandler.
  Verdict OnMessage(const Publish& message, std::int64_t arrival, bool topic_is_copy) override;
  void OnNotice(std::string_view text) override;

  ConnectionConfig config_;
  ConnectionContext context_;
  Session session_;
  Backoff backoff_;
  std::minstd_rand random_;
  State state_ = State::kWaiting;
  BrokerAddress target_;  // the configured broker, or where it sent us
  int redirects_ = 0;     // since the last pause
  Level level_;
  bool level_settled_ = false;  // a CONNACK was received at level_

  MonotonicTime retry_at_{};
  MonotonicTime attempt_deadline_{};
  MonotonicTime address_deadline_{};
  std::shared_ptr<Lookup> lookup_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::string address_error_;
  std::unique_ptr<Transport> transport_;
  short read_events_ = 0;
  short write_events_ = 0;
  bool more_to_read_ = false;  // reading stopped before all was read
  SessionError loss_;

  std::shared_ptr<Block> block_;
  std::size_t begin_ = 0;  // of the bytes not yet taken by the session
  std::size_t end_ = 0;
  std::unique_ptr<Chunk> chunk_;
  Timestamp received_{};
  MonotonicTime now_{};
  MonotonicTime unblock_at_{};
  std::optional<MonotonicTime> full_since_;

  bool established_ = false;
  bool ready_ = false;
  absl::Status reported_;
  std::uint64_t bytes_ = 0;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_CONNECTION_H_
