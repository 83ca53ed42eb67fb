// The directory of a spool: who it is, what lies in it, and how it is opened after a crash.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_DIRECTORY_H_
#define TSINGEST_SRC_SOURCE_SPOOL_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/spool/format.h"
#include "source/spool/io.h"
#include "source/spool/scan.h"
#include "tsingest/base/file.h"

namespace tsingest::spool {

// A segment file and the part of it that counts: records [first, end) in its first `bytes`.
struct Segment {
  std::string path;
  std::int64_t first = kFirstSequence;
  std::int64_t end = kFirstSequence;
  std::uint64_t bytes = 0;
};

// A directory as it lies there. `end` of the last segment is not known: it is its `first`.
struct Listing {
  SpoolId id{};
  std::optional<Progress> progress;  // of this spool, if there is a valid one
  std::vector<Segment> segments;     // in order
  std::vector<std::string> damaged;  // files that repair has set aside
};

// Reads names and small files only; takes no lock. kNotFound: no such directory, or no spool in it;
// kFailedPrecondition: of another version; kDataLoss: its identity is damaged.
absl::StatusOr<Listing> ListSpool(const std::string& directory);

// The lock on the directory, held as long as the descriptor is open (an open file description
// lock, fcntl(2): it goes with the process). kFailedPrecondition: another process has it, and
// which.
absl::StatusOr<FileDescriptor> LockSpool(const std::string& directory);

// Whether a process has it at the moment. Does not take it, nor make the file.
bool IsLocked(const std::string& directory);

absl::Status WriteIdentity(SpoolIo& io, const std::string& directory, const SpoolId& id);
// Makes a new identity and writes it.
absl::StatusOr<SpoolId> WriteNewIdentity(SpoolIo& io, const std::string& directory);

// "records 5 to 7", "record 5".
std::string ShowRecords(std::int64_t first, std::int64_t next);
// kDataLoss: what is wrong with the segment, first thing first, and how to mend it.
absl::Status DamageError(const std::string& path, const SegmentScan& scan);
// The same for something that has no scan.
absl::Status DamageError(const std::string& path, const std::string& what);

// A spool that is ours now.
struct OpenedSpool {
  FileDescriptor lock;
  SpoolId id{};
  std::vector<Segment> segments;
  std::int64_t end = kFirstSequence;        // the next record's number
  std::int64_t committed = kFirstSequence;  // as the progress file has it: never too high
  std::uint64_t cut_tails = 0;              // torn writes, cut off: nobody was told of them
  std::uint64_t cut_bytes = 0;
};

// Opens a spool, or makes one in a directory that is empty or not there. Cuts a torn end off; makes
// the last segment durable by writing it anew (see docs/adr/0009-spool.md). kFailedPrecondition: in
// use, of another version, or not a spool; kDataLoss: damaged; else as FileError().
absl::StatusOr<OpenedSpool> OpenSpool(SpoolIo& io, const std::string& directory);

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_DIRECTORY_H_
