// gzip and zstd as they arrive.
#ifndef TSINGEST_SRC_SOURCE_CSV_DECOMPRESS_H_
#define TSINGEST_SRC_SOURCE_CSV_DECOMPRESS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "source/csv/byte_stream.h"

namespace tsingest::csv {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

// Longest signature that DetectCompression() looks for.
inline constexpr std::size_t kSignatureBytes = 6;

// False: more bytes cannot change what DetectCompression() says of `start`.
bool MayBeSignature(std::string_view start);

// What the content's first bytes say, whatever the file is called. kInvalidArgument: an archive
// that is not read as it is, with the command that unpacks it.
absl::StatusOr<Compression> DetectCompression(std::string_view start);

// RFC 1952, several members one after the other included (what `cat a.gz b.gz` and block-wise
// compressors make); zeros behind the last one are padding. kDataLoss: damaged or cut off.
std::unique_ptr<ByteStream> MakeGzipStream(std::unique_ptr<ByteStream> compressed);

// RFC 8878, several frames and skippable ones included, windows up to 128 MiB. Errors as above.
std::unique_ptr<ByteStream> MakeZstdStream(std::unique_ptr<ByteStream> compressed);

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_DECOMPRESS_H_
