#include "source/mqtt/packets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "support/scripted_broker.h"

namespace tsingest::mqtt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using tsingest::testing::BrokerPackets;
using tsingest::testing::Byte;
using tsingest::testing::ByteProperty;
using tsingest::testing::Prefixed;
using tsingest::testing::StringProperty;
using tsingest::testing::U16;
using tsingest::testing::U16Property;
using tsingest::testing::U32Property;
using tsingest::testing::UserProperty;
using tsingest::testing::Variable;
using namespace std::string_literals;

// ---- encoding: golden bytes, written out by hand from the standards' figures ----

Connect SampleConnect(Level level) {
  Connect connect;
  connect.level = level;
  connect.client_id = "id";
  connect.username = "me";
  connect.password = "pw";
  connect.clean_start = true;
  connect.keep_alive_seconds = 30;
  connect.session_expiry = 60;
  connect.receive_maximum = 20;
  connect.maximum_packet_size = 1000;
  connect.topic_alias_maximum = 8;
  return connect;
}

TEST(MqttEncodeTest, ConnectOfMqtt311) {
  ByteBuffer out;
  EncodeConnect(SampleConnect(Level::kV311), out);
  EXPECT_EQ(out.view(),
            "\x10\x16"
            "\x00\x04MQTT\x04\xC2\x00\x1E"
            "\x00\x02id\x00\x02me\x00\x02pw"s);
}

TEST(MqttEncodeTest, ConnectOfMqtt5) {
  ByteBuffer out;
  EncodeConnect(SampleConnect(Level::kV5), out);
  EXPECT_EQ(out.view(),
            "\x10\x27"
            "\x00\x04MQTT\x05\xC2\x00\x1E"
            "\x10\x11\x00\x00\x00\x3C\x21\x00\x14\x27\x00\x00\x03\xE8\x22\x00\x08"
            "\x00\x02id\x00\x02me\x00\x02pw"s);
}

TEST(MqttEncodeTest, ConnectWithoutUserAndWithSession) {
  ByteBuffer out;
  Connect connect;
  connect.level = Level::kV311;
  connect.client_id = "a";
  EncodeConnect(connect, out);
  EXPECT_EQ(out.view(), "\x10\x0D\x00\x04MQTT\x04\x00\x00\x00\x00\x01"s + "a");
}

TEST(MqttEncodeTest, SubscribeCarriesQosAndRetainHandling) {
  const std::vector<std::string> filters = {"a/#", "$share/g/b"};
  ByteBuffer v3;
  EncodeSubscribe(Level::kV311, 10, filters, 1, v3);
  EXPECT_EQ(v3.view(), "\x82\x15\x00\x0A\x00\x03"s + "a/#\x01" + "\x00\x0A"s + "$share/g/b\x01");
  ByteBuffer v5;
  EncodeSubscribe(Level::kV5, 10, filters, 2, v5);
  EXPECT_EQ(v5.view(),
            "\x82\x16\x00\x0A\x00\x00\x03"s + "a/#\x12" + "\x00\x0A"s + "$share/g/b\x12");
}

TEST(MqttEncodeTest, Unsubscribe) {
  const std::vector<std::string> filters = {"a"};
  ByteBuffer v3;
  EncodeUnsubscribe(Level::kV311, 2, filters, v3);
  EXPECT_EQ(v3.view(), "\xA2\x05\x00\x02\x00\x01"s + "a");
  ByteBuffer v5;
  EncodeUnsubscribe(Level::kV5, 2, filters, v5);
  EXPECT_EQ(v5.view(), "\xA2\x06\x00\x02\x00\x00\x01"s + "a");
}

TEST(MqttEncodeTest, AcknowledgementsLeaveTheCodeOutWhenItIsSuccess) {
  ByteBuffer out;
  EncodeAck(PacketType::kPuback, Level::kV5, 0x1234, reason::kSuccess, out);
  EncodeAck(PacketType::kPubrec, Level::kV311, 1, reason::kSuccess, out);
  EncodeAck(PacketType::kPubcomp, Level::kV5, 2, reason::kPacketIdNotFound, out);
  EncodeAck(PacketType::kPubcomp, Level::kV311, 2, reason::kPacketIdNotFound, out);
  EXPECT_EQ(out.view(), "\x40\x02\x12\x34\x50\x02\x00\x01\x70\x03\x00\x02\x92\x70\x02\x00\x02"s);
}

