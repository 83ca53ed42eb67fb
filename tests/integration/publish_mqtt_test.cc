// csv-replay --to mqtt://… against a real Mosquitto, read back by mosquitto_sub and mqtt2ts.
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/mosquitto_server.h"
#include "support/postgres_server.h"
#include "support/scripted_tcp_broker.h"
#include "support/tcp_proxy.h"
#include "support/temp_dir.h"
#include "support/tool_run.h"
#include "tsingest/sink/mqtt_publisher.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// mosquitto_sub, writing "topic payload" lines to a file; comes back to its session by itself. The
// session is its own: another subscriber would be given what this one has not acknowledged.
class Subscriber {
 public:
  Subscriber(int port, const std::string& filter) {
    static int subscribers = 0;
    name_ = "subscriber-" + std::to_string(++subscribers);
    pid_ = Spawn({"/usr/bin/mosquitto_sub", "-h", "127.0.0.1", "-p", std::to_string(port), "-t",
                  filter, "-q", "1", "-c", "-i", name_, "-F", "%t %p"},
                 {::getuid(), ::getgid(), false}, path_);
  }
  ~Subscriber() { KillTree(pid_); }

  // Waits for its subscription.
  bool Subscribed(const MosquittoServer& server) const {
    return Eventually([&] {
      return server.Log().find("Sending SUBACK to " + name_ + "\n") != std::string::npos;
    });
  }

  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) {
      if (line.find(" {") != std::string::npos && line.ends_with('}')) lines.push_back(line);
    }
    return lines;
  }
  std::set<std::string> Distinct() const {
    const std::vector<std::string> lines = Lines();
    return {lines.begin(), lines.end()};
  }

 private:
  TempDir directory_;
  const std::string path_ = directory_.Path("received");
  std::string name_;
  pid_t pid_ = 0;
};

class PublishMqttTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = MosquittoMissing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  // Row i has temp = i.
  std::string WriteCsv(int rows, const std::string& device = "dev") const {
    std::string text = "ts,device,temp\n";
    for (int i = 0; i < rows; ++i) {
      text += std::to_string(1'600'000'000 + i) + "," + device + std::to_string(i % 3) + "," +
              std::to_string(i) + "\n";
    }
    return directory_.Write("readings.csv", text);
  }
  std::vector<std::string> Arguments(const std::string& csv, const std::string& to,
                                     std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {csv,
                                    "--to",
                                    to,
                                    "--model",
                                    "sensor_data",
                                    "--summary",
                                    "json",
                                    "--log-format",
                                    "text",
                                    "--progress",
                                    "never",
                                    "--dead-letter",
                                    "file:" + directory_.Path("letters.jsonl")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  TempDir directory_;
};

TEST_F(PublishMqttTest, EveryRowArrivesOnTheTopicOfItsDevice) {
  const MosquittoServer server;
  for (const std::string protocol : {"5", "3.1.1", "auto"}) {
    for (const std::string qos : {"1", "2"}) {
      const Subscriber subscriber(server.port(), "iot/#");
      ASSERT_TRUE(subscriber.Subscribed(server));
      ToolRun run("csv-replay", Arguments(WriteCsv(3000), server.Uri() + "/iot/{device_id}/env",
                                          {"--protocol", protocol, "--qos", qos}));
      EXPECT_EQ(run.Wait(), 0) << run.Output();
      EXPECT_THAT(run.Output(), HasSubstr("\"received\":3000,\"written\":3000,"));
      EXPECT_TRUE(Eventually([&] { return subscriber.Distinct().size() == 3000; }))
          << subscriber.Distinct().size();
      EXPECT_THAT(subscriber.Lines().front(), HasSubstr("iot/dev0/env {\"ts\":\"2020-09-13T"));
    }
  }
}

TEST_F(PublishMqttTest, WhatMqtt2tsWritesIsWhatCsvReplayWrites) {
  const MosquittoServer broker;
  PostgresServer database;
  const std::string csv =
      directory_.Write("odd.csv",
                       "ts,device,temp,humidity,note\n"
                       "2024-01-01T00:00:00.000001Z,a,21.5,40,\"with \"\"quotes\"\"\"\n"
                       "2024-01-01T00:00:01Z,größe,1e-7,,\n"
                       "2024-01-01T00:00:02Z,\"x/y\",-0,on,12\n");
  const std::vector<std::string> rows = {"--model", "metrics",      "--unpivot", "temp,humidity",
                                         "--map",   "topic=device", "--summary", "json"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), csv);
    more.insert(more.end(), rows.begin(), rows.end());
    return more;
  };
  ToolRun direct("csv-replay", with({"--to", database.Uri(), "--table", "direct", "--create"}));
  ASSERT_EQ(direct.Wait(), 0) << direct.Output();
  ToolRun reader("mqtt2ts",
                 {"--broker", broker.Uri(), "--topics", "#", "--to", database.Uri(), "--table",
                  "through", "--create", "--http", "off", "--model", "metrics"});
  ASSERT_TRUE(Eventually([&] { return broker.Log().find("SUBACK") != std::string::npos; }))
      << reader.Output();
  ToolRun publish("csv-replay", with({"--to", broker.Uri() + "/{topic}"}));
  ASSERT_EQ(publish.Wait(), 0) << publish.Output();
  EXPECT_TRUE(Eventually([&] { return database.Value("SELECT count(*) FROM through") == "6"; }))
      << reader.Output();
  EXPECT_EQ(database.Value("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM direct t"),
            database.Value("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM through t"));
}

