#include "source/kafka/kafka_source.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/const_init.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "fmt/format.h"
#include "source/kafka/client_config.h"

namespace tsingest {
namespace {

using kafka::NewPartitionList;
using kafka::PartitionList;
using kafka::Witness;

constexpr int kMessagesPerPoll = 1000;
// Short pauses just leave the prefetch queue alone. Longer ones pause the partitions and poll, so
// that the group does not take the consumer for dead (max.poll.interval.ms).
constexpr Duration kLongPause = std::chrono::seconds(30);

PartitionList ListOf(const kafka::Partition& partition) {
  PartitionList list = NewPartitionList(1);
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
  return list;
}

Duration LongPause(const KafkaOptions& options) {
  Duration pause = kLongPause;
  for (const auto& [name, value] : options.properties) {
    std::int64_t ms = 0;
    if (name != "max.poll.interval.ms" || !absl::SimpleAtoi(value, &ms)) continue;
    pause = std::min<Duration>(kLongPause, std::chrono::milliseconds(ms) / 3);
  }
  return pause;
}

int MillisecondsUntil(MonotonicTime deadline, MonotonicTime now) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

}  // namespace

absl::Status KafkaSource::Impl::Open(SourceListener& listener) {
  if (absl::Status status = options_.Validate(); !status.ok()) return status;
  absl::StatusOr<kafka::Config> config = kafka::MakeConsumerConfig(options_);
  if (!config.ok()) return config.status();
  callbacks_ = std::make_unique<Callbacks>();
  {
    const absl::MutexLock lock(&callbacks_->mutex);
    callbacks_->source = this;
  }
  rd_kafka_conf_set_opaque(config->get(), callbacks_.get());
  rd_kafka_conf_set_rebalance_cb(config->get(), &OnRebalance);
  rd_kafka_conf_set_error_cb(config->get(), &OnError);
  rd_kafka_conf_set_log_cb(config->get(), &OnLog);
  char why[512] = "";
  // rd_kafka_new() takes the configuration over only when it succeeds.
  client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, config->get(), why, sizeof why));
  if (client_ == nullptr) return absl::InvalidArgumentError(fmt::format("kafka: {}", why));
  (void)config->release();
  rd_kafka_poll_set_consumer(client_.get());
  listener_ = &listener;
  long_pause_ = LongPause(options_);
  if (rd_kafka_version() < kafka::kFetchBackoffVersion) {
    fetch_waker_ = std::make_unique<kafka::FetchWaker>(client_.get());
    if (absl::Status status = fetch_waker_->Start(); !status.ok()) return status;
  }
  return Subscribe();
}

absl::Status KafkaSource::Impl::Subscribe() {
  const PartitionList topics = NewPartitionList(static_cast<int>(options_.topics.size()) + 1);
  for (const std::string& topic : options_.topics) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  if (!options_.topic_pattern.empty()) {
    // librdkafka takes a subscription for a regular expression when it starts with ^.
    const std::string& pattern = options_.topic_pattern;
    const std::string anchored = pattern.starts_with('^') ? pattern : "^.*(" + pattern + ")";
    rd_kafka_topic_partition_list_add(topics.get(), anchored.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_.get(), topics.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "kafka: cannot subscribe to {}: {}; --topics takes names, --topic-pattern a POSIX extended "
      "regular expression",
      topics->elems[0].topic, rd_kafka_err2str(error)));
}

absl::StatusOr<PollState> KafkaSource::Impl::Poll(
    MonotonicTime deadline, absl::FunctionRef<bool(const Message&)> on_message) {
  CommitToKafka(/*now=*/false);
  BeginWaiting();
  LookForBrokers();
  if (!fatal_.ok()) return fatal_;
  if (paused_) {
    ServePaused(deadline);
  } else {
    if (client_paused_) PauseClient(false);
    bool takes_more = pending_ == nullptr || Handle(std::move(pending_), on_message);
    int given = 0;
    for (; takes_more && given < kMessagesPerPoll && fatal_.ok(); ++given) {
      const int wait_ms = given == 0 ? MillisecondsUntil(deadline, clock_.Now()) : 0;
      MessageHandle message(rd_kafka_consumer_poll(client_.get(), wait_ms));
      if (message == nullptr) break;
      takes_more = Handle(std::move(message), on_message);
    }
    KeepFetching(given);
  }
  Publish(/*now=*/false);
  if (!fatal_.ok()) return fatal_;
  if (absl::Status status = TopicsMissed(); !status.ok()) return status;
  if (!AllDone()) return PollState::kActive;
  CommitToKafka(/*now=*/true);
  Publish(/*now=*/true);
  const absl::Status health = Health();
  if (!health.ok()) return health;
  return PollState::kEnd;
}

