// MqttSource against a real Mosquitto.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "integration/mqtt_reading.h"
#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/scripted_broker.h"
#include "tsingest/source/mqtt.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using namespace tsingest::testing;  // NOLINT(google-build-using-namespace): the support library

MqttOptions OptionsFor(const MosquittoServer& server, MqttProtocol protocol) {
  MqttOptions options;
  options.broker = server.Uri();
  options.client_id = "reader";
  options.topics = {"a/#"};
  options.protocol = protocol;
  options.reconnect_min = milliseconds(50);
  options.reconnect_max = seconds(1);
  return options;
}

class MqttMosquittoTest : public ::testing::TestWithParam<MqttProtocol> {
 protected:
  void SetUp() override {
    if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
  }
  void StartServer(const MosquittoOptions& options = {}) {
    server_ = std::make_unique<MosquittoServer>(options);
  }
  MqttOptions Options() const { return OptionsFor(*server_, GetParam()); }
  // Leaves a persistent session behind, with nothing in it.
  void MakeSession(const MqttOptions& options) {
    MqttReading first(options);
    const absl::Status status = first.Open();
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(first.source().Close().ok());
  }

  std::unique_ptr<MosquittoServer> server_;
};
INSTANTIATE_TEST_SUITE_P(Protocols, MqttMosquittoTest,
                         ::testing::Values(MqttProtocol::kV311, MqttProtocol::kV5),
                         [](const ::testing::TestParamInfo<MqttProtocol>& p) {
                           return p.param == MqttProtocol::kV5 ? "V5" : "V311";
                         });

TEST_P(MqttMosquittoTest, ReadsEveryQosInOrder) {
  StartServer();
  for (const int qos : {0, 1, 2}) {
    MqttOptions options = Options();
    options.qos = qos;
    options.client_id += std::to_string(qos);
    MqttReading reading(options);
    ASSERT_TRUE(reading.Open().ok());
    MqttPublisher publisher(server_->port());
    const std::vector<std::string> payloads = Numbered("message", 2000);
    publisher.Publish("a/b", payloads, qos);
    ASSERT_TRUE(reading.ReadUntil(2000, true)) << "QoS " << qos << ": " << reading.messages.size();
    EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
    EXPECT_EQ(reading.messages[7].topic, "a/b");
    EXPECT_EQ(reading.messages[7].offset, 7);
    const std::uint64_t acknowledged = qos == 0 ? 0 : 2000;
    EXPECT_TRUE(
        reading.Await([&] { return reading.source().Stats().acknowledged == acknowledged; }));
    EXPECT_TRUE(reading.Await([&] { return reading.source().Stats().unacknowledged == 0; }));
    EXPECT_TRUE(reading.Await([&] { return reading.source().Stats().messages_received == 2000; }));
    EXPECT_TRUE(reading.source().Health().ok());
  }
}

TEST_P(MqttMosquittoTest, WhatIsNotCommittedIsDeliveredAgainToTheNextRun) {
  StartServer();
  MakeSession(Options());
  MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 10));
  {
    MqttReading reading(Options());
    ASSERT_TRUE(reading.Open().ok());
    ASSERT_TRUE(reading.ReadUntil(10));
    ASSERT_TRUE(reading.source().Commit(0, 4).ok());
    ASSERT_TRUE(reading.source().Close().ok());
  }
  MqttReading next(Options());
  next.stored = 4;
  ASSERT_TRUE(next.Open().ok());
  ASSERT_TRUE(next.ReadUntil(6, true));
  next.ReadFor(milliseconds(200), true);
  EXPECT_EQ(Difference(next.Payloads(), Numbered("m", 6, 4)), "");
  EXPECT_EQ(next.messages[0].offset, 4);  // numbering goes on from the stored position
}

