// Connecting, subscribing, keepalive and dispatch; messages are in session_messages.cc.
#include "source/mqtt/session.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "source/mqtt/topic.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

// Some brokers take no more filters in one SUBSCRIBE.
constexpr std::size_t kFiltersPerRequest = 8;
constexpr Duration kSubscribeRetry = std::chrono::seconds(30);
constexpr Duration kSubackPatience = std::chrono::seconds(1);
// Identifiers of server and client are independent of each other ([5] 2.2.1), but some brokers
// (mochi) refuse a SUBSCRIBE whose identifier one of their own messages on the way to us has.
constexpr int kMostSubscribeAttempts = 8;
constexpr std::uint16_t kIdentifierStride = 8191;
// Answers that a broker can provoke without reading them (PUBCOMP) stop us at this much output.
constexpr std::size_t kMaxOutputBytes = 1024 * 1024;

// A broker's own words, made safe to print.
std::string WithReason(std::string text, std::string_view reason_string) {
  if (!reason_string.empty()) text += fmt::format(", {}", ShowValue(reason_string));
  return text;
}

std::string_view Advice(std::uint8_t code) {
  switch (code) {
    case reason::kBadUserNameOrPassword:
    case reason::kNotAuthorized:
      return "; check user name and password";
    case reason::kClientIdNotValid:
      return "; choose another client id";
    case reason::kUnsupportedVersion:
      return "; choose the other protocol version";
    default:
      return "";
  }
}

SessionError::Kind KindOf(std::uint8_t code) {
  switch (code) {
    case reason::kUnsupportedVersion:
      return SessionError::Kind::kVersion;
    case reason::kClientIdNotValid:
    case reason::kBadUserNameOrPassword:
    case reason::kNotAuthorized:
    case reason::kBanned:
    case reason::kBadAuthenticationMethod:
      return SessionError::Kind::kRefused;
    case reason::kSessionTakenOver:
      return SessionError::Kind::kTakenOver;
    case reason::kUseAnotherServer:
    case reason::kServerMoved:
      return SessionError::Kind::kRedirected;
    default:
      return SessionError::Kind::kUnavailable;
  }
}

absl::Status StatusOf(SessionError::Kind kind, std::string text) {
  switch (kind) {
    case SessionError::Kind::kRefused:
      return absl::PermissionDeniedError(std::move(text));
    case SessionError::Kind::kVersion:
      return absl::InvalidArgumentError(std::move(text));
    default:
      return absl::UnavailableError(std::move(text));
  }
}

}  // namespace

Session::Session(SessionConfig config, SessionHandler& handler)
    : config_(std::move(config)), handler_(handler) {}

void Session::Connect(Level level, MonotonicTime now) {
  OnClosed();
  level_ = level;
  phase_ = Phase::kConnecting;
  error_.reset();
  refusal_ = absl::OkStatus();
  ++connection_;
  keepalive_ = config_.keepalive;
  // MQTT 5 with an expiry: clean at the start of the process, resumed after a lost connection.
  const bool resume = connected_before_ && level == Level::kV5 && config_.session_expiry != 0;
  mqtt::Connect connect;
  connect.level = level;
  connect.client_id = config_.client_id;
  connect.username = config_.username;
  connect.password = config_.password;
  connect.clean_start = config_.clean_session && !resume;
  connect.keep_alive_seconds = keepalive_;
  connect.session_expiry = config_.session_expiry;
  connect.receive_maximum = config_.receive_maximum;
  connect.maximum_packet_size = config_.max_packet_bytes;
  connect.topic_alias_maximum = config_.topic_alias_maximum;
  clean_start_ = connect.clean_start;
  EncodeConnect(connect, output_);
  connect_sent_ = last_sent_ = last_received_ = last_progress_ = now;
}

void Session::OnClosed() {
  phase_ = Phase::kClosed;
  output_.Clear();
  sent_ = wanted_ = skip_ = 0;
  blocked_ = false;
  requests_.clear();
  is_held_up_ = false;
  refused_.clear();
  retry_subscribe_ = MonotonicTime::max();
  aliases_.clear();
  ping_waits_ = false;
  excess_noticed_ = false;
  acks_.clear();
  unreleased_ = 0;
}

