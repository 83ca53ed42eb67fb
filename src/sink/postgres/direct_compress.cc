#include "sink/postgres/direct_compress.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tsingest/sink/postgres_core.h"

namespace tsingest::postgres {
namespace {

constexpr std::uint32_t kInt8TypeOid = 20;
constexpr std::uint32_t kTimestamptzTypeOid = 1184;
// Rows that a compressed batch should hold on average.
constexpr std::size_t kRowsPerSegment = 100;

bool IsEightByteNumber(std::uint32_t oid) {
  return oid == kInt8TypeOid || oid == kTimestamptzTypeOid;
}

// Why the table cannot have it; "" when it can.
std::string Obstacle(const Target& target, DirectCompress mode) {
  const Table& table = target.table;
  if (mode == DirectCompress::kOff) return "switched off";
  if (!table.hypertable.has_value()) return "not a hypertable";
  if (!table.hypertable->direct_compress_known) return "needs TimescaleDB 2.21 or newer";
  if (!table.hypertable->compression_enabled) {
    return "compression is not enabled on the table (--create --layout compressed makes one with "
           "it)";
  }
  if (table.has_unique) return "the table has a primary key, unique or exclusion constraint";
  if (table.has_trigger) return "the table has triggers on INSERT";
  if (!target.can_copy) return "rows are inserted, not copied";
  return "";
}

std::string Names(const std::vector<CompressKey>& keys) {
  std::string out;
  for (const CompressKey& key : keys) out += (out.empty() ? "" : ", ") + key.column;
  return out.empty() ? "nothing" : out;
}

}  // namespace

DirectCompressPlan::DirectCompressPlan(const Target& target, DirectCompress mode) {
  const auto& hypertable = target.table.hypertable;
  setting_known_ = hypertable.has_value() && hypertable->direct_compress_known;
  why_ = Obstacle(target, mode);
  usable_ = why_.empty();
  if (!usable_) return;
  why_ = "rows are compressed on the way in, segmented by " + Names(hypertable->segment_by) +
         ", ordered by " + Names(hypertable->order_by);
  is_segment_.assign(target.columns.size(), false);
  for (std::size_t i = 0; i < target.columns.size(); ++i) {
    const Column& column = target.columns[i];
    const bool comparable = IsEightByteNumber(column.base_oid);
    if (std::ranges::find(hypertable->segment_by, column.name, &CompressKey::column) !=
        hypertable->segment_by.end()) {
      is_segment_[i] = true;
      last_field_ = i;
    }
    if (!hypertable->order_by.empty() && hypertable->order_by[0].column == column.name &&
        comparable) {
      order_field_ = i;
      order_descending_ = hypertable->order_by[0].descending;
      last_field_ = i;
    }
    if (hypertable->time_column == column.name && comparable && hypertable->chunk_interval_us > 0) {
      time_field_ = i;
      chunk_interval_us_ = hypertable->chunk_interval_us;
      last_field_ = i;
    }
  }
}

// The value in an order that unsigned comparison keeps. NULLs come last or first, it does not
// matter: the server sorts for itself.
std::uint64_t DirectCompressPlan::OrderOf(const FieldImage& field) const {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  if (field.is_null || field.value.size() != sizeof(std::uint64_t)) return ~std::uint64_t{0};
  const std::uint64_t value = LoadBigEndian<std::uint64_t>(field.value.data()) ^ kSign;
  return order_descending_ ? ~value : value;
}

// Returns the number of compressed batches that the rows will be spread over, if none gets full.
std::size_t DirectCompressPlan::ReadKeys(const Rows& rows, std::vector<SortKey>* keys) const {
  std::unordered_map<std::string, std::uint32_t> segments;
  std::unordered_set<std::uint64_t> groups;
  std::string segment;
  std::string last_segment;
  std::uint32_t last_number = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    FieldReader reader(rows.Row(row));
    SortKey key{.segment = 0, .order = 0, .row = static_cast<std::uint32_t>(row)};
    std::uint64_t chunk = 0;
    segment.clear();
    for (std::size_t i = 0; i <= last_field_; ++i) {
      const FieldImage field = reader.Next();
      if (is_segment_[i]) segment.append(field.raw);
      if (order_field_ == i) key.order = OrderOf(field);
      if (time_field_ == i && field.value.size() == sizeof(std::int64_t)) {
        const auto time = LoadBigEndian<std::int64_t>(field.value.data());
        chunk = static_cast<std::uint64_t>(time / chunk_interval_us_);
      }
    }
    if (segments.empty() || segment != last_segment) {
      last_number =
          segments.try_emplace(segment, static_cast<std::uint32_t>(segments.size())).first->second;
      last_segment = segment;
    }
    key.segment = last_number;
    groups.insert((chunk << 32) ^ last_number);
    keys->push_back(key);
  }
  return groups.size();
}

DirectCompressPlan::Verdict DirectCompressPlan::Examine(const Rows& rows,
                                                        std::vector<std::uint32_t>* order) const {
  if (rows.size() < kLeastDirectCompressRows) return Verdict::kTooFewRows;
  std::vector<SortKey> keys;
  keys.reserve(rows.size());
  if (rows.size() / ReadKeys(rows, &keys) < kRowsPerSegment) return Verdict::kTooManySegments;
  std::ranges::sort(keys, [](const SortKey& a, const SortKey& b) {
    return std::tie(a.segment, a.order, a.row) < std::tie(b.segment, b.order, b.row);
  });
  order->clear();
  order->reserve(keys.size());
  for (const SortKey& key : keys) order->push_back(key.row);
  return Verdict::kWorthIt;
}

std::string DirectCompressPlan::Explain(Verdict verdict) {
  switch (verdict) {
    case Verdict::kWorthIt:
      return "rows are compressed on the way in";
    case Verdict::kTooFewRows:
      return "batches of fewer than " + std::to_string(kLeastDirectCompressRows) +
             " rows go by plain COPY, because direct compress would not pay; raise --batch-size "
             "(and --linger) for it, best to " +
             std::to_string(kDirectCompressRows);
    case Verdict::kTooManySegments:
      return "batches with fewer than " + std::to_string(kRowsPerSegment) +
             " rows per segment and chunk go by plain COPY, because direct compress would be "
             "slower; "
             "larger batches, or another compress_segmentby, would change that";
  }
  return "";
}

}  // namespace tsingest::postgres
