#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "source/mqtt/session.h"
#include "support/scripted_broker.h"
#include "unit/source/mqtt_session_harness.h"

namespace tsingest::mqtt {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tsingest::testing::Byte;
using tsingest::testing::Packet;
using tsingest::testing::Prefixed;
using tsingest::testing::U16;
using tsingest::testing::U16Property;
using tsingest::testing::Variable;
using Verdict = SessionHandler::Verdict;

class MqttMessagesTest : public ::testing::TestWithParam<Level> {
 protected:
  SessionHarness h_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Levels, MqttMessagesTest, ::testing::Values(Level::kV311, Level::kV5),
                         NameOfLevel);

// ---- acknowledgements ----

TEST_P(MqttMessagesTest, QosOneIsAcknowledgedOnlyWhenDurable) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 5, "x");
  EXPECT_THAT(h_.delivered, ElementsAre(Delivered{0, "a/b", "x", 0}));
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(0);
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 5"));
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), IsEmpty());
}

TEST_P(MqttMessagesTest, QosZeroIsNeverAcknowledgedButNumbered) {
  h_.ConnectAndSubscribe();
  h_.Publish(0, 0, "x");
  h_.Publish(1, 1, "y");
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  EXPECT_EQ(h_.delivered[1].arrival, 1);
  EXPECT_EQ(h_.session->Outstanding(), 0);
}

// MQTT-4.6.0-2: in the order of receipt, whatever the packet identifiers.
TEST_P(MqttMessagesTest, AcknowledgementsKeepTheOrderOfReceipt) {
  h_.ConnectAndSubscribe();
  for (const unsigned id : {30u, 10u, 20u, 65'535u}) h_.Publish(1, id, std::to_string(id));
  h_.Publish(2, 7, "two");
  h_.Publish(1, 8, "eight");
  h_.Acknowledge(3);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 30", "PUBACK 10", "PUBACK 20"));
  h_.Acknowledge(6);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 65535", "PUBREC 7", "PUBACK 8"));
}

TEST_P(MqttMessagesTest, PacketIdentifiersAreUsedAgainAfterTheAcknowledgement) {
  h_.ConnectAndSubscribe();
  for (std::int64_t i = 0; i < 3; ++i) {
    h_.Publish(1, 1, "message " + std::to_string(i));
    h_.Acknowledge(i + 1);
    EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  }
  EXPECT_EQ(h_.delivered.size(), 3u);
}

TEST_P(MqttMessagesTest, TheFullQosTwoExchange) {
  h_.ConnectAndSubscribe();
  h_.Publish(2, 3, "x");
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBREC 3"));
  EXPECT_EQ(h_.session->Outstanding(), 1);
  h_.Feed(h_.packets.Pubrel(3));
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBCOMP 3"));
  EXPECT_EQ(h_.session->Outstanding(), 0);
  h_.Publish(2, 3, "another");
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "another"));
}

TEST_P(MqttMessagesTest, PubrelBeforePubrecIsABreach) {
  h_.ConnectAndSubscribe();
  h_.Publish(2, 3, "x");
  h_.Feed(h_.packets.Pubrel(3));
  EXPECT_THAT(h_.Error(), HasSubstr("PUBREL for packet identifier 3 before its PUBREC"));
}

TEST_P(MqttMessagesTest, AnUnknownPubrelIsCompleted) {
  h_.ConnectAndSubscribe();
  h_.Feed(h_.packets.Pubrel(9));
  EXPECT_THAT(h_.Sent(), ElementsAre(GetParam() == Level::kV5 ? "PUBCOMP 9 0x92" : "PUBCOMP 9"));
  EXPECT_EQ(h_.Error(), "");
}

// ---- the same message again, on the same connection ----

TEST_P(MqttMessagesTest, ARepetitionOnTheConnectionIsAcknowledgedOnce) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 1, "x", true);
  h_.Publish(2, 2, "y");
  h_.Publish(2, 2, "y", true);
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "y"));
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1", "PUBREC 2"));
  EXPECT_EQ(h_.session->counters().suppressed, 2u);
}

TEST_P(MqttMessagesTest, QosTwoRepeatedAfterPubrecGetsPubrecAgain) {
  h_.ConnectAndSubscribe();
  h_.Publish(2, 2, "y");
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBREC 2"));
  h_.Publish(2, 2, "y", true);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBREC 2"));
  EXPECT_THAT(h_.Payloads(), ElementsAre("y"));
  EXPECT_EQ(h_.session->Outstanding(), 1);
}

// Mosquitto does this with an unlimited window: nothing may be lost by it.
TEST_P(MqttMessagesTest, AnIdentifierUsedTwiceAtQosOneGetsTwoAcknowledgements) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 1, "other");
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "other"));
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  h_.Publish(1, 1, "third");
  EXPECT_EQ(h_.delivered.size(), 3u);
}

