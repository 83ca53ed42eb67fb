// Character encodings other than UTF-8.
#ifndef TSINGEST_SRC_SOURCE_CSV_TRANSCODE_H_
#define TSINGEST_SRC_SOURCE_CSV_TRANSCODE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/csv/byte_stream.h"

namespace tsingest::csv {

struct Encoding {
  std::string name = "UTF-8";
  std::size_t mark_bytes = 0;  // of the byte order mark at the start

  bool is_utf8() const { return name == "UTF-8"; }
};

// How many bytes of a text DetectEncoding() looks at.
inline constexpr std::size_t kEncodingSampleBytes = 256;

// The encoding of a text that starts so. `requested` empty: what the byte order mark says, UTF-16
// where every other byte is NUL, else UTF-8. "UTF-16" and "UTF-32": the mark or the NULs tell the
// byte order (little-endian if neither does).
Encoding DetectEncoding(std::string_view start, std::string_view requested);

// kInvalidArgument: iconv(3) does not know the name.
absl::Status CheckEncodingName(const std::string& name);

// The stream as UTF-8. Bytes that are no character in `encoding` become 0xFF, which is never valid
// UTF-8: so the record they stand in is rejected, and only that.
absl::StatusOr<std::unique_ptr<ByteStream>> MakeTranscoder(std::unique_ptr<ByteStream> bytes,
                                                           const std::string& encoding);

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_TRANSCODE_H_
