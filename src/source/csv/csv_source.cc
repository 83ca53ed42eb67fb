#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "source/csv/csv_file.h"
#include "source/csv/import_review.h"
#include "source/csv/stream_detail.h"
#include "source/csv/transcode.h"
#include "tsingest/base/arena.h"
#include "tsingest/source/csv.h"

namespace tsingest {
namespace {

using csv::CsvFile;
using csv::Outcome;
using csv::Record;

constexpr MonotonicTime kNow = MonotonicTime::min();

// Messages of one Poll().
constexpr int kMostMessages = 1000;

}  // namespace

absl::Status CsvSourceOptions::Validate() const {
  if (files.empty()) return absl::InvalidArgumentError("no CSV file is named");
  std::set<std::string> seen;
  for (const std::string& file : files) {
    if (file.empty()) return absl::InvalidArgumentError("the name of a CSV file is empty");
    if (seen.insert(csv::StreamNameAsGiven(file)).second) continue;
    return absl::InvalidArgumentError(fmt::format("{}: is named twice", file));
  }
  const bool is_comma_taken = quote == ',' || escape == ',';
  const CsvSyntax syntax = {.delimiter = delimiter.value_or(is_comma_taken ? '\a' : ','),
                            .quote = quote,
                            .escape = escape};
  if (absl::Status status = syntax.Validate(); !status.ok()) return status;
  if (skip_lines < 0) return absl::InvalidArgumentError("CSV: lines to skip: must be 0 or more");
  if (comment != '\0' &&
      (comment == syntax.delimiter || comment == quote || comment == '\r' || comment == '\n')) {
    return absl::InvalidArgumentError(
        fmt::format("CSV comment {}: must be another character than delimiter, quote and line end",
                    ShowValue({&comment, 1})));
  }
  if (absl::Status status = limits.Validate(); !status.ok()) return status;
  return encoding.empty() ? absl::OkStatus() : csv::CheckEncodingName(encoding);
}

class CsvSource::Impl {
 public:
  Impl(CsvSourceOptions options, Clock& clock)
      : options_(std::move(options)), clock_(clock), waiter_(clock) {}

  absl::Status Look();
  absl::StatusOr<std::vector<StreamRename>> Review(const LedgerView& ledger);
  absl::Status Open(SourceListener& listener);
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message);
  void Wake() { waiter_.Wake(); }
  void SetPaused(bool paused) { paused_ = paused; }
  absl::Status Commit(StreamId stream, std::int64_t next);
  absl::StatusOr<std::int64_t> Seek(StreamId stream, const std::optional<StoredPosition>& stored);
  std::string_view StreamName(StreamId stream) const { return streams_.at(stream).name; }
  std::string StreamDetail(StreamId stream) const {
    const CsvFile& file = *streams_.at(stream).file;
    return csv::StreamDetail{.beginning = file.fingerprint(),
                             .size = file.is_regular() ? file.file_size() : 0,
                             .model = options_.model,
                             .table = table_}
        .ToString();
  }
  absl::Status Health() const;
  std::int64_t TotalSize() const;
  absl::Status Close();
  CsvProgress Progress() const;

 private:
  struct Stream {
    std::string name;
    std::unique_ptr<CsvFile> file;
    bool is_assigned = false;
    bool has_header = false;  // on_header was called for what is being read
    bool has_reread = false;  // … and on_reread for what was read before
    bool is_resumed = false;
    bool has_given = false;
    std::int64_t old_size = 0;  // of the file when its position was stored; 0: not known
    bool is_done = false;
    std::int64_t committed = 0;
  };

  absl::Status CheckStream(StreamId stream) const;
  absl::Status Assign(std::span<const StreamId> ids);
  absl::Status AssignFiles();
  absl::Status LookAtFiles();
  absl::Status NameStreams();
  absl::Status AnnounceHeader(StreamId id);
  absl::StatusOr<bool> Reread(StreamId id);
  void LogResumed(const Stream& stream, std::int64_t line);
  void LogFindings(const CsvFile& file);
  absl::StatusOr<PollState> Read(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message);
  absl::StatusOr<bool> MakeReady(StreamId id, MonotonicTime deadline);
  bool Give(absl::FunctionRef<bool(const Message&)> on_message);
  void FinishFile(Stream& stream);
  std::optional<StreamId> CurrentStream();
  absl::Status Remember(const absl::Status& status);