// The heart of it: a process that is killed before it commits has acknowledged nothing.
TEST_P(MqttMosquittoTest, AKilledReaderLosesNothing) {
  StartServer();
  MakeSession(Options());
  MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 100));
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    MqttReading reading(Options());
    const bool read = reading.Open().ok() && reading.ReadUntil(15) &&
                      reading.source().Commit(0, 5).ok() &&
                      reading.Await([&] { return reading.source().Stats().acknowledged == 5; });
    [[maybe_unused]] const ssize_t written = ::write(pipe_fds[1], read ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 'n';
  ASSERT_EQ(::read(pipe_fds[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);

  MqttReading next(Options());
  ASSERT_TRUE(next.Open().ok());
  ASSERT_TRUE(next.ReadUntil(95, true));
  next.ReadFor(milliseconds(200), true);
  // The kill may have caught acknowledgements on their way to the broker.
  const int first = 100 - static_cast<int>(next.messages.size());
  EXPECT_LE(first, 5);
  EXPECT_EQ(Difference(next.Payloads(), Numbered("m", 100 - first, first)), "");
}

TEST_P(MqttMosquittoTest, CloseSendsEveryCommittedAcknowledgement) {
  StartServer({.lines = {"max_inflight_messages 5000"}});
  MakeSession(Options());
  MqttPublisher publisher(server_->port());
  for (int round = 0; round < 5; ++round) {
    publisher.Publish("a/b", Numbered("m", 1000, round * 1000));
    MqttReading reading(Options());
    ASSERT_TRUE(reading.Open().ok());
    ASSERT_TRUE(reading.ReadUntil(1000));
    EXPECT_EQ(Difference(reading.Payloads(), Numbered("m", 1000, round * 1000)), "");
    reading.CommitAll();
    ASSERT_TRUE(reading.source().Close().ok());
  }
}

TEST_P(MqttMosquittoTest, AKilledBrokerComesBackWithoutLoss) {
  StartServer({.persistence = true});
  MqttReading reading(Options());
  ASSERT_TRUE(reading.Open().ok());
  std::set<std::string> accepted;
  for (int round = 0; round < 3; ++round) {
    const std::vector<std::string> payloads = Numbered("round " + std::to_string(round), 300);
    MqttPublisher(server_->port()).Publish("a/b", payloads);
    accepted.insert(payloads.begin(), payloads.end());
    // What came after the last commit is the whole window: nothing more would come before it.
    if (round != 0) reading.CommitAll();
    ASSERT_TRUE(reading.ReadUntil(reading.messages.size() + 20, round == 1)) << reading.Log();
    server_->Save();
    server_->Kill9();
    EXPECT_TRUE(reading.Await([&] { return !reading.source().Health().ok(); }));
    server_->Start();
    ASSERT_TRUE(reading.AwaitHealthy()) << reading.source().Health();
  }
  EXPECT_TRUE(reading.Await([&] {
    reading.CommitAll();
    return reading.PayloadSet() == accepted;
  })) << reading.PayloadSet().size()
      << " of " << accepted.size();
  EXPECT_EQ(reading.source().Stats().reconnects, 3u);
  EXPECT_EQ(reading.assignments, 1);  // the stream is the same
}

// While the database is down the broker may come and go: what we hold is not given twice.
TEST_P(MqttMosquittoTest, RedeliveriesAfterAReconnectAreRecognised) {
  StartServer({.persistence = true});
  for (const int qos : {1, 2}) {
    MqttOptions options = Options();
    options.qos = qos;
    options.client_id += std::to_string(qos);
    MqttReading reading(options);
    ASSERT_TRUE(reading.Open().ok());
    const std::vector<std::string> payloads = Numbered("q" + std::to_string(qos), 15);
    MqttPublisher(server_->port()).Publish("a/b", payloads, qos);
    ASSERT_TRUE(reading.ReadUntil(15));
    for (int i = 0; i < 2; ++i) {
      server_->Stop();
      server_->Start();
      ASSERT_TRUE(reading.Await([&] {
        return reading.source().Health().ok() && reading.source().Stats().unacknowledged == 15;
      })) << reading.source().Stats().unacknowledged;
    }
    reading.CommitAll();
    EXPECT_TRUE(reading.Await([&] { return reading.source().Stats().unacknowledged == 0; }));
    EXPECT_EQ(Difference(reading.Payloads(), payloads), "") << "QoS " << qos;
    EXPECT_EQ(reading.source().Stats().suppressed, 30u);
  }
}

TEST_P(MqttMosquittoTest, ASmallWindowMovesAtTheSpeedOfCommits) {
  for (const int window : {1, 20}) {
    StartServer({.lines = {"max_inflight_messages " + std::to_string(window)}});
    MqttOptions options = Options();
    options.client_id += std::to_string(window);
    options.receive_maximum = window;
    MqttReading reading(options);
    ASSERT_TRUE(reading.Open().ok());
    const int count = window * 100;
    std::thread publishing(
        [&] { MqttPublisher(server_->port()).Publish("a/b", Numbered("m", count)); });
    // A pipeline with a linger so long that only the window's end can make it flush.
    const MonotonicTime until = SystemClock().Now() + seconds(30);
    std::size_t flushed = 0;
    while (reading.messages.size() < static_cast<std::size_t>(count) &&
           SystemClock().Now() < until) {
      const PollState state = reading.PollOnce(milliseconds(50));
      if (state != PollState::kWindowExhausted) continue;
      reading.CommitAll();
      ++flushed;
    }
    publishing.join();
    EXPECT_EQ(Difference(reading.Payloads(), Numbered("m", count)), "") << "window " << window;
    // Mosquitto 2.0 lets each PUBACK of a batch free a whole window, so that twenty of them bring
    // up to 400 messages. Only a window of 1 says how many flushes there must be.
    EXPECT_GT(flushed, window == 1 ? 98u : 2u) << "window " << window;
  }
}

TEST_P(MqttMosquittoTest, SharedSubscriptionsDivideTheMessages) {
  StartServer();
  MqttOptions options = Options();
  options.topics = {"$share/group/a/#"};
  options.connections = 3;
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  EXPECT_EQ(reading.source().Stats().connected, 3);
  MqttPublisher(server_->port()).Publish("a/b", Numbered("m", 300));
  ASSERT_TRUE(reading.ReadUntil(300, true));
  reading.ReadFor(milliseconds(100), true);
  EXPECT_THAT(reading.messages, SizeIs(300));
  EXPECT_THAT(reading.PayloadSet(), SizeIs(300));
  std::set<StreamId> streams;
  for (const MqttMessage& m : reading.messages) streams.insert(m.stream);
  EXPECT_THAT(streams, ElementsAre(0, 1, 2));
  EXPECT_THAT(std::string(reading.source().StreamName(1)), HasSubstr("/reader-2"));
}

TEST_P(MqttMosquittoTest, PasswordsOpenTheDoorAndWrongOnesAreToldInWords) {
  StartServer({.users = {{"me", "pw-right"}}});
  MqttOptions options = Options();
  options.username = "me";
  options.password = "pw-right";
  EXPECT_TRUE(MqttReading(options).Open().ok());
  options.password = "pw-wrong";
  const absl::Status refused = MqttReading(options).Open();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("not authorized"), HasSubstr("check user name and password"),
                    HasSubstr(server_->Uri()), Not(HasSubstr("pw-wrong"))));
}