TEST(MqttEncodeTest, PingAndDisconnect) {
  ByteBuffer out;
  EncodePingreq(out);
  EncodeDisconnect(Level::kV311, reason::kProtocolError, out);
  EncodeDisconnect(Level::kV5, reason::kSuccess, out);
  EncodeDisconnect(Level::kV5, reason::kProtocolError, out);
  EXPECT_EQ(out.view(), "\xC0\x00\xE0\x00\xE0\x00\xE0\x01\x82"s);
}

// ---- headers ----

std::string HeaderError(unsigned first, unsigned remaining, Level level) {
  const FixedHeader header = ParseFixedHeader(Byte(first) + Byte(remaining), level);
  Violation why;
  return CheckHeader(header, level, &why) ? "" : why.text;
}

TEST(MqttHeaderTest, TakesWhatServersSend) {
  for (const unsigned first : {0x20u, 0x30u, 0x3Du, 0x62u, 0x90u, 0xB0u, 0xD0u}) {
    EXPECT_EQ(HeaderError(first, 0, Level::kV311), "") << first;
    EXPECT_EQ(HeaderError(first, 0, Level::kV5), "") << first;
  }
  EXPECT_EQ(HeaderError(0xE0, 0, Level::kV5), "");
  EXPECT_EQ(HeaderError(0xF0, 0, Level::kV5), "");
}

TEST(MqttHeaderTest, RefusesTypesThatDoNotExist) {
  EXPECT_THAT(HeaderError(0x00, 0, Level::kV5), HasSubstr("type 0 does not exist in MQTT 5"));
  EXPECT_THAT(HeaderError(0xF0, 0, Level::kV311),
              HasSubstr("type 15 does not exist in MQTT 3.1.1"));
}

TEST(MqttHeaderTest, RefusesWhatOnlyClientsSend) {
  for (const unsigned first : {0x10u, 0x82u, 0xA2u, 0xC0u, 0x40u, 0x50u, 0x70u}) {
    EXPECT_THAT(HeaderError(first, 0, Level::kV5), HasSubstr("from a server to a subscriber"));
  }
  EXPECT_THAT(HeaderError(0xE0, 0, Level::kV311), HasSubstr("DISCONNECT from a server"));
}

TEST(MqttHeaderTest, RefusesWrongFlagsAndAPingrespWithABody) {
  EXPECT_THAT(HeaderError(0x21, 0, Level::kV5), HasSubstr("CONNACK: fixed header flags 0x1"));
  EXPECT_THAT(HeaderError(0x60, 0, Level::kV5), HasSubstr("PUBREL: fixed header flags 0x0"));
  EXPECT_THAT(HeaderError(0x9F, 0, Level::kV5), HasSubstr("SUBACK: fixed header flags 0xF"));
  EXPECT_THAT(HeaderError(0xD0, 1, Level::kV5), HasSubstr("PINGRESP: 1 bytes behind its end"));
}

// ---- decoding ----

// The body of a packet made by BrokerPackets.
std::string Body(const std::string& packet) {
  const FixedHeader header = ParseFixedHeader(packet, Level::kV5);
  return packet.substr(header.header_bytes);
}

constexpr BrokerPackets kV3{false};
constexpr BrokerPackets kV5{true};

