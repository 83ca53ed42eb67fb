// Messages and their positions: what sources give and what is acknowledged.
#ifndef TSINGEST_PIPELINE_MESSAGE_H_
#define TSINGEST_PIPELINE_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tsingest/base/clock.h"

namespace tsingest {

// A stream is one ordered sequence of messages that is acknowledged on its own: a file, a Kafka
// partition, an MQTT session. The source numbers its streams densely from 0 and never reuses a
// number; Source::StreamName() tells which is which.
using StreamId = std::uint32_t;

// Where a message stands in its stream. Offsets grow, and may have gaps.
struct Position {
  StreamId stream = 0;
  std::int64_t offset = 0;  // of this message: file byte, Kafka offset, MQTT arrival number
  std::int64_t next = 1;    // where reading goes on when this message is done; > offset
};

struct Header {
  std::string_view key = {};
  std::string_view value = {};
};

// A Kafka header whose value stands for the message's topic, where that says something else than
// the Kafka topic it came through: what PublishSink and KafkaDeadLetterStore write.
inline constexpr std::string_view kTopicHeader = "tsingest.topic";

// One message as the source lends it: every view is valid inside the callback only.
struct Message {
  std::string_view payload = {};
  std::string_view key = {};             // Kafka key; empty elsewhere
  std::string_view topic = {};           // MQTT or Kafka topic, or kTopicHeader; empty for files
  std::span<const Header> headers = {};  // Kafka headers, MQTT 5 user properties
  Timestamp arrival{};                   // wall clock, or the broker's time of the message
  Position position = {};
  std::int64_t line = 0;  // 1-based line of a file; 0: not a file
  bool is_null = false;   // says that something is gone: Kafka tombstone, empty MQTT message
  // Not 0: the message exceeds a limit of the source, `payload` is only its beginning and so many
  // bytes behind it were left out. Such a message becomes a reject (kLimit), never a row.
  std::size_t omitted_bytes = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_MESSAGE_H_
