// Connection: reading, writing and closing; how it gets connected is in connection_attempt.cc.
#include "source/mqtt/connection.h"

#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::size_t kMinReadBytes = 16 * 1024;
// Reads of one connection before the others have their turn.
constexpr int kReadsPerTurn = 4;
// How often a connection looks whether the queue has room (it is also told).
constexpr Duration kBlockedRetry = std::chrono::milliseconds(100);
// How long closing may take: sending what is owed, then waiting for the broker to close.
constexpr Duration kCloseTimeout = std::chrono::milliseconds(1500);

}  // namespace

Connection::Connection(ConnectionConfig config, ConnectionContext context)
    : config_(std::move(config)),
      context_(std::move(context)),
      session_(config_.session, *this),
      backoff_(config_.reconnect_min, config_.reconnect_max),
      random_(std::random_device{}()),
      target_(config_.broker),
      level_(config_.protocol == MqttProtocol::kV311 ? Level::kV311 : Level::kV5),
      level_settled_(config_.protocol != MqttProtocol::kAuto),
      chunk_(context_.queue.NewChunk()),
      reported_(absl::UnavailableError("connecting")) {}

int Connection::fd() const { return transport_ == nullptr ? -1 : transport_->fd(); }

short Connection::events() const {
  switch (state_) {
    case State::kConnecting:
    case State::kSecuring:
      return transport_->wanted();
    case State::kOpen: {
      const bool writing = !session_.output().empty();
      return static_cast<short>((MayRead() ? read_events_ : 0) | (writing ? write_events_ : 0));
    }
    case State::kClosing:
      return write_events_;
    case State::kDraining:
      return read_events_;
    default:
      return 0;
  }
}

MonotonicTime Connection::deadline() const {
  switch (state_) {
    case State::kWaiting:
      return retry_at_;
    case State::kResolving:
      return attempt_deadline_;
    case State::kConnecting:
      return std::min(address_deadline_, attempt_deadline_);
    case State::kSecuring:
      return attempt_deadline_;
    case State::kOpen: {
      if (more_to_read_ && MayRead()) return MonotonicTime::min();
      const MonotonicTime unblock = session_.blocked() ? unblock_at_ : MonotonicTime::max();
      const MonotonicTime window =
          more_to_read_ || !MayRead() ? MonotonicTime::max() : session_.NextWindowCheck();
      return std::min({session_.NextTick(), unblock, window});
    }
    case State::kClosing:
    case State::kDraining:
      return attempt_deadline_;
    case State::kDone:
      break;
  }
  return MonotonicTime::max();
}

void Connection::Serve(bool ready, MonotonicTime now) {
  now_ = now;
  session_.Acknowledge(context_.slot.durable.load(std::memory_order_acquire), now);
  switch (state_) {
    case State::kWaiting:
      if (now >= retry_at_) StartAttempt(now);
      break;
    case State::kResolving:
      ServeResolving(now);
      break;
    case State::kConnecting:
      if (ready || now >= deadline()) ServeConnecting(now);
      break;
    case State::kSecuring:
      if (ready || now >= deadline()) ServeSecuring(now);
      break;
    case State::kOpen:
      ServeOpen(ready, now);
      break;
    case State::kClosing:
    case State::kDraining:
      ServeClosing(ready, now);
      break;
    case State::kDone:
      break;
  }
  PublishCounters();
}

bool Connection::MayRead() const {
  return !session_.blocked() && !session_.congested() && !session_.error();
}

void Connection::ServeOpen(bool ready, MonotonicTime now) {
  if (session_.blocked()) Parse(now);
  bool alive = true;
  if (MayRead() && (ready || more_to_read_)) alive = ReadAll(now);
  session_.Tick(now);
  if (!session_.error()) CheckReady(now);
  const bool was_congested = session_.congested();
  alive = WriteAll(now) && alive;
  if (session_.error()) return Lose(*session_.error(), now);
  if (!alive) return Lose(loss_, now);
  if (was_congested && MayRead()) Parse(now);
  CheckWindow(now);
}

