// The state behind KafkaSource.
#ifndef TSINGEST_SRC_SOURCE_KAFKA_KAFKA_SOURCE_H_
#define TSINGEST_SRC_SOURCE_KAFKA_KAFKA_SOURCE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/kafka_handles.h"
#include "source/kafka/fetch_waker.h"
#include "source/kafka/partition.h"
#include "tsingest/source/kafka.h"

namespace tsingest {

// Everything but Health() and Partitions() runs on the polling thread, the client's callbacks
// included (they are served by polling); librdkafka's own threads only log. Health() and
// Partitions() see what Publish() left for them.
class KafkaSource::Impl {
 public:
  Impl(KafkaOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {}
  ~Impl() { Close().IgnoreError(); }

  absl::Status Open(SourceListener& listener);
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message);
  void SetPaused(bool paused);
  absl::Status Commit(StreamId stream, std::int64_t next);
  absl::StatusOr<std::int64_t> Seek(StreamId stream, const std::optional<StoredPosition>& stored);
  void OnFenced(StreamId stream);
  std::string_view StreamName(StreamId stream) const { return partitions_[stream].name; }
  std::string StreamDetail(StreamId stream) const { return partitions_[stream].last.ToString(); }
  absl::Status Health() const;
  absl::Status Close();
  std::vector<KafkaPartitionState> Partitions() const;

 private:
  using Partition = kafka::Partition;
  using MessageHandle = kafka::MessageHandle;
  using Key = std::pair<std::string, std::int32_t>;

  // What librdkafka's callbacks get as `opaque`. It lives as long as the client, which may outlive
  // the source, see Dispose().
  struct Callbacks {
    absl::Mutex mutex;
    Impl* source ABSL_GUARDED_BY(mutex) = nullptr;  // null: closed
  };
  static Impl* SourceOf(void* opaque);
  static void KeepReachable(rd_kafka_t* client, Callbacks* callbacks);
  void Dispose();

  static void OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t event,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque);
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque);
  static void OnLog(const rd_kafka_t*, int level, const char* facility, const char* text);

  absl::Status Subscribe();
  void Assign(const rd_kafka_topic_partition_list_t& list);
  void Revoke(const rd_kafka_topic_partition_list_t& list, bool lost);
  // Makes a stream of a partition: one assigned again is a new stream.
  StreamId NewStream(std::string topic, std::int32_t number);
  // Has the listener begin these streams. What heals makes them wait; other errors are fatal.
  void Begin(const std::vector<StreamId>& streams);
  void Wait(Partition& partition, std::string_view why);
  void BeginWaiting();
  void DropPending(const std::vector<StreamId>& streams);
  bool Cooperative();
  void FetchAnew(const Partition& partition);
  void GiveToClient(const rd_kafka_topic_partition_list_t& list, bool add);

  // Remembers what there is before the first assignment.
  void NoteTopics();
  // Whether the partition has come since: then none of it may be skipped.
  bool IsNew(const Partition& partition) const;
  // Where reading starts for a partition without stored position.
  absl::StatusOr<std::int64_t> FirstOffset(const Partition& partition, const KafkaPoint& point);
  absl::StatusOr<std::int64_t> OffsetOfTime(const Partition& partition, Timestamp time);
  absl::StatusOr<std::pair<std::int64_t, std::int64_t>> Watermarks(const Partition& partition);
  template <class LookUp>
  auto Retried(LookUp look_up) -> decltype(look_up());
  absl::Status FindEnd(Partition& partition);

  // What Poll() does with one message or event; false: the pipeline can take no more.
  bool Handle(MessageHandle message, absl::FunctionRef<bool(const Message&)> on_message);
  bool Give(const rd_kafka_message_t& message, Partition& partition, StreamId stream,
            absl::FunctionRef<bool(const Message&)> on_message);
  void HandleEvent(const rd_kafka_message_t& message);
  void HandleNoTopic(const rd_kafka_message_t& message);
  void HandleOffsetLost(Partition& partition);
  bool WitnessHolds(Partition& partition, const rd_kafka_message_t& message);
  void Stop(Partition& partition, absl::Status why);
  void MarkDone(Partition& partition);
  bool AllDone() const;
  absl::Status TopicsMissed() const;
  Partition* Find(const rd_kafka_message_t& message, StreamId* stream);
  void CommitToKafka(bool now);
  void KeepFetching(int given);
  void ServePaused(MonotonicTime deadline);
  void PauseClient(bool paused);
  void PausePartition(const Partition& partition);
  void ResumePartition(const Partition& partition);
  void SetTrouble(std::string why) { trouble_ = std::move(why); }
  void ClearTrouble() {
    trouble_.clear();
    brokers_away_ = false;
  }
  void LookForBrokers();
  static std::string Waiting(const Partition& partition);
  // Leaves a copy of the state for other threads; at most every kPublishEvery unless `now`.
  void Publish(bool now) ABSL_LOCKS_EXCLUDED(mutex_);
  void Log(std::string_view line) const {
    if (options_.log) options_.log(line);
  }

  const KafkaOptions options_;
  Clock& clock_;
  SourceListener* listener_ = nullptr;
  kafka::Client client_;
  std::unique_ptr<Callbacks> callbacks_;
  std::unique_ptr<kafka::FetchWaker> fetch_waker_;  // null: the client needs none
  int given_since_nudge_ = 0;
  MonotonicTime next_nudge_{};
  Key nudged_;  // the partition that was nudged last
  bool paused_ = false;
  bool client_paused_ = false;
  MonotonicTime paused_since_{};
  Duration long_pause_{};
  MonotonicTime next_commit_{};
  bool ever_assigned_ = false;
  bool cooperative_ = true;  // the group's protocol as it was last told
  MessageHandle pending_;    // a message that the pipeline could not take yet
  std::vector<Header> headers_;
  std::map<Key, StreamId> assigned_;
  absl::Status fatal_;

  std::deque<Partition> partitions_;  // by StreamId; a partition assigned again is a new stream
  std::map<Key, Duration> retry_waits_;
  std::optional<std::map<std::string, std::int32_t>> known_topics_;  // with their partition counts
  std::map<std::string, MonotonicTime> topics_missed_;  // asked for, not there, and since when
  bool brokers_away_ = false;                           // `trouble_` is about them
  MonotonicTime next_broker_look_{};
  std::string trouble_;  // brokers away, no such topic, …; empty: none
  MonotonicTime next_publish_{};

  mutable absl::Mutex mutex_;
  std::vector<KafkaPartitionState> published_ ABSL_GUARDED_BY(mutex_);
  std::string published_trouble_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest

#endif  // TSINGEST_SRC_SOURCE_KAFKA_KAFKA_SOURCE_H_