TEST(MqttConnackTest, ReadsBothLevels) {
  Connack connack;
  Violation why;
  ASSERT_TRUE(DecodeConnack(Level::kV311, Body(kV3.Connack(true)), &connack, &why)) << why.text;
  EXPECT_TRUE(connack.session_present);
  EXPECT_EQ(connack.code, 0);

  connack = {};
  const std::string properties =
      U32Property(0x11, 7) + U16Property(0x21, 20) + ByteProperty(0x24, 1) + ByteProperty(0x25, 1) +
      U32Property(0x27, 2000) + StringProperty(0x12, "assigned") + U16Property(0x22, 10) +
      StringProperty(0x1F, "fine") + UserProperty("a", "b") + ByteProperty(0x28, 0) +
      ByteProperty(0x29, 1) + ByteProperty(0x2A, 0) + U16Property(0x13, 5) +
      StringProperty(0x1A, "info") + StringProperty(0x1C, "other:1883");
  const std::string body = Body(kV5.Connack(false, 0, properties));  // what connack views
  ASSERT_TRUE(DecodeConnack(Level::kV5, body, &connack, &why)) << why.text;
  EXPECT_FALSE(connack.session_present);
  EXPECT_EQ(connack.properties.session_expiry, 7u);
  EXPECT_EQ(connack.properties.maximum_packet_size, 2000u);
  EXPECT_EQ(connack.properties.server_keep_alive, 5);
  EXPECT_EQ(connack.properties.server_reference, "other:1883");
  EXPECT_EQ(connack.properties.reason_string, "fine");
  EXPECT_FALSE(connack.properties.wildcard_available);
  EXPECT_FALSE(connack.properties.shared_available);
  EXPECT_TRUE(connack.properties.Has(Property::kServerKeepAlive));
}

TEST(MqttConnackTest, ReturnCodesOf311AreTranslated) {
  const std::vector<std::pair<unsigned, std::string>> expected = {
      {1, "unacceptable protocol version (1)"},
      {2, "client identifier rejected (2)"},
      {3, "server unavailable (3)"},
      {4, "bad user name or password (4)"},
      {5, "not authorized (5)"},
      {77, "return code 77"}};
  for (const auto& [code, text] : expected) {
    Connack connack;
    Violation why;
    ASSERT_TRUE(DecodeConnack(Level::kV311, Body(kV3.Connack(false, code)), &connack, &why));
    EXPECT_GE(connack.code, reason::kUnspecified);
    EXPECT_EQ(connack.code_text, text);
  }
}

TEST(MqttConnackTest, AnOldBrokersRefusalOfMqtt5IsUnderstood) {
  Connack connack;
  Violation why;
  ASSERT_TRUE(DecodeConnack(Level::kV5, "\x00\x01"s, &connack, &why)) << why.text;
  EXPECT_EQ(connack.code, reason::kUnsupportedVersion);
  connack = {};
  ASSERT_TRUE(DecodeConnack(Level::kV5, "\x00\x01\x00"s, &connack, &why)) << why.text;
  EXPECT_EQ(connack.code, reason::kUnsupportedVersion);  // Moquette's
  connack = {};
  ASSERT_TRUE(DecodeConnack(Level::kV5, "\x00\x87"s, &connack, &why)) << why.text;
  EXPECT_EQ(connack.code_text, "not authorized (0x87)");
}

struct BadBody {
  std::string name;
  std::string body;
  std::string words;
};