TEST_P(MqttMessagesTest, AnIdentifierUsedTwiceAtQosTwoIsABreach) {
  h_.ConnectAndSubscribe();
  h_.Publish(2, 1, "x");
  h_.Publish(2, 1, "other");
  EXPECT_THAT(h_.Error(), HasSubstr("packet identifier 1 is used for another message"));
  EXPECT_THAT(h_.Payloads(), ElementsAre("x"));
}

// ---- reconnecting ----

// What is owed on a connection dies with it: an acknowledgement of the old connection on the new
// one would be for whatever the broker has given that identifier since.
TEST_P(MqttMessagesTest, AcknowledgementsOfALostConnectionAreNotSentOnTheNext) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Reconnect(true);
  h_.TakeBytes();
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), IsEmpty());
}

TEST_P(MqttMessagesTest, ARedeliveryOfWhatIsStillHereIsNotGivenAgain) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 2, "y");
  h_.Reconnect(true);
  h_.TakeBytes();
  h_.Publish(1, 1, "x", true);
  h_.Publish(1, 2, "y", true);
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "y"));
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 2"));
  EXPECT_EQ(h_.session->counters().suppressed, 2u);
  EXPECT_EQ(h_.session->counters().redelivered, 2u);
}

TEST_P(MqttMessagesTest, ARedeliveryOfWhatBecameDurableMeanwhileIsAcknowledgedAtOnce) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.session->OnClosed();
  h_.Acknowledge(1);
  h_.ConnectAndSubscribe(true);
  h_.TakeBytes();
  h_.Publish(1, 1, "x", true);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
  EXPECT_THAT(h_.Payloads(), ElementsAre("x"));
}

// Order of receipt on the new connection rules, also where it differs from the old one's.
TEST_P(MqttMessagesTest, RedeliveriesAreAcknowledgedInTheirNewOrder) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 2, "y");
  h_.Reconnect(true);
  h_.TakeBytes();
  h_.Publish(1, 2, "y", true);
  h_.Publish(1, 3, "new");
  h_.Publish(1, 1, "x", true);
  h_.Acknowledge(1);  // x is durable, but y came first
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 2"));
  h_.Acknowledge(3);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 3", "PUBACK 1"));
}

TEST_P(MqttMessagesTest, ALostSessionMakesEveryIdentifierNew) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Reconnect(false);
  h_.TakeBytes();
  h_.Publish(1, 1, "x", true);
  EXPECT_THAT(h_.delivered, ElementsAre(Delivered{0, "a/b", "x", 0}, Delivered{1, "a/b", "x", 0}));
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1"));
}

// Another client with our identifier may have used the session in between.
TEST_P(MqttMessagesTest, AnotherMessageUnderAnOldIdentifierIsGiven) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Publish(1, 2, "y");
  h_.Reconnect(true);
  h_.TakeBytes();
  h_.Publish(1, 1, "other", true);  // other bytes
  h_.Publish(1, 2, "y", false);     // the same, but not a redelivery
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "y", "other", "y"));
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), IsEmpty());
  h_.Acknowledge(4);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1", "PUBACK 2"));
}

TEST_P(MqttMessagesTest, AMessageOfAnotherTopicIsAnotherMessage) {
  h_.ConnectAndSubscribe();
  h_.Publish(1, 1, "x");
  h_.Reconnect(true);
  h_.Feed(h_.packets.Publish(1, 1, "a/c", "x", true));
  EXPECT_EQ(h_.delivered.size(), 2u);
}

TEST_P(MqttMessagesTest, QosTwoIsGivenOnceAcrossReconnects) {
  h_.ConnectAndSubscribe();
  h_.Publish(2, 1, "x");
  h_.Reconnect(true);  // before PUBREC
  h_.TakeBytes();
  h_.Publish(2, 1, "x", true);
  h_.Acknowledge(1);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBREC 1"));
  h_.Reconnect(true);  // PUBREC was lost
  h_.TakeBytes();
  h_.Publish(2, 1, "x", true);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBREC 1"));
  EXPECT_EQ(h_.session->Outstanding(), 1);
  h_.Reconnect(true);  // PUBREC arrived, PUBREL was lost
  h_.TakeBytes();
  EXPECT_EQ(h_.session->Outstanding(), 0);
  h_.Feed(h_.packets.Pubrel(1));
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBCOMP 1"));
  EXPECT_THAT(h_.Payloads(), ElementsAre("x"));
  h_.Publish(2, 1, "next");
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "next"));
}

// ---- topic aliases ----

