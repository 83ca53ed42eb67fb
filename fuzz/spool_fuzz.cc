// Any bytes as a segment of the spool, and as a valid one that was spoilt.
//
// Input: the first byte says how many records a valid segment gets; then triples (two bytes of
// place, one byte to XOR) spoil it; without valid records the rest is the segment itself. Whatever
// comes out must keep the promises checked below, and be the same for the reader that repair's
// output is given to.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "source/spool/format.h"
#include "source/spool/scan.h"

namespace tsingest::spool {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

constexpr std::int64_t kFirst = 5;

std::string Build(int records) {
  std::string out = MakeSegmentHeader({.id = {}, .first = kFirst});
  const std::vector<Header> headers = {{"k", "v"}};
  for (int i = 0; i < records; ++i) {
    const std::string payload = "payload " + std::to_string(i);
    Message message{.payload = payload, .topic = "a/b"};
    if (i % 3 == 0) message.headers = headers;
    AppendMessage(message, kFirst + i, static_cast<std::uint32_t>(i % 4), &out);
  }
  return out;
}

// Checks every record, and rebuilds the segment as repair does.
class Checker final : public FrameVisitor {
 public:
  explicit Checker(std::string_view content) : content_(content) {}
  void OnFrame(const Frame& frame, std::size_t offset) override {
    Require(frame.sequence >= next_, "numbers grow");
    Require(frame.next() > frame.sequence, "a record goes forward");
    Require(offset + frame.size() <= content_.size(), "a record lies in the segment");
    if (frame.sequence > next_) AppendGap(next_, frame.sequence, &rebuilt_);
    rebuilt_.append(content_.substr(offset, frame.size()));
    next_ = frame.next();
    Message message;
    DecodeMessage(frame, &headers_, &message).IgnoreError();
    for (const Header& header : message.headers) seen_ += header.key.size() + header.value.size();
    seen_ += message.topic.size() + message.key.size() + message.payload.size();
    Require(seen_ <= 2 * content_.size(), "texts lie in the body");
  }
  std::int64_t next() const { return next_; }
  const std::string& rebuilt() const { return rebuilt_; }

 private:
  const std::string_view content_;
  std::int64_t next_ = kFirst;
  std::string rebuilt_ = MakeSegmentHeader({.id = {}, .first = kFirst});
  std::vector<Header> headers_;
  std::size_t seen_ = 0;
};

void Check(std::string_view bytes, const ScanLimits& limits) {
  // In an allocation of exactly their size.
  const std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  const std::string_view content(exact.get(), bytes.size());
  Checker checker(content);
  const SegmentScan scan = ScanSegment(content, limits, &checker);
  Require(scan.valid_bytes + scan.torn_bytes <= content.size(), "the parts fit into the whole");
  Require(scan.end >= checker.next(), "the end is not before the last record");
  std::size_t behind = 0;
  std::int64_t number = kFirst;
  for (const Damage& damage : scan.damage) {
    Require(damage.offset >= behind && damage.first >= number, "damage is told in order");
    Require(damage.next >= damage.first, "damage goes forward");
    behind = damage.offset + damage.bytes;
    number = damage.next;
    Require(behind <= content.size(), "damage lies in the segment");
  }
  if (scan.ok())
    Require(scan.end >= std::min(limits.durable_end, limits.next_segment), "no silent loss");

  Checker again(checker.rebuilt());
  const SegmentScan mended =
      ScanSegment(checker.rebuilt(), {.first = kFirst, .durable_end = checker.next()}, &again);
  Require(mended.ok(), "what repair makes is whole");
  Require(mended.messages == scan.messages, "repair keeps every message");
  Require(again.next() == checker.next(), "repair keeps the numbers");
  Require(mended.torn_bytes == 0, "repair leaves no torn end");
}

void Run(std::string_view data) {
  if (data.empty()) return;
  const int records = static_cast<unsigned char>(data[0]) % 16;
  data.remove_prefix(1);
  std::string content = records > 0 ? Build(records) : std::string(data);
  for (; records > 0 && data.size() >= 3; data.remove_prefix(3)) {
    const auto place = static_cast<std::size_t>(static_cast<unsigned char>(data[0])) +
                       256 * static_cast<std::size_t>(static_cast<unsigned char>(data[1]));
    if (place < content.size()) {
      content[place] = static_cast<char>(content[place] ^ data[2]);
    } else {
      content.resize(content.size() - std::min(content.size(), place % 64));
    }
  }
  Check(content, {.first = kFirst, .durable_end = kFirst});
  Check(content, {.first = kFirst, .durable_end = kFirst + records});
  Check(content, {.first = kFirst, .durable_end = kFirst + 3, .next_segment = kFirst + 3});
}

}  // namespace
}  // namespace tsingest::spool

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tsingest::spool::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
