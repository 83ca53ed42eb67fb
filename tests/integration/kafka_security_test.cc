// SASL and TLS against a real broker, by properties that are passed through. Wrong ones are told
// clearly, and no secret shows.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_to_postgres.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPassword[] = "correct-horse-battery";
constexpr char kWrong[] = "wrong-staple";

// A certificate for 127.0.0.1 that signs itself, as PEM and as the broker's key store.
class Certificate {
 public:
  Certificate() : folder_("tsingest-tls-", self_, "") {
    const std::filesystem::path log = folder_.path() / "log";
    RunToEnd({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
              "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", Key(),
              "-out", Pem()},
             self_, log);
    RunToEnd({"/usr/bin/openssl", "pkcs12", "-export", "-in", Pem(), "-inkey", Key(), "-out",
              Store(), "-passout", "pass:store-password"},
             self_, log);
  }
  std::string Pem() const { return (folder_.path() / "cert.pem").string(); }
  std::string Key() const { return (folder_.path() / "key.pem").string(); }
  std::string Store() const { return (folder_.path() / "store.p12").string(); }

 private:
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory folder_;
};

// One broker for all: a listener without security for the test itself, and one of each kind.
struct SecureBroker {
  Certificate certificate;
  int plain_port = FreePort();
  int scram_port = FreePort();
  int ssl_port = FreePort();
  KafkaServer server;

  SecureBroker()
      : server(Properties(),
               {{"SASLPLAIN", plain_port, "SASL_PLAINTEXT"},
                {"SASLSCRAM", scram_port, "SASL_PLAINTEXT"},
                {"TLS", ssl_port, "SSL"}},
               {Scram()}) {}

  static std::string Scram() {
    return std::string("SCRAM-SHA-256=[name=alice,password=") + kPassword + "]";
  }
  std::vector<std::string> Properties() const {
    const std::string module = "org.apache.kafka.common.security.";
    return {
        "listener.name.saslplain.sasl.enabled.mechanisms=PLAIN",
        "listener.name.saslplain.plain.sasl.jaas.config=" + module +
            "plain.PlainLoginModule required user_alice=\"" + kPassword + "\";",
        "listener.name.saslscram.sasl.enabled.mechanisms=SCRAM-SHA-256",
        "listener.name.saslscram.scram-sha-256.sasl.jaas.config=" + module +
            "scram.ScramLoginModule required;",
        "ssl.keystore.type=PKCS12",
        "ssl.keystore.location=" + certificate.Store(),
        "ssl.keystore.password=store-password",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
    };
  }
  static std::string At(int port) { return "127.0.0.1:" + std::to_string(port); }
};

SecureBroker& Broker() {
  static SecureBroker broker;
  return broker;
}

class KafkaSecurityTest : public KafkaToPostgres {
 protected:
  void SetUp() override {
    KafkaToPostgres::SetUp();
    if (IsSkipped()) return;
    Broker().server.CreateTopic(topic_, 1);
    Broker().server.Allow("alice", topic_, topic_);
    database_ = postgres().CreateDatabase();
    CreateKeylessTable(postgres(), database_);
    KafkaProducer producer(Broker().server.Brokers());
    for (long i = 0; i < 50; ++i) producer.Send(topic_, SequenceMessage(0, i), {}, 0);
    producer.Flush();
  }
  std::vector<std::string> Secure(int port, const std::vector<std::string>& properties) const {
    std::vector<std::string> arguments = {"--brokers", SecureBroker::At(port),
                                          "--topics",  topic_,
                                          "--group",   topic_,
                                          "--from",    "earliest",
                                          "--to",      SharedPostgres().Uri(database_),
                                          "--create",  "--kafka"};
    arguments.insert(arguments.end(), properties.begin(), properties.end());
    return arguments;
  }
  static std::vector<std::string> Sasl(const std::string& mechanism, const std::string& password) {
    return {"security.protocol=SASL_PLAINTEXT", "sasl.mechanism=" + mechanism,
            "sasl.username=alice", "sasl.password=" + password};
  }
  void ExpectAllRows(const std::vector<std::string>& arguments) {
    ServiceProcess tool("kafka2ts", arguments);
    tool.Start();
    EXPECT_TRUE(AwaitRows(50)) << tool.Log();
    EXPECT_TRUE(AwaitReady(tool, "200")) << tool.Ready();
    EXPECT_EQ(tool.Stop(), 143) << tool.Log();
    EXPECT_EQ(Faults(50), "");
    EXPECT_THAT(tool.Log(), Not(HasSubstr(kPassword)));
  }
  void ExpectRefused(const std::vector<std::string>& arguments, const std::string& why) {
    ServiceProcess tool("kafka2ts", arguments);
    tool.Start();
    EXPECT_TRUE(AwaitReady(tool, why)) << tool.Ready() << tool.Log();
    EXPECT_THAT(tool.Ready(), HasSubstr("503"));
    EXPECT_EQ(tool.Stop(), 143) << tool.Log();
    EXPECT_EQ(Rows(), 0);
    EXPECT_THAT(tool.Log(), Not(HasSubstr(kWrong)));
  }
};

TEST_F(KafkaSecurityTest, SaslPlain) {
  ExpectAllRows(Secure(Broker().plain_port, Sasl("PLAIN", kPassword)));
}
TEST_F(KafkaSecurityTest, SaslPlainWithAWrongPassword) {
  ExpectRefused(Secure(Broker().plain_port, Sasl("PLAIN", kWrong)), "Authentication failed");
}
TEST_F(KafkaSecurityTest, SaslScram) {
  ExpectAllRows(Secure(Broker().scram_port, Sasl("SCRAM-SHA-256", kPassword)));
}
TEST_F(KafkaSecurityTest, SaslScramWithAWrongPassword) {
  ExpectRefused(Secure(Broker().scram_port, Sasl("SCRAM-SHA-256", kWrong)), "uthentication failed");
}
TEST_F(KafkaSecurityTest, Tls) {
  ExpectAllRows(Secure(Broker().ssl_port,
                       {"security.protocol=ssl", "ssl.ca.location=" + Broker().certificate.Pem()}));
}
TEST_F(KafkaSecurityTest, TlsWithACertificateThatNobodyVouchesFor) {
  ExpectRefused(Secure(Broker().ssl_port, {"security.protocol=ssl"}), "certificate");
}
TEST_F(KafkaSecurityTest, AGroupThatTheUserMayNotJoin) {
  std::vector<std::string> arguments = Secure(Broker().plain_port, Sasl("PLAIN", kPassword));
  arguments[5] = "forbidden-group";
  ExpectRefused(arguments, "Group authorization failed");
}

TEST_F(KafkaSecurityTest, PrintConfigMasksSecrets) {
  std::vector<std::string> arguments = Secure(Broker().plain_port, Sasl("PLAIN", kPassword));
  arguments.push_back("--print-config");
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  EXPECT_EQ(tool.Wait(), 0) << tool.Log();
  EXPECT_THAT(tool.Log(), HasSubstr("sasl.username=alice"));
  EXPECT_THAT(tool.Log(), Not(HasSubstr(kPassword)));
}

}  // namespace
}  // namespace tsingest::testing
