#include "source/mqtt/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "support/scripted_broker.h"
#include "unit/source/mqtt_session_harness.h"

namespace tsingest::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using tsingest::testing::Byte;
using tsingest::testing::ByteProperty;
using tsingest::testing::ClientPacket;
using tsingest::testing::Packet;
using tsingest::testing::ParseClientPackets;
using tsingest::testing::StringProperty;
using tsingest::testing::U16;
using tsingest::testing::U16Property;
using tsingest::testing::U32Property;
using Kind = SessionError::Kind;
using namespace std::string_literals;

class MqttSessionTest : public ::testing::TestWithParam<Level> {
 protected:
  SessionHarness h_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Levels, MqttSessionTest, ::testing::Values(Level::kV311, Level::kV5),
                         NameOfLevel);

TEST_P(MqttSessionTest, ConnectsSubscribesAndIsReady) {
  h_.Connect();
  EXPECT_THAT(h_.Sent(), ElementsAre("CONNECT"));
  EXPECT_FALSE(h_.session->established());
  h_.Feed(h_.packets.Connack());
  EXPECT_TRUE(h_.session->established());
  EXPECT_FALSE(h_.session->ready());
  EXPECT_THAT(h_.Sent(), ElementsAre("SUBSCRIBE 1"));
  h_.Feed(h_.packets.Suback(1, "\x01"));
  EXPECT_TRUE(h_.session->ready());
  EXPECT_EQ(h_.Error(), "");
}

TEST_P(MqttSessionTest, SplitsManyTopicsOverSeveralRequests) {
  h_.config.topics.clear();
  for (int i = 0; i < 17; ++i) h_.config.topics.push_back("t" + std::to_string(i));
  h_.Connect();
  h_.TakeBytes();
  h_.Feed(h_.packets.Connack());
  EXPECT_THAT(h_.Sent(), ElementsAre("SUBSCRIBE 1", "SUBSCRIBE 2", "SUBSCRIBE 3"));
  h_.Feed(h_.packets.Suback(2, std::string(8, '\x01')));
  h_.Feed(h_.packets.Suback(3, "\x01"));
  EXPECT_FALSE(h_.session->ready());
  h_.Feed(h_.packets.Suback(1, std::string(8, '\x01')));
  EXPECT_TRUE(h_.session->ready());
}

TEST_P(MqttSessionTest, MessagesMayComeBeforeTheSuback) {
  h_.Connect();
  h_.Feed(h_.packets.Connack(true));
  h_.Publish(1, 1, "early");
  h_.Feed(h_.packets.Suback(1, "\x01"));
  EXPECT_THAT(h_.Payloads(), ElementsAre("early"));
  EXPECT_TRUE(h_.session->ready());
}

TEST_P(MqttSessionTest, APersistentSessionIsAskedForOnEveryConnection) {
  const auto clean = [&] {
    const ClientPacket connect = ParseClientPackets(h_.TakeBytes()).at(0);
    return (connect.body.at(7) & 2) != 0;
  };
  h_.Connect();
  EXPECT_FALSE(clean());
  h_.Feed(h_.packets.Connack());
  h_.Connect();
  EXPECT_FALSE(clean());
}

TEST_P(MqttSessionTest, ACleanSessionIsCleanOnEveryConnection) {
  h_.config.clean_session = true;
  for (int i = 0; i < 2; ++i) {
    h_.Connect();
    const ClientPacket connect = ParseClientPackets(h_.TakeBytes()).at(0);
    EXPECT_NE(connect.body.at(7) & 2, 0);
    h_.Feed(h_.packets.Connack());
  }
}

TEST(MqttSessionV5Test, ACleanStartWithAnExpiryIsResumedAfterALostConnection) {
  SessionHarness h;
  h.config.clean_session = true;
  h.config.session_expiry = 60;
  h.Connect();
  EXPECT_NE(ParseClientPackets(h.TakeBytes()).at(0).body.at(7) & 2, 0);
  h.Feed(h.packets.Connack());
  h.Connect();
  EXPECT_EQ(ParseClientPackets(h.TakeBytes()).at(0).body.at(7) & 2, 0);
  h.Feed(h.packets.Connack(true));
  EXPECT_EQ(h.Error(), "");
}

