// mqtt2ts: MQTT topics into PostgreSQL/TimescaleDB, acknowledged only after commit.
#include <optional>

#include "tools/common/common_settings.h"
#include "tools/common/models.h"
#include "tools/mqtt/mqtt_run.h"
#include "tools/mqtt/mqtt_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/service/signals.h"
#include "tsingest/service/standard_streams.h"

int main(int argc, char** argv) {
  using namespace tsingest;
  OpenClosedStandardStreams();
  SignalWatcher signals;
  Settings settings(
      {.tool = "mqtt2ts",
       .summary = "Writes MQTT messages into PostgreSQL and TimescaleDB, acknowledged after commit",
       .usage = "[flags]",
       .examples =
           {"mqtt2ts --broker mqtt://broker --topics 'plant/#' --to postgresql://me@host/db "
            "--create    # one instance",
            "mqtt2ts --config config.yaml    # S2's file and its INGESTION_* variables work as "
            "they are",
            "mqtt2ts --topics '$share/ingestion/dev/#' --client-id ingest-2    # one of several"},
       .notes =
           "Messages are JSON: an object, an array of objects, JSON lines, or one bare value.\n"
           "With --spool, messages are acknowledged when the disk has them, and written to the "
           "database exactly once from there.\n"
           "Delivery is at least once (MQTT has no positions to go back to); where the table has "
           "a unique key, what comes again is left out.\n"
           "Exit codes: 1 could not finish; 2 wrong usage or configuration; 130/143 stopped by a "
           "signal after a drain."});
  CommonSettings common;
  MqttSettings mqtt;
  DeclareCommonSettings(settings, common,
                        {.tool = "mqtt2ts",
                         .models = BuiltinModels::Names(),
                         .model = "metrics",
                         .describe = BuiltinModels::Describe,
                         .is_service = true,
                         .db_host = "localhost",
                         .db_name = "nexus_historian",
                         .db_user = "nexus_ingestion"});
  DeclareMqttSettings(settings, mqtt, common);
  if (const std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;

  Logger logger(MakeLogOptions(common));
  for (const std::string& warning : settings.warnings()) {
    logger.Log(LogLevel::kWarn, "settings", warning);
  }
  return BuiltinModels::With(common.model, [&]<class M>(ModelTag<M>) {
    return RunMqtt<M>(common, mqtt, logger, signals);
  });
}
