// SpoolIntake: the thread that drains the inner source into the spool.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_INTAKE_H_
#define TSINGEST_SRC_SOURCE_SPOOL_INTAKE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/spool/segment_list.h"
#include "source/spool/writer.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/retry.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::spool {

struct IntakeOptions {
  std::string directory;
  SpoolId id{};
  std::function<void(std::string_view)> log;
};

// poll the inner source -> group -> write, fdatasync -> acknowledge to the inner source -> news.
class SpoolIntake final : private SourceListener {
 public:
  // What is new to read: the number of the first record, and when it arrived. nullopt: the thread
  // ends.
  struct News {
    std::int64_t first = 0;
    Timestamp arrival{};
  };
  using OnNews = std::function<void(std::optional<News> news)>;

  // Borrows everything. `on_news` is called on the thread.
  SpoolIntake(Source& inner, SpoolWriter& writer, SegmentList& segments, SpoolIo& io,
              IntakeOptions options, Clock& clock, OnNews on_news);
  ~SpoolIntake() override { Stop().IgnoreError(); }

  // Opens the inner source and starts the thread.
  absl::Status Start();
  // Ends the thread (what is durable is acknowledged, what is not is given up) and closes the inner
  // source. May be called again.
  absl::Status Stop();

  // The sink has committed something: there may be room.
  void OnRoom();

  // Thread-safe.
  absl::Status Health() const;   // OK, or why nothing can be taken in
  absl::Status Failure() const;  // the inner source's error that has ended the thread
  bool ended() const { return ended_.load(); }  // the inner source has no more
  bool full() const { return full_.load(); }

 private:
  absl::Status OnAssigned(std::span<const StreamId> streams) override;
  void OnRevoked(std::span<const StreamId>, bool) override {}

  void Run();
  absl::StatusOr<PollState> PollOnce();
  bool Take(const Message& message);
  void CommitGroup();
  void Retry(const absl::Status& status);
  void Acknowledge();
  void SetFull(bool full);
  void SetHealth(absl::Status health);
  // Waits for OnRoom(), Stop() or the time.
  void Wait(Duration length);
  void SaveProgress(bool durable);
  void Log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

  Source& inner_;
  SpoolWriter& writer_;
  SegmentList& segments_;
  SpoolIo& io_;
  const IntakeOptions options_;
  Clock& clock_;
  const OnNews on_news_;

  // The thread's own.
  std::map<StreamId, std::int64_t> group_ends_;  // positions of the inner source
  Timestamp group_arrival_{};                    // of its first message
  bool refused_ = false;                         // a message did not fit in this poll
  bool group_pending_ = false;                   // the last group could not be made durable
  Backoff backoff_;
  Progress saved_;
  MonotonicTime next_save_{};

  std::thread thread_;
  bool is_open_ = false;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  std::atomic<bool> full_{false};
  mutable Mutex mutex_;
  CondVar changed_;
  bool room_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_INTAKE_H_