TEST(MqttConnackTest, RefusesWhatBreaksTheStandard) {
  const std::vector<BadBody> cases = {
      {"empty", "", "cut off"},
      {"one byte", "\x00"s, "cut off"},
      {"reserved flags", "\x02\x00\x00"s, "acknowledge flags 0x02"},
      {"no properties", "\x00\x00"s, "property length"},
      {"list longer than packet", "\x00\x00\x05"s, "property length"},
      {"list length of five bytes", "\x00\x00\xFF\xFF\xFF\xFF\x01"s, "property length"},
      {"behind the end", "\x00\x00\x00rest"s, "4 bytes behind its end"},
      {"session with refusal", "\x01\x87\x00"s, "session present beside a refusal"},
      {"unknown property", Body(kV5.Connack(false, 0, Byte(0x7E))), "unknown property 0x7E"},
      {"property of PUBLISH", Body(kV5.Connack(false, 0, U16Property(0x23, 1))),
       "CONNACK from a server cannot have the property Topic Alias"},
      {"property twice", Body(kV5.Connack(false, 0, U16Property(0x21, 1) + U16Property(0x21, 2))),
       "Receive Maximum twice"},
      {"receive maximum 0", Body(kV5.Connack(false, 0, U16Property(0x21, 0))),
       "Receive Maximum cannot be 0"},
      {"maximum packet size 0", Body(kV5.Connack(false, 0, U32Property(0x27, 0))),
       "Maximum Packet Size cannot be 0"},
      {"maximum qos 2", Body(kV5.Connack(false, 0, ByteProperty(0x24, 2))),
       "Maximum QoS cannot be 2"},
      {"bad utf-8", Body(kV5.Connack(false, 0, StringProperty(0x1F, "\xFF"))),
       "Reason String is not valid UTF-8"},
      {"cut number", Body(kV5.Connack(false, 0, Byte(0x27) + "\x00\x00"s)),
       "Maximum Packet Size is cut off"},
      {"cut string", Body(kV5.Connack(false, 0, Byte(0x1F) + U16(9) + "short")),
       "Reason String is cut off"},
  };
  for (const BadBody& bad : cases) {
    Connack connack;
    Violation why;
    EXPECT_FALSE(DecodeConnack(Level::kV5, bad.body, &connack, &why)) << bad.name;
    EXPECT_THAT(why.text, HasSubstr(bad.words)) << bad.name;
  }
}

TEST(MqttPublishTest, ReadsQosFlagsTopicAndPayload) {
  Publish publish;
  Violation why;
  const std::string body = Body(kV3.Publish(2, 513, "a/b", "payload"));
  ASSERT_TRUE(DecodePublish(Level::kV311, 0x0D, body, &publish, &why)) << why.text;
  EXPECT_EQ(publish.qos, 2);
  EXPECT_TRUE(publish.dup);
  EXPECT_TRUE(publish.retain);
  EXPECT_EQ(publish.packet_id, 513);
  EXPECT_EQ(publish.topic, "a/b");
  EXPECT_EQ(publish.payload, "payload");
  EXPECT_EQ(publish.payload.data(), body.data() + 7);  // a view, not a copy
}

TEST(MqttPublishTest, QosZeroHasNoPacketIdentifierAndPayloadsMayBeEmpty) {
  Publish publish;
  Violation why;
  ASSERT_TRUE(DecodePublish(Level::kV311, 0, Body(kV3.Publish(0, 0, "t", "")), &publish, &why));
  EXPECT_EQ(publish.packet_id, 0);
  EXPECT_EQ(publish.payload, "");
}

TEST(MqttPublishTest, ReadsAllPropertiesOfMqtt5) {
  const std::string properties =
      ByteProperty(0x01, 1) + U32Property(0x02, 60) + StringProperty(0x03, "json") +
      StringProperty(0x08, "reply") + StringProperty(0x09, "\xFF\x00"s) + Byte(0x0B) +
      Variable(300) + Byte(0x0B) + Variable(1) + U16Property(0x23, 3) + UserProperty("k1", "v1") +
      UserProperty("k2", "v2") + UserProperty("k1", "v3");
  const std::string body = Body(kV5.Publish(1, 1, "t", "x", false, properties));
  Publish publish;
  Violation why;
  ASSERT_TRUE(DecodePublish(Level::kV5, 2, body, &publish, &why)) << why.text;
  EXPECT_EQ(publish.properties.topic_alias, 3);
  EXPECT_EQ(publish.properties.user_properties, 3u);
  EXPECT_EQ(publish.payload, "x");
  std::vector<std::pair<std::string, std::string>> found;
  ForEachUserProperty(publish.properties, [&](std::string_view name, std::string_view value) {
    found.emplace_back(name, value);
  });
  EXPECT_THAT(found, ElementsAre(Pair("k1", "v1"), Pair("k2", "v2"), Pair("k1", "v3")));
}

TEST(MqttPublishTest, ATopicMayHave64LevelsAndAnyUnicode) {
  std::string topic = "Werk";
  for (int i = 1; i < 64; ++i) topic += "/Ebene_" + std::to_string(i) + "_°";
  Publish publish;
  Violation why;
  const std::string body = Body(kV3.Publish(1, 1, topic, "x"));
  ASSERT_TRUE(DecodePublish(Level::kV311, 2, body, &publish, &why)) << why.text;
  EXPECT_EQ(publish.topic, topic);
}

