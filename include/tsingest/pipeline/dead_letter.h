// DeadLetterStore: where input goes that can become no row, when the sink does not keep it itself.
#ifndef TSINGEST_PIPELINE_DEAD_LETTER_H_
#define TSINGEST_PIPELINE_DEAD_LETTER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// One dead letter, complete in itself. Views are valid during the call.
struct DeadLetter {
  Timestamp at{};
  std::string_view source = {};  // the tool and its input: "csv-replay", "kafka2ts"
  std::string_view stream = {};  // Source::StreamName()
  std::int64_t position = 0;     // Position::offset
  std::int64_t line = 0;         // 0: not a file
  std::string_view topic = {};
  std::string_view reason = {};
  std::string_view code = {};     // RejectSlug(), or the SQLSTATE
  std::string_view payload = {};  // original bytes
  std::string_view key = {};
  // Of a message with several rows: which of them was refused, from 1; the others may be stored. 0:
  // the whole message.
  std::int64_t row = 0;
  // How the message was read, as WriteLetterReading() tells it (decode/letter_reading_text.h);
  // empty: not known, or the payload is no message but a row.
  std::string_view reading = {};
  // When the message came: a replay's stand-in for a time that the message does not have.
  std::optional<Timestamp> arrival = {};
};

// The time of arrival as letters keep it: none where there was no message, or where a sender's
// clock (Kafka's message time) is beyond what can be written and read back.
inline std::optional<Timestamp> LetterArrival(Timestamp arrival) {
  using std::chrono::sys_days;
  using std::chrono::year;
  constexpr sys_days kFirst = year(1) / 1 / 1;
  constexpr sys_days kEnd = year(10000) / 1 / 1;
  if (arrival == Timestamp{} || arrival < kFirst || arrival >= kEnd) return std::nullopt;
  return arrival;
}

// How the messages of a stream are read at the moment, for the letters made of them. Thread-safe.
using LetterReadingOf = std::function<std::string(StreamId)>;

// Thread-safe. OK from Store() means all of them are durable (fdatasync, broker acknowledgement).
// A retry after a failure may store some twice; it never loses one.
class DeadLetterStore {
 public:
  virtual ~DeadLetterStore() = default;
  virtual absl::Status Open() = 0;
  virtual absl::Status Store(std::span<const DeadLetter> letters) = 0;
  virtual absl::Status Close() = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_DEAD_LETTER_H_
