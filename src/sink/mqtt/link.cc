#include "sink/mqtt/link.h"

#include <mqtt_protocol.h>

#include <chrono>

#include "fmt/format.h"

namespace tsingest::mqtt {
namespace {

constexpr int kStepMs = 100;
// A DISCONNECT goes out in this time or not at all.
constexpr auto kCloseTime = std::chrono::milliseconds(500);

bool IsFinal(const absl::Status& status) { return !status.ok() && !absl::IsUnavailable(status); }

}  // namespace

Link::Link(const MqttPublisherOptions& options, BrokerAddress address)
    : options_(options),
      address_(std::move(address)),
      version_(options.protocol == MqttProtocol::kV311 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5),
      version_known_(options.protocol != MqttProtocol::kAuto) {}

Link::~Link() { Close(); }

absl::Status Link::Open(const std::atomic<bool>& cancelled) {
  {
    MutexLock lock(&mutex_);
    health_ = absl::UnavailableError(fmt::format("mqtt: {} does not answer", address_.Uri()));
  }
  thread_ = std::thread([this] { Run(); });
  const MonotonicTime until = SystemClock().Now() + options_.connect_timeout;
  MutexLock lock(&mutex_);
  while (!health_.ok() && !IsFinal(health_) && SystemClock().Now() < until) {
    if (cancelled) return absl::CancelledError("mqtt: told to stop while it was connecting");
    changed_.WaitUntil(&mutex_, SystemClock().Now() + std::chrono::milliseconds(kStepMs));
  }
  return health_;
}

void Link::Close() {
  {
    MutexLock lock(&mutex_);
    closing_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool Link::Closing() const {
  MutexLock lock(&mutex_);
  return closing_ || renew_;
}

void Link::Run() {
  Backoff backoff(options_.reconnect);
  for (;;) {
    const MonotonicTime began = SystemClock().Now();
    const absl::Status why = RunOnce();
    bool was_connected = false;
    {
      MutexLock lock(&mutex_);
      was_connected = client_ != nullptr;
      client_.reset();
      acks_.clear();
      renew_ = false;
      if (!closing_) health_ = why;
      news_ = true;
      changed_.SignalAll();
      if (closing_) return;
    }
    // A broker that takes us in and throws us out again is not asked ever faster.
    if (was_connected && SystemClock().Now() - began > options_.reconnect.max) backoff.Reset();
    Log(std::string(why.message()));
    const MonotonicTime until = SystemClock().Now() + backoff.Next();
    MutexLock lock(&mutex_);
    while (!closing_ && !changed_.WaitUntil(&mutex_, until)) {
    }
    if (closing_) return;
  }
}

absl::Status Link::RunOnce() {
  has_connack_ = false;
  refusal_ = absl::OkStatus();
  absl::StatusOr<std::unique_ptr<Client>> made = Client::Make(options_, address_, version_, *this);
  if (!made.ok()) return made.status();
  const std::shared_ptr<Client> client = *std::move(made);
  absl::Status status = client->Connect();
  const bool was_open = status.ok();
  const MonotonicTime until = SystemClock().Now() + options_.connect_timeout;
  while (status.ok() && refusal_.ok() && !Closing()) {
    status = client->Step(kStepMs);
    if (!has_connack_ && SystemClock().Now() > until) {
      status = absl::UnavailableError(fmt::format("mqtt: {} does not answer", address_.Uri()));
    }
    if (!status.ok() || !refusal_.ok() || !has_connack_) continue;
    MutexLock lock(&mutex_);
    if (client_ != nullptr) continue;
    client_ = client;
    ++generation_;
    health_ = absl::OkStatus();
    news_ = true;
    changed_.SignalAll();
  }
  if (!refusal_.ok()) return refusal_;
  // Others close the connection, or do not answer.
  if (was_open && !status.ok() && !has_connack_) {
    if (!version_known_) {
      version_ = version_ == MQTT_PROTOCOL_V5 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    } else if (options_.protocol == MqttProtocol::kV5) {
      status = absl::UnavailableError(
          fmt::format("{} (CONNECT was not answered: does it speak MQTT 5? say --protocol auto)",
                      std::string(status.message())));
    }
  }
  if (!status.ok()) return status;
  client->Disconnect();
  const MonotonicTime latest = SystemClock().Now() + kCloseTime;
  while (client->Step(kStepMs).ok() && SystemClock().Now() < latest) {
  }
  return absl::UnavailableError(fmt::format("mqtt: {}: connecting anew", address_.Uri()));
}

void Link::OnConnack(int code, const absl::Status& refusal) {
  has_connack_ = true;
  refusal_ = refusal;
  if (refusal.ok()) version_known_ = true;
  // A broker that knows MQTT 3 only is asked again in that.
  const bool is_version =
      code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION || code == CONNACK_REFUSED_PROTOCOL_VERSION;
  if (is_version && !version_known_) {
    refusal_ = absl::UnavailableError(refusal.message());
    version_ = MQTT_PROTOCOL_V311;
  }
}

void Link::OnAck(int message_id, int reason) {
  MutexLock lock(&mutex_);
  acks_.emplace_back(message_id, reason);
  news_ = true;
  changed_.SignalAll();
}

Link::View Link::Wait(Duration length) {
  const MonotonicTime until = SystemClock().Now() + length;
  MutexLock lock(&mutex_);
  while (!news_ && !changed_.WaitUntil(&mutex_, until)) {
  }
  news_ = false;
  return {.generation = generation_,
          .connected = client_ != nullptr,
          .window = client_ == nullptr ? 0 : client_->window(),
          .acks = std::exchange(acks_, {})};
}

int Link::Publish(std::uint64_t generation, const PublishRecord& record, int* message_id) {
  std::shared_ptr<Client> client;
  {
    MutexLock lock(&mutex_);
    if (generation == generation_) client = client_;
  }
  return client == nullptr ? static_cast<int>(MOSQ_ERR_NO_CONN)
                           : client->Publish(record, message_id);
}

void Link::Renew() {
  MutexLock lock(&mutex_);
  renew_ = client_ != nullptr;
  ++generation_;
  acks_.clear();
}

absl::Status Link::Health() const {
  MutexLock lock(&mutex_);
  return health_;
}

}  // namespace tsingest::mqtt
