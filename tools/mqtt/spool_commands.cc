#include "tools/mqtt/spool_commands.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "tsingest/base/base64.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/units.h"
#include "tsingest/base/utf8.h"
#include "tsingest/model/json_write.h"
#include "tsingest/service/standard_streams.h"
#include "tsingest/service/time_text.h"
#include "tsingest/source/spool_maintenance.h"

namespace tsingest {
namespace {

using What = SpoolCommand::What;

constexpr int kWell = 0;
constexpr int kFailed = 1;
constexpr int kLost = 3;

int Fail(const absl::Status& status) {
  std::fputs(fmt::format("tsingest-spool: {}\n", std::string(status.message())).c_str(), stderr);
  return kFailed;
}

// Print() throws when stdout takes nothing; RunSpoolCommand() says it.
template <class... Args>
void Print(fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void AppendText(std::string_view name, std::string_view text, ByteBuffer& out) {
  const bool is_text = IsValidUtf8(text);
  out.Append(",\"");
  out.Append(name);
  out.Append(is_text ? "\":" : "_base64\":");
  if (is_text) return AppendJsonString(text, out);
  out.Append("\"");
  AppendBase64(text, out);
  out.Append("\"");
}

void PrintMessage(const Message& message) {
  ByteBuffer line;
  line.Append(fmt::format("{{\"record\":{},\"arrival\":\"{}\"", message.position.offset,
                          Rfc3339(message.arrival)));
  AppendText("topic", message.topic, line);
  if (!message.key.empty()) AppendText("key", message.key, line);
  AppendText("payload", message.payload, line);
  if (message.omitted_bytes > 0) {
    line.Append(fmt::format(",\"omitted_bytes\":{}", message.omitted_bytes));
  }
  Print("{}}}\n", line.view());
}

void PrintProblems(const SpoolReport& report) {
  for (const SpoolSegmentReport& segment : report.segments) {
    for (const std::string& problem : segment.problems) {
      Print("{}: {}\n", segment.path, problem);
    }
  }
}

void PrintSegment(const SpoolSegmentReport& segment) {
  Print("{:>12} {:>12} {:>10} {:>12}  {}  {}", segment.first, segment.end, segment.messages,
        segment.bytes, segment.oldest ? Rfc3339(*segment.oldest) : std::string(27, '-'),
        segment.path);
  if (segment.gap_records > 0) Print("  {} lost and noted", segment.gap_records);
  if (segment.lost_records > 0) Print("  {} LOST", segment.lost_records);
  if (segment.torn_bytes > 0) Print("  {} bytes unfinished", segment.torn_bytes);
  Print("\n");
}

void PrintOverview(const SpoolReport& report) {
  std::uint64_t bytes = 0;
  for (const SpoolSegmentReport& segment : report.segments) bytes += segment.bytes;
  Print("spool       {}{}\n", report.directory,
        report.in_use ? "  (in use: this may be old already)" : "");
  Print("stream      spool:{}\n", report.id);
  Print("size        {} in {} segments\n", FormatSize(static_cast<std::int64_t>(bytes)),
        report.segments.size());
  if (!report.segments.empty()) {
    const std::int64_t first = report.segments.front().first;
    const std::int64_t end = report.segments.back().end;
    const std::int64_t committed = std::clamp(report.committed.value_or(first), first, end);
    Print("records     {} to {}, {} not known to be in the database\n", first, end - 1,
          end - committed);
    Print("\n{:>12} {:>12} {:>10} {:>12}  {:<27}  file\n", "first", "behind", "messages", "bytes",
          "oldest arrived");
  }
  for (const SpoolSegmentReport& segment : report.segments) PrintSegment(segment);
  for (const std::string& path : report.set_aside) Print("set aside by repair: {}\n", path);
}

int Inspect(const SpoolCommand& command) {
  const absl::StatusOr<SpoolReport> report = InspectSpool(command.directory);
  if (!report.ok()) return Fail(report.status());
  if (command.what == What::kInspect) PrintOverview(*report);
  PrintProblems(*report);
  if (command.messages > 0) {
    const auto limit = static_cast<std::size_t>(command.messages);
    const absl::Status status = ReadSpoolMessages(command.directory, limit, PrintMessage);
    if (!status.ok()) return Fail(status);
  }
  return report->ok() ? kWell : kFailed;
}

int Repair(const SpoolCommand& command) {
  const absl::StatusOr<SpoolRepairReport> report =
      RepairSpool(command.directory, {.new_id = command.new_id});
  if (!report.ok()) return Fail(report.status());
  Print(
      "segments rebuilt: {}, with {} messages; records lost: {}; bytes of unfinished writes cut "
      "off: {}; stream spool:{}\n",
      report->rebuilt, report->kept_messages, report->lost_records, report->cut_bytes, report->id);
  for (const std::string& path : report->set_aside) Print("set aside: {}\n", path);
  return report->lost_records > 0 ? kLost : kWell;
}

}  // namespace

absl::Status ReadSpoolCommand(const std::vector<std::string>& arguments, SpoolCommand* out) {
  const std::string name = arguments.empty() ? "" : arguments[0];
  if (name == "inspect") {
    out->what = What::kInspect;
  } else if (name == "verify") {
    out->what = What::kVerify;
  } else if (name == "repair") {
    out->what = What::kRepair;
  } else {
    return absl::InvalidArgumentError(fmt::format(
        "{}: say inspect, verify or repair, and the spool's directory",
        arguments.empty() ? "no command is given" : fmt::format("unknown command \"{}\"", name)));
  }
  if (arguments.size() != 2) {
    return absl::InvalidArgumentError(
        fmt::format("{} takes one directory, not {}", name, arguments.size() - 1));
  }
  out->directory = arguments[1];
  if (out->messages > 0 && out->what != What::kInspect) {
    return absl::InvalidArgumentError("--messages belongs to inspect");
  }
  if (out->new_id && out->what != What::kRepair) {
    return absl::InvalidArgumentError("--new-id belongs to repair");
  }
  return absl::OkStatus();
}

int RunSpoolCommand(const SpoolCommand& command) {
  const int exit_code = command.what == What::kRepair ? Repair(command) : Inspect(command);
  const absl::Status printed = PrintToStdout("");
  return printed.ok() ? exit_code : Fail(printed);
}

}  // namespace tsingest
