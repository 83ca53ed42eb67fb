#include "tsingest/source/spool_maintenance.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "source/spool/directory.h"
#include "source/spool/io.h"
#include "source/spool/scan.h"

namespace tsingest {
namespace {

using spool::Damage;
using spool::Frame;
using spool::Listing;
using spool::Segment;
using spool::SegmentScan;
using spool::SpoolId;

spool::ScanLimits LimitsOf(const Listing& listing, std::size_t index) {
  const Segment& segment = listing.segments[index];
  if (index + 1 < listing.segments.size()) {
    const std::int64_t next = listing.segments[index + 1].first;
    return {.first = segment.first, .durable_end = next, .next_segment = next};
  }
  const std::int64_t known = listing.progress.has_value() ? listing.progress->end : segment.first;
  return {.first = segment.first, .durable_end = std::max(known, segment.first)};
}

// The last segment when its first write was not finished: the next start removes it.
bool IsUnfinished(const Listing& listing, std::size_t index, const SegmentScan& scan) {
  return index + 1 == listing.segments.size() && !scan.header.ok() && scan.damage.empty() &&
         scan.proven_end == listing.segments[index].first;
}

std::vector<std::string> ProblemsOf(const Listing& listing, std::size_t index,
                                    const SegmentScan& scan) {
  std::vector<std::string> out;
  if (IsUnfinished(listing, index, scan)) return out;
  if (!scan.header.ok())
    out.push_back(fmt::format("its header {}", std::string(scan.header.message())));
  if (scan.header.ok() && scan.id != listing.id) out.emplace_back("belongs to another spool");
  for (const Damage& damage : scan.damage) {
    out.push_back(fmt::format("{} bytes from byte {} on: {} cannot be read", damage.bytes,
                              damage.offset, spool::ShowRecords(damage.first, damage.next)));
  }
  return out;
}

SpoolSegmentReport ReportOf(const Listing& listing, std::size_t index, const SegmentScan& scan,
                            std::uint64_t bytes) {
  SpoolSegmentReport out;
  out.path = listing.segments[index].path;
  out.bytes = bytes;
  out.first = listing.segments[index].first;
  out.end = scan.end;
  out.messages = scan.messages;
  out.gap_records = scan.gap_records;
  out.lost_records = scan.lost();
  out.torn_bytes = scan.torn_bytes;
  if (scan.messages > 0) out.oldest = scan.first_arrival;
  out.problems = ProblemsOf(listing, index, scan);
  return out;
}

// Builds a segment anew from what can be read of it.
class Rebuilder final : public spool::FrameVisitor {
 public:
  Rebuilder(const SpoolId& id, std::int64_t first, std::string_view content)
      : content_(content),
        next_(first),
        out_(spool::MakeSegmentHeader({.id = id, .first = first})) {}

  void OnFrame(const Frame& frame, std::size_t offset) override {
    GapTo(frame.sequence);
    out_.append(content_.substr(offset, frame.size()));
    next_ = frame.next();
  }
  void GapTo(std::int64_t sequence) {
    if (sequence <= next_) return;
    spool::AppendGap(next_, sequence, &out_);
    next_ = sequence;
  }
  const std::string& out() const { return out_; }

 private:
  const std::string_view content_;
  std::int64_t next_;
  std::string out_;
};

class Repair {
 public:
  Repair(const std::string& directory, const SpoolRepairOptions& options)
      : directory_(directory), options_(options), io_(spool::RealIo()) {}

  absl::StatusOr<SpoolRepairReport> Run() {
    absl::StatusOr<FileDescriptor> lock = spool::LockSpool(directory_);
    if (!lock.ok()) return lock.status();
    if (absl::Status status = List(); !status.ok()) return status;
    id_ = listing_.id;
    if (options_.new_id) {
      const absl::StatusOr<SpoolId> id = spool::WriteNewIdentity(io_, directory_);
      if (!id.ok()) return id.status();
      id_ = *id;
    }
    for (std::size_t i = 0; i < listing_.segments.size(); ++i) {
      if (absl::Status status = Mend(i); !status.ok()) return status;
    }
    report_.id = spool::ShowId(id_);
    return std::move(report_);
  }

 private:
  absl::Status List() {
    absl::StatusOr<Listing> listing = spool::ListSpool(directory_);
    if (absl::IsDataLoss(listing.status())) {
      if (absl::Status status = RestoreIdentity(); !status.ok()) return status;
      listing = spool::ListSpool(directory_);
    }
    if (!listing.ok()) return listing.status();
    listing_ = *std::move(listing);
    return absl::OkStatus();
  }

  // From a segment that has it; without one there is nothing that it could belong to.
  absl::Status RestoreIdentity() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
      std::int64_t first = 0;
      if (!spool::ParseSegmentName(entry.path().filename().string(), &first)) continue;
      const absl::StatusOr<std::string> content = spool::ReadWhole(entry.path().string());
      if (!content.ok()) continue;
      const absl::StatusOr<spool::SegmentHeader> header = spool::ParseSegmentHeader(*content);
      if (header.ok()) return spool::WriteIdentity(io_, directory_, header->id);
    }
    return spool::WriteNewIdentity(io_, directory_).status();
  }

