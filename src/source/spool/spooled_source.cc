#include "tsingest/source/spooled.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "fmt/format.h"
#include "source/spool/directory.h"
#include "source/spool/frame_reader.h"
#include "source/spool/intake.h"
#include "source/spool/io.h"
#include "source/spool/segment_list.h"
#include "source/spool/writer.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/units.h"

namespace tsingest {
namespace {

using spool::Frame;
using spool::Segment;

constexpr StreamId kStream = 0;
constexpr std::size_t kMessagesPerPoll = 1000;
constexpr std::int64_t kLeastBytes = 64 * 1024;
constexpr std::int64_t kLargestSegment = 64 * 1024 * 1024;
constexpr int kSegmentsInBound = 8;

spool::SpoolIo& IoOf(const SpoolOptions& options) {
  return options.io != nullptr ? *options.io : spool::RealIo();
}

}  // namespace

absl::Status SpoolOptions::Validate() const {
  if (directory.empty()) return absl::InvalidArgumentError("spool: no directory is named");
  if (max_bytes < kLeastBytes) {
    return absl::InvalidArgumentError(fmt::format("spool: max_bytes is {}; it must be at least {}",
                                                  FormatSize(max_bytes), FormatSize(kLeastBytes)));
  }
  if (segment_bytes < 0 || segment_bytes > max_bytes) {
    return absl::InvalidArgumentError(
        fmt::format("spool: segment_bytes is {}; it must be 0 (chosen) to max_bytes, {}",
                    segment_bytes, FormatSize(max_bytes)));
  }
  return absl::OkStatus();
}

class SpooledSource::Impl {
 public:
  Impl(Source& inner, SpoolOptions options, Clock& clock)
      : inner_(inner), options_(std::move(options)), clock_(clock), io_(IoOf(options_)) {}
  ~Impl() { Close().IgnoreError(); }

  absl::Status Start();
  absl::Status Open(SourceListener& listener);
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message);
  void Wake() { Tell(woken_); }
  void SetPaused(bool paused) { paused_ = paused; }
  absl::Status Commit(StreamId stream, std::int64_t next);
  absl::StatusOr<std::int64_t> Seek(StreamId stream, const std::optional<StoredPosition>& stored);
  void ExpectPosition() { expects_position_ = true; }
  std::string_view Name() const { return name_; }
  absl::Status Health() const;
  absl::Status Close();
  SpoolStats Stats() const;

 private:
  enum class Given : std::uint8_t { kAllThereIs, kRefused, kEnough };

  // When the messages from `sequence` on have arrived.
  struct Arrival {
    std::int64_t sequence = 0;
    Timestamp at{};
  };

  absl::Status Launch(const spool::OpenedSpool& opened);
  void NoteOldest();
  absl::StatusOr<Given> Give(absl::FunctionRef<bool(const Message&)> on_message,
                             std::size_t* count);
  absl::StatusOr<Given> GiveFrom(const Segment& segment,
                                 absl::FunctionRef<bool(const Message&)> on_message,
                                 std::size_t* count);
  absl::Status OpenReader(const Segment& segment);
  // The record read_ stands at.
  absl::StatusOr<Frame> Next(const Segment& segment);
  absl::Status CheckStored(std::int64_t next) const;
  void NoteArrival(const Message& message);
  void Tell(bool& what);
  void Hear(const std::optional<spool::SpoolIntake::News>& news);
  // Waits for news, Wake() or the deadline; true: the deadline, or Wake().
  bool WaitForNews(MonotonicTime deadline);

  Source& inner_;
  const SpoolOptions options_;
  Clock& clock_;
  spool::SpoolIo& io_;
  std::string name_;
  FileDescriptor lock_;
  spool::SpoolId id_{};
  std::uint64_t cut_tails_ = 0;
  std::uint64_t cut_bytes_ = 0;
  std::int64_t opened_end_ = spool::kFirstSequence;  // what an earlier run has left ends here
  std::unique_ptr<spool::SegmentList> segments_;
  std::unique_ptr<spool::SpoolWriter> writer_;
  std::unique_ptr<spool::SpoolIntake> intake_;
  std::atomic<bool> started_{false};  // all of the above is there
  std::atomic<bool> expects_position_{false};

  // The polling thread's own.
  SourceListener* listener_ = nullptr;
  bool assigned_ = false;
  bool paused_ = false;
  spool::FrameReader reader_;
  std::int64_t read_ = spool::kFirstSequence;  // next to be given
  std::vector<Header> headers_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool news_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Arrival> arrivals_ ABSL_GUARDED_BY(mutex_);  // of what is given and not committed
  std::atomic<std::uint64_t> lost_records_{0};
};

