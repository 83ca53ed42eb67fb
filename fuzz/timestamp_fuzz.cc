// Timestamps: the fast ways agree with the slow ones, what is accepted survives being written and
// read again, and calendar dates agree with the standard library.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tsingest/model/parse_time.h"
#include "tsingest/model/pg_types.h"

namespace {

using tsingest::Arena;
using tsingest::EpochUnit;
using tsingest::ParseContext;
using tsingest::ParseOptions;
using tsingest::RejectCode;
using tsingest::Timestamp;
using tsingest::Token;
using tsingest::TokenKind;

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

bool IsDigits(std::string_view text, std::size_t at, std::size_t count) {
  for (std::size_t i = at; i < at + count; ++i) {
    if (!tsingest::IsDigit(text[i])) return false;
  }
  return true;
}

// YYYY-MM-DD, judged by std::chrono.
void CheckAgainstCalendar(std::string_view text, RejectCode code, Timestamp time) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !IsDigits(text, 0, 4) ||
      !IsDigits(text, 5, 2) || !IsDigits(text, 8, 2)) {
    return;
  }
  const auto number = [&](std::size_t at, std::size_t count) {
    return std::atoi(std::string(text.substr(at, count)).c_str());
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  Require((code == RejectCode::kOk) == date.ok());
  if (date.ok()) Require(time == std::chrono::sys_days(date));
}

// The long way for an epoch number, which never takes a short cut.
void CheckEpoch(std::string_view text, EpochUnit unit, ParseContext& context) {
  Timestamp fast;
  Timestamp slow;
  const RejectCode code = tsingest::ParseEpoch(text, '.', unit, context, &fast);
  const std::optional<tsingest::DecimalText> number = tsingest::SplitDecimal(text);
  const bool stored =
      number.has_value() && tsingest::internal::StoreLongEpoch(*number, unit, &slow);
  Require((code == RejectCode::kOk) == stored);
  if (stored) Require(fast == slow);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 500) return 0;
  const auto unit = static_cast<EpochUnit>(data[0] % 5);
  const bool use_format = (data[0] & 0x40) != 0;
  std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  ParseOptions options;
  options.time.epoch_unit = unit;
  if (use_format) {
    const std::size_t cut = text.find('|');
    if (cut == std::string::npos) return 0;
    options.time.format = text.substr(0, cut);
    text.erase(0, cut + 1);
  }
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  const Token token{(data[0] & 0x80) != 0 ? TokenKind::kString : TokenKind::kText, text};

  Timestamp time;
  const RejectCode code = tsingest::ParseTimestamp(token, context, &time);
  Require((code == RejectCode::kOk) == context.why.empty());
  Timestamp general;
  context.why.clear();
  Require(tsingest::internal::ReadTimestamp(token, context, &general, nullptr) == code);
  if (code == RejectCode::kOk) {
    Require(time == general && time >= tsingest::kMinTimestamp);
    tsingest::Date date;
    Require(tsingest::ParseDate(token, context, &date) == RejectCode::kOk);
    Require(tsingest::PgType<tsingest::Date>::Check(date, context) == RejectCode::kOk);
    const std::string written = tsingest::FormatTimestamp(time);
    Timestamp again;
    ParseOptions plain;
    context.options = &plain;
    if (written.size() == 27) {  // years 0000 to 9999
      Require(tsingest::ParseTimestamp({TokenKind::kString, written}, context, &again) ==
              RejectCode::kOk);
      Require(again == time);
    }
  }
  if (use_format) return 0;
  CheckAgainstCalendar(text, code, time);
  CheckEpoch(text, unit, context);
  return 0;
}
