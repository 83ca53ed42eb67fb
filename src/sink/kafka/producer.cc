#include "sink/kafka/producer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "tsingest/base/show_value.h"

namespace tsingest::kafka {
namespace {

constexpr int kAskMs = 250;
constexpr int kFlushAtCloseMs = 5000;
// A broker that makes topics by itself has made one by then.
constexpr auto kTopicPatience = std::chrono::seconds(5);

using MetadataHandle =
    std::unique_ptr<const rd_kafka_metadata_t, Destroy<rd_kafka_metadata_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>>;

absl::Status ToldToStop() {
  return absl::CancelledError("kafka: told to stop while it was connecting");
}

bool SaysMore(int error) {
  return error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL ||
         error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

}  // namespace

absl::StatusOr<Config> Producer::MakeConfig() {
  Config config(rd_kafka_conf_new());
  std::vector<std::pair<std::string, std::string>> settings = {
      {"bootstrap.servers", options_.brokers},
      {"client.id", "tsingest"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"partitioner", "murmur2_random"},
      {"topic.metadata.propagation.max.ms", "10000"},
      {"queue.buffering.max.kbytes", "65536"}};
  settings.insert(settings.end(), options_.properties.begin(), options_.properties.end());
  // Last: what delivery depends on. Without a timeout a message is tried until it arrives.
  settings.insert(settings.end(), {{"enable.idempotence", "true"}, {"message.timeout.ms", "0"}});
  for (const auto& [name, value] : settings) {
    char why[256] = "";
    if (rd_kafka_conf_set(config.get(), name.c_str(), value.c_str(), why, sizeof why) !=
        RD_KAFKA_CONF_OK) {
      return absl::InvalidArgumentError(fmt::format("kafka property {}: {}", name, why));
    }
  }
  rd_kafka_conf_set_opaque(config.get(), this);
  rd_kafka_conf_set_dr_msg_cb(config.get(), on_delivery_);
  rd_kafka_conf_set_error_cb(config.get(), &OnError);
  rd_kafka_conf_set_log_cb(config.get(), &OnLog);
  return config;
}

absl::Status Producer::Open() {
  if (options_.brokers.empty()) return absl::InvalidArgumentError("kafka: no brokers given");
  absl::StatusOr<Config> config = MakeConfig();
  if (!config.ok()) return config.status();
  char why[512] = "";
  client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, config->get(), why, sizeof why));
  if (client_ == nullptr) return absl::InvalidArgumentError(fmt::format("kafka: {}", why));
  (void)config->release();
  const MonotonicTime until = SystemClock().Now() + options_.open_timeout;
  absl::Status status = AwaitBroker(until);
  for (const std::string& topic : options_.topics) {
    if (status.ok()) status = AwaitTopic(topic, until);
  }
  if (status.ok()) ClearTrouble();
  return status;
}

absl::Status Producer::AwaitBroker(MonotonicTime until) {
  for (;;) {
    const rd_kafka_metadata_t* metadata = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, kAskMs);
    rd_kafka_poll(client_.get(), 0);  // error reports
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(metadata);
      return absl::OkStatus();
    }
    if (absl::Status refusal = Refusal(); !refusal.ok()) return refusal;
    if (cancelled_) return ToldToStop();
    if (SystemClock().Now() < until) continue;
    const absl::Status health = Health();
    return absl::UnavailableError(fmt::format(
        "kafka: no broker answers at {}: {} (is it running, and security.protocol as it wants it?)",
        options_.brokers,
        health.ok() ? std::string(rd_kafka_err2str(error)) : std::string(health.message())));
  }
}

absl::Status Producer::AwaitTopic(const std::string& topic, MonotonicTime until) {
  const TopicHandle handle(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
  if (handle == nullptr) {
    return absl::InvalidArgumentError(fmt::format("kafka: topic {}: {}", ShowValue(topic),
                                                  rd_kafka_err2str(rd_kafka_last_error())));
  }
  until = std::min<MonotonicTime>(until, SystemClock().Now() + kTopicPatience);
  for (;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), 0, handle.get(), &raw, kAskMs);
    const MetadataHandle metadata(raw);
    rd_kafka_poll(client_.get(), 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      error = metadata->topics[0].err;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      return absl::PermissionDeniedError(
          fmt::format("kafka: topic {}: {} (grant this user WRITE and DESCRIBE on it)", topic,
                      rd_kafka_err2str(error)));
    }
    if (cancelled_) return ToldToStop();
    if (SystemClock().Now() < until) {
      SystemClock().Sleep(std::chrono::milliseconds(100));
      continue;
    }
    if (error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return absl::UnavailableError(
          fmt::format("kafka: topic {}: {}", topic, rd_kafka_err2str(error)));
    }
    return absl::NotFoundError(fmt::format(
        "kafka: there is no topic {} at {}, and the broker makes none by itself; create it "
        "(kafka-topics.sh --create --topic {} …), or mend its name",
        topic, options_.brokers, topic));
  }
}