// Wakes the leaders of the partitions one after the other while there is more to be had.
void KafkaSource::Impl::KeepFetching(int given) {
  constexpr int kNudgeEvery = 2 * kMessagesPerPoll;
  constexpr Duration kNudgePause = std::chrono::milliseconds(5);
  given_since_nudge_ += given;
  if (fetch_waker_ == nullptr || given_since_nudge_ < kNudgeEvery || assigned_.empty()) return;
  const MonotonicTime now = clock_.Now();
  if (now < next_nudge_) return;
  auto next = assigned_.upper_bound(nudged_);
  if (next == assigned_.end()) next = assigned_.begin();
  nudged_ = next->first;
  fetch_waker_->Nudge(nudged_.first, nudged_.second);
  next_nudge_ = now + kNudgePause;
  given_since_nudge_ = 0;
}

void KafkaSource::Impl::ServePaused(MonotonicTime deadline) {
  const MonotonicTime now = clock_.Now();
  if (!client_paused_ && now - paused_since_ < long_pause_) {
    if (deadline > now)
      clock_.Sleep(std::min<Duration>(deadline - now, std::chrono::milliseconds(100)));
    return;
  }
  if (!client_paused_) PauseClient(true);
  const MessageHandle event(
      rd_kafka_consumer_poll(client_.get(), MillisecondsUntil(deadline, clock_.Now())));
  if (event == nullptr) return;
  if (event->err != RD_KAFKA_RESP_ERR_NO_ERROR) return HandleEvent(*event);
  // A message that was on its way when the partitions were paused: read it again afterwards.
  const PartitionList back = NewPartitionList(1);
  rd_kafka_topic_partition_list_add(back.get(), rd_kafka_topic_name(event->rkt), event->partition)
      ->offset = event->offset;
  const kafka::ErrorHandle error(rd_kafka_seek_partitions(client_.get(), back.get(), -1));
}

void KafkaSource::Impl::SetPaused(bool paused) {
  if (paused && !paused_) paused_since_ = clock_.Now();
  paused_ = paused;
}

void KafkaSource::Impl::PauseClient(bool paused) {
  const PartitionList list = NewPartitionList(static_cast<int>(assigned_.size()));
  for (const auto& [key, stream] : assigned_) {
    if (!partitions_[stream].Reading()) continue;
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second);
  }
  if (paused) {
    rd_kafka_pause_partitions(client_.get(), list.get());
  } else {
    rd_kafka_resume_partitions(client_.get(), list.get());
  }
  client_paused_ = paused;
}

void KafkaSource::Impl::PausePartition(const Partition& partition) {
  rd_kafka_pause_partitions(client_.get(), ListOf(partition).get());
}

void KafkaSource::Impl::ResumePartition(const Partition& partition) {
  rd_kafka_resume_partitions(client_.get(), ListOf(partition).get());
}

bool KafkaSource::Impl::Handle(MessageHandle message,
                               absl::FunctionRef<bool(const Message&)> on_message) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    HandleEvent(*message);
    return true;
  }
  StreamId stream = 0;
  Partition* partition = Find(*message, &stream);
  if (partition == nullptr || !partition->Reading()) return true;
  ClearTrouble();
  if (message->offset < partition->next) {
    (void)WitnessHolds(*partition, *message);  // stops the partition when it does not
    return true;
  }
  if (partition->end >= 0 && message->offset >= partition->end) {
    MarkDone(*partition);
    return true;
  }
  if (Give(*message, *partition, stream, on_message)) return true;
  pending_ = std::move(message);
  return false;
}

