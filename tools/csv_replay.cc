// csv-replay: CSV files into PostgreSQL/TimescaleDB at COPY speed, or paced as if devices were
// alive.
#include <optional>

#include "tools/common/common_settings.h"
#include "tools/common/models.h"
#include "tools/common/publish_settings.h"
#include "tools/csv/csv_replay.h"
#include "tools/csv/csv_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/service/signals.h"
#include "tsingest/service/standard_streams.h"

int main(int argc, char** argv) {
  using namespace tsingest;
  OpenClosedStandardStreams();
  SignalWatcher signals;
  Settings settings(
      {.tool = "csv-replay",
       .summary = "Loads CSV files into PostgreSQL and TimescaleDB exactly once, at COPY speed, or "
                  "publishes them to Kafka and MQTT",
       .usage = "[flags] FILE…",
       .examples =
           {"csv-replay day.csv.gz --to postgresql://me@host/db --model sensor_data --create "
            "--import-id day    # load; run it again to go on",
            "csv-replay day.csv --to stdout: --model sensor_data --limit 3    # look at typed rows",
            "csv-replay day.csv --to postgresql:///db --model iot_measurements --unpivot "
            "temp:C,humidity:% --map device_id=device    # one narrow row per value",
            "csv-replay day.csv --to postgresql:///db --model sensor_data --speed 60    # an "
            "hour in a minute",
            "csv-replay day.csv --to kafka://broker:9092/sensor_data --model sensor_data --device "
            "B8:27:EB --interval 1s    # publish one device's rows as if it were alive",
            "csv-replay day.csv --to mqtt://broker/iot/{device_id} --model sensor_data    # a "
            "topic "
            "for each device"},
       .notes =
           "Exit codes: 0 all is in; 3 finished, but something was dead-lettered, now or by an "
           "earlier run of the import; 1 could not "
           "finish; 2 wrong usage or configuration; 130/143 stopped by a signal after a drain."});
  CommonSettings common;
  CsvSettings csv;
  PublishSettings publish;
  DeclareCommonSettings(settings, common,
                        {.tool = "csv-replay",
                         .models = BuiltinModels::Names(),
                         .describe = BuiltinModels::Describe,
                         .target_schemes = PublishSchemes()});
  DeclareCsvSettings(settings, csv, common);
  DeclarePublishSettings(settings, publish, common);
  if (const std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;

  Logger logger(MakeLogOptions(common));
  for (const std::string& warning : settings.warnings()) {
    logger.Log(LogLevel::kWarn, "settings", warning);
  }
  return BuiltinModels::With(common.model, [&]<class M>(ModelTag<M>) {
    return RunCsvReplay<M>(common, csv, publish, logger, signals);
  });
}
