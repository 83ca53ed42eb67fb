// The local times of a CSV record, and which coming of a repeated one is meant.
#ifndef TSINGEST_DECODE_INTERNAL_CSV_LOCAL_TIMES_H_
#define TSINGEST_DECODE_INTERNAL_CSV_LOCAL_TIMES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fmt/format.h"
#include "tsingest/decode/internal/local_order.h"
#include "tsingest/model/model.h"
#include "tsingest/model/parse_time.h"

namespace tsingest::internal {

// For each record: Begin(), the fields are parsed (which notes their local times), then Settle().
// Not thread-safe. The field list and the zone must outlive it.
class CsvLocalTimes {
 public:
  // `segment_by`: Layout's. `zone`: null, if times without an offset are not read by one.
  CsvLocalTimes(std::span<const FieldBinding> fields, std::string_view segment_by,
                const TimeZoneRule* zone)
      : fields_(fields),
        has_zone_(zone != nullptr),
        device_fields_(DeviceFields(fields, segment_by)),
        order_(zone) {}

  // Another file begins.
  void Clear() { order_.Clear(); }

  void Begin(std::int64_t offset, ParseContext& context) {
    if (!has_zone_) return;
    times_.clear();
    context.local_times = &times_;
    order_.Begin(offset);
  }

  bool empty() const { return times_.empty(); }

  // No time of the record came twice, and none is near one that did: nothing to settle.
  bool AreQuiet() {
    return std::ranges::all_of(times_, [&](const LocalTime& time) { return order_.IsQuiet(time); });
  }

  // What tells devices apart: the segment_by of the layout and the key, without times.
  std::span<const std::size_t> device_fields() const { return device_fields_; }

  // Tells times that came twice apart, by the order of the device's rows. `field_of`: the field
  // that a value of the row belongs to, or none. `device`: the row's values of device_fields().
  Reject Settle(absl::FunctionRef<std::optional<std::size_t>(const void*)> field_of,
                const std::string& device, ParseContext& context) {
    for (const LocalTime& time : times_) {
      Reject reject = SettleOne(time, field_of(time.value), device, context);
      if (reject) return reject;
    }
    order_.Keep();
    return {};
  }

 private:
  static constexpr std::size_t kSecondsSize = 19;  // of "2024-10-27T02:30:00"

  static std::vector<std::size_t> DeviceFields(std::span<const FieldBinding> fields,
                                               std::string_view segment_by) {
    constexpr std::uint32_t kTimestamptzOid = 1184;
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool is_device = fields[i].is_key || ListHas(segment_by, fields[i].column);
      if (is_device && fields[i].pg_oid != kTimestamptzOid) found.push_back(i);
    }
    return found;
  }

  Reject SettleOne(const LocalTime& time, std::optional<std::size_t> field,
                   const std::string& device, ParseContext& context) {
    const bool is_repeated = time.instants.kind == LocalInstants::Kind::kRepeated;
    std::string_view why = "";
    if (!field.has_value() || device_fields_.empty()) {
      if (!is_repeated) return {};  // the row has other times, or no model of its device
      why = "no fields tell whose rows they are (segment_by of the model's layout)";
    } else {
      const LocalOrder::Verdict verdict = order_.Look(fmt::format("{}:{}", *field, device), time);
      if (verdict == LocalOrder::Verdict::kFirst) return {};
      if (verdict == LocalOrder::Verdict::kSecond) return TakeSecond(time, *field, context);
      why = LocalOrder::Why(verdict);
    }
    return {RejectCode::kTime,
            fmt::format("{}: {} {}; the order of the rows does not tell which is meant: {}",
                        field.has_value() ? fields_[*field].column : "time",
                        ShowValue(FormatTimestamp(time.written).substr(0, kSecondsSize)),
                        kRepeatedTime, why)};
  }

  Reject TakeSecond(const LocalTime& time, std::size_t field, ParseContext& context) {
    *time.value = time.instants.second;
    const RejectCode code = CheckWindow(*time.value, context);
    if (code == RejectCode::kOk) return {};
    return {code, fmt::format("{}: {} {}", fields_[field].column,
                              ShowValue(FormatTimestamp(*time.value)), context.why)};
  }

  const std::span<const FieldBinding> fields_;
  const bool has_zone_;
  const std::vector<std::size_t> device_fields_;
  LocalOrder order_;
  std::vector<LocalTime> times_;  // of the record, AmbiguousTime::kOrder only
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_CSV_LOCAL_TIMES_H_