std::size_t Session::Receive(std::string_view bytes, MonotonicTime now) {
  std::size_t taken = 0;
  wanted_ = 0;
  if (phase_ == Phase::kDisconnecting || phase_ == Phase::kClosed) return bytes.size();
  // After a pause in reading, silence is counted from now on.
  if (!bytes.empty() || blocked_) last_received_ = now;
  blocked_ = false;
  while (!error_ && !congested()) {
    const std::string_view rest = bytes.substr(taken);
    const std::size_t skipped = std::min(skip_, rest.size());
    if (skipped != 0) {
      skip_ -= skipped;
      taken += skipped;
      continue;
    }
    const std::size_t used = ReceiveOne(rest, now);
    if (used == 0) break;
    taken += used;
  }
  return taken;
}

std::size_t Session::ReceiveOne(std::string_view bytes, MonotonicTime now) {
  const FixedHeader header = ParseFixedHeader(bytes, level_);
  if (header.state == FixedHeader::State::kIncomplete) return 0;
  if (header.state == FixedHeader::State::kMalformed) {
    Fail({reason::kMalformedPacket,
          fmt::format("{}: remaining length is not a variable byte integer (MQTT-1.5.5-1)",
                      PacketName(header.type))});
    return 0;
  }
  Violation violation;
  if (!CheckHeader(header, level_, &violation)) {
    Fail(violation);
    return 0;
  }
  if (header.TotalBytes() > config_.max_packet_bytes) return HandleOversize(header, bytes, now);
  if (header.TotalBytes() > bytes.size()) {
    wanted_ = header.TotalBytes();
    return 0;
  }
  const std::string_view body = bytes.substr(header.header_bytes, header.remaining);
  if (!Handle(header, body, now)) return 0;
  return header.TotalBytes();
}

bool Session::Handle(const FixedHeader& header, std::string_view body, MonotonicTime now) {
  const bool first = phase_ == Phase::kConnecting;
  if (first != (header.type == PacketType::kConnack)) {
    Fail({reason::kProtocolError,
          first ? fmt::format("{} before CONNACK (MQTT-3.2.0-1)", PacketName(header.type))
                : "a second CONNACK (MQTT-3.2.0-2)"});
    return true;
  }
  switch (header.type) {
    case PacketType::kPublish:
      return HandlePublish(header.flags, body, 0, now);
    case PacketType::kConnack:
      HandleConnack(body, now);
      break;
    case PacketType::kPubrel:
      HandleRelease(body);
      break;
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      HandleSubscriptionAck(header.type, body, now);
      break;
    case PacketType::kPingresp:
      HandlePingresp(now);
      break;
    case PacketType::kDisconnect:
      HandleDisconnect(body);
      break;
    default:
      Fail({reason::kProtocolError, "AUTH without an authentication method (MQTT-4.12.0-6)"});
  }
  return true;
}

void Session::HandleConnack(std::string_view body, MonotonicTime now) {
  Connack connack;
  Violation violation;
  if (!DecodeConnack(level_, body, &connack, &violation)) return Fail(violation);
  if (connack.code != reason::kSuccess) return RefuseConnection(connack);
  if (connack.session_present && clean_start_) {
    return Fail(
        {reason::kProtocolError, "CONNACK: session present after a clean start (MQTT-3.2.2-2)"});
  }
  if (!CheckCapabilities(connack)) return;
  StartRunning(connack, now);
}

void Session::RefuseConnection(const Connack& connack) {
  const SessionError::Kind kind = KindOf(connack.code);
  const std::string text = fmt::format(
      "the broker refuses the connection: {}{}",
      WithReason(connack.code_text, connack.properties.reason_string), Advice(connack.code));
  Fail(kind, StatusOf(kind, text));
  error_->server_reference = std::string(connack.properties.server_reference);
}