TEST(MqttPublishTest, RefusesWhatBreaksTheStandard) {
  struct Case {
    std::string name;
    unsigned flags;
    std::string body;
    std::string words;
    std::uint8_t code;
  };
  const std::vector<Case> cases = {
      {"QoS 3", 6, Body(kV5.Publish(1, 1, "t", "")), "QoS 3", reason::kMalformedPacket},
      {"DUP with QoS 0", 8, Body(kV5.Publish(0, 0, "t", "")), "DUP with QoS 0",
       reason::kMalformedPacket},
      {"empty", 0, "", "cut off", reason::kMalformedPacket},
      {"topic longer than packet", 0, Prefixed("topic").substr(0, 4), "cut off",
       reason::kMalformedPacket},
      {"no room for the identifier", 2, Prefixed("t") + "\x01", "cut off",
       reason::kMalformedPacket},
      {"identifier 0", 2, Body(kV5.Publish(1, 0, "t", "")), "packet identifier 0",
       reason::kProtocolError},
      {"wildcard #", 0, Body(kV5.Publish(0, 0, "a/#", "")), "wildcard", reason::kMalformedPacket},
      {"wildcard +", 0, Body(kV5.Publish(0, 0, "a/+/b", "")), "wildcard", reason::kMalformedPacket},
      {"NUL", 0, Body(kV5.Publish(0, 0, "a\0b"s, "")), "\"a\\x00b\"", reason::kMalformedPacket},
      {"bad UTF-8", 0, Body(kV5.Publish(0, 0, "a\xFF", "")), "\"a\\xff\"",
       reason::kMalformedPacket},
      {"neither topic nor alias", 0, Body(kV5.Publish(0, 0, "", "")), "no topic",
       reason::kProtocolError},
      {"format indicator 2", 0, Body(kV5.Publish(0, 0, "t", "", false, ByteProperty(1, 2))),
       "Payload Format Indicator cannot be 2", reason::kProtocolError},
      {"subscription identifier 0", 0,
       Body(kV5.Publish(0, 0, "t", "", false, Byte(0x0B) + Byte(0))),
       "Subscription Identifier cannot be 0", reason::kProtocolError},
      {"alias twice", 0,
       Body(kV5.Publish(0, 0, "t", "", false, U16Property(0x23, 1) + U16Property(0x23, 1))),
       "Topic Alias twice", reason::kProtocolError},
      {"CONNACK's property", 0, Body(kV5.Publish(0, 0, "t", "", false, U16Property(0x21, 1))),
       "cannot have the property Receive Maximum", reason::kProtocolError},
      {"user property cut", 0, Body(kV5.Publish(0, 0, "t", "", false, Byte(0x26) + Prefixed("k"))),
       "User Property is cut off", reason::kMalformedPacket},
      {"user property in bad UTF-8", 0,
       Body(kV5.Publish(0, 0, "t", "", false, UserProperty("k", "\xC0"))),
       "User Property is not valid UTF-8", reason::kMalformedPacket},
  };
  for (const Case& c : cases) {
    Publish publish;
    Violation why;
    EXPECT_FALSE(
        DecodePublish(Level::kV5, static_cast<std::uint8_t>(c.flags), c.body, &publish, &why))
        << c.name;
    EXPECT_THAT(why.text, HasSubstr(c.words)) << c.name;
    EXPECT_EQ(why.code, c.code) << c.name;
  }
  Publish publish;
  Violation why;
  EXPECT_FALSE(DecodePublish(Level::kV311, 0, Prefixed(""), &publish, &why));
  EXPECT_THAT(why.text, HasSubstr("no topic"));
}

