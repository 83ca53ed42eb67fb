// Where reading of a partition begins and ends.
#include <chrono>
#include <utility>

#include "fmt/format.h"
#include "source/kafka/kafka_source.h"

namespace tsingest {
namespace {

using kafka::NewPartitionList;
using kafka::PartitionList;

constexpr int kLookUpAttempts = 3;

absl::Status LookUpFailed(const kafka::Partition& partition, rd_kafka_resp_err_t error) {
  return absl::UnavailableError(fmt::format("partition {}: cannot look up its offsets: {}",
                                            partition.name, rd_kafka_err2str(error)));
}

}  // namespace

absl::StatusOr<std::int64_t> KafkaSource::Impl::Seek(StreamId stream,
                                                     const std::optional<StoredPosition>& stored) {
  if (stream >= partitions_.size()) {
    return absl::InvalidArgumentError(fmt::format("kafka: stream {} was never assigned", stream));
  }
  Partition& partition = partitions_[stream];
  if (stored.has_value()) {
    partition.next = partition.start = stored->next;
    partition.expected = kafka::Witness::Parse(stored->detail);
    // Reading begins at the witness, to see that the log is still the one the position is of.
    if (partition.expected.has_value() && partition.expected->offset < stored->next) {
      partition.start = partition.expected->offset;
      partition.last = *partition.expected;
    } else {
      partition.expected.reset();
    }
    partition.committed = stored->next;
  } else {
    const bool is_new = options_.from.kind == KafkaPoint::Kind::kLatest && IsNew(partition);
    absl::StatusOr<std::int64_t> first =
        FirstOffset(partition, is_new ? KafkaPoint{} : options_.from);
    if (!first.ok()) return first.status();
    if (is_new) {
      Log(fmt::format("partition {}: is new, so it is read from its beginning", partition.name));
    }
    partition.next = partition.start = *first;
    partition.committed = *first;
  }
  if (absl::Status status = FindEnd(partition); !status.ok()) return status;
  return partition.next;
}

absl::Status KafkaSource::Impl::FindEnd(Partition& partition) {
  if (!options_.until.has_value()) return absl::OkStatus();
  absl::StatusOr<std::int64_t> end = FirstOffset(partition, *options_.until);
  if (!end.ok()) return end.status();
  partition.end = *end;
  if (partition.next >= partition.end) partition.done = true;
  return absl::OkStatus();
}

void KafkaSource::Impl::NoteTopics() {
  if (known_topics_.has_value() || options_.from.kind != KafkaPoint::Kind::kLatest) return;
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.lookup_timeout).count();
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client_.get(), /*all_topics=*/1, nullptr,
                                                      &metadata, static_cast<int>(timeout));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return;  // the next assignment tries again
  known_topics_.emplace();
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic& topic = metadata->topics[i];
    if (!topics_missed_.contains(topic.topic)) (*known_topics_)[topic.topic] = topic.partition_cnt;
  }
  rd_kafka_metadata_destroy(metadata);
}

bool KafkaSource::Impl::IsNew(const Partition& partition) const {
  if (!known_topics_.has_value()) return false;
  const auto found = known_topics_->find(partition.topic);
  return found == known_topics_->end() || partition.number >= found->second;
}

absl::StatusOr<std::int64_t> KafkaSource::Impl::FirstOffset(const Partition& partition,
                                                            const KafkaPoint& point) {
  if (point.kind == KafkaPoint::Kind::kTimestamp) return OffsetOfTime(partition, point.time);
  const auto watermarks = Watermarks(partition);
  if (!watermarks.ok()) return watermarks.status();
  return point.kind == KafkaPoint::Kind::kEarliest ? watermarks->first : watermarks->second;
}

template <class LookUp>
auto KafkaSource::Impl::Retried(LookUp look_up) -> decltype(look_up()) {
  for (int attempt = 1;; ++attempt) {
    auto result = look_up();
    if (result.ok() || attempt == kLookUpAttempts) return result;
    Log(fmt::format("{}; trying again", result.status().ToString()));
    clock_.Sleep(std::chrono::milliseconds(200) * attempt);
  }
}

absl::StatusOr<std::pair<std::int64_t, std::int64_t>> KafkaSource::Impl::Watermarks(
    const Partition& partition) {
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.lookup_timeout).count();
  return Retried([&]() -> absl::StatusOr<std::pair<std::int64_t, std::int64_t>> {
    std::int64_t low = 0;
    std::int64_t high = 0;
    const rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                         &low, &high, static_cast<int>(timeout));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return LookUpFailed(partition, error);
    return std::pair(low, high);
  });
}

absl::StatusOr<std::int64_t> KafkaSource::Impl::OffsetOfTime(const Partition& partition,
                                                             Timestamp time) {
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.lookup_timeout).count();
  // A microsecond inside a millisecond belongs to the next one: Kafka's times are milliseconds.
  const auto time_ms =
      std::chrono::ceil<std::chrono::milliseconds>(time).time_since_epoch().count();
  return Retried([&]() -> absl::StatusOr<std::int64_t> {
    const PartitionList query = NewPartitionList(1);
    rd_kafka_topic_partition_t& entry =
        *rd_kafka_topic_partition_list_add(query.get(), partition.topic.c_str(), partition.number);
    entry.offset = time_ms;
    rd_kafka_resp_err_t error =
        rd_kafka_offsets_for_times(client_.get(), query.get(), static_cast<int>(timeout));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = entry.err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return LookUpFailed(partition, error);
    if (entry.offset >= 0) return entry.offset;
    // No message is that young: the partition's end.
    const auto watermarks = Watermarks(partition);
    if (!watermarks.ok()) return watermarks.status();
    return watermarks->second;
  });
}

void KafkaSource::Impl::HandleOffsetLost(Partition& partition) {
  if (partition.start < partition.next) {
    // The witness has expired, which says nothing about the position itself.
    partition.start = partition.next;
    partition.expected.reset();
    FetchAnew(partition);
    return;
  }
  const auto watermarks = Watermarks(partition);
  const std::string range = watermarks.ok()
                                ? fmt::format("{} to {}", watermarks->first, watermarks->second)
                                : std::string("unknown");
  const bool expired = watermarks.ok() && partition.next < watermarks->first;
  Stop(
      partition,
      absl::DataLossError(fmt::format(
          "partition {}: offset {} is not in the log (it holds {}): {}. Nothing was skipped; to go "
          "on, set the position in tsingest.positions, or use another --group",
          partition.name, partition.next, range,
          expired ? fmt::format("{} messages expired before they were read",
                                watermarks->first - partition.next)
                  : std::string("the topic was truncated or made anew"))));
}

}  // namespace tsingest
