// Which metrics a tool exports. docs/operations.md says what each is good for.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include "service/metrics_text.h"
#include "tsingest/service/version.h"

namespace tsingest::internal {
namespace {

double AsDouble(std::uint64_t value) { return static_cast<double>(value); }

std::uint64_t FlushCount(const CountersSnapshot& counters) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counters.flushes) sum += count;
  return sum;
}

std::uint64_t ParseErrors(const CountersSnapshot& counters) {
  return counters.Rejected() - counters.rejects[static_cast<std::size_t>(RejectCode::kServer)];
}

std::uint64_t WriteErrors(const SinkStatus& sink) {
  std::uint64_t sum = 0;
  for (const auto& [code, count] : sink.errors) sum += count;
  return sum;
}

// S2's names and meanings.
void DataIngestion(const ServiceStatus& status, MetricsText* out) {
  const CountersSnapshot& counters = status.counters;
  const Balance& balance = counters.balance;
  out->Counter("data_ingestion_points_received_total",
               "Points received from the source, rejected ones included.",
               AsDouble(balance.received + balance.handed_over));
  out->Counter("data_ingestion_points_written_total", "Points written to the database.",
               AsDouble(balance.written));
  out->Counter("data_ingestion_points_dropped_total",
               "Points dropped because the buffer was full: MQTT QoS 0 only.",
               AsDouble(status.source.messages_dropped));
  out->Counter("data_ingestion_batches_flushed_total", "Batches flushed.",
               AsDouble(FlushCount(counters)));
  out->Histogram("data_ingestion_batch_duration_seconds",
                 "Time to write one batch, waits for a sick database included.",
                 counters.write_seconds);
  out->Counter("data_ingestion_parse_errors_total", "Messages that could not be made into rows.",
               AsDouble(ParseErrors(counters)));
  out->Counter("data_ingestion_write_errors_total",
               "Attempts to write that failed; they are made again.",
               AsDouble(WriteErrors(status.sink)));
}

void BalanceMetrics(const Balance& balance, MetricsText* out) {
  out->Counter(
      "tsingest_rows_received_total",
      "Rows received; always written + deduplicated + dead_lettered + in_flight. Rows that "
      "went to another instance unwritten are taken off again.",
      AsDouble(balance.received));
  out->Counter("tsingest_rows_written_total", "Rows committed in the sink.",
               AsDouble(balance.written));
  out->Counter("tsingest_rows_deduplicated_total", "Rows left out because their key was there.",
               AsDouble(balance.deduplicated));
  out->Counter("tsingest_rows_dead_lettered_total", "Rows and messages stored as dead letters.",
               AsDouble(balance.dead_lettered));
  out->Gauge("tsingest_rows_in_flight", "Rows in memory, not yet committed anywhere.",
             AsDouble(balance.in_flight));
  out->Counter("tsingest_rows_handed_over_total",
               "Rows given up unwritten because another instance reads their stream now.",
               AsDouble(balance.handed_over));
}

void FlowMetrics(const ServiceStatus& status, std::int64_t limit, MetricsText* out) {
  const CountersSnapshot& counters = status.counters;
  out->Counter("tsingest_messages_received_total", "Messages taken from the source.",
               AsDouble(counters.messages));
  out->Counter("tsingest_received_bytes_total", "Bytes of these messages.",
               AsDouble(counters.payload_bytes));
  out->Counter("tsingest_sink_bytes_total", "Bytes sent to the sink.",
               AsDouble(counters.sink_bytes));
  out->Counter("tsingest_batches_written_total", "Batches committed.", AsDouble(counters.batches));
  out->Histogram("tsingest_batch_rows", "Rows and rejects per batch.", counters.batch_rows);
  out->Histogram("tsingest_batch_write_seconds", "Time to write one batch, retries included.",
                 counters.write_seconds);
  out->Histogram("tsingest_batch_age_seconds", "Time from a batch's first message to its commit.",
                 counters.age_seconds);
  out->Gauge("tsingest_buffer_bytes", "Memory held between source and sink.",
             static_cast<double>(counters.buffered_bytes));
  out->Gauge("tsingest_buffer_limit_bytes", "Bound of that memory.", static_cast<double>(limit));
  out->Counter("tsingest_source_pauses_total", "Times the source was paused for want of memory.",
               AsDouble(counters.pauses));
  out->Counter(
      "tsingest_streams_fenced_total",
      "Streams that another instance had claimed: what this one still had of them could not "
      "be written.",
      AsDouble(counters.streams_fenced));
  out->Counter("tsingest_streams_lost_total",
               "Streams that the coordinator gave to another instance without asking this one.",
               AsDouble(counters.streams_lost));
  out->Counter("tsingest_sink_retries_total", "Waits of writers for a sick sink.",
               AsDouble(counters.retries));
  out->Counter("tsingest_source_commit_failures_total",
               "Acknowledgements to the source that failed; nothing is lost by one.",
               AsDouble(counters.commit_failures));
  out->Family("tsingest_flushes_total", "counter", "Batches by what made them be written.");
  for (std::size_t i = 0; i < counters.flushes.size(); ++i) {
    const auto reason = static_cast<FlushReason>(i);
    out->Sample("tsingest_flushes_total", {{"reason", std::string(FlushReasonName(reason))}},
                AsDouble(counters.flushes[i]));
  }
}

