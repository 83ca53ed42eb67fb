// FileDeadLetterStore: dead letters as JSON lines in a file. CountingDeadLetterStore: none at all.
#ifndef TSINGEST_SINK_FILE_DEAD_LETTER_H_
#define TSINGEST_SINK_FILE_DEAD_LETTER_H_

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tsingest/base/base64.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/file.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/utf8.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/pg_types.h"
#include "tsingest/pipeline/dead_letter.h"

namespace tsingest {

namespace internal {

// A member behind another one.
inline void AppendLetterText(std::string_view name, std::string_view value, bool empty_is_null,
                             ByteBuffer& out) {
  const bool is_text = IsValidUtf8(value) && value.find('\0') == std::string_view::npos;
  out.Append(",\"");
  out.Append(name);
  out.Append(is_text ? "\":" : "_base64\":");
  if (value.empty() && empty_is_null) return out.Append("null");
  if (is_text) return AppendJsonString(value, out);
  out.AppendByte('"');
  AppendBase64(value, out);
  out.AppendByte('"');
}

}  // namespace internal

// Appends the letter as one JSON object with these members, in this order: at, source, stream,
// position, line (null: not a file), topic, reason, code, payload, key, and those that there are of
// row, reading (an object) and arrival.
// Texts that are empty are null (payload: ""); bytes that are no UTF-8, or hold NUL, stand under
// payload_base64 (key_base64 …) instead.
// `has_payload` false: without that member.
inline void AppendDeadLetterJson(const DeadLetter& letter, ByteBuffer& out,
                                 bool has_payload = true) {
  const auto text = [&](std::string_view name, std::string_view value) {
    internal::AppendLetterText(name, value, /*empty_is_null=*/true, out);
  };
  out.Append("{\"at\":");
  PgType<Timestamp>::AppendJson(letter.at, out);
  text("source", letter.source);
  text("stream", letter.stream);
  out.Append(",\"position\":");
  out.Append(std::to_string(letter.position));
  out.Append(",\"line\":");
  out.Append(letter.line > 0 ? std::to_string(letter.line) : "null");
  text("topic", letter.topic);
  text("reason", letter.reason);
  text("code", letter.code);
  if (has_payload) {
    internal::AppendLetterText("payload", letter.payload, /*empty_is_null=*/false, out);
  }
  text("key", letter.key);
  if (letter.row > 0) out.Append(",\"row\":" + std::to_string(letter.row));
  if (!letter.reading.empty()) {
    out.Append(",\"reading\":");
    out.Append(letter.reading);
  }
  if (letter.arrival.has_value()) {
    out.Append(",\"arrival\":");
    PgType<Timestamp>::AppendJson(*letter.arrival, out);
  }
  out.AppendByte('}');
}

// Appends to a file of JSON lines; OK from Store() means fdatasync() has returned. Several
// processes may share a file: each locks it (flock) while it writes. A file that was renamed or
// removed (log rotation) is opened anew. A last line that a crash has left unfinished, and that
// nobody was told of as stored, is cut off. A file whose last line is no dead letter is refused and
// left as it is. Without letters no file is made.
class FileDeadLetterStore final : public DeadLetterStore {
 public:
  explicit FileDeadLetterStore(std::string path) : path_(std::move(path)) {}

  // Opens the file and mends its end; where there is none, only sees that it can be made (mode
  // 0640). kNotFound: no such directory; kPermissionDenied; kFailedPrecondition: not a file of dead
  // letters.
  absl::Status Open() override {
    MutexLock lock(&mutex_);
    struct stat info {};
    const bool was_there = ::lstat(path_.c_str(), &info) == 0;
    if (absl::Status status = Reopen(); !status.ok()) return status;
    const FileLock file_lock(fd_.get());
    if (absl::Status status = MendEnd(); !status.ok() || was_there) return status;
    return RemoveIfEmpty();
  }

  // kUnavailable: disk full and the like; nothing of the letters remains in the file.
  absl::Status Store(std::span<const DeadLetter> letters) override {
    MutexLock lock(&mutex_);
    if (!opened_) return absl::FailedPreconditionError(Name() + " was not opened");
    if (letters.empty()) return absl::OkStatus();
    text_.Clear();
    for (const DeadLetter& letter : letters) {
      AppendDeadLetterJson(letter, text_);
      text_.AppendByte('\n');
    }
    for (;;) {
      if (!IsStillThere()) {
        if (absl::Status status = Reopen(); !status.ok()) return status;
      }
      const FileLock file_lock(fd_.get());
      // Whoever had the lock may have taken the file away (LetterFile): what is written into it now
      // would be lost.
      if (!IsStillThere()) continue;
      if (absl::Status status = MendEnd(); !status.ok()) return status;
      return Append();
    }
  }

  absl::Status Close() override {
    MutexLock lock(&mutex_);
    opened_ = false;
    fd_.Reset();
    return absl::OkStatus();
  }

  const std::string& path() const { return path_; }

 private:
  // What every line of ours begins with, and what follows the time behind it.
  static constexpr std::string_view kLineBegin = "{\"at\":\"";
  static constexpr std::string_view kBehindTime = "\",\"source";
  static constexpr std::size_t kLongestBegin = 64;

  class FileLock {
   public:
    explicit FileLock(int fd) : fd_(fd) {
      while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
      }
    }
    ~FileLock() { ::flock(fd_, LOCK_UN); }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

   private:
    const int fd_;
  };

