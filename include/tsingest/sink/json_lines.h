// JsonLinesSink<M>: one JSON object a line, to stdout or a file.
#ifndef TSINGEST_SINK_JSON_LINES_H_
#define TSINGEST_SINK_JSON_LINES_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/file.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/retry.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/model.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/reject_letters.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

struct JsonLinesOptions {
  // File to append to, made if missing (mode 0644); empty: `fd`.
  std::string path = {};
  // A descriptor that is open for writing; borrowed. 1: stdout.
  int fd = STDOUT_FILENO;
  // True: a batch is acknowledged only after fdatasync(). False: when the operating system has it,
  // which a crash of the machine can still lose. For regular files only.
  bool sync = false;
  // Where rejects go; borrowed and opened by the caller. Null: they are only counted.
  DeadLetterStore* dead_letters = nullptr;
  // Names the tool in dead letters.
  std::string source = "tsingest";
  // How their messages were read; may be empty.
  LetterReadingOf reading = {};
  // Waits while the disk is full.
  BackoffOptions backoff = {};
};

namespace internal {

// Appends whole batches to a descriptor, one at a time. Thread-safe.
class LineFile {
 public:
  explicit LineFile(const JsonLinesOptions& options) : options_(options), name_(NameOf(options)) {}

  absl::Status Open() {
    MutexLock lock(&mutex_);
    fd_ = options_.fd;
    if (!options_.path.empty()) {
      constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
      owned_ = FileDescriptor(::open(options_.path.c_str(), kFlags, 0644));
      if (!owned_.is_open()) return FileError("cannot open", name_, errno);
      fd_ = owned_.get();
    }
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return FileError("cannot write to", name_, errno);
    is_regular_ = S_ISREG(info.st_mode);
    return absl::OkStatus();
  }

  // Writes all of `text`; waits while the disk is full. kCancelled: given up meanwhile; of a file
  // that this sink has opened nothing of the text remains. Other errors are final.
  absl::Status Append(std::string_view text, CommitGate& gate) {
    MutexLock lock(&mutex_);
    const off_t begin = owned_.is_open() && is_regular_ ? ::lseek(fd_, 0, SEEK_END) : -1;
    Backoff backoff(options_.backoff, static_cast<std::uint64_t>(begin));
    for (std::size_t done = 0;;) {
      absl::Status status = WriteFully(fd_, text, &done, name_);
      if (status.ok() && options_.sync && is_regular_ && ::fdatasync(fd_) != 0) {
        status = FileError("cannot sync", name_, errno);
      }
      SetHealth(status);
      if (status.ok()) return status;
      if (absl::IsUnavailable(status) && !gate.Cancelled()) gate.Backoff(backoff.Next());
      if (absl::IsUnavailable(status) && !gate.Cancelled()) continue;
      if (begin >= 0 && ::ftruncate(fd_, begin) != 0) return FileError("cannot cut", name_, errno);
      if (!absl::IsUnavailable(status)) return status;
      return absl::CancelledError("stopped while " + std::string(status.message()));
    }
  }

  absl::Status Health() const {
    MutexLock lock(&health_mutex_);
    return health_;
  }

  absl::Status Close() {
    MutexLock lock(&mutex_);
    owned_.Reset();
    return absl::OkStatus();
  }

 private:
  static std::string NameOf(const JsonLinesOptions& options) {
    if (!options.path.empty()) return options.path;
    return options.fd == STDOUT_FILENO ? "stdout" : "file descriptor " + std::to_string(options.fd);
  }
  void SetHealth(const absl::Status& status) {
    MutexLock lock(&health_mutex_);
    health_ = status;
  }

  const JsonLinesOptions options_;
  const std::string name_;
  Mutex mutex_;
  FileDescriptor owned_ ABSL_GUARDED_BY(mutex_);
  int fd_ ABSL_GUARDED_BY(mutex_) = -1;
  bool is_regular_ ABSL_GUARDED_BY(mutex_) = false;
  mutable Mutex health_mutex_;
  absl::Status health_ ABSL_GUARDED_BY(health_mutex_);
};

}  // namespace internal

// Rows as AppendJsonRow() writes them, in the order of their batches. Keeps no positions: delivery
// is at least once. A batch is written as a whole; only when the run is stopped or fails in the
// middle of a write to a pipe can a part of it have been seen.
//
// A full disk is waited for, and Health() says so. A pipe whose reader has gone is
// kFailedPrecondition. Thread-safe after Open().
template <Described M>
class JsonLinesSink final : public Sink<M> {
 public:
  explicit JsonLinesSink(JsonLinesOptions options = {}, Clock& clock = SystemClock())
      : options_(std::move(options)),
        file_(options_),
        letters_(options_.dead_letters, options_.source, options_.reading, options_.backoff,
                 clock) {}

  // kNotFound, kPermissionDenied, kUnavailable: the file cannot be opened.
  absl::Status Open() override {
    if (absl::Status status = options_.backoff.Validate(); !status.ok()) return status;
    return file_.Open();
  }

  absl::StatusOr<std::unique_ptr<SinkWriter<M>>> NewWriter() override {
    return std::make_unique<Writer>(file_, letters_);
  }

  bool Transactional() const override { return false; }

  absl::StatusOr<std::vector<std::optional<StoredPosition>>> Claim(
      std::span<const StreamClaim> streams) override {
    for (const StreamClaim& claim : streams) letters_.NameStream(claim.stream, claim.name);
    return std::vector<std::optional<StoredPosition>>(streams.size());
  }
  absl::Status SetInitial(StreamId, std::int64_t) override { return absl::OkStatus(); }

  absl::Status Health() const override {
    absl::Status status = file_.Health();
    return status.ok() ? letters_.Health() : status;
  }

  absl::Status Close() override { return file_.Close(); }

 private:
  class Writer final : public SinkWriter<M> {
   public:
    Writer(internal::LineFile& file, RejectLetters& letters) : file_(file), letters_(letters) {}

    absl::StatusOr<WriteResult> Write(Batch<M>& batch, CommitGate& gate) override {
      text_.Clear();
      for (const M& row : batch.rows) {
        AppendJsonRow(row, text_);
        text_.AppendByte('\n');
      }
      if (gate.Wait(/*holding_locks=*/false) != CommitGate::Turn::kGo) {
        return absl::CancelledError("told to stop before the batch was written");
      }
      absl::Status status = letters_.Store(batch.meta, gate);
      if (status.ok()) status = file_.Append(text_.view(), gate);
      if (!status.ok()) return status;
      return WriteResult{.written = batch.rows.size(),
                         .dead_lettered = batch.meta.rejects.size(),
                         .bytes = text_.size()};
    }

   private:
    internal::LineFile& file_;
    RejectLetters& letters_;
    ByteBuffer text_;
  };

  const JsonLinesOptions options_;
  internal::LineFile file_;
  RejectLetters letters_;
};

}  // namespace tsingest

#endif  // TSINGEST_SINK_JSON_LINES_H_
