// What an earlier run of an import has loaded, against the files of this run.
#ifndef TSINGEST_SRC_SOURCE_CSV_IMPORT_REVIEW_H_
#define TSINGEST_SRC_SOURCE_CSV_IMPORT_REVIEW_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "source/csv/import_match.h"
#include "tsingest/pipeline/ledger_view.h"

namespace tsingest::csv {

// "file:" and the path that a regular file really has, symbolic links followed.
std::string StreamName(const std::string& path);

// The same by the path as it was given, without "." and "..": a pipe's name.
std::string StreamNameAsGiven(const std::string& path);

// Binds the import to one table and model, and finds the stored position of every file, see
// MatchImport(). `beginning_of`: the beginning of a file's text, as far as a fingerprint reaches.
// kInvalidArgument: the import belongs to another table or model. Else as MatchImport().
absl::StatusOr<std::vector<StreamRename>> ReviewImport(
    const LedgerView& ledger, std::string_view model, std::span<const ImportFile> files,
    absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)> beginning_of);

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_IMPORT_REVIEW_H_
