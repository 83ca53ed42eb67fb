// Input values to timestamps and dates.
#ifndef TSINGEST_MODEL_PARSE_TIME_H_
#define TSINGEST_MODEL_PARSE_TIME_H_

#include <chrono>
#include <string>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/iso_time.h"
#include "tsingest/model/parse_epoch.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/time_format.h"
#include "tsingest/model/time_options.h"
#include "tsingest/model/token.h"

namespace tsingest {

// What is read as a timestamp, unless TimeOptions::format says otherwise:
//
//   2024-01-15T10:30:00.123Z       RFC 3339: t and z in either case, a blank or "T" between date
//   and 2024-01-15 10:30:00,5+05:30    time, any number of fraction digits behind '.' or ','
//   2024-01-15 10:30+00            seconds may be missing; offsets ±HH, ±HHMM, ±HH:MM[:SS] up to
//                                  23:59:59, Z, UTC and GMT, a blank before them allowed
//   2024/01/15, 2024-01-15         a date is its midnight
//   20240115T103000Z, 20240115,    ISO 8601 basic forms
//   20240115103000
//   1705314600, 1705314600.123,    epoch numbers, see ParseEpoch(); as text a run of exactly 8 or
//   14 1.7053146E9, "-1"              digits is a basic form while TimeOptions::epoch_unit is kAuto
//
// Years are 0000 to 9999 (0000 is 1 BC). Without offset: TimeOptions::zone, else UTC; a local time
// that came twice is TimeOptions::ambiguous's, one that never came is a reject (a date is none).
// Fractions are rounded half to even to microseconds. Second 60 is the second after 23:59:59 UTC,
// and nothing else. 24:00:00 is the end of the day in the forms with a blank, as PostgreSQL and
// many loggers write it; RFC 3339 has no hour 24, so "T24:00:00" is none. Words such as "infinity"
// and "now", names of months, and dates in another order are no timestamps.
//
// Rejects: kTime (not a timestamp, not storable, outside the window), kType for true, false,
// objects and arrays, kLimit for a number longer than kMaxNumberBytes.
RejectCode ParseTimestamp(const Token& token, ParseContext& context, Timestamp* out);

// What is read as a date: the same. Of text the date is taken as written, whatever the offset; of
// an epoch number the day in UTC.
RejectCode ParseDate(const Token& token, ParseContext& context, Date* out);

namespace internal {

inline constexpr std::string_view kNotATimestamp = "is not a timestamp";

// Whether text that is no JSON number is an epoch number rather than a date: it begins with a digit
// or a sign, and where the first run of digits ends there is no sign of a date.
inline bool LooksLikeEpoch(std::string_view text, EpochUnit unit) {
  if (text.front() == '-' || text.front() == '+') return true;
  std::size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  if (digits == 0) return text.front() == '.';
  const bool ends = digits == text.size();
  if (unit == EpochUnit::kAuto && ((digits == 8 && ends) || digits == 14)) return false;
  return ends || text[digits] == '.' || text[digits] == ',' || (text[digits] | 0x20) == 'e';
}

inline constexpr std::string_view kRepeatedTime =
    "is a local time that came twice, because clocks were put back; say which is meant by "
    "--ambiguous-time earlier or later, or write times with their offset";

// A local time has become *out, the first instant it may be.
inline RejectCode ChooseInstant(Timestamp written, const LocalInstants& local,
                                ParseContext& context, Timestamp* out) {
  const bool is_repeated = local.kind == LocalInstants::Kind::kRepeated;
  switch (context.options->time.ambiguous) {
    case AmbiguousTime::kEarlier:
      return RejectCode::kOk;
    case AmbiguousTime::kLater:
      if (is_repeated) *out = local.second;
      return RejectCode::kOk;
    case AmbiguousTime::kOrder:
      if (context.local_times == nullptr) break;
      context.local_times->push_back({out, written, local});
      return RejectCode::kOk;
    case AmbiguousTime::kReject:
      break;
  }
  return is_repeated ? context.Fail(RejectCode::kTime, kRepeatedTime) : RejectCode::kOk;
}

inline RejectCode FinishTime(const WrittenTime& time, ParseContext& context, Timestamp* out,
                             Date* date) {
  if (date != nullptr) *date = std::chrono::floor<std::chrono::days>(time.Civil());
  const TimeZoneRule* const zone = context.options->time.zone;
  LocalInstants local;
  const std::string_view why = ToInstant(time, zone, &local, out);
  if (!why.empty()) return context.Fail(RejectCode::kTime, why);
  const bool is_local = zone != nullptr && !time.has_offset && date == nullptr;
  return is_local ? ChooseInstant(time.Civil(), local, context, out) : RejectCode::kOk;
}

inline RejectCode ReadEpoch(std::string_view text, char point, ParseContext& context,
                            Timestamp* out, Date* date) {
  const RejectCode code = ParseEpoch(text, point, context.options->time.epoch_unit, context, out);
  if (date != nullptr) *date = std::chrono::floor<std::chrono::days>(*out);
  return code;
}

// A value that is no number by its kind and its options, told apart by its text.
inline RejectCode ReadTimeText(std::string_view text, char point, ParseContext& context,
                               Timestamp* out, Date* date) {
  if (LooksLikeEpoch(text, context.options->time.epoch_unit)) {
    return ReadEpoch(text, point, context, out, date);
  }
  WrittenTime time;
  if (!ReadIso(text, &time)) return context.Fail(RejectCode::kTime, kNotATimestamp);
  return FinishTime(time, context, out, date);
}

inline RejectCode ReadFormatted(std::string_view text, ParseContext& context, Timestamp* out,
                                Date* date) {
  WrittenTime time;
  if (ReadFormattedTime(context.options->time.format, text, &time)) {
    return FinishTime(time, context, out, date);
  }
  context.why = "does not match the time format " + context.options->time.format;
  return RejectCode::kTime;
}

// The one timestamp the token stands for, whatever window there is. `date` (may be null) gets the
// date as it was written.
inline RejectCode ReadTimestamp(const Token& token, ParseContext& context, Timestamp* out,
                                Date* date) {
  const bool is_text = token.kind == TokenKind::kString || token.kind == TokenKind::kText;
  if (!is_text && token.kind != TokenKind::kNumber) {
    return context.Fail(RejectCode::kType, kNotATimestamp);
  }
  const std::string_view text = is_text ? TrimBlanks(token.text) : token.text;
  if (text.empty()) return context.Fail(RejectCode::kTime, "is empty, not a timestamp");
  if (!context.options->time.format.empty()) return ReadFormatted(text, context, out, date);
  if (!is_text) return ReadEpoch(text, '.', context, out, date);
  const bool comma = token.kind == TokenKind::kText && context.options->decimal_comma;
  return ReadTimeText(text, comma ? ',' : '.', context, out, date);
}

inline RejectCode CheckWindow(Timestamp time, ParseContext& context) {
  const TimeOptions& options = context.options->time;
  const auto outside = [&](std::string_view side, Timestamp limit, std::string_view which) {
    context.why = "is " + std::string(side) + " " + FormatTimestamp(limit) + ", the " +
                  std::string(which) + " accepted";
    return RejectCode::kTime;
  };
  if (options.not_before.has_value() && time < *options.not_before) {
    return outside("before", *options.not_before, "earliest");
  }
  if (options.not_after.has_value() && time > *options.not_after) {
    return outside("after", *options.not_after, "latest");
  }
  const auto micros = [](Duration d) {
    return std::chrono::duration_cast<std::chrono::microseconds>(d);
  };
  if (options.max_age.has_value() && time < context.arrival - micros(*options.max_age)) {
    return outside("before", context.arrival - micros(*options.max_age), "earliest");
  }
  if (options.max_ahead.has_value() && time > context.arrival + micros(*options.max_ahead)) {
    return outside("after", context.arrival + micros(*options.max_ahead), "latest");
  }
  return RejectCode::kOk;
}

}  // namespace internal

inline RejectCode ParseTimestamp(const Token& token, ParseContext& context, Timestamp* out) {
  const TimeOptions& options = context.options->time;
  const bool is_plain = options.format.empty() && !options.HasWindow();
  if (is_plain && token.kind == TokenKind::kNumber) {
    return ParseEpoch(token.text, '.', options.epoch_unit, context, out);
  }
  std::int64_t micros = 0;
  if (is_plain && (token.kind == TokenKind::kString || token.kind == TokenKind::kText) &&
      internal::ReadUtc(token.text, options.zone != nullptr, &micros)) {
    *out = Timestamp(std::chrono::microseconds(micros));
    return RejectCode::kOk;
  }
  const RejectCode code = internal::ReadTimestamp(token, context, out, nullptr);
  return code == RejectCode::kOk && !is_plain ? internal::CheckWindow(*out, context) : code;
}

inline RejectCode ParseDate(const Token& token, ParseContext& context, Date* out) {
  Timestamp time;
  const RejectCode code = internal::ReadTimestamp(token, context, &time, out);
  return code == RejectCode::kOk ? internal::CheckWindow(time, context) : code;
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PARSE_TIME_H_
