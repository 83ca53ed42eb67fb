#include <chrono>
#include <cstdint>

#include "fmt/format.h"
#include "tools/mqtt/mqtt_run.h"
#include "tsingest/service/scrub.h"

namespace tsingest {

void FillMqttStatus(const MqttSource& source, const MqttSettings& mqtt, ServiceStatus& status) {
  const MqttStats stats = source.Stats();
  status.source.kind = "mqtt";
  status.source.address = ScrubSecrets(mqtt.broker);
  status.source.connected = stats.connected == stats.connections;
  status.source.messages_received = stats.messages_received;
  status.source.messages_dropped = stats.qos0_dropped;
  status.source.window_used = stats.unacknowledged;
  status.source.window_size = stats.window;
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    status.extra.push_back(
        {.name = name, .help = help, .is_counter = true, .value = static_cast<double>(value)});
  };
  counter("tsingest_mqtt_acknowledged_total", "PUBACK and PUBREC sent", stats.acknowledged);
  counter("tsingest_mqtt_redelivered_total", "Messages received with the DUP flag",
          stats.redelivered);
  counter("tsingest_mqtt_reconnects_total", "Connections lost", stats.reconnects);
  counter("tsingest_mqtt_window_stalls_total", "Times the in-flight window was exhausted",
          stats.stalls);
}

void LogWhatSpoolHolds(const SpooledSource& spool, const std::string& directory, Logger& logger) {
  const std::uint64_t records = spool.Stats().records;
  if (records == 0) return;
  logger.Log(LogLevel::kInfo, "spool",
             fmt::format("{} {} acknowledged and not in the database yet: {}", records,
                         records == 1 ? "message is" : "messages are", directory));
}

void FillSpoolStatus(const SpooledSource& spool, ServiceStatus& status) {
  const SpoolStats stats = spool.Stats();
  const double oldest = std::chrono::duration<double>(stats.oldest_age).count();
  status.source.lag = {{"spool:" + stats.id, static_cast<std::int64_t>(stats.records)}};
  StatusFields& more = status.source.more;
  more.emplace_back("spool_records", stats.records);
  more.emplace_back("spool_bytes", stats.bytes);
  more.emplace_back("spool_bytes_limit", stats.max_bytes);
  more.emplace_back("spool_oldest_age_seconds", oldest);
  more.emplace_back("spool_full", stats.full);
  const auto add = [&](const char* name, const char* help, bool is_counter, double value) {
    status.extra.push_back({.name = name, .help = help, .is_counter = is_counter, .value = value});
  };
  const auto gauge = [&](const char* name, const char* help, auto value) {
    add(name, help, false, static_cast<double>(value));
  };
  const auto counter = [&](const char* name, const char* help, auto value) {
    add(name, help, true, static_cast<double>(value));
  };
  gauge("tsingest_spool_records", "Messages in the spool that the sink lacks.", stats.records);
  gauge("tsingest_spool_bytes", "Size of the spool's segments.", stats.bytes);
  gauge("tsingest_spool_limit_bytes", "What they may grow to (--spool-bytes).", stats.max_bytes);
  gauge("tsingest_spool_segments", "Segment files.", stats.segments);
  gauge("tsingest_spool_oldest_age_seconds", "Age of the oldest message that the sink lacks.",
        oldest);
  gauge("tsingest_spool_full", "1 while the bound is reached and nothing is taken in.", stats.full);
  counter("tsingest_spool_messages_total", "Messages made durable in the spool.", stats.spooled);
  counter("tsingest_spool_groups_total", "Groups of messages made durable by one fdatasync.",
          stats.groups);
  counter("tsingest_spool_failures_total",
          "Groups that failed and were written anew to a fresh segment.", stats.failures);
  counter("tsingest_spool_cut_tails_total", "Unfinished writes that the start has cut off.",
          stats.cut_tails);
  counter("tsingest_spool_cut_bytes_total", "Their size.", stats.cut_bytes);
  counter("tsingest_spool_lost_records_total", "Records lost to damage, as repair has noted.",
          stats.lost_records);
  status.extra_histograms.push_back({.name = "tsingest_spool_sync_seconds",
                                     .help = "Time of an fdatasync of the spool.",
                                     .values = stats.sync_seconds});
}

}  // namespace tsingest