TEST_P(MqttSessionTest, ASessionThatShouldBeCleanMayNotBePresent) {
  h_.config.clean_session = true;
  h_.Connect();
  h_.Feed(h_.packets.Connack(true));
  EXPECT_THAT(h_.Error(), HasSubstr("session present after a clean start (MQTT-3.2.2-2)"));
}

TEST_P(MqttSessionTest, ALostSessionIsSaid) {
  h_.ConnectAndSubscribe();
  h_.Reconnect(true);
  EXPECT_THAT(h_.notices, IsEmpty());
  h_.Reconnect(false);
  EXPECT_THAT(h_.notices, ElementsAre(HasSubstr("has lost the session")));
}

TEST(MqttSessionV311Test, SubscriptionsOfAResumedSessionAreNotMadeAgain) {
  SessionHarness h(Level::kV311);
  h.ConnectAndSubscribe();
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack(true));
  EXPECT_THAT(h.Sent(), IsEmpty());
  EXPECT_TRUE(h.session->ready());
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack(false));
  EXPECT_THAT(h.Sent(), ElementsAre(HasSubstr("SUBSCRIBE")));
}

// The broken connection has made a new session, which the next one finds.
TEST(MqttSessionV311Test, ASessionThatNobodyHasSubscribedInIsSubscribedIn) {
  SessionHarness h(Level::kV311);
  h.ConnectAndSubscribe();
  h.Connect();
  h.Feed(h.packets.Connack(false));  // lost, and the connection breaks before SUBACK
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack(true));
  EXPECT_THAT(h.Sent(), ElementsAre(HasSubstr("SUBSCRIBE")));
  EXPECT_FALSE(h.session->ready());
}

TEST(MqttSessionV311Test, SharedSubscriptionsAreDoubtedOnce) {
  SessionHarness h(Level::kV311);
  h.config.topics = {"$share/g/a/#"};
  h.ConnectAndSubscribe();
  h.Reconnect(true);
  EXPECT_THAT(h.notices, ElementsAre(HasSubstr("nothing comes for \"$share/g/a/#\"")));
}

TEST_P(MqttSessionTest, AFirstConnectionWithoutASessionIsKnown) {
  h_.ConnectAndSubscribe();
  EXPECT_TRUE(h_.session->began_without_session());
  SessionHarness resumed(h_.level);
  resumed.ConnectAndSubscribe(true);
  resumed.Reconnect(false);
  EXPECT_FALSE(resumed.session->began_without_session());
}

// rumqttd: SUBACK stands behind a window that waits for acknowledgements.
TEST_P(MqttSessionTest, ALateSubackHoldsNobodyUpWhoHasMessages) {
  h_.ConnectAndSubscribe();
  h_.session->OnClosed();
  h_.session = nullptr;
  h_.Connect();
  h_.Feed(h_.packets.Connack(true));
  h_.Pass(std::chrono::milliseconds(1100));
  EXPECT_FALSE(h_.session->is_held_up());  // nothing waits
  h_.Publish(1, 1, "x");
  EXPECT_LE(h_.session->NextTick(), h_.now);
  h_.Pass(std::chrono::milliseconds(0));
  EXPECT_TRUE(h_.session->is_held_up());
  EXPECT_GT(h_.session->NextTick(), h_.now);
  const auto id = static_cast<std::uint16_t>(ParseClientPackets(h_.TakeBytes()).back().PacketId());
  h_.Feed(h_.packets.Suback(id, h_.Granted()));
  EXPECT_FALSE(h_.session->is_held_up());
  EXPECT_TRUE(h_.session->ready());
}

TEST(MqttSessionV5Test, SubscriptionsAreMadeAgainWithoutRetainedMessages) {
  SessionHarness h;
  h.ConnectAndSubscribe();
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack(true));
  const ClientPacket subscribe = ParseClientPackets(h.TakeBytes()).at(0);
  EXPECT_EQ(subscribe.type, 8u);
  EXPECT_EQ(subscribe.body.back() & 0x30, 0x10);  // Retain Handling 1
}

