// MqttSource against brokers that break the rules, lie or say nothing: clear words, bounded memory,
// and reconnects at growing intervals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "integration/mqtt_reading.h"
#include "support/scripted_tcp_broker.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace tsingest::testing;  // NOLINT(google-build-using-namespace): the support library

MqttOptions OptionsFor(const ScriptedTcpBroker& broker, MqttProtocol protocol = MqttProtocol::kV5) {
  MqttOptions options;
  options.broker = broker.Uri();
  options.client_id = "reader";
  options.topics = {"a/#"};
  options.protocol = protocol;
  options.reconnect_min = milliseconds(20);
  options.reconnect_max = seconds(30);
  return options;
}

struct Fault {
  std::string name;
  std::string bytes;  // what the broker sends once the reader is subscribed
  std::string words;  // what health says then
};

std::string Unterminated() { return "\x30" + std::string(5, '\xFF'); }

const std::vector<Fault>& Faults() {
  const BrokerPackets v5{true};
  static const std::vector<Fault> faults = {
      {"ReservedType", Packet(0x00, ""), "packet"},
      {"FiveBytesOfLength", Unterminated(), "length"},
      {"TopicPastTheEnd", Packet(0x32, U16(500) + "a"), "PUBLISH"},
      {"TopicNotUtf8", v5.Publish(1, 1, "a/\xC3\x28", "x"), "UTF-8"},
      {"TopicWithNul", v5.Publish(1, 1, std::string("a/\0b", 4), "x"), "UTF-8"},
      {"TopicWithWildcard", v5.Publish(1, 1, "a/+", "x"), "topic"},
      {"QosThree", Packet(0x36, Prefixed("a/b") + U16(1) + Byte(0) + "x"), "QoS 3"},
      {"UnknownAlias", v5.Publish(1, 1, "", "x", false, U16Property(0x23, 3)), "topic alias 3"},
      {"ConnectFromABroker", Packet(0x10, "x"), "CONNECT"},
      {"SecondConnack", v5.Connack(), "CONNACK"},
      {"AnnouncedAs256MiB", Byte(0x32) + std::string("\xFF\xFF\xFF\x7F", 4) + Prefixed("a/b"),
       "maximum packet size"},
      {"TakenOver", v5.Disconnect(0x8E),
       "another client has connected with the client id \"reader\""},
      {"ShuttingDown", v5.Disconnect(0x8B), "shutting down"},
  };
  return faults;
}

class MqttBrokerFaultTest : public ::testing::TestWithParam<Fault> {};
INSTANTIATE_TEST_SUITE_P(All, MqttBrokerFaultTest, ::testing::ValuesIn(Faults()),
                         [](const ::testing::TestParamInfo<Fault>& p) { return p.param.name; });

// What comes before the fault is given, health names the fault, and a broker that repeats it is met
// at longer and longer intervals.
TEST_P(MqttBrokerFaultTest, IsToldInWordsAndIsNoStorm) {
  ScriptedTcpBroker broker([](ScriptedConnection& c) {
    if (!c.Welcome()) return;
    c.Send(c.packets().Publish(1, 9, "a/b", "before") + GetParam().bytes);
    c.AwaitEnd();
  });
  MqttReading reading(OptionsFor(broker));
  const absl::Status opened = reading.Open();
  EXPECT_TRUE(opened.ok() || !opened.message().empty()) << opened;
  ASSERT_TRUE(reading.Await([&] { return !reading.source().Health().ok(); }));
  const std::string words(reading.source().Health().message());
  EXPECT_THAT(words, AllOf(HasSubstr(GetParam().words), HasSubstr(broker.Uri())));
  ASSERT_TRUE(reading.ReadUntil(1));
  EXPECT_EQ(reading.messages[0].payload, "before");
  // 20 ms of pause doubled for 2 s, each shortened by half at most: 9 connections or fewer.
  reading.ReadFor(seconds(2));
  EXPECT_LE(broker.Accepted().size(), 9u) << reading.Log();
  EXPECT_TRUE(reading.source().Close().ok());
}

// A broker may send the whole backlog of a resumed session before it answers SUBSCRIBE. Were that
// answer waited for while the receive buffer is full, nothing would move.
TEST(MqttBrokerFaultsTest, ABacklogAheadOfTheSubackIsRead) {
  const std::vector<std::string> payloads = Numbered(std::string(1000, 'x'), 100);
  ScriptedTcpBroker broker([&](ScriptedConnection& c) {
    if (c.Read().type != 1) return;
    c.Send(c.packets().Connack(true));
    const ClientPacket subscribe = c.Read();
    unsigned id = 0;
    for (const std::string& payload : payloads) {
      c.Send(c.packets().Publish(1, ++id, "a/b", payload));
    }
    c.Send(c.packets().Suback(subscribe.PacketId(), "\x01"));
    c.AwaitEnd();
  });
  MqttOptions options = OptionsFor(broker);
  options.receive_buffer_bytes = 20'000;
  options.connect_timeout = minutes(5);
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  ASSERT_TRUE(reading.ReadUntil(payloads.size(), true));
  EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
  EXPECT_TRUE(reading.AwaitHealthy());
  EXPECT_EQ(reading.source().Stats().reconnects, 0u) << reading.Log();
}

// AddressSanitizer keeps what was freed, to catch its use.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kFreedMemoryIsKept = true;
#elif defined(__has_feature)
constexpr bool kFreedMemoryIsKept = __has_feature(address_sanitizer);
#else
constexpr bool kFreedMemoryIsKept = false;
#endif

long ResidentKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}

// A broker of MQTT 3.1.1 knows no maximum packet size: the payload is skipped, not held.
TEST(MqttBrokerFaultsTest, APayloadOf256MibIsPassedOverInLittleMemory) {
  constexpr std::size_t kPayload = 268'435'455 - 7;
  ScriptedTcpBroker broker([](ScriptedConnection& c) {
    if (!c.Welcome()) return;
    c.Send(Byte(0x32) + std::string("\xFF\xFF\xFF\x7F", 4) + Prefixed("a/b") + U16(1));
    const std::string block(1 << 20, 'x');
    for (std::size_t sent = 0; sent < kPayload; sent += block.size()) {
      c.Send(std::string_view(block).substr(0, kPayload - sent));
    }
    c.Send(c.packets().Publish(1, 2, "a/b", "after"));
    c.AwaitEnd();
  });
  MqttReading reading(OptionsFor(broker, MqttProtocol::kV311));
  ASSERT_TRUE(reading.Open().ok());
  const long before = ResidentKib();
  ASSERT_TRUE(reading.ReadUntil(2, true, minutes(2))) << reading.Log();
  if (!kFreedMemoryIsKept) {
    EXPECT_LT(ResidentKib() - before, 64 * 1024);
  }
  EXPECT_EQ(reading.messages[0].payload.size() + reading.messages[0].omitted_bytes, kPayload);
  EXPECT_EQ(reading.messages[1].payload, "after");
  EXPECT_EQ(reading.source().Stats().oversize, 1u);
}

TEST(MqttBrokerFaultsTest, ATopicOf64LevelsArrivesAsItIs) {
  std::string topic = "a";
  for (int level = 1; level < 64; ++level) topic += "/" + std::to_string(level);
  ScriptedTcpBroker broker([&](ScriptedConnection& c) {
    if (!c.Welcome()) return;
    c.Send(c.packets().Publish(1, 1, topic, "x"));
    c.AwaitEnd();
  });
  MqttReading reading(OptionsFor(broker));
  ASSERT_TRUE(reading.Open().ok());
  ASSERT_TRUE(reading.ReadUntil(1));
  EXPECT_EQ(reading.messages[0].topic, topic);
}

TEST(MqttBrokerFaultsTest, WrongCredentialsFailTheStartInWords) {
  for (const bool v5 : {true, false}) {
    ScriptedTcpBroker broker([](ScriptedConnection& c) {
      const ClientPacket connect = c.Read();
      const bool five = connect.body.size() > 6 && connect.body[6] == 5;
      c.Send(BrokerPackets{five}.Connack(false, five ? 0x86 : 4));
    });
    MqttOptions options = OptionsFor(broker, v5 ? MqttProtocol::kV5 : MqttProtocol::kV311);
    options.username = "me";
    options.password = "pw-wrong";
    const absl::Status status = MqttReading(options).Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("user name"), HasSubstr(broker.Uri()), Not(HasSubstr("pw-wrong"))));
  }
}

// Credentials that are revoked while we run: only a person can mend that, so we come back rarely.
TEST(MqttBrokerFaultsTest, CredentialsRevokedLaterAreNoStorm) {
  ScriptedTcpBroker broker([](ScriptedConnection& c) {
    if (c.number() == 0) {
      c.Welcome();
      return;
    }
    c.Read();
    c.Send(c.packets().Connack(false, 0x87));
  });
  MqttReading reading(OptionsFor(broker));
  ASSERT_TRUE(reading.Open().ok());
  ASSERT_TRUE(reading.Await([&] {
    const std::string words(reading.source().Health().message());
    return words.find("not authorized") != std::string::npos;
  })) << reading.source().Health();
  reading.ReadFor(seconds(1));
  EXPECT_EQ(broker.Accepted().size(), 2u);
}

// The default waits out three timeouts; whoever was told to stop does not.
TEST(MqttBrokerFaultsTest, OpeningHearsAStopWhileTheBrokerSaysNothing) {
  ScriptedTcpBroker broker([](ScriptedConnection& c) { c.AwaitEnd(); });
  MqttOptions options = OptionsFor(broker);
  options.connect_timeout = minutes(30);
  MqttReading reading(options);
  std::thread stopping([&] {
    while (broker.Accepted().empty()) std::this_thread::sleep_for(milliseconds(5));
    reading.source().Wake();
  });
  EXPECT_TRUE(reading.Open().ok());
  EXPECT_FALSE(reading.source().Health().ok());
  stopping.join();
}

TEST(MqttBrokerFaultsTest, ASilentBrokerIsGivenUp) {
  ScriptedTcpBroker broker([](ScriptedConnection& c) { c.AwaitEnd(); });
  MqttOptions options = OptionsFor(broker);
  options.connect_timeout = milliseconds(300);
  options.wait_for_broker = false;
  const absl::Status status = MqttReading(options).Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("does not answer CONNECT"), HasSubstr("0.3 s")));
}

// A server that is not MQTT at all.
TEST(MqttBrokerFaultsTest, AnotherProtocolIsToldInWords) {
  ScriptedTcpBroker broker([](ScriptedConnection& c) {
    c.Read();
    c.Send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });
  MqttOptions options = OptionsFor(broker);
  options.wait_for_broker = false;
  const absl::Status status = MqttReading(options).Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("is it an MQTT broker"));
}

}  // namespace
}  // namespace tsingest
