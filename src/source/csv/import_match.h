// Which stored position belongs to which file of an import.
#ifndef TSINGEST_SRC_SOURCE_CSV_IMPORT_MATCH_H_
#define TSINGEST_SRC_SOURCE_CSV_IMPORT_MATCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "source/csv/stream_detail.h"
#include "tsingest/pipeline/ledger_view.h"

namespace tsingest::csv {

inline constexpr std::string_view kOtherImport = "load it under another import id";

// A file of this run.
struct ImportFile {
  std::string name;             // of its stream: "file:" and its real path
  std::string earlier_name;     // as it was named by versions that knew only the path as given
  std::string path;             // as given
  std::string beginning;        // its text, as far as a fingerprint reaches
  std::int64_t header_end = 0;  // nothing was loaded of a file up to there
};

// A stored position.
struct ImportRow {
  std::string name;
  std::optional<std::int64_t> next;
  StreamDetail detail;
};

// The beginning of the file that a row is named after, as it is now. nullopt: there is none, or it
// is `file` itself.
using LookAtRow =
    absl::FunctionRef<std::optional<std::string>(const ImportRow& row, const ImportFile& file)>;

// A file is known by its name and its beginning. What has another name but the beginning of a row
// was moved, if the row's own file is gone or has another beginning by now: the row is renamed.
// Returns the renames; rows that are in their way are renamed too, and stay recognisable.
// kFailedPrecondition: a file may be a copy of one that was loaded, or the one of several rows.
absl::StatusOr<std::vector<StreamRename>> MatchImport(std::span<const ImportFile> files,
                                                      std::span<const ImportRow> rows,
                                                      LookAtRow look);

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_IMPORT_MATCH_H_
