#include "tsingest/sink/mqtt_publisher.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mqtt/broker_address.h"
#include "fmt/format.h"
#include "sink/mqtt/link.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/show_value.h"
#include "tsingest/base/utf8.h"

namespace tsingest {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(100);

// Whether sending it again can never help.
bool IsHopeless(int reason) {
  return reason == MQTT_RC_TOPIC_NAME_INVALID || reason == MQTT_RC_PACKET_TOO_LARGE ||
         reason == MQTT_RC_PAYLOAD_FORMAT_INVALID;
}

// One Publish(): what is to be sent, and what is on its way.
class Delivery {
 public:
  using Refused = absl::FunctionRef<void(std::size_t, std::string_view)>;

  Delivery(mqtt::Link& link, const MqttPublisherOptions& options,
           std::span<const PublishRecord> records, Refused refused)
      : link_(link), options_(options), records_(records), refused_(refused) {
    for (std::size_t i = 0; i < records.size(); ++i) waiting_.push_back(i);
  }

  bool Done() const { return waiting_.empty() && sent_.empty(); }
  // Why the broker does not take a message now; empty: it does.
  const std::string& trouble() const { return trouble_; }

  // Takes acknowledgements in, and sends what fits the window.
  absl::Status Advance(const mqtt::Link::View& view) {
    if (view.generation != generation_ || !view.connected) SendAgain();
    generation_ = view.generation;
    for (const auto& [id, reason] : view.acks) Acknowledge(id, reason);
    LookForProgress(view);
    while (view.connected && !waiting_.empty() &&
           sent_.size() < static_cast<std::size_t>(view.window)) {
      bool stop = false;
      if (absl::Status status = Send(&stop); !status.ok() || stop) return status;
    }
    return absl::OkStatus();
  }

 private:
  std::string What(std::size_t index, std::string_view why) const {
    return fmt::format("mqtt: {} ({} bytes): {}", records_[index].topic,
                       records_[index].payload.size(), why);
  }

  void LookForProgress(const mqtt::Link::View& view) {
    const MonotonicTime now = SystemClock().Now();
    if (sent_.empty() || !view.connected || !view.acks.empty()) {
      progress_at_ = now;
    } else if (now - progress_at_ > options_.acknowledge_timeout) {
      trouble_ = fmt::format(
          "mqtt: {} messages were not acknowledged, and nothing was for {} s: connecting anew, to "
          "send them again",
          sent_.size(), std::chrono::duration<double>(options_.acknowledge_timeout).count());
      link_.Renew();
      progress_at_ = now;
    }
  }

  // The connection is gone, and with it what was not acknowledged.
  void SendAgain() {
    if (sent_.empty()) return;
    for (const auto& [id, index] : sent_) waiting_.push_back(index);
    std::ranges::sort(waiting_);
    sent_.clear();
  }

  void Acknowledge(int id, int reason) {
    const auto found = sent_.find(id);
    if (found == sent_.end()) return;  // of a call that was given up
    const std::size_t index = found->second;
    sent_.erase(found);
    if (reason < 128) {
      trouble_.clear();
    } else if (IsHopeless(reason)) {
      refused_(index, What(index, mosquitto_reason_string(reason)));
    } else {
      trouble_ = What(index, mosquitto_reason_string(reason));
      waiting_.push_back(index);
      retry_at_ = SystemClock().Now() + retry_.Next();
    }
  }

  absl::Status Send(bool* stop) {
    *stop = SystemClock().Now() < retry_at_;
    if (*stop) return absl::OkStatus();
    const std::size_t index = waiting_.front();
    int id = 0;
    const int code = link_.Publish(generation_, records_[index], &id);
    switch (code) {
      case MOSQ_ERR_SUCCESS:
        sent_[id] = index;
        break;
      case MOSQ_ERR_PAYLOAD_SIZE:
      case MOSQ_ERR_OVERSIZE_PACKET:
      case MOSQ_ERR_MALFORMED_UTF8:
      case MOSQ_ERR_INVAL:
        refused_(index, What(index, mosquitto_strerror(code)));
        break;
      case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return absl::FailedPreconditionError(fmt::format(
            "mqtt: the broker does not take QoS {}; use a lower one (--qos)", options_.qos));
      default:  // the connection is gone: the next view says so
        *stop = true;
        return absl::OkStatus();
    }
    waiting_.pop_front();
    return absl::OkStatus();
  }

