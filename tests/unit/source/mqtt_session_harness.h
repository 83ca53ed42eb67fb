// A Session in the hands of a test that plays the broker, the pipeline and the clock.
#ifndef TSINGEST_TESTS_UNIT_SOURCE_MQTT_SESSION_HARNESS_H_
#define TSINGEST_TESTS_UNIT_SOURCE_MQTT_SESSION_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/mqtt/session.h"
#include "support/scripted_broker.h"

namespace tsingest::mqtt {

struct Delivered {
  std::int64_t arrival = 0;
  std::string topic;
  std::string payload;
  std::size_t omitted_bytes = 0;
  friend bool operator==(const Delivered&, const Delivered&) = default;
};

class SessionHarness : public SessionHandler {
 public:
  explicit SessionHarness(Level protocol = Level::kV5)
      : level(protocol), packets{protocol == Level::kV5} {
    config.client_id = "me";
    config.topics = {"a/#"};
    config.response_timeout = std::chrono::seconds(10);
    config.keepalive = 60;
  }

  // A new network connection with the configuration as it is now.
  void Connect() {
    if (session == nullptr) session = std::make_unique<Session>(config, *this);
    session->Connect(level, now);
    unread.clear();
  }
  // … up to the subscription.
  void ConnectAndSubscribe(bool session_present = false) {
    Connect();
    Feed(packets.Connack(session_present));
    for (const testing::ClientPacket& packet : testing::ParseClientPackets(TakeBytes())) {
      if (packet.type == 8) Feed(packets.Suback(packet.PacketId(), Granted()));
      if (packet.type == 10) Feed(packets.Unsuback(packet.PacketId(), testing::Byte(0)));
    }
    EXPECT_TRUE(session->ready());
  }
  // One code for each topic.
  std::string Granted() const {
    return std::string(config.topics.size(), static_cast<char>(config.qos));
  }

  // The connection breaks and comes back.
  void Reconnect(bool session_present) {
    session->OnClosed();
    ConnectAndSubscribe(session_present);
  }

  // Bytes from the broker. What the session does not take is offered again with the next ones.
  void Feed(std::string_view bytes) {
    unread.append(bytes);
    unread.erase(0, session->Receive(unread, now));
  }
  void FeedByteByByte(std::string_view bytes) {
    for (const char byte : bytes) Feed({&byte, 1});
  }

  // What the session wants to send, and takes it.
  std::string TakeBytes() {
    std::string out(session->output());
    session->OnSent(out.size(), now);
    return out;
  }
  std::vector<std::string> Sent() { return testing::DescribeClientPackets(TakeBytes()); }

  void Publish(unsigned qos, unsigned id, std::string_view payload, bool dup = false) {
    Feed(packets.Publish(qos, id, "a/b", payload, dup));
  }
  void Acknowledge(std::int64_t next) { session->Acknowledge(next, now); }
  void Pass(Duration time) {
    now += time;
    session->Tick(now);
  }

  std::vector<std::string> Payloads() const {
    std::vector<std::string> out;
    for (const Delivered& d : delivered) out.push_back(d.payload);
    return out;
  }
  // The words of the error; "" when there is none.
  std::string Error() const {
    return session->error() ? std::string(session->error()->status.message()) : "";
  }

  Level level;
  testing::BrokerPackets packets;
  SessionConfig config;
  std::unique_ptr<Session> session;
  MonotonicTime now{std::chrono::hours(1)};
  std::string unread;
  std::vector<Delivered> delivered;
  std::vector<std::string> notices;
  Verdict verdict = Verdict::kTaken;

 private:
  Verdict OnMessage(const mqtt::Publish& message, std::int64_t arrival, bool) override {
    if (verdict == Verdict::kTaken) {
      delivered.push_back({arrival, std::string(message.topic), std::string(message.payload),
                           message.omitted_bytes});
    }
    return verdict;
  }
  void OnNotice(std::string_view text) override { notices.emplace_back(text); }
};

// For INSTANTIATE_TEST_SUITE_P.
inline std::string NameOfLevel(const ::testing::TestParamInfo<Level>& level) {
  return level.param == Level::kV5 ? "V5" : "V311";
}

}  // namespace tsingest::mqtt

#endif  // TSINGEST_TESTS_UNIT_SOURCE_MQTT_SESSION_HARNESS_H_