absl::Status SpooledSource::Impl::Start() {
  if (started_.load()) return absl::FailedPreconditionError("a spooled source is started once");
  if (absl::Status status = options_.Validate(); !status.ok()) return status;
  if (inner_.Replayable()) {
    return absl::InvalidArgumentError(
        "spool: the source can be read again by position and needs no spool");
  }
  absl::StatusOr<spool::OpenedSpool> opened = spool::OpenSpool(io_, options_.directory);
  if (!opened.ok()) return opened.status();
  lock_ = std::move(opened->lock);
  return Launch(*opened);
}

absl::Status SpooledSource::Impl::Launch(const spool::OpenedSpool& opened) {
  id_ = opened.id;
  name_ = "spool:" + spool::ShowId(id_);
  cut_tails_ = opened.cut_tails;
  cut_bytes_ = opened.cut_bytes;
  opened_end_ = opened.end;
  if (cut_tails_ > 0 && options_.log) {
    options_.log(fmt::format("an unfinished write of {} bytes was cut off; nobody was told of it",
                             cut_bytes_));
  }
  segments_ =
      std::make_unique<spool::SegmentList>(io_, opened.segments, opened.end, opened.committed);
  NoteOldest();
  const auto max_bytes = static_cast<std::uint64_t>(options_.max_bytes);
  const std::int64_t share = std::min(options_.max_bytes / kSegmentsInBound, kLargestSegment);
  const std::int64_t segment_bytes = options_.segment_bytes > 0 ? options_.segment_bytes : share;
  writer_ = std::make_unique<spool::SpoolWriter>(
      spool::WriterOptions{.directory = options_.directory,
                           .id = id_,
                           .max_bytes = max_bytes,
                           .segment_bytes = static_cast<std::uint64_t>(segment_bytes)},
      io_, *segments_, clock_);
  intake_ = std::make_unique<spool::SpoolIntake>(
      inner_, *writer_, *segments_, io_,
      spool::IntakeOptions{.directory = options_.directory, .id = id_, .log = options_.log}, clock_,
      [this](const auto& news) { Hear(news); });
  started_ = true;
  absl::Status status = intake_->Start();
  if (!status.ok()) Close().IgnoreError();
  return status;
}

// Before the sink has said where reading begins, the oldest record that may be unread counts.
void SpooledSource::Impl::NoteOldest() {
  read_ = segments_->committed();
  const std::optional<Segment> segment = segments_->Find(read_);
  if (!segment.has_value() || !OpenReader(*segment).ok()) return;
  const absl::StatusOr<Frame> frame = Next(*segment);
  Message message;
  if (!frame.ok() || !spool::DecodeMessage(*frame, &headers_, &message).ok()) return;
  NoteArrival(message);
}

absl::Status SpooledSource::Impl::Open(SourceListener& listener) {
  if (listener_ != nullptr) return absl::FailedPreconditionError("a spooled source is opened once");
  listener_ = &listener;
  return started_.load() ? absl::OkStatus() : Start();
}

absl::StatusOr<PollState> SpooledSource::Impl::Poll(
    MonotonicTime deadline, absl::FunctionRef<bool(const Message&)> on_message) {
  if (listener_ == nullptr) return absl::FailedPreconditionError("the spooled source is not open");
  if (!std::exchange(assigned_, true)) {
    const StreamId streams[] = {kStream};
    if (absl::Status status = listener_->OnAssigned(streams); !status.ok()) return status;
  }
  std::size_t count = 0;
  bool last_look = false;
  while (true) {
    const bool has_ended = intake_->ended();
    const absl::Status failure = intake_->Failure();
    if (!paused_) {
      const absl::StatusOr<Given> given = Give(on_message, &count);
      if (!given.ok()) return given.status();
      if (*given != Given::kAllThereIs || count > 0) return PollState::kActive;
      if (!failure.ok()) return failure;
      if (has_ended) return PollState::kEnd;
    }
    if (last_look) return PollState::kActive;
    last_look = WaitForNews(deadline);
  }
}

absl::StatusOr<SpooledSource::Impl::Given> SpooledSource::Impl::Give(
    absl::FunctionRef<bool(const Message&)> on_message, std::size_t* count) {
  while (const std::optional<Segment> segment = segments_->Find(read_)) {
    const absl::StatusOr<Given> given = GiveFrom(*segment, on_message, count);
    if (!given.ok() || *given != Given::kAllThereIs) return given;
  }
  return Given::kAllThereIs;
}

