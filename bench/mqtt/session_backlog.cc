#include "mqtt/session_backlog.h"

#include <algorithm>
#include <map>

#include "drain/messages.h"
#include "drain/timed_process.h"
#include "support/mqtt_publisher.h"

namespace tsingest::bench {
namespace {

constexpr std::int64_t kChunkPoints = 10'000;  // in memory at once while publishing

testing::MosquittoOptions BrokerOptions(int window) {
  // Its log has a line for each packet unless it is told otherwise.
  return {.lines = {"log_type none", "log_type error",
                    "max_inflight_messages " + std::to_string(window), "max_inflight_bytes 0",
                    "max_queued_messages 0", "max_queued_bytes 0"}};
}

}  // namespace

SessionBacklog::SessionBacklog(int window, int points)
    : broker_(BrokerOptions(window)), points_(points) {}

std::vector<Job> SessionBacklog::Prepare(const std::vector<std::int64_t>& messages) {
  std::map<std::int64_t, std::string> topics;
  std::vector<Job> jobs;
  for (const std::int64_t count : messages) {
    std::string& topic = topics[count];
    if (topic.empty()) topic = "bench/" + std::to_string(++topics_);
    jobs.push_back(
        {.topic = topic, .id = "bench-" + std::to_string(++sessions_), .messages = count});
    MakeSession(jobs.back());
  }
  for (const auto& [count, topic] : topics) Publish(topic, count);
  return jobs;
}

std::vector<std::string> SessionBacklog::SubscribeCommand(const Job& job) const {
  return {"mosquitto_sub",
          "-h",
          "127.0.0.1",
          "-p",
          std::to_string(broker_.port()),
          "-q",
          "1",
          "-c",
          "-i",
          job.id,
          "-t",
          job.topic,
          "-C",
          std::to_string(job.messages)};
}

void SessionBacklog::MakeSession(const Job& job) const {
  std::vector<std::string> command = SubscribeCommand(job);
  command.push_back("-E");  // leaves when it is subscribed
  TimedProcess(command).AwaitEnd();
}

void SessionBacklog::Publish(const std::string& topic, std::int64_t messages) const {
  testing::MqttPublisher publisher(broker_.port());
  const std::int64_t chunk = std::max<std::int64_t>(1, kChunkPoints / points_);
  for (std::int64_t i = 0; i < messages; i += chunk) {
    std::vector<std::string> payloads;
    for (std::int64_t k = i; k < std::min(i + chunk, messages); ++k) {
      payloads.push_back(points_ == 1 ? MetricMessage(k) : MetricArray(k * points_, points_));
    }
    publisher.Publish(topic, payloads);
  }
}

}  // namespace tsingest::bench
