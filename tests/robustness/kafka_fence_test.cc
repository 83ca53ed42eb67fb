// Instances of kafka2ts that are frozen or that take each other's streams: who has lost a stream
// cannot write a row of it.
#include <signal.h>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/kafka_to_postgres.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;

constexpr long kFirst = 5'000;
constexpr long kMore = 20'000;

class KafkaFenceTest : public KafkaToPostgres {
 protected:
  // A member that the group takes for dead after a second or two without a poll.
  std::vector<std::string> Impatient() {
    return Arguments({"--batch-size", "1000", "--writers", "2", "--kafka",
                      "max.poll.interval.ms=2000", "session.timeout.ms=1000",
                      "heartbeat.interval.ms=200"});
  }
  // SIGSTOP, until every thread has stopped.
  static void Freeze(const ServiceProcess& tool) {
    tool.Signal(SIGSTOP);
    const auto stopped = [&] {
      for (const auto& task :
           std::filesystem::directory_iterator("/proc/" + std::to_string(tool.Pid()) + "/task")) {
        std::ifstream file(task.path() / "stat");
        const std::string stat{std::istreambuf_iterator<char>(file), {}};
        if (stat.find(") T ") == std::string::npos) return false;
      }
      return true;
    };
    ASSERT_TRUE(Eventually(stopped));
  }
  long Stored() { return StoredPositions(postgres(), topic_, database_); }
};

// Frozen with rows in its hands: the table is locked, so that they cannot be written before.
TEST_F(KafkaFenceTest, AFrozenInstanceThatWakesCannotWrite) {
  Prepare(1);
  Send(0, kFirst);
  ServiceProcess frozen("kafka2ts", Impatient());
  frozen.Start();
  ASSERT_TRUE(AwaitRows(kFirst)) << frozen.Log();
  {
    PgClient holder(postgres().AdminConninfo(database_));
    holder.Exec("BEGIN; LOCK TABLE iot_measurements IN EXCLUSIVE MODE");
    Send(kFirst, kMore);
    ASSERT_TRUE(Eventually([&] {
      return frozen.Metric("tsingest_rows_in_flight").value_or(0) >= 2000;
    })) << frozen.Log();
    Freeze(frozen);
  }
  ServiceProcess heir("kafka2ts", Impatient());
  heir.Start();
  ASSERT_TRUE(Eventually([&] { return Stored() == kFirst + kMore; })) << heir.Log();
  ASSERT_EQ(Faults(kFirst + kMore), "");

  frozen.Signal(SIGCONT);
  // Whoever is first tells it: the database that refuses its commit, or the group.
  EXPECT_TRUE(Eventually([&] {
    return frozen.Metric("tsingest_streams_fenced_total").value_or(0) +
               frozen.Metric("tsingest_streams_lost_total").value_or(0) >=
           1;
  })) << frozen.Log();
  EXPECT_THAT(frozen.Log(), ::testing::AnyOf(HasSubstr("/0 fenced"), HasSubstr("/0 lost")));
  EXPECT_TRUE(Eventually([&] {
    return frozen.Metric("tsingest_rows_handed_over_total").value_or(0) >= 2000;
  })) << frozen.Log();
  EXPECT_EQ(frozen.Metric("tsingest_rows_written_total"), kFirst);
  EXPECT_EQ(Faults(kFirst + kMore), "");

  // It is a good member again: when the heir goes, it takes over.
  EXPECT_EQ(heir.Stop(), 143) << heir.Log();
  Send(kFirst + kMore, 100);
  EXPECT_TRUE(AwaitRows(kFirst + kMore + 100)) << frozen.Log();
  EXPECT_TRUE(AwaitReady(frozen, "200")) << frozen.Ready();
  EXPECT_EQ(frozen.Stop(), 143) << frozen.Log();
  EXPECT_EQ(Faults(kFirst + kMore + 100), "");
}

