// The bytes of a spool, version 1. docs/formats/spool.md says the same in words: change both.
// Numbers are little-endian; every checksum is CRC-32C.
#ifndef TSINGEST_SRC_SOURCE_SPOOL_FORMAT_H_
#define TSINGEST_SRC_SOURCE_SPOOL_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/pipeline/message.h"

namespace tsingest::spool {

inline constexpr std::uint32_t kFormatVersion = 1;

// Files of a spool's directory.
inline constexpr std::string_view kIdentityFile = "spool";
inline constexpr std::string_view kProgressFile = "progress";
inline constexpr std::string_view kLockFile = "lock";
inline constexpr std::string_view kSegmentSuffix = ".segment";
inline constexpr std::string_view kDamagedSuffix = ".damaged";
inline constexpr std::size_t kSegmentNameDigits = 20;

inline constexpr std::string_view kIdentityMagic = "TSISPLID";
inline constexpr std::string_view kProgressMagic = "TSISPLPR";
inline constexpr std::string_view kSegmentMagic = "TSISPLSG";
inline constexpr std::size_t kMagicBytes = 8;

inline constexpr std::size_t kIdentityBytes = 32;
inline constexpr std::size_t kProgressBytes = 48;
inline constexpr std::size_t kSegmentHeaderBytes = 48;
inline constexpr std::size_t kFrameBytes = 24;         // what stands before each record's body
inline constexpr std::size_t kMessageFixedBytes = 36;  // of a message's body, before its texts
inline constexpr std::size_t kGapBodyBytes = 8;
// No record is larger: a length above it is damage. MQTT's largest packet is 256 MiB.
inline constexpr std::uint32_t kMaxBodyBytes = 512u * 1024 * 1024;

inline constexpr std::int64_t kFirstSequence = 1;  // of a new spool's first record

// Random, made with the spool: positions in the database are kept under it.
using SpoolId = std::array<char, 16>;
// 32 hexadecimal digits.
std::string ShowId(const SpoolId& id);

struct SegmentHeader {
  SpoolId id{};
  std::int64_t first = kFirstSequence;  // sequence number of its first record
};

// How far things are, as a hint: the database and the segments know better.
struct Progress {
  SpoolId id{};
  std::int64_t committed = kFirstSequence;  // everything before it is committed in the sink
  std::int64_t end = kFirstSequence;        // everything before it is durable here
};

enum class RecordKind : std::uint8_t {
  kMessage = 1,
  kGap = 2,  // made by repair: records that are lost
};

// A record as it stands in a segment; views into the bytes it was read from.
struct Frame {
  std::int64_t sequence = 0;
  std::uint32_t group_place = 0;  // how far behind the first record of its write
  RecordKind kind = RecordKind::kMessage;
  bool is_null = false;
  std::string_view body = {};

  std::size_t size() const { return kFrameBytes + body.size(); }
  // What was durable when it was written: everything before this number.
  std::int64_t group_begin() const { return sequence - group_place; }
  // The sequence number that follows: its own + 1, or the end of the gap.
  std::int64_t next() const;
};

enum class FrameState : std::uint8_t {
  kValid,
  kShort,    // the bytes end before the record does (or its length is wrong)
  kInvalid,  // no record
};

std::string MakeIdentity(const SpoolId& id);
// kDataLoss: damaged; kFailedPrecondition: of another version.
absl::StatusOr<SpoolId> ParseIdentity(std::string_view bytes);

std::string MakeProgress(const Progress& progress);
absl::StatusOr<Progress> ParseProgress(std::string_view bytes);

std::string MakeSegmentHeader(const SegmentHeader& header);
absl::StatusOr<SegmentHeader> ParseSegmentHeader(std::string_view bytes);

// "00000000000000000001.segment"
std::string SegmentName(std::int64_t first);
// False: not the name of a segment.
bool ParseSegmentName(std::string_view name, std::int64_t* first);

// How many bytes AppendMessage() adds.
std::size_t MessageRecordBytes(const Message& message);
void AppendMessage(const Message& message, std::int64_t sequence, std::uint32_t group_place,
                   std::string* out);
// Records [sequence, next) are lost.
void AppendGap(std::int64_t sequence, std::int64_t next, std::string* out);

// Looks at the record that `bytes` begin with. `needed`, if not null, is set to how many bytes the
// record has according to its length (kShort: at least so many).
FrameState ParseFrame(std::string_view bytes, Frame* out, std::size_t* needed = nullptr);

// What the message was, but for its position; views into the frame's body, headers in *headers.
// kDataLoss: lengths that do not add up (with a valid checksum: a fault of whoever wrote it).
absl::Status DecodeMessage(const Frame& frame, std::vector<Header>* headers, Message* out);

}  // namespace tsingest::spool

#endif  // TSINGEST_SRC_SOURCE_SPOOL_FORMAT_H_