absl::StatusOr<SpooledSource::Impl::Given> SpooledSource::Impl::GiveFrom(
    const Segment& segment, absl::FunctionRef<bool(const Message&)> on_message,
    std::size_t* count) {
  if (!reader_.IsOn(segment)) {
    if (absl::Status status = OpenReader(segment); !status.ok()) return status;
  }
  Message message;
  while (read_ < segment.end) {
    if (*count == kMessagesPerPoll) return Given::kEnough;
    const absl::StatusOr<Frame> frame = Next(segment);
    if (!frame.ok()) return frame.status();
    if (frame->kind == spool::RecordKind::kGap) {
      lost_records_ += static_cast<std::uint64_t>(frame->next() - read_);
    } else {
      absl::Status status = spool::DecodeMessage(*frame, &headers_, &message);
      if (!status.ok()) return spool::DamageError(segment.path, std::string(status.message()));
      message.position = {kStream, frame->sequence, frame->next()};
      if (!on_message(message)) return Given::kRefused;
      if (*count == 0) NoteArrival(message);
      ++*count;
    }
    read_ = frame->next();
    reader_.Advance();
  }
  return Given::kAllThereIs;
}

// Goes to record read_.
absl::Status SpooledSource::Impl::OpenReader(const Segment& segment) {
  if (absl::Status status = reader_.Open(segment, id_); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<std::optional<Frame>> frame = reader_.Peek(segment.bytes);
    if (!frame.ok()) return frame.status();
    if (!frame->has_value() || (*frame)->next() > read_) return absl::OkStatus();
    reader_.Advance();
  }
}

absl::StatusOr<Frame> SpooledSource::Impl::Next(const Segment& segment) {
  const absl::StatusOr<std::optional<Frame>> frame = reader_.Peek(segment.bytes);
  if (!frame.ok()) return frame.status();
  if (!frame->has_value()) {
    return spool::DamageError(
        segment.path, fmt::format("ends before {}", spool::ShowRecords(read_, segment.end)));
  }
  if ((*frame)->sequence > read_ || (*frame)->next() <= read_) {
    return spool::DamageError(
        segment.path, fmt::format("has record {} where {} should be", (*frame)->sequence, read_));
  }
  return **frame;
}

void SpooledSource::Impl::NoteArrival(const Message& message) {
  MutexLock lock(&mutex_);
  arrivals_.push_back({read_, message.arrival});
}

void SpooledSource::Impl::Tell(bool& what) {
  MutexLock lock(&mutex_);
  what = true;
  changed_.SignalAll();
}

void SpooledSource::Impl::Hear(const std::optional<spool::SpoolIntake::News>& news) {
  if (news.has_value()) {
    MutexLock lock(&mutex_);
    // The reader notes arrivals as it reads, which it does not do before the sink can be reached.
    const bool is_oldest = segments_->committed() >= news->first;
    if (arrivals_.empty() || (is_oldest && arrivals_.back().sequence < news->first)) {
      arrivals_.assign(1, {news->first, news->arrival});
    }
  }
  Tell(news_);
}

bool SpooledSource::Impl::WaitForNews(MonotonicTime deadline) {
  MutexLock lock(&mutex_);
  bool late = false;
  while (!late && !woken_ && !(news_ && !paused_)) late = changed_.WaitUntil(&mutex_, deadline);
  news_ = false;
  return std::exchange(woken_, false) || late;
}