  const CsvSourceOptions options_;
  Clock& clock_;
  csv::Waiter waiter_;
  SourceListener* listener_ = nullptr;
  std::vector<Stream> streams_;
  std::string table_;  // that the import is bound to; empty: none
  bool is_assigned_ = false;
  bool paused_ = false;
  std::string last_description_;

  // A record that on_message did not take.
  std::optional<Record> pending_;
  Arena reread_text_;
  StreamId pending_stream_ = 0;
  Timestamp arrival_{};

  std::atomic<std::int64_t> bytes_read_{0};
  std::atomic<std::int64_t> records_{0};
  std::atomic<std::int64_t> empty_lines_{0};
  std::atomic<std::int64_t> comments_{0};
  std::atomic<std::int64_t> files_done_{0};
  std::atomic<std::int64_t> files_resumed_{0};
  std::atomic<std::int64_t> total_bytes_{0};
  std::atomic<std::size_t> current_{0};  // every stream before it is done
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

absl::Status CsvSource::Impl::Remember(const absl::Status& status) {
  if (!status.ok()) {
    const absl::MutexLock lock(&mutex_);
    failure_ = status;
  }
  return status;
}

absl::Status CsvSource::Impl::Health() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

// ---- Open and assignment. ----

absl::Status CsvSource::Impl::Open(SourceListener& listener) {
  if (listener_ != nullptr) return absl::FailedPreconditionError("CsvSource: is open already");
  if (streams_.empty()) {
    if (absl::Status status = Look(); !status.ok()) return status;
  }
  listener_ = &listener;
  return absl::OkStatus();
}

absl::Status CsvSource::Impl::Look() {
  if (!streams_.empty()) return absl::FailedPreconditionError("CsvSource: was looked at already");
  absl::Status status = LookAtFiles();
  if (!status.ok()) streams_.clear();
  return status;
}

absl::Status CsvSource::Impl::LookAtFiles() {
  if (absl::Status status = options_.Validate(); !status.ok()) return status;
  if (absl::Status status = waiter_.Open(); !status.ok()) return status;
  std::int64_t total = 0;
  bool has_pipe = false;
  for (const std::string& path : options_.files) {
    Stream& stream = streams_.emplace_back();
    stream.name = csv::StreamNameAsGiven(path);
    stream.file = std::make_unique<CsvFile>(path, options_, waiter_, bytes_read_);
  }
  for (StreamId id = 0; id < streams_.size(); ++id) {
    const CsvFile& file = *streams_[id].file;
    if (absl::Status status = streams_[id].file->Look(); !status.ok()) return status;
    has_pipe |= !file.is_regular();
    total += file.file_size();
  }
  if (absl::Status status = NameStreams(); !status.ok()) return status;
  for (StreamId id = 0; id < streams_.size(); ++id) {
    const CsvFile& file = *streams_[id].file;
    if (!file.is_regular()) continue;
    LogFindings(file);
    if (absl::Status status = AnnounceHeader(id); !status.ok()) return status;
  }
  total_bytes_ = has_pipe ? 0 : total;
  bytes_read_ = 0;  // of looking
  return absl::OkStatus();
}

absl::Status CsvSource::Impl::NameStreams() {
  std::map<std::string_view, const CsvFile*> named;
  for (Stream& stream : streams_) {
    if (stream.file->is_regular()) {
      stream.name = csv::StreamName(stream.file->path());
    }
    const auto [other, is_new] = named.emplace(stream.name, stream.file.get());
    if (is_new) continue;
    return absl::InvalidArgumentError(fmt::format("{} and {}: are the same file; name it once",
                                                  other->second->path(), stream.file->path()));
  }
  return absl::OkStatus();
}

// ---- What an earlier run has loaded. ----

absl::StatusOr<std::vector<StreamRename>> CsvSource::Impl::Review(const LedgerView& ledger) {
  if (streams_.empty()) {
    if (absl::Status status = Look(); !status.ok()) return status;
  }
  std::vector<csv::ImportFile> files;
  for (const Stream& stream : streams_) {
    if (!stream.file->is_regular()) continue;
    absl::StatusOr<std::string> beginning = stream.file->Beginning();
    if (!beginning.ok()) return beginning.status();
    files.push_back({.name = stream.name,
                     .earlier_name = csv::StreamNameAsGiven(stream.file->path()),
                     .path = stream.file->path(),
                     .beginning = *std::move(beginning),
                     .header_end = stream.file->header_end()});
  }
  absl::StatusOr<std::vector<StreamRename>> renames =
      csv::ReviewImport(ledger, options_.model, files,
                        [this](const std::string& path) -> absl::StatusOr<std::string> {
                          return CsvFile(path, options_, waiter_, bytes_read_).Beginning();
                        });
  if (renames.ok()) table_ = ledger.table;
  return renames;
}

void CsvSource::Impl::LogFindings(const CsvFile& file) {
  if (!options_.log) return;
  if (file.is_empty()) return options_.log(fmt::format("{}: is empty", file.path()));
  if (file.description() != last_description_) {
    last_description_ = file.description();
    options_.log(fmt::format("{}: {}", file.path(), file.description()));
  }
  std::string_view notes = file.notes();
  while (!notes.empty()) {
    const std::size_t end = notes.find('\n');
    options_.log(notes.substr(0, end));
    notes.remove_prefix(end + 1);
  }
}

absl::Status CsvSource::Impl::AnnounceHeader(StreamId id) {
  const CsvFile& file = *streams_[id].file;
  if (file.is_empty() || !options_.on_header) return absl::OkStatus();
  const absl::Status status = options_.on_header(id, file.header());
  if (status.ok()) return status;
  return {status.code(),
          fmt::format("{}: {}{}", file.path(), std::string(status.message()), file.HeaderAdvice())};
}

absl::Status CsvSource::Impl::Assign(std::span<const StreamId> ids) {
  for (const StreamId id : ids) streams_[id].is_assigned = true;
  return listener_->OnAssigned(ids);
}

// All that are known to be there; a pipe follows when its first lines have come.
absl::Status CsvSource::Impl::AssignFiles() {
  is_assigned_ = true;
  std::vector<StreamId> ids;
  for (StreamId id = 0; id < streams_.size(); ++id) {
    if (streams_[id].file->is_regular()) ids.push_back(id);
  }
  return ids.empty() ? absl::OkStatus() : Assign(ids);
}

absl::Status CsvSource::Impl::CheckStream(StreamId stream) const {
  if (stream < streams_.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("CsvSource: there is no stream {}, only {}", stream, streams_.size()));
}

absl::StatusOr<std::int64_t> CsvSource::Impl::Seek(StreamId id,
                                                   const std::optional<StoredPosition>& stored) {
  if (absl::Status status = CheckStream(id); !status.ok()) return status;
  Stream& stream = streams_[id];
  const absl::StatusOr<std::int64_t> start = stream.file->Seek(stored);
  if (!start.ok()) return start;
  if (pending_.has_value() && pending_stream_ == id) pending_.reset();
  if (stream.is_done) --files_done_;
  stream.is_done = false;
  current_ = std::min<std::size_t>(current_, id);
  stream.has_header = false;
  stream.has_reread = false;
  stream.committed = *start;
  if (stream.is_resumed) --files_resumed_;
  stream.is_resumed = stored.has_value() && stored->next > 0;
  if (stream.is_resumed) {
    ++files_resumed_;
    stream.old_size = csv::StreamDetail::Parse(stored->detail)->size;
  }
  return start;
}

absl::Status CsvSource::Impl::Commit(StreamId id, std::int64_t next) {
  if (absl::Status status = CheckStream(id); !status.ok()) return status;
  streams_[id].committed = std::max(streams_[id].committed, next);
  return absl::OkStatus();
}

// ---- Reading. ----

absl::StatusOr<PollState> CsvSource::Impl::Poll(
    MonotonicTime deadline, absl::FunctionRef<bool(const Message&)> on_message) {
  if (listener_ == nullptr) return absl::FailedPreconditionError("CsvSource: call Open() first");
  if (absl::Status status = Health(); !status.ok()) return status;
  if (!is_assigned_) {
    if (absl::Status status = AssignFiles(); !status.ok()) return Remember(status);
  }
  if (paused_) {
    waiter_.Wait(deadline);
    return PollState::kActive;
  }
  arrival_ = clock_.WallNow();
  absl::StatusOr<PollState> state = Read(deadline, on_message);
  if (!state.ok()) return Remember(state.status());
  return state;
}

std::optional<StreamId> CsvSource::Impl::CurrentStream() {
  std::size_t id = current_.load(std::memory_order_relaxed);
  while (id < streams_.size() && streams_[id].is_done) current_ = ++id;
  return id < streams_.size() ? std::optional(static_cast<StreamId>(id)) : std::nullopt;
}

// Brings a stream to where it can be read. False: idle.
absl::StatusOr<bool> CsvSource::Impl::MakeReady(StreamId id, MonotonicTime deadline) {
  Stream& stream = streams_[id];
  if (!stream.is_assigned) {
    const absl::StatusOr<bool> prepared = stream.file->Prepare(deadline);
    if (!prepared.ok() || !*prepared) return prepared;
    LogFindings(*stream.file);
    if (absl::Status status = Assign({&id, 1}); !status.ok()) return status;
  }
  const absl::StatusOr<bool> begun = stream.file->Begin(deadline);
  if (!begun.ok() || !*begun) return begun;
  if (!stream.has_header) {
    if (absl::Status status = AnnounceHeader(id); !status.ok()) return status;
    stream.has_header = true;
  }
  return Reread(id);
}

absl::StatusOr<bool> CsvSource::Impl::Reread(StreamId id) {
  Stream& stream = streams_[id];
  if (stream.has_reread || !options_.on_reread || !stream.file->is_regular()) return true;
  const absl::StatusOr<bool> reread = stream.file->Reread([&](const Record& record) {
    reread_text_.Reset();
    Message message;
    message.payload = reread_text_.CopyPadded(record.text);
    message.arrival = arrival_;
    message.position = {id, record.offset, record.next};
    message.line = record.line;
    message.omitted_bytes = record.omitted_bytes;
    options_.on_reread(id, message);
  });
  stream.has_reread = reread.ok() && *reread;
  return reread;
}

void CsvSource::Impl::LogResumed(const Stream& stream, std::int64_t line) {
  if (!options_.log) return;
  const std::int64_t size = stream.file->file_size();
  const bool has_grown = stream.old_size > 0 && size > stream.old_size;
  options_.log(has_grown ? fmt::format("{}: has grown since it was loaded (by {} bytes): goes on "
                                       "with its new rows, from line {} on",
                                       stream.file->path(), size - stream.old_size, line)
                         : fmt::format("{}: goes on behind what is loaded, from line {} on",
                                       stream.file->path(), line));
}

void CsvSource::Impl::FinishFile(Stream& stream) {
  stream.is_done = true;
  stream.file->Close();
  ++files_done_;
}

// Offers pending_. False: it was not taken.
bool CsvSource::Impl::Give(absl::FunctionRef<bool(const Message&)> on_message) {
  Message message;
  message.payload = pending_->text;
  message.arrival = arrival_;
  message.position = {pending_stream_, pending_->offset, pending_->next};
  message.line = pending_->line;
  message.omitted_bytes = pending_->omitted_bytes;
  if (!on_message(message)) return false;
  Stream& stream = streams_[pending_stream_];
  if (stream.is_resumed && !stream.has_given) LogResumed(stream, message.line);
  stream.has_given = true;
  pending_.reset();
  records_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

absl::StatusOr<PollState> CsvSource::Impl::Read(
    MonotonicTime deadline, absl::FunctionRef<bool(const Message&)> on_message) {
  int given = 0;
  if (pending_.has_value()) {
    if (!Give(on_message)) return PollState::kActive;
    ++given;
  }
  for (int steps = given; steps < kMostMessages; ++steps) {
    const std::optional<StreamId> id = CurrentStream();
    if (!id.has_value()) return PollState::kEnd;
    // Once there is something to work on, nobody waits for more.
    const MonotonicTime until = given == 0 ? deadline : kNow;
    const absl::StatusOr<bool> ready = MakeReady(*id, until);
    if (!ready.ok()) return ready.status();
    if (!*ready) return PollState::kActive;
    Record record;
    const absl::StatusOr<Outcome> outcome = streams_[*id].file->Next(&record, until);
    if (!outcome.ok()) return outcome.status();
    if (*outcome == Outcome::kIdle) return PollState::kActive;
    if (*outcome == Outcome::kEnd) {
      FinishFile(streams_[*id]);
    } else if (record.text.empty() && record.omitted_bytes == 0) {
      empty_lines_.fetch_add(1, std::memory_order_relaxed);
    } else if (streams_[*id].file->IsComment(record)) {
      comments_.fetch_add(1, std::memory_order_relaxed);
    } else {
      pending_ = record;
      pending_stream_ = *id;
      if (!Give(on_message)) return PollState::kActive;
      ++given;
    }
  }
  return CurrentStream().has_value() ? PollState::kActive : PollState::kEnd;
}

// ---- What there is to know. ----

std::int64_t CsvSource::Impl::TotalSize() const {
  std::int64_t total = 0;
  for (const Stream& stream : streams_) {
    const std::int64_t size = stream.file->text_size();
    if (size == 0 && (!stream.file->is_regular() || stream.file->file_size() > 0)) return 0;
    total += size;
  }
  return total;
}

CsvProgress CsvSource::Impl::Progress() const {
  CsvProgress progress;
  progress.read_bytes = bytes_read_;
  progress.total_bytes = total_bytes_;
  progress.records = records_;
  progress.empty_lines = empty_lines_;
  progress.comments = comments_;
  progress.files_done = files_done_;
  progress.files_resumed = files_resumed_;
  progress.files = static_cast<std::int64_t>(options_.files.size());
  const std::size_t current = current_;
  if (current < options_.files.size()) progress.file = options_.files[current];
  return progress;
}

absl::Status CsvSource::Impl::Close() {
  for (Stream& stream : streams_) stream.file->Close();
  pending_.reset();
  return absl::OkStatus();
}

// ---- CsvSource. ----

CsvSource::CsvSource(CsvSourceOptions options, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
CsvSource::~CsvSource() = default;

absl::Status CsvSource::Look() { return impl_->Look(); }
absl::StatusOr<std::vector<StreamRename>> CsvSource::Review(const LedgerView& ledger) {
  return impl_->Review(ledger);
}
absl::Status CsvSource::Open(SourceListener& listener) { return impl_->Open(listener); }
absl::StatusOr<PollState> CsvSource::Poll(MonotonicTime deadline,
                                          absl::FunctionRef<bool(const Message&)> on_message) {
  return impl_->Poll(deadline, on_message);
}
void CsvSource::Wake() { impl_->Wake(); }
void CsvSource::Pause() { impl_->SetPaused(true); }
void CsvSource::Resume() { impl_->SetPaused(false); }
absl::Status CsvSource::Commit(StreamId stream, std::int64_t next) {
  return impl_->Commit(stream, next);
}
absl::StatusOr<std::int64_t> CsvSource::Seek(StreamId stream,
                                             const std::optional<StoredPosition>& stored) {
  return impl_->Seek(stream, stored);
}
std::string_view CsvSource::StreamName(StreamId stream) const { return impl_->StreamName(stream); }
std::string CsvSource::StreamDetail(StreamId stream) const { return impl_->StreamDetail(stream); }
absl::Status CsvSource::Health() const { return impl_->Health(); }
std::int64_t CsvSource::TotalSize() const { return impl_->TotalSize(); }
absl::Status CsvSource::Close() { return impl_->Close(); }
CsvProgress CsvSource::Progress() const { return impl_->Progress(); }

}  // namespace tsingest
