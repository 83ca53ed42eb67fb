// One assigned partition and the witness that tells its log from another of the same name.
#ifndef TSINGEST_SRC_SOURCE_KAFKA_PARTITION_H_
#define TSINGEST_SRC_SOURCE_KAFKA_PARTITION_H_

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"

namespace tsingest::kafka {

// A message that was read and stored: found at the same offset after a restart, the log is the same
// one. Written as "offset:timestamp_ms:bytes" beside the position. Equal offset, time and size with
// other content would take a topic filled anew with the same times: then it is the same data.
struct Witness {
  std::int64_t offset = -1;
  std::int64_t timestamp_ms = -1;
  std::int64_t bytes = 0;  // of key and payload

  static Witness Of(const rd_kafka_message_t& message);
  static std::optional<Witness> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const Witness&, const Witness&) = default;
};

struct Partition {
  std::string topic;
  std::int32_t number = 0;
  std::string name;        // "topic/number"
  std::int64_t start = 0;  // where the fetcher begins; may lie before `next` to see the witness
  std::int64_t next = 0;   // next offset to be given to the pipeline
  std::int64_t committed = -1;
  std::int64_t high = -1;
  std::int64_t end = -1;  // --until: nothing at or behind this offset is given; -1: no end
  std::optional<Witness> expected;  // of the stored position, until it was compared
  Witness last;                     // of the last message given out
  bool assigned = true;
  bool done = false;        // --until reached
  bool commit_due = false;  // `committed` is ahead of what Kafka was told
  absl::Status error;       // why it was stopped
  // Set: it could not begin, or was fenced; it is announced anew then, for the reason in `waiting`.
  std::optional<MonotonicTime> retry_at;
  std::string waiting;

  bool Reading() const { return assigned && !done && error.ok() && !retry_at.has_value(); }
};

}  // namespace tsingest::kafka

#endif  // TSINGEST_SRC_SOURCE_KAFKA_PARTITION_H_
