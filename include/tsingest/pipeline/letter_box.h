// Dead letters that are read again: what one is, and which are meant.
#ifndef TSINGEST_PIPELINE_LETTER_BOX_H_
#define TSINGEST_PIPELINE_LETTER_BOX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"

namespace tsingest {

// A dead letter as it is stored. Owns its texts.
struct StoredLetter {
  std::int64_t id = 0;  // in its table or file; grows with the time of storing in a table
  Timestamp at{};
  std::string source = {};
  std::string stream = {};
  std::optional<std::int64_t> position = {};
  std::int64_t line = 0;  // 0: not a file
  std::string topic = {};
  std::string reason = {};
  std::string code = {};
  std::string payload = {};
  std::string key = {};
  std::int64_t row = 0;  // see DeadLetter::row
  std::int64_t attempts = 1;
  std::optional<std::string> original = {};  // the payload before its first repair
  std::string reading = {};                  // see DeadLetter::reading; empty: not known
  std::optional<Timestamp> arrival = {};     // of the message; older versions have not kept it
};

// Which letters are meant: those that meet every condition that is set.
struct LetterFilter {
  std::vector<std::int64_t> ids = {};
  std::string source = {};  // equal
  std::string stream = {};  // equal
  std::string code = {};    // equal
  std::string reason = {};  // a part of it
  std::optional<Timestamp> since = {};
  std::optional<Timestamp> until = {};  // not included

  bool empty() const {
    return ids.empty() && source.empty() && stream.empty() && code.empty() && reason.empty() &&
           !since.has_value() && !until.has_value();
  }
};

// Ids from `first` to `last`, both included.
struct LetterIdRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const LetterIdRange&) const = default;
};
// In order, and apart from each other.
using LetterIdRanges = std::vector<LetterIdRange>;

// What letters are counted by.
enum class LetterGroup : std::uint8_t { kReason, kCode, kSource };

// How many letters there are of each sort, the most frequent first.
using LetterCounts = std::vector<std::pair<std::string, std::int64_t>>;

// Where dead letters are kept and can be looked at. Not thread-safe.
class LetterBox {
 public:
  virtual ~LetterBox() = default;

  // The letters with an id above `after` that the filter lets through, in the order of their ids:
  // `limit` at most, and not more than about 16 MiB (but at least one). Empty: there are no more.
  virtual absl::StatusOr<std::vector<StoredLetter>> Read(const LetterFilter& filter,
                                                         std::int64_t after, std::size_t limit) = 0;
  virtual absl::StatusOr<LetterCounts> Count(const LetterFilter& filter, LetterGroup by) = 0;
  // Removes them for good; how many they were.
  virtual absl::StatusOr<std::int64_t> Purge(const LetterFilter& filter) = 0;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_LETTER_BOX_H_
