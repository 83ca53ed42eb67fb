// RejectLetters: the rejects of a batch as dead letters, for sinks that keep none themselves.
#ifndef TSINGEST_PIPELINE_REJECT_LETTERS_H_
#define TSINGEST_PIPELINE_REJECT_LETTERS_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/retry.h"
#include "tsingest/model/reject.h"
#include "tsingest/pipeline/batch.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest {

// Hands rejects to a DeadLetterStore and waits as long as the store is sick: a position may be
// acknowledged only when its dead letter is stored. Thread-safe.
class RejectLetters {
 public:
  // Borrows the store, which the caller has opened, and the clock. Without a store (null) rejects
  // are only counted. `source` names the tool in every letter; `reading` may be empty.
  RejectLetters(DeadLetterStore* store, std::string source, LetterReadingOf reading = {},
                const BackoffOptions& backoff = {}, Clock& clock = SystemClock())
      : store_(store),
        source_(std::move(source)),
        reading_(std::move(reading)),
        backoff_(backoff),
        clock_(clock) {}

  // The stream's name in letters from now on. Sinks learn it from Claim().
  void NameStream(StreamId stream, std::string name) {
    MutexLock lock(&mutex_);
    names_[stream] = std::move(name);
  }

  // Stores the batch's rejects. OK: all are durable. kCancelled: the gate says so, some may be
  // stored.
  absl::Status Store(const BatchMeta& meta, CommitGate& gate) {
    if (store_ == nullptr || meta.rejects.empty()) return absl::OkStatus();
    const std::vector<Stream> streams = StreamsOf(meta);
    const std::vector<DeadLetter> letters = MakeLetters(meta, streams);
    Backoff backoff(backoff_, meta.sequence);
    while (!gate.Cancelled()) {
      absl::Status status = store_->Store(letters);
      SetHealth(status);
      if (status.ok()) return status;
      gate.Backoff(backoff.Next());
    }
    return absl::CancelledError("told to stop while dead letters were not stored yet");
  }

  // OK, or why dead letters cannot be stored at the moment.
  absl::Status Health() const {
    MutexLock lock(&mutex_);
    return health_;
  }

 private:
  // What the letters of a stream share.
  struct Stream {
    std::string name;
    std::string reading;
  };

  // One for each reject.
  std::vector<Stream> StreamsOf(const BatchMeta& meta) const {
    std::vector<Stream> streams;
    for (const RejectedMessage& reject : meta.rejects) {
      const StreamId id = meta.messages[reject.message].position.stream;
      streams.push_back({NameOf(id), reading_ ? reading_(id) : std::string()});
    }
    return streams;
  }

  std::string NameOf(StreamId id) const {
    MutexLock lock(&mutex_);
    const auto it = names_.find(id);
    return it == names_.end() ? std::string() : it->second;
  }

  std::vector<DeadLetter> MakeLetters(const BatchMeta& meta,
                                      const std::vector<Stream>& streams) const {
    const Timestamp at = clock_.WallNow();
    std::vector<DeadLetter> letters;
    for (const RejectedMessage& reject : meta.rejects) {
      const MessageRecord& message = meta.messages[reject.message];
      const Stream& stream = streams[letters.size()];
      letters.push_back({.at = at,
                         .source = source_,
                         .stream = stream.name,
                         .position = message.position.offset,
                         .line = message.line,
                         .topic = message.topic,
                         .reason = reject.reason,
                         .code = reject.sqlstate.empty() ? RejectSlug(reject.code)
                                                         : std::string_view(reject.sqlstate),
                         .payload = message.payload,
                         .key = message.key,
                         .reading = stream.reading,
                         .arrival = LetterArrival(message.arrival)});
    }
    return letters;
  }

  void SetHealth(const absl::Status& status) {
    MutexLock lock(&mutex_);
    health_ = status;
  }

  DeadLetterStore* const store_;
  const std::string source_;
  const LetterReadingOf reading_;
  const BackoffOptions backoff_;
  Clock& clock_;
  mutable Mutex mutex_;
  std::map<StreamId, std::string> names_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_REJECT_LETTERS_H_
