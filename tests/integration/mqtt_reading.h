// An MqttSource in the hands of a test that plays the pipeline.
#ifndef TSINGEST_TESTS_INTEGRATION_MQTT_READING_H_
#define TSINGEST_TESTS_INTEGRATION_MQTT_READING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/source/mqtt.h"

namespace tsingest::testing {

struct MqttMessage {
  StreamId stream = 0;
  std::int64_t offset = 0;
  std::int64_t next = 0;
  std::string topic;
  std::string payload;
  std::vector<std::pair<std::string, std::string>> headers;
  std::size_t omitted_bytes = 0;
};

class MqttReading final : public SourceListener {
 public:
  explicit MqttReading(MqttOptions options) : source_(WithLog(std::move(options))) {}

  MqttSource& source() { return source_; }
  absl::Status Open() { return source_.Open(*this); }

  // Polls until `count` messages have come in all, or `patience` has passed. Commits as it goes if
  // `commit` is set.
  bool ReadUntil(std::size_t count, bool commit = false,
                 std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    const MonotonicTime until = SystemClock().Now() + patience;
    while (messages.size() < count && SystemClock().Now() < until) {
      PollOnce(std::chrono::milliseconds(20));
      if (commit) CommitAll();
    }
    return messages.size() >= count;
  }
  // Polls for so long, whatever comes.
  void ReadFor(std::chrono::milliseconds length, bool commit = false) {
    const MonotonicTime until = SystemClock().Now() + length;
    while (SystemClock().Now() < until) {
      PollOnce(std::chrono::milliseconds(20));
      if (commit) CommitAll();
    }
  }
  PollState PollOnce(std::chrono::milliseconds wait) {
    const absl::StatusOr<PollState> state =
        source_.Poll(SystemClock().Now() + wait, [&](const Message& m) {
          MqttMessage out{m.position.stream,    m.position.offset,      m.position.next,
                          std::string(m.topic), std::string(m.payload), {},
                          m.omitted_bytes};
          for (const Header& h : m.headers) out.headers.emplace_back(h.key, h.value);
          messages.push_back(std::move(out));
          return true;
        });
    EXPECT_TRUE(state.ok()) << state.status();
    return state.value_or(PollState::kEnd);
  }
  void CommitAll() {
    std::map<StreamId, std::int64_t> next;
    for (; committed_ < messages.size(); ++committed_) {
      next[messages[committed_].stream] = messages[committed_].next;
    }
    for (const auto& [stream, position] : next) {
      const absl::Status status = source_.Commit(stream, position);
      EXPECT_TRUE(status.ok()) << status;
    }
  }
  // Waits, polling, until `condition` holds.
  bool Await(const std::function<bool()>& condition,
             std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    const MonotonicTime until = SystemClock().Now() + patience;
    while (!condition() && SystemClock().Now() < until) PollOnce(std::chrono::milliseconds(5));
    return condition();
  }
  bool AwaitHealthy() {
    return Await([&] { return source_.Health().ok(); });
  }

  std::vector<std::string> Payloads() const {
    std::vector<std::string> out;
    for (const MqttMessage& m : messages) out.push_back(m.payload);
    return out;
  }
  std::set<std::string> PayloadSet() const {
    const std::vector<std::string> all = Payloads();
    return {all.begin(), all.end()};
  }
  std::string Log() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return log_;
  }

  std::vector<MqttMessage> messages;
  std::optional<std::int64_t> stored;  // the position that every stream resumes from
  int assignments = 0;

 private:
  MqttOptions WithLog(MqttOptions options) {
    options.log = [this](std::string_view line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      log_.append(line).push_back('\n');
    };
    return options;
  }
  absl::Status OnAssigned(std::span<const StreamId> streams) override {
    ++assignments;
    for (const StreamId stream : streams) {
      std::optional<StoredPosition> position;
      if (stored) position = StoredPosition{*stored, ""};
      const absl::StatusOr<std::int64_t> start = source_.Seek(stream, position);
      if (!start.ok()) return start.status();
    }
    return absl::OkStatus();
  }
  void OnRevoked(std::span<const StreamId>, bool) override {}

  mutable std::mutex mutex_;
  std::string log_;
  std::size_t committed_ = 0;
  MqttSource source_;
};

// Where two lists first differ, in few words; "" when they are equal.
inline std::string Difference(const std::vector<std::string>& got,
                              const std::vector<std::string>& wanted) {
  const auto at = [](const std::vector<std::string>& list, std::size_t i) {
    if (i >= list.size()) return std::string("nothing");
    return "\"" + list[i].substr(0, 20) + (list[i].size() > 40 ? "…" : "") +
           list[i].substr(list[i].size() > 40 ? list[i].size() - 20
                                              : std::min<std::size_t>(20, list[i].size())) +
           "\"";
  };
  for (std::size_t i = 0; i < std::max(got.size(), wanted.size()); ++i) {
    if (i < got.size() && i < wanted.size() && got[i] == wanted[i]) continue;
    return "at " + std::to_string(i) + ": " + at(got, i) + " instead of " + at(wanted, i) + " (" +
           std::to_string(got.size()) + " and " + std::to_string(wanted.size()) + " in all)";
  }
  return "";
}

// "prefix 0", "prefix 1" …
inline std::vector<std::string> Numbered(std::string_view prefix, int count, int from = 0) {
  std::vector<std::string> out;
  for (int i = from; i < from + count; ++i) {
    out.push_back(std::string(prefix) + " " + std::to_string(i));
  }
  return out;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_INTEGRATION_MQTT_READING_H_
