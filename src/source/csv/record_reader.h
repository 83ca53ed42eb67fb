// The records of a text, with their places in it.
#ifndef TSINGEST_SRC_SOURCE_CSV_RECORD_READER_H_
#define TSINGEST_SRC_SOURCE_CSV_RECORD_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/csv/byte_stream.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_scan.h"

namespace tsingest::csv {

struct Record {
  std::string_view text;          // without its line end
  std::size_t omitted_bytes = 0;  // left out behind `text`: the record exceeds the limit
  std::int64_t offset = 0;        // of its first byte
  std::int64_t next = 0;          // of the byte behind its line end
  std::int64_t line = 0;          // 1-based
};

enum class Outcome : std::uint8_t { kRecord, kIdle, kEnd };

// Divides a byte stream into records, in memory bounded by the limit on a record. How the stream is
// cut into reads makes no difference to the records.
//
// A record over the limit, and one whose quotes are still open when the text ends, is given up at
// its first line break: that line is a record of its own (which no decoder accepts, or which is cut
// to the limit), and every further line up to the place where the reader gave up is read by itself.
// So a stray quote costs its own line and not what follows.
//
//   reader.FillSample(…); look at reader.sample(); reader.Start(syntax); reader.SkipTo(…);
//   while (reader.Next(&record, deadline) …)
class RecordReader {
 public:
  // `bytes` is borrowed. max_record_bytes > 0.
  RecordReader(ByteStream& bytes, std::size_t max_record_bytes);

  // Before Start(): reads until `wanted` bytes are there or the text ends. False: idle.
  absl::StatusOr<bool> FillSample(std::size_t wanted, MonotonicTime deadline);
  std::string_view sample() const { return {buffer_.get() + begin_, end_ - begin_}; }
  // Whether sample() is all there is.
  bool at_end() const { return input_end_; }
  // The stream's error, if one came.
  const absl::Status& failure() const { return failure_; }

  // A record that begins with `comment` is one line, whatever quotes are in it. NUL: none does.
  void Start(const CsvSyntax& syntax, char comment = '\0');

  // Goes forward to `offset`, counting lines. False: idle, call again. kOutOfRange: the text ends
  // before it.
  absl::StatusOr<bool> SkipTo(std::int64_t offset, MonotonicTime deadline);
  // The byte before the place reached by SkipTo(); 0 at the start of the text.
  char last_skipped() const { return last_skipped_; }

  // Where the line of that place begins.
  std::int64_t line_begin() const { return line_begin_; }

  // The next record, empty ones included. Its text is valid until the next call. An error of the
  // stream comes after the last complete record before it.
  absl::StatusOr<Outcome> Next(Record* record, MonotonicTime deadline);

  // Where the next record begins.
  std::int64_t offset() const { return base_ + static_cast<std::int64_t>(begin_); }
  std::int64_t line() const { return line_; }

 private:
  static constexpr std::size_t kBlockBytes = 256 * 1024;  // what one read asks for
  static constexpr std::size_t kSliceBytes = 32 * 1024;   // what one scan looks at

  enum class Filled { kData, kIdle, kEnd };

  std::size_t PendingBytes() const { return scanned_ - begin_; }
  void MakeRoom();
  absl::StatusOr<Filled> Fill(MonotonicTime deadline);
  void ScanSlice();
  bool AtCommentOfUnknownEnd() const;
  void GiveUp(std::int64_t horizon);
  void Take(std::size_t end, std::uint32_t lines, Record* record);
  absl::StatusOr<Outcome> NextLine(Record* record, MonotonicTime deadline);
  void TakeLine(const char* line_end, Record* record);
  void OmitBehindLimit();
  absl::StatusOr<Outcome> LastRecord(Record* record);

  ByteStream& bytes_;
  const std::size_t limit_;
  CsvSyntax syntax_;
  char comment_ = '\0';
  CsvRecordScanner scanner_;

  // buffer_: [begin_, end_) is read and not given out, of which [begin_, scanned_) is scanned.
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t scanned_ = 0;
  std::size_t end_ = 0;
  std::int64_t base_ = 0;  // offset of buffer_[0]
  std::int64_t line_ = 1;  // of begin_
  bool input_end_ = false;
  absl::Status failure_;
  char last_skipped_ = 0;
  std::int64_t line_begin_ = 0;  // kept up by SkipTo() only

  std::vector<CsvRecordEnd> ends_;  // found and not given out: from next_end_ on
  std::size_t next_end_ = 0;
  std::size_t slice_ = 0;  // where in buffer_ their offsets begin

  std::int64_t horizon_ = 0;       // lines that begin before it are records of their own
  std::size_t line_searched_ = 0;  // bytes behind begin_ that hold no line end
  std::size_t omitted_ = 0;        // bytes dropped from the line being read
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_RECORD_READER_H_