  std::string Name() const { return "dead letter file " + path_; }

  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    fd_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!fd_.is_open()) return FileError("cannot open", Name(), errno);
    opened_ = true;
    return SyncDirectory();
  }

  // Makes the file's name durable, too.
  absl::Status SyncDirectory() const {
    std::string directory = std::filesystem::path(path_).parent_path().string();
    if (directory.empty()) directory = ".";
    const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return absl::OkStatus();  // may be written to, but not read
    if (::fsync(fd.get()) != 0 && errno != EINVAL)
      return FileError("cannot sync", directory, errno);
    return absl::OkStatus();
  }

  bool IsStillThere() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct stat open_file {};
    struct stat at_path {};
    return fd_.is_open() && ::fstat(fd_.get(), &open_file) == 0 &&
           ::stat(path_.c_str(), &at_path) == 0 && open_file.st_ino == at_path.st_ino &&
           open_file.st_dev == at_path.st_dev;
  }

  // What another process has written meanwhile stays; one that still holds the empty file finds
  // that it is gone (IsStillThere()). Requires the file lock.
  absl::Status RemoveIfEmpty() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return FileError("cannot read", Name(), errno);
    const bool is_ours = S_ISREG(info.st_mode) && info.st_size == 0 && IsStillThere();
    if (is_ours && ::unlink(path_.c_str()) != 0) return FileError("cannot remove", Name(), errno);
    return absl::OkStatus();
  }

  // Cuts off an unfinished last line; refuses a file whose last line is not ours. Requires the file
  // lock.
  absl::Status MendEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return FileError("cannot read", Name(), errno);
    off_t line = 0;
    if (absl::Status status = FindLastLine(info.st_size, &line); !status.ok()) return status;
    if (line > 0) {
      if (absl::Status status = CheckComplete(line); !status.ok()) return status;
    }
    if (line == info.st_size) return absl::OkStatus();
    std::string begin;
    if (absl::Status status = ReadBegin(line, &begin); !status.ok()) return status;
    if (!kLineBegin.starts_with(std::string_view(begin).substr(0, kLineBegin.size()))) {
      return absl::FailedPreconditionError(
          Name() + " ends with an unfinished line that is no dead letter; is it another file?");
    }
    if (::ftruncate(fd_.get(), line) != 0) return FileError("cannot mend", Name(), errno);
    return absl::OkStatus();
  }

  // Whether the line that ends before `end` is a dead letter.
  absl::Status CheckComplete(off_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    off_t line = 0;
    if (absl::Status status = FindLastLine(end - 1, &line); !status.ok()) return status;
    std::string begin;
    if (absl::Status status = ReadBegin(line, &begin); !status.ok()) return status;
    const std::string_view text = begin;
    if (text.starts_with(kLineBegin)) {
      const std::size_t quote = text.find('"', kLineBegin.size());
      if (quote != text.npos && text.substr(quote).starts_with(kBehindTime)) {
        return absl::OkStatus();
      }
    }
    return absl::FailedPreconditionError(
        Name() + " ends with a line that is no dead letter; is it another file?");
  }

  absl::Status ReadBegin(off_t line, std::string* begin) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    begin->assign(kLongestBegin, '\0');
    const ssize_t got = ::pread(fd_.get(), begin->data(), begin->size(), line);
    if (got < 0) return FileError("cannot read", Name(), errno);
    begin->resize(static_cast<std::size_t>(got));
    return absl::OkStatus();
  }

  // Where what stands behind the last line break before `size` begins; `size` when nothing does.
  absl::Status FindLastLine(off_t size, off_t* begin) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string block(4096, '\0');
    for (off_t end = size; end > 0;) {
      const off_t first = std::max<off_t>(end - static_cast<off_t>(block.size()), 0);
      const ssize_t got =
          ::pread(fd_.get(), block.data(), static_cast<std::size_t>(end - first), first);
      if (got < 0) return FileError("cannot read", Name(), errno);
      const std::size_t found =
          std::string_view(block).substr(0, static_cast<std::size_t>(got)).rfind('\n');
      if (found != std::string_view::npos) {
        *begin = first + static_cast<off_t>(found) + 1;
        return absl::OkStatus();
      }
      end = first;
    }
    *begin = 0;
    return absl::OkStatus();
  }

  absl::Status Append() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct stat before {};
    if (::fstat(fd_.get(), &before) != 0) return FileError("cannot read", Name(), errno);
    std::size_t done = 0;
    absl::Status status = WriteFully(fd_.get(), text_.view(), &done, Name());
    if (status.ok() && ::fdatasync(fd_.get()) != 0)
      status = FileError("cannot sync", Name(), errno);
    if (status.ok() || done == 0 || ::ftruncate(fd_.get(), before.st_size) == 0) return status;
    const absl::Status mending = FileError("cannot mend", Name(), errno);
    return {status.code(),
            std::string(status.message()) + "; and " + std::string(mending.message())};
  }

  const std::string path_;
  Mutex mutex_;
  FileDescriptor fd_ ABSL_GUARDED_BY(mutex_);
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  ByteBuffer text_ ABSL_GUARDED_BY(mutex_);
};

// Keeps nothing (--dead-letter none): counts, and shows each letter to `log`. Thread-safe if `log`
// is.
class CountingDeadLetterStore final : public DeadLetterStore {
 public:
  explicit CountingDeadLetterStore(std::function<void(const DeadLetter&)> log = {})
      : log_(std::move(log)) {}

  absl::Status Open() override { return absl::OkStatus(); }
  absl::Status Store(std::span<const DeadLetter> letters) override {
    count_.fetch_add(letters.size(), std::memory_order_relaxed);
    for (const DeadLetter& letter : letters) {
      if (log_) log_(letter);
    }
    return absl::OkStatus();
  }
  absl::Status Close() override { return absl::OkStatus(); }

  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  const std::function<void(const DeadLetter&)> log_;
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_FILE_DEAD_LETTER_H_