bool Session::CheckCapabilities(const Connack& connack) {
  const Properties& p = connack.properties;
  for (const std::string& filter : config_.topics) {
    std::string_view missing;
    if (!p.shared_available && IsSharedFilter(filter)) missing = "shared subscriptions";
    if (!p.wildcard_available && HasWildcard(filter)) missing = "wildcards in topic filters";
    if (missing.empty()) continue;
    Fail(SessionError::Kind::kRefused,
         absl::PermissionDeniedError(fmt::format("the broker does not support {}: topic filter {}",
                                                 missing, ShowValue(filter))));
    return false;
  }
  return true;
}

void Session::StartRunning(const Connack& connack, MonotonicTime now) {
  const Properties& p = connack.properties;
  phase_ = Phase::kRunning;
  window_.OnRoundTrip(now - connect_sent_);
  window_.OnConnected(level_ == Level::kV5 ? config_.receive_maximum : 65535);
  server_max_packet_ = p.maximum_packet_size;
  if (p.Has(Property::kServerKeepAlive)) keepalive_ = p.server_keep_alive;
  if (p.Has(Property::kSessionExpiry) && p.session_expiry < config_.session_expiry) {
    handler_.OnNotice(
        fmt::format("the broker keeps the session for {} s after a disconnect, not "
                    "the {} s asked for",
                    p.session_expiry, config_.session_expiry));
  }
  if (!connack.session_present) {
    inflight_.Clear();
    // The new session has none yet: if this connection breaks before SUBACK, the next one finds the
    // session present, and empty.
    subscribed_before_ = false;
    if (connected_before_ && !clean_start_) {
      handler_.OnNotice(
          "the broker has lost the session: messages published while it was away "
          "may be missing");
    }
  }
  NoticeShares();
  // With MQTT 3.1.1 a subscription made again would bring all retained messages again.
  const bool skip = connack.session_present && subscribed_before_ && level_ == Level::kV311;
  if (!connected_before_) began_without_session_ = !connack.session_present && !clean_start_;
  connected_before_ = true;
  if (skip) return;
  if (connack.session_present && !config_.unsubscribe.empty()) {
    SendRequests(PacketType::kUnsuback, config_.unsubscribe, now);
  }
  SendRequests(PacketType::kSuback, config_.topics, now);
}

// A broker that does not know them grants the filter, and takes it by the letter.
void Session::NoticeShares() {
  if (level_ != Level::kV311 || std::exchange(shares_noticed_, true)) return;
  const auto shared = std::ranges::find_if(config_.topics, IsSharedFilter);
  if (shared == config_.topics.end()) return;
  handler_.OnNotice(
      fmt::format("MQTT 3.1.1 has no shared subscriptions: some brokers know them all the same, "
                  "with others nothing comes for {}; subscribe to the topics themselves then",
                  ShowValue(*shared)));
}

void Session::SendRequests(PacketType answer, const std::vector<std::string>& filters,
                           MonotonicTime now, int attempt) {
  for (std::size_t i = 0; i < filters.size(); i += kFiltersPerRequest) {
    const std::size_t count = std::min(kFiltersPerRequest, filters.size() - i);
    Request request{next_packet_id_, answer, {}, now, attempt};
    request.filters.assign(filters.begin() + static_cast<std::ptrdiff_t>(i),
                           filters.begin() + static_cast<std::ptrdiff_t>(i + count));
    next_packet_id_ = next_packet_id_ == 65535 ? 1 : next_packet_id_ + 1;
    const std::size_t before = output_.size();
    if (answer == PacketType::kSuback) {
      EncodeSubscribe(level_, request.packet_id, request.filters, config_.qos, output_);
    } else {
      EncodeUnsubscribe(level_, request.packet_id, request.filters, output_);
    }
    requests_.push_back(std::move(request));
    if (server_max_packet_ != 0 && output_.size() - before > server_max_packet_) {
      return Fail(SessionError::Kind::kRefused,
                  absl::PermissionDeniedError(fmt::format(
                      "the broker takes packets of at most {} bytes, the topics need {}",
                      server_max_packet_, output_.size() - before)));
    }
  }
}

