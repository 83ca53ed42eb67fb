#include "kafka/library_run.h"

#include <cstdlib>
#include <stdexcept>

#include "tsingest/decode/json.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/pipeline/pipeline.h"
#include "tsingest/sink/postgres.h"
#include "tsingest/source/kafka.h"

namespace tsingest::bench {
namespace {

constexpr char kWord[] = "library-run";

}  // namespace

std::vector<std::string> LibraryArguments(const LibraryRun& run) {
  return {kWord,
          run.ledger,
          run.brokers,
          run.topic,
          run.group,
          run.conninfo,
          std::to_string(run.writers)};
}

bool IsLibraryRun(int argc, char** argv, LibraryRun* run) {
  if (argc != 8 || std::string(argv[1]) != kWord) return false;
  *run = {.ledger = argv[2],
          .brokers = argv[3],
          .topic = argv[4],
          .group = argv[5],
          .conninfo = argv[6],
          .writers = std::atoi(argv[7])};
  return true;
}

void RunLibrary(const LibraryRun& run) {
  KafkaSource source({.brokers = run.brokers,
                      .topics = {run.topic},
                      .group = run.group,
                      .until = KafkaPoint{.kind = KafkaPoint::Kind::kLatest}});
  PostgresOptions options;
  options.conninfo = run.conninfo;
  options.ledger = run.ledger;
  options.dead_letters.to = PostgresDeadLetters::To::kNone;
  PostgresSink<Metric> sink(options);
  JsonDecoder<Metric> decoder;
  PipelineOptions pipeline_options;
  pipeline_options.writers = run.writers;
  Pipeline<Metric, JsonDecoder<Metric>> pipeline(source, sink, decoder, pipeline_options);
  absl::Status status = pipeline.Open();
  if (status.ok()) status = pipeline.Run().status;
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

}  // namespace tsingest::bench
