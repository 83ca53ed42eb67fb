// LatencyRun: how long after a message was sent its row is committed.
#ifndef TSINGEST_BENCH_KAFKA_LATENCY_H_
#define TSINGEST_BENCH_KAFKA_LATENCY_H_

#include <cstdint>
#include <string>

#include "drain/target.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/service_process.h"

namespace tsingest::bench {

struct LatencyOptions {
  int partitions = 1;
  int writers = 1;
  double messages_per_second = 0;
  int seconds = 0;
};

// From the moment before a message is given to the producer until its row's commit record is
// written; a row becomes visible one flush of the WAL later, whose mean is told beside it.
struct Latency {
  double messages_per_second = 0;  // what was sent
  double wanted_per_second = 0;
  double median_ms = 0;
  double p99_ms = 0;
  double flush_ms = 0;
  double linger_ms = 0;
  double copy_p99_ms = 0;  // of kafka2ts's tsingest_batch_write_seconds: COPY and commit of a batch

  // What the delay is held to.
  double BoundMs() const { return linger_ms + 3 * copy_p99_ms; }
  // A line.
  std::string Text() const;
  // An object.
  std::string Json() const;
};

// kafka2ts follows a topic that is filled at an even pace. Failures throw std::runtime_error.
class LatencyRun {
 public:
  LatencyRun(testing::KafkaServer& broker, Target& target, LatencyOptions options);

  Latency Measure();

 private:
  void Begin();
  // Sends at the pace and returns when the first counted message was sent, in seconds since 1970;
  // what came in the second before is there to warm up.
  double SendAll(Latency* latency);
  void AwaitRows(std::int64_t rows);
  void ReadDelays(double since, Latency* latency);

  testing::KafkaServer& broker_;
  Target& target_;
  const LatencyOptions options_;
  testing::KafkaProducer producer_;
  testing::ServiceProcess tool_;
  std::int64_t sent_ = 0;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_KAFKA_LATENCY_H_
