// bench_kafka: kafka2ts beside what bounds it and what a user would pick instead, on a private
// Apache Kafka and a private PostgreSQL, alternating in one run.
//
//   bench_kafka [--rounds N] [--messages N] [--partitions 1,4] [--writers N] [--latency SECONDS]
//               [--only NAME,NAME] [--json FILE] [--telegraf PROGRAM]
//
// Everyone drains the same topic of messages of 200 bytes from its beginning to its end: kcat into
// /dev/null, kafka2ts and the library into a table without index, exactly once and at least once.
// The limit of the table is bare COPY of the same rows. What a program takes for a topic of one
// message a partition is its start, shown apart and not counted in the rates. At the end messages
// are sent at half of kafka2ts's rate for some seconds (10; 0: not), to see how late their rows
// are.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "drain/comparison.h"
#include "drain/contest.h"
#include "drain/flags.h"
#include "drain/messages.h"
#include "drain/target.h"
#include "drain/timed_process.h"
#include "fmt/format.h"
#include "kafka/latency.h"
#include "kafka/library_run.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/paths.h"

namespace tsingest::bench {
namespace {

constexpr int kPeerFraction = 5;

// Topics of one number of partitions. Nothing is gone when it has been read: one topic for each
// number of messages is enough, and everyone comes as a group of its own.
class TopicBacklog : public Backlog {
 public:
  TopicBacklog(testing::KafkaServer& broker, int partitions)
      : broker_(broker), partitions_(partitions) {}
  ~TopicBacklog() override {
    for (const auto& [messages, topic] : topics_) Delete(topic);
  }

  std::vector<Job> Prepare(const std::vector<std::int64_t>& messages) override;

 private:
  void Delete(const std::string& topic) noexcept;
  std::string Fill(std::int64_t messages);

  testing::KafkaServer& broker_;
  const int partitions_;
  std::map<std::int64_t, std::string> topics_;  // by the number of messages
  int groups_ = 0;
};

std::vector<Job> TopicBacklog::Prepare(const std::vector<std::int64_t>& messages) {
  std::vector<Job> jobs;
  for (const std::int64_t count : messages) {
    if (!topics_.contains(count)) topics_[count] = Fill(count);
    jobs.push_back({.topic = topics_[count],
                    .id = fmt::format("bench-{}-{}", partitions_, ++groups_),
                    .messages = count});
  }
  return jobs;
}

void TopicBacklog::Delete(const std::string& topic) noexcept {
  try {
    broker_.DeleteTopic(topic);
  } catch (const std::exception& error) {
    std::cerr << "bench_kafka: topic " << topic << " stays: " << error.what() << "\n";
  }
}

std::string TopicBacklog::Fill(std::int64_t messages) {
  const std::string topic = fmt::format("bench-{}-{}", partitions_, messages);
  broker_.CreateTopic(topic, partitions_);
  testing::KafkaProducer producer(broker_.Brokers(), {{"linger.ms", "50"}});
  for (std::int64_t i = 0; i < messages; ++i) {
    producer.Send(topic, MetricMessage(i), {}, static_cast<int>(i % partitions_));
  }
  producer.Flush();
  return topic;
}

class KafkaBench {
 public:
  explicit KafkaBench(DrainFlags flags) : flags_(std::move(flags)) {}

  Comparison Compare(int partitions);
  // At half of the rate at which kafka2ts drained.
  Latency MeasureLatency(const Comparison& drained, int partitions);

 private:
  std::vector<Contestant> Contestants();
  Usage RunKcat(const Job& job);
  Usage RunTool(const Job& job);
  Usage RunOurLibrary(const Job& job, const std::string& ledger);
  Usage RunTelegraf(const Job& job);

