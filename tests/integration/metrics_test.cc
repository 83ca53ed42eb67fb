// /metrics as Prometheus takes it, and what is built upon it: alerts and dashboard.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/kafka_producer.h"
#include "support/kafka_server.h"
#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/paths.h"
#include "support/test_database.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const RunAs kSelf{::getuid(), ::getgid(), false};

bool HasPromtool() { return std::system("command -v promtool >/dev/null") == 0; }

// The body of the answer to GET /metrics; "" while nobody listens.
std::string Fetch(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string out;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char block[65536];
    for (ssize_t got = 0; (got = recv(fd, block, sizeof(block), 0)) > 0;) {
      out.append(block, static_cast<std::size_t>(got));
    }
  }
  close(fd);
  const std::size_t body = out.find("\r\n\r\n");
  return body == std::string::npos ? "" : out.substr(body + 4);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Both services as they run, mqtt2ts after two messages of which one is none.
class MetricsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (TestDatabase::WhyUnavailable(DatabaseKind::kPostgres)) return;
    TestDatabase database;
    MosquittoServer broker;
    mqtt_ = new std::string(
        Measure({"mqtt2ts", "--broker", broker.Uri(), "--topics", "plant/#", "--to", database.Uri(),
                 "--create"},
                [&](const std::string& metrics) {
                  if (metrics.find("tsingest_source_up 1\n") == std::string::npos) {
                    return false;
                  }
                  if (metrics.find("tsingest_rows_written_total 0\n") != std::string::npos) {
                    MqttPublisher(broker.port()).Publish("plant/a", {"{\"value\":1}", "{nonsense"});
                  }
                  return metrics.find("tsingest_rows_dead_lettered_total 0\n") == std::string::npos;
                }));
    MeasureKafka(database.Uri());
  }
  // Without a broker what it serves is the same, but for the partitions.
  static void MeasureKafka(const std::string& database) {
    std::unique_ptr<KafkaServer> broker;
    if (KafkaMissing().empty()) {
      broker = std::make_unique<KafkaServer>();
      broker->CreateTopic("t", 2);
      KafkaProducer producer(broker->Brokers());
      for (const int partition : {0, 1}) producer.Send("t", "{nonsense", {}, partition);
      producer.Flush();
    }
    const std::string brokers = broker == nullptr ? "127.0.0.1:1" : broker->Brokers();
    const char* const wanted = broker == nullptr ? "tsingest_" : kNoLag;
    kafka_ = new std::string(Measure(
        {"kafka2ts", "--brokers", brokers, "--topics", "t", "--from", "earliest", "--to", database,
         "--create"},
        [&](const std::string& metrics) { return metrics.find(wanted) != std::string::npos; }));
  }
  static void TearDownTestSuite() {
    delete mqtt_;
    delete kafka_;
  }

  // Starts the tool and asks for its metrics until `enough` says so.
  template <class Enough>
  static std::string Measure(std::vector<std::string> command, Enough enough) {
    const GuardedDirectory directory("tsingest-metrics-", kSelf, "");
    const int port = FreePort();
    command[0] = ToolPath(command[0]).string();
    command.insert(command.end(), {"--http", "127.0.0.1:" + std::to_string(port)});
    const pid_t pid = Spawn(command, kSelf, directory.path() / "log");
    std::string metrics;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (bool done = false; !done && std::chrono::steady_clock::now() < deadline;) {
      metrics = Fetch(port);
      done = !metrics.empty() && enough(metrics);
      if (!done) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ::kill(pid, SIGTERM);
    if (!WaitFor(pid, std::chrono::seconds(40))) KillTree(pid);
    EXPECT_FALSE(metrics.empty()) << Tail(directory.path() / "log");
    return metrics;
  }

  // Names of the metrics that the services have, with the parts of histograms.
  static std::set<std::string> Names() {
    std::set<std::string> names = {"up"};
    std::istringstream lines(*mqtt_ + *kafka_);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string hash, word, name, type;
      words >> hash >> word >> name >> type;
      if (hash != "#" || word != "TYPE") continue;
      names.insert(name);
      if (type != "histogram") continue;
      for (const char* const part : {"_bucket", "_sum", "_count"}) names.insert(name + part);
    }
    return names;
  }

  // Metrics named in the file that no service has.
  static std::vector<std::string> UnknownNames(const std::filesystem::path& file) {
    const std::set<std::string> names = Names();
    const std::string text = ReadFile(SourceDirectory() / file);
    std::set<std::string> unknown;
    std::size_t found = 0;
    // Words of ours; what is a label or a file name has another form.
    const std::regex word(R"((tsingest|data_ingestion|process)_[a-z0-9_]+)");
    for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it, ++found) {
      if (!names.contains(it->str())) unknown.insert(it->str());
    }
    EXPECT_GT(found, 10U) << file;
    return {unknown.begin(), unknown.end()};
  }

  static constexpr char kNoLag[] =
      "tsingest_source_lag_messages{stream=\"t/0\"} 0\n"
      "tsingest_source_lag_messages{stream=\"t/1\"} 0\n";
  static std::string* mqtt_;
  static std::string* kafka_;
};
std::string* MetricsTest::mqtt_ = nullptr;
std::string* MetricsTest::kafka_ = nullptr;

