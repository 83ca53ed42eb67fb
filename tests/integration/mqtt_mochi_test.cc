// MqttSource against a broker that is not Mosquitto: mochi, in MQTT 3.1.1 and 5.
//
// Not shown here, because mochi 2.7.9 gets it wrong: a Receive Maximum that is reached (it forgets
// the messages that waited for it, and stalls), and topic aliases in a resumed session (it sends
// aliases of the connection before).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "integration/mqtt_reading.h"
#include "support/mochi_server.h"
#include "support/mqtt_publisher.h"
#include "support/scripted_broker.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;
using namespace tsingest::testing;  // NOLINT(google-build-using-namespace): the support library

class MqttMochiTest : public ::testing::TestWithParam<MqttProtocol> {
 protected:
  void SetUp() override {
    if (const std::string missing = MochiMissing(); !missing.empty()) GTEST_SKIP() << missing;
    server_ = std::make_unique<MochiServer>();
  }
  MqttOptions Options() const {
    MqttOptions options;
    options.broker = server_->Uri();
    options.client_id = "reader";
    options.topics = {"a/#"};
    options.protocol = GetParam();
    options.reconnect_min = milliseconds(50);
    options.reconnect_max = seconds(1);
    return options;
  }

  std::unique_ptr<MochiServer> server_;
};
INSTANTIATE_TEST_SUITE_P(Protocols, MqttMochiTest,
                         ::testing::Values(MqttProtocol::kV311, MqttProtocol::kV5),
                         [](const ::testing::TestParamInfo<MqttProtocol>& p) {
                           return p.param == MqttProtocol::kV5 ? "V5" : "V311";
                         });

TEST_P(MqttMochiTest, ReadsEveryQosInOrder) {
  for (const int qos : {0, 1, 2}) {
    MqttOptions options = Options();
    options.qos = qos;
    options.client_id += std::to_string(qos);
    MqttReading reading(options);
    ASSERT_TRUE(reading.Open().ok());
    // At QoS 0 a broker may drop what comes too fast; mochi does beyond 1024 waiting messages.
    const std::vector<std::string> payloads = Numbered("message", qos == 0 ? 500 : 2000);
    MqttPublisher(server_->port()).Publish("a/b", payloads, qos);
    ASSERT_TRUE(reading.ReadUntil(payloads.size(), true))
        << "QoS " << qos << ": " << reading.messages.size() << "\n"
        << reading.Log();
    EXPECT_EQ(Difference(reading.Payloads(), payloads), "") << "QoS " << qos;
    EXPECT_TRUE(reading.Await([&] { return reading.source().Stats().unacknowledged == 0; }));
    EXPECT_TRUE(reading.source().Health().ok());
  }
}

TEST_P(MqttMochiTest, APersistentSessionKeepsWhatWasNotCommitted) {
  {
    MqttReading first(Options());
    ASSERT_TRUE(first.Open().ok());
    MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 10));
    ASSERT_TRUE(first.ReadUntil(10));
    ASSERT_TRUE(first.source().Commit(0, 4).ok());
    ASSERT_TRUE(first.source().Close().ok());
  }
  MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 10, 10));  // nobody is there
  MqttReading next(Options());
  ASSERT_TRUE(next.Open().ok());
  ASSERT_TRUE(next.ReadUntil(16, true)) << next.Log();
  next.ReadFor(milliseconds(200), true);
  std::vector<std::string> payloads = next.Payloads();
  std::sort(payloads.begin(), payloads.end());  // mochi sends again in any order
  std::vector<std::string> wanted = Numbered("m", 16, 4);
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(Difference(payloads, wanted), "");
}

TEST_P(MqttMochiTest, SharedSubscriptionsGiveEachMessageOnce) {
  MqttOptions options = Options();
  options.topics = {"$share/group/a/#"};
  options.connections = 3;
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  EXPECT_EQ(reading.source().Stats().connected, 3);
  MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 300));
  ASSERT_TRUE(reading.ReadUntil(300, true)) << reading.messages.size();
  reading.ReadFor(milliseconds(100), true);
  EXPECT_THAT(reading.messages, SizeIs(300));
  EXPECT_THAT(reading.PayloadSet(), SizeIs(300));
}

TEST_P(MqttMochiTest, LargeMessagesArriveWhole) {
  MqttReading reading(Options());
  ASSERT_TRUE(reading.Open().ok());
  const std::vector<std::string> payloads = {std::string(300'000, 'x'), "",
                                             std::string(3'000'000, 'y')};
  MqttPublisher(server_->port()).Publish("a/b", payloads);
  ASSERT_TRUE(reading.ReadUntil(3, true));
  EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
}

TEST_P(MqttMochiTest, ASecondClientOfTheSameNameTakesOver) {
  MqttOptions options = Options();
  options.reconnect_max = seconds(30);
  MqttReading first(options);
  ASSERT_TRUE(first.Open().ok());
  MqttReading second(options);
  ASSERT_TRUE(second.Open().ok());
  ASSERT_TRUE(first.Await([&] { return !first.source().Health().ok(); }));
  // mochi sends a DISCONNECT in MQTT 3.1.1 too, where a server must not.
  const bool v5 = GetParam() == MqttProtocol::kV5;
  EXPECT_THAT(std::string(first.source().Health().message()),
              HasSubstr(v5 ? "another client" : "DISCONNECT from a server"));
}

TEST_P(MqttMochiTest, UserPropertiesAreHeaders) {
  if (GetParam() != MqttProtocol::kV5) GTEST_SKIP() << "MQTT 3.1.1 has none";
  MqttReading reading(Options());
  ASSERT_TRUE(reading.Open().ok());
  MqttPublisher publisher(server_->port(), {.v5 = true});
  publisher.PublishWithProperties("a/b", "x", UserProperty("unit", "°C"));
  ASSERT_TRUE(reading.ReadUntil(1));
  EXPECT_THAT(reading.messages[0].headers, ElementsAre(Pair("unit", "°C")));
}

}  // namespace
}  // namespace tsingest
