// KafkaSource: Kafka topics as a source whose positions live in the sink.
#ifndef TSINGEST_SOURCE_KAFKA_H_
#define TSINGEST_SOURCE_KAFKA_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

// A place in time of a topic, for `from` and `until`.
struct KafkaPoint {
  enum class Kind : std::uint8_t { kEarliest, kLatest, kTimestamp };
  Kind kind = Kind::kEarliest;
  Timestamp time{};  // kTimestamp: the first message with this broker time or a later one
};

// "earliest", "latest" (also "end"), epoch milliseconds, or a timestamp as parse_time.h reads it.
absl::StatusOr<KafkaPoint> ParseKafkaPoint(std::string_view text);

struct KafkaOptions {
  std::string brokers{};              // "host:port,host:port"
  std::vector<std::string> topics{};  // names …
  std::string topic_pattern{};        // … or a regular expression over all names (POSIX extended)
  std::string group = "tsingest";
  // Where a partition begins that has no stored position. Never used afterwards. With kLatest, a
  // partition or topic that comes while it runs is read from its beginning: nothing is skipped.
  KafkaPoint from{};
  // Reading ends there (a bounded backfill); kLatest: the partition's end when it was assigned.
  std::optional<KafkaPoint> until{};
  // librdkafka properties, passed through ("security.protocol", "SASL_SSL"). Those that delivery
  // depends on (enable.auto.commit, enable.auto.offset.store, auto.offset.reset, group.id,
  // isolation.level other than read_committed) are refused.
  std::vector<std::pair<std::string, std::string>> properties{};
  // Bound of librdkafka's own prefetch queue, bytes.
  std::int64_t prefetch_bytes = 16 * 1024 * 1024;
  // How often the offsets reached are also committed to Kafka, for lag monitors only.
  Duration commit_interval = std::chrono::seconds(1);
  // Broker look-ups (watermarks, offsets by time) give up after this long and are tried again.
  Duration lookup_timeout = std::chrono::seconds(10);
  // One line per event worth knowing (rebalance, broker lost, partition stopped). Called from
  // Poll() and from librdkafka's threads; may be empty.
  std::function<void(std::string_view)> log{};

  // kInvalidArgument names the option and what it takes.
  absl::Status Validate() const;
};

// How far one partition is read. A snapshot for /status and /metrics.
struct KafkaPartitionState {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t position = -1;   // next offset to be given out
  std::int64_t committed = -1;  // everything before it is durable in the sink
  std::int64_t high = -1;       // the partition's end, -1: not known yet
  std::string error;            // why the partition was stopped; empty: it is read
  std::string waiting = {};     // why it is not read at the moment; heals by itself
  std::int64_t Lag() const { return high < 0 || committed < 0 ? -1 : high - committed; }
};

// A consumer group member (cooperative-sticky by default). Streams are partitions, named
// "topic/partition"; positions come from the sink on every assignment and Kafka's own committed
// offsets are written for monitoring only, never read.
//
// A partition whose stored position the log cannot serve any more (expired, truncated, topic made
// anew) is stopped with an error that Health() shows; the others go on.
//
// Threads: as Source says; librdkafka has its own inside. Health() and Partitions() are
// thread-safe.
class KafkaSource final : public Source {
 public:
  // Borrows the clock.
  explicit KafkaSource(KafkaOptions options, Clock& clock = SystemClock());
  ~KafkaSource() override;

  // kInvalidArgument: options, or a librdkafka property it does not take. Does not wait for
  // brokers.
  absl::Status Open(SourceListener& listener) override;
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message) override;
  void Pause() override;
  void Resume() override;
  absl::Status Commit(StreamId stream, std::int64_t next) override;
  absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                    const std::optional<StoredPosition>& stored) override;
  std::string_view StreamName(StreamId stream) const override;
  std::string StreamDetail(StreamId stream) const override;
  void OnFenced(StreamId stream) override;
  absl::Status Health() const override;
  bool Replayable() const override { return true; }
  bool IsGroupConsumer() const override { return true; }
  absl::Status Close() override;

  std::vector<KafkaPartitionState> Partitions() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_KAFKA_H_
