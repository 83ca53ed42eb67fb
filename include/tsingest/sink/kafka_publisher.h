// KafkaPublisher: messages into Kafka, each acknowledged by the broker before it counts.
#ifndef TSINGEST_SINK_KAFKA_PUBLISHER_H_
#define TSINGEST_SINK_KAFKA_PUBLISHER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/sink/publisher.h"

namespace tsingest {

struct KafkaPublisherOptions {
  std::string brokers{};  // "host:port,host:port"
  // librdkafka producer properties, passed through. enable.idempotence (and so acks=all) stays on.
  std::vector<std::pair<std::string, std::string>> properties{};
  // Topics that must exist when Open() returns, or be made by the broker itself when they are asked
  // for (auto.create.topics.enable).
  std::vector<std::string> topics{};
  // How long Open() looks for a broker before it gives up. Afterwards broker outages are waited
  // for.
  Duration open_timeout = std::chrono::seconds(10);
  // One line per event worth knowing; called from librdkafka's threads; may be empty.
  std::function<void(std::string_view)> log{};
};

// An idempotent producer (acks=all, in order). Keys choose partitions as Java's clients do
// (murmur2). Thread-safe: Publish() of several threads is served by one connection.
class KafkaPublisher final : public Publisher {
 public:
  explicit KafkaPublisher(KafkaPublisherOptions options);
  ~KafkaPublisher() override;

  // kInvalidArgument: a property; kUnauthenticated: the broker refuses the credentials;
  // kPermissionDenied: TLS does not come about; kNotFound: one of `topics` does not exist;
  // kUnavailable: no broker answered within open_timeout.
  absl::Status Open() override;
  void Cancel() override;

  // As Publisher says. Records of one call keep their order within a key, but for those that had to
  // be sent again in smaller requests because the broker refused the one they were in.
  // kFailedPrecondition: the producer is beyond repair (a fatal error of librdkafka).
  absl::Status Publish(
      std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
      absl::FunctionRef<void(std::size_t index, std::string_view why)> refused) override;

  // 1 to 249 of letters, digits, '.', '_' and '-', but not "." or "..".
  std::string_view TopicError(std::string_view topic) const override;

  absl::Status Health() const override;
  absl::Status Close() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Dead letters as messages of a topic: the payload is the original bytes, the key the original key,
// and the headers say where it came from and why: tsingest.reason, .code, .source, .stream,
// .position, .line, .topic, .at and .arrival (RFC 3339), .row (DeadLetter::row), .reading (JSON). A
// letter that the topic refuses as too large is cut to the first 64 KiB of its payload, and
// .payload_bytes says how many it had; the whole of it is where .stream and .position say.
class KafkaDeadLetterStore final : public DeadLetterStore {
 public:
  KafkaDeadLetterStore(KafkaPublisherOptions options, std::string topic);
  absl::Status Open() override { return publisher_.Open(); }
  // kUnavailable: no acknowledgement within five seconds; kFailedPrecondition: the topic takes no
  // letter at all.
  absl::Status Store(std::span<const DeadLetter> letters) override;
  absl::Status Close() override { return publisher_.Close(); }

 private:
  absl::Status Send(std::span<const PublishRecord> records, MonotonicTime until,
                    absl::FunctionRef<void(std::size_t, std::string_view)> refused);

  KafkaPublisher publisher_;
  std::string topic_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_KAFKA_PUBLISHER_H_
