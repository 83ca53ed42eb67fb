#include "source/spool/format.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <span>

#include "fmt/format.h"
#include "tsingest/base/crc32c.h"

namespace tsingest::spool {
namespace {

constexpr std::uint8_t kNullFlag = 1;
constexpr std::size_t kChecksumBytes = 4;

template <class T>
void Put(T value, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

template <class T>
T Get(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

void PutId(const SpoolId& id, std::string* out) { out->append(id.data(), id.size()); }
SpoolId GetId(std::string_view bytes, std::size_t offset) {
  SpoolId id;
  std::memcpy(id.data(), bytes.data() + offset, id.size());
  return id;
}

// Magic, version, content, zeros, checksum of all before it.
std::string MakeBlock(std::string_view magic, std::size_t size, std::string_view content) {
  std::string out(magic);
  Put(kFormatVersion, &out);
  out.append(content);
  out.resize(size - kChecksumBytes, '\0');
  Put(Crc32c(out), &out);
  return out;
}

// Of a block that MakeBlock() has made: what stands behind the version.
absl::StatusOr<std::string_view> OpenBlock(std::string_view magic, std::size_t size,
                                           std::string_view bytes) {
  constexpr std::size_t kContent = kMagicBytes + sizeof(std::uint32_t);
  if (bytes.size() < kContent || bytes.substr(0, kMagicBytes) != magic) {
    return absl::DataLossError(fmt::format("does not begin with {}", magic));
  }
  const auto version = Get<std::uint32_t>(bytes, kMagicBytes);
  const bool complete = bytes.size() >= size;
  const std::string_view content = bytes.substr(0, complete ? size - kChecksumBytes : 0);
  const bool valid = complete && Crc32c(content) == Get<std::uint32_t>(bytes, content.size());
  if (version != kFormatVersion && (valid || !complete)) {
    return absl::FailedPreconditionError(
        fmt::format("is of format version {}, and this program reads version {}: let the version "
                    "of tsingest that wrote it bring it to an end",
                    version, kFormatVersion));
  }
  if (!complete) return absl::DataLossError(fmt::format("is shorter than {} bytes", size));
  if (!valid) return absl::DataLossError("has a wrong checksum");
  return content.substr(kContent);
}

}  // namespace

std::string ShowId(const SpoolId& id) {
  std::string out;
  for (const char c : id) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::int64_t Frame::next() const {
  return kind == RecordKind::kGap ? Get<std::int64_t>(body, 0) : sequence + 1;
}

std::string MakeIdentity(const SpoolId& id) {
  return MakeBlock(kIdentityMagic, kIdentityBytes, {id.data(), id.size()});
}

absl::StatusOr<SpoolId> ParseIdentity(std::string_view bytes) {
  const absl::StatusOr<std::string_view> content = OpenBlock(kIdentityMagic, kIdentityBytes, bytes);
  if (!content.ok()) return content.status();
  return GetId(*content, 0);
}

std::string MakeProgress(const Progress& progress) {
  std::string content;
  PutId(progress.id, &content);
  Put(progress.committed, &content);
  Put(progress.end, &content);
  return MakeBlock(kProgressMagic, kProgressBytes, content);
}

absl::StatusOr<Progress> ParseProgress(std::string_view bytes) {
  const absl::StatusOr<std::string_view> content = OpenBlock(kProgressMagic, kProgressBytes, bytes);
  if (!content.ok()) return content.status();
  return Progress{.id = GetId(*content, 0),
                  .committed = Get<std::int64_t>(*content, 16),
                  .end = Get<std::int64_t>(*content, 24)};
}

std::string MakeSegmentHeader(const SegmentHeader& header) {
  std::string content;
  PutId(header.id, &content);
  Put(header.first, &content);
  return MakeBlock(kSegmentMagic, kSegmentHeaderBytes, content);
}

absl::StatusOr<SegmentHeader> ParseSegmentHeader(std::string_view bytes) {
  const absl::StatusOr<std::string_view> content =
      OpenBlock(kSegmentMagic, kSegmentHeaderBytes, bytes);
  if (!content.ok()) return content.status();
  return SegmentHeader{.id = GetId(*content, 0), .first = Get<std::int64_t>(*content, 16)};
}

std::string SegmentName(std::int64_t first) {
  return fmt::format("{:0{}d}{}", first, kSegmentNameDigits, kSegmentSuffix);
}

bool ParseSegmentName(std::string_view name, std::int64_t* first) {
  if (name.size() != kSegmentNameDigits + kSegmentSuffix.size()) return false;
  if (!name.ends_with(kSegmentSuffix)) return false;
  const char* const end = name.data() + kSegmentNameDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, *first);
  return error == std::errc() && stop == end && *first >= kFirstSequence;
}

std::size_t MessageRecordBytes(const Message& message) {
  std::size_t size = kFrameBytes + kMessageFixedBytes + message.topic.size() + message.key.size() +
                     message.payload.size();
  for (const Header& header : message.headers) {
    size += 2 * sizeof(std::uint32_t) + header.key.size() + header.value.size();
  }
  return size;
}

namespace {

// Everything but the checksum, which SealFrame() puts in when the body stands behind it.
std::size_t BeginFrame(std::int64_t sequence, std::uint32_t group_place, RecordKind kind,
                       bool is_null, std::string* out) {
  const std::size_t begin = out->size();
  Put(std::uint32_t{0}, out);
  Put(std::uint32_t{0}, out);
  Put(sequence, out);
  Put(group_place, out);
  Put(static_cast<std::uint8_t>(kind), out);
  Put(is_null ? kNullFlag : std::uint8_t{0}, out);
  Put(std::uint16_t{0}, out);
  return begin;
}

void SealFrame(std::size_t begin, std::string* out) {
  const auto length = static_cast<std::uint32_t>(out->size() - begin - kFrameBytes);
  std::memcpy(out->data() + begin + kChecksumBytes, &length, sizeof(length));
  const std::uint32_t crc = Crc32c(std::string_view(*out).substr(begin + kChecksumBytes));
  std::memcpy(out->data() + begin, &crc, sizeof(crc));
}

std::uint32_t Length(std::string_view text) { return static_cast<std::uint32_t>(text.size()); }

}  // namespace

void AppendMessage(const Message& message, std::int64_t sequence, std::uint32_t group_place,
                   std::string* out) {
  const std::size_t begin =
      BeginFrame(sequence, group_place, RecordKind::kMessage, message.is_null, out);
  Put(static_cast<std::int64_t>(message.arrival.time_since_epoch().count()), out);
  Put(static_cast<std::uint64_t>(message.omitted_bytes), out);
  Put(message.position.stream, out);
  Put(Length(message.topic), out);
  Put(Length(message.key), out);
  Put(Length(message.payload), out);
  Put(static_cast<std::uint32_t>(message.headers.size()), out);
  out->append(message.topic).append(message.key).append(message.payload);
  for (const Header& header : message.headers) {
    Put(Length(header.key), out);
    Put(Length(header.value), out);
    out->append(header.key).append(header.value);
  }
  SealFrame(begin, out);
}

void AppendGap(std::int64_t sequence, std::int64_t next, std::string* out) {
  const std::size_t begin = BeginFrame(sequence, 0, RecordKind::kGap, false, out);
  Put(next, out);
  SealFrame(begin, out);
}

FrameState ParseFrame(std::string_view bytes, Frame* out, std::size_t* needed) {
  if (needed != nullptr) *needed = kFrameBytes;
  if (bytes.size() < kFrameBytes) return FrameState::kShort;
  const auto length = Get<std::uint32_t>(bytes, 4);
  out->sequence = Get<std::int64_t>(bytes, 8);
  out->group_place = Get<std::uint32_t>(bytes, 16);
  const auto kind = Get<std::uint8_t>(bytes, 20);
  const auto flags = Get<std::uint8_t>(bytes, 21);
  if (length > kMaxBodyBytes || out->sequence < kFirstSequence ||
      out->sequence > std::numeric_limits<std::int64_t>::max() - kMaxBodyBytes ||
      out->group_place >= out->sequence || flags > kNullFlag ||
      Get<std::uint16_t>(bytes, 22) != 0) {
    return FrameState::kInvalid;
  }
  if (kind != static_cast<std::uint8_t>(RecordKind::kMessage) &&
      (kind != static_cast<std::uint8_t>(RecordKind::kGap) || length != kGapBodyBytes)) {
    return FrameState::kInvalid;
  }
  if (needed != nullptr) *needed = kFrameBytes + length;
  if (bytes.size() < kFrameBytes + length) return FrameState::kShort;
  out->kind = static_cast<RecordKind>(kind);
  out->is_null = flags == kNullFlag;
  out->body = bytes.substr(kFrameBytes, length);
  const std::string_view summed =
      bytes.substr(kChecksumBytes, kFrameBytes - kChecksumBytes + length);
  if (Crc32c(summed) != Get<std::uint32_t>(bytes, 0)) return FrameState::kInvalid;
  return out->next() > out->sequence ? FrameState::kValid : FrameState::kInvalid;
}

absl::Status DecodeMessage(const Frame& frame, std::vector<Header>* headers, Message* out) {
  const std::string_view body = frame.body;
  const auto broken = [&] {
    return absl::DataLossError(fmt::format("record {}: its lengths do not add up to {} bytes",
                                           frame.sequence, body.size()));
  };
  if (body.size() < kMessageFixedBytes) return broken();
  std::string_view rest = body.substr(kMessageFixedBytes);
  bool fits = true;
  const auto take = [&](std::uint32_t length) {
    fits = fits && length <= rest.size();
    const std::string_view text = rest.substr(0, fits ? length : 0);
    rest.remove_prefix(text.size());
    return text;
  };
  out->arrival = Timestamp(std::chrono::microseconds(Get<std::int64_t>(body, 0)));
  out->omitted_bytes = Get<std::uint64_t>(body, 8);
  out->is_null = frame.is_null;
  out->topic = take(Get<std::uint32_t>(body, 20));
  out->key = take(Get<std::uint32_t>(body, 24));
  out->payload = take(Get<std::uint32_t>(body, 28));
  headers->clear();
  for (auto left = Get<std::uint32_t>(body, 32); left > 0 && fits; --left) {
    const std::string_view lengths = take(2 * sizeof(std::uint32_t));
    if (!fits) break;
    Header header;
    header.key = take(Get<std::uint32_t>(lengths, 0));
    header.value = take(Get<std::uint32_t>(lengths, 4));
    headers->push_back(header);
  }
  out->headers = *headers;
  return fits && rest.empty() ? absl::OkStatus() : broken();
}

}  // namespace tsingest::spool
