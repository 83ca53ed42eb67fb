#include "tools/dlq/letter_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <unordered_set>
#include <utility>

#include "fmt/format.h"
#include "tsingest/base/file.h"
#include "tsingest/model/reject.h"

namespace tsingest {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024 * 1024;
constexpr char kTaken[] = ".taken";

std::string NameOf(const std::string& path) { return "dead letter file " + path; }

// Opened and locked: nobody adds a letter meanwhile.
absl::StatusOr<FileDescriptor> OpenLocked(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.is_open()) return FileError("cannot open", NameOf(path), errno);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return FileError("cannot lock", NameOf(path), errno);
  }
  return fd;
}

absl::Status SyncDirectoryOf(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return absl::OkStatus();  // may be written to, but not read
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return FileError("cannot sync", directory, errno);
  return absl::OkStatus();
}

// FNV-1a (Fowler, Noll, Vo), 64 bits, of the whole content, with its size.
absl::StatusOr<std::string> ContentName(const std::string& path, const FileDescriptor& fd) {
  std::uint64_t hash = 0xcbf29ce484222325;
  std::uint64_t size = 0;
  std::string block(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = ::pread(fd.get(), block.data(), block.size(), static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", NameOf(path), errno);
    if (got == 0) break;
    for (const char c : std::string_view(block).substr(0, static_cast<std::size_t>(got))) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    size += static_cast<std::uint64_t>(got);
  }
  return fmt::format("file:{}#{:016x}:{}", std::filesystem::absolute(path).string(), hash, size);
}

}  // namespace

bool Matches(const LetterFilter& filter, const StoredLetter& letter) {
  const auto equals = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  return (filter.ids.empty() || std::ranges::find(filter.ids, letter.id) != filter.ids.end()) &&
         equals(filter.source, letter.source) && equals(filter.stream, letter.stream) &&
         equals(filter.code, letter.code) &&
         letter.reason.find(filter.reason) != std::string::npos &&
         (!filter.since || letter.at >= *filter.since) &&
         (!filter.until || letter.at < *filter.until);
}

absl::Status LetterFile::Open() { return Rewind(); }

absl::Status LetterFile::Rewind() {
  file_.close();
  file_.clear();
  file_.open(path_, std::ios::binary);
  line_ = 0;
  if (file_.is_open()) return absl::OkStatus();
  return FileError("cannot open", NameOf(path_), errno);
}

// False: nothing more, or a line whose end is not there yet.
absl::StatusOr<bool> LetterFile::NextLine(std::string* line) {
  if (!std::getline(file_, *line) || file_.eof()) return false;
  ++line_;
  return true;
}

absl::StatusOr<bool> LetterFile::NextLetter(StoredLetter* letter) {
  std::string line;
  absl::StatusOr<bool> more = NextLine(&line);
  if (!more.ok() || !*more) return more;
  absl::StatusOr<StoredLetter> read = reader_.Read(line);
  if (!read.ok()) {
    return absl::InvalidArgumentError(fmt::format("{}, line {} is no dead letter: {}",
                                                  NameOf(path_), line_,
                                                  std::string(read.status().message())));
  }
  *letter = *std::move(read);
  letter->id = line_;
  return true;
}

absl::StatusOr<std::vector<StoredLetter>> LetterFile::Read(const LetterFilter& filter,
                                                           std::int64_t after, std::size_t limit) {
  if (after < line_ || !file_.is_open()) {
    if (absl::Status status = Rewind(); !status.ok()) return status;
  }
  std::vector<StoredLetter> letters;
  std::size_t bytes = 0;
  for (StoredLetter letter; letters.size() < limit && bytes < kReadBytes;) {
    absl::StatusOr<bool> more = NextLetter(&letter);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (letter.id <= after || !Matches(filter, letter)) continue;
    bytes += letter.payload.size();
    letters.push_back(std::move(letter));
    letter = {};
  }
  return letters;
}