  mqtt::Link& link_;
  const MqttPublisherOptions& options_;
  const std::span<const PublishRecord> records_;
  const Refused refused_;
  std::uint64_t generation_ = 0;
  std::deque<std::size_t> waiting_;
  std::unordered_map<int, std::size_t> sent_;  // by message id
  std::string trouble_;
  MonotonicTime progress_at_ = SystemClock().Now();
  MonotonicTime retry_at_{};
  Backoff retry_{{.max = std::chrono::seconds(2)}};
};

}  // namespace

absl::Status MqttPublisherOptions::Validate() const {
  const auto fail = [](const std::string& text) { return absl::InvalidArgumentError(text); };
  constexpr int kMostInFlight = 30'000;  // half of the packet identifiers
  if (qos < 0 || qos > 2) return fail(fmt::format("mqtt: qos is {}; it must be 0, 1 or 2", qos));
  if (in_flight < 1 || in_flight > kMostInFlight) {
    return fail(fmt::format("mqtt: in_flight is {}; it must be 1 to {}", in_flight, kMostInFlight));
  }
  if (keepalive.count() < 5 || keepalive.count() > 65535) {
    return fail(fmt::format("mqtt: keepalive is {} s; it must be 5 to 65535", keepalive.count()));
  }
  if (username.empty() && !password.empty() && protocol == MqttProtocol::kV311) {
    return fail("mqtt: a password needs a user name beside it (MQTT 3.1.1)");
  }
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    return fail("mqtt: a client certificate needs its private key, and a key its certificate");
  }
  if (!tls.server_name.empty()) return fail("mqtt: server_name is not supported for publishing");
  if (acknowledge_timeout <= Duration::zero())
    return fail("mqtt: acknowledge_timeout: must be > 0");
  if (absl::Status status = reconnect.Validate(); !status.ok()) return status;
  return mqtt::ParseBrokerUri(broker).status();
}

class MqttPublisher::Impl {
 public:
  explicit Impl(MqttPublisherOptions options) : options_(std::move(options)) {}

  absl::Status Open() {
    if (absl::Status status = options_.Validate(); !status.ok()) return status;
    link_ = std::make_unique<mqtt::Link>(options_, *mqtt::ParseBrokerUri(options_.broker));
    return link_->Open(cancelled_);
  }

  absl::Status Publish(std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
    MutexLock lock(&publishing_);
    Delivery delivery(*link_, options_, records, refused);
    if (absl::Status status = delivery.Advance(link_->Wait(Duration::zero())); !status.ok()) {
      return status;
    }
    while (!delivery.Done()) {
      if (cancelled()) {
        link_->Renew();
        SetTrouble("");
        return absl::CancelledError("mqtt: told to stop while messages were on their way");
      }
      absl::Status status = delivery.Advance(link_->Wait(kPoll));
      SetTrouble(delivery.trouble());
      if (!status.ok()) return status;
    }
    SetTrouble("");
    return absl::OkStatus();
  }

  absl::Status Health() const {
    const absl::Status link = link_ == nullptr ? absl::OkStatus() : link_->Health();
    MutexLock lock(&mutex_);
    return link.ok() && !trouble_.empty() ? absl::UnavailableError(trouble_) : link;
  }

  void Cancel() { cancelled_ = true; }

  void Close() {
    if (link_ != nullptr) link_->Close();
  }

 private:
  void SetTrouble(const std::string& why) {
    MutexLock lock(&mutex_);
    trouble_ = why;
  }

  const MqttPublisherOptions options_;
  std::atomic<bool> cancelled_{false};
  std::unique_ptr<mqtt::Link> link_;
  Mutex publishing_;  // one call at a time
  mutable Mutex mutex_;
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
};

MqttPublisher::MqttPublisher(MqttPublisherOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
MqttPublisher::~MqttPublisher() = default;
absl::Status MqttPublisher::Open() { return impl_->Open(); }
void MqttPublisher::Cancel() { impl_->Cancel(); }
absl::Status MqttPublisher::Publish(
    std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  return impl_->Publish(records, cancelled, refused);
}
absl::Status MqttPublisher::Health() const { return impl_->Health(); }
absl::Status MqttPublisher::Close() {
  impl_->Close();
  return absl::OkStatus();
}

std::string_view MqttPublisher::TopicError(std::string_view topic) const {
  constexpr std::size_t kMostBytes = 65535;
  if (topic.empty()) return "is empty";
  if (topic.size() > kMostBytes) return "is longer than the 65535 bytes that MQTT takes";
  if (topic.find_first_of("+#") != std::string_view::npos) {
    return "has a + or #, which only filters may have";
  }
  if (topic.front() == '$') return "begins with $, which is the broker's own";
  if (topic.find('\0') != std::string_view::npos || !IsValidUtf8(topic)) {
    return "is not valid UTF-8 without NUL";
  }
  return "";
}

}  // namespace tsingest
