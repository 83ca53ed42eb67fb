#include "kafka/latency.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "drain/messages.h"
#include "fmt/format.h"
#include "tsingest/base/histogram.h"
#include "tsingest/service/endpoints.h"

namespace tsingest::bench {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr char kTopic[] = "latency";
constexpr int kLingerMs = 100;
constexpr std::chrono::seconds kWarmUp{1};
constexpr std::chrono::seconds kPatience{60};

std::chrono::sys_time<microseconds> Now() {
  return std::chrono::floor<microseconds>(system_clock::now());
}

double SecondsSince(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

// A histogram of /metrics: lines NAME_bucket{le="BOUND"} COUNT, each with all that are below.
HistogramSnapshot ReadHistogram(const std::string& metrics, const std::string& name) {
  HistogramSnapshot histogram;
  std::uint64_t below = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::ByAnyChar("\" "));
    if (parts.size() != 4 || parts[0] != name + "_bucket{le=") continue;
    double count = 0;
    double bound = 0;
    if (!absl::SimpleAtod(parts[3], &count)) continue;
    if (parts[1] != "+Inf" && absl::SimpleAtod(parts[1], &bound)) histogram.bounds.push_back(bound);
    histogram.counts.push_back(static_cast<std::uint64_t>(count) - below);
    below = static_cast<std::uint64_t>(count);
  }
  if (histogram.counts.size() != histogram.bounds.size() + 1) {
    throw std::runtime_error("kafka2ts's /metrics has no histogram " + name);
  }
  return histogram;
}

HistogramSnapshot WriteSeconds(const testing::ServiceProcess& tool) {
  const auto reply = tool.Get("/metrics");
  if (!reply) throw std::runtime_error("kafka2ts does not answer:\n" + tool.Log());
  return ReadHistogram(reply->body, "tsingest_batch_write_seconds");
}

}  // namespace

std::string Latency::Text() const {
  return fmt::format(
      "publish to commit at {:.0f} messages/s (wanted: {:.0f}, half of kafka2ts's rate): median "
      "{:.1f} ms, p99 {:.1f} ms (visible one WAL flush later: {:.1f} ms on average); linger {:.0f} "
      "ms + 3 x p99 of the COPY time {:.1f} ms = {:.1f} ms",
      messages_per_second, wanted_per_second, median_ms, p99_ms, flush_ms, linger_ms, copy_p99_ms,
      BoundMs());
}

std::string Latency::Json() const {
  return fmt::format(
      "  {{\"case\":\"latency\",\"messages_per_second\":{:.0f},\"wanted_per_second\":{:.0f},"
      "\"median_ms\":{:.2f},\"p99_ms\":{:.2f},\"wal_flush_mean_ms\":{:.2f},\"linger_ms\":{:.0f},"
      "\"copy_p99_ms\":{:.2f},\"bound_ms\":{:.2f}}}",
      messages_per_second, wanted_per_second, median_ms, p99_ms, flush_ms, linger_ms, copy_p99_ms,
      BoundMs());
}

LatencyRun::LatencyRun(testing::KafkaServer& broker, Target& target, LatencyOptions options)
    : broker_(broker),
      target_(target),
      options_(options),
      producer_(broker.Brokers()),
      tool_("kafka2ts",
            {"--brokers", broker.Brokers(), "--topics", kTopic, "--group", kTopic, "--from",
             "earliest", "--model", "metrics", "--to", target.Uri(), "--writers",
             std::to_string(options.writers), "--linger", fmt::format("{}ms", kLingerMs)}) {}

Latency LatencyRun::Measure() {
  Latency latency{.wanted_per_second = options_.messages_per_second, .linger_ms = kLingerMs};
  Begin();
  const HistogramSnapshot before = WriteSeconds(tool_);
  const double since = SendAll(&latency);
  AwaitRows(sent_);
  latency.copy_p99_ms = QuantileBetween(before, WriteSeconds(tool_), 0.99) * 1e3;
  if (tool_.Stop() != 128 + SIGTERM) throw std::runtime_error("kafka2ts failed:\n" + tool_.Log());
  target_.ExpectRows("kafka2ts", sent_);
  ReadDelays(since, &latency);
  broker_.DeleteTopic(kTopic);
  return latency;
}

// Until the tool has its partitions and a row of each. The producer has then done what would keep
// its first messages for up to a second: connections, its identity for idempotence.
void LatencyRun::Begin() {
  target_.Empty();
  target_.Query("SELECT pg_stat_reset_shared('wal')");
  broker_.CreateTopic(kTopic, options_.partitions);
  tool_.Start();
  for (int partition = 0; partition < options_.partitions; ++partition) {
    producer_.Send(kTopic, MetricMessage(sent_++, Now()), {}, partition);
  }
  producer_.Flush();
  AwaitRows(sent_);
}

double LatencyRun::SendAll(Latency* latency) {
  const std::int64_t first = sent_;
  const auto begin = steady_clock::now();
  const double since = std::chrono::duration<double>((Now() + kWarmUp).time_since_epoch()).count();
  const double end = static_cast<double>(options_.seconds + kWarmUp.count());
  for (double elapsed = 0; elapsed < end; elapsed = SecondsSince(begin)) {
    const auto due = first + static_cast<std::int64_t>(elapsed * options_.messages_per_second);
    for (; sent_ < due; ++sent_) {
      producer_.Send(kTopic, MetricMessage(sent_, Now()), {},
                     static_cast<int>(sent_ % options_.partitions));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  latency->messages_per_second = static_cast<double>(sent_ - first) / SecondsSince(begin);
  producer_.Flush();
  return since;
}

// Asks the tool, which costs the database nothing.
void LatencyRun::AwaitRows(std::int64_t rows) {
  const auto limit = steady_clock::now() + kPatience;
  while (tool_.Metric("tsingest_rows_written_total").value_or(0) < static_cast<double>(rows)) {
    if (steady_clock::now() > limit) {
      throw std::runtime_error(
          fmt::format("kafka2ts has not written {} rows after {} s:\n", rows, kPatience.count()) +
          tool_.Log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void LatencyRun::ReadDelays(double since, Latency* latency) {
  const auto row = target_.Query(fmt::format(
      "SELECT 1e3 * percentile_cont(0.5) WITHIN GROUP (ORDER BY delay),"
      " 1e3 * percentile_cont(0.99) WITHIN GROUP (ORDER BY delay)"
      " FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - time)::float8 AS delay"
      " FROM metrics WHERE time >= to_timestamp({:.6f})) AS delays",
      since));
  latency->median_ms = std::stod(row.at(0));
  latency->p99_ms = std::stod(row.at(1));
  latency->flush_ms = std::stod(
      target_.Query("SELECT coalesce(wal_sync_time / nullif(wal_sync, 0), 0) FROM pg_stat_wal")
          .at(0));
}

}  // namespace tsingest::bench
