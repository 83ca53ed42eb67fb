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
#include "tsingest/pipeline/message.h"

namespace tsingest {

struct KafkaPublisherOptions {
  std::string brokers{};  // "host:port,host:port"
  // librdkafka producer properties, passed through. enable.idempotence stays on.
  std::vector<std::pair<std::string, std::string>> properties{};
  // How long Open() looks for a broker before it gives up. Afterwards broker outages are waited
  // for.
  Duration open_timeout = std::chrono::seconds(10);
  // One line per event worth knowing; called from librdkafka's threads; may be empty.
  std::function<void(std::string_view)> log{};
};

// One message to publish. Views must live until Publish() returns.
struct KafkaRecord {
  std::string_view topic;
  std::string_view key;  // empty: none, the partition is chosen at random
  std::string_view payload;
  std::span<const Header> headers;
};

// An idempotent producer (acks=all, in order). Thread-safe: Publish() of several threads is served
// by one connection.
class KafkaPublisher {
 public:
  explicit KafkaPublisher(KafkaPublisherOptions options);
  ~KafkaPublisher();

  // kInvalidArgument: a property; kUnavailable: no broker answered within open_timeout.
  absl::Status Open();

  // Sends all and waits until each is acknowledged; while brokers are away it waits on, until
  // `cancelled` returns true (then kCancelled: some may have arrived). A record that no retry can
  // help (too large, topic refused as invalid) is given to `refused` with the broker's words; the
  // others are delivered all the same. Missing topics and missing rights are waited for, since they
  // can be mended: Health() says so.
  absl::Status Publish(std::span<const KafkaRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t index, std::string_view why)> refused);

  // OK, or why nothing is delivered at the moment. Thread-safe.
  absl::Status Health() const;

  absl::Status Close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Dead letters as messages of a topic: the payload is the original bytes, the key the original key,
// and the headers say where it came from and why: tsingest.reason, .code, .source, .stream,
// .position, .line, .topic, .at (RFC 3339), .row (DeadLetter::row).
class KafkaDeadLetterStore final : public DeadLetterStore {
 public:
  KafkaDeadLetterStore(KafkaPublisherOptions options, std::string topic);
  absl::Status Open() override { return publisher_.Open(); }
  absl::Status Store(std::span<const DeadLetter> letters) override;
  absl::Status Close() override { return publisher_.Close(); }

 private:
  KafkaPublisher publisher_;
  std::string topic_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_KAFKA_PUBLISHER_H_
