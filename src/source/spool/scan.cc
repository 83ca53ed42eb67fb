#include "source/spool/scan.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"

namespace tsingest::spool {
namespace {

class Scanner {
 public:
  Scanner(std::string_view content, const ScanLimits& limits, FrameVisitor* visitor)
      : content_(content), limits_(limits), visitor_(visitor) {
    scan_.end = limits.first;
    scan_.proven_end = limits.first;
    scan_.valid_bytes = std::min(content.size(), kSegmentHeaderBytes);
  }

  SegmentScan Run() {
    CheckHeader();
    while (scan_.valid_bytes < content_.size() && scan_.end < limits_.next_segment) {
      Frame frame;
      if (ParseFrame(content_.substr(scan_.valid_bytes), &frame) == FrameState::kValid &&
          frame.sequence == scan_.end) {
        Accept(frame, scan_.valid_bytes);
      } else if (!SkipDamage()) {
        return Finish();
      }
    }
    return Finish();
  }

 private:
  struct Found {
    Frame frame;
    std::size_t offset;
  };

  void CheckHeader() {
    const absl::StatusOr<SegmentHeader> header = ParseSegmentHeader(content_);
    scan_.header = header.status();
    if (!header.ok()) return;
    scan_.id = header->id;
    if (header->first != limits_.first) {
      scan_.header = absl::DataLossError(
          fmt::format("begins with record {}, but its name says {}", header->first, limits_.first));
    }
  }

  void Accept(const Frame& frame, std::size_t offset) {
    if (visitor_ != nullptr) visitor_->OnFrame(frame, offset);
    scan_.end = frame.next();
    scan_.valid_bytes = offset + frame.size();
    if (frame.kind == RecordKind::kGap) {
      scan_.gap_records += frame.next() - frame.sequence;
      return;
    }
    scan_.proven_end = std::max(scan_.proven_end, frame.group_begin());
    Message message;
    if (!DecodeMessage(frame, &headers_, &message).ok()) return;
    if (scan_.messages == 0) scan_.first_arrival = message.arrival;
    scan_.last_arrival = message.arrival;
    ++scan_.messages;
  }

  // The next valid record that may stand in this segment, from `offset` on.
  std::optional<Found> FindFrame(std::size_t offset) const {
    for (; offset + kFrameBytes <= content_.size(); ++offset) {
      Frame frame;
      if (ParseFrame(content_.substr(offset), &frame) != FrameState::kValid) continue;
      if (frame.sequence < scan_.end || frame.sequence >= limits_.next_segment) continue;
      return Found{frame, offset};
    }
    return std::nullopt;
  }

  // Everything before it was durable, as the records from `from` on tell.
  std::int64_t ProvenEnd(std::optional<Found> from) const {
    std::int64_t proven = std::min(limits_.durable_end, limits_.next_segment);
    while (from.has_value()) {
      if (from->frame.kind == RecordKind::kMessage) {
        proven = std::max(proven, from->frame.group_begin());
      }
      if (proven > scan_.end) return proven;  // enough to know
      from = FindFrame(from->offset + from->frame.size());
    }
    return proven;
  }

  // At an invalid record. Notes it as damage and goes on behind it; false: nothing more counts.
  bool SkipDamage() {
    const std::size_t begin = scan_.valid_bytes;
    const std::optional<Found> found = FindFrame(begin + 1);
    const std::int64_t proven = ProvenEnd(found);
    if (proven <= scan_.end) return false;  // torn
    const std::size_t behind = found.has_value() ? found->offset : content_.size();
    const std::int64_t next = found.has_value() ? found->frame.sequence : proven;
    AddDamage({.offset = begin, .bytes = behind - begin, .first = scan_.end, .next = next});
    if (!found.has_value()) return false;
    scan_.end = next;
    scan_.valid_bytes = behind;
    return true;
  }

  void AddDamage(const Damage& damage) {
    scan_.damage.push_back(damage);
    if (damage.offset + damage.bytes == content_.size()) ends_damaged_ = true;
  }

  SegmentScan Finish() {
    const bool is_superseded = scan_.end >= limits_.next_segment;
    if (!ends_damaged_ && !is_superseded) scan_.torn_bytes = content_.size() - scan_.valid_bytes;
    const std::int64_t proven = std::min(limits_.durable_end, limits_.next_segment);
    if (scan_.end < proven && !ends_damaged_) {  // cut off at the end of a record
      AddDamage({.offset = content_.size(), .bytes = 0, .first = scan_.end, .next = proven});
    }
    return std::move(scan_);
  }

  const std::string_view content_;
  const ScanLimits limits_;
  FrameVisitor* const visitor_;
  SegmentScan scan_;
  bool ends_damaged_ = false;
  std::vector<Header> headers_;
};

}  // namespace

std::int64_t SegmentScan::lost() const {
  std::int64_t sum = 0;
  for (const Damage& part : damage) sum += part.next - part.first;
  return sum;
}

SegmentScan ScanSegment(std::string_view content, const ScanLimits& limits, FrameVisitor* visitor) {
  return Scanner(content, limits, visitor).Run();
}

}  // namespace tsingest::spool