TEST_P(MqttMosquittoTest, TlsVerifiesTheBroker) {
  StartServer({.tls = true});
  MqttOptions options = Options();
  options.tls.ca_file = server_->CaFile();
  MqttReading reading(options);
  const absl::Status opened = reading.Open();
  ASSERT_TRUE(opened.ok()) << opened;
  MqttOptions insecure = Options();
  insecure.client_id = "insecure";
  insecure.tls.verify = false;
  EXPECT_TRUE(MqttReading(insecure).Open().ok());

  MqttOptions unknown_ca = Options();
  const absl::Status untrusted = MqttReading(unknown_ca).Open();
  EXPECT_EQ(untrusted.code(), absl::StatusCode::kPermissionDenied) << untrusted;
  EXPECT_THAT(std::string(untrusted.message()),
              AllOf(HasSubstr("certificate is not trusted"), HasSubstr("CA file")));

  MqttOptions other_name = Options();
  other_name.tls.ca_file = server_->CaFile();
  other_name.tls.server_name = "broker.example";
  const absl::Status mismatch = MqttReading(other_name).Open();
  EXPECT_EQ(mismatch.code(), absl::StatusCode::kPermissionDenied) << mismatch;
  EXPECT_THAT(std::string(mismatch.message()), HasSubstr("must be for \"broker.example\""));
}