TEST(MqttSubackTest, ReadsCodesOfBothLevels) {
  SubscriptionAck ack;
  Violation why;
  const std::string v3 = Body(kV3.Suback(7, "\x01\x80"));
  ASSERT_TRUE(DecodeSubscriptionAck(PacketType::kSuback, Level::kV311, v3, &ack, &why));
  EXPECT_EQ(ack.packet_id, 7);
  EXPECT_EQ(ack.codes, "\x01\x80");
  const std::string v5 = Body(kV5.Suback(8, "\x02", StringProperty(0x1F, "why")));
  ASSERT_TRUE(DecodeSubscriptionAck(PacketType::kSuback, Level::kV5, v5, &ack, &why));
  EXPECT_EQ(ack.codes, "\x02");
  EXPECT_EQ(ack.reason_string, "why");
}

TEST(MqttSubackTest, UnsubackOf311HasNothingBehindTheIdentifier) {
  SubscriptionAck ack;
  Violation why;
  EXPECT_TRUE(DecodeSubscriptionAck(PacketType::kUnsuback, Level::kV311, U16(3), &ack, &why));
  EXPECT_FALSE(
      DecodeSubscriptionAck(PacketType::kUnsuback, Level::kV311, U16(3) + "x", &ack, &why));
  EXPECT_FALSE(DecodeSubscriptionAck(PacketType::kSuback, Level::kV311, U16(0), &ack, &why));
  EXPECT_FALSE(DecodeSubscriptionAck(PacketType::kSuback, Level::kV5, "\x01", &ack, &why));
}

TEST(MqttPubrelTest, TakesShortAndLongForms) {
  Release release;
  Violation why;
  EXPECT_TRUE(DecodeRelease(Level::kV311, U16(9), &release, &why));
  EXPECT_EQ(release.packet_id, 9);
  EXPECT_TRUE(DecodeRelease(Level::kV5, U16(9), &release, &why));
  EXPECT_TRUE(DecodeRelease(Level::kV5, U16(9) + Byte(0x92), &release, &why));
  EXPECT_TRUE(DecodeRelease(Level::kV5, U16(9) + Byte(0) + Byte(0), &release, &why));
}

TEST(MqttPubrelTest, RefusesWhatBreaksTheStandard) {
  Release release;
  Violation why;
  EXPECT_FALSE(DecodeRelease(Level::kV311, "\x01", &release, &why));
  EXPECT_FALSE(DecodeRelease(Level::kV311, U16(0), &release, &why));
  EXPECT_FALSE(DecodeRelease(Level::kV311, U16(1) + Byte(0), &release, &why));
  release = {};
  EXPECT_FALSE(DecodeRelease(Level::kV5, U16(1) + Byte(0x80), &release, &why));
  EXPECT_THAT(why.text, HasSubstr("unspecified error (0x80)"));
  release = {};
  EXPECT_FALSE(DecodeRelease(Level::kV5, U16(1) + Byte(0) + Byte(9), &release, &why));
}

TEST(MqttDisconnectTest, ReadsCodeAndProperties) {
  ServerDisconnect disconnect;
  Violation why;
  EXPECT_TRUE(DecodeDisconnect("", &disconnect, &why));
  EXPECT_EQ(disconnect.code, 0);
  EXPECT_TRUE(DecodeDisconnect(Byte(0x8E), &disconnect, &why));
  EXPECT_EQ(disconnect.code, reason::kSessionTakenOver);
  disconnect = {};
  const std::string body = Body(kV5.Disconnect(0x9C, StringProperty(0x1C, "b:1")));
  EXPECT_TRUE(DecodeDisconnect(body, &disconnect, &why));
  EXPECT_EQ(disconnect.properties.server_reference, "b:1");
  disconnect = {};
  EXPECT_FALSE(DecodeDisconnect(Body(kV5.Disconnect(0, U32Property(0x11, 1))), &disconnect, &why));
  EXPECT_THAT(why.text, HasSubstr("cannot have the property Session Expiry Interval"));
}

TEST(MqttReasonTest, KnowsTheStandardsCodesAndShowsOthers) {
  EXPECT_EQ(ReasonText(0x8E), "session taken over (0x8E)");
  EXPECT_EQ(ReasonText(0xA2), "wildcard subscriptions not supported (0xA2)");
  EXPECT_EQ(ReasonText(0x42), "reason code 0x42");
}

}  // namespace
}  // namespace tsingest::mqtt