bool KafkaSource::Impl::Give(const rd_kafka_message_t& message, Partition& partition,
                             StreamId stream, absl::FunctionRef<bool(const Message&)> on_message) {
  const auto text = [](const void* data, std::size_t size) {
    return std::string_view(static_cast<const char*>(data), data == nullptr ? 0 : size);
  };
  headers_.clear();
  std::string_view topic = partition.topic;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* key = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &key, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      headers_.push_back({key, text(value, size)});
      if (key == kTopicHeader && size > 0) topic = headers_.back().value;
    }
  }
  const std::int64_t time_ms = rd_kafka_message_timestamp(&message, nullptr);
  const bool taken = on_message(
      {.payload = text(message.payload, message.len),
       .key = text(message.key, message.key_len),
       .topic = topic,
       .headers = headers_,
       .arrival = time_ms < 0 ? clock_.WallNow() : Timestamp(std::chrono::milliseconds(time_ms)),
       .position = {.stream = stream, .offset = message.offset, .next = message.offset + 1},
       .line = 0,
       .is_null = message.payload == nullptr});
  if (!taken) return false;
  partition.next = message.offset + 1;
  partition.last = Witness::Of(message);
  if (partition.end >= 0 && partition.next >= partition.end) MarkDone(partition);
  return true;
}

kafka::Partition* KafkaSource::Impl::Find(const rd_kafka_message_t& message, StreamId* stream) {
  if (message.rkt == nullptr) return nullptr;
  // Messages come in runs of one partition.
  static thread_local Key key;
  key.first.assign(rd_kafka_topic_name(message.rkt));
  key.second = message.partition;
  const auto found = assigned_.find(key);
  if (found == assigned_.end()) return nullptr;
  *stream = found->second;
  return &partitions_[found->second];
}

void KafkaSource::Impl::HandleEvent(const rd_kafka_message_t& message) {
  StreamId stream = 0;
  Partition* partition = Find(message, &stream);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      ClearTrouble();
      if (partition == nullptr) return;
      partition->high = message.offset;
      if (partition->end >= 0 && message.offset >= partition->end) MarkDone(*partition);
      return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      if (partition != nullptr) HandleOffsetLost(*partition);
      return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return HandleNoTopic(message);
    default:
      return SetTrouble(rd_kafka_message_errstr(&message));
  }
}

bool KafkaSource::Impl::WitnessHolds(Partition& partition, const rd_kafka_message_t& message) {
  if (!partition.expected.has_value() || message.offset != partition.expected->offset) return true;
  const bool holds = Witness::Of(message) == *partition.expected;
  const std::string expected = partition.expected->ToString();
  partition.expected.reset();
  if (!holds) {
    Stop(partition,
         absl::FailedPreconditionError(fmt::format(
             "partition {}: the message at offset {} is not the one that was stored "
             "(offset:time:bytes {} then, {} now): the topic was made anew. To begin again, use "
             "another --group or delete its rows from tsingest.positions",
             partition.name, message.offset, expected, Witness::Of(message).ToString())));
  }
  return holds;
}

void KafkaSource::Impl::Stop(Partition& partition, absl::Status why) {
  partition.error = std::move(why);
  PausePartition(partition);
  Log(std::string(partition.error.message()));
  Publish(/*now=*/true);
}

void KafkaSource::Impl::MarkDone(Partition& partition) {
  if (partition.done) return;
  partition.done = true;
  PausePartition(partition);
  Log(fmt::format("partition {}: reached the end of --until at offset {}", partition.name,
                  partition.next));
}

bool KafkaSource::Impl::AllDone() const {
  if (!options_.until.has_value() || assigned_.empty()) return false;
  return std::ranges::none_of(
      assigned_, [&](const auto& entry) { return partitions_[entry.second].Reading(); });
}

absl::Status KafkaSource::Impl::Commit(StreamId stream, std::int64_t next) {
  if (stream >= partitions_.size()) {
    return absl::InvalidArgumentError(fmt::format("kafka: stream {} was never assigned", stream));
  }
  Partition& partition = partitions_[stream];
  if (!partition.assigned || next <= partition.committed) return absl::OkStatus();
  partition.committed = next;
  partition.commit_due = true;
  return absl::OkStatus();
}

