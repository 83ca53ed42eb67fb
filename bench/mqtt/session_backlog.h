// SessionBacklog: a broker with persistent sessions, each with its own full queue.
#ifndef TSINGEST_BENCH_MQTT_SESSION_BACKLOG_H_
#define TSINGEST_BENCH_MQTT_SESSION_BACKLOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "drain/contest.h"
#include "support/mosquitto_server.h"

namespace tsingest::bench {

// A private Mosquitto that keeps whatever is queued. Who has drained a session has emptied it: each
// job gets a new one, on a topic that only the jobs of the same call and size share. Failures throw
// std::runtime_error.
class SessionBacklog : public Backlog {
 public:
  // At most `window` messages on the way to a client, of `points` points each: a JSON object, or an
  // array of several.
  SessionBacklog(int window, int points);

  std::vector<Job> Prepare(const std::vector<std::int64_t>& messages) override;

  std::string Uri() const { return broker_.Uri(); }
  // mosquitto_sub on a job's session, until it has had so many messages.
  std::vector<std::string> SubscribeCommand(const Job& job) const;

 private:
  void MakeSession(const Job& job) const;
  void Publish(const std::string& topic, std::int64_t messages) const;

  testing::MosquittoServer broker_;
  const int points_;
  int topics_ = 0;
  int sessions_ = 0;
};

}  // namespace tsingest::bench

#endif  // TSINGEST_BENCH_MQTT_SESSION_BACKLOG_H_
