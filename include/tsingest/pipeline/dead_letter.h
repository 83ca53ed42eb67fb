// DeadLetterStore: where input goes that can become no row, when the sink does not keep it itself.
#ifndef TSINGEST_PIPELINE_DEAD_LETTER_H_
#define TSINGEST_PIPELINE_DEAD_LETTER_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tsingest/base/clock.h"

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
};

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
