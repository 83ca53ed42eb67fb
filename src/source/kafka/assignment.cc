// Which partitions are read, and from where.
#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "source/kafka/kafka_source.h"

namespace tsingest {
namespace {

using kafka::NewPartitionList;
using kafka::PartitionList;

constexpr int kLookUpAttempts = 6;

absl::Status LookUpFailed(const kafka::Partition& partition, rd_kafka_resp_err_t error) {
  return absl::UnavailableError(fmt::format("partition {}: cannot look up its offsets: {}",
                                            partition.name, rd_kafka_err2str(error)));
}

}  // namespace

void KafkaSource::Impl::OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t event,
                                    rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto& self = *static_cast<Impl*>(opaque);
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    self.Assign(*partitions);
  } else {
    self.Revoke(*partitions, rd_kafka_assignment_lost(client) != 0);
  }
  self.Publish(/*now=*/true);
}

void KafkaSource::Impl::Assign(const rd_kafka_topic_partition_list_t& list) {
  std::vector<StreamId> streams;
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& given = list.elems[i];
    Partition partition;
    partition.topic = given.topic;
    partition.number = given.partition;
    partition.name = fmt::format("{}/{}", given.topic, given.partition);
    streams.push_back(static_cast<StreamId>(partitions_.size()));
    assigned_[{partition.topic, partition.number}] = streams.back();
    partitions_.push_back(std::move(partition));
  }
  if (listener_ != nullptr && !streams.empty()) {
    if (absl::Status status = listener_->OnAssigned(streams); !status.ok())
      fatal_ = std::move(status);
  }
  GiveToClient(list, /*add=*/true);
  for (const StreamId stream : streams) {
    const Partition& partition = partitions_[stream];
    if (!partition.Reading()) PausePartition(partition);
    Log(fmt::format("partition {}: assigned, reading from offset {}", partition.name,
                    partition.next));
  }
  if (client_paused_) PauseClient(true);
}

void KafkaSource::Impl::Revoke(const rd_kafka_topic_partition_list_t& list, bool lost) {
  std::vector<StreamId> streams;
  for (int i = 0; i < list.cnt; ++i) {
    const auto found = assigned_.find({list.elems[i].topic, list.elems[i].partition});
    if (found != assigned_.end()) streams.push_back(found->second);
  }
  if (pending_ != nullptr) {
    StreamId stream = 0;
    if (Find(*pending_, &stream) != nullptr &&
        std::find(streams.begin(), streams.end(), stream) != streams.end()) {
      pending_.reset();
    }
  }
  if (listener_ != nullptr && !streams.empty()) listener_->OnRevoked(streams, lost);
  if (!lost) CommitToKafka(/*now=*/true);
  for (const StreamId stream : streams) {
    Partition& partition = partitions_[stream];
    partition.assigned = false;
    assigned_.erase({partition.topic, partition.number});
    Log(fmt::format("partition {}: {}, durable up to offset {}", partition.name,
                    lost ? "lost to another consumer" : "given up", partition.committed));
  }
  GiveToClient(list, /*add=*/false);
}

void KafkaSource::Impl::GiveToClient(const rd_kafka_topic_partition_list_t& list, bool add) {
  const PartitionList with_offsets(rd_kafka_topic_partition_list_copy(&list));
  for (int i = 0; add && i < with_offsets->cnt; ++i) {
    rd_kafka_topic_partition_t& entry = with_offsets->elems[i];
    const Partition& partition = partitions_[assigned_[{entry.topic, entry.partition}]];
    entry.offset = partition.error.ok() ? partition.start : RD_KAFKA_OFFSET_END;
  }
  if (!Cooperative()) {
    rd_kafka_assign(client_.get(), add ? with_offsets.get() : nullptr);
    return;
  }
  const kafka::ErrorHandle error(
      add ? rd_kafka_incremental_assign(client_.get(), with_offsets.get())
          : rd_kafka_incremental_unassign(client_.get(), with_offsets.get()));
  if (error != nullptr) {
    fatal_ = absl::InternalError(
        fmt::format("kafka: rebalance: {}", rd_kafka_error_string(error.get())));
  }
}

bool KafkaSource::Impl::Cooperative() const {
  return std::string_view(rd_kafka_rebalance_protocol(client_.get())) == "COOPERATIVE";
}

// librdkafka cannot seek in a partition whose fetcher has failed; assigned anew, it begins afresh.
void KafkaSource::Impl::FetchAnew(const Partition& partition) {
  const PartitionList list = NewPartitionList(static_cast<int>(assigned_.size()));
  for (const auto& [key, stream] : assigned_) {
    if (Cooperative() && key != Key(partition.topic, partition.number)) continue;
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second)->offset =
        partitions_[stream].next;
  }
  if (!Cooperative()) {
    rd_kafka_assign(client_.get(), list.get());
    return;
  }
  const kafka::ErrorHandle removed(rd_kafka_incremental_unassign(client_.get(), list.get()));
  const kafka::ErrorHandle added(rd_kafka_incremental_assign(client_.get(), list.get()));
  if (added != nullptr) {
    fatal_ = absl::InternalError(fmt::format("kafka: {}", rd_kafka_error_string(added.get())));
  }
}

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
    absl::StatusOr<std::int64_t> first = FirstOffset(partition, options_.from);
    if (!first.ok()) return first.status();
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