void ErrorMetrics(const ServiceStatus& status, MetricsText* out) {
  out->Family("tsingest_rejects_total", "counter", "Input that became no row, by why.");
  for (std::size_t i = 1; i < status.counters.rejects.size(); ++i) {
    const auto code = static_cast<RejectCode>(i);
    out->Sample("tsingest_rejects_total", {{"code", std::string(RejectSlug(code))}},
                AsDouble(status.counters.rejects[i]));
  }
  std::map<std::string, std::uint64_t> classes;
  for (const auto& [code, count] : status.sink.errors) {
    classes[code.size() == 5 ? code.substr(0, 2) : code] += count;
  }
  out->Family("tsingest_sink_errors_total", "counter",
              "Failed attempts to write, by SQLSTATE class (08 connection, 28 authentication, 53 "
              "resources, 57 shutdown; none: no SQLSTATE).");
  for (const auto& [name, count] : classes) {
    out->Sample("tsingest_sink_errors_total", {{"sqlstate_class", name}}, AsDouble(count));
  }
}

void HealthMetrics(const ServiceStatus& status, MetricsText* out) {
  out->Gauge("tsingest_source_up", "1 while the source is well.",
             status.source_health.ok() ? 1 : 0);
  out->Gauge("tsingest_sink_up", "1 while the sink is well.", status.sink_health.ok() ? 1 : 0);
  out->Gauge("tsingest_source_window_used_messages",
             "Messages on the way that are not acknowledged.",
             static_cast<double>(status.source.window_used));
  out->Gauge("tsingest_source_window_size_messages", "How many there can be; 0: no such limit.",
             static_cast<double>(status.source.window_size));
  out->Family("tsingest_source_lag_messages", "gauge",
              "Messages of a stream that are not yet committed in the sink.");
  for (const auto& [stream, lag] : status.source.lag) {
    out->Sample("tsingest_source_lag_messages", {{"stream", stream}}, static_cast<double>(lag));
  }
  out->Family("tsingest_build_info", "gauge", "Always 1; its labels tell the build.");
  out->Sample("tsingest_build_info",
              {{"version", std::string(Version())}, {"compiler", std::string(BuildCompiler())}}, 1);
}

// proc(5): the second field of /proc/self/statm is the resident set in pages.
void ProcessMetrics(double start_time_seconds, MetricsText* out) {
  timespec cpu{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  out->Counter("process_cpu_seconds_total", "CPU time of the process.",
               static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9);
  out->Gauge("process_start_time_seconds", "When the process began, since 1970.",
             start_time_seconds);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             &std::fclose);
  long pages = 0;  // NOLINT(google-runtime-int): scanf's %ld
  if (file == nullptr || std::fscanf(file.get(), "%*s %ld", &pages) != 1) return;
  out->Gauge("process_resident_memory_bytes", "Resident memory of the process.",
             static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
}

// Families must not be interleaved: the samples of one name are brought together.
void ExtraMetrics(std::vector<ExtraMetric> extra, MetricsText* out) {
  std::ranges::stable_sort(extra, {}, &ExtraMetric::name);
  for (std::size_t i = 0; i < extra.size(); ++i) {
    if (i == 0 || extra[i].name != extra[i - 1].name) {
      out->Family(extra[i].name, extra[i].is_counter ? "counter" : "gauge", extra[i].help);
    }
    out->Sample(extra[i].name, extra[i].labels, extra[i].value);
  }
}

}  // namespace

std::string ServiceMetrics(const ServiceStatus& status, std::int64_t buffer_limit_bytes,
                           double start_time_seconds) {
  MetricsText out;
  DataIngestion(status, &out);
  BalanceMetrics(status.counters.balance, &out);
  FlowMetrics(status, buffer_limit_bytes, &out);
  ErrorMetrics(status, &out);
  HealthMetrics(status, &out);
  ExtraMetrics(status.extra, &out);
  for (const ExtraHistogram& histogram : status.extra_histograms) {
    out.Histogram(histogram.name, histogram.help, histogram.values);
  }
  ProcessMetrics(start_time_seconds, &out);
  return out.Take();
}

}  // namespace tsingest::internal