// The group cannot know of it: only the database can refuse the commit.
TEST_F(KafkaFenceTest, WhoeverLosesItsClaimIsFencedByTheDatabase) {
  Prepare(1);
  Send(0, kFirst);
  ServiceProcess tool("kafka2ts", Impatient());
  tool.Start();
  ASSERT_TRUE(AwaitRows(kFirst)) << tool.Log();
  // As an instance of another group with the same --ledger would claim it.
  postgres().Exec("UPDATE tsingest.positions SET owner = 'someone else'", database_);
  Send(kFirst, 1000);
  EXPECT_TRUE(Eventually([&] {
    return tool.Metric("tsingest_streams_fenced_total").value_or(0) >= 1;
  })) << tool.Log();
  EXPECT_THAT(tool.Log(), HasSubstr(topic_ + "/0 fenced"));
  EXPECT_TRUE(AwaitReady(tool, "another instance")) << tool.Ready();
  // The group still leaves it the partition, so somebody must read it: it claims it anew.
  EXPECT_TRUE(AwaitRows(kFirst + 1000)) << tool.Log();
  EXPECT_TRUE(AwaitReady(tool, "200")) << tool.Ready();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
  EXPECT_EQ(Faults(kFirst + 1000), "");
}

// While the database takes nothing, a member must go on polling as often as its group asks for.
TEST_F(KafkaFenceTest, AMemberThatWaitsForTheDatabaseStaysInItsGroup) {
  Prepare(1);
  ServiceProcess tool("kafka2ts", Impatient());
  tool.Start();
  Send(0, kFirst);
  ASSERT_TRUE(AwaitRows(kFirst)) << tool.Log();
  {
    PgClient holder(postgres().AdminConninfo(database_));
    holder.Exec("BEGIN; LOCK TABLE iot_measurements IN EXCLUSIVE MODE");
    Send(kFirst, kMore);
    ASSERT_TRUE(Eventually([&] {
      return tool.Metric("tsingest_source_pauses_total").value_or(0) >= 1;
    })) << tool.Log();
    std::this_thread::sleep_for(std::chrono::seconds(6));  // three times max.poll.interval.ms
  }
  EXPECT_TRUE(AwaitRows(kFirst + kMore)) << tool.Log();
  EXPECT_EQ(tool.Metric("tsingest_streams_lost_total"), 0) << tool.Log();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
  EXPECT_EQ(Faults(kFirst + kMore), "");
}

// A backlog many times the buffer, and nobody who takes it.
TEST_F(KafkaFenceTest, MemoryStaysBoundedWhileTheDatabaseIsDown) {
  constexpr long kMessages = 150'000;
  constexpr double kBufferMiB = 8;
  constexpr double kPrefetchMiB = 16;
  PostgresServer server;
  SharedKafka().CreateTopic(topic_, 4);
  database_ = server.CreateDatabase();
  CreateKeylessTable(server, database_);
  std::vector<std::string> arguments = Arguments({"--buffer-bytes", "8MiB", "--writers", "2"});
  arguments[9] = server.Uri(database_);
  ServiceProcess tool("kafka2ts", arguments);
  tool.Start();
  ASSERT_TRUE(Eventually([&] {
    return server.Value("SELECT to_regclass('tsingest.positions') IS NOT NULL", database_) == "t" &&
           server.Value("SELECT count(position) FROM tsingest.positions", database_) == "4";
  })) << tool.Log();
  const double before = tool.Metric("process_resident_memory_bytes").value_or(0);
  server.Stop();
  const std::string padding = R"(,"note":")" + std::string(1000, 'x') + "\"}";
  {
    KafkaProducer producer(SharedKafka().Brokers());
    for (long i = 0; i < kMessages; ++i) {
      std::string message = SequenceMessage(static_cast<int>(i % 4), i / 4);
      message.replace(message.size() - 1, 1, padding);
      producer.Send(topic_, message, {}, static_cast<int>(i % 4));
    }
    producer.Flush();
  }
  ASSERT_TRUE(Eventually([&] {
    return tool.Metric("tsingest_source_pauses_total").value_or(0) >= 1;
  })) << tool.Log();
  const double grown_mib =
      (tool.Metric("process_resident_memory_bytes").value_or(1e12) - before) / (1024 * 1024);
  std::cout << "resident memory grew by " << grown_mib << " MiB" << std::endl;
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LE(grown_mib, 2 * (kBufferMiB + kPrefetchMiB) + 16);
#endif
  EXPECT_LE(tool.Metric("tsingest_buffer_bytes").value_or(1e12), kBufferMiB * 1024 * 1024);
  server.Start();
  EXPECT_TRUE(Eventually([&] { return StoredPositions(server, topic_, database_) == kMessages; }))
      << tool.Log();
  EXPECT_EQ(tool.Stop(), 143) << tool.Log();
  EXPECT_EQ(SequenceFaults(server, 4, kMessages / 4, database_), "");
}

}  // namespace
}  // namespace tsingest::testing