void Session::HandleSubscriptionAck(PacketType type, std::string_view body, MonotonicTime now) {
  SubscriptionAck ack;
  Violation violation;
  if (!DecodeSubscriptionAck(type, level_, body, &ack, &violation)) return Fail(violation);
  const auto request = std::ranges::find_if(requests_, [&](const Request& r) {
    return r.packet_id == ack.packet_id && r.answer == type;
  });
  if (request == requests_.end()) {
    return Fail({reason::kProtocolError, fmt::format("{} for packet identifier {}, which nothing "
                                                     "was asked with",
                                                     PacketName(type), ack.packet_id)});
  }
  const bool has_codes = type == PacketType::kSuback || level_ == Level::kV5;
  if (has_codes && ack.codes.size() != request->filters.size()) {
    return Fail({reason::kProtocolError,
                 fmt::format("{}: {} codes for {} filters (MQTT-3.9.3-1)", PacketName(type),
                             ack.codes.size(), request->filters.size())});
  }
  window_.OnRoundTrip(now - request->sent);
  std::vector<std::string> again;
  if (type == PacketType::kSuback) again = TakeCodes(*request, ack);
  if (error_) return;
  const int attempt = request->attempt;
  requests_.erase(request);
  if (requests_.empty()) is_held_up_ = false;
  if (!again.empty()) {
    next_packet_id_ = static_cast<std::uint16_t>((next_packet_id_ + kIdentifierStride) % 65535 + 1);
    SendRequests(PacketType::kSuback, again, now, attempt + 1);
  }
  if (error_ || !requests_.empty()) return;
  if (!refused_.empty()) retry_subscribe_ = now + kSubscribeRetry;
  subscribed_before_ = refused_.empty();
}

std::vector<std::string> Session::TakeCodes(const Request& request, const SubscriptionAck& ack) {
  std::vector<std::string> again;
  for (std::size_t i = 0; i < request.filters.size(); ++i) {
    const auto code = static_cast<std::uint8_t>(ack.codes[i]);
    const std::string& filter = request.filters[i];
    const bool known = code <= 2 || code == 0x80 || (level_ == Level::kV5 && code > 0x80);
    if (!known) {
      Fail({reason::kMalformedPacket, fmt::format("SUBACK: code 0x{:02X} (MQTT-3.9.3-2)", code)});
      return {};
    }
    if (code == reason::kPacketIdInUse && request.attempt < kMostSubscribeAttempts) {
      again.push_back(filter);
    } else if (code >= reason::kUnspecified) {
      refused_.push_back(filter);
      refusal_ = absl::PermissionDeniedError(
          fmt::format("the broker refuses the subscription to {}: {}", ShowValue(filter),
                      WithReason(level_ == Level::kV5 ? ReasonText(code) : "failure (0x80)",
                                 ack.reason_string)));
    } else if (code < config_.qos) {
      handler_.OnNotice(fmt::format("the broker grants QoS {} instead of {} for {}{}", code,
                                    config_.qos, ShowValue(filter),
                                    code == 0 ? ": messages can be lost on the way" : ""));
    }
  }
  return again;
}

void Session::HandlePingresp(MonotonicTime now) {
  if (ping_waits_) window_.OnRoundTrip(now - ping_sent_);
  ping_waits_ = false;
}

void Session::HandleDisconnect(std::string_view body) {
  ServerDisconnect disconnect;
  Violation violation;
  if (!DecodeDisconnect(body, &disconnect, &violation)) return Fail(violation);
  const SessionError::Kind kind = KindOf(disconnect.code);
  std::string text = fmt::format(
      "the broker disconnects: {}",
      WithReason(disconnect.code == 0 ? "no reason given (0x00)" : ReasonText(disconnect.code),
                 disconnect.properties.reason_string));
  if (kind == SessionError::Kind::kTakenOver) {
    text += fmt::format(": another client has connected with the client id {}; each needs its own",
                        ShowValue(config_.client_id));
  }
  error_ =
      SessionError{kind, StatusOf(kind, text), std::string(disconnect.properties.server_reference)};
}

