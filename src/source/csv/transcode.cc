#include "source/csv/transcode.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace tsingest::csv {
namespace {

std::string UpperCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

struct Mark {
  std::string_view bytes;
  std::string_view encoding;
};
// UTF-32's little-endian mark begins like UTF-16's.
constexpr std::array<Mark, 5> kMarks = {{{"\xEF\xBB\xBF", "UTF-8"},
                                         {{"\xFF\xFE\0\0", 4}, "UTF-32LE"},
                                         {{"\0\0\xFE\xFF", 4}, "UTF-32BE"},
                                         {"\xFF\xFE", "UTF-16LE"},
                                         {"\xFE\xFF", "UTF-16BE"}}};

// Mostly ASCII in UTF-16: nearly all bytes at even or at odd places are NUL. Empty: it is not.
std::string_view GuessUtf16(std::string_view start) {
  const std::size_t pairs = std::min(start.size(), kEncodingSampleBytes) / 2;
  if (pairs < 2) return {};
  std::size_t high_nuls = 0;
  std::size_t low_nuls = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    high_nuls += start[2 * i] == '\0';
    low_nuls += start[2 * i + 1] == '\0';
  }
  const std::size_t most = pairs - pairs / 4;
  if (low_nuls >= most && high_nuls == 0) return "UTF-16LE";
  if (high_nuls >= most && low_nuls == 0) return "UTF-16BE";
  return {};
}

bool IsUtf8Name(std::string_view upper) { return upper == "UTF-8" || upper == "UTF8"; }

class Transcoder final : public ByteStream {
 public:
  Transcoder(std::unique_ptr<ByteStream> bytes, iconv_t converter, std::size_t unit)
      : bytes_(std::move(bytes)), converter_(converter), unit_(unit), input_(kInputBytes) {}
  ~Transcoder() override { ::iconv_close(converter_); }
  Transcoder(const Transcoder&) = delete;
  Transcoder& operator=(const Transcoder&) = delete;

  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity,
                                  MonotonicTime deadline) override {
    for (;;) {
      if (wants_input_ && !end_) {
        std::memmove(input_.data(), input_.data() + at_, size_ - at_);
        size_ -= at_;
        at_ = 0;
        const absl::StatusOr<ReadResult> read =
            bytes_->Read(input_.data() + size_, input_.size() - size_, deadline);
        if (!read.ok()) return read.status();
        if (read->idle()) return ReadResult{};
        size_ += read->size;
        end_ = read->end;
        wants_input_ = false;
      }
      const std::size_t size = Convert(out, capacity);
      if (size != 0) return ReadResult{size, false};
      if (end_ && at_ == size_) return ReadResult{0, true};
    }
  }

 private:
  static constexpr std::size_t kInputBytes = 64 * 1024;
  static constexpr char kNoCharacter = '\xFF';

  // As much of the input as fits; sets wants_input_ when it is used up.
  std::size_t Convert(char* out, std::size_t capacity) {
    char* in = input_.data() + at_;
    std::size_t in_left = size_ - at_;
    char* next = out;
    std::size_t left = capacity;
    while (in_left != 0) {
      if (::iconv(converter_, &in, &in_left, &next, &left) != static_cast<std::size_t>(-1)) break;
      if (errno == E2BIG || left == 0) break;
      if (errno == EINVAL && !end_) break;  // a character that is not complete yet
      const std::size_t skipped = std::min(unit_, in_left);
      in += skipped;
      in_left -= skipped;
      *next++ = kNoCharacter;
      --left;
    }
    at_ = size_ - in_left;
    const auto written = static_cast<std::size_t>(next - out);
    wants_input_ = written == 0 || in_left == 0;
    return written;
  }

  std::unique_ptr<ByteStream> bytes_;
  iconv_t converter_;
  std::size_t unit_;  // bytes of the smallest character
  std::vector<char> input_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  bool wants_input_ = true;
  bool end_ = false;
};

iconv_t OpenConverter(const std::string& encoding) {
  // A slash would begin iconv's own options ("//IGNORE" drops bytes silently).
  if (encoding.empty() || encoding.find('/') != std::string::npos) {
    return reinterpret_cast<iconv_t>(-1);
  }
  return ::iconv_open("UTF-8", encoding.c_str());
}

bool IsOpen(iconv_t converter) { return converter != reinterpret_cast<iconv_t>(-1); }

absl::Status UnknownEncoding(const std::string& name) {
  return absl::InvalidArgumentError(
      fmt::format("--encoding {}: not known here; `iconv -l` lists the names, for example UTF-8, "
                  "UTF-16, ISO-8859-1, WINDOWS-1252",
                  name));
}

}  // namespace

Encoding DetectEncoding(std::string_view start, std::string_view requested) {
  const std::string wanted = UpperCase(requested);
  const bool is_free = wanted.empty() || wanted == "UTF-16" || wanted == "UTF-32";
  for (const Mark& mark : kMarks) {
    if (!start.starts_with(mark.bytes)) continue;
    const bool is_wanted =
        wanted == mark.encoding || (IsUtf8Name(wanted) && mark.encoding == "UTF-8");
    if (is_wanted || (is_free && mark.encoding.starts_with(wanted))) {
      return {std::string(mark.encoding), mark.bytes.size()};
    }
  }
  if (wanted.empty() || wanted == "UTF-16") {
    const std::string_view guess = GuessUtf16(start);
    if (!guess.empty()) return {std::string(guess), 0};
  }
  if (wanted.empty() || IsUtf8Name(wanted)) return {};
  return {is_free ? wanted + "LE" : wanted, 0};
}

absl::Status CheckEncodingName(const std::string& name) {
  const iconv_t converter = OpenConverter(name);
  if (!IsOpen(converter)) return UnknownEncoding(name);
  ::iconv_close(converter);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ByteStream>> MakeTranscoder(std::unique_ptr<ByteStream> bytes,
                                                           const std::string& encoding) {
  const iconv_t converter = OpenConverter(encoding);
  if (!IsOpen(converter)) return UnknownEncoding(encoding);
  const std::size_t unit = encoding.starts_with("UTF-16") || encoding.starts_with("UCS-2")   ? 2
                           : encoding.starts_with("UTF-32") || encoding.starts_with("UCS-4") ? 4
                                                                                             : 1;
  return std::unique_ptr<ByteStream>(
      std::make_unique<Transcoder>(std::move(bytes), converter, unit));
}

}  // namespace tsingest::csv