TEST_P(MqttSessionTest, OldSubscriptionsAreRemovedFromAResumedSession) {
  h_.config.unsubscribe = {"old/#"};
  h_.Connect();
  h_.TakeBytes();
  h_.Feed(h_.packets.Connack(true));
  EXPECT_THAT(h_.Sent(), ElementsAre("UNSUBSCRIBE 1", "SUBSCRIBE 2"));
  h_.Feed(h_.packets.Unsuback(1, Byte(0x11)));
  h_.Feed(h_.packets.Suback(2, "\x01"));
  EXPECT_TRUE(h_.session->ready());
}

// ---- refusals ----

TEST(MqttSessionV311Test, RefusalsAreToldInWords) {
  struct Case {
    unsigned code;
    Kind kind;
    absl::StatusCode status;
    std::string words;
  };
  for (const Case& c : std::vector<Case>{
           {1, Kind::kVersion, absl::StatusCode::kInvalidArgument, "unacceptable protocol version"},
           {2, Kind::kRefused, absl::StatusCode::kPermissionDenied, "choose another client id"},
           {3, Kind::kUnavailable, absl::StatusCode::kUnavailable, "server unavailable (3)"},
           {4, Kind::kRefused, absl::StatusCode::kPermissionDenied, "check user name and password"},
           {5, Kind::kRefused, absl::StatusCode::kPermissionDenied, "not authorized (5)"},
           {99, Kind::kUnavailable, absl::StatusCode::kUnavailable, "return code 99"}}) {
    SessionHarness h(Level::kV311);
    h.Connect();
    h.Feed(h.packets.Connack(false, c.code));
    ASSERT_TRUE(h.session->error().has_value()) << c.code;
    EXPECT_EQ(h.session->error()->kind, c.kind) << c.code;
    EXPECT_EQ(h.session->error()->status.code(), c.status) << c.code;
    EXPECT_THAT(h.Error(), AllOf(HasSubstr("refuses the connection"), HasSubstr(c.words)));
  }
}

TEST(MqttSessionV5Test, RefusalsCarryTheBrokersReason) {
  SessionHarness h;
  h.config.password = "secret";
  h.Connect();
  h.Feed(h.packets.Connack(false, 0x86, StringProperty(0x1F, "no such user\n")));
  EXPECT_EQ(h.session->error()->kind, Kind::kRefused);
  EXPECT_THAT(h.Error(), AllOf(HasSubstr("bad user name or password (0x86)"),
                               HasSubstr("\"no such user\\x0a\""), Not(HasSubstr("secret"))));
}

TEST(MqttSessionV5Test, ServerReferencesAreHandedOn) {
  SessionHarness h;
  h.Connect();
  h.Feed(h.packets.Connack(false, 0x9D, StringProperty(0x1C, "other:1884")));
  EXPECT_EQ(h.session->error()->kind, Kind::kRedirected);
  EXPECT_EQ(h.session->error()->server_reference, "other:1884");

  h.ConnectAndSubscribe();
  h.Feed(h.packets.Disconnect(0x9C, StringProperty(0x1C, "third")));
  EXPECT_EQ(h.session->error()->kind, Kind::kRedirected);
  EXPECT_EQ(h.session->error()->server_reference, "third");
}

TEST(MqttSessionV5Test, DisconnectsAreToldInWords) {
  struct Case {
    unsigned code;
    Kind kind;
    std::string words;
  };
  for (const Case& c : std::vector<Case>{
           {0x00, Kind::kUnavailable, "no reason given"},
           {0x8B, Kind::kUnavailable, "server shutting down (0x8B)"},
           {0x8D, Kind::kUnavailable, "keep alive timeout (0x8D)"},
           {0x8E, Kind::kTakenOver,
            "another client has connected with the client id \"me\"; each needs its own"},
           {0x87, Kind::kRefused, "not authorized (0x87)"},
           {0x98, Kind::kUnavailable, "administrative action (0x98)"}}) {
    SessionHarness h;
    h.ConnectAndSubscribe();
    h.Feed(h.packets.Disconnect(c.code));
    ASSERT_TRUE(h.session->error().has_value());
    EXPECT_EQ(h.session->error()->kind, c.kind) << c.words;
    EXPECT_THAT(h.Error(), HasSubstr(c.words));
    EXPECT_THAT(h.Sent(), IsEmpty());  // a DISCONNECT is not answered
  }
}

