// kafka2ts: Kafka topics into PostgreSQL/TimescaleDB, exactly once.
#include <optional>

#include "tools/common/common_settings.h"
#include "tools/common/models.h"
#include "tools/kafka/kafka_run.h"
#include "tools/kafka/kafka_settings.h"
#include "tsingest/service/log.h"
#include "tsingest/service/settings.h"
#include "tsingest/service/signals.h"
#include "tsingest/service/standard_streams.h"

int main(int argc, char** argv) {
  using namespace tsingest;
  OpenClosedStandardStreams();
  SignalWatcher signals;
  Settings settings(
      {.tool = "kafka2ts",
       .summary = "Writes Kafka messages into PostgreSQL and TimescaleDB, exactly once",
       .usage = "[flags]",
       .examples =
           {"kafka2ts --brokers kafka:9092 --topics readings --to postgresql://me@host/db --create "
            "--from earliest    # all there is, and what comes",
            "kafka2ts --topics readings --from 2024-01-01T00:00:00Z --until 2024-02-01T00:00:00Z "
            "--group january --to postgresql:///db    # a backfill beside the live consumer",
            "kafka2ts --kafka security.protocol=SASL_SSL sasl.mechanism=SCRAM-SHA-512 "
            "sasl.username=me    # any librdkafka property"},
       .notes =
           "Messages are JSON: one object, an array of objects, or JSON lines. Positions are "
           "stored with the rows; Kafka's own committed offsets are for lag monitors only.\n"
           "Exit codes: 0 all is in (--until); 3 something was dead-lettered; 1 could not "
           "finish; 2 wrong usage or configuration; 130/143 stopped by a signal after a drain."});
  CommonSettings common;
  KafkaSettings kafka;
  DeclareCommonSettings(settings, common,
                        {.tool = "kafka2ts",
                         .models = BuiltinModels::Names(),
                         .model = "iot_measurements",
                         .describe = BuiltinModels::Describe,
                         .is_service = true,
                         .dead_letter_kafka = true,
                         .db_host = "localhost",
                         .db_name = "timeseries",
                         .db_user = "ts_user"});
  DeclareKafkaSettings(settings, kafka);
  if (const std::optional<int> exit_code = settings.LoadOrExit(argc, argv)) return *exit_code;

  Logger logger(MakeLogOptions(common));
  for (const std::string& warning : settings.warnings()) {
    logger.Log(LogLevel::kWarn, "settings", warning);
  }
  return BuiltinModels::With(common.model, [&]<class M>(ModelTag<M>) {
    return RunKafka<M>(common, kafka, logger, signals);
  });
}
