#include "source/csv/decompress.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace tsingest::csv {
namespace {

constexpr std::string_view kGzipSignature = "\x1f\x8b";
constexpr std::string_view kZstdSignature = "\x28\xB5\x2F\xFD";

// RFC 8878 section 3.1.2: 0x184D2A50 to 0x184D2A5F, little-endian.
constexpr std::string_view kSkippableTail = "\x2A\x4D\x18";
bool IsSkippableZstdFrame(std::string_view start) {
  return start.size() >= 4 && (static_cast<unsigned char>(start[0]) & 0xF0) == 0x50 &&
         start.substr(1, 3) == kSkippableTail;
}

struct Foreign {
  std::string_view signature;
  std::string_view name;
  std::string_view command;
};
constexpr std::array<Foreign, 8> kForeign = {{
    {"PK\x03\x04", "a zip archive (or an Excel workbook)", "unzip -p FILE"},
    {"BZh", "compressed with bzip2", "bzip2 -dc FILE"},
    {"\xFD"
     "7zXZ",
     "compressed with xz", "xz -dc FILE"},
    {"\x04\x22\x4D\x18", "compressed with lz4", "lz4 -dc FILE"},
    {"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z e -so FILE"},
    {"PAR1", "a Parquet file", ""},
    {"\x89HDF", "an HDF5 file", ""},
    {"%PDF", "a PDF document", ""},
}};

// What gzip and zstd share: input in blocks, and errors that stay.
class Decompressor : public ByteStream {
 public:
  explicit Decompressor(std::unique_ptr<ByteStream> compressed)
      : compressed_(std::move(compressed)), input_(kInputBytes) {}

  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity, MonotonicTime deadline) final {
    for (;;) {
      if (!failure_.ok()) return failure_;
      if (done_) return ReadResult{0, true};
      if (at_ == size_ && !input_end_ && !has_output_) {
        const absl::StatusOr<ReadResult> read =
            compressed_->Read(input_.data(), input_.size(), deadline);
        if (!read.ok()) return read.status();
        if (read->idle()) return ReadResult{};
        at_ = 0;
        size_ = read->size;
        input_end_ = read->end;
      }
      const std::size_t size = Advance(out, capacity);
      if (size != 0) return ReadResult{size, false};
    }
  }

 protected:
  // Takes from input() and writes at most `capacity` bytes. Sets has_output_ when more output may
  // come without further input; ends by Finish() or Fail().
  virtual std::size_t Advance(char* out, std::size_t capacity) = 0;

  std::string_view input() const { return {input_.data() + at_, size_ - at_}; }
  void Take(std::size_t bytes) { at_ += bytes; }
  bool input_end() const { return input_end_ && at_ == size_; }
  void Finish() { done_ = true; }
  void Fail(std::string text) { failure_ = absl::DataLossError(std::move(text)); }

  bool has_output_ = false;

 private:
  static constexpr std::size_t kInputBytes = 64 * 1024;

  std::unique_ptr<ByteStream> compressed_;
  std::vector<char> input_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  bool input_end_ = false;
  bool done_ = false;
  absl::Status failure_;
};