TEST_P(MqttMosquittoTest, TlsCarriesLargeAndManyMessages) {
  const int plain_port = FreePort();  // for the publisher, which speaks no TLS
  StartServer({.tls = true, .lines = {"listener " + std::to_string(plain_port) + " 127.0.0.1"}});
  MqttOptions options = Options();
  options.tls.ca_file = server_->CaFile();
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  std::vector<std::string> payloads = Numbered("m", 3000);
  payloads.emplace_back(3'000'000, 'x');
  payloads.emplace_back("last");
  MqttPublisher(plain_port).Publish("a/b", payloads);
  ASSERT_TRUE(reading.ReadUntil(payloads.size(), true));
  EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
}

TEST_P(MqttMosquittoTest, ClientCertificatesAreSent) {
  StartServer({.tls = true, .client_certificates = true});
  MqttOptions options = Options();
  options.tls.ca_file = server_->CaFile();
  options.tls.cert_file = server_->ClientCertificate();
  options.tls.key_file = server_->ClientKey();
  const absl::Status opened = MqttReading(options).Open();
  EXPECT_TRUE(opened.ok()) << opened;
  options.tls.cert_file.clear();
  options.tls.key_file.clear();
  options.wait_for_broker = false;
  EXPECT_FALSE(MqttReading(options).Open().ok());
  options.tls.cert_file = options.tls.key_file = server_->ClientCertificate();
  const absl::Status no_key = MqttReading(options).Open();
  EXPECT_EQ(no_key.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(no_key.message()), HasSubstr("the client key"));
}

TEST_P(MqttMosquittoTest, PlainTalkToATlsPortIsExplained) {
  StartServer({.tls = true});
  MqttOptions options = Options();
  options.broker = "mqtt://127.0.0.1:" + std::to_string(server_->port());
  options.wait_for_broker = false;
  const absl::Status status = MqttReading(options).Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("mqtts://"));
}