TEST_F(PublishMqttTest, LostConnectionsLoseNoRow) {
  const MosquittoServer server;
  TcpProxy proxy(server.port());
  const Subscriber subscriber(server.port(), "iot/#");
  ASSERT_TRUE(subscriber.Subscribed(server));
  constexpr int kRows = 20'000;
  ToolRun run("csv-replay", Arguments(WriteCsv(kRows),
                                      "mqtt://127.0.0.1:" + std::to_string(proxy.port()) + "/iot",
                                      {"--rate", "10000/s", "--batch-size", "500"}));
  for (int cut = 1; cut <= 4; ++cut) {
    EXPECT_TRUE(Eventually(
        [&] { return subscriber.Lines().size() > static_cast<std::size_t>(cut) * kRows / 6; }));
    proxy.CutAll(/*refuse=*/cut % 2 == 0);
    proxy.Accept();
  }
  EXPECT_EQ(run.Wait(), 0) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"written\":20000,\"deduplicated\":0,\"dead_lettered\":0,"
                                      "\"in_flight\":0"));
  EXPECT_TRUE(Eventually([&] { return subscriber.Distinct().size() == kRows; }))
      << subscriber.Distinct().size() << "\n"
      << run.Output();
}

TEST_F(PublishMqttTest, ABrokerThatGoesAwayIsWaitedFor) {
  MosquittoServer server({.persistence = true});
  const Subscriber subscriber(server.port(), "iot/#");
  ASSERT_TRUE(subscriber.Subscribed(server));
  constexpr int kRows = 10'000;
  ToolRun run("csv-replay", Arguments(WriteCsv(kRows), server.Uri() + "/iot",
                                      {"--rate", "5000/s", "--batch-size", "500"}));
  ASSERT_TRUE(Eventually([&] { return subscriber.Lines().size() > kRows / 4; })) << run.Output();
  server.Stop();
  EXPECT_TRUE(Eventually([&] { return run.HasSaid("waiting: mqtt: "); })) << run.Output();
  server.Start();
  EXPECT_EQ(run.Wait(), 0) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("well again"));
  EXPECT_THAT(run.Output(), HasSubstr("\"written\":10000,"));
  EXPECT_TRUE(Eventually([&] { return subscriber.Distinct().size() == kRows; }))
      << subscriber.Distinct().size();
}