bool Connection::ReadAll(MonotonicTime now) {
  more_to_read_ = true;
  received_ = context_.clock.WallNow();
  for (int i = 0; i < kReadsPerTurn; ++i) {
    MakeRoom();
    const Transport::Result got =
        transport_->Read(block_->data.get() + end_, block_->capacity - end_);
    switch (got.outcome) {
      case Transport::Outcome::kDone:
        break;
      case Transport::Outcome::kWouldBlock:
        read_events_ = transport_->wanted();
        more_to_read_ = false;
        return true;
      case Transport::Outcome::kClosed:
        loss_ = {SessionError::Kind::kBroken, absl::UnavailableError(EndOfStreamText()), {}};
        return false;
      case Transport::Outcome::kFailed:
        loss_ = {SessionError::Kind::kBroken, absl::UnavailableError(BrokenStreamText()), {}};
        return false;
    }
    end_ += got.bytes;
    bytes_ += got.bytes;
    Parse(now);
    if (!MayRead()) break;
  }
  return true;
}

// Room behind end_: in this block, or in a new one that the incomplete packet moves to. A packet
// that is announced as large gets memory as its bytes arrive.
void Connection::MakeRoom() {
  if (block_ != nullptr && block_->capacity - end_ >= kMinReadBytes) return;
  const std::size_t have = end_ - begin_;
  const std::size_t wanted = std::min(session_.WantedBytes(), 4 * have);
  auto bigger = std::make_shared<Block>(std::max({kBlockBytes, wanted, have + kBlockBytes / 2}));
  if (have != 0) std::memcpy(bigger->data.get(), block_->data.get() + begin_, have);
  block_ = std::move(bigger);
  begin_ = 0;
  end_ = have;
}

// Gives the session what was read and the queue what the session makes of it.
void Connection::Parse(MonotonicTime now) {
  const std::string_view bytes(block_ == nullptr ? nullptr : block_->data.get() + begin_,
                               end_ - begin_);
  begin_ += session_.Receive(bytes, now);
  if (session_.blocked()) unblock_at_ = now + kBlockedRetry;
  if (chunk_->items.empty()) return;
  chunk_->stream = config_.stream;
  chunk_->received = received_;
  chunk_->block = block_;
  context_.queue.Push(std::move(chunk_));
  chunk_ = context_.queue.NewChunk();
}

SessionHandler::Verdict Connection::OnMessage(const Publish& message, std::int64_t arrival,
                                              bool topic_is_copy) {
  if (context_.queue.Full(chunk_->bytes)) {
    if (!full_since_) full_since_ = now_;
    const bool impatient = now_ - *full_since_ >= config_.qos0_patience;
    return message.qos == 0 && impatient ? Verdict::kDropped : Verdict::kBlocked;
  }
  full_since_.reset();
  Item item;
  item.topic = topic_is_copy ? chunk_->copies.Copy(message.topic) : message.topic;
  item.payload = message.payload;
  item.arrival = arrival;
  item.omitted_bytes = message.omitted_bytes;
  if (message.properties.user_properties != 0) {
    item.first_header = static_cast<std::uint32_t>(chunk_->headers.size());
    ForEachUserProperty(message.properties, [&](std::string_view name, std::string_view value) {
      chunk_->headers.push_back({name, value});
    });
    item.header_count = static_cast<std::uint32_t>(chunk_->headers.size()) - item.first_header;
  }
  chunk_->items.push_back(item);
  chunk_->bytes += sizeof(Item) + message.topic.size() + message.payload.size() +
                   item.header_count * sizeof(Header);
  return Verdict::kTaken;
}

bool Connection::WriteAll(MonotonicTime now) {
  while (!session_.output().empty()) {
    const Transport::Result put = transport_->Write(session_.output());
    switch (put.outcome) {
      case Transport::Outcome::kDone:
        session_.OnSent(put.bytes, now);
        break;
      case Transport::Outcome::kWouldBlock:
        write_events_ = transport_->wanted();
        return true;
      case Transport::Outcome::kClosed:
      case Transport::Outcome::kFailed:
        loss_ = {SessionError::Kind::kBroken, absl::UnavailableError(BrokenStreamText()), {}};
        return false;
    }
  }
  return true;
}

