// One input of a CsvSource: from a path to records.
#ifndef TSINGEST_SRC_SOURCE_CSV_CSV_FILE_H_
#define TSINGEST_SRC_SOURCE_CSV_CSV_FILE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/csv/content_stream.h"
#include "source/csv/file_stream.h"
#include "source/csv/fingerprint.h"
#include "source/csv/record_reader.h"
#include "source/csv/sniff.h"
#include "source/csv/stream_detail.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/pipeline/source.h"
#include "tsingest/source/csv.h"

namespace tsingest::csv {

// The life of a file: Look(), then (a regular file: as often as it is sought) Prepare(), Begin(),
// Next() …. Messages of errors begin with the path.
class CsvFile {
 public:
  // Everything is borrowed but the path.
  CsvFile(std::string path, const CsvSourceOptions& options, Waiter& waiter,
          std::atomic<std::int64_t>& bytes_read);

  const std::string& path() const { return path_; }
  bool is_regular() const { return kind_.is_regular; }
  std::int64_t file_size() const { return kind_.size; }
  // Of a regular UTF-8 file without compression; 0: not known.
  std::int64_t text_size() const;

  // Whether it is there; a regular file is sniffed.
  absl::Status Look();

  // Reads and understands the beginning of the text. False: idle, call again.
  absl::StatusOr<bool> Prepare(MonotonicTime deadline);
  // After Prepare(). Without a first record there is no header, and nothing to read.
  bool is_empty() const { return !first_.found; }
  const CsvHeader& header() const { return header_; }
  const std::string& notes() const { return notes_; }              // for the log; empty: none
  const std::string& description() const { return description_; }  // of the dialect
  const Fingerprint& fingerprint() const { return fingerprint_; }

  // Where the records begin.
  std::int64_t header_end() const { return header_end_; }
  // What to say behind "the header is not what it should be"; empty: nothing.
  std::string HeaderAdvice() const;
  bool IsComment(const Record& record) const {
    return options_.comment != '\0' && record.text.starts_with(options_.comment);
  }

  // The text as far as a fingerprint reaches. Of a regular file.
  absl::StatusOr<std::string> Beginning();

  // See Source::Seek(). A regular file may be sought at any time, others before Begin().
  absl::StatusOr<std::int64_t> Seek(const std::optional<StoredPosition>& stored);

  // Goes to where reading starts. False: idle, call again.
  absl::StatusOr<bool> Begin(MonotonicTime deadline);
  // Gives the records between the header and where reading starts to `on_record`, some at a call.
  // False: not all yet, call again. Of a regular file, after Begin().
  absl::StatusOr<bool> Reread(absl::FunctionRef<void(const Record&)> on_record);
  // As RecordReader's.
  absl::StatusOr<Outcome> Next(Record* record, MonotonicTime deadline);

  // Gives up descriptor and memory.
  void Close();

 private:
  absl::Status Open();
  absl::StatusOr<bool> FillSample(MonotonicTime deadline);
  std::string_view SampleBehindPreamble() const;
  absl::StatusOr<bool> FillSampleTo(std::size_t wanted, MonotonicTime deadline);
  absl::Status Understand();
  absl::Status MakeHeader(bool looks_like_data);
  void Describe();
  absl::StatusOr<bool> CheckFingerprint(MonotonicTime deadline);
  absl::StatusOr<bool> CheckContinuation(MonotonicTime deadline);
  absl::Status Explain(const absl::Status& status) const;

  const std::string path_;
  const CsvSourceOptions& options_;
  Waiter& waiter_;
  std::atomic<std::int64_t>& bytes_read_;

  FileKind kind_;
  std::unique_ptr<ContentStream> content_;
  std::unique_ptr<RecordReader> reader_;

  bool is_understood_ = false;
  Compression compression_ = Compression::kNone;
  Encoding encoding_;
  FirstRecord first_;
  CsvHeader header_;
  std::int64_t header_end_ = 0;
  std::int64_t lines_above_table_ = 0;
  std::string notes_;
  std::string description_;
  Fingerprint fingerprint_;

  std::int64_t start_ = 0;
  std::optional<Fingerprint> expected_;  // of the text that `start_` was stored for
  bool has_begun_ = false;

  // What Reread() reads: beside the reading itself, which may be far ahead.
  struct Before {
    std::atomic<std::int64_t> bytes_read{0};  // no progress
    std::unique_ptr<ContentStream> content;
    std::unique_ptr<RecordReader> reader;
  };
  std::unique_ptr<Before> before_;
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_CSV_FILE_H_
