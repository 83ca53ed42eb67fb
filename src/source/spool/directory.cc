#include "source/spool/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "fmt/format.h"

namespace tsingest::spool {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kLockMode = 0640;

std::string PathIn(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

// Messages of the formats begin with a verb: the file's name goes in front.
absl::Status About(const std::string& path, const absl::Status& status) {
  return {status.code(), fmt::format("{} {}", path, std::string(status.message()))};
}

absl::StatusOr<SpoolId> ReadIdentity(const std::string& directory) {
  const std::string path = PathIn(directory, kIdentityFile);
  const absl::StatusOr<std::string> bytes = ReadWhole(path);
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError(
        fmt::format("{} is no spool: it has no file \"{}\"", directory, kIdentityFile));
  }
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<SpoolId> id = ParseIdentity(*bytes);
  if (absl::IsDataLoss(id.status())) return DamageError(path, std::string(id.status().message()));
  return id.ok() ? id : About(path, id.status());
}

absl::StatusOr<std::vector<std::string>> FileNames(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator it(directory, error);
  while (!error && it != std::filesystem::directory_iterator()) {
    names.push_back(it->path().filename().string());
    it.increment(error);
  }
  if (error) return FileError("cannot list", directory, error.value());
  std::ranges::sort(names);
  return names;
}

struct flock WholeFile() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

absl::Status MakeDirectory(const std::string& directory) {
  if (::mkdir(directory.c_str(), kDirectoryMode) == 0 || errno == EEXIST) return absl::OkStatus();
  return FileError("cannot make the spool directory", directory, errno);
}

// A directory without identity may hold what a first start leaves when it is killed, no more.
absl::Status CheckEmpty(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = FileNames(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (name == kLockFile || name.ends_with(".new")) continue;
    return absl::FailedPreconditionError(fmt::format(
        "{} is not empty (it has {}) and no spool (no file \"{}\"): name an empty or a new "
        "directory, or restore that file",
        directory, name, kIdentityFile));
  }
  return absl::OkStatus();
}

absl::StatusOr<SpoolId> ReadOrMakeIdentity(SpoolIo& io, const std::string& directory) {
  absl::StatusOr<SpoolId> id = ReadIdentity(directory);
  if (!absl::IsNotFound(id.status())) return id;
  if (absl::Status status = CheckEmpty(directory); !status.ok()) return status;
  id = WriteNewIdentity(io, directory);
  if (!id.ok()) return id;
  std::filesystem::path own = std::filesystem::absolute(directory);
  if (!own.has_filename()) own = own.parent_path();  // "spool/"
  // Who may not read the parent cannot sync it either.
  const absl::Status synced = io.SyncDirectory(own.parent_path().string());
  if (!synced.ok() && !absl::IsPermissionDenied(synced)) return synced;
  return id;
}

// Opens what ListSpool() has found.
class Recovery {
 public:
  Recovery(SpoolIo& io, const std::string& directory, Listing listing)
      : io_(io), directory_(directory), listing_(std::move(listing)) {}

  absl::StatusOr<OpenedSpool> Run() {
    opened_.id = listing_.id;
    opened_.segments = std::move(listing_.segments);
    if (listing_.progress.has_value()) opened_.committed = listing_.progress->committed;
    bool done = false;
    while (!done && !opened_.segments.empty()) {
      if (absl::Status status = RecoverLast(&done); !status.ok()) return status;
    }
    if (!opened_.segments.empty()) {
      opened_.end = opened_.segments.back().end;
      return std::move(opened_);
    }
    if (absl::Status status = BeginWithoutSegments(); !status.ok()) return status;
    return std::move(opened_);
  }

 private:
  std::int64_t KnownEnd() const {
    return listing_.progress.has_value() ? listing_.progress->end : kFirstSequence;
  }

  absl::Status RecoverLast(bool* done) {
    Segment& last = opened_.segments.back();
    const absl::StatusOr<std::string> content = ReadWhole(last.path);
    if (!content.ok()) return content.status();
    const SegmentScan scan =
        ScanSegment(*content, {.first = last.first, .durable_end = KnownEnd()});
    if (absl::IsFailedPrecondition(scan.header)) return About(last.path, scan.header);
    if (scan.header.ok() && scan.id != opened_.id) return ForeignError(last.path);
    const bool proves_nothing = scan.damage.empty() && scan.proven_end == last.first;
    if (proves_nothing && (!scan.header.ok() || scan.end == last.first)) {
      return RemoveUnfinished(content->size());
    }
    if (!scan.ok()) return DamageError(last.path, scan);
    *done = true;
    if (scan.torn_bytes > 0) Count(scan.torn_bytes);
    last.end = scan.end;
    last.bytes = scan.valid_bytes;
    return io_.Rewrite(last.path, std::string_view(*content).substr(0, scan.valid_bytes));
  }

  absl::Status ForeignError(const std::string& path) const {
    return absl::FailedPreconditionError(fmt::format(
        "{} belongs to another spool than {}: move it to where it came from", path, directory_));
  }

