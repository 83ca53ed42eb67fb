// RunMqtt<M>: one run of mqtt2ts for one model.
#ifndef TSINGEST_TOOLS_MQTT_MQTT_RUN_H_
#define TSINGEST_TOOLS_MQTT_MQTT_RUN_H_

#include <string>
#include <utility>

#include "tools/common/service_host.h"
#include "tools/common/service_run.h"
#include "tools/common/sink_factory.h"
#include "tools/mqtt/mqtt_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/signals.h"
#include "tsingest/source/mqtt.h"
#include "tsingest/source/spooled.h"

namespace tsingest {

// What /status and /metrics show of the source.
void FillMqttStatus(const MqttSource& source, const MqttSettings& mqtt, ServiceStatus& status);
// What they show of its spool.
void FillSpoolStatus(const SpooledSource& spool, ServiceStatus& status);

// One line at the end of a run: how many messages the database lacks, and where they are.
void LogWhatSpoolHolds(const SpooledSource& spool, const std::string& directory, Logger& logger);

// Reads, writes, serves HTTP, and says how it went. Returns the exit code.
template <Described M>
int RunMqtt(const CommonSettings& common, const MqttSettings& mqtt, Logger& logger,
            SignalWatcher& signals) {
  MqttOptions options = mqtt.options;
  options.log = logger.LineLog(LogLevel::kInfo, "mqtt");
  options.warn = logger.LineLog(LogLevel::kWarn, "mqtt");
  MqttSource source(std::move(options));
  SinkContext context;
  context.ledger = mqtt.ledger;
  context.source_forgets = true;  // the spool deletes what is committed: that must last, too
  if (!mqtt.spool.empty()) {
    SpooledSource spool(source, {.directory = mqtt.spool,
                                 .max_bytes = mqtt.spool_bytes,
                                 .log = logger.LineLog(LogLevel::kWarn, "spool")});
    context.review_ledger = [&spool](const LedgerView& view) { return spool.Review(view); };
    // Before the database is asked for anything: it may be away for long.
    if (absl::Status status = spool.Start(); !status.ok()) return FailedToStart(logger, status);
    const int code = RunService<M>(
        common, logger, signals, spool, std::move(context),
        [&](ServiceStatus& status) {
          FillMqttStatus(source, mqtt, status);
          FillSpoolStatus(spool, status);
        },
        "Start it again with the same --spool: what it holds is not lost, and the broker still has "
        "the rest");
    LogWhatSpoolHolds(spool, mqtt.spool, logger);
    return code;
  }
  return RunService<M>(
      common, logger, signals, source, std::move(context),
      [&](ServiceStatus& status) { FillMqttStatus(source, mqtt, status); },
      "Start it again: the broker still has what was not acknowledged");
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_MQTT_MQTT_RUN_H_