TEST(MqttSessionV5Test, MissingCapabilitiesAreNamed) {
  SessionHarness shared;
  shared.config.topics = {"$share/g/a"};
  shared.Connect();
  shared.Feed(shared.packets.Connack(false, 0, ByteProperty(0x2A, 0)));
  EXPECT_THAT(shared.Error(), HasSubstr("does not support shared subscriptions: topic filter "
                                        "\"$share/g/a\""));
  EXPECT_EQ(shared.session->error()->kind, Kind::kRefused);
  SessionHarness wildcard;
  wildcard.Connect();
  wildcard.Feed(wildcard.packets.Connack(false, 0, ByteProperty(0x28, 0)));
  EXPECT_THAT(wildcard.Error(), HasSubstr("wildcards in topic filters"));
}

TEST(MqttSessionV5Test, ASmallMaximumPacketSizeOfTheBrokerIsRespected) {
  SessionHarness h;
  h.config.topics = {std::string(200, 'x')};
  h.Connect();
  h.Feed(h.packets.Connack(false, 0, U32Property(0x27, 100)));
  EXPECT_THAT(h.Error(), HasSubstr("takes packets of at most 100 bytes"));
}

TEST_P(MqttSessionTest, RefusedTopicsAreNamedAndTriedAgain) {
  h_.config.topics = {"a/#", "b/#"};
  h_.Connect();
  h_.TakeBytes();
  h_.Feed(h_.packets.Connack());
  h_.TakeBytes();
  h_.Feed(h_.packets.Suback(1, "\x01\x80"));
  EXPECT_FALSE(h_.session->ready());
  EXPECT_EQ(h_.Error(), "");  // the other topic works
  EXPECT_EQ(h_.session->refusal().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(h_.session->refusal().message()),
              HasSubstr("refuses the subscription to \"b/#\""));
  h_.Publish(1, 1, "still served");
  EXPECT_THAT(h_.Payloads(), ElementsAre("still served"));

  h_.Pass(seconds(29));
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Pass(seconds(1));
  const std::vector<ClientPacket> again = ParseClientPackets(h_.TakeBytes());
  ASSERT_EQ(again.size(), 1u);
  EXPECT_THAT(again[0].body, AllOf(HasSubstr("b/#"), Not(HasSubstr("a/#"))));
  h_.Feed(h_.packets.Suback(again[0].PacketId(), "\x01"));
  EXPECT_TRUE(h_.session->ready());
  EXPECT_TRUE(h_.session->refusal().ok());
}

TEST(MqttSessionV5Test, RefusedTopicsShowCodeAndReason) {
  SessionHarness h;
  h.Connect();
  h.Feed(h.packets.Connack());
  h.Feed(h.packets.Suback(1, "\x87", StringProperty(0x1F, "acl")));
  EXPECT_THAT(std::string(h.session->refusal().message()),
              AllOf(HasSubstr("not authorized (0x87)"), HasSubstr("\"acl\"")));
}

TEST(MqttSessionV5Test, APacketIdentifierInUseIsReplacedAtOnce) {
  SessionHarness h;
  h.config.topics = {"a/#", "b/#"};
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack(true));
  const std::vector<ClientPacket> first = ParseClientPackets(h.TakeBytes());
  ASSERT_EQ(first.size(), 1u);
  h.Feed(h.packets.Suback(first[0].PacketId(), "\x01\x91"));
  EXPECT_TRUE(h.session->refusal().ok());
  const std::vector<ClientPacket> second = ParseClientPackets(h.TakeBytes());
  ASSERT_EQ(second.size(), 1u);
  EXPECT_NE(second[0].PacketId(), first[0].PacketId());
  EXPECT_THAT(second[0].body, AllOf(HasSubstr("b/#"), Not(HasSubstr("a/#"))));
  h.Feed(h.packets.Suback(second[0].PacketId(), "\x01"));
  EXPECT_TRUE(h.session->ready());
}