rd_kafka_resp_err_t Producer::Produce(const PublishRecord& record, void* ticket) {
  // C strings for librdkafka; topics are short.
  const std::string topic(record.topic);
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const Header& header : record.headers) {
      rd_kafka_header_add(headers, header.key.data(), static_cast<ssize_t>(header.key.size()),
                          header.value.data(), static_cast<ssize_t>(header.value.size()));
    }
  }
  std::array<rd_kafka_vu_t, 6> values{};
  std::size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> auto& {
    values[count].vtype = type;
    return values[count++].u;
  };
  add(RD_KAFKA_VTYPE_TOPIC).cstr = topic.c_str();
  add(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_VALUE).mem = {const_cast<char*>(record.payload.data()), record.payload.size()};
  add(RD_KAFKA_VTYPE_OPAQUE).ptr = ticket;
  if (!record.key.empty()) {
    add(RD_KAFKA_VTYPE_KEY).mem = {const_cast<char*>(record.key.data()), record.key.size()};
  }
  if (headers != nullptr) add(RD_KAFKA_VTYPE_HEADERS).headers = headers;
  const ErrorHandle error(rd_kafka_produceva(client_.get(), values.data(), count));
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  if (headers != nullptr) rd_kafka_headers_destroy(headers);  // still ours when it failed
  return rd_kafka_error_code(error.get());
}

void Producer::SetTrouble(std::string why) {
  MutexLock lock(&mutex_);
  if (refusal_.empty()) trouble_ = std::move(why);
}

void Producer::ClearTrouble() {
  MutexLock lock(&mutex_);
  trouble_.clear();
  refusal_.clear();
}

absl::Status Producer::Health() const {
  MutexLock lock(&mutex_);
  const std::string& why = refusal_.empty() ? trouble_ : refusal_;
  return why.empty() ? absl::OkStatus() : absl::UnavailableError(why);
}

absl::Status Producer::Refusal() const {
  MutexLock lock(&mutex_);
  if (refusal_.empty()) return absl::OkStatus();
  if (refusal_code_ == RD_KAFKA_RESP_ERR__SSL) {
    return absl::PermissionDeniedError(
        refusal_ + " (check security.protocol, ssl.ca.location and ssl.certificate.location)");
  }
  return absl::UnauthenticatedError(
      refusal_ + " (check security.protocol, sasl.mechanism, sasl.username and sasl.password)");
}

void Producer::OnError(rd_kafka_t* client, int error, const char* reason, void*) {
  auto& self = *static_cast<Producer*>(rd_kafka_opaque(client));
  // "All brokers are down" says less than why each is.
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !self.Health().ok()) return;
  if (!SaysMore(error)) return self.SetTrouble(fmt::format("kafka: {}", reason));
  MutexLock lock(&self.mutex_);
  self.refusal_ = fmt::format("kafka: {}", reason);
  self.refusal_code_ = static_cast<rd_kafka_resp_err_t>(error);
}

void Producer::OnLog(const rd_kafka_t* client, int level, const char*, const char* text) {
  constexpr int kSyslogWarning = 4;
  const auto* self = static_cast<const Producer*>(rd_kafka_opaque(client));
  if (level <= kSyslogWarning && self != nullptr && self->options_.log) {
    self->options_.log(fmt::format("kafka: {}", text));
  }
}

absl::Status Producer::Close() {
  if (client_ == nullptr) return absl::OkStatus();
  const rd_kafka_resp_err_t error = rd_kafka_flush(client_.get(), kFlushAtCloseMs);
  client_.reset();
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("kafka: closing: {}", rd_kafka_err2str(error)));
}

}  // namespace tsingest::kafka
