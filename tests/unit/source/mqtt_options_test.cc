#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/mqtt/broker_address.h"
#include "source/mqtt/options.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

MqttOptions Valid() {
  MqttOptions options;
  options.topics = {"sensors/#"};
  return options;
}

TEST(MqttOptionsTest, DefaultsNeedOnlyTopics) {
  EXPECT_TRUE(Valid().Validate().ok());
  EXPECT_THAT(std::string(MqttOptions().Validate().message()), HasSubstr("no topics"));
}

TEST(MqttOptionsTest, RefusalsNameTheOptionAndItsRange) {
  struct Case {
    std::string words;
    std::function<void(MqttOptions&)> change;
  };
  const std::vector<Case> cases = {
      {"broker \"here\"", [](MqttOptions& o) { o.broker = "here"; }},
      {"topic filter \"a#\"",
       [](MqttOptions& o) {
         o.topics = {"ok", "a#"};
       }},
      {"unsubscribe: topic filter \"\"", [](MqttOptions& o) { o.unsubscribe = {""}; }},
      {"qos 3: it must be 0 to 2", [](MqttOptions& o) { o.qos = 3; }},
      {"qos -1", [](MqttOptions& o) { o.qos = -1; }},
      {"receive maximum 0: it must be 1 to 65535", [](MqttOptions& o) { o.receive_maximum = 0; }},
      {"receive maximum 65536", [](MqttOptions& o) { o.receive_maximum = 65'536; }},
      {"topic alias maximum 1025", [](MqttOptions& o) { o.topic_alias_maximum = 1025; }},
      {"keepalive (s) 65536", [](MqttOptions& o) { o.keepalive = std::chrono::seconds(65'536); }},
      {"connections 0", [](MqttOptions& o) { o.connections = 0; }},
      {"largest packet (bytes) 255", [](MqttOptions& o) { o.max_packet_bytes = 255; }},
      {"largest packet (bytes) 268435461",
       [](MqttOptions& o) { o.max_packet_bytes = 268'435'461; }},
      {"receive buffer (bytes) 1", [](MqttOptions& o) { o.receive_buffer_bytes = 1; }},
      {"session expiry -1", [](MqttOptions& o) { o.session_expiry = std::chrono::seconds(-1); }},
      {"connect timeout", [](MqttOptions& o) { o.connect_timeout = Duration(0); }},
      {"reconnect pauses", [](MqttOptions& o) { o.reconnect_min = Duration(0); }},
      {"reconnect pauses", [](MqttOptions& o) { o.reconnect_max = Duration(1); }},
      {"a password without a user name", [](MqttOptions& o) { o.password = "x"; }},
      {"a password without a user name",
       [](MqttOptions& o) { o.broker = "mqtt://:secret@localhost"; }},
      {"client id", [](MqttOptions& o) { o.client_id = "\xFF"; }},
      {"user name", [](MqttOptions& o) { o.username = "\xFF"; }},
      {"both files", [](MqttOptions& o) { o.tls.cert_file = "c.pem"; }},
      {"write mqtts://", [](MqttOptions& o) { o.tls.ca_file = "ca.pem"; }},
      {"$share/ingest/sensors/#", [](MqttOptions& o) { o.connections = 2; }},
  };
  for (const Case& c : cases) {
    MqttOptions options = Valid();
    c.change(options);
    const absl::Status status = options.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.words;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.words));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
  }
}

TEST(MqttOptionsTest, Mqtt5TakesAPasswordAlone) {
  MqttOptions options = Valid();
  options.password = "token";
  options.protocol = MqttProtocol::kV5;
  EXPECT_TRUE(options.Validate().ok());
}

TEST(MqttOptionsTest, SeveralConnectionsShareTheirTopics) {
  MqttOptions options = Valid();
  options.topics = {"$share/g/sensors/#"};
  options.connections = 2;
  EXPECT_TRUE(options.Validate().ok());
  options.client_id = "in";
  EXPECT_EQ(mqtt::ClientId(options, 0), "in-1");
  EXPECT_EQ(mqtt::ClientId(options, 1), "in-2");
  options.connections = 1;
  EXPECT_EQ(mqtt::ClientId(options, 0), "in");
  options.client_id.clear();
  EXPECT_THAT(mqtt::ClientId(options, 0), StartsWith("data-ingestion-"));
}

mqtt::SessionConfig Config(const MqttOptions& options) {
  return mqtt::MakeSessionConfig(options, *mqtt::ParseBrokerUri(options.broker), 0);
}

TEST(MqttOptionsTest, SessionsLastAWeekUnlessTold) {
  MqttOptions options = Valid();
  EXPECT_EQ(Config(options).session_expiry, 604'800u);
  options.session_expiry = std::chrono::seconds(60);
  EXPECT_EQ(Config(options).session_expiry, 60u);
  options.session_expiry = std::chrono::hours(24 * 365 * 1000);
  EXPECT_EQ(Config(options).session_expiry, 0xFFFFFFFFu);
  options.session_expiry.reset();
  options.clean_session = true;
  EXPECT_EQ(Config(options).session_expiry, 0u);
}

TEST(MqttOptionsTest, CredentialsOfTheUriGiveWayToTheOptions) {
  MqttOptions options = Valid();
  options.broker = "mqtt://uri:uripw@localhost";
  EXPECT_EQ(Config(options).username, "uri");
  EXPECT_EQ(Config(options).password, "uripw");
  options.password = "other";
  EXPECT_EQ(Config(options).username, "uri");
  EXPECT_EQ(Config(options).password, "other");
  options.username = "me";
  EXPECT_EQ(Config(options).username, "me");
}

}  // namespace
}  // namespace tsingest