TEST_F(MetricsTest, PromtoolFindsNothingToSay) {
  if (!HasPromtool()) GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";
  const GuardedDirectory directory("tsingest-metrics-", kSelf, "");
  for (const std::string* metrics : {mqtt_, kafka_}) {
    const auto file = directory.path() / "metrics";
    std::ofstream(file, std::ios::binary) << *metrics;
    const std::string command =
        "promtool check metrics < '" + file.string() + "' > '" + file.string() + ".said' 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << ReadFile(file.string() + ".said");
    EXPECT_EQ(ReadFile(file.string() + ".said"), "");
  }
}

TEST_F(MetricsTest, CountWhatHappened) {
  EXPECT_THAT(*mqtt_, HasSubstr("\ntsingest_rows_received_total 2\n"));
  EXPECT_THAT(*mqtt_, HasSubstr("\ntsingest_rows_written_total 1\n"));
  EXPECT_THAT(*mqtt_, HasSubstr("\ntsingest_rows_dead_lettered_total 1\n"));
  EXPECT_THAT(*mqtt_, HasSubstr("\ntsingest_rejects_total{code=\"syntax\"} 1\n"));
}

TEST_F(MetricsTest, TellTheLagOfEachPartition) {
  if (const std::string missing = KafkaMissing(); !missing.empty()) GTEST_SKIP() << missing;
  EXPECT_THAT(*kafka_, HasSubstr(kNoLag));
}

TEST_F(MetricsTest, AlertsNameMetricsThatExist) {
  EXPECT_THAT(UnknownNames("deploy/prometheus/tsingest.rules.yml"), IsEmpty());
  EXPECT_THAT(UnknownNames("deploy/prometheus/tsingest.rules.test.yml"), IsEmpty());
}

TEST_F(MetricsTest, TheDashboardNamesMetricsThatExist) {
  EXPECT_THAT(UnknownNames("deploy/grafana/tsingest.json"), IsEmpty());
}

TEST_F(MetricsTest, EveryAlertIsExplained) {
  const std::string rules = ReadFile(SourceDirectory() / "deploy/prometheus/tsingest.rules.yml");
  const std::string guide = ReadFile(SourceDirectory() / "docs/operations.md");
  const std::regex alert(R"(alert: (\w+))");
  int found = 0;
  for (std::sregex_iterator it(rules.begin(), rules.end(), alert), end; it != end; ++it, ++found) {
    EXPECT_THAT(guide, HasSubstr("`" + (*it)[1].str() + "`"));
  }
  EXPECT_GT(found, 5);
}

}  // namespace
}  // namespace tsingest::testing
