// Looking at a spool's directory, and mending it: what tsingest-spool does.
#ifndef TSINGEST_SOURCE_SPOOL_MAINTENANCE_H_
#define TSINGEST_SOURCE_SPOOL_MAINTENANCE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

struct SpoolSegmentReport {
  std::string path;
  std::uint64_t bytes = 0;
  std::int64_t first = 0;  // records [first, end)
  std::int64_t end = 0;
  std::uint64_t messages = 0;       // whole ones
  std::int64_t gap_records = 0;     // lost earlier, as repair has noted
  std::int64_t lost_records = 0;    // acknowledged to the broker, and not readable
  std::size_t torn_bytes = 0;       // an unfinished write at the end, of which nobody was told
  std::optional<Timestamp> oldest;  // arrival of its first message
  std::vector<std::string> problems;
};

struct SpoolReport {
  std::string directory;
  std::string id;                         // the stream in the database is "spool:" and this
  std::optional<std::int64_t> committed;  // everything before it is committed, at least
  bool in_use = false;                    // by a running process: what is said may be old already
  std::vector<SpoolSegmentReport> segments;
  std::vector<std::string> set_aside;  // damaged files that repair has kept

  bool ok() const {
    for (const SpoolSegmentReport& segment : segments) {
      if (!segment.problems.empty()) return false;
    }
    return true;
  }
};

// Reads every byte and changes nothing; may be used while the spool is in use. kNotFound: no spool;
// kDataLoss: its identity is damaged; kFailedPrecondition: of another version.
absl::StatusOr<SpoolReport> InspectSpool(const std::string& directory);

// Gives the first `limit` messages that can be read, oldest first, committed ones too. Errors as
// InspectSpool().
absl::Status ReadSpoolMessages(const std::string& directory, std::size_t limit,
                               absl::FunctionRef<void(const Message&)> on_message);

struct SpoolRepairOptions {
  // Gives the spool another name, under which the database knows nothing of it: all that is in the
  // directory is written, what was written before a second time. For directories and databases that
  // were restored from a backup.
  bool new_id = false;
};

struct SpoolRepairReport {
  std::size_t rebuilt = 0;             // segments
  std::uint64_t kept_messages = 0;     // in them
  std::int64_t lost_records = 0;       // for each of them a gap is recorded
  std::size_t cut_bytes = 0;           // unfinished writes
  std::vector<std::string> set_aside;  // the damaged files as they were
  std::string id;                      // after the repair
};

// Makes a damaged spool readable: each damaged segment is set aside as FILE.damaged and replaced by
// one with its readable records, and gaps where the others were. Safe to be killed and run again.
// Errors as InspectSpool(), and kFailedPrecondition: in use.
absl::StatusOr<SpoolRepairReport> RepairSpool(const std::string& directory,
                                              const SpoolRepairOptions& options = {});

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_SPOOL_MAINTENANCE_H_