TEST(MqttSessionV5Test, ABrokerThatRefusesEveryIdentifierIsAskedAgainLater) {
  SessionHarness h;
  h.Connect();
  h.TakeBytes();
  h.Feed(h.packets.Connack());
  int asked = 0;
  for (; asked < 100; ++asked) {
    const std::vector<ClientPacket> requests = ParseClientPackets(h.TakeBytes());
    if (requests.empty()) break;
    h.Feed(h.packets.Suback(requests[0].PacketId(), "\x91"));
  }
  EXPECT_GT(asked, 1);
  EXPECT_LT(asked, 20);
  EXPECT_THAT(std::string(h.session->refusal().message()),
              HasSubstr("packet identifier in use (0x91)"));
  h.Pass(seconds(30));
  EXPECT_EQ(ParseClientPackets(h.TakeBytes()).size(), 1u);
}

TEST_P(MqttSessionTest, ALowerGrantedQosIsSaid) {
  h_.Connect();
  h_.Feed(h_.packets.Connack());
  h_.Feed(h_.packets.Suback(1, Byte(0)));
  EXPECT_TRUE(h_.session->ready());
  EXPECT_THAT(h_.notices, ElementsAre(HasSubstr("grants QoS 0 instead of 1 for \"a/#\": messages "
                                                "can be lost")));
}

// ---- what brokers may not do ----

struct BadStream {
  std::string name;
  std::string bytes;  // sent after CONNACK and SUBACK
  std::string words;
  unsigned code;  // of our DISCONNECT
};

TEST(MqttSessionV5Test, BreachesOfTheProtocolEndTheConnectionInWords) {
  const tsingest::testing::BrokerPackets p;
  const std::vector<BadStream> cases = {
      {"reserved type", Packet(0x00, ""), "type 0 does not exist", 0x81},
      {"client's packet", Packet(0x82, ""), "SUBSCRIBE from a server", 0x82},
      {"answer to nothing", Packet(0x40, U16(1)), "PUBACK from a server", 0x82},
      {"length of five bytes", "\x30\xFF\xFF\xFF\xFF\x01", "remaining length", 0x81},
      {"second CONNACK", p.Connack(), "a second CONNACK", 0x82},
      {"SUBACK for nothing", p.Suback(77, "\x01"), "SUBACK for packet identifier 77", 0x82},
      {"UNSUBACK for nothing", p.Unsuback(77, Byte(0)), "UNSUBACK for packet identifier 77", 0x82},
      {"AUTH", Packet(0xF0, ""), "AUTH without an authentication method", 0x82},
      {"bad topic", p.Publish(1, 1, "a/\xFF", ""), "bad UTF-8", 0x81},
      {"alias 0", p.Publish(0, 0, "t", "", false, U16Property(0x23, 0)), "topic alias 0", 0x94},
      {"alias too large", p.Publish(0, 0, "t", "", false, U16Property(0x23, 65)),
       "topic alias 65, allowed are 1 to 64", 0x94},
      {"unknown alias", p.Publish(0, 0, "", "", false, U16Property(0x23, 5)),
       "topic alias 5 stands for nothing", 0x82},
      {"too large", "\x30\xFF\xFF\xFF\x7F", "PUBLISH of 268435460 bytes", 0x95},
      {"malformed DISCONNECT", Packet(0xE0, Byte(0) + Byte(9)), "property length", 0x81},
  };
  for (const BadStream& bad : cases) {
    SessionHarness h;
    h.ConnectAndSubscribe();
    h.Feed(bad.bytes);
    EXPECT_THAT(h.Error(), AllOf(HasSubstr("breaks the MQTT 5 protocol"), HasSubstr(bad.words)))
        << bad.name;
    EXPECT_EQ(h.session->error()->kind, Kind::kBroken) << bad.name;
    const std::vector<std::string> sent = h.Sent();
    ASSERT_FALSE(sent.empty()) << bad.name;
    EXPECT_EQ(sent.back(),
              "DISCONNECT" + tsingest::testing::Describe({14, 0, Byte(bad.code)}).substr(10))
        << bad.name;
    EXPECT_TRUE(h.delivered.empty()) << bad.name;
  }
}

TEST(MqttSessionV311Test, BreachesOfTheProtocolAreAnsweredByClosingOnly) {
  SessionHarness h(Level::kV311);
  h.ConnectAndSubscribe();
  h.Feed(Packet(0xE0, ""));
  EXPECT_THAT(h.Error(), HasSubstr("breaks the MQTT 3.1.1 protocol: DISCONNECT from a server"));
  EXPECT_THAT(h.Sent(), IsEmpty());
}

