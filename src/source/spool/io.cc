#include "source/spool/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "fmt/format.h"

namespace tsingest::spool {
namespace {

constexpr mode_t kFileMode = 0640;

class RealAppendFile final : public AppendFile {
 public:
  RealAppendFile(FileDescriptor fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::Status Append(std::string_view bytes) override {
    std::size_t done = 0;
    return WriteFully(fd_.get(), bytes, &done, path_);
  }
  absl::Status Sync() override {
    if (::fdatasync(fd_.get()) == 0) return absl::OkStatus();
    return FileError("cannot make durable what was written to", path_, errno);
  }

 private:
  FileDescriptor fd_;
  std::string path_;
};

class Disk final : public SpoolIo {
 public:
  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return FileError("cannot replace", path, errno);
    }
    FileDescriptor fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, kFileMode));
    if (!fd.is_open()) return FileError("cannot create", path, errno);
    return std::make_unique<RealAppendFile>(std::move(fd), path);
  }

  absl::Status Rewrite(const std::string& path, std::string_view bytes) override {
    const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.is_open()) return FileError("cannot write to", path, errno);
    std::size_t done = 0;
    if (absl::Status status = WriteFully(fd.get(), bytes, &done, path); !status.ok()) return status;
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes.size())) != 0 || ::fsync(fd.get()) != 0) {
      return FileError("cannot make durable what was written to", path, errno);
    }
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return FileError("cannot put a new file in the place of", to, errno);
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return FileError("cannot remove", path, errno);
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return FileError("cannot open", path, errno);
    if (::fsync(fd.get()) == 0) return absl::OkStatus();
    return FileError("cannot make the file names durable in", path, errno);
  }
};

}  // namespace

SpoolIo& RealIo() {
  static Disk disk;
  return disk;
}

absl::StatusOr<std::string> ReadWhole(const std::string& path, std::size_t limit) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return FileError("cannot open", path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return FileError("cannot look at", path, errno);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > limit) {
    return absl::FailedPreconditionError(
        fmt::format("{} has {} bytes, more than {}", path, size, limit));
  }
  std::string out(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd.get(), out.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", path, errno);
    if (got == 0) break;  // cut meanwhile
    done += static_cast<std::size_t>(got);
  }
  out.resize(done);
  return out;
}

absl::Status ReplaceFile(SpoolIo& io, const std::string& path, std::string_view content,
                         bool durable) {
  const std::string fresh = path + ".new";
  absl::StatusOr<std::unique_ptr<AppendFile>> file = io.Create(fresh);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Append(content);
  if (status.ok() && durable) status = (*file)->Sync();
  if (status.ok()) status = io.Rename(fresh, path);
  if (status.ok() && durable) status = io.SyncDirectory(DirectoryOf(path));
  if (!status.ok()) io.Remove(fresh).IgnoreError();
  return status;
}

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace tsingest::spool
