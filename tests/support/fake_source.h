// A source that gives prepared messages, and records what it is told.
#ifndef TSINGEST_TESTS_SUPPORT_FAKE_SOURCE_H_
#define TSINGEST_TESTS_SUPPORT_FAKE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "support/fake_clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::testing {

struct FakeStream {
  std::string name;
  std::vector<std::string> payloads;  // message i has position [i, i + 1)
};

struct FakeSourceOptions {
  bool bounded = true;  // ends when all messages of all streams are given
  bool replayable = true;
  bool group_consumer = false;
  bool assign_all = true;      // false: streams come and go by Assign() and Revoke()
  std::size_t chunk = 1000;    // messages a Poll() gives at most
  std::size_t window = 0;      // messages given and not committed at most; 0: any number
  FakeClock* clock = nullptr;  // waits pass this clock's time; null: they take real time
};

// Hooks are called on the polling thread.
class FakeSource : public Source {
 public:
  explicit FakeSource(std::vector<FakeStream> streams, FakeSourceOptions options = {})
      : options_(options) {
    for (FakeStream& stream : streams) streams_.push_back({std::move(stream)});
  }

  // Called at the start of each Poll(); an error becomes the Poll's.
  std::function<absl::Status()> on_poll;
  // Called for each Commit(); an error becomes the Commit's.
  std::function<absl::Status(StreamId, std::int64_t next)> on_commit;
  // Changes a message before it is given.
  std::function<void(Message&)> on_message;

  absl::Status Open(SourceListener& listener) override {
    listener_ = &listener;
    return open_status;
  }

  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> take) override {
    ++polls;
    if (paused_) ++paused_polls;
    if (options_.assign_all && !std::exchange(assigned_all_, true)) {
      std::vector<StreamId> all;
      for (StreamId i = 0; i < streams_.size(); ++i) all.push_back(i);
      if (absl::Status status = Assign(all); !status.ok()) return status;
    }
    if (on_poll) {
      if (absl::Status status = on_poll(); !status.ok()) return status;
    }
    const std::size_t given = paused_ ? 0 : Give(take);
    if (!paused_ && options_.window != 0 && Unacknowledged() >= options_.window) {
      return PollState::kWindowExhausted;
    }
    if (options_.bounded && AtEnd()) return PollState::kEnd;
    if (given == 0) WaitUntil(deadline);
    return PollState::kActive;
  }

  void Wake() override {
    MutexLock lock(&mutex_);
    woken_ = true;
    wake_.Signal();
  }
  void Pause() override {
    ++pauses;
    paused_ = true;
  }
  void Resume() override { paused_ = false; }

  absl::Status Commit(StreamId stream, std::int64_t next) override {
    if (on_commit) {
      if (absl::Status status = on_commit(stream, next); !status.ok()) return status;
    }
    Stream& s = streams_.at(stream);
    if (next < s.committed) went_back = true;
    s.committed = next;
    return absl::OkStatus();
  }

  absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                    const std::optional<StoredPosition>& stored) override {
    Stream& s = streams_.at(stream);
    s.next = options_.replayable && stored.has_value() ? stored->next : seek_without_position;
    s.committed = s.next;
    s.seeked = true;
    return s.next;
  }

  std::string_view StreamName(StreamId stream) const override {
    return streams_.at(stream).content.name;
  }
  std::string StreamDetail(StreamId stream) const override {
    return "detail of " + streams_.at(stream).content.name;
  }
  absl::Status Health() const override {
    MutexLock lock(&mutex_);
    return health_;
  }
  bool Replayable() const override { return options_.replayable; }
  bool IsGroupConsumer() const override { return options_.group_consumer; }
  absl::Status Close() override {
    closed = true;
    return absl::OkStatus();
  }

  // ---- for tests; on the polling thread (inside a hook) while the pipeline runs ----

  absl::Status Assign(std::vector<StreamId> streams) {
    absl::Status status = listener_->OnAssigned(streams);
    for (const StreamId stream : streams) streams_.at(stream).active = status.ok();
    return status;
  }
  void Revoke(std::vector<StreamId> streams, bool lost) {
    for (const StreamId stream : streams) streams_.at(stream).active = false;
    listener_->OnRevoked(streams, lost);
  }
  bool IsActive(StreamId stream) const { return streams_.at(stream).active; }
  void SetHealth(absl::Status health) {
    MutexLock lock(&mutex_);
    health_ = std::move(health);
  }
  std::int64_t committed(StreamId stream = 0) const { return streams_.at(stream).committed; }
  std::int64_t next(StreamId stream = 0) const { return streams_.at(stream).next; }
  // Repeats messages that were given: a fault of a source.
  void GoBack(StreamId stream, std::int64_t to) { streams_.at(stream).next = to; }

  absl::Status open_status;
  std::int64_t seek_without_position = 0;
  std::size_t polls = 0;
  std::size_t paused_polls = 0;
  std::size_t pauses = 0;
  std::size_t refused = 0;
  bool went_back = false;  // a Commit() was lower than one before
  bool closed = false;

 private:
  struct Stream {
    FakeStream content;
    std::int64_t next = 0;
    std::int64_t committed = 0;
    bool active = false;
    bool seeked = false;
  };

  std::size_t Give(absl::FunctionRef<bool(const Message&)> take) {
    std::size_t given = 0;
    for (bool any = true; any && given < options_.chunk;) {
      any = false;
      for (StreamId i = 0; i < streams_.size() && given < options_.chunk; ++i) {
        Stream& stream = streams_[i];
        const auto at = static_cast<std::size_t>(stream.next);
        if (!stream.active || at >= stream.content.payloads.size()) continue;
        if (options_.window != 0 && Unacknowledged() >= options_.window) return given;
        Message message{.payload = stream.content.payloads[at],
                        .topic = stream.content.name,
                        .position = {.stream = i, .offset = stream.next, .next = stream.next + 1}};
        if (on_message) on_message(message);
        if (!take(message)) {
          ++refused;
          return given;
        }
        ++stream.next;
        ++given;
        any = true;
      }
    }
    return given;
  }

  bool AtEnd() const {
    for (const Stream& stream : streams_) {
      if (!stream.active) continue;
      if (stream.next < static_cast<std::int64_t>(stream.content.payloads.size())) return false;
    }
    return true;
  }

  std::size_t Unacknowledged() const {
    std::int64_t count = 0;
    for (const Stream& stream : streams_) count += stream.next - stream.committed;
    return static_cast<std::size_t>(count);
  }

  void WaitUntil(MonotonicTime deadline) {
    if (options_.clock != nullptr) return options_.clock->AdvanceTo(deadline);
    MutexLock lock(&mutex_);
    while (!woken_ && !wake_.WaitUntil(&mutex_, deadline)) {
    }
    woken_ = false;
  }

  const FakeSourceOptions options_;
  std::vector<Stream> streams_;
  SourceListener* listener_ = nullptr;
  bool assigned_all_ = false;
  bool paused_ = false;
  mutable Mutex mutex_;
  CondVar wake_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_FAKE_SOURCE_H_
