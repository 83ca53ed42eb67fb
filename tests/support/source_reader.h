// Reads a Source as the pipeline does, and keeps what comes.
#ifndef TSINGEST_TESTS_SUPPORT_SOURCE_READER_H_
#define TSINGEST_TESTS_SUPPORT_SOURCE_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest::testing {

struct ReceivedMessage {
  std::string payload;
  Position position;
};

// Plays the pipeline: answers assignments from stored positions, and keeps what comes.
class SourceReader final : public SourceListener {
 public:
  using Stored = std::map<std::string, StoredPosition>;

  SourceReader(Source& source, Duration patience, Stored stored = {})
      : source_(source), patience_(patience), stored_(std::move(stored)) {}

  absl::Status OnAssigned(std::span<const StreamId> streams) override {
    for (const StreamId stream : streams) {
      const std::string name(source_.StreamName(stream));
      std::optional<StoredPosition> position;
      if (const auto found = stored_.find(name); found != stored_.end()) position = found->second;
      const absl::StatusOr<std::int64_t> start = source_.Seek(stream, position);
      if (!start.ok()) return start.status();
      starts[stream] = *start;
      names[stream] = name;
      details[name] = source_.StreamDetail(stream);
    }
    return absl::OkStatus();
  }
  void OnRevoked(std::span<const StreamId>, bool) override {}

  // One Poll(). `take` decides whether a message is taken; null: all are.
  absl::StatusOr<PollState> Poll(const std::function<bool()>& take = nullptr) {
    const MonotonicTime deadline = SystemClock().Now() + patience_;
    return source_.Poll(deadline, [&](const Message& message) {
      if (take != nullptr && !take()) return false;
      ++polled;
      unassigned |= !names.contains(message.position.stream);
      received[message.position.stream].push_back({std::string(message.payload), message.position});
      return true;
    });
  }

  // Polls until the source ends, or has given `wanted` messages and then nothing more for a while.
  absl::Status ReadAll(std::size_t wanted, const std::function<bool()>& take = nullptr) {
    int quiet = 0;
    while (quiet < 100) {
      const std::size_t before = polled;
      const absl::StatusOr<PollState> state = Poll(take);
      if (!state.ok()) return state.status();
      if (*state == PollState::kEnd) break;
      if (polled == before && polled >= wanted) ++quiet;
    }
    return absl::OkStatus();
  }

  std::map<std::string, std::vector<std::string>> Payloads() const {
    std::map<std::string, std::vector<std::string>> out;
    for (const auto& [stream, messages] : received) {
      for (const ReceivedMessage& message : messages) {
        out[names.at(stream)].push_back(message.payload);
      }
    }
    return out;
  }

  std::map<StreamId, std::int64_t> starts;  // as Seek() returned them
  std::map<StreamId, std::string> names;    // of assigned streams
  std::map<std::string, std::string> details;
  std::map<StreamId, std::vector<ReceivedMessage>> received;
  std::size_t polled = 0;
  bool unassigned = false;  // a message came of a stream that was not assigned

 private:
  Source& source_;
  Duration patience_;
  Stored stored_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_SOURCE_READER_H_
