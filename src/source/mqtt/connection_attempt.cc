// Connection: resolving, connecting, TLS, and what follows a failure.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "source/mqtt/connection.h"
#include "tsingest/model/reject.h"

namespace tsingest::mqtt {
namespace {

constexpr int kMaxRedirects = 5;

SessionError Unavailable(std::string text) {
  return {SessionError::Kind::kBroken, absl::UnavailableError(std::move(text)), {}};
}

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

void Connection::StartAttempt(MonotonicTime now) {
  attempt_deadline_ = now + config_.connect_timeout;
  address_error_.clear();
  lookup_ = Lookup::Start(target_.host, target_.port, context_.wake);
  state_ = State::kResolving;
  ServeResolving(now);
}

void Connection::ServeResolving(MonotonicTime now) {
  if (!lookup_->done()) {
    if (now < attempt_deadline_) return;
    return Lose(Unavailable(fmt::format("no answer from the name server for {} within {} s",
                                        ShowValue(target_.host), Seconds(config_.connect_timeout))),
                now);
  }
  addresses_ = lookup_->addresses();
  next_address_ = 0;
  if (addresses_.empty()) {
    return Lose(Unavailable(fmt::format("cannot find the host {}: {}", ShowValue(target_.host),
                                        lookup_->error())),
                now);
  }
  TryNextAddress(now);
}

void Connection::TryNextAddress(MonotonicTime now) {
  while (next_address_ < addresses_.size()) {
    const std::size_t left = addresses_.size() - next_address_;
    absl::StatusOr<std::unique_ptr<Transport>> transport =
        Transport::Connect(addresses_[next_address_++]);
    if (!transport.ok()) {
      address_error_ = std::string(transport.status().message());
      continue;
    }
    transport_ = *std::move(transport);
    address_deadline_ = now + (attempt_deadline_ - now) / static_cast<int>(left);
    state_ = State::kConnecting;
    return;
  }
  Lose(Unavailable("cannot connect: " + address_error_), now);
}

void Connection::ServeConnecting(MonotonicTime now) {
  const Transport::Outcome outcome = transport_->Finish();
  if (outcome == Transport::Outcome::kDone) {
    return target_.tls ? StartSecuring(now) : StartSession(now);
  }
  if (outcome == Transport::Outcome::kWouldBlock && now < address_deadline_) return;
  address_error_ = outcome == Transport::Outcome::kFailed
                       ? transport_->error()
                       : fmt::format("no answer within {} s", Seconds(config_.connect_timeout));
  transport_.reset();
  TryNextAddress(now);
}

void Connection::StartSecuring(MonotonicTime now) {
  const std::string& name =
      config_.tls_server_name.empty() ? target_.host : config_.tls_server_name;
  if (const absl::Status s = transport_->StartTls(config_.tls, name); !s.ok()) {
    return Lose({SessionError::Kind::kRefused, s, {}}, now);
  }
  state_ = State::kSecuring;
  ServeSecuring(now);
}

void Connection::ServeSecuring(MonotonicTime now) {
  switch (transport_->Secure()) {
    case Transport::Outcome::kDone:
      return StartSession(now);
    case Transport::Outcome::kWouldBlock:
      if (now < attempt_deadline_) return;
      return Lose(Unavailable(fmt::format("the TLS handshake is not done within {} s",
                                          Seconds(config_.connect_timeout))),
                  now);
    case Transport::Outcome::kClosed:
      return Lose(Unavailable("the broker closes the connection in the TLS handshake (is it a TLS "
                              "port?)"),
                  now);
    case Transport::Outcome::kFailed:
      break;
  }
  if (!transport_->untrusted()) {
    return Lose(Unavailable(fmt::format("the TLS handshake fails: {}", transport_->error())), now);
  }
  const std::string& name =
      config_.tls_server_name.empty() ? target_.host : config_.tls_server_name;
  Lose({SessionError::Kind::kRefused,
        absl::PermissionDeniedError(fmt::format(
            "the broker's certificate is not trusted: {}; it must be for {} and signed by a known "
            "CA (give the CA file)",
            transport_->error(), ShowValue(name))),
        {}},
       now);
}

void Connection::StartSession(MonotonicTime now) {
  state_ = State::kOpen;
  established_ = ready_ = more_to_read_ = false;
  read_events_ = POLLIN;
  write_events_ = POLLOUT;
  begin_ = end_ = 0;
  block_.reset();
  full_since_.reset();
  session_.Connect(level_, now);
  ServeOpen(true, now);
}

std::string Connection::EndOfStreamText() const {
  if (!session_.established()) {
    return fmt::format("the broker closes the connection instead of answering CONNECT{}{}",
                       target_.tls ? "" : " (is it a TLS port? then write mqtts://)",
                       config_.protocol == MqttProtocol::kV5
                           ? ", or does not speak MQTT 5 (--protocol auto or 3.1.1)"
                           : "");
  }
  // MQTT 3.1.1 cannot tell a reason, and Mosquitto 2.0.11 does not in MQTT 5 either.
  return fmt::format(
      "the broker closed the connection without a reason (it was stopped, or another client with "
      "the "
      "client id {} has connected)",
      ShowValue(config_.session.client_id));
}

std::string Connection::BrokenStreamText() const {
  return session_.established() ? "the connection broke: " + transport_->error()
                                : fmt::format("{}: {}", EndOfStreamText(), transport_->error());
}

absl::Status Connection::Describe(const absl::Status& status) const {
  return {status.code(),
          fmt::format("{}, client id {}: {}", target_.Uri(), ShowValue(config_.session.client_id),
                      std::string(status.message()))};
}

void Connection::Lose(SessionError error, MonotonicTime now) {
  const bool had_connection = established_;
  if (had_connection) {
    context_.slot.counters.reconnects.fetch_add(1);
    backoff_.OnLost(now);
  } else {
    context_.slot.counters.failed_attempts.fetch_add(1);
  }
  const absl::Status described = Describe(error.status);
  const bool at_once = ChangeProtocol(error) || Redirect(error);
  Drop();
  state_ = State::kWaiting;
  if (at_once) {
    Log(std::string(described.message()));
    retry_at_ = now;
    return;
  }
  target_ = config_.broker;
  redirects_ = 0;
  const Duration pause = Pause(error.kind);
  retry_at_ = now + pause;
  if (described != reported_) {
    Log(fmt::format("{}; trying again, first in {:.1f} s", std::string(described.message()),
                    Seconds(pause)));
  }
  reported_ = described;
  const bool hopeless =
      error.kind == SessionError::Kind::kRefused || error.kind == SessionError::Kind::kVersion;
  context_.slot.SetStatus(described, hopeless);
}

// Brokers that do not speak MQTT 5 say so, or just close the connection.
bool Connection::ChangeProtocol(const SessionError& error) {
  if (config_.protocol != MqttProtocol::kAuto) return false;
  const bool told = error.kind == SessionError::Kind::kVersion;
  if (level_ == Level::kV5) {
    const bool closed = !level_settled_ && state_ == State::kOpen &&
                        error.kind == SessionError::Kind::kBroken && session_.output().empty();
    if (told || closed) level_ = Level::kV311;
    return told || closed;
  }
  // 5 again for the next attempt: the broker may only have been starting.
  if (told || !level_settled_) level_ = Level::kV5;
  return false;
}

bool Connection::Redirect(const SessionError& error) {
  if (error.kind != SessionError::Kind::kRedirected || !config_.follow_redirects) return false;
  const auto target = ParseServerReference(error.server_reference, config_.broker);
  if (!target || redirects_ >= kMaxRedirects) return false;
  ++redirects_;
  target_ = *target;
  Log(fmt::format("the broker sends us to {}", target_.Uri()));
  return true;
}

Duration Connection::Pause(SessionError::Kind kind) {
  const double random = std::uniform_real_distribution<double>(0, 1)(random_);
  const bool person_needed = kind == SessionError::Kind::kRefused ||
                             kind == SessionError::Kind::kVersion ||
                             kind == SessionError::Kind::kTakenOver;
  return person_needed ? backoff_.Longest(random) : backoff_.Next(random);
}

void Connection::Drop() {
  transport_.reset();
  lookup_.reset();
  session_.OnClosed();
  block_.reset();
  begin_ = end_ = 0;
  established_ = ready_ = more_to_read_ = false;
  context_.slot.exhausted.store(false);
}

}  // namespace tsingest::mqtt
