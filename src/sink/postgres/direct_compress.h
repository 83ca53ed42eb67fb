// When COPY is to write compressed batches, and in which order it then gets the rows.
#ifndef TSINGEST_SRC_SINK_POSTGRES_DIRECT_COMPRESS_H_
#define TSINGEST_SRC_SINK_POSTGRES_DIRECT_COMPRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sink/postgres/rows.h"
#include "sink/postgres/target.h"

namespace tsingest::postgres {

// Direct compress writes one compressed batch per chunk, segment (combination of the segmentby
// columns) and at most 1000 rows. It pays when these batches are well filled: a COPY of 20,000 rows
// of three devices is five times faster with it, one of 5,000 rows of 8,000 devices four times
// slower. So each batch is looked at. Immutable; made with the target.
//
// The rows are sorted by segment and order, so that the server's own sort finds nothing to do. The
// setting …_client_sorted is left off all the same: with it the server takes our word that rows do
// not overlap with compressed rows that are there already, and gives wrong query results when they
// do; with several writers, late data or a second import they may.
class DirectCompressPlan {
 public:
  DirectCompressPlan() = default;
  DirectCompressPlan(const Target& target, DirectCompress mode);

  // Whether the table allows it; and why, or why not, in one sentence.
  bool usable() const { return usable_; }
  const std::string& why() const { return why_; }
  // True: the server has the setting, which is to be set one way or the other.
  bool setting_known() const { return setting_known_; }

  enum class Verdict : std::uint8_t { kWorthIt, kTooFewRows, kTooManySegments };
  // Looks at the rows. For kWorthIt `*order` takes the order to send them in.
  Verdict Examine(const Rows& rows, std::vector<std::uint32_t>* order) const;
  // The verdict as a sentence with what to do.
  static std::string Explain(Verdict verdict);

 private:
  struct SortKey {
    std::uint32_t segment = 0;
    std::uint64_t order = 0;
    std::uint32_t row = 0;
  };
  std::size_t ReadKeys(const Rows& rows, std::vector<SortKey>* keys) const;
  std::uint64_t OrderOf(const FieldImage& field) const;

  bool usable_ = false;
  bool setting_known_ = false;
  std::string why_;
  std::vector<bool> is_segment_;            // by field
  std::optional<std::size_t> order_field_;  // first orderby column, if it can be compared here
  bool order_descending_ = false;
  std::optional<std::size_t> time_field_;
  std::int64_t chunk_interval_us_ = 0;
  std::size_t last_field_ = 0;  // none behind it is needed
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_DIRECT_COMPRESS_H_
