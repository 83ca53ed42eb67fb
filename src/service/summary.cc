#include "tsingest/service/summary.h"

#include "fmt/format.h"
#include "service/json_writer.h"
#include "tsingest/base/units.h"
#include "tsingest/service/number_text.h"

namespace tsingest {
namespace {

std::uint64_t Finished(const Balance& balance) {
  return balance.written + balance.deduplicated + balance.dead_lettered;
}

double RowsPerSecond(const RunSummary& summary) {
  if (summary.seconds <= 0) return 0;
  return static_cast<double>(Finished(summary.balance)) / summary.seconds;
}

std::string SummaryJson(const RunSummary& summary) {
  const Balance& balance = summary.balance;
  internal::JsonWriter json;
  json.BeginObject();
  json.Key("received").Integer(balance.received);
  json.Key("written").Integer(balance.written);
  json.Key("deduplicated").Integer(balance.deduplicated);
  json.Key("dead_lettered").Integer(balance.dead_lettered);
  json.Key("in_flight").Integer(balance.in_flight);
  json.Key("batches").Integer(summary.batches);
  json.Key("bytes").Integer(summary.bytes);
  json.Key("seconds").Raw(fmt::format("{:.3f}", summary.seconds));
  json.Key("rows_per_second").Raw(fmt::format("{:.1f}", RowsPerSecond(summary)));
  if (summary.is_dry_run) json.Key("dry_run").Raw("true");
  json.EndObject();
  return json.Take() + "\n";
}

std::string SummaryText(const RunSummary& summary) {
  const Balance& balance = summary.balance;
  std::string out =
      fmt::format("{:<15}{:>15}\n{:<15}{:>15}\n", "received", GroupDigits(balance.received),
                  summary.is_dry_run ? "would write" : "written", GroupDigits(balance.written));
  const auto line = [&](std::string_view name, std::uint64_t value) {
    if (value > 0) out += fmt::format("{:<15}{:>15}\n", name, GroupDigits(value));
  };
  line("deduplicated", balance.deduplicated);
  line("dead-lettered", balance.dead_lettered);
  line("in flight", balance.in_flight);
  line("handed over", balance.handed_over);
  out += fmt::format("in {:.3f} s: {} rows/s, {} of input, {} {}\n", summary.seconds,
                     GroupDigits(static_cast<std::uint64_t>(RowsPerSecond(summary))),
                     ShortSize(summary.bytes), GroupDigits(summary.batches),
                     summary.batches == 1 ? "batch" : "batches");
  if (!summary.note.empty()) out += summary.note + "\n";
  return out;
}

}  // namespace

SummaryFormat ParseSummaryFormat(std::string_view name) {
  if (name == "json") return SummaryFormat::kJson;
  return name == "text" ? SummaryFormat::kText : SummaryFormat::kNone;
}

std::string FormatSummary(SummaryFormat format, const RunSummary& summary) {
  switch (format) {
    case SummaryFormat::kText:
      return SummaryText(summary);
    case SummaryFormat::kJson:
      return SummaryJson(summary);
    case SummaryFormat::kNone:
      break;
  }
  return "";
}

int ExitCode(const RunOutcome& outcome) {
  const bool balanced = outcome.balance.Holds() && outcome.balance.in_flight == 0;
  if (!outcome.status.ok() || !balanced) return kExitNotFinished;
  if (outcome.signal != 0) return 128 + outcome.signal;
  return outcome.balance.dead_lettered > 0 ? kExitDeadLetters : kExitDone;
}

int StartExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return kExitUsage;
    default:
      return kExitNotFinished;
  }
}

}  // namespace tsingest
