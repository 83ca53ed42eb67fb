#include "source/csv/content_stream.h"

namespace tsingest::csv {

absl::StatusOr<bool> ContentStream::FillHead(std::size_t wanted, MonotonicTime deadline) {
  while (head_.size() < wanted) {
    char bytes[kEncodingSampleBytes];
    const absl::StatusOr<ReadResult> read = top_->Read(bytes, sizeof bytes, deadline);
    if (!read.ok()) return read.status();
    if (read->idle()) return false;
    if (read->end) break;
    head_.append(bytes, read->size);
  }
  return true;
}

absl::Status ContentStream::AddDecompressor() {
  const absl::StatusOr<Compression> compression = DetectCompression(head_);
  if (!compression.ok()) return compression.status();
  compression_ = *compression;
  if (compression_ == Compression::kNone) return absl::OkStatus();
  auto whole = std::make_unique<PrefixedStream>(std::move(head_), std::move(top_));
  head_.clear();
  top_ = compression_ == Compression::kGzip ? MakeGzipStream(std::move(whole))
                                            : MakeZstdStream(std::move(whole));
  return absl::OkStatus();
}

absl::Status ContentStream::AddTranscoder() {
  encoding_ = DetectEncoding(head_, wanted_encoding_);
  head_.erase(0, encoding_.mark_bytes);
  auto whole = std::make_unique<PrefixedStream>(std::move(head_), std::move(top_));
  head_.clear();
  top_ = std::move(whole);
  if (encoding_.is_utf8()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<ByteStream>> transcoder =
      MakeTranscoder(std::move(top_), encoding_.name);
  if (!transcoder.ok()) return transcoder.status();
  top_ = *std::move(transcoder);
  return absl::OkStatus();
}

absl::StatusOr<bool> ContentStream::Prepare(MonotonicTime deadline) {
  if (stage_ == Stage::kCompression) {
    for (std::size_t wanted = 1; wanted <= kSignatureBytes; ++wanted) {
      const absl::StatusOr<bool> filled = FillHead(wanted, deadline);
      if (!filled.ok() || !*filled) return filled;
      if (!MayBeSignature(head_)) break;
    }
    if (absl::Status status = AddDecompressor(); !status.ok()) return status;
    stage_ = Stage::kEncoding;
  }
  constexpr std::size_t kLongestMark = 4;
  const absl::StatusOr<bool> filled = FillHead(kLongestMark, deadline);
  if (!filled.ok() || !*filled) return filled;
  if (absl::Status status = AddTranscoder(); !status.ok()) return status;
  stage_ = Stage::kReady;
  return true;
}

absl::StatusOr<ReadResult> ContentStream::Read(char* out, std::size_t capacity,
                                               MonotonicTime deadline) {
  if (stage_ != Stage::kReady) {
    const absl::StatusOr<bool> ready = Prepare(deadline);
    if (!ready.ok()) return ready.status();
    if (!*ready) return ReadResult{};
  }
  return top_->Read(out, capacity, deadline);
}

}  // namespace tsingest::csv
