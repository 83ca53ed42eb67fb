#include "base/mqtt/broker_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tsingest::mqtt {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

BrokerAddress Parsed(const std::string& uri) {
  const absl::StatusOr<BrokerAddress> address = ParseBrokerUri(uri);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(BrokerAddress());
}

TEST(MqttBrokerAddressTest, EverySchemeHasItsPort) {
  struct Case {
    std::string uri;
    bool tls;
    int port;
  };
  for (const Case& c : std::vector<Case>{{"mqtt://h", false, 1883},
                                         {"tcp://h", false, 1883},
                                         {"mqtts://h", true, 8883},
                                         {"ssl://h", true, 8883},
                                         {"tls://h/", true, 8883},
                                         {"MQTT://h:1", false, 1},
                                         {"mqtts://h:65535", true, 65535}}) {
    const BrokerAddress address = Parsed(c.uri);
    EXPECT_EQ(address.host, "h") << c.uri;
    EXPECT_EQ(address.tls, c.tls) << c.uri;
    EXPECT_EQ(address.port, c.port) << c.uri;
  }
}

TEST(MqttBrokerAddressTest, Ipv6StandsInBrackets) {
  const BrokerAddress address = Parsed("mqtt://[2001:db8::1]:1884");
  EXPECT_EQ(address.host, "2001:db8::1");
  EXPECT_EQ(address.port, 1884);
  EXPECT_EQ(address.HostPort(), "[2001:db8::1]:1884");
  EXPECT_EQ(Parsed("mqtts://[::1]").port, 8883);
}

TEST(MqttBrokerAddressTest, UserAndPasswordAreDecodedAndNeverShown) {
  const BrokerAddress address = Parsed("mqtt://us%40er:p%3Ass@w0rd%2@host:1");
  EXPECT_EQ(address.username, "us@er");
  EXPECT_EQ(address.password, "p:ss@w0rd%2");
  EXPECT_EQ(address.host, "host");
  EXPECT_EQ(address.Uri(), "mqtt://host:1");
}

TEST(MqttBrokerAddressTest, ErrorsNameTheMistakeAndTheForm) {
  struct Case {
    std::string uri;
    std::string words;
  };
  for (const Case& c : std::vector<Case>{
           {"localhost:1883", "no scheme"},
           {"", "no scheme"},
           {"http://h", "unknown scheme http"},
           {"ws://h/mqtt", "WebSocket is not supported"},
           {"mqtt://", "there is no host"},
           {"mqtt://:1883", "there is no host"},
           {"mqtt://h:0", "the port is not 1 to 65535"},
           {"mqtt://h:65536", "the port is not 1 to 65535"},
           {"mqtt://h:12x", "the port is not 1 to 65535"},
           {"mqtt://h:", "the port is not 1 to 65535"},
           {"mqtt://h:1883/topic", "topics are given apart"},
           {"mqtt://::1", "in brackets"},
           {"mqtt://[::1", "] is missing"},
           {"mqtt://[::1]1883", "between ] and the port"},
           {"mqtt://a b", "cannot have"},
       }) {
    const absl::Status status = ParseBrokerUri(c.uri).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.uri;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.words)) << c.uri;
    EXPECT_THAT(std::string(status.message()), HasSubstr("mqtt://HOST[:PORT]")) << c.uri;
  }
}

TEST(MqttBrokerAddressTest, ErrorsNeverShowThePassword) {
  for (const char* uri : {"mqtt://me:secret@h:0", "me:secret@h", "ftp://me:secret@h",
                          "mqtt://me:secret@", "mqtt://me:sec@ret@h:0"}) {
    const absl::Status status = ParseBrokerUri(uri).status();
    EXPECT_FALSE(status.ok()) << uri;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("sec"))) << uri;
  }
}

TEST(MqttBrokerAddressTest, ServerReferencesAreListsOfHosts) {
  const BrokerAddress from = Parsed("mqtts://me:pw@first:1");
  const auto to = ParseServerReference("second:2 third", from);
  ASSERT_TRUE(to.has_value());
  EXPECT_EQ(to->host, "second");
  EXPECT_EQ(to->port, 2);
  EXPECT_TRUE(to->tls);
  EXPECT_EQ(to->username, "me");
  EXPECT_EQ(ParseServerReference("[fe80::9610:3eff:fe1c]:1883", from)->host,
            "fe80::9610:3eff:fe1c");
  EXPECT_EQ(ParseServerReference("myserver.xyz.org", from)->port, 8883);
  EXPECT_EQ(ParseServerReference("bad:port good:5", from)->host, "good");
  EXPECT_FALSE(ParseServerReference("", from).has_value());
  EXPECT_FALSE(ParseServerReference("x:0  :1", from).has_value());
}

}  // namespace
}  // namespace tsingest::mqtt