TEST_P(MqttSessionTest, NothingMayComeBeforeConnack) {
  h_.Connect();
  h_.Publish(0, 0, "x");
  EXPECT_THAT(h_.Error(), HasSubstr("PUBLISH before CONNACK (MQTT-3.2.0-1)"));
  EXPECT_TRUE(h_.delivered.empty());
}

TEST_P(MqttSessionTest, SubackCodesMustFitTheRequest) {
  for (const std::string& codes : {""s, "\x01\x01"s, "\x03"s}) {
    SessionHarness h(GetParam());
    h.Connect();
    h.Feed(h.packets.Connack());
    h.Feed(h.packets.Suback(1, codes));
    EXPECT_THAT(h.Error(), HasSubstr("SUBACK: ")) << codes.size();
  }
}

TEST_P(MqttSessionTest, PacketsMayComeInAnyPieces) {
  h_.Connect();
  h_.FeedByteByByte(h_.packets.Connack());
  h_.FeedByteByByte(h_.packets.Suback(1, "\x01"));
  h_.FeedByteByByte(h_.packets.Publish(1, 9, "a/b", std::string(300, 'x')));
  h_.FeedByteByByte(h_.packets.Publish(0, 0, "a/c", ""));
  EXPECT_THAT(h_.Payloads(), ElementsAre(std::string(300, 'x'), ""));
  EXPECT_TRUE(h_.unread.empty());
}

TEST_P(MqttSessionTest, ATruncatedPacketIsNotTaken) {
  h_.ConnectAndSubscribe();
  const std::string packet = h_.packets.Publish(1, 9, "a/b", "payload");
  h_.Feed(packet.substr(0, packet.size() - 1));
  EXPECT_TRUE(h_.delivered.empty());
  EXPECT_EQ(h_.session->WantedBytes(), packet.size());
  EXPECT_EQ(h_.Error(), "");
}

// ---- time ----

TEST_P(MqttSessionTest, PingsWhenNothingWasSentForMostOfTheKeepalive) {
  h_.ConnectAndSubscribe();
  h_.Pass(seconds(44));
  EXPECT_THAT(h_.Sent(), IsEmpty());
  EXPECT_EQ(h_.session->NextTick(), h_.now + seconds(1));
  h_.Pass(seconds(1));
  EXPECT_THAT(h_.Sent(), ElementsAre("PINGREQ"));
  h_.now += seconds(5);
  h_.Feed(h_.packets.Pingresp());
  h_.Pass(seconds(39));
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Pass(seconds(1));
  EXPECT_THAT(h_.Sent(), ElementsAre("PINGREQ"));
}

TEST_P(MqttSessionTest, PingsASilentBrokerAlthoughWeSend) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.now += seconds(40);
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  h_.Pass(seconds(5));
  EXPECT_THAT(h_.Sent(), ElementsAre("PINGREQ"));
}