  DrainFlags flags_;
  testing::KafkaServer broker_;
  Target target_;
};

std::vector<Contestant> KafkaBench::Contestants() {
  std::vector<Contestant> all = {
      {"kcat", [&](const Job& job) { return RunKcat(job); }},
      {"copy-limit",
       [&](const Job& job) { return target_.RunCopyLimit(job.messages, flags_.writers); }, 1,
       false},
      {"kafka2ts", [&](const Job& job) { return RunTool(job); }},
      {"library-exactly-once", [&](const Job& job) { return RunOurLibrary(job, "bench"); }},
      {"library-at-least-once", [&](const Job& job) { return RunOurLibrary(job, ""); }},
  };
  if (!flags_.telegraf.empty()) {
    all.push_back(
        {"telegraf", [&](const Job& job) { return RunTelegraf(job); }, kPeerFraction, true});
  }
  return all;
}

// It learns of a partition's end by a fetch that finds nothing, for which the broker waits: 500 ms
// by default, which would be counted as reading or as start.
Usage KafkaBench::RunKcat(const Job& job) {
  return TimedProcess({"kcat", "-b", broker_.Brokers(), "-C", "-t", job.topic, "-o", "beginning",
                       "-e", "-q", "-X", "fetch.wait.max.ms=10"},
                      Output::kDiscard)
      .AwaitEnd();
}

Usage KafkaBench::RunTool(const Job& job) {
  const Usage usage =
      TimedProcess({testing::ToolPath("kafka2ts").string(), "--brokers", broker_.Brokers(),
                    "--topics", job.topic, "--group", job.id, "--from", "earliest", "--until",
                    "end", "--model", "metrics", "--to", target_.Uri(), "--writers",
                    std::to_string(flags_.writers), "--http", "off"})
          .AwaitEnd();
  target_.ExpectRows("kafka2ts", job.rows);
  return usage;
}

Usage KafkaBench::RunOurLibrary(const Job& job, const std::string& ledger) {
  std::vector<std::string> command = LibraryArguments({.ledger = ledger,
                                                       .brokers = broker_.Brokers(),
                                                       .topic = job.topic,
                                                       .group = job.id,
                                                       .conninfo = target_.Uri(),
                                                       .writers = flags_.writers});
  command.insert(command.begin(), std::filesystem::read_symlink("/proc/self/exe").string());
  const Usage usage = TimedProcess(command).AwaitEnd();
  target_.ExpectRows("the library", job.rows);
  return usage;
}

Usage KafkaBench::RunTelegraf(const Job& job) {
  TimedProcess process(TelegrafCommand(flags_, "telegraf-kafka.conf",
                                       {"BROKERS=" + broker_.Brokers(), "TOPIC=" + job.topic,
                                        "GROUP=" + job.id, "DATABASE=" + target_.Uri()}));
  return target_.AwaitRows(process, "telegraf", job.rows, "telegraf");
}

Comparison KafkaBench::Compare(int partitions) {
  TopicBacklog backlog(broker_, partitions);
  Comparison comparison =
      RunContest({.name = fmt::format("{} partitions, {} writers", partitions, flags_.writers),
                  .contestants = Contestants(),
                  .only = flags_.only,
                  .rounds = flags_.rounds,
                  .messages = flags_.messages,
                  .start_messages = partitions},
                 backlog, target_);
  comparison.AddRatio({"kafka2ts", {"kcat", "copy-limit"}});
  comparison.AddRatio({"kafka2ts", {"kcat"}});
  comparison.AddRatio({"kafka2ts", {"copy-limit"}});
  comparison.AddRatio({"library-exactly-once", {"library-at-least-once"}});
  if (!flags_.telegraf.empty()) comparison.AddRatio({"kafka2ts", {"telegraf"}});
  return comparison;
}

Latency KafkaBench::MeasureLatency(const Comparison& drained, int partitions) {
  return LatencyRun(broker_, target_,
                    {.partitions = partitions,
                     .writers = flags_.writers,
                     .messages_per_second = drained.MedianRate("kafka2ts") / 2,
                     .seconds = flags_.latency_seconds})
      .Measure();
}

int Main(int argc, char** argv) {
  if (LibraryRun run; IsLibraryRun(argc, argv, &run)) {
    RunLibrary(run);
    return 0;
  }
  const DrainFlags flags =
      ParseDrainFlags(argc, argv, "--partitions",
                      {.rounds = 5, .messages = 1'000'000, .cases = {1, 4}, .latency_seconds = 10});
  KafkaBench bench(flags);
  std::vector<Comparison> comparisons;
  for (const int partitions : flags.cases) comparisons.push_back(bench.Compare(partitions));
  std::optional<Latency> latency;
  if (flags.latency_seconds > 0 && comparisons.back().Has("kafka2ts")) {
    latency = bench.MeasureLatency(comparisons.back(), flags.cases.back());
  }
  Report(comparisons, flags.json, latency ? latency->Json() : "");
  if (latency) fmt::print("{}\n", latency->Text());
  return 0;
}

}  // namespace
}  // namespace tsingest::bench

int main(int argc, char** argv) {
  try {
    return tsingest::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench_kafka: " << error.what() << "\n";
    return 1;
  }
}
