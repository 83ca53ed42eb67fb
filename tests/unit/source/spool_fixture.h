// What the tests of the spool have in common: messages, a disk that fails when told to, and an
// inner source that is fed by hand.
#ifndef TSINGEST_TESTS_UNIT_SOURCE_SPOOL_FIXTURE_H_
#define TSINGEST_TESTS_UNIT_SOURCE_SPOOL_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/spool/directory.h"
#include "source/spool/io.h"
#include "source/spool/scan.h"
#include "support/temp_dir.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/source.h"
#include "tsingest/source/spooled.h"

namespace tsingest::testing {

inline std::string ReadFile(const std::string& path) {
  return spool::ReadWhole(path).value_or("cannot be read");
}

// A disk that does what it is told. Thread-safe.
class FaultyIo final : public spool::SpoolIo {
 public:
  enum class Fault : std::uint8_t {
    kNone,
    kCreate,      // ENOSPC at open
    kShortWrite,  // a third of the bytes, then ENOSPC
    kSync,        // EIO at fdatasync, and what was written since the last one is torn
    kDirectory,   // EIO at fsync of the directory
  };
  // `times` operations fail, then all is well again.
  void Fail(Fault fault, int times = 1) {
    MutexLock lock(&mutex_);
    fault_ = fault;
    times_ = times;
  }
  int syncs() const { return syncs_.load(); }

  absl::StatusOr<std::unique_ptr<spool::AppendFile>> Create(const std::string& path) override {
    if (IsSpare(path)) return spool::RealIo().Create(path);
    if (Fails(Fault::kCreate)) return FileError("cannot create", path, ENOSPC);
    auto file = spool::RealIo().Create(path);
    if (!file.ok()) return file;
    return std::make_unique<File>(*this, *std::move(file), path);
  }
  absl::Status Rewrite(const std::string& path, std::string_view bytes) override {
    if (Fails(Fault::kSync)) return FileError("cannot make durable", path, EIO);
    return spool::RealIo().Rewrite(path, bytes);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return spool::RealIo().Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return spool::RealIo().Remove(path); }
  absl::Status SyncDirectory(const std::string& path) override {
    if (Fails(Fault::kDirectory)) return FileError("cannot sync", path, EIO);
    return spool::RealIo().SyncDirectory(path);
  }

 private:
  class File final : public spool::AppendFile {
   public:
    File(FaultyIo& io, std::unique_ptr<spool::AppendFile> file, std::string path)
        : io_(io), file_(std::move(file)), path_(std::move(path)) {}
    absl::Status Append(std::string_view bytes) override {
      EXPECT_FALSE(failed_) << "a file is used after an error: " << path_;
      failed_ = io_.Fails(Fault::kShortWrite);
      if (!failed_) return file_->Append(bytes);
      EXPECT_TRUE(file_->Append(bytes.substr(0, bytes.size() / 3)).ok());
      return FileError("cannot write to", path_, ENOSPC);
    }
    absl::Status Sync() override {
      EXPECT_FALSE(failed_) << "an fsync is tried again: " << path_;
      ++io_.syncs_;
      failed_ = io_.Fails(Fault::kSync);
      return failed_ ? FileError("cannot make durable", path_, EIO) : file_->Sync();
    }

   private:
    FaultyIo& io_;
    std::unique_ptr<spool::AppendFile> file_;
    std::string path_;
    bool failed_ = false;
  };

  // Identity and progress are not what these tests break.
  static bool IsSpare(const std::string& path) { return path.ends_with(".new"); }
  bool Fails(Fault fault) {
    MutexLock lock(&mutex_);
    if (fault_ != fault || times_ == 0) return false;
    --times_;
    return true;
  }

  Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  int times_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<int> syncs_{0};
};

// A source that a test feeds while another thread polls it. Two streams; knows what was
// acknowledged.
class FedSource final : public Source {
 public:
  void Feed(const std::vector<std::string>& payloads, StreamId stream = 0) {
    MutexLock lock(&mutex_);
    for (const std::string& payload : payloads) waiting_.push_back({payload, stream});
  }
  void End() {
    MutexLock lock(&mutex_);
    ends_ = true;
  }
  void FailPoll(absl::Status status) {
    MutexLock lock(&mutex_);
    poll_status_ = std::move(status);
  }
  // How many messages of the stream were acknowledged, first to last.
  std::int64_t acknowledged(StreamId stream = 0) const {
    MutexLock lock(&mutex_);
    const auto it = acknowledged_.find(stream);
    return it == acknowledged_.end() ? 0 : it->second;
  }
  std::size_t waiting() const {
    MutexLock lock(&mutex_);
    return waiting_.size();
  }
  bool closed() const { return closed_.load(); }
  std::function<void(Message&)> decorate;

  absl::Status Open(SourceListener& listener) override {
    listener_ = &listener;
    return open_status;
  }
  absl::StatusOr<PollState> Poll(MonotonicTime,
                                 absl::FunctionRef<bool(const Message&)> take) override {
    if (!std::exchange(assigned_, true)) {
      const StreamId all[] = {0, 1};
      if (absl::Status status = listener_->OnAssigned(all); !status.ok()) return status;
    }
    bool idle = true;
    {
      MutexLock lock(&mutex_);
      if (!poll_status_.ok()) return poll_status_;
      while (!waiting_.empty()) {
        const auto& [payload, stream] = waiting_.front();
        Message message{.payload = payload, .topic = "plant/a"};
        message.position = {stream, given_[stream], given_[stream] + 1};
        if (decorate) decorate(message);
        if (!take(message)) return PollState::kActive;
        ++given_[stream];
        waiting_.pop_front();
        idle = false;
      }
      if (ends_) return PollState::kEnd;
    }
    if (idle) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return PollState::kActive;
  }
  void Pause() override {}
  void Resume() override {}
  absl::Status Commit(StreamId stream, std::int64_t next) override {
    MutexLock lock(&mutex_);
    EXPECT_LE(next, given_[stream]);
    acknowledged_[stream] = next;
    return absl::OkStatus();
  }
  absl::StatusOr<std::int64_t> Seek(StreamId, const std::optional<StoredPosition>&) override {
    return 0;
  }
  std::string_view StreamName(StreamId) const override { return "fed"; }
  std::string StreamDetail(StreamId) const override { return ""; }
  absl::Status Health() const override { return absl::OkStatus(); }
  bool Replayable() const override { return replayable; }
  absl::Status Close() override {
    closed_ = true;
    return absl::OkStatus();
  }

  absl::Status open_status;
  bool replayable = false;

 private:
  SourceListener* listener_ = nullptr;
  bool assigned_ = false;
  std::atomic<bool> closed_{false};
  mutable Mutex mutex_;
  std::deque<std::pair<std::string, StreamId>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::map<StreamId, std::int64_t> given_ ABSL_GUARDED_BY(mutex_);
  std::map<StreamId, std::int64_t> acknowledged_ ABSL_GUARDED_BY(mutex_);
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status poll_status_ ABSL_GUARDED_BY(mutex_);
};

// "prefix 0" …
inline std::vector<std::string> Texts(std::string_view prefix, int count, int from = 0) {
  std::vector<std::string> out;
  for (int i = from; i < from + count; ++i) {
    out.push_back(std::string(prefix) + " " + std::to_string(i));
  }
  return out;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_UNIT_SOURCE_SPOOL_FIXTURE_H_