absl::StatusOr<LetterCounts> LetterFile::Count(const LetterFilter& filter, LetterGroup by) {
  if (absl::Status status = Rewind(); !status.ok()) return status;
  std::map<std::string, std::int64_t> counts;
  for (StoredLetter letter;; letter = {}) {
    absl::StatusOr<bool> more = NextLetter(&letter);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (!Matches(filter, letter)) continue;
    ++counts[by == LetterGroup::kReason ? letter.reason
             : by == LetterGroup::kCode ? letter.code
                                        : letter.source];
  }
  LetterCounts sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted,
                           [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

absl::StatusOr<std::int64_t> LetterFile::Purge(const LetterFilter& filter) {
  absl::StatusOr<FileDescriptor> lock = OpenLocked(path_);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = Rewind(); !status.ok()) return status;
  const std::string rest = path_ + ".rest";
  const FileDescriptor out(::open(rest.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!out.is_open()) return FileError("cannot make", rest, errno);
  std::int64_t removed = 0;
  std::string line;
  for (;;) {
    absl::StatusOr<bool> more = NextLine(&line);
    if (!more.ok()) return more.status();
    if (!*more) break;
    absl::StatusOr<StoredLetter> letter = reader_.Read(line);
    if (letter.ok()) letter->id = line_;
    if (letter.ok() && Matches(filter, *letter)) {
      ++removed;
      continue;
    }
    std::size_t done = 0;
    if (absl::Status s = WriteFully(out.get(), line + "\n", &done, rest); !s.ok()) return s;
  }
  if (::fsync(out.get()) != 0) return FileError("cannot sync", rest, errno);
  if (::rename(rest.c_str(), path_.c_str()) != 0) {
    return FileError("cannot replace", NameOf(path_), errno);
  }
  if (absl::Status status = SyncDirectoryOf(path_); !status.ok()) return status;
  if (absl::Status status = Rewind(); !status.ok()) return status;
  return removed;
}

namespace {

// `taken` exists. Stores and removes it.
absl::Status StoreTaken(const std::string& taken, const LetterFileTaker& taker) {
  absl::StatusOr<FileDescriptor> lock = OpenLocked(taken);
  if (!lock.ok()) return lock.status();
  const absl::StatusOr<std::string> name = ContentName(taken, *lock);
  if (!name.ok()) return name.status();
  LetterFile file(taken);
  if (absl::Status status = file.Open(); !status.ok()) return status;
  std::vector<StoredLetter> page;
  std::size_t at = 0;
  std::int64_t after = 0;
  const auto next = [&]() -> absl::StatusOr<const StoredLetter*> {
    constexpr std::size_t kPage = 500;
    if (at == page.size()) {
      auto read = file.Read({}, after, kPage);
      if (!read.ok()) return read.status();
      page = *std::move(read);
      at = 0;
      if (page.empty()) return nullptr;
      after = page.back().id;
    }
    return &page[at++];
  };
  if (absl::Status status = taker.store(*name, next); !status.ok()) return status;
  if (::unlink(taken.c_str()) != 0) return FileError("cannot remove", NameOf(taken), errno);
  if (absl::Status status = SyncDirectoryOf(taken); !status.ok()) return status;
  return taker.forget(*name);
}

}  // namespace

absl::Status TakeLetterFile(const std::string& path, const LetterFileTaker& taker) {
  const std::string taken = path + kTaken;
  const bool left_over = std::filesystem::exists(taken);
  if (left_over) {  // by a run that was killed
    if (absl::Status status = StoreTaken(taken, taker); !status.ok()) return status;
  }
  if (::rename(path.c_str(), taken.c_str()) != 0) {
    if (errno == ENOENT && left_over) return absl::OkStatus();
    return FileError("cannot take", NameOf(path), errno);
  }
  if (absl::Status status = SyncDirectoryOf(path); !status.ok()) return status;
  return StoreTaken(taken, taker);
}

std::vector<std::string> LetterFilesOf(const std::string& path) {
  std::vector<std::string> files;
  for (const std::string& file : {path + kTaken, path}) {
    if (std::filesystem::exists(file)) files.push_back(file);
  }
  return files;
}

}  // namespace tsingest
