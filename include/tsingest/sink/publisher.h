// Publisher: messages into a broker, each acknowledged before it counts.
#ifndef TSINGEST_SINK_PUBLISHER_H_
#define TSINGEST_SINK_PUBLISHER_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// One message to publish. Views must live until Publish() returns.
struct PublishRecord {
  std::string_view topic = {};
  std::string_view key = {};  // Kafka: chooses the partition; empty: at random. MQTT: not sent
  std::string_view payload = {};
  std::span<const Header> headers = {};  // Kafka. MQTT: not sent
};

// Thread-safe after Open().
class Publisher {
 public:
  virtual ~Publisher() = default;

  // Connects. kInvalidArgument: an option; kUnavailable: no broker answers; kUnauthenticated,
  // kPermissionDenied, kNotFound: what waiting does not mend.
  virtual absl::Status Open() = 0;
  // Ends an Open() that is under way, or comes: kCancelled. Open or not, Publish() is left alone.
  // Thread-safe at any time.
  virtual void Cancel() {}

  // Sends all and waits until each is acknowledged; while brokers are away it waits on, until
  // `cancelled` returns true (then kCancelled: some may have arrived). A record that no retry can
  // help is given to `refused` with the broker's words; the others are delivered all the same. What
  // can be mended (a missing topic, missing rights) is waited for, and Health() says so. A record
  // may arrive twice when a connection was lost, never not at all. Other errors are final.
  virtual absl::Status Publish(
      std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
      absl::FunctionRef<void(std::size_t index, std::string_view why)> refused) = 0;

  // Why no message can go to a topic of this name ("has a space, which Kafka …"), or "".
  virtual std::string_view TopicError(std::string_view topic) const = 0;

  // OK, or why nothing is delivered at the moment.
  virtual absl::Status Health() const = 0;

  virtual absl::Status Close() = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_PUBLISHER_H_
