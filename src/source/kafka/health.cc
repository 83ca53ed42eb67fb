// What goes wrong between the source and its brokers, and what other threads may see of it.
#include <algorithm>
#include <chrono>
#include <utility>

#include "fmt/format.h"
#include "source/kafka/kafka_source.h"

namespace tsingest {
namespace {

constexpr Duration kPublishEvery = std::chrono::milliseconds(250);
constexpr Duration kBrokerLookEvery = std::chrono::seconds(2);
constexpr int kBrokerLookMs = 300;
// How long a bounded run waits for a topic that is not there.
constexpr Duration kTopicPatience = std::chrono::seconds(10);

// Errors that are over once a broker answers again.
bool IsAboutBrokers(int error) {
  return error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
         error == RD_KAFKA_RESP_ERR__RESOLVE || error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
         error == RD_KAFKA_RESP_ERR__SSL || error == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

}  // namespace

void KafkaSource::Impl::HandleNoTopic(const rd_kafka_message_t& message) {
  SetTrouble(fmt::format("{} (create it, or mend --topics or --topic-pattern)",
                         rd_kafka_message_errstr(&message)));
  if (message.rkt == nullptr) return;
  const std::string topic = rd_kafka_topic_name(message.rkt);
  const bool is_read =
      std::ranges::any_of(assigned_, [&](const auto& entry) { return entry.first.first == topic; });
  if (!is_read) topics_missed_.try_emplace(topic, clock_.Now());
}

// A bounded run that does not find a topic would leave it out, and then say that all is done.
absl::Status KafkaSource::Impl::TopicsMissed() const {
  if (topics_missed_.empty() || !options_.until.has_value()) return absl::OkStatus();
  const auto& [topic, since] = *topics_missed_.begin();
  if (assigned_.empty() && clock_.Now() - since < kTopicPatience) return absl::OkStatus();
  if (!assigned_.empty() && !AllDone()) return absl::OkStatus();
  return absl::NotFoundError(
      fmt::format("there is no topic {}: create it, or mend --topics or --topic-pattern", topic));
}

// A topic without new messages tells nothing of brokers that are back.
void KafkaSource::Impl::LookForBrokers() {
  const MonotonicTime now = clock_.Now();
  if (!brokers_away_ || now < next_broker_look_) return;
  next_broker_look_ = now + kBrokerLookEvery;
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client_.get(), /*all_topics=*/0, nullptr, &metadata, kBrokerLookMs) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return;
  }
  rd_kafka_metadata_destroy(metadata);
  ClearTrouble();
  Publish(/*now=*/true);
}

std::string KafkaSource::Impl::Waiting(const Partition& partition) {
  if (!partition.retry_at.has_value()) return "";
  return fmt::format("partition {}: {}", partition.name, partition.waiting);
}

void KafkaSource::Impl::Publish(bool now) {
  const MonotonicTime time = clock_.Now();
  if (!now && time < next_publish_) return;
  next_publish_ = time + kPublishEvery;
  std::vector<KafkaPartitionState> states;
  for (const auto& [key, stream] : assigned_) {
    Partition& partition = partitions_[stream];
    std::int64_t low = -1;
    std::int64_t high = -1;
    if (rd_kafka_get_watermark_offsets(client_.get(), key.first.c_str(), key.second, &low, &high) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        high >= 0) {
      partition.high = high;
    }
    states.push_back({key.first, key.second, partition.next, partition.committed, partition.high,
                      std::string(partition.error.message()), Waiting(partition)});
  }
  const absl::MutexLock lock(&mutex_);
  published_ = std::move(states);
  published_trouble_ = trouble_;
}

absl::Status KafkaSource::Impl::Health() const {
  const absl::MutexLock lock(&mutex_);
  for (const KafkaPartitionState& state : published_) {
    if (!state.error.empty()) return absl::FailedPreconditionError(state.error);
  }
  for (const KafkaPartitionState& state : published_) {
    if (!state.waiting.empty()) return absl::UnavailableError(state.waiting);
  }
  return published_trouble_.empty() ? absl::OkStatus() : absl::UnavailableError(published_trouble_);
}

std::vector<KafkaPartitionState> KafkaSource::Impl::Partitions() const {
  const absl::MutexLock lock(&mutex_);
  return published_;
}

void KafkaSource::Impl::OnError(rd_kafka_t* client, int error, const char* reason, void* opaque) {
  Impl* const source = SourceOf(opaque);
  if (source == nullptr) return;
  Impl& self = *source;
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    char why[512] = "";
    rd_kafka_fatal_error(client, why, sizeof why);
    self.fatal_ = absl::FailedPreconditionError(fmt::format("kafka: {}", why));
    return;
  }
  self.SetTrouble(reason);
  self.brokers_away_ = IsAboutBrokers(error);
  self.next_broker_look_ = self.clock_.Now() + kBrokerLookEvery;
  self.Log(self.trouble_);
  self.Publish(/*now=*/true);
}

void KafkaSource::Impl::OnLog(const rd_kafka_t* client, int level, const char*, const char* text) {
  constexpr int kSyslogWarning = 4;
  auto* const callbacks = static_cast<Callbacks*>(rd_kafka_opaque(client));
  if (level > kSyslogWarning || callbacks == nullptr) return;
  const absl::MutexLock lock(&callbacks->mutex);  // held: the source cannot go meanwhile
  if (callbacks->source != nullptr) callbacks->source->Log(text);
}

}  // namespace tsingest
