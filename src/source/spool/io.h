// SpoolIo: the few things the spool asks of a disk when it writes, so that tests can say no.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_IO_H_
#define TSINGEST_SRC_SOURCE_SPOOL_IO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/file.h"

namespace tsingest::spool {

// A file that grows. After an error it is of no further use: what it holds behind the last Sync()
// that returned OK is unknown, and a later Sync() would prove nothing.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual absl::Status Append(std::string_view bytes) = 0;
  // OK: the disk has all of it. fdatasync(2).
  virtual absl::Status Sync() = 0;
};

// Thread-safe. Errors as FileError(), naming the file.
class SpoolIo {
 public:
  virtual ~SpoolIo() = default;
  // A new file; one of that name is removed first.
  virtual absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) = 0;
  // Writes `bytes` over the first ones of the file, cuts it behind them, and syncs it.
  virtual absl::Status Rewrite(const std::string& path, std::string_view bytes) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Makes names durable. fsync(2) of the directory.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
};

// The disk itself.
SpoolIo& RealIo();

// The whole file. `limit` guards memory: kFailedPrecondition when the file is larger.
absl::StatusOr<std::string> ReadWhole(const std::string& path,
                                      std::size_t limit = std::size_t{4} << 30);

// Replaces a file by another with this content, so that there is always one or the other. With
// `durable`, also after a power cut.
absl::Status ReplaceFile(SpoolIo& io, const std::string& path, std::string_view content,
                         bool durable);

// "/a/b" of "/a/b/c".
std::string DirectoryOf(const std::string& path);

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_IO_H_
