// What a ledger holds before a run takes anything over, for a source that knows its streams by more
// than their names.
#ifndef TSINGEST_PIPELINE_LEDGER_VIEW_H_
#define TSINGEST_PIPELINE_LEDGER_VIEW_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tsingest {

struct LedgerStream {
  std::string name = {};                  // Source::StreamName() of whoever stored it
  std::optional<std::int64_t> next = {};  // nullopt: claimed, nothing written yet
  std::string detail = {};                // Source::StreamDetail()
};

struct LedgerView {
  std::string ledger = {};
  std::string table = {};  // schema.name of the target, whether it is there yet or not
  std::vector<LedgerStream> streams = {};
};

// A stream of the ledger that is to have another name from now on.
struct StreamRename {
  std::string from = {};
  std::string to = {};
};

// Looks at a ledger. An error means that it is not this run's: nothing is created or changed then.
using LedgerReview =
    std::function<absl::StatusOr<std::vector<StreamRename>>(const LedgerView& view)>;

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_LEDGER_VIEW_H_