TEST_P(MqttSessionTest, ABrokerThatDoesNotAnswerIsGivenUp) {
  h_.ConnectAndSubscribe();
  h_.Pass(seconds(45));
  h_.TakeBytes();
  h_.Pass(milliseconds(9'999));
  EXPECT_EQ(h_.Error(), "");
  h_.Pass(milliseconds(1));
  EXPECT_THAT(h_.Error(), AllOf(HasSubstr("seems dead"), HasSubstr("PINGREQ"), HasSubstr("10 s")));
}

TEST_P(MqttSessionTest, AnythingReceivedPutsTheEndOff) {
  h_.ConnectAndSubscribe();
  h_.Pass(seconds(45));
  h_.now += seconds(9);
  h_.Publish(0, 0, "alive");
  h_.Pass(seconds(9));
  EXPECT_EQ(h_.Error(), "");
  h_.Pass(seconds(1));
  EXPECT_THAT(h_.Error(), HasSubstr("seems dead"));
}

TEST_P(MqttSessionTest, ConnackAndSubackAreWaitedForSoLong) {
  h_.Connect();
  h_.Pass(seconds(9));
  EXPECT_EQ(h_.Error(), "");
  h_.Pass(seconds(1));
  EXPECT_THAT(h_.Error(), HasSubstr("does not answer CONNECT"));

  SessionHarness suback(GetParam());
  suback.Connect();
  suback.Feed(suback.packets.Connack());
  suback.Pass(seconds(10));
  EXPECT_THAT(suback.Error(), HasSubstr("does not answer SUBSCRIBE"));
}

TEST_P(MqttSessionTest, KeepaliveZeroNeverPings) {
  h_.config.keepalive = 0;
  h_.ConnectAndSubscribe();
  EXPECT_EQ(h_.session->NextTick(), MonotonicTime::max());
  h_.Pass(std::chrono::hours(24));
  EXPECT_THAT(h_.Sent(), IsEmpty());
}

TEST(MqttSessionV5Test, TheBrokersKeepaliveReplacesOurs) {
  SessionHarness h;
  h.Connect();
  h.Feed(h.packets.Connack(false, 0, U16Property(0x13, 4)));
  h.Feed(h.packets.Suback(1, "\x01"));
  h.TakeBytes();
  h.Pass(seconds(3));
  EXPECT_THAT(h.Sent(), ElementsAre("PINGREQ"));
}

TEST(MqttSessionV5Test, AShorterSessionExpiryIsSaid) {
  SessionHarness h;
  h.config.session_expiry = 600;
  h.Connect();
  h.Feed(h.packets.Connack(false, 0, U32Property(0x11, 60)));
  EXPECT_THAT(h.notices, ElementsAre(HasSubstr("for 60 s after a disconnect, not the 600 s")));
}

// While the pipeline takes nothing, the broker must hear from us and may not be declared dead.
TEST_P(MqttSessionTest, ABlockedReaderKeepsTheSessionAlive) {
  h_.ConnectAndSubscribe();
  h_.verdict = SessionHandler::Verdict::kBlocked;
  h_.Publish(1, 1, "waits");
  EXPECT_TRUE(h_.session->blocked());
  for (int i = 0; i < 20; ++i) {
    h_.Pass(seconds(45));
    EXPECT_THAT(h_.Sent(), ElementsAre("PINGREQ")) << i;
  }
  EXPECT_EQ(h_.Error(), "");
  h_.verdict = SessionHandler::Verdict::kTaken;
  h_.Feed("");
  EXPECT_THAT(h_.Payloads(), ElementsAre("waits"));
  // From now on an answer is expected again.
  h_.Pass(seconds(10));
  EXPECT_THAT(h_.Error(), HasSubstr("PINGREQ"));
}

TEST_P(MqttSessionTest, ABrokerThatDoesNotReadIsNoticed) {
  h_.config.keepalive = 0;
  h_.ConnectAndSubscribe();
  // Each PUBREL provokes an answer.
  std::string flood;
  for (int i = 0; i < 400'000; ++i)
    flood += h_.packets.Pubrel(static_cast<unsigned>(i % 65'535 + 1));
  h_.Feed(flood);
  EXPECT_TRUE(h_.session->congested());
  EXPECT_LT(h_.session->output().size(), 1'100'000u);
  EXPECT_FALSE(h_.unread.empty());
  h_.Pass(seconds(10));
  EXPECT_THAT(h_.Error(), HasSubstr("does not read what is sent"));
}

TEST_P(MqttSessionTest, CongestionEndsWhenTheBrokerReads) {
  h_.ConnectAndSubscribe();
  std::string flood;
  for (int i = 0; i < 300'000; ++i)
    flood += h_.packets.Pubrel(static_cast<unsigned>(i % 65'535 + 1));
  h_.Feed(flood);
  std::size_t answers = 0;
  while (!h_.unread.empty()) {
    answers += h_.Sent().size();
    h_.Feed("");
  }
  answers += h_.Sent().size();
  EXPECT_EQ(answers, 300'000u);
}

// ---- leaving ----

TEST_P(MqttSessionTest, DisconnectSaysGoodbyeAndHearsNothingMore) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 2, "y");
  h_.Acknowledge(1);
  h_.session->Disconnect();
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1", "DISCONNECT"));
  h_.Publish(1, 3, "late");
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), IsEmpty());
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "y"));
}

}  // namespace
}  // namespace tsingest::mqtt