void Connection::CheckReady(MonotonicTime now) {
  if (session_.established() && !established_) {
    established_ = true;
    level_settled_ = true;
    backoff_.OnEstablished(now);
  }
  if (!session_.refusal().ok()) {
    const absl::Status refusal = Describe(session_.refusal());
    if (refusal != reported_) Log(std::string(refusal.message()));
    reported_ = refusal;
    ready_ = false;
    context_.slot.SetStatus(refusal, true);
    return;
  }
  // In a resumed session SUBACK may stand behind more messages than the queue holds: then those
  // have to be polled first, for which nobody may wait for SUBACK.
  // With some brokers it stands behind a window that wants acknowledgements first.
  if (ready_ || !(session_.ready() || session_.blocked() || session_.is_held_up())) return;
  ready_ = true;
  reported_ = absl::OkStatus();
  context_.slot.began_without_session.store(session_.began_without_session());
  Log(fmt::format("connected to {} as {} ({})", target_.Uri(), ShowValue(config_.session.client_id),
                  LevelName(level_)));
  PublishCounters();  // whoever waits for the status finds "connected" in them
  context_.slot.SetStatus(absl::OkStatus(), false);
}

void Connection::CheckWindow(MonotonicTime now) {
  const bool exhausted = !more_to_read_ && MayRead() && session_.WindowExhausted(now);
  if (exhausted && !context_.slot.exhausted.load(std::memory_order_relaxed)) {
    context_.slot.exhaustions.fetch_add(1);
    context_.slot.exhausted.store(true);
    context_.queue.Notify();
  } else if (!exhausted) {
    context_.slot.exhausted.store(false);
  }
}

void Connection::PublishCounters() {
  Slot::Counters& out = context_.slot.counters;
  const SessionCounters& c = session_.counters();
  const auto relaxed = std::memory_order_relaxed;
  out.messages.store(c.messages, relaxed);
  out.bytes.store(bytes_, relaxed);
  out.acknowledged.store(c.acknowledged, relaxed);
  out.redelivered.store(c.redelivered, relaxed);
  out.suppressed.store(c.suppressed, relaxed);
  out.qos0_dropped.store(c.qos0_dropped, relaxed);
  out.oversize.store(c.oversize, relaxed);
  out.unacknowledged.store(session_.Outstanding(), relaxed);
  out.window.store(session_.window(), relaxed);
  out.connected.store(ready_, relaxed);
}

void Connection::Close(MonotonicTime now) {
  if (state_ != State::kOpen) {
    Drop();
    state_ = State::kDone;
    return;
  }
  session_.Acknowledge(context_.slot.durable.load(std::memory_order_acquire), now);
  session_.Disconnect();
  context_.slot.exhausted.store(false);
  state_ = State::kClosing;
  attempt_deadline_ = now + kCloseTimeout;
  write_events_ = POLLOUT;
  ServeClosing(false, now);
}

// Closing a socket with unread data makes the kernel reset the connection, and the broker may lose
// the acknowledgements it has not read yet: so everything that still comes is read, and thrown
// away.
void Connection::ServeClosing(bool ready, MonotonicTime now) {
  bool alive = now < attempt_deadline_;
  if (alive && state_ == State::kClosing) {
    alive = WriteAll(now);
    if (alive && session_.output().empty()) {
      transport_->EndWriting();
      state_ = State::kDraining;
      attempt_deadline_ = now + kCloseTimeout;
      read_events_ = POLLIN;
      ready = true;
    }
  }
  char unread[4096];
  while (alive && ready && state_ == State::kDraining) {
    const Transport::Result got = transport_->Read(unread, sizeof(unread));
    if (got.outcome == Transport::Outcome::kWouldBlock) break;
    alive = got.outcome == Transport::Outcome::kDone;
  }
  if (alive) return;
  Drop();
  state_ = State::kDone;
}

void Connection::OnNotice(std::string_view text) {
  if (config_.warn) config_.warn(fmt::format("{}: {}", target_.Uri(), text));
}

void Connection::Log(std::string_view text) {
  if (config_.log) config_.log(text);
}

}  // namespace tsingest::mqtt