void Session::Disconnect() {
  if (phase_ == Phase::kRunning) EncodeDisconnect(level_, reason::kSuccess, output_);
  phase_ = Phase::kDisconnecting;
  acks_.clear();
}

bool Session::congested() const { return output_.size() - sent_ > kMaxOutputBytes; }

void Session::OnSent(std::size_t count, MonotonicTime now) {
  sent_ += count;
  if (count != 0) last_sent_ = last_progress_ = now;
  if (sent_ < output_.size()) return;
  output_.Clear();
  sent_ = 0;
}

// A ping is due when nothing was sent, or nothing received, for three quarters of the interval:
// [5] 3.1.2.10 asks for a packet within it, and a silent broker is to be noticed. While a PINGRESP
// is missing or we do not read, only the first half of that counts.
MonotonicTime Session::PingDue() const {
  if (phase_ != Phase::kRunning || keepalive_ == 0) return MonotonicTime::max();
  const bool sending_only = ping_waits_ || blocked_ || congested();
  const MonotonicTime quiet_since =
      sending_only ? last_sent_ : std::min(last_sent_, last_received_);
  return quiet_since + std::chrono::milliseconds(750) * keepalive_;
}

// When the oldest unanswered request is given up. Nothing is waited for while we do not read.
MonotonicTime Session::ResponseDue() const {
  if (congested()) return last_progress_ + config_.response_timeout;
  if (blocked_) return MonotonicTime::max();
  if (phase_ == Phase::kConnecting) return connect_sent_ + config_.response_timeout;
  MonotonicTime due = MonotonicTime::max();
  if (phase_ != Phase::kRunning) return due;
  if (ping_waits_) due = std::max(ping_sent_, last_received_) + config_.response_timeout;
  for (const Request& r : requests_) {
    due = std::min(due, std::max(r.sent, last_received_) + config_.response_timeout);
  }
  return due;
}

std::string_view Session::MissingResponse() const {
  if (phase_ == Phase::kConnecting) return "it does not answer CONNECT";
  if (congested()) return "it does not read what is sent";
  return ping_waits_ ? "it does not answer PINGREQ" : "it does not answer SUBSCRIBE";
}

MonotonicTime Session::HeldUpDue() const {
  const bool may_be =
      phase_ == Phase::kRunning && !is_held_up_ && !requests_.empty() && Outstanding() != 0;
  return may_be ? requests_.front().sent + kSubackPatience : MonotonicTime::max();
}

MonotonicTime Session::NextTick() const {
  return std::min({PingDue(), ResponseDue(), HeldUpDue(), retry_subscribe_});
}

void Session::Tick(MonotonicTime now) {
  if (error_) return;
  if (now >= ResponseDue()) {
    const double limit = std::chrono::duration<double>(config_.response_timeout).count();
    return Fail(SessionError::Kind::kBroken,
                absl::UnavailableError(fmt::format("the broker seems dead: {} (waited {} s)",
                                                   MissingResponse(), limit)));
  }
  if (now >= HeldUpDue()) is_held_up_ = true;
  if (now >= PingDue()) {
    EncodePingreq(output_);
    last_sent_ = now;
    if (!ping_waits_) ping_sent_ = now;
    ping_waits_ = true;
  }
  if (now >= retry_subscribe_) {
    retry_subscribe_ = MonotonicTime::max();
    refusal_ = absl::OkStatus();
    SendRequests(PacketType::kSuback, std::exchange(refused_, {}), now);
  }
}

void Session::Fail(SessionError::Kind kind, absl::Status status) {
  error_ = SessionError{kind, std::move(status), {}};
}

void Session::Fail(const Violation& violation) {
  const std::string_view doubt =
      phase_ == Phase::kConnecting ? "; is it an MQTT broker that listens there?" : "";
  Fail(SessionError::Kind::kBroken,
       absl::UnavailableError(fmt::format("the broker breaks the {} protocol: {}{}",
                                          LevelName(level_), violation.text, doubt)));
  if (phase_ == Phase::kRunning && level_ == Level::kV5) {
    EncodeDisconnect(level_, violation.code, output_);
  }
}

}  // namespace tsingest::mqtt