TEST_P(MqttMosquittoTest, LargeMessagesArriveWhole) {
  StartServer();
  MqttReading reading(Options());
  ASSERT_TRUE(reading.Open().ok());
  std::vector<std::string> payloads;
  for (const std::size_t size : {0u, 1u, 65'535u, 300'000u, 262'144u, 5'000'000u, 10u}) {
    payloads.emplace_back(size, static_cast<char>('a' + payloads.size()));
  }
  MqttPublisher(server_->port()).Publish("a/b", payloads);
  ASSERT_TRUE(reading.ReadUntil(payloads.size(), true));
  EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
}

TEST_P(MqttMosquittoTest, AFullReceiveBufferClosesTheWindowAndLosesNothing) {
  StartServer({.lines = {"max_inflight_messages 1000", "max_queued_messages 100000"}});
  MqttOptions options = Options();
  options.receive_buffer_bytes = 20'000;
  options.keepalive = seconds(1);
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  std::vector<std::string> payloads = Numbered(std::string(1000, 'x'), 500);
  MqttPublisher(server_->port()).Publish("a/b", payloads);
  reading.source().Pause();
  reading.ReadFor(seconds(4));  // several keepalives
  EXPECT_THAT(reading.messages, IsEmpty());
  EXPECT_LT(reading.source().Stats().buffered_bytes, 30'000u);
  EXPECT_EQ(reading.source().Stats().reconnects, 0u) << reading.Log();
  reading.source().Resume();
  ASSERT_TRUE(reading.ReadUntil(500, true));
  EXPECT_EQ(Difference(reading.Payloads(), payloads), "");
  EXPECT_EQ(reading.source().Stats().qos0_dropped, 0u);
}

TEST_P(MqttMosquittoTest, QosZeroIsDroppedAndCountedOnlyAfterPatience) {
  StartServer();
  MqttOptions options = Options();
  options.qos = 0;
  options.receive_buffer_bytes = 20'000;
  options.qos0_patience = milliseconds(300);
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  reading.source().Pause();
  MqttPublisher publisher(server_->port());
  publisher.Publish("a/b", Numbered(std::string(1000, 'x'), 100), 0);
  EXPECT_TRUE(reading.Await([&] { return reading.source().Stats().messages_received == 100; }));
  const std::uint64_t dropped = reading.source().Stats().qos0_dropped;
  EXPECT_GT(dropped, 50u);
  reading.source().Resume();
  EXPECT_TRUE(reading.ReadUntil(100 - dropped, true));
  publisher.Publish("a/b", {"after"}, 0);
  EXPECT_TRUE(reading.ReadUntil(101 - dropped, true));
  EXPECT_EQ(reading.messages.back().payload, "after");
  EXPECT_EQ(reading.source().Stats().qos0_dropped, dropped);
}

TEST_P(MqttMosquittoTest, ASecondClientOfTheSameNameIsNoStorm) {
  StartServer();
  MqttOptions options = Options();
  options.reconnect_max = seconds(30);
  MqttReading first(options);
  ASSERT_TRUE(first.Open().ok());
  MqttReading second(options);
  ASSERT_TRUE(second.Open().ok());
  ASSERT_TRUE(first.Await([&] { return !first.source().Health().ok(); }));
  EXPECT_THAT(std::string(first.source().Health().message()),
              HasSubstr("another client with the client id \"reader\""));
  const MonotonicTime until = SystemClock().Now() + seconds(5);
  while (SystemClock().Now() < until) {
    first.PollOnce(milliseconds(20));
    second.PollOnce(milliseconds(20));
  }
  const std::uint64_t changes =
      first.source().Stats().reconnects + second.source().Stats().reconnects;
  EXPECT_LT(changes, 15u);
}

TEST_P(MqttMosquittoTest, AFrozenBrokerIsNoticedAndLeft) {
  StartServer();
  MqttOptions options = Options();
  options.keepalive = seconds(1);
  options.connect_timeout = seconds(1);
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  server_->Freeze();
  EXPECT_TRUE(reading.Await([&] { return !reading.source().Health().ok(); }, seconds(10)));
  EXPECT_THAT(std::string(reading.source().Health().message()), HasSubstr("seems dead"));
  server_->Thaw();
  EXPECT_TRUE(reading.AwaitHealthy()) << reading.source().Health();
}

TEST_P(MqttMosquittoTest, AnIdleSessionStaysUpWhilePaused) {
  StartServer();
  MqttOptions options = Options();
  options.keepalive = seconds(1);
  MqttReading reading(options);
  ASSERT_TRUE(reading.Open().ok());
  reading.source().Pause();
  std::this_thread::sleep_for(seconds(4));  // the poller does not come at all: a slow database
  EXPECT_TRUE(reading.source().Health().ok()) << reading.source().Health();
  EXPECT_EQ(reading.source().Stats().reconnects, 0u);
}

TEST_P(MqttMosquittoTest, RetainedMessagesComeOnceToASession) {
  StartServer();
  MqttPublisher(server_->port()).Publish("a/retained", {"kept"}, 1, true);
  MqttReading reading(Options());
  ASSERT_TRUE(reading.Open().ok());
  ASSERT_TRUE(reading.ReadUntil(1, true));
  reading.ReadFor(milliseconds(100), true);
  EXPECT_THAT(reading.Payloads(), ElementsAre("kept"));
}

TEST(MqttMosquittoV5Test, UserPropertiesAreHeaders) {
  if (!MosquittoMissing().empty()) GTEST_SKIP() << MosquittoMissing();
  MosquittoServer server;
  MqttReading reading(OptionsFor(server, MqttProtocol::kAuto));
  ASSERT_TRUE(reading.Open().ok());
  MqttPublisher publisher(server.port(), {.v5 = true});
  publisher.PublishWithProperties("a/b", "x", UserProperty("unit", "°C") + UserProperty("n", "1"));
  ASSERT_TRUE(reading.ReadUntil(1));
  EXPECT_THAT(reading.messages[0].headers, ElementsAre(Pair("unit", "°C"), Pair("n", "1")));
}

TEST(MqttMosquittoV5Test, RefusedTopicsFailTheStart) {
  if (!MosquittoMissing().empty()) GTEST_SKIP() << MosquittoMissing();
  MosquittoServer probe;  // an ACL file must lie where the broker can read it
  const std::filesystem::path acl = probe.CaFile().parent_path() / "acl";
  {
    std::ofstream file(acl);
    file << "topic read b/#\n";
  }
  std::filesystem::permissions(
      acl, std::filesystem::perms::owner_read | std::filesystem::perms::others_read);
  MosquittoServer server({.lines = {"acl_file " + acl.string()}});
  MqttReading reading(OptionsFor(server, MqttProtocol::kV5));
  const absl::Status status = reading.Open();
  if (status.ok()) GTEST_SKIP() << "this Mosquitto grants subscriptions and filters messages";
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("refuses the subscription to \"a/#\""));
}

}  // namespace
}  // namespace tsingest
