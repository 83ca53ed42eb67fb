#include "service/status_json.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "service/json_writer.h"
#include "tsingest/service/scrub.h"
#include "tsingest/service/time_text.h"
#include "tsingest/service/version.h"

namespace tsingest::internal {
namespace {

// For the estimate of a buffer in rows: a row's share of memory besides its payload, and a row when
// none has come yet.
constexpr double kRowOverheadBytes = 160;
constexpr double kUnknownRowBytes = 300;

double Round(double value) { return std::round(value * 100) / 100; }

std::string Message(const absl::Status& status) {
  return ScrubSecrets(std::string_view(status.message().data(), status.message().size()));
}

void WriteValue(const StatusValue& value, JsonWriter& json) {
  const auto write = [&json](const auto& v) {
    using T = std::remove_cvref_t<decltype(v)>;
    if constexpr (std::is_same_v<T, std::string>) {
      json.String(ScrubSecrets(v));
    } else if constexpr (std::is_same_v<T, bool>) {
      json.Bool(v);
    } else if constexpr (std::is_same_v<T, double>) {
      json.Number(v);
    } else {
      json.Integer(v);
    }
  };
  std::visit(write, value);
}

void WriteFields(const StatusFields& fields, JsonWriter& json) {
  for (const auto& [key, value] : fields) {
    json.Key(key);
    WriteValue(value, json);
  }
}

void WriteCheck(std::string_view name, const absl::Status& health, JsonWriter& json) {
  json.Key(name).BeginObject().Key("status").String(health.ok() ? "ok" : "error");
  if (!health.ok()) json.Key("message").String(Message(health));
  json.EndObject();
}

std::string_view StateReason(PipelineState state) {
  switch (state) {
    case PipelineState::kIdle:
    case PipelineState::kStarting:
      return "starting";
    case PipelineState::kDraining:
      return "stopping: writing what was received";
    case PipelineState::kStopped:
      return "stopped";
    case PipelineState::kRunning:
    case PipelineState::kPaused:
      break;
  }
  return "";
}

// How many rows the buffer takes: the bound in rows, or what the bound in bytes is worth.
std::uint64_t BufferRows(const EndpointsOptions& options, const CountersSnapshot& counters) {
  if (options.buffer_rows > 0) return options.buffer_rows;
  const auto received = static_cast<double>(counters.balance.received);
  const double row_bytes =
      received == 0 ? kUnknownRowBytes
                    : static_cast<double>(counters.payload_bytes) / received + kRowOverheadBytes;
  return static_cast<std::uint64_t>(static_cast<double>(options.buffer_bytes) / row_bytes);
}

void WriteIngestion(const ServiceStatus& status, const EndpointsOptions& options,
                    JsonWriter& json) {
  const std::uint64_t size = BufferRows(options, status.counters);
  const std::uint64_t used = status.counters.balance.in_flight;
  const double share = size == 0 ? 0 : static_cast<double>(used) / static_cast<double>(size);
  json.Key("ingestion").BeginObject();
  json.Key("points_received").Integer(status.counters.balance.received);
  json.Key("points_dropped").Integer(status.source.messages_dropped);
  json.Key("buffer_size").Integer(size);
  json.Key("buffer_used").Integer(used);
  json.Key("buffer_utilization").Number(Round(std::min(share, 1.0) * 100));
  json.EndObject();
}

void WriteSource(const SourceStatus& source, JsonWriter& json) {
  json.Key(source.kind).BeginObject();
  json.Key("connected").Bool(source.connected);
  json.Key("broker").String(ScrubSecrets(source.address));
  json.Key("messages_received").Integer(source.messages_received);
  WriteFields(source.more, json);
  json.EndObject();
}

void WriteDatabase(const ServiceStatus& status, JsonWriter& json) {
  const HistogramSnapshot& writes = status.counters.write_seconds;
  const auto count = static_cast<double>(writes.Total());
  json.Key("database").BeginObject();
  json.Key("batches_written").Integer(status.counters.batches);
  json.Key("points_written").Integer(status.counters.balance.written);
  json.Key("avg_write_time_ms").Number(count == 0 ? 0 : Round(writes.sum * 1000 / count));
  json.Key("pool_total_conns").Integer(status.sink.connections);
  json.Key("pool_idle_conns").Integer(status.sink.idle_connections);
  json.EndObject();
}

void WriteBatcher(const CountersSnapshot& counters, JsonWriter& json) {
  const std::uint64_t flushed =
      std::accumulate(counters.flushes.begin(), counters.flushes.end(), std::uint64_t{0});
  json.Key("batcher").BeginObject();
  json.Key("batches_flushed").Integer(flushed);
  json.Key("current_batch_size").Integer(counters.open_batch_rows);
  json.Key("pending_batches").Integer(flushed - std::min(flushed, counters.batches));
  json.EndObject();
}

// Where the run is, in one word.
std::string_view StateWord(const ServiceStatus& status) {
  switch (status.state) {
    case PipelineState::kIdle:
    case PipelineState::kStarting:
    case PipelineState::kRunning:
    case PipelineState::kPaused:
      break;
    case PipelineState::kDraining:
      return "stopping";
    case PipelineState::kStopped:
      return "stopped";
  }
  const bool is_sick = !status.sink_health.ok() || !status.source_health.ok();
  if (is_sick || status.state == PipelineState::kPaused) return "waiting";
  return status.state == PipelineState::kRunning ? "running" : "starting";
}

void WriteState(const ServiceStatus& status, JsonWriter& json) {
  const std::string_view word = StateWord(status);
  json.Key("state").String(word);
  if (word == "running") return;
  std::string reason = NotReadyReason(status);
  if (reason.empty()) reason = "the buffer is full: the sink takes less than the source gives";
  json.Key("reason").String(reason);
}

void WriteBalance(const Balance& balance, JsonWriter& json) {
  json.Key("balance").BeginObject();
  json.Key("received").Integer(balance.received);
  json.Key("written").Integer(balance.written);
  json.Key("deduplicated").Integer(balance.deduplicated);
  json.Key("dead_lettered").Integer(balance.dead_lettered);
  json.Key("in_flight").Integer(balance.in_flight);
  json.Key("ok").Bool(balance.Holds());
  json.EndObject();
}

void WriteChecks(const ServiceStatus& status, JsonWriter& json) {
  json.Key("checks").BeginObject();
  WriteCheck("source", status.source_health, json);
  WriteCheck("sink", status.sink_health, json);
  json.EndObject();
}

// ---- /live.json ----

void WriteLiveSource(const SourceStatus& source, JsonWriter& json) {
  json.Key("source").BeginObject();
  json.Key("kind").String(source.kind);
  json.Key("address").String(ScrubSecrets(source.address));
  json.Key("connected").Bool(source.connected);
  json.Key("dropped").Integer(source.messages_dropped);
  json.Key("window_size").Integer(source.window_size);
  json.Key("lag");
  std::int64_t lag = 0;
  for (const auto& [stream, messages] : source.lag) lag += std::max<std::int64_t>(messages, 0);
  if (source.lag.empty()) {
    json.Null();
  } else {
    json.Integer(lag);
  }
  json.Key("more").BeginObject();
  WriteFields(source.more, json);
  json.EndObject().EndObject();
}

void WriteLiveErrors(const ServiceStatus& status, JsonWriter& json) {
  json.Key("errors").BeginObject();
  for (const auto& [code, count] : status.sink.errors) json.Key(code).Integer(count);
  json.EndObject();
  json.Key("rejects").BeginObject();
  for (std::size_t i = 1; i < status.counters.rejects.size(); ++i) {
    if (status.counters.rejects[i] == 0) continue;
    json.Key(RejectSlug(static_cast<RejectCode>(i))).Integer(status.counters.rejects[i]);
  }
  json.EndObject();
}

void WriteReject(const RecentReject& reject, JsonWriter& json) {
  json.BeginObject();
  json.Key("at").String(Rfc3339(reject.at));
  json.Key("stream").String(reject.stream);
  json.Key("position").Integer(reject.position);
  json.Key("line").Integer(reject.line);
  json.Key("topic").String(reject.topic);
  json.Key("code").String(reject.code);
  json.Key("reason").String(reject.reason);
  json.Key("payload").String(reject.payload);
  json.EndObject();
}

void WriteSample(const LiveSample& sample, JsonWriter& json) {
  json.BeginObject();
  json.Key("n").Integer(sample.number);
  json.Key("t").Integer(sample.at_ms);
  json.Key("received").Integer(sample.balance.received);
  json.Key("written").Integer(sample.balance.written);
  json.Key("deduplicated").Integer(sample.balance.deduplicated);
  json.Key("dead_lettered").Integer(sample.balance.dead_lettered);
  json.Key("in_flight").Integer(sample.balance.in_flight);
  json.Key("errors").Integer(sample.errors);
  json.Key("buffer").Integer(sample.buffered_bytes);
  json.Key("window").Integer(sample.window_used);
  json.Key("p50").Number(sample.write_p50);
  json.Key("p99").Number(sample.write_p99);
  json.Key("age").Number(sample.age_p99);
  json.EndObject();
}

}  // namespace

std::string NotReadyReason(const ServiceStatus& status) {
  std::string reason;
  if (!status.sink_health.ok()) reason = "sink: " + Message(status.sink_health);
  if (!status.source_health.ok()) {
    if (!reason.empty()) reason += "; ";
    reason += "source: " + Message(status.source_health);
  }
  return reason.empty() ? std::string(StateReason(status.state)) : reason;
}

std::uint64_t ErrorCount(const SinkStatus& sink) {
  std::uint64_t sum = 0;
  for (const auto& [code, count] : sink.errors) sum += count;
  return sum;
}

std::string HealthJson(const ServiceStatus& status, const EndpointsOptions& options,
                       Duration uptime) {
  const std::string reason = NotReadyReason(status);
  JsonWriter json;
  json.BeginObject();
  json.Key("status").String(reason.empty() ? "healthy" : "unhealthy");
  if (!reason.empty()) json.Key("reason").String(reason);
  json.Key("service").String(options.service);
  json.Key("version").String(Version());
  json.Key("uptime").String(UptimeText(uptime));
  json.Key("state").String(StateWord(status));
  WriteChecks(status, json);
  json.EndObject();
  return json.Take() + "\n";
}

std::string ReadyJson(const std::string& not_ready_reason) {
  JsonWriter json;
  json.BeginObject().Key("status").String(not_ready_reason.empty() ? "ready" : "not_ready");
  if (!not_ready_reason.empty()) json.Key("reason").String(not_ready_reason);
  json.EndObject();
  return json.Take() + "\n";
}

std::string StatusJson(const ServiceStatus& status, const EndpointsOptions& options,
                       Duration uptime) {
  JsonWriter json;
  json.BeginObject();
  json.Key("service").String(options.service);
  json.Key("uptime").String(UptimeText(uptime));
  WriteIngestion(status, options, json);
  WriteSource(status.source, json);
  WriteDatabase(status, json);
  WriteBatcher(status.counters, json);
  WriteState(status, json);
  WriteBalance(status.counters.balance, json);
  WriteChecks(status, json);
  json.EndObject();
  return json.Take() + "\n";
}

std::string LiveJson(const LiveInput& input) {
  JsonWriter json;
  json.BeginObject();
  json.Key("service").String(input.options.service);
  json.Key("version").String(Version());
  json.Key("uptime").String(UptimeText(input.uptime));
  json.Key("started").String(Rfc3339(input.started));
  json.Key("state").String(PipelineStateName(input.status.state));
  json.Key("not_ready").String(NotReadyReason(input.status));
  json.Key("buffer_limit").Integer(input.options.buffer_bytes);
  WriteLiveSource(input.status.source, json);
  WriteLiveErrors(input.status, json);
  json.Key("recent_rejects").BeginArray();
  for (const RecentReject& reject : input.rejects) WriteReject(reject, json);
  json.EndArray();
  json.Key("samples").BeginArray();
  for (const LiveSample& sample : input.samples) WriteSample(sample, json);
  json.EndArray().EndObject();
  return json.Take() + "\n";
}

}  // namespace tsingest::internal