class GzipStream final : public Decompressor {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> compressed)
      : Decompressor(std::move(compressed)) {
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&zlib_, MAX_WBITS + kGzipOnly) != Z_OK) Fail("gzip: out of memory");
  }
  ~GzipStream() override { ::inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

 protected:
  std::size_t Advance(char* out, std::size_t capacity) override {
    if (between_members_ && !BeginMember()) return 0;
    const std::string_view in = input();
    zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    zlib_.avail_in = static_cast<uInt>(in.size());
    zlib_.next_out = reinterpret_cast<Bytef*>(out);
    zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(capacity, 1u << 30));
    const uInt room = zlib_.avail_out;
    const int result = ::inflate(&zlib_, Z_NO_FLUSH);
    Take(in.size() - zlib_.avail_in);
    const std::size_t size = room - zlib_.avail_out;
    has_output_ = zlib_.avail_out == 0;
    if (result == Z_STREAM_END) {
      between_members_ = true;
      has_output_ = false;
    } else if (result == Z_BUF_ERROR || result == Z_OK) {
      if (size == 0) has_output_ = false;
      if (size == 0 && input_end()) Fail("the gzip data ends in the middle: the file is cut off");
    } else {
      Fail(fmt::format("the gzip data is damaged ({})",
                       zlib_.msg != nullptr ? zlib_.msg : ::zError(result)));
    }
    return size;
  }

 private:
  // False: there is none (yet).
  bool BeginMember() {
    while (!input().empty() && input().front() == '\0') Take(1);
    if (input().empty()) {
      if (input_end()) Finish();
      return false;
    }
    if (input().front() != '\x1f') {
      Fail("something other than gzip data follows the gzip data");
      return false;
    }
    ::inflateReset(&zlib_);
    between_members_ = false;
    return true;
  }

  z_stream zlib_ = {};
  bool between_members_ = false;
};

class ZstdStream final : public Decompressor {
 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> compressed)
      : Decompressor(std::move(compressed)), zstd_(::ZSTD_createDStream()) {
    if (zstd_ == nullptr) Fail("zstd: out of memory");
  }
  ~ZstdStream() override { ::ZSTD_freeDStream(zstd_); }
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;

 protected:
  std::size_t Advance(char* out, std::size_t capacity) override {
    if (input_end() && !has_output_) {
      if (in_frame_) {
        Fail("the zstd data ends in the middle: the file is cut off");
      } else {
        Finish();
      }
      return 0;
    }
    const std::string_view text = input();
    ZSTD_inBuffer in = {text.data(), text.size(), 0};
    ZSTD_outBuffer space = {out, capacity, 0};
    const std::size_t result = ::ZSTD_decompressStream(zstd_, &space, &in);
    if (::ZSTD_isError(result) != 0) {
      Fail(fmt::format("the zstd data is damaged ({})", ::ZSTD_getErrorName(result)));
      return space.pos;
    }
    Take(in.pos);
    in_frame_ = result != 0;
    has_output_ = space.pos == space.size && in_frame_;
    return space.pos;
  }

 private:
  ZSTD_DStream* zstd_;
  bool in_frame_ = false;
};

}  // namespace

bool MayBeSignature(std::string_view start) {
  const auto begins = [start](std::string_view signature) {
    return start.size() < signature.size() && signature.starts_with(start);
  };
  const bool is_skippable = !start.empty() && start.size() < kZstdSignature.size() &&
                            (static_cast<unsigned char>(start[0]) & 0xF0) == 0x50 &&
                            kSkippableTail.starts_with(start.substr(1));
  return begins(kGzipSignature) || begins(kZstdSignature) || is_skippable ||
         std::ranges::any_of(kForeign, begins, &Foreign::signature);
}

absl::StatusOr<Compression> DetectCompression(std::string_view start) {
  if (start.starts_with(kGzipSignature)) return Compression::kGzip;
  if (start.starts_with(kZstdSignature) || IsSkippableZstdFrame(start)) {
    return Compression::kZstd;
  }
  for (const Foreign& foreign : kForeign) {
    if (!start.starts_with(foreign.signature)) continue;
    std::string text = fmt::format("this is {}, not CSV", foreign.name);
    if (!foreign.command.empty()) {
      text += fmt::format("; unpack it on the way: {} | csv-replay -", foreign.command);
    }
    return absl::InvalidArgumentError(text);
  }
  return Compression::kNone;
}

std::unique_ptr<ByteStream> MakeGzipStream(std::unique_ptr<ByteStream> compressed) {
  return std::make_unique<GzipStream>(std::move(compressed));
}

std::unique_ptr<ByteStream> MakeZstdStream(std::unique_ptr<ByteStream> compressed) {
  return std::make_unique<ZstdStream>(std::move(compressed));
}

}  // namespace tsingest::csv
