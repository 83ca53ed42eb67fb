// LetterTable: the dead letter table of PostgreSQL sinks, looked at from outside.
#ifndef TSINGEST_SINK_POSTGRES_LETTERS_H_
#define TSINGEST_SINK_POSTGRES_LETTERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/letter_box.h"

namespace tsingest {

struct LetterTableOptions {
  std::string conninfo = {};                   // as PostgresOptions::conninfo
  std::string table = "tsingest.dead_letter";  // [SCHEMA.]NAME
  std::string application_name = "tsingest-dlq";
};

// Letters that were read in the same way.
struct LetterReadings {
  std::string reading = {};  // StoredLetter::reading
  std::string source = {};
  std::int64_t count = 0;
  std::int64_t first_id = 0;
};

// What Import() has stored.
struct ImportedLetters {
  std::int64_t count = 0;  // now; 0 when it had been done before
  LetterIdRanges ids = {};
};

// One session on a table of dead letters (docs/formats/positions.md). Not thread-safe.
class LetterTable final : public LetterBox {
 public:
  // Borrows the clock.
  explicit LetterTable(LetterTableOptions options, Clock& clock = SystemClock());
  ~LetterTable() override;

  // kInvalidArgument: options. kNotFound, kFailedPrecondition, kPermissionDenied: the table is
  // missing, has no `id`, or may not be read. kUnavailable: no connection.
  absl::Status Open();

  absl::StatusOr<std::vector<StoredLetter>> Read(const LetterFilter& filter, std::int64_t after,
                                                 std::size_t limit) override;
  absl::StatusOr<LetterCounts> Count(const LetterFilter& filter, LetterGroup by) override;
  absl::StatusOr<std::int64_t> Purge(const LetterFilter& filter) override;
  // The ways in which letters with ids up to `last_id` were read, by source.
  absl::StatusOr<std::vector<LetterReadings>> Readings(const LetterFilter& filter,
                                                       std::int64_t last_id);
  // The same of the letters of one tool that are of these streams. Needs SELECT on the columns
  // source, stream and reading only.
  absl::StatusOr<std::vector<LetterReadings>> ReadingsOf(const std::string& source,
                                                         const std::vector<std::string>& streams);

  // Before a replay: checks columns and privileges, keeps other replays of the table out for as
  // long as this object lives, and waits for what an earlier one may still be committing.
  // kFailedPrecondition: another replay runs; or --create is needed.
  absl::Status BeginReplay();
  // The largest id there is; 0: the table is empty.
  absl::StatusOr<std::int64_t> LastId();

  // Stores letters from elsewhere, all in one transaction and at most once: under `name`, of which
  // a mark is kept until ForgetImport(). `next` gives the letters, nullptr at the end. The ids are
  // known, too, when it had been done before.
  absl::StatusOr<ImportedLetters> Import(
      const std::string& name, absl::FunctionRef<absl::StatusOr<const StoredLetter*>()> next);
  absl::Status ForgetImport(const std::string& name);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_POSTGRES_LETTERS_H_
