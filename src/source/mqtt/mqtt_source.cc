#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mqtt/broker_address.h"
#include "fmt/format.h"
#include "source/mqtt/connection.h"
#include "source/mqtt/fd.h"
#include "source/mqtt/io_loop.h"
#include "source/mqtt/message_queue.h"
#include "source/mqtt/options.h"
#include "source/mqtt/poll_until.h"
#include "source/mqtt/slot.h"
#include "source/mqtt/tls.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace {

constexpr std::size_t kMessagesPerPoll = 1000;

}  // namespace

class MqttSource::Impl {
 public:
  Impl(MqttOptions options, Clock& clock);
  ~Impl() { Close(); }

  absl::Status Open(SourceListener& listener);
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message);
  void Wake() {
    wake_asked_.store(true);
    consumer_wake_.Signal();
  }
  void SetPaused(bool paused) { paused_ = paused; }
  absl::Status Commit(StreamId stream, std::int64_t next);
  absl::StatusOr<std::int64_t> Seek(StreamId stream, const std::optional<StoredPosition>& stored);
  std::string_view StreamName(StreamId stream) const {
    return stream < streams_.size() ? std::string_view(streams_[stream]->name) : "";
  }
  absl::Status Health() const;
  void Close();
  MqttStats Stats() const;

 private:
  // The poller's side of a connection.
  struct Stream {
    std::string name;
    std::int64_t base = 0;   // offset of arrival number 0
    std::int64_t given = 0;  // arrival numbers below it were given out
    std::uint64_t exhaustions_seen = 0;
    mqtt::Slot slot;
  };

  absl::Status StartConnections(const mqtt::BrokerAddress& broker);
  mqtt::ConnectionConfig MakeConfig(const mqtt::BrokerAddress& broker, int index) const;
  absl::Status AwaitOutcomes();
  absl::Status Assign();
  // Gives what is there; false when the pipeline takes no more.
  bool GiveSome(absl::FunctionRef<bool(const Message&)> on_message, std::size_t* count);
  bool GiveChunk(absl::FunctionRef<bool(const Message&)> on_message, std::size_t* count);
  // Whether a window has become exhausted that was not reported yet …
  bool NewExhaustion() const;
  // … with all of it given out; then it counts as reported.
  bool ReportExhaustion();
  bool AnyExhausted() const;
  // Waits for messages, exhaustion, Wake() or the deadline; true: it was Wake().
  bool WaitForNews(MonotonicTime deadline);

  MqttOptions options_;
  Clock& clock_;
  SourceListener* listener_ = nullptr;
  bool assigned_ = false;
  bool paused_ = false;
  bool closed_ = false;
  std::atomic<bool> wake_asked_{false};
  mqtt::SslContext tls_;
  mqtt::WakeFd consumer_wake_;
  std::shared_ptr<mqtt::WakeFd> io_wake_ = std::make_shared<mqtt::WakeFd>();
  mqtt::MessageQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;  // made by the constructor, never changed
  std::unique_ptr<mqtt::IoLoop> loop_;
  std::unique_ptr<mqtt::Chunk> chunk_;  // being given out, from item next_item_ on
  std::size_t next_item_ = 0;
};

