#include "source/spool/intake.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "tsingest/base/units.h"

namespace tsingest::spool {
namespace {

constexpr Duration kPollLength = std::chrono::milliseconds(100);
// A source is to be polled at least once a second.
constexpr Duration kKeepAlive = std::chrono::milliseconds(500);
constexpr Duration kRetryMin = std::chrono::milliseconds(20);
constexpr Duration kSaveEvery = std::chrono::seconds(1);
constexpr std::size_t kMaxGroupBytes = 4 * 1024 * 1024;

}  // namespace

SpoolIntake::SpoolIntake(Source& inner, SpoolWriter& writer, SegmentList& segments, SpoolIo& io,
                         IntakeOptions options, Clock& clock, OnNews on_news)
    : inner_(inner),
      writer_(writer),
      segments_(segments),
      io_(io),
      options_(std::move(options)),
      clock_(clock),
      on_news_(std::move(on_news)),
      backoff_({.min = kRetryMin, .max = kKeepAlive}, static_cast<std::uint64_t>(segments.end())) {}

absl::Status SpoolIntake::Start() {
  if (absl::Status status = inner_.Open(*this); !status.ok()) return status;
  is_open_ = true;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("cannot start the spool's thread: ") +
                                        error.what());
  }
  return absl::OkStatus();
}

absl::Status SpoolIntake::Stop() {
  stop_ = true;
  if (thread_.joinable()) {
    inner_.Wake();
    OnRoom();
    thread_.join();
    SaveProgress(/*durable=*/true);
  }
  return std::exchange(is_open_, false) ? inner_.Close() : absl::OkStatus();
}

void SpoolIntake::OnRoom() {
  MutexLock lock(&mutex_);
  room_ = true;
  changed_.SignalAll();
}

absl::Status SpoolIntake::Health() const {
  MutexLock lock(&mutex_);
  return health_;
}

absl::Status SpoolIntake::Failure() const {
  MutexLock lock(&mutex_);
  return failure_;
}

// Whatever the inner source has not been told of it gives again, or has forgotten: it begins anew.
absl::Status SpoolIntake::OnAssigned(std::span<const StreamId> streams) {
  for (const StreamId stream : streams) {
    const absl::StatusOr<std::int64_t> first = inner_.Seek(stream, std::nullopt);
    if (!first.ok()) return first.status();
  }
  return absl::OkStatus();
}

void SpoolIntake::Run() {
  while (!stop_.load()) {
    const absl::StatusOr<PollState> state = PollOnce();
    if (!writer_.empty()) CommitGroup();
    if (!state.ok()) {
      MutexLock lock(&mutex_);
      failure_ = state.status();
      break;
    }
    SetFull(refused_);
    if (*state == PollState::kEnd && writer_.empty()) {
      ended_ = true;
      break;
    }
    if (refused_ && !group_pending_) Wait(kKeepAlive);
    SaveProgress(/*durable=*/false);
  }
  on_news_(std::nullopt);
}

absl::StatusOr<PollState> SpoolIntake::PollOnce() {
  refused_ = false;
  const MonotonicTime now = clock_.Now();
  if (group_pending_) return inner_.Poll(now, [](const Message&) { return false; });
  return inner_.Poll(now + kPollLength, [this](const Message& m) { return Take(m); });
}

bool SpoolIntake::Take(const Message& message) {
  if (stop_.load()) return false;
  if (!writer_.empty() && writer_.group_bytes() + MessageRecordBytes(message) > kMaxGroupBytes) {
    return false;
  }
  if (!writer_.HasRoomFor(message)) {
    refused_ = true;
    return false;
  }
  if (writer_.empty()) group_arrival_ = message.arrival;
  writer_.Add(message);
  group_ends_[message.position.stream] = message.position.next;
  return true;
}

void SpoolIntake::CommitGroup() {
  const News news{segments_.end(), group_arrival_};
  const absl::Status status = writer_.Commit();
  if (!status.ok()) return Retry(status);
  if (std::exchange(group_pending_, false)) {
    Log("the spool can write again");
    SetHealth(absl::OkStatus());
    backoff_.Reset();
  }
  Acknowledge();
  on_news_(news);
}

// The group stays in memory and is not acknowledged; the next attempt goes to a fresh segment.
void SpoolIntake::Retry(const absl::Status& status) {
  if (!std::exchange(group_pending_, true)) {
    Log(fmt::format("{}; nothing of it was acknowledged, and it is written anew to a fresh segment",
                    std::string(status.message())));
  }
  SetHealth(
      {status.code(), fmt::format("the spool cannot write: {}", std::string(status.message()))});
  Wait(backoff_.Next());
}

void SpoolIntake::Acknowledge() {
  for (const auto& [stream, next] : group_ends_) {
    if (absl::Status status = inner_.Commit(stream, next); !status.ok()) {
      Log(fmt::format("acknowledging failed: {}", std::string(status.message())));
    }
  }
  group_ends_.clear();
}

void SpoolIntake::SetFull(bool full) {
  if (full == full_.load()) return;
  full_ = full;
  if (full) {
    SetHealth(absl::ResourceExhaustedError(fmt::format(
        "the spool is full ({} in {}): the source keeps what comes until the sink has taken some",
        FormatSize(static_cast<std::int64_t>(segments_.bytes())), options_.directory)));
  } else if (!group_pending_) {
    SetHealth(absl::OkStatus());
  }
}

void SpoolIntake::SetHealth(absl::Status health) {
  MutexLock lock(&mutex_);
  health_ = std::move(health);
}

void SpoolIntake::Wait(Duration length) {
  const MonotonicTime until = std::chrono::steady_clock::now() + length;
  MutexLock lock(&mutex_);
  while (!room_ && !stop_.load() && !changed_.WaitUntil(&mutex_, until)) {
  }
  room_ = false;
}

// A hint: losing it costs nothing, so its errors do not matter and it is not synced each time.
void SpoolIntake::SaveProgress(bool durable) {
  const MonotonicTime now = clock_.Now();
  if (!durable && now < next_save_) return;
  const Progress progress{
      .id = options_.id, .committed = segments_.committed(), .end = segments_.end()};
  if (!durable && progress.committed == saved_.committed && progress.end == saved_.end) return;
  const std::string path = fmt::format("{}/{}", options_.directory, kProgressFile);
  ReplaceFile(io_, path, MakeProgress(progress), durable).IgnoreError();
  saved_ = progress;
  next_save_ = now + kSaveEvery;
}

}  // namespace tsingest::spool