absl::Status SpooledSource::Impl::Commit(StreamId stream, std::int64_t next) {
  if (stream != kStream || next > read_) {
    return absl::InvalidArgumentError(
        fmt::format("{}: commit of {} in stream {}, but {} comes next in stream 0", name_, next,
                    stream, read_));
  }
  segments_->Commit(next);
  {
    MutexLock lock(&mutex_);
    while (arrivals_.size() > 1 && arrivals_[1].sequence <= next) arrivals_.pop_front();
  }
  intake_->OnRoom();
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SpooledSource::Impl::Seek(
    StreamId stream, const std::optional<StoredPosition>& stored) {
  if (stream != kStream || !started_.load()) {
    return absl::InvalidArgumentError(fmt::format("the spool has no stream {}", stream));
  }
  std::optional<std::int64_t> next;
  if (stored.has_value()) {
    next = stored->next;
  } else if (expects_position_) {
    next = spool::kFirstSequence;
  }
  if (next.has_value()) {
    if (absl::Status status = CheckStored(*next); !status.ok()) return status;
  }
  reader_.Close();
  read_ = next.value_or(segments_->committed());
  segments_->Commit(read_);
  return read_;
}

absl::Status SpooledSource::Impl::CheckStored(std::int64_t next) const {
  constexpr std::string_view kMend =
      "the directory or the database is not the one it was (restored from a backup?). To have all "
      "that the directory holds written under a new name, perhaps a second time: tsingest-spool "
      "repair --new-id";
  if (next > std::max(opened_end_, read_)) {
    return absl::FailedPreconditionError(
        fmt::format("the database has everything before record {} of {}, but {} ended at {}: {}",
                    next, name_, options_.directory, opened_end_, kMend));
  }
  if (next < segments_->first()) {
    return absl::FailedPreconditionError(
        fmt::format("the database has everything before record {} of {}, but {} begins at {}: {}",
                    next, name_, options_.directory, segments_->first(), kMend));
  }
  return absl::OkStatus();
}

absl::Status SpooledSource::Impl::Health() const {
  absl::Status inner = inner_.Health();
  if (!started_.load()) return inner;
  absl::Status own = intake_->Health();
  if (own.ok()) return inner;
  if (inner.ok()) return own;
  return {own.code(),
          fmt::format("{}; {}", std::string(own.message()), std::string(inner.message()))};
}

absl::Status SpooledSource::Impl::Close() {
  absl::Status status = intake_ != nullptr ? intake_->Stop() : absl::OkStatus();
  reader_.Close();
  lock_.Reset();
  return status;
}

SpoolStats SpooledSource::Impl::Stats() const {
  SpoolStats out;
  out.max_bytes = static_cast<std::uint64_t>(options_.max_bytes);
  if (!started_.load()) return out;
  out.id = spool::ShowId(id_);
  const std::int64_t committed = segments_->committed();
  out.records = static_cast<std::uint64_t>(std::max<std::int64_t>(segments_->end() - committed, 0));
  out.bytes = segments_->bytes();
  out.segments = segments_->segments();
  out.full = intake_->full();
  out.cut_tails = cut_tails_;
  out.cut_bytes = cut_bytes_;
  out.lost_records = lost_records_.load();
  const spool::WriterStats& writer = writer_->stats();
  out.spooled = writer.records.load();
  out.groups = writer.groups.load();
  out.failures = writer.failures.load();
  out.sync_seconds = writer.sync_seconds.Snapshot();
  MutexLock lock(&mutex_);
  if (out.records > 0 && !arrivals_.empty()) {
    out.oldest_age = std::max(Duration(clock_.WallNow() - arrivals_.front().at), Duration::zero());
  }
  return out;
}

SpooledSource::SpooledSource(Source& inner, SpoolOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(inner, std::move(options), clock)) {}
SpooledSource::~SpooledSource() = default;
absl::Status SpooledSource::Start() { return impl_->Start(); }
absl::StatusOr<std::vector<StreamRename>> SpooledSource::Review(const LedgerView& /*ledger*/) {
  impl_->ExpectPosition();
  return std::vector<StreamRename>{};
}
absl::Status SpooledSource::Open(SourceListener& listener) { return impl_->Open(listener); }
absl::StatusOr<PollState> SpooledSource::Poll(MonotonicTime deadline,
                                              absl::FunctionRef<bool(const Message&)> on_message) {
  return impl_->Poll(deadline, on_message);
}
void SpooledSource::Wake() { impl_->Wake(); }
void SpooledSource::Pause() { impl_->SetPaused(true); }
void SpooledSource::Resume() { impl_->SetPaused(false); }
absl::Status SpooledSource::Commit(StreamId stream, std::int64_t next) {
  return impl_->Commit(stream, next);
}
absl::StatusOr<std::int64_t> SpooledSource::Seek(StreamId stream,
                                                 const std::optional<StoredPosition>& stored) {
  return impl_->Seek(stream, stored);
}
std::string_view SpooledSource::StreamName(StreamId /*stream*/) const { return impl_->Name(); }
std::string SpooledSource::StreamDetail(StreamId /*stream*/) const { return {}; }
absl::Status SpooledSource::Health() const { return impl_->Health(); }
absl::Status SpooledSource::Close() { return impl_->Close(); }
SpoolStats SpooledSource::Stats() const { return impl_->Stats(); }

}  // namespace tsingest