MqttSource::Impl::Impl(MqttOptions options, Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      queue_(options_.receive_buffer_bytes, *io_wake_, consumer_wake_) {
  const absl::StatusOr<mqtt::BrokerAddress> broker = mqtt::ParseBrokerUri(options_.broker);
  const std::string where = broker.ok() ? broker->HostPort() : "";
  const int count = std::clamp(options_.connections, 1, mqtt::kMaxConnections);
  for (int i = 0; i < count; ++i) {
    streams_.push_back(std::make_unique<Stream>());
    streams_.back()->name = fmt::format("mqtt:{}/{}", where, mqtt::ClientId(options_, i));
  }
}

absl::Status MqttSource::Impl::Open(SourceListener& listener) {
  if (loop_ != nullptr || closed_) {
    return absl::FailedPreconditionError("an MQTT source is opened once");
  }
  if (absl::Status s = options_.Validate(); !s.ok()) return s;
  if (!consumer_wake_.ok() || !io_wake_->ok()) {
    return absl::ResourceExhaustedError("no file descriptors left for the MQTT source");
  }
  const absl::StatusOr<mqtt::BrokerAddress> broker = mqtt::ParseBrokerUri(options_.broker);
  if (!broker.ok()) return broker.status();
  if (broker->tls) {
    absl::StatusOr<mqtt::SslContext> context = mqtt::MakeSslContext(options_.tls);
    if (!context.ok()) return context.status();
    tls_ = *std::move(context);
  }
  listener_ = &listener;
  if (absl::Status s = StartConnections(*broker); !s.ok()) return s;
  absl::Status s = AwaitOutcomes();
  if (!s.ok()) Close();
  return s;
}

absl::Status MqttSource::Impl::StartConnections(const mqtt::BrokerAddress& broker) {
  std::vector<std::unique_ptr<mqtt::Connection>> connections;
  for (int i = 0; i < options_.connections; ++i) {
    connections.push_back(std::make_unique<mqtt::Connection>(
        MakeConfig(broker, i), mqtt::ConnectionContext{streams_[static_cast<std::size_t>(i)]->slot,
                                                       queue_, io_wake_, clock_}));
  }
  loop_ = std::make_unique<mqtt::IoLoop>(std::move(connections), io_wake_, clock_);
  return loop_->Start();
}

mqtt::ConnectionConfig MqttSource::Impl::MakeConfig(const mqtt::BrokerAddress& broker,
                                                    int index) const {
  mqtt::ConnectionConfig out;
  out.stream = static_cast<StreamId>(index);
  out.broker = broker;
  out.protocol = options_.protocol;
  out.session = mqtt::MakeSessionConfig(options_, broker, index);
  out.tls = tls_.get();
  out.tls_server_name = options_.tls.server_name;
  out.connect_timeout = options_.connect_timeout;
  out.reconnect_min = options_.reconnect_min;
  out.reconnect_max = options_.reconnect_max;
  out.qos0_patience = options_.qos0_patience;
  out.follow_redirects = options_.follow_redirects;
  out.log = options_.log;
  out.warn = options_.warn ? options_.warn : options_.log;
  return out;
}

absl::Status MqttSource::Impl::AwaitOutcomes() {
  // Each of TCP and TLS, CONNACK, SUBACK may take the timeout; the last is its own report.
  const MonotonicTime until = clock_.Now() + 3 * options_.connect_timeout;
  for (const auto& stream : streams_) {
    for (MonotonicTime now = clock_.Now(); !stream->slot.decided() && now < until;
         now = clock_.Now()) {
      if (wake_asked_.load()) return absl::OkStatus();  // whoever opens is to stop
      pollfd fds[] = {{stream->slot.outcome_fd(), POLLIN, 0}, {consumer_wake_.get(), POLLIN, 0}};
      mqtt::PollUntil(fds, 2, now, until);
      if (fds[1].revents != 0) consumer_wake_.Drain();
    }
    bool hopeless = false;
    absl::Status first = stream->slot.FirstStatus(&hopeless);
    if (!stream->slot.decided()) first = stream->slot.status();
    if (!first.ok() && (hopeless || !options_.wait_for_broker)) return first;
  }
  return absl::OkStatus();
}

absl::Status MqttSource::Impl::Assign() {
  assigned_ = true;
  std::vector<StreamId> ids(streams_.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<StreamId>(i);
  return listener_->OnAssigned(ids);
}

absl::StatusOr<PollState> MqttSource::Impl::Poll(
    MonotonicTime deadline, absl::FunctionRef<bool(const Message&)> on_message) {
  if (loop_ == nullptr) return absl::FailedPreconditionError("the MQTT source is not open");
  if (!assigned_) {
    if (absl::Status s = Assign(); !s.ok()) return s;
  }
  std::size_t count = 0;
  while (true) {
    if (!paused_ && !GiveSome(on_message, &count)) return PollState::kActive;
    if (!paused_ && ReportExhaustion()) return PollState::kWindowExhausted;
    if (count != 0) return PollState::kActive;
    const bool woken = WaitForNews(deadline);
    if (woken || clock_.Now() >= deadline) break;
  }
  // What came at the last moment is given now: the caller may be slow to come back.
  if (!paused_ && !GiveSome(on_message, &count)) return PollState::kActive;
  if (count == 0 && AnyExhausted()) return PollState::kWindowExhausted;
  return !paused_ && ReportExhaustion() ? PollState::kWindowExhausted : PollState::kActive;
}

bool MqttSource::Impl::GiveSome(absl::FunctionRef<bool(const Message&)> on_message,
                                std::size_t* count) {
  while (*count < kMessagesPerPoll) {
    if (chunk_ == nullptr) {
      chunk_ = queue_.Pop();
      next_item_ = 0;
      if (chunk_ == nullptr) return true;
    }
    if (!GiveChunk(on_message, count)) return false;
  }
  return false;
}

bool MqttSource::Impl::GiveChunk(absl::FunctionRef<bool(const Message&)> on_message,
                                 std::size_t* count) {
  Stream& stream = *streams_[chunk_->stream];
  Message message;
  message.arrival = chunk_->received;
  for (; next_item_ < chunk_->items.size(); ++next_item_) {
    if (*count == kMessagesPerPoll) return false;
    const mqtt::Item& item = chunk_->items[next_item_];
    message.payload = item.payload;
    message.is_null = item.payload.empty() && item.omitted_bytes == 0;  // clears a retained message
    message.topic = item.topic;
    message.headers = {chunk_->headers.data() + item.first_header, item.header_count};
    message.omitted_bytes = item.omitted_bytes;
    const std::int64_t offset = stream.base + item.arrival;
    message.position = {chunk_->stream, offset, offset + 1};
    if (!on_message(message)) return false;
    stream.given = item.arrival + 1;
    ++*count;
  }
  queue_.Recycle(std::move(chunk_));
  chunk_ = nullptr;
  return true;
}

bool MqttSource::Impl::NewExhaustion() const {
  return std::ranges::any_of(streams_, [](const auto& s) {
    return s->slot.exhausted.load() && s->slot.exhaustions.load() != s->exhaustions_seen;
  });
}

bool MqttSource::Impl::ReportExhaustion() {
  // What has come since the last look at the queue is part of the window: it is given first.
  if (chunk_ != nullptr || !queue_.empty() || !NewExhaustion()) return false;
  for (const auto& stream : streams_) {
    if (stream->slot.exhausted.load()) stream->exhaustions_seen = stream->slot.exhaustions.load();
  }
  return true;
}

bool MqttSource::Impl::AnyExhausted() const {
  return std::ranges::any_of(streams_, [](const auto& s) { return s->slot.exhausted.load(); });
}

bool MqttSource::Impl::WaitForNews(MonotonicTime deadline) {
  queue_.AnnounceWait();
  const auto news = [this] { return !paused_ && (!queue_.empty() || NewExhaustion()); };
  pollfd fd = {consumer_wake_.get(), POLLIN, 0};
  if (!wake_asked_.load() && !news()) mqtt::PollUntil(&fd, 1, clock_.Now(), deadline);
  queue_.EndWait();
  consumer_wake_.Drain();
  return wake_asked_.exchange(false);
}

absl::Status MqttSource::Impl::Commit(StreamId stream, std::int64_t next) {
  if (stream >= streams_.size()) {
    return absl::InvalidArgumentError(fmt::format("MQTT stream {} does not exist", stream));
  }
  Stream& s = *streams_[stream];
  const std::int64_t arrival = next - s.base;
  if (arrival > s.given) {
    return absl::InvalidArgumentError(
        fmt::format("{}: commit of {}, but only {} was given out", s.name, next, s.base + s.given));
  }
  if (arrival <= s.slot.durable.load(std::memory_order_relaxed)) return absl::OkStatus();
  s.slot.durable.store(arrival, std::memory_order_release);
  s.slot.exhausted.store(false);
  io_wake_->Signal();
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> MqttSource::Impl::Seek(StreamId stream,
                                                    const std::optional<StoredPosition>& stored) {
  if (stream >= streams_.size()) {
    return absl::InvalidArgumentError(fmt::format("MQTT stream {} does not exist", stream));
  }
  Stream& s = *streams_[stream];
  // Numbering goes on from the stored position; once messages were given it is fixed.
  if (s.given == 0 && stored.has_value()) s.base = stored->next;
  if (stored.has_value() && stored->next > 0 && s.slot.began_without_session.load()) {
    const auto& warn = options_.warn ? options_.warn : options_.log;
    if (warn) {
      warn(
          fmt::format("{}: the broker has no session of an earlier run (any more): messages "
                      "published since it stopped may be missing",
                      s.name));
    }
  }
  return s.base + s.given;
}

absl::Status MqttSource::Impl::Health() const {
  for (const auto& stream : streams_) {
    if (absl::Status s = stream->slot.status(); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void MqttSource::Impl::Close() {
  closed_ = true;
  loop_.reset();
}

MqttStats MqttSource::Impl::Stats() const {
  MqttStats out;
  out.connections = options_.connections;
  for (const auto& stream : streams_) {
    const mqtt::Slot::Counters& c = stream->slot.counters;
    out.connected += c.connected.load() ? 1 : 0;
    out.messages_received += c.messages.load();
    out.bytes_received += c.bytes.load();
    out.acknowledged += c.acknowledged.load();
    out.redelivered += c.redelivered.load();
    out.suppressed += c.suppressed.load();
    out.qos0_dropped += c.qos0_dropped.load();
    out.oversize += c.oversize.load();
    out.reconnects += c.reconnects.load();
    out.failed_attempts += c.failed_attempts.load();
    out.stalls += stream->slot.exhaustions.load();
    out.unacknowledged += c.unacknowledged.load();
    out.window += c.window.load();
  }
  out.buffered_bytes = queue_.bytes();
  return out;
}

MqttSource::MqttSource(MqttOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
MqttSource::~MqttSource() = default;
absl::Status MqttSource::Open(SourceListener& listener) { return impl_->Open(listener); }
absl::StatusOr<PollState> MqttSource::Poll(MonotonicTime deadline,
                                           absl::FunctionRef<bool(const Message&)> on_message) {
  return impl_->Poll(deadline, on_message);
}
void MqttSource::Wake() { impl_->Wake(); }
void MqttSource::Pause() { impl_->SetPaused(true); }
void MqttSource::Resume() { impl_->SetPaused(false); }
absl::Status MqttSource::Commit(StreamId stream, std::int64_t next) {
  return impl_->Commit(stream, next);
}
absl::StatusOr<std::int64_t> MqttSource::Seek(StreamId stream,
                                              const std::optional<StoredPosition>& stored) {
  return impl_->Seek(stream, stored);
}
std::string_view MqttSource::StreamName(StreamId stream) const { return impl_->StreamName(stream); }
std::string MqttSource::StreamDetail(StreamId /*stream*/) const { return {}; }
absl::Status MqttSource::Health() const { return impl_->Health(); }
absl::Status MqttSource::Close() {
  impl_->Close();
  return absl::OkStatus();
}
MqttStats MqttSource::Stats() const { return impl_->Stats(); }

}  // namespace tsingest