  absl::Status Mend(std::size_t index) {
    const Segment& segment = listing_.segments[index];
    const absl::StatusOr<std::string> content = spool::ReadWhole(segment.path);
    if (!content.ok()) return content.status();
    Rebuilder rebuilder(id_, segment.first, *content);
    const SegmentScan scan = spool::ScanSegment(*content, LimitsOf(listing_, index), &rebuilder);
    if (IsUnfinished(listing_, index, scan)) return absl::OkStatus();
    const bool is_foreign = scan.header.ok() && scan.id != listing_.id;
    if (is_foreign && !options_.new_id) {
      return absl::FailedPreconditionError(
          fmt::format("{} belongs to another spool: move it to where it came from", segment.path));
    }
    if (!scan.damage.empty()) rebuilder.GapTo(scan.damage.back().next);
    report_.cut_bytes += scan.torn_bytes;
    if (scan.ok() && !options_.new_id) {
      if (scan.torn_bytes == 0) return absl::OkStatus();
      return io_.Rewrite(segment.path, std::string_view(*content).substr(0, scan.valid_bytes));
    }
    if (!scan.ok()) {
      if (absl::Status status = SetAside(segment.path); !status.ok()) return status;
      ++report_.rebuilt;
      report_.kept_messages += scan.messages;
      report_.lost_records += scan.lost();
    }
    return spool::ReplaceFile(io_, segment.path, rebuilder.out(), /*durable=*/true);
  }

  // A second name for the file, which is then replaced under its first.
  absl::Status SetAside(const std::string& path) {
    std::error_code error;
    for (int i = 1; i < 1000; ++i) {
      std::string aside = fmt::format("{}{}", path, spool::kDamagedSuffix);
      if (i > 1) aside = fmt::format("{}-{}{}", path, i, spool::kDamagedSuffix);
      std::filesystem::create_hard_link(path, aside, error);
      if (error == std::errc::file_exists) continue;
      if (error) return FileError("cannot set aside", path, error.value());
      report_.set_aside.push_back(std::move(aside));
      return absl::OkStatus();
    }
    return FileError("cannot set aside", path, error.value());
  }

  const std::string directory_;
  const SpoolRepairOptions options_;
  spool::SpoolIo& io_;
  Listing listing_;
  SpoolId id_{};
  SpoolRepairReport report_;
};

// Gives messages until it has given enough.
class Printer final : public spool::FrameVisitor {
 public:
  Printer(std::size_t limit, absl::FunctionRef<void(const Message&)> on_message)
      : left_(limit), on_message_(on_message) {}
  void OnFrame(const Frame& frame, std::size_t) override {
    Message message;
    if (left_ == 0 || frame.kind != spool::RecordKind::kMessage) return;
    if (!spool::DecodeMessage(frame, &headers_, &message).ok()) return;
    message.position = {0, frame.sequence, frame.next()};
    on_message_(message);
    --left_;
  }
  bool done() const { return left_ == 0; }

 private:
  std::size_t left_;
  absl::FunctionRef<void(const Message&)> on_message_;
  std::vector<Header> headers_;
};

// A running process may delete a segment meanwhile: then it was of no further interest.
absl::Status ForEachSegment(const Listing& listing,
                            absl::FunctionRef<bool(std::size_t, std::string_view)> look) {
  for (std::size_t i = 0; i < listing.segments.size(); ++i) {
    const absl::StatusOr<std::string> content = spool::ReadWhole(listing.segments[i].path);
    if (absl::IsNotFound(content.status())) continue;
    if (!content.ok()) return content.status();
    if (!look(i, *content)) break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SpoolReport> InspectSpool(const std::string& directory) {
  const absl::StatusOr<Listing> listing = spool::ListSpool(directory);
  if (!listing.ok()) return listing.status();
  SpoolReport report;
  report.directory = directory;
  report.id = spool::ShowId(listing->id);
  if (listing->progress.has_value()) report.committed = listing->progress->committed;
  report.set_aside = listing->damaged;
  report.in_use = spool::IsLocked(directory);
  absl::Status status = ForEachSegment(*listing, [&](std::size_t index, std::string_view content) {
    const SegmentScan scan = spool::ScanSegment(content, LimitsOf(*listing, index));
    report.segments.push_back(ReportOf(*listing, index, scan, content.size()));
    return true;
  });
  if (!status.ok()) return status;
  return report;
}

absl::Status ReadSpoolMessages(const std::string& directory, std::size_t limit,
                               absl::FunctionRef<void(const Message&)> on_message) {
  const absl::StatusOr<Listing> listing = spool::ListSpool(directory);
  if (!listing.ok()) return listing.status();
  Printer printer(limit, on_message);
  return ForEachSegment(*listing, [&](std::size_t index, std::string_view content) {
    spool::ScanSegment(content, LimitsOf(*listing, index), &printer);
    return !printer.done();
  });
}

absl::StatusOr<SpoolRepairReport> RepairSpool(const std::string& directory,
                                              const SpoolRepairOptions& options) {
  return Repair(directory, options).Run();
}

}  // namespace tsingest
