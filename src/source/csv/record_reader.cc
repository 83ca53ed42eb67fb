#include "source/csv/record_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "tsingest/decode/internal/byte_block.h"

namespace tsingest::csv {

RecordReader::RecordReader(ByteStream& bytes, std::size_t max_record_bytes)
    : bytes_(bytes), limit_(max_record_bytes), scanner_(CsvSyntax{}) {}

// Moves what is left to the front, and sees to it that a block fits behind it. What is left is at
// most a record and the slices not yet scanned, so memory is bounded.
void RecordReader::MakeRoom() {
  if (begin_ != 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    base_ += static_cast<std::int64_t>(begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (capacity_ - end_ >= kBlockBytes / 2) return;
  const std::size_t bigger = std::max(capacity_ * 2, end_ + kBlockBytes);
  std::unique_ptr<char[]> buffer(new char[bigger]);
  if (end_ != 0) std::memcpy(buffer.get(), buffer_.get(), end_);
  buffer_ = std::move(buffer);
  capacity_ = bigger;
}

absl::StatusOr<RecordReader::Filled> RecordReader::Fill(MonotonicTime deadline) {
  if (!failure_.ok()) return failure_;
  if (input_end_) return Filled::kEnd;
  MakeRoom();
  const std::size_t room = std::min(capacity_ - end_, kBlockBytes);
  const absl::StatusOr<ReadResult> read = bytes_.Read(buffer_.get() + end_, room, deadline);
  if (!read.ok()) return failure_ = read.status();
  if (read->idle()) return Filled::kIdle;
  end_ += read->size;
  input_end_ = read->end;
  return read->end ? Filled::kEnd : Filled::kData;
}

absl::StatusOr<bool> RecordReader::FillSample(std::size_t wanted, MonotonicTime deadline) {
  while (end_ - begin_ < wanted && !input_end_) {
    const absl::StatusOr<Filled> filled = Fill(deadline);
    // What came before a damaged place is given out before the error is.
    if (!filled.ok()) return end_ != begin_ ? absl::StatusOr<bool>(true) : filled.status();
    if (*filled == Filled::kIdle) return false;
  }
  return true;
}

void RecordReader::Start(const CsvSyntax& syntax, char comment) {
  syntax_ = syntax;
  comment_ = comment;
  scanner_ = CsvRecordScanner(syntax);
}

absl::StatusOr<bool> RecordReader::SkipTo(std::int64_t target, MonotonicTime deadline) {
  while (offset() < target) {
    if (begin_ == end_) {
      const absl::StatusOr<Filled> filled = Fill(deadline);
      if (!filled.ok()) return filled.status();
      if (*filled == Filled::kIdle) return false;
      if (*filled == Filled::kEnd) {
        return absl::OutOfRangeError(
            fmt::format("the text ends at byte {}, before byte {}", offset(), target));
      }
    }
    const auto size = static_cast<std::size_t>(
        std::min<std::int64_t>(target - offset(), static_cast<std::int64_t>(end_ - begin_)));
    const std::string_view text(buffer_.get() + begin_, size);
    line_ += static_cast<std::int64_t>(internal::CountByte(text, syntax_.line_end));
    last_skipped_ = text.back();
    if (const std::size_t at = text.rfind(syntax_.line_end); at != text.npos) {
      line_begin_ = offset() + static_cast<std::int64_t>(at) + 1;
    }
    begin_ += size;
    scanned_ = begin_;
  }
  return true;
}

void RecordReader::ScanSlice() {
  const std::size_t size = std::min(kSliceBytes, end_ - scanned_);
  slice_ = scanned_;
  ends_.clear();
  next_end_ = 0;
  scanner_.Scan({buffer_.get() + scanned_, size}, ends_);
  scanned_ += size;
}

// A comment that was not found to be one line, perhaps because of its quotes.
bool RecordReader::AtCommentOfUnknownEnd() const {
  if (comment_ == '\0' || begin_ == end_ || buffer_[begin_] != comment_) return false;
  return next_end_ == ends_.size() || ends_[next_end_].lines > 1;
}

// Lines that begin before `horizon` are read one by one; then scanning begins anew.
void RecordReader::GiveUp(std::int64_t horizon) {
  horizon_ = horizon;
  scanned_ = begin_;
  ends_.clear();
  next_end_ = 0;
  scanner_.Reset();
}

void RecordReader::Take(std::size_t end, std::uint32_t lines, Record* record) {
  const char* const first = buffer_.get() + begin_;
  std::size_t size = end - begin_;
  if (size != 0 && first[size - 1] == syntax_.line_end) --size;
  if (size != 0 && first[size - 1] == '\r') --size;
  *record = {{first, size}, 0, offset(), base_ + static_cast<std::int64_t>(end), line_};
  begin_ = end;
  line_ += lines;
}

absl::StatusOr<Outcome> RecordReader::Next(Record* record, MonotonicTime deadline) {
  for (;;) {
    if (AtCommentOfUnknownEnd()) GiveUp(std::max(horizon_, offset() + 1));
    if (offset() < horizon_) return NextLine(record, deadline);
    if (next_end_ < ends_.size()) {
      const CsvRecordEnd& found = ends_[next_end_];
      const std::size_t end = slice_ + found.end;
      if (end - begin_ - 1 > limit_) {
        GiveUp(offset() + static_cast<std::int64_t>(limit_));
        continue;
      }
      ++next_end_;
      Take(end, found.lines, record);
      return Outcome::kRecord;
    }
    if (PendingBytes() > limit_) {
      GiveUp(offset() + static_cast<std::int64_t>(limit_));
      continue;
    }
    if (scanned_ < end_) {
      ScanSlice();
      continue;
    }
    const absl::StatusOr<Filled> filled = Fill(deadline);
    if (!filled.ok()) return filled.status();
    if (*filled == Filled::kIdle) return Outcome::kIdle;
    if (*filled == Filled::kEnd && scanned_ == end_) {
      if (begin_ == end_) return Outcome::kEnd;
      if (!scanner_.in_quotes()) return LastRecord(record);
      GiveUp(base_ + static_cast<std::int64_t>(end_));
    }
  }
}

// What stands behind the last line end.
absl::StatusOr<Outcome> RecordReader::LastRecord(Record* record) {
  Take(end_, 1, record);
  scanned_ = end_;
  scanner_.Reset();
  return Outcome::kRecord;
}

// The line at begin_ as a record, cut to the limit.
absl::StatusOr<Outcome> RecordReader::NextLine(Record* record, MonotonicTime deadline) {
  const char* found = nullptr;
  for (;;) {
    const std::size_t from = begin_ + line_searched_;
    if (from < end_) {
      found = static_cast<const char*>(
          std::memchr(buffer_.get() + from, syntax_.line_end, end_ - from));
    }
    if (found != nullptr) break;
    line_searched_ = end_ - begin_;
    OmitBehindLimit();
    const absl::StatusOr<Filled> filled = Fill(deadline);
    if (!filled.ok()) return filled.status();
    if (*filled == Filled::kIdle) return Outcome::kIdle;
    if (*filled == Filled::kEnd) break;
  }
  if (found == nullptr && begin_ == end_) {
    horizon_ = 0;
    return Outcome::kEnd;
  }
  TakeLine(found, record);
  return Outcome::kRecord;
}

// `line_end`: null at the end of the text.
void RecordReader::TakeLine(const char* line_end, Record* record) {
  const char* const first = buffer_.get() + begin_;
  const std::size_t size =
      line_end != nullptr ? static_cast<std::size_t>(line_end - first) : end_ - begin_;
  Take(begin_ + size + (line_end != nullptr ? 1 : 0), 1, record);
  const auto dropped = static_cast<std::int64_t>(std::exchange(omitted_, 0));
  if (size > limit_ || dropped != 0) {
    record->text = {first, limit_};
    record->omitted_bytes = size - limit_ + static_cast<std::size_t>(dropped);
  }
  record->next += dropped;
  base_ += dropped;
  scanned_ = begin_;
  line_searched_ = 0;
}

// Drops what stands behind the limit: the line goes on, but only its beginning is kept.
void RecordReader::OmitBehindLimit() {
  if (end_ - begin_ <= limit_) return;
  const std::size_t extra = end_ - begin_ - limit_;
  omitted_ += extra;
  end_ -= extra;
  line_searched_ = limit_;
}

}  // namespace tsingest::csv