  // A segment whose first write was not finished: nobody was told of anything in it.
  absl::Status RemoveUnfinished(std::size_t size) {
    Count(size);
    opened_.end = opened_.segments.back().first;
    const std::string path = opened_.segments.back().path;
    opened_.segments.pop_back();
    return io_.Remove(path);
  }

  absl::Status BeginWithoutSegments() {
    opened_.end = std::max(opened_.end, KnownEnd());
    if (!listing_.progress.has_value() || opened_.committed >= KnownEnd()) return absl::OkStatus();
    return DamageError(directory_, fmt::format("has lost its segments: {} were not yet written to "
                                               "the database",
                                               ShowRecords(opened_.committed, KnownEnd())));
  }

  void Count(std::size_t bytes) {
    ++opened_.cut_tails;
    opened_.cut_bytes += bytes;
  }

  SpoolIo& io_;
  const std::string directory_;
  Listing listing_;
  OpenedSpool opened_;
};

}  // namespace

std::string ShowRecords(std::int64_t first, std::int64_t next) {
  if (next == first + 1) return fmt::format("record {}", first);
  return fmt::format("records {} to {}", first, next - 1);
}

absl::Status DamageError(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      fmt::format("{} {}. Look at all of it with: tsingest-spool verify; what can be saved is "
                  "saved by: tsingest-spool repair",
                  path, what));
}

absl::Status DamageError(const std::string& path, const SegmentScan& scan) {
  if (scan.damage.empty()) return DamageError(path, std::string(scan.header.message()));
  const Damage& damage = scan.damage.front();
  return DamageError(
      path, fmt::format("is damaged at byte {} ({} bytes): {}, acknowledged to the broker, cannot "
                        "be read",
                        damage.offset, damage.bytes, ShowRecords(damage.first, damage.next)));
}

absl::StatusOr<Listing> ListSpool(const std::string& directory) {
  absl::StatusOr<SpoolId> id = ReadIdentity(directory);
  if (!id.ok()) return id.status();
  const absl::StatusOr<std::vector<std::string>> names = FileNames(directory);
  if (!names.ok()) return names.status();
  Listing out;
  out.id = *id;
  for (const std::string& name : *names) {
    const std::string path = PathIn(directory, name);
    if (name.ends_with(kDamagedSuffix)) out.damaged.push_back(path);
    std::int64_t first = 0;
    if (!ParseSegmentName(name, &first)) continue;
    if (!out.segments.empty()) out.segments.back().end = first;
    std::error_code gone;
    const std::uintmax_t size = std::filesystem::file_size(path, gone);
    out.segments.push_back({.path = path, .first = first, .end = first, .bytes = gone ? 0 : size});
  }
  if (const absl::StatusOr<std::string> bytes = ReadWhole(PathIn(directory, kProgressFile));
      bytes.ok()) {
    const absl::StatusOr<Progress> progress = ParseProgress(*bytes);
    if (progress.ok() && progress->id == out.id) out.progress = *progress;
  }
  return out;
}

absl::StatusOr<FileDescriptor> LockSpool(const std::string& directory) {
  const std::string path = PathIn(directory, kLockFile);
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kLockMode));
  if (!fd.is_open()) return FileError("cannot open", path, errno);
  struct flock whole = WholeFile();
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return FileError("cannot lock", path, errno);
    const std::string holder = ReadWhole(path).value_or("");
    return absl::FailedPreconditionError(fmt::format(
        "the spool {} is in use by another process{}{}: every instance needs a directory of its "
        "own",
        directory, holder.empty() ? "" : ", pid ", holder));
  }
  const std::string pid = std::to_string(::getpid());
  std::size_t done = 0;
  if (::ftruncate(fd.get(), 0) == 0) WriteFully(fd.get(), pid, &done, path).IgnoreError();
  return fd;
}

bool IsLocked(const std::string& directory) {
  const FileDescriptor fd(::open(PathIn(directory, kLockFile).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return false;
  struct flock whole = WholeFile();
  return ::fcntl(fd.get(), F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

absl::Status WriteIdentity(SpoolIo& io, const std::string& directory, const SpoolId& id) {
  return ReplaceFile(io, PathIn(directory, kIdentityFile), MakeIdentity(id), /*durable=*/true);
}

absl::StatusOr<SpoolId> WriteNewIdentity(SpoolIo& io, const std::string& directory) {
  std::random_device random;
  SpoolId id;
  for (char& c : id) c = static_cast<char>(random());
  if (absl::Status status = WriteIdentity(io, directory, id); !status.ok()) return status;
  return id;
}

absl::StatusOr<OpenedSpool> OpenSpool(SpoolIo& io, const std::string& directory) {
  if (absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  absl::StatusOr<FileDescriptor> lock = LockSpool(directory);
  if (!lock.ok()) return lock.status();
  if (const auto id = ReadOrMakeIdentity(io, directory); !id.ok()) return id.status();
  absl::StatusOr<Listing> listing = ListSpool(directory);
  if (!listing.ok()) return listing.status();
  absl::StatusOr<OpenedSpool> opened = Recovery(io, directory, *std::move(listing)).Run();
  if (opened.ok()) opened->lock = *std::move(lock);
  return opened;
}

}  // namespace tsingest::spool
