// bench_kafka: kafka2ts beside what bounds it and what a user would pick instead, on a private
// Apache Kafka and a private PostgreSQL, alternating in one run.
//
//   bench_kafka [--rounds N] [--messages N] [--partitions 1,4] [--json FILE] [--telegraf PROGRAM]
//
// Everyone drains the same topic of messages of 200 bytes from its beginning to its end: kcat into
// /dev/null, kafka2ts and the library into a table without index, exactly once and at least once.
// The limit of the table is bare COPY of the same rows. What a program takes for a topic of one
// message a partition is its start, shown apart and not counted in the rates.
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "drain/comparison.h"
#include "drain/flags.h"
#include "drain/messages.h"
#include "drain/target.h"
#include "drain/timed_process.h"
#include "fmt/format.h"
#include "kafka/library_run.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/paths.h"

namespace tsingest::bench {
namespace {

constexpr int kStarts = 3;        // how often a start is measured
constexpr int kPeerFraction = 5;  // a peer gets fewer messages: the rate is what counts

// What one contestant has to drain.
struct Job {
  std::string topic;
  std::int64_t messages = 0;
  std::string group;
};

struct Contestant {
  std::string name;
  std::function<Usage(const Job&)> run;
  int fraction = 1;    // drains the topic with 1 / fraction of the messages
  bool starts = true;  // it is a process of its own
};

class KafkaBench {
 public:
  explicit KafkaBench(DrainFlags flags) : flags_(std::move(flags)) {}

  Comparison Compare(int partitions);

 private:
  std::vector<Contestant> Contestants();
  std::string Fill(const std::string& name, std::int64_t messages, int partitions);
  Drain RunOnce(const Contestant& contestant, const std::string& topic, std::int64_t messages);
  Usage MeasureStart(const Contestant& contestant, const std::string& topic, int partitions);

  Usage RunKcat(const Job& job);
  Usage RunTool(const Job& job);
  Usage RunOurLibrary(const Job& job, const std::string& ledger);
  Usage RunTelegraf(const Job& job);

  DrainFlags flags_;
  testing::KafkaServer broker_;
  Target target_;
  int groups_ = 0;  // everyone comes as a group of its own
};

std::vector<Contestant> KafkaBench::Contestants() {
  std::vector<Contestant> all = {
      {"kcat", [&](const Job& job) { return RunKcat(job); }},
      {"copy-limit",
       [&](const Job& job) { return target_.RunCopyLimit(job.messages, DefaultWriters()); }, 1,
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

std::string KafkaBench::Fill(const std::string& name, std::int64_t messages, int partitions) {
  broker_.CreateTopic(name, partitions);
  testing::KafkaProducer producer(broker_.Brokers(), {{"linger.ms", "50"}});
  for (std::int64_t i = 0; i < messages; ++i) {
    producer.Send(name, MetricMessage(i), {}, static_cast<int>(i % partitions));
  }
  producer.Flush();
  return name;
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
                    "--topics", job.topic, "--group", job.group, "--from", "earliest", "--until",
                    "end", "--model", "metrics", "--to", target_.Uri(), "--http", "off"})
          .AwaitEnd();
  target_.ExpectRows("kafka2ts", job.messages);
  return usage;
}

Usage KafkaBench::RunOurLibrary(const Job& job, const std::string& ledger) {
  std::vector<std::string> command = LibraryArguments({.ledger = ledger,
                                                       .brokers = broker_.Brokers(),
                                                       .topic = job.topic,
                                                       .group = job.group,
                                                       .conninfo = target_.Uri()});
  command.insert(command.begin(), std::filesystem::read_symlink("/proc/self/exe").string());
  const Usage usage = TimedProcess(command).AwaitEnd();
  target_.ExpectRows("the library", job.messages);
  return usage;
}

Usage KafkaBench::RunTelegraf(const Job& job) {
  TimedProcess process(TelegrafCommand(flags_.telegraf, "telegraf-kafka.conf",
                                       {"BROKERS=" + broker_.Brokers(), "TOPIC=" + job.topic,
                                        "GROUP=" + job.group, "DATABASE=" + target_.Uri()}));
  return process.AwaitDone([&] { return target_.Rows("telegraf") >= job.messages; },
                           std::chrono::milliseconds(250));
}

Drain KafkaBench::RunOnce(const Contestant& contestant, const std::string& topic,
                          std::int64_t messages) {
  target_.Empty();
  const Job job{
      .topic = topic, .messages = messages, .group = "bench-" + std::to_string(++groups_)};
  return {.points = messages, .usage = contestant.run(job), .start = {}};
}

Usage KafkaBench::MeasureStart(const Contestant& contestant, const std::string& topic,
                               int partitions) {
  if (!contestant.starts) return {};
  std::vector<Usage> usages;
  for (int i = 0; i < kStarts; ++i) usages.push_back(RunOnce(contestant, topic, partitions).usage);
  return MedianUsage(std::move(usages));
}

Comparison KafkaBench::Compare(int partitions) {
  const std::vector<Contestant> contestants = Contestants();
  const auto name = [&](const std::string& what) { return fmt::format("{}-{}", what, partitions); };
  const std::string empty = Fill(name("start"), partitions, partitions);
  std::map<int, std::string> topics = {{1, Fill(name("all"), flags_.messages, partitions)}};
  if (!flags_.telegraf.empty()) {
    topics[kPeerFraction] = Fill(name("peer"), flags_.messages / kPeerFraction, partitions);
  }
  std::map<std::string, Usage> starts;
  for (const Contestant& c : contestants) starts[c.name] = MeasureStart(c, empty, partitions);
  Comparison comparison(fmt::format("{} partitions, {} writers", partitions, DefaultWriters()));
  for (int round = 0; round < flags_.rounds; ++round) {
    comparison.NoteLoad();
    for (const Contestant& c : contestants) {
      Drain drain = RunOnce(c, topics.at(c.fraction), flags_.messages / c.fraction);
      drain.start = starts[c.name];
      comparison.Add(c.name, drain);
    }
    fmt::print(stderr, "{} partitions: round {} of {} done\n", partitions, round + 1,
               flags_.rounds);
  }
  comparison.AddRatio({"kafka2ts", {"kcat", "copy-limit"}});
  comparison.AddRatio({"kafka2ts", {"kcat"}});
  comparison.AddRatio({"kafka2ts", {"copy-limit"}});
  comparison.AddRatio({"library-exactly-once", {"library-at-least-once"}});
  if (!flags_.telegraf.empty()) comparison.AddRatio({"kafka2ts", {"telegraf"}});
  for (const auto& [fraction, topic] : topics) broker_.DeleteTopic(topic);
  return comparison;
}

int Main(int argc, char** argv) {
  if (LibraryRun run; IsLibraryRun(argc, argv, &run)) {
    RunLibrary(run);
    return 0;
  }
  const DrainFlags flags = ParseDrainFlags(argc, argv, "--partitions",
                                           {.rounds = 5, .messages = 1'000'000, .cases = {1, 4}});
  KafkaBench bench(flags);
  std::vector<Comparison> comparisons;
  for (const int partitions : flags.cases) comparisons.push_back(bench.Compare(partitions));
  Report(comparisons, flags.json);
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
