// bench_mqtt: mqtt2ts beside what bounds it and what a user would pick instead, on a private
// Mosquitto and a private PostgreSQL, alternating in one run.
//
//   bench_mqtt [--rounds N] [--messages N] [--windows 20,65535] [--writers N] [--json FILE]
//              [--telegraf PROGRAM]
//
// Everyone drains the same messages of QoS 1 and 200 bytes out of a persistent session of its own,
// which was filled while nobody was there: mosquitto_sub into /dev/null, mqtt2ts into a table
// without index, with and without a spool. The limit of the table is bare COPY of the same rows. A
// window is the broker's max_inflight_messages and our --receive-maximum; a small one gets fewer
// messages. The last case has arrays of 100 points, in the largest window. What a program takes for
// one message is its start, shown apart and not counted in the rates.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "drain/comparison.h"
#include "drain/contest.h"
#include "drain/flags.h"
#include "drain/target.h"
#include "drain/timed_process.h"
#include "fmt/format.h"
#include "mqtt/session_backlog.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace tsingest::bench {
namespace {

constexpr int kPeerFraction = 5;
constexpr int kSmallWindow = 1000;  // below it the window is the limit, and a commit for each
constexpr int kSmallFraction = 5;
constexpr int kArrayPoints = 100;
constexpr int kUndeliveredPoints = 50'000;  // what Telegraf may have unwritten

struct Case {
  int window = 0;
  int points = 1;  // of a message
};

class MqttCase {
 public:
  MqttCase(const DrainFlags& flags, Case what, Target& target)
      : flags_(flags), case_(what), target_(target), backlog_(what.window, what.points) {}

  Comparison Compare();

 private:
  std::vector<Contestant> Contestants();
  Usage RunSubscriber(const Job& job) const;
  Usage RunTool(const Job& job, const std::vector<std::string>& more) const;
  Usage RunSpool(const Job& job) const;
  Usage RunTelegraf(const Job& job) const;

  const DrainFlags& flags_;
  const Case case_;
  Target& target_;
  SessionBacklog backlog_;
};

std::vector<Contestant> MqttCase::Contestants() {
  std::vector<Contestant> all = {
      {"mosquitto_sub", [&](const Job& job) { return RunSubscriber(job); }},
      {"copy-limit", [&](const Job& job) { return target_.RunCopyLimit(job.rows, flags_.writers); },
       1, false},
      {"mqtt2ts", [&](const Job& job) { return RunTool(job, {}); }},
      {"mqtt2ts --spool", [&](const Job& job) { return RunSpool(job); }},
  };
  if (!flags_.telegraf.empty()) {
    all.push_back(
        {"telegraf", [&](const Job& job) { return RunTelegraf(job); }, kPeerFraction, true});
  }
  return all;
}

Usage MqttCase::RunSubscriber(const Job& job) const {
  return TimedProcess(backlog_.SubscribeCommand(job), Output::kDiscard).AwaitEnd();
}

Usage MqttCase::RunTool(const Job& job, const std::vector<std::string>& more) const {
  std::vector<std::string> command = {testing::ToolPath("mqtt2ts").string(),
                                      "--broker",
                                      backlog_.Uri(),
                                      "--topics",
                                      job.topic,
                                      "--client-id",
                                      job.id,
                                      "--receive-maximum",
                                      std::to_string(case_.window),
                                      "--model",
                                      "metrics",
                                      "--to",
                                      target_.Uri(),
                                      "--writers",
                                      std::to_string(flags_.writers),
                                      "--http",
                                      "off"};
  command.insert(command.end(), more.begin(), more.end());
  TimedProcess process(command);
  return target_.AwaitRows(process, "mqtt2ts", job.rows);
}

Usage MqttCase::RunSpool(const Job& job) const {
  const testing::TempDir spool;
  return RunTool(job, {"--spool", spool.Path("spool")});
}

Usage MqttCase::RunTelegraf(const Job& job) const {
  TimedProcess process(
      TelegrafCommand(flags_, "telegraf-mqtt.conf",
                      {"BROKER=" + backlog_.Uri(), "TOPIC=" + job.topic, "CLIENT_ID=" + job.id,
                       "UNDELIVERED=" + std::to_string(kUndeliveredPoints / case_.points),
                       "DATABASE=" + target_.Uri()}));
  return target_.AwaitRows(process, "telegraf", job.rows, "telegraf");
}

Comparison MqttCase::Compare() {
  const std::int64_t messages =
      flags_.messages / case_.points / (case_.window < kSmallWindow ? kSmallFraction : 1);
  Comparison comparison = RunContest(
      {.name = fmt::format("window {}, {} messages of {}, {} writers", case_.window, messages,
                           case_.points == 1 ? "1 point" : fmt::format("{} points", case_.points),
                           flags_.writers),
       .contestants = Contestants(),
       .only = flags_.only,
       .rounds = flags_.rounds,
       .messages = messages,
       .rows_per_message = case_.points},
      backlog_, target_);
  comparison.AddRatio({"mqtt2ts", {"mosquitto_sub", "copy-limit"}});
  comparison.AddRatio({"mqtt2ts", {"mosquitto_sub"}});
  comparison.AddRatio({"mqtt2ts --spool", {"mosquitto_sub"}});
  if (!flags_.telegraf.empty()) comparison.AddRatio({"mqtt2ts", {"telegraf"}});
  return comparison;
}

int Main(int argc, char** argv) {
  const DrainFlags flags = ParseDrainFlags(
      argc, argv, "--windows", {.rounds = 5, .messages = 1'000'000, .cases = {20, 65'535}});
  std::vector<Case> cases;
  for (const int window : flags.cases) cases.push_back({.window = window});
  cases.push_back({.window = std::ranges::max(flags.cases), .points = kArrayPoints});
  Target target;
  std::vector<Comparison> comparisons;
  for (const Case& what : cases) comparisons.push_back(MqttCase(flags, what, target).Compare());
  Report(comparisons, flags.json);
  return 0;
}

}  // namespace
}  // namespace tsingest::bench

int main(int argc, char** argv) {
  try {
    return tsingest::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench_mqtt: " << error.what() << "\n";
    return 1;
  }
}