TEST(MqttAliasTest, WithoutAliasesNoneIsAnnouncedAndNoneTaken) {
  SessionHarness h;
  h.config.topic_alias_maximum = 0;
  h.ConnectAndSubscribe();
  h.Feed(h.packets.Publish(0, 0, "a/b", "1", false, U16Property(0x23, 1)));
  EXPECT_THAT(h.Error(), ::testing::HasSubstr("topic alias 1, allowed is none"));
}

TEST(MqttAliasTest, AliasesStandForTheirLastTopic) {
  SessionHarness h;
  h.ConnectAndSubscribe();
  const auto alias = [](unsigned number) { return U16Property(0x23, number); };
  h.Feed(h.packets.Publish(0, 0, "a/long/topic", "1", false, alias(64)));
  h.Feed(h.packets.Publish(0, 0, "", "2", false, alias(64)));
  h.Feed(h.packets.Publish(0, 0, "a/other", "3", false, alias(64)));
  h.Feed(h.packets.Publish(0, 0, "a/one", "4", false, alias(1)));
  h.Feed(h.packets.Publish(0, 0, "", "5", false, alias(64)));
  std::vector<std::string> topics;
  for (const Delivered& d : h.delivered) topics.push_back(d.topic);
  EXPECT_THAT(topics, ElementsAre("a/long/topic", "a/long/topic", "a/other", "a/one", "a/other"));
}

TEST(MqttAliasTest, AliasesEndWithTheConnection) {
  SessionHarness h;
  h.ConnectAndSubscribe();
  h.Feed(h.packets.Publish(0, 0, "a/b", "1", false, U16Property(0x23, 1)));
  h.Reconnect(true);
  h.Feed(h.packets.Publish(0, 0, "", "2", false, U16Property(0x23, 1)));
  EXPECT_THAT(h.Error(), HasSubstr("stands for nothing yet"));
}

TEST(MqttAliasTest, ARedeliveryIsRecognisedWhetherItsTopicIsAnAliasOrNot) {
  SessionHarness h;
  h.ConnectAndSubscribe();
  h.Feed(h.packets.Publish(0, 0, "a/b", "0", false, U16Property(0x23, 1)));
  h.Feed(h.packets.Publish(1, 7, "", "x", false, U16Property(0x23, 1)));
  h.Reconnect(true);
  h.Feed(h.packets.Publish(1, 7, "a/b", "x", true));
  EXPECT_THAT(h.Payloads(), ElementsAre("0", "x"));
}

// ---- too much ----

TEST_P(MqttMessagesTest, ABlockedMessageIsGivenLaterAndCountedOnce) {
  h_.ConnectAndSubscribe();
  h_.verdict = Verdict::kBlocked;
  h_.Publish(1, 1, "x");
  h_.Publish(1, 2, "y");
  h_.Feed("");
  EXPECT_THAT(h_.Payloads(), IsEmpty());
  EXPECT_EQ(h_.session->counters().messages, 0u);
  h_.verdict = Verdict::kTaken;
  h_.Feed("");
  EXPECT_THAT(h_.Payloads(), ElementsAre("x", "y"));
  EXPECT_EQ(h_.session->counters().messages, 2u);
  h_.Acknowledge(2);
  EXPECT_THAT(h_.Sent(), ElementsAre("PUBACK 1", "PUBACK 2"));
}

TEST_P(MqttMessagesTest, DroppedMessagesAreCountedAndHaveNoNumber) {
  h_.ConnectAndSubscribe();
  h_.verdict = Verdict::kDropped;
  h_.Publish(0, 0, "lost");
  h_.verdict = Verdict::kTaken;
  h_.Publish(0, 0, "kept");
  EXPECT_THAT(h_.delivered, ElementsAre(Delivered{0, "a/b", "kept", 0}));
  EXPECT_EQ(h_.session->counters().qos0_dropped, 1u);
  EXPECT_EQ(h_.session->counters().messages, 2u);
}

