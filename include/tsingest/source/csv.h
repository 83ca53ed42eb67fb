// CsvSource: the records of CSV files, pipes and standard input.
#ifndef TSINGEST_SOURCE_CSV_H_
#define TSINGEST_SOURCE_CSV_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/clock.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/pipeline/ledger_view.h"
#include "tsingest/pipeline/message.h"
#include "tsingest/pipeline/source.h"

namespace tsingest {

struct CsvSourceOptions {
  // Read one after the other, each as a stream of its own; "-" is standard input. gzip and zstd are
  // recognised by content. At least one, none twice.
  std::vector<std::string> files = {};

  // The dialect. What is not given is told from the first 64 KiB of each file.
  std::optional<char> delimiter = {};
  std::optional<bool> decimal_comma = {};
  char quote = '"';  // as in CsvSyntax, and so is `escape`
  char escape = '\0';
  // So many lines at the beginning of each file are none of its records.
  std::int64_t skip_lines = 0;
  // A line that begins with this character is no record, wherever it stands; its quotes count for
  // nothing. NUL: there are no such lines.
  char comment = '\0';
  // The first record that is not empty names the columns.
  bool has_header = true;
  // Names of the columns, instead of the header's. Empty without a header: column_1, column_2, ….
  std::vector<std::string> columns = {};
  // A name that iconv(3) knows. Empty: what the byte order mark says, else UTF-8.
  std::string encoding = {};
  // record_bytes bounds the memory of a record; what exceeds it is cut (Message::omitted_bytes).
  CsvLimits limits = {};

  // Told the columns of a stream before its first message; an error from it is the source's. It is
  // also called by Open() for every file that can be read twice, so that a wrong header is known
  // before anything is written. Usually: CsvDecoder::SetHeader(). May be empty.
  std::function<absl::Status(StreamId, const CsvHeader&)> on_header = {};
  // Given the records before where a regular file goes on, in their order, after on_header and
  // before its first message: for a decoder that must know what it has read in an earlier run.
  // Empty: they are not read.
  std::function<void(StreamId, const Message&)> on_reread = {};
  // The model's name, for Review() and StreamDetail().
  std::string model = {};
  // One line per thing worth knowing: the dialect that was found, renamed columns, bytes that are
  // not UTF-8. Called on the polling thread; may be empty.
  std::function<void(std::string_view)> log = {};

  // kInvalidArgument names the option and what it takes.
  absl::Status Validate() const;
};

// A snapshot for progress bars and summaries.
struct CsvProgress {
  std::int64_t read_bytes = 0;   // of the files as they are on disk
  std::int64_t total_bytes = 0;  // 0: not known (a pipe among them)
  std::int64_t records = 0;      // given to the pipeline
  std::int64_t empty_lines = 0;  // skipped
  std::int64_t comments = 0;     // skipped, behind the header
  std::int64_t files_done = 0;
  std::int64_t files = 0;
  std::int64_t files_resumed = 0;  // of which an earlier run has loaded something
  std::string_view file;           // being read; lives as long as the source
};

// Positions are byte offsets in the text of a file: decompressed, as UTF-8, without a byte order
// mark. Message::line is the line that a record begins in. Replayable: a file may have grown since
// its position was stored; a file with another beginning, or a shorter one, is refused with
// kFailedPrecondition, and so is one whose last line had no end when it was read and was continued.
// Standard input and pipes are replayable as far as they are given the same text again.
//
// A file is known by its real path and its beginning: with a ledger, Review() finds one that was
// moved. One that is named twice, by whatever paths, is refused.
//
// Files are sniffed by Open() and assigned by the first Poll(); a pipe when its first lines are
// there. A pipe's records are given out as they come, none is held back for the next.
//
// What is not a record as it should be is given out all the same, for the decoder to reject: a line
// whose quote is never closed (that line only, see docs/formats/csv.md), and the beginning of one
// that exceeds the limit. Bytes that the encoding has no character for arrive as 0xFF.
//
// Errors of Poll(), after every complete record before them: kDataLoss (a damaged or cut archive,
// a file that was cut while it was read),
// kUnavailable (the file cannot be read), kFailedPrecondition (Seek()'s, where it shows only then),
// kInvalidArgument (the header of a pipe). Threads: as Source says; Progress() is thread-safe.
class CsvSource final : public Source {
 public:
  // Options pass Validate(). Borrows the clock.
  explicit CsvSource(CsvSourceOptions options, Clock& clock = SystemClock());
  ~CsvSource() override;
  CsvSource(const CsvSource&) = delete;
  CsvSource& operator=(const CsvSource&) = delete;

  // What Open() begins with: looks at every regular file, announces and checks its header. Called
  // on its own, it finds a wrong file before anything else is opened or made. Errors: those of
  // Open(), which is the next call.
  absl::Status Look();
  // Before anything is claimed (for PostgresOptions::review_ledger): looks, as Look() does, and
  // finds the import's files among the streams of its ledger. Names the streams that have to be
  // renamed, because a file was moved or an earlier version has named it. kInvalidArgument: the
  // ledger is another model's or table's. kFailedPrecondition: a file may be a copy of one that was
  // loaded.
  absl::StatusOr<std::vector<StreamRename>> Review(const LedgerView& ledger);
  absl::Status Open(SourceListener& listener) override;
  absl::StatusOr<PollState> Poll(MonotonicTime deadline,
                                 absl::FunctionRef<bool(const Message&)> on_message) override;
  void Wake() override;
  void Pause() override;
  void Resume() override;
  absl::Status Commit(StreamId stream, std::int64_t next) override;
  absl::StatusOr<std::int64_t> Seek(StreamId stream,
                                    const std::optional<StoredPosition>& stored) override;
  // "file:" and the real path of a regular file; else the path as given, without "./", "//" and
  // "a/..".
  std::string_view StreamName(StreamId stream) const override;
  // Length and hash of the text's first 64 KiB, as far as they were there; size of the file; after
  // Review() model and table.
  std::string StreamDetail(StreamId stream) const override;
  absl::Status Health() const override;
  bool Replayable() const override { return true; }
  // Bytes of text of all files; 0 when one of them is compressed, transcoded or a pipe.
  std::int64_t TotalSize() const override;
  absl::Status Close() override;

  CsvProgress Progress() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tsingest

#endif  // TSINGEST_SOURCE_CSV_H_