TEST_F(PublishMqttTest, ASignalDrains) {
  const MosquittoServer server;
  const Subscriber subscriber(server.port(), "iot/#");
  ASSERT_TRUE(subscriber.Subscribed(server));
  ToolRun run("csv-replay",
              Arguments(WriteCsv(100'000), server.Uri() + "/iot", {"--rate", "2000/s"}));
  ASSERT_TRUE(Eventually([&] { return subscriber.Lines().size() > 1000; })) << run.Output();
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(), 130) << run.Output();
  const std::string output = run.Output();
  EXPECT_THAT(output, HasSubstr("\"in_flight\":0"));
  const std::size_t at = output.find("\"written\":") + 10;
  const std::size_t written = std::stoul(output.substr(at));
  EXPECT_TRUE(Eventually([&] { return subscriber.Lines().size() == written; }));
}

TEST_F(PublishMqttTest, RowsWithoutAValidTopicAreDeadLetters) {
  const MosquittoServer server;
  const std::string csv = directory_.Write("topics.csv",
                                           "ts,device,temp\n1600000000,good,1\n1600000001,a+b,2\n"
                                           "1600000002,$SYS,3\n1600000003,good,4\n");
  ToolRun run("csv-replay", Arguments(csv, server.Uri() + "/{device_id}"));
  EXPECT_EQ(run.Wait(), 3) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"received\":4,\"written\":2,\"deduplicated\":0,"
                                      "\"dead_lettered\":2,\"in_flight\":0"));
  EXPECT_THAT(Tail(directory_.Path("letters.jsonl")), HasSubstr("1600000001,a+b,2"));
}

TEST_F(PublishMqttTest, WhatTheBrokerNeverTakesIsADeadLetterAndItsNeighboursArrive) {
  const MosquittoServer server({.lines = {"message_size_limit 300"}});
  const std::string csv =
      directory_.Write("large.csv", "ts,device,temp\n1600000000,a,1\n1600000001," +
                                        std::string(400, 'x') + ",2\n1600000002,b,3\n");
  ToolRun run("csv-replay", Arguments(csv, server.Uri() + "/iot"));
  EXPECT_EQ(run.Wait(), 3) << run.Output();
  EXPECT_THAT(run.Output(), HasSubstr("\"written\":2,\"deduplicated\":0,\"dead_lettered\":1"));
}

TEST_F(PublishMqttTest, WhatCannotWorkIsSaidAtTheStart) {
  const MosquittoServer server({.users = {{"alice", "s3cret"}}});
  const MosquittoServer tls({.tls = true});
  const std::string csv = WriteCsv(3);
  struct Case {
    std::string to;
    int exit_code;
    std::string words;
    std::vector<std::string> more = {};
  };
  const std::string port = std::to_string(server.port());
  for (const Case& c : std::vector<Case>{
           {"mqtt://127.0.0.1:" + std::to_string(FreePort()) + "/iot", 1, "Connection refused"},
           {"mqtt://alice:wr0ng@127.0.0.1:" + port + "/iot", 2, "refuses user \"alice\""},
           {"mqtt://alice:wr0ng@127.0.0.1:" + port + "/iot",
            2,
            "refuses user \"alice\"",
            {"--protocol", "3.1.1"}},
           {"mqtt://127.0.0.1:" + port + "/iot", 2, "a client without user name"},
           {tls.Uri() + "/iot", 2, "certificate verify failed"},
           {tls.Uri() + "/iot", 2, "cannot use the certificates", {"--ca-file", "/nowhere.pem"}},
           {"mqtt://127.0.0.1:" + port + "/iot/{devce_id}", 2, "did you mean {device_id}?"},
           {"mqtt://127.0.0.1:" + port, 2, "names no topic"},
           {"mqtt://127.0.0.1:" + port + "/iot/+", 2, "only filters may have"},
           {"mqtt://127.0.0.1:" + port + "/iot",
            2,
            "is published anew from its beginning",
            {"--import-id", "x"}},
           {"mqtt://127.0.0.1:" + port + "/iot",
            2,
            "goes with --to kafka://",
            {"--kafka", "acks=1"}},
       }) {
    ToolRun run("csv-replay", Arguments(csv, c.to, c.more));
    EXPECT_EQ(run.Wait(), c.exit_code) << c.to << "\n" << run.Output();
    EXPECT_THAT(run.Output(), HasSubstr(c.words)) << c.to;
    EXPECT_THAT(run.Output(), Not(HasSubstr("wr0ng")));
  }
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"--ca-file", tls.CaFile().string()}, {"--insecure"}}) {
    ToolRun run("csv-replay", Arguments(csv, tls.Uri() + "/iot", more));
    EXPECT_EQ(run.Wait(), 0) << run.Output();
  }
  ToolRun run("csv-replay", Arguments(csv, "mqtt://alice:s3cret@127.0.0.1:" + port + "/iot"));
  EXPECT_EQ(run.Wait(), 0) << run.Output();
}

