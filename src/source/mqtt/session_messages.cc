// Session: PUBLISH, its acknowledgements and redeliveries.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include "source/mqtt/session.h"

namespace tsingest::mqtt {
namespace {

// How much of an oversized payload is given on.
constexpr std::size_t kOversizePrefixBytes = 64 * 1024;

std::uint64_t Fingerprint(const Publish& message) {
  const std::hash<std::string_view> hash;
  const std::uint64_t topic = hash(message.topic);
  return (topic << 1 | topic >> 63) ^ hash(message.payload) ^ message.omitted_bytes << 32;
}

}  // namespace

bool Session::HandlePublish(std::uint8_t flags, std::string_view body, std::size_t omitted,
                            MonotonicTime now) {
  Publish message;
  message.omitted_bytes = omitted;
  Violation violation;
  if (!DecodePublish(level_, flags, body, &message, &violation)) {
    Fail(violation);
    return true;
  }
  bool topic_is_copy = false;
  if (!ResolveTopic(message, &topic_is_copy)) return true;
  const std::uint64_t fingerprint = message.qos != 0 ? Fingerprint(message) : 0;
  if (message.qos == 0) return GiveMessage(message, fingerprint, topic_is_copy, now);
  switch (Compare(message, fingerprint)) {
    case Kin::kNew:
      return GiveMessage(message, fingerprint, topic_is_copy, now);
    case Kin::kAgain:
      Owe(message, inflight_.At(message.packet_id), now);
      break;
    case Kin::kRepeatedOnConnection:
      break;  // it is owed its acknowledgement already
    case Kin::kConflict:
      Fail({reason::kProtocolError,
            fmt::format("PUBLISH: packet identifier {} is used for another message before it was "
                        "acknowledged (MQTT-2.2.1-4)",
                        message.packet_id)});
      return true;
  }
  ++counters_.messages;
  ++counters_.redelivered;
  ++counters_.suppressed;
  SendAcks();
  return true;
}

// [5] 3.3.2.3.4. On return message.topic is the name; *copy: it is the alias table's.
bool Session::ResolveTopic(Publish& message, bool* copy) {
  if (!message.properties.Has(Property::kTopicAlias)) return true;
  const std::size_t alias = message.properties.topic_alias;
  const std::uint16_t most = config_.topic_alias_maximum;
  if (alias == 0 || alias > most) {
    Fail({reason::kTopicAliasInvalid,
          fmt::format("PUBLISH: topic alias {}, allowed {} "
                      "(MQTT-3.3.2-8)",
                      alias, most == 0 ? "is none" : fmt::format("are 1 to {}", most))});
    return false;
  }
  if (aliases_.size() < alias) aliases_.resize(alias);
  std::string& name = aliases_[alias - 1];
  if (!message.topic.empty()) {
    name.assign(message.topic);
  } else if (name.empty()) {
    Fail({reason::kProtocolError, fmt::format("PUBLISH: topic alias {} stands for nothing yet "
                                              "([5] 3.3.4)",
                                              alias)});
    return false;
  } else {
    message.topic = name;
    *copy = true;
  }
  return true;
}

Session::Kin Session::Compare(const Publish& message, std::uint64_t fingerprint) {
  const Inflight& known = inflight_.At(message.packet_id);
  if (known.state == Inflight::State::kFree) return Kin::kNew;
  const bool same = message.dup && known.qos == message.qos && known.fingerprint == fingerprint;
  if (known.connection != connection_) return same ? Kin::kAgain : Kin::kNew;
  // Mosquitto takes the next number without looking whether it is free, and with an unlimited
  // window that happens. At QoS 1 nothing is lost by it: each of the two gets its PUBACK.
  if (!same) return message.qos == 1 && known.qos == 1 ? Kin::kNew : Kin::kConflict;
  // After PUBREC the same message asks for another PUBREC.
  return known.state == Inflight::State::kReceived ? Kin::kAgain : Kin::kRepeatedOnConnection;
}

bool Session::GiveMessage(const Publish& message, std::uint64_t fingerprint, bool topic_is_copy,
                          MonotonicTime now) {
  const auto verdict = handler_.OnMessage(message, next_arrival_, topic_is_copy);
  if (verdict == SessionHandler::Verdict::kBlocked) {
    blocked_ = true;
    return false;
  }
  ++counters_.messages;
  if (message.dup) ++counters_.redelivered;
  if (message.omitted_bytes != 0) ++counters_.oversize;
  if (verdict == SessionHandler::Verdict::kDropped) {
    ++counters_.qos0_dropped;
    return true;
  }
  NoticeExcess(message);
  const std::int64_t arrival = next_arrival_++;
  if (message.qos == 0) return true;
  Inflight& entry = inflight_.At(message.packet_id);
  entry.state = Inflight::State::kUnacknowledged;
  entry.qos = message.qos;
  entry.arrival = arrival;
  entry.fingerprint = fingerprint;
  Owe(message, entry, now);
  return true;
}

// More than Receive Maximum is a protocol error (MQTT-3.3.4-9), but one that Mosquitto 2.0 makes
// whenever it resumes a session with a long queue. Disconnecting would bring the same again; memory
// is bounded by the receive buffer, so the excess is taken.
void Session::NoticeExcess(const Publish& message) {
  const bool excess =
      message.qos != 0 && level_ == Level::kV5 && Outstanding() >= config_.receive_maximum;
  if (!excess || excess_noticed_) return;
  excess_noticed_ = true;
  handler_.OnNotice(
      fmt::format("the broker sends more than Receive Maximum ({}) messages at once, "
                  "against MQTT-3.3.4-9; they are taken",
                  config_.receive_maximum));
}

// The message was sent on this connection: its acknowledgement is owed, behind the earlier ones.
void Session::Owe(const Publish& message, Inflight& entry, MonotonicTime now) {
  if (entry.state == Inflight::State::kReceived) {
    if (entry.connection == connection_) --unreleased_;
    entry.state = Inflight::State::kUnacknowledged;
  }
  entry.connection = connection_;
  acks_.push_back({entry.arrival, message.packet_id, message.qos});
  window_.OnArrival(Outstanding(), now);
}

void Session::Acknowledge(std::int64_t next, MonotonicTime now) {
  durable_ = std::max(durable_, next);
  if (acks_.empty() || acks_.front().arrival >= durable_ || phase_ != Phase::kRunning) return;
  window_.OnAcknowledge(Outstanding(), now);
  SendAcks();
}

void Session::SendAcks() {
  if (phase_ != Phase::kRunning) return;
  while (!acks_.empty() && acks_.front().arrival < durable_) {
    const PendingAck ack = acks_.front();
    acks_.pop_front();
    ++counters_.acknowledged;
    Inflight& entry = inflight_.At(ack.packet_id);
    if (ack.qos == 1) {
      EncodeAck(PacketType::kPuback, level_, ack.packet_id, reason::kSuccess, output_);
      if (entry.arrival == ack.arrival) entry.state = Inflight::State::kFree;
    } else {
      EncodeAck(PacketType::kPubrec, level_, ack.packet_id, reason::kSuccess, output_);
      entry.state = Inflight::State::kReceived;
      ++unreleased_;
    }
  }
}

void Session::HandleRelease(std::string_view body) {
  Release release;
  Violation violation;
  if (!DecodeRelease(level_, body, &release, &violation)) return Fail(violation);
  Inflight& entry = inflight_.At(release.packet_id);
  const bool ours = entry.connection == connection_;
  if (ours && entry.state == Inflight::State::kUnacknowledged) {
    return Fail(
        {reason::kProtocolError,
         fmt::format("PUBREL for packet identifier {} before its PUBREC", release.packet_id)});
  }
  const bool known = entry.state == Inflight::State::kReceived;
  if (known && ours) --unreleased_;
  // After a restart of this process the identifier is unknown: what it stood for is durable, else
  // there would have been no PUBREC. PUBCOMP ends it ([5] 3.7.2.1).
  entry.state = Inflight::State::kFree;
  EncodeAck(PacketType::kPubcomp, level_, release.packet_id,
            known ? reason::kSuccess : reason::kPacketIdNotFound, output_);
}

std::size_t Session::HandleOversize(const FixedHeader& header, std::string_view bytes,
                                    MonotonicTime now) {
  const std::size_t total = header.TotalBytes();
  const bool skippable =
      header.type == PacketType::kPublish && level_ == Level::kV311 && phase_ == Phase::kRunning;
  if (!skippable) {
    Fail({reason::kPacketTooLarge,
          fmt::format("{} of {} bytes, above the maximum packet size of {} (MQTT-3.1.2-24)",
                      PacketName(header.type), total, config_.max_packet_bytes)});
    return 0;
  }
  wanted_ = header.header_bytes + 2;
  if (bytes.size() < wanted_) return 0;
  const std::size_t topic = LoadBigEndian<std::uint16_t>(bytes.data() + header.header_bytes);
  const std::size_t before_payload = 2 + topic + ((header.flags & 6) != 0 ? 2 : 0);
  if (before_payload > header.remaining) {
    Fail({reason::kMalformedPacket, "PUBLISH: the packet is cut off"});
    return 0;
  }
  // At least the last byte is left out, so that the message is known for what it is.
  const std::size_t payload = header.remaining - before_payload;
  const std::size_t kept =
      std::min(kOversizePrefixBytes, payload - std::min<std::size_t>(1, payload));
  const std::size_t head = header.header_bytes + before_payload + kept;
  wanted_ = head;
  if (bytes.size() < head) return 0;
  const std::string_view body = bytes.substr(header.header_bytes, before_payload + kept);
  if (!HandlePublish(header.flags, body, payload - kept, now)) return 0;
  skip_ = total - head;
  wanted_ = 0;
  return head;
}

bool Session::WindowExhausted(MonotonicTime now) {
  if (phase_ != Phase::kRunning || acks_.empty()) return false;
  return window_.Exhausted(Outstanding(), now);
}

MonotonicTime Session::NextWindowCheck() const {
  if (phase_ != Phase::kRunning || acks_.empty()) return MonotonicTime::max();
  return window_.NextCheck(Outstanding());
}

}  // namespace tsingest::mqtt