void KafkaSource::Impl::CommitToKafka(bool now) {
  const MonotonicTime time = clock_.Now();
  if (client_ == nullptr || (!now && time < next_commit_)) return;
  next_commit_ = time + options_.commit_interval;
  const PartitionList list = NewPartitionList(static_cast<int>(assigned_.size()));
  for (const auto& [key, stream] : assigned_) {
    Partition& partition = partitions_[stream];
    if (!std::exchange(partition.commit_due, false)) continue;
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second)->offset =
        partition.committed;
  }
  // For lag monitors only: a failure costs nothing but their accuracy until the next one.
  if (list->cnt > 0) rd_kafka_commit(client_.get(), list.get(), /*async=*/1);
}

absl::Status KafkaSource::Impl::Close() {
  if (client_ == nullptr) return absl::OkStatus();
  listener_ = nullptr;
  pending_.reset();
  fetch_waker_.reset();
  CommitToKafka(/*now=*/true);
  const rd_kafka_resp_err_t error = rd_kafka_consumer_close(client_.get());
  Dispose();
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("kafka: closing the consumer: {}", rd_kafka_err2str(error)));
}

KafkaSource::Impl* KafkaSource::Impl::SourceOf(void* opaque) {
  auto& callbacks = *static_cast<Callbacks*>(opaque);
  const absl::MutexLock lock(&callbacks.mutex);
  return callbacks.source;
}

// What is left for good is no leak to those who look for leaks in a program that links us.
void KafkaSource::Impl::KeepReachable(rd_kafka_t* client, Callbacks* callbacks) {
  static absl::Mutex mutex(absl::kConstInit);
  static auto& left = *new std::vector<std::pair<rd_kafka_t*, Callbacks*>>;
  const absl::MutexLock lock(&mutex);
  left.emplace_back(client, callbacks);
}

// The group is left and everything is told; what remains is librdkafka's memory and threads. 2.0
// waits for ever for a topic that was deleted and made anew, and aborts the process when it has
// joined a group that never gave it an assignment (librdkafka#4312, until 2.3.0; whether it has
// joined, perhaps only while it was being closed, it does not tell). Neither may happen to ours:
// then it is left.
void KafkaSource::Impl::Dispose() {
  constexpr absl::Duration kPatience = absl::Seconds(5);
  constexpr int kDestroysUnassigned = 0x020300ff;
  {
    const absl::MutexLock lock(&callbacks_->mutex);
    callbacks_->source = nullptr;
  }
  rd_kafka_t* const client = client_.release();
  Callbacks* const callbacks = callbacks_.release();
  if (!ever_assigned_ && rd_kafka_version() < kDestroysUnassigned) {
    return KeepReachable(client, callbacks);
  }
  const auto done = std::make_shared<absl::Notification>();
  try {
    std::thread([client, callbacks, done] {
      rd_kafka_destroy(client);
      delete callbacks;
      done->Notify();
    }).detach();
  } catch (const std::system_error&) {
    return KeepReachable(client, callbacks);  // no more threads: left likewise
  }
  done->WaitForNotificationWithTimeout(kPatience);
}

KafkaSource::KafkaSource(KafkaOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
KafkaSource::~KafkaSource() = default;

absl::Status KafkaSource::Open(SourceListener& listener) { return impl_->Open(listener); }
absl::StatusOr<PollState> KafkaSource::Poll(MonotonicTime deadline,
                                            absl::FunctionRef<bool(const Message&)> on_message) {
  return impl_->Poll(deadline, on_message);
}
void KafkaSource::Pause() { impl_->SetPaused(true); }
void KafkaSource::Resume() { impl_->SetPaused(false); }
absl::Status KafkaSource::Commit(StreamId stream, std::int64_t next) {
  return impl_->Commit(stream, next);
}
absl::StatusOr<std::int64_t> KafkaSource::Seek(StreamId stream,
                                               const std::optional<StoredPosition>& stored) {
  return impl_->Seek(stream, stored);
}
std::string_view KafkaSource::StreamName(StreamId stream) const {
  return impl_->StreamName(stream);
}
std::string KafkaSource::StreamDetail(StreamId stream) const { return impl_->StreamDetail(stream); }
void KafkaSource::OnFenced(StreamId stream) { impl_->OnFenced(stream); }
absl::Status KafkaSource::Health() const { return impl_->Health(); }
absl::Status KafkaSource::Close() { return impl_->Close(); }
std::vector<KafkaPartitionState> KafkaSource::Partitions() const { return impl_->Partitions(); }

}  // namespace tsingest
