// PgType<> of timestamptz and date.
#ifndef TSINGEST_MODEL_PG_TYPES_TIME_H_
#define TSINGEST_MODEL_PG_TYPES_TIME_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/parse_time.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/types.h"

namespace tsingest {

// Reads what ParseTimestamp() reads. Binary: microseconds since 2000-01-01T00:00:00Z.
template <>
struct PgType<Timestamp> {
  static constexpr std::string_view kName = "timestamp with time zone";
  static constexpr std::uint32_t kOid = 1184;
  static constexpr std::uint32_t kArrayOid = 1185;
  static constexpr std::size_t kFixedSize = 8;

  static RejectCode Parse(const Token& token, ParseContext& context, Timestamp* out) {
    return ParseTimestamp(token, context, out);
  }
  static RejectCode Check(Timestamp value, ParseContext& context) {
    if (value >= kMinTimestamp) return RejectCode::kOk;
    return context.Fail(RejectCode::kTime, kTimestampRangeRule);
  }
  static constexpr std::size_t Size(Timestamp) { return kFixedSize; }
  static char* Write(char* out, Timestamp value) {
    return StoreBigEndian(out, value.time_since_epoch().count() - kPgEpochMicros);
  }
  static void AppendJson(Timestamp value, ByteBuffer& out) {
    char* const begin = out.Reserve(kMaxTimestampText + 2);
    *begin = '"';
    char* end = WriteTimestamp(begin + 1, value);
    *end++ = '"';
    out.Advance(static_cast<std::size_t>(end - begin));
  }
};

// Reads what ParseDate() reads. Binary: days since 2000-01-01.
template <>
struct PgType<Date> {
  static constexpr std::string_view kName = "date";
  static constexpr std::uint32_t kOid = 1082;
  static constexpr std::uint32_t kArrayOid = 1182;
  static constexpr std::size_t kFixedSize = 4;

  static RejectCode Parse(const Token& token, ParseContext& context, Date* out) {
    return ParseDate(token, context, out);
  }
  static RejectCode Check(Date value, ParseContext& context) {
    if (value >= kMinDate && value <= kMaxDate) return RejectCode::kOk;
    return context.Fail(RejectCode::kTime, kDateRangeRule);
  }
  static constexpr std::size_t Size(Date) { return kFixedSize; }
  static char* Write(char* out, Date value) {
    return StoreBigEndian(
        out, static_cast<std::int32_t>(value.time_since_epoch().count() - kPgEpochDays));
  }
  static void AppendJson(Date value, ByteBuffer& out) {
    char* const begin = out.Reserve(kMaxTimestampText + 2);
    *begin = '"';
    char* end = WriteDate(begin + 1, value);
    *end++ = '"';
    out.Advance(static_cast<std::size_t>(end - begin));
  }
};

// Instants of std::chrono::system_clock in other units, system_clock::time_point itself among them.
// What is finer than a microsecond is cut off (towards the past) when it is written.
template <class D>
requires(!std::same_as<D, std::chrono::microseconds> &&
         !std::same_as<D, std::chrono::days>) struct PgType<std::chrono::sys_time<D>> {
  using Micros = PgType<Timestamp>;
  using Time = std::chrono::sys_time<D>;
  static constexpr std::string_view kName = Micros::kName;
  static constexpr std::uint32_t kOid = Micros::kOid;
  static constexpr std::uint32_t kArrayOid = Micros::kArrayOid;
  static constexpr std::size_t kFixedSize = Micros::kFixedSize;

  static RejectCode Parse(const Token& token, ParseContext& context, Time* out) {
    Timestamp time;
    const RejectCode code = Micros::Parse(token, context, &time);
    if (code != RejectCode::kOk) return code;
    if (!Fits<Timestamp, Time>(time)) {
      return context.Fail(RejectCode::kTime, "does not fit the field's std::chrono type");
    }
    *out = std::chrono::floor<D>(time);
    return RejectCode::kOk;
  }
  static RejectCode Check(Time value, ParseContext& context) {
    if (Fits<Time, Timestamp>(value)) return Micros::Check(ToMicros(value), context);
    return context.Fail(RejectCode::kTime, kTimestampRangeRule);
  }
  static constexpr std::size_t Size(Time) { return kFixedSize; }
  static char* Write(char* out, Time value) { return Micros::Write(out, ToMicros(value)); }
  static void AppendJson(Time value, ByteBuffer& out) {
    if (Fits<Time, Timestamp>(value)) return Micros::AppendJson(ToMicros(value), out);
    AppendJsonInteger(static_cast<std::int64_t>(value.time_since_epoch().count()), out);
  }

 private:
  static Timestamp ToMicros(Time value) {
    return std::chrono::floor<std::chrono::microseconds>(value);
  }
  // Compared as floating-point seconds, less a second for its rounding.
  template <class A, class B>
  static bool Fits(A value) {
    using Seconds = std::chrono::duration<double>;
    const Seconds seconds(value.time_since_epoch());
    return seconds > Seconds(B::min().time_since_epoch()) + Seconds(1) &&
           seconds < Seconds(B::max().time_since_epoch()) - Seconds(1);
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_TIME_H_
