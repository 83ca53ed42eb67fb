// The text of a file: decompressed, as UTF-8, without a byte order mark.
#ifndef TSINGEST_SRC_SOURCE_CSV_CONTENT_STREAM_H_
#define TSINGEST_SRC_SOURCE_CSV_CONTENT_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/csv/byte_stream.h"
#include "source/csv/decompress.h"
#include "source/csv/transcode.h"

namespace tsingest::csv {

// Looks at the first bytes as soon as they are there, and puts the stages needed on top of `file`.
class ContentStream final : public ByteStream {
 public:
  // `encoding`: as of DetectEncoding(); known to iconv.
  ContentStream(std::unique_ptr<ByteStream> file, std::string encoding)
      : top_(std::move(file)), wanted_encoding_(std::move(encoding)) {}

  // `capacity` at least 64.
  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity, MonotonicTime deadline) override;

  // Known after the first bytes were read.
  Compression compression() const { return compression_; }
  const Encoding& encoding() const { return encoding_; }

 private:
  enum class Stage { kCompression, kEncoding, kReady };

  // Reads ahead until `head_` has `wanted` bytes or the input ends. False: idle.
  absl::StatusOr<bool> FillHead(std::size_t wanted, MonotonicTime deadline);
  // Goes through the stages. False: idle.
  absl::StatusOr<bool> Prepare(MonotonicTime deadline);
  absl::Status AddDecompressor();
  absl::Status AddTranscoder();

  std::unique_ptr<ByteStream> top_;
  std::string wanted_encoding_;
  Stage stage_ = Stage::kCompression;
  std::string head_;  // read ahead, not yet given out
  Compression compression_ = Compression::kNone;
  Encoding encoding_;
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_CONTENT_STREAM_H_
