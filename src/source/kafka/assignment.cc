// Which partitions are read, and from where.
#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "source/kafka/kafka_source.h"

namespace tsingest {
namespace {

using kafka::NewPartitionList;
using kafka::PartitionList;

constexpr Duration kShortestRetry = std::chrono::seconds(2);
constexpr Duration kLongestRetry = std::chrono::minutes(1);

}  // namespace

void KafkaSource::Impl::OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t event,
                                    rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  Impl* const source = SourceOf(opaque);
  if (source == nullptr) return;
  Impl& self = *source;
  self.ever_assigned_ = true;
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
    streams.push_back(NewStream(list.elems[i].topic, list.elems[i].partition));
    retry_waits_.erase({list.elems[i].topic, list.elems[i].partition});
  }
  if (!streams.empty()) NoteTopics();
  for (const StreamId stream : streams) topics_missed_.erase(partitions_[stream].topic);
  Begin(streams);
  GiveToClient(list, /*add=*/true);
  for (const StreamId stream : streams) {
    const Partition& partition = partitions_[stream];
    // The client remembers that it was paused, past a loss of the partition too.
    partition.Reading() ? ResumePartition(partition) : PausePartition(partition);
    if (partition.retry_at.has_value()) continue;
    Log(partition.done ? fmt::format("partition {}: nothing to read, --until is offset {}",
                                     partition.name, partition.end)
                       : fmt::format("partition {}: assigned, reading from offset {}",
                                     partition.name, partition.next));
  }
  if (client_paused_) PauseClient(true);
}

StreamId KafkaSource::Impl::NewStream(std::string topic, std::int32_t number) {
  const auto stream = static_cast<StreamId>(partitions_.size());
  Partition& partition = partitions_.emplace_back();
  partition.name = fmt::format("{}/{}", topic, number);
  partition.topic = std::move(topic);
  partition.number = number;
  assigned_[{partition.topic, partition.number}] = stream;
  return stream;
}

void KafkaSource::Impl::Begin(const std::vector<StreamId>& streams) {
  if (listener_ == nullptr || streams.empty()) return;
  absl::Status status = listener_->OnAssigned(streams);
  if (status.ok()) return;
  // Brokers away in the middle of it, or another instance that claimed it in the same moment: both
  // are over soon. Nothing has been read, so beginning again is safe.
  if (!absl::IsUnavailable(status) && !absl::IsAborted(status)) {
    fatal_ = std::move(status);
    return;
  }
  for (const StreamId stream : streams) Wait(partitions_[stream], std::string(status.message()));
}

void KafkaSource::Impl::Wait(Partition& partition, std::string_view why) {
  Duration& wait = retry_waits_[{partition.topic, partition.number}];
  wait = wait == Duration::zero() ? kShortestRetry : std::min(wait * 2, kLongestRetry);
  partition.retry_at = clock_.Now() + wait;
  partition.waiting = why;
  Log(fmt::format("partition {}: {}; is claimed again in {} s if it is still ours", partition.name,
                  why, std::chrono::duration_cast<std::chrono::seconds>(wait).count()));
}

// The sink says that another instance has claimed the partition. When the group thinks so too it
// tells us within the session timeout; when it does not, because the claims came in another order
// than the assignments, nobody would read the partition any more.
void KafkaSource::Impl::OnFenced(StreamId stream) {
  if (stream >= partitions_.size() || !partitions_[stream].Reading()) return;
  PausePartition(partitions_[stream]);
  Wait(partitions_[stream], "another instance has claimed it, what was read of it is given up");
}

void KafkaSource::Impl::BeginWaiting() {
  if (assigned_.empty()) return;
  std::vector<StreamId> due;
  for (const auto& [key, stream] : assigned_) {
    const Partition& partition = partitions_[stream];
    if (partition.retry_at.has_value() && clock_.Now() >= *partition.retry_at) {
      due.push_back(stream);
    }
  }
  for (const StreamId old : due) {
    DropPending({old});
    const StreamId stream = NewStream(partitions_[old].topic, partitions_[old].number);
    partitions_[old].assigned = false;
    Begin({stream});
    const Partition& partition = partitions_[stream];
    if (!partition.Reading() || !fatal_.ok()) continue;
    ResumePartition(partition);
    FetchAnew(partition);
    Log(fmt::format("partition {}: begun, reading from offset {}", partition.name, partition.next));
  }
}

void KafkaSource::Impl::DropPending(const std::vector<StreamId>& streams) {
  StreamId stream = 0;
  if (pending_ == nullptr || Find(*pending_, &stream) == nullptr) return;
  if (std::ranges::find(streams, stream) != streams.end()) pending_.reset();
}

void KafkaSource::Impl::Revoke(const rd_kafka_topic_partition_list_t& list, bool lost) {
  std::vector<StreamId> streams;
  for (int i = 0; i < list.cnt; ++i) {
    const auto found = assigned_.find({list.elems[i].topic, list.elems[i].partition});
    if (found != assigned_.end()) streams.push_back(found->second);
  }
  DropPending(streams);
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
    entry.offset = partition.Reading() ? partition.start : RD_KAFKA_OFFSET_END;
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

// While the group is being left, it has no protocol, or librdkafka does not answer: it is as it
// was.
bool KafkaSource::Impl::Cooperative() {
  const char* const protocol = rd_kafka_rebalance_protocol(client_.get());
  const std::string_view name = protocol == nullptr ? "NONE" : protocol;
  if (name != "NONE") cooperative_ = name == "COOPERATIVE";
  return cooperative_;
}

// librdkafka cannot seek in a partition whose fetcher has failed; assigned anew, it begins afresh.
void KafkaSource::Impl::FetchAnew(const Partition& partition) {
  const PartitionList list = NewPartitionList(static_cast<int>(assigned_.size()));
  for (const auto& [key, stream] : assigned_) {
    const bool is_it = key == Key(partition.topic, partition.number);
    if (Cooperative() && !is_it) continue;
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second)->offset =
        is_it ? partition.start : partitions_[stream].next;
  }
  if (!Cooperative()) {
    rd_kafka_assign(client_.get(), list.get());
    for (const auto& [key, stream] : assigned_) {
      if (!partitions_[stream].Reading()) PausePartition(partitions_[stream]);
    }
    return;
  }
  const kafka::ErrorHandle removed(rd_kafka_incremental_unassign(client_.get(), list.get()));
  const kafka::ErrorHandle added(rd_kafka_incremental_assign(client_.get(), list.get()));
  if (added != nullptr) {
    fatal_ = absl::InternalError(fmt::format("kafka: {}", rd_kafka_error_string(added.get())));
  }
}

}  // namespace tsingest