// ---- Brokers that know MQTT 3.1.1 only, and do not say so as Mosquitto does. ----

constexpr unsigned kConnect = 1;
constexpr unsigned kPublish = 3;

bool AsksForV5(const ClientPacket& connect) {
  constexpr std::size_t kLevel = 6;  // behind the protocol's name
  return connect.type == kConnect && connect.body.at(kLevel) == 5;
}

// Acknowledges each message of QoS 1 until the client goes, but the first `silent`.
void TakeMessages(ScriptedConnection& connection, int silent = 0) {
  connection.Send(std::string("\x20\x02\x00\x00", 4));
  for (;;) {
    const ClientPacket packet = connection.Read();
    if (packet.type != kPublish) return;
    const std::size_t topic = static_cast<unsigned char>(packet.body.at(1));
    if (silent-- <= 0)
      connection.Send(std::string("\x40\x02", 2) + packet.body.substr(2 + topic, 2));
  }
}

TEST_F(PublishMqttTest, ABrokerThatRefusesMqtt5AsMoquetteDoesIsAskedAgain) {
  ScriptedTcpBroker broker([](ScriptedConnection& connection) {
    if (!AsksForV5(connection.Read())) return TakeMessages(connection);
    connection.Send(std::string("\x20\x03\x00\x01\x00", 5));
  });
  ToolRun run("csv-replay", Arguments(WriteCsv(3), broker.Uri() + "/iot"));
  EXPECT_EQ(run.Wait(), 0) << run.Output();
}

TEST_F(PublishMqttTest, ABrokerThatClosesOnMqtt5IsAskedAgain) {
  ScriptedTcpBroker broker([](ScriptedConnection& connection) {
    if (!AsksForV5(connection.Read())) TakeMessages(connection);
  });
  ToolRun run("csv-replay", Arguments(WriteCsv(3), broker.Uri() + "/iot"));
  EXPECT_EQ(run.Wait(), 0) << run.Output();
  ToolRun told("csv-replay", Arguments(WriteCsv(3), broker.Uri() + "/iot", {"--protocol", "5"}));
  EXPECT_EQ(told.Wait(), 1);
  EXPECT_THAT(told.Output(), HasSubstr("does it speak MQTT 5?"));
}

TEST_F(PublishMqttTest, AMessageThatIsNeverAcknowledgedIsSentAgain) {
  ScriptedTcpBroker broker([](ScriptedConnection& connection) {
    connection.Read();
    TakeMessages(connection, connection.number() == 0 ? 1 : 0);
  });
  MqttPublisherOptions options;
  options.broker = broker.Uri();
  options.protocol = MqttProtocol::kV311;
  options.acknowledge_timeout = std::chrono::milliseconds(300);
  MqttPublisher publisher(options);
  ASSERT_TRUE(publisher.Open().ok());
  const PublishRecord record{.topic = "a", .payload = "x"};
  EXPECT_TRUE(publisher
                  .Publish(
                      {&record, 1}, [] { return false; },
                      [](std::size_t, std::string_view why) { ADD_FAILURE() << why; })
                  .ok());
  EXPECT_EQ(broker.Accepted().size(), 2u);
  EXPECT_TRUE(publisher.Close().ok());
}

TEST_F(PublishMqttTest, AnUnreachableBrokerCanBeADryRun) {
  ToolRun run("csv-replay",
              Arguments(WriteCsv(2), "mqtt://127.0.0.1:" + std::to_string(FreePort()) + "/iot",
                        {"--dry-run-if-unreachable", "--set", "ingest_time=0"}));
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.Output(), HasSubstr("Running in dry-run; events printed only."));
  EXPECT_THAT(
      run.Output(),
      HasSubstr("[DRY-RUN] {\"ts\":\"2020-09-13T12:26:40.000000Z\",\"device_id\":\"dev0\""));
}

TEST_F(PublishMqttTest, NothingIsSentInADryRun) {
  ToolRun run("csv-replay", Arguments(WriteCsv(2), "mqtt://127.0.0.1:1/iot", {"--dry-run"}));
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.Output(), HasSubstr("\n{\"ts\":\"2020-09-13T12:26:41.000000Z\""));
}

}  // namespace
}  // namespace tsingest::testing