TEST(MqttOversizeTest, TheBeginningIsGivenAndTheRestSkippedWithoutMemory) {
  SessionHarness h(Level::kV311);
  h.config.max_packet_bytes = 1000;
  h.ConnectAndSubscribe();
  constexpr std::size_t kPayload = 200'000'000;
  const std::string head = Prefixed("a/b") + U16(5);
  h.Feed(Byte(0x32) + Variable(head.size() + kPayload) + head);
  const std::string piece(1'000'000, 'p');
  std::size_t most_kept = 0;
  for (std::size_t i = 0; i < kPayload / piece.size(); ++i) {
    h.Feed(piece);
    most_kept = std::max(most_kept, h.unread.size());
  }
  EXPECT_LT(most_kept, 200'000u);
  h.Publish(1, 6, "next");
  ASSERT_EQ(h.delivered.size(), 2u);
  EXPECT_EQ(h.delivered[0].payload.size() + h.delivered[0].omitted_bytes, kPayload);
  EXPECT_EQ(h.delivered[0].payload.size(), 65'536u);
  EXPECT_EQ(h.delivered[1].payload, "next");
  h.Acknowledge(2);
  EXPECT_THAT(h.Sent(), ElementsAre("PUBACK 5", "PUBACK 6"));
  EXPECT_EQ(h.session->counters().oversize, 1u);
}

TEST(MqttOversizeTest, ALittleTooLargeIsTooLarge) {
  SessionHarness h(Level::kV311);
  h.config.max_packet_bytes = 300;
  h.ConnectAndSubscribe();
  const std::string fits = h.packets.Publish(0, 0, "a", std::string(294, 'x'));
  ASSERT_EQ(fits.size(), 300u);
  h.Feed(fits);
  h.Feed(h.packets.Publish(1, 1, "a", std::string(293, 'y')));
  h.Feed(h.packets.Publish(0, 0, std::string(400, 'b'), ""));
  h.Feed(h.packets.Publish(0, 0, "c", "next"));
  EXPECT_THAT(h.delivered, ElementsAre(Delivered{0, "a", std::string(294, 'x'), 0},
                                       Delivered{1, "a", std::string(292, 'y'), 1},
                                       Delivered{2, std::string(400, 'b'), "", 0},
                                       Delivered{3, "c", "next", 0}));
}

TEST(MqttOversizeTest, ATopicThatPassesThePacketIsMalformed) {
  SessionHarness h(Level::kV311);
  h.config.max_packet_bytes = 300;
  h.ConnectAndSubscribe();
  h.Feed(Byte(0x30) + Variable(1000) + U16(999));
  EXPECT_THAT(h.Error(), HasSubstr("PUBLISH: the packet is cut off"));
}

TEST(MqttOversizeTest, AnOversizedMessageInPiecesIsGivenOnce) {
  SessionHarness h(Level::kV311);
  h.config.max_packet_bytes = 300;
  h.ConnectAndSubscribe();
  h.FeedByteByByte(h.packets.Publish(1, 9, "a/b", std::string(70'000, 'x')));
  h.FeedByteByByte(h.packets.Publish(1, 10, "a/b", "next"));
  EXPECT_THAT(h.delivered, ElementsAre(Delivered{0, "a/b", std::string(65'536, 'x'), 4464},
                                       Delivered{1, "a/b", "next", 0}));
}

TEST(MqttOversizeTest, AnOversizedConnackIsRefusedBeforeItArrives) {
  SessionHarness h(Level::kV311);
  h.Connect();
  h.Feed("\x20\xFF\xFF\xFF\x7F");
  EXPECT_THAT(h.Error(), HasSubstr("CONNACK of 268435460 bytes"));
}

TEST(MqttReceiveMaximumTest, AnExcessIsTakenAndSaidOnce) {
  SessionHarness h;
  h.config.receive_maximum = 2;
  h.ConnectAndSubscribe();
  for (unsigned id = 1; id <= 5; ++id) h.Publish(1, id, "x");
  EXPECT_EQ(h.delivered.size(), 5u);
  EXPECT_THAT(h.notices, ElementsAre(HasSubstr("more than Receive Maximum (2)")));
}

// ---- the window ----

TEST(MqttWindowTest, ReceiveMaximumReachedMeansExhausted) {
  SessionHarness h;
  h.config.receive_maximum = 2;
  h.ConnectAndSubscribe();
  EXPECT_FALSE(h.session->WindowExhausted(h.now));
  h.Publish(1, 1, "x");
  EXPECT_FALSE(h.session->WindowExhausted(h.now));
  h.Publish(1, 2, "y");
  EXPECT_TRUE(h.session->WindowExhausted(h.now));
  h.Acknowledge(1);
  EXPECT_FALSE(h.session->WindowExhausted(h.now));
}

TEST(MqttWindowTest, OnlyQosTwoWaitingForPubrelIsNotOursToEnd) {
  SessionHarness h;
  h.config.receive_maximum = 1;
  h.ConnectAndSubscribe();
  h.Publish(2, 1, "x");
  EXPECT_TRUE(h.session->WindowExhausted(h.now));
  h.Acknowledge(1);
  EXPECT_EQ(h.session->Outstanding(), 1);
  EXPECT_FALSE(h.session->WindowExhausted(h.now));
  EXPECT_EQ(h.session->NextWindowCheck(), MonotonicTime::max());
}

}  // namespace
}  // namespace tsingest::mqtt
