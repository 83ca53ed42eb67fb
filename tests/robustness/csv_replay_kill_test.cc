// csv-replay under kill -9, of itself and of the database: what arrives is the file, once.
//
// Long form: TSINGEST_KILLS=50 TSINGEST_SERVER_KILLS=10 TSINGEST_ROWS=5000000; TSINGEST_SEED
// repeats a run.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/paths.h"
#include "support/postgres_server.h"
#include "support/test_database.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;

long FromEnvironment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

class CsvReplayKillTest : public ::testing::Test {
 protected:
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-kill-", self_, ""};
  const std::filesystem::path csv_ = directory_.path() / "readings.csv";
  const std::filesystem::path log_ = directory_.path() / "log";
  const unsigned seed_ =
      static_cast<unsigned>(FromEnvironment("TSINGEST_SEED", std::random_device{}() % 1'000'000));
  std::mt19937 random_{seed_};

  // Row i has temp = i: what is missing or double can be told from the sums.
  void WriteCsv(long rows) const {
    std::ofstream file(csv_);
    file << "ts,device,co,humidity,light,lpg,motion,smoke,temp\n";
    for (long i = 0; i < rows; ++i) {
      file << 1'600'000'000 + i << ".25,dev" << i % 97 << ",0.004,51.5,true,0.007,false,0.02," << i
           << "\n";
    }
  }

  std::vector<std::string> Command(const std::string& uri, const std::string& batch_size) const {
    return {ToolPath("csv-replay").string(),
            csv_.string(),
            "--to",
            uri,
            "--model",
            "sensor_data",
            "--create",
            "--import-id",
            "kill-test",
            "--resume",
            "--batch-size",
            batch_size,
            "--summary",
            "json",
            "--progress",
            "never"};
  }

  // The command once more, to its end.
  void Finish(const std::vector<std::string>& command) const {
    const auto status = WaitFor(Spawn(command, self_, log_), std::chrono::minutes(10));
    ASSERT_TRUE(status.has_value()) << "csv-replay hangs:\n" << Tail(log_);
    EXPECT_EQ(*status, 0) << Tail(log_);
  }

  void ExpectEveryRowOnce(PgClient& client, long rows) const {
    EXPECT_EQ(client.Value("SELECT count(*) FROM sensor_data"), std::to_string(rows));
    EXPECT_EQ(client.Value("SELECT count(DISTINCT temp) FROM sensor_data"), std::to_string(rows));
    EXPECT_EQ(client.Value("SELECT sum(temp)::bigint FROM sensor_data"),
              std::to_string(rows * (rows - 1) / 2));
    EXPECT_EQ(client.Value("SELECT count(*) FROM tsingest.dead_letter"), "0");
    EXPECT_EQ(client.Value("SELECT position FROM tsingest.positions WHERE ledger = 'kill-test'"),
              std::to_string(std::filesystem::file_size(csv_)));
  }

  milliseconds RandomTime(int low_ms, int high_ms) {
    return milliseconds(std::uniform_int_distribution<int>(low_ms, high_ms)(random_));
  }
};

TEST_F(CsvReplayKillTest, EveryRowOnceWhateverIsKilled) {
  const long rows = FromEnvironment("TSINGEST_ROWS", 1'000'000);
  const long kills = FromEnvironment("TSINGEST_KILLS", 10);
  const long server_kills = FromEnvironment("TSINGEST_SERVER_KILLS", 3);
  std::cout << "seed " << seed_ << ", rows " << rows << ", kills " << kills << std::endl;
  WriteCsv(rows);
  PostgresServer server;
  const std::vector<std::string> command = Command(server.Uri(), "500");

  long finished_early = 0;
  for (long kill = 0; kill < kills; ++kill) {
    const pid_t pid = Spawn(command, self_, log_);
    if (kill % std::max(kills / std::max(server_kills, 1L), 1L) == 0) {
      std::this_thread::sleep_for(RandomTime(50, 600));
      server.Kill9();
      server.Start();
    }
    if (WaitFor(pid, RandomTime(20, 400))) {
      ++finished_early;
    } else {
      KillTree(pid);
    }
  }
  Finish(command);
  EXPECT_LT(finished_early, kills / 2) << "the load is over too soon to be killed: more rows";
  PgClient client(server.Uri());
  ExpectEveryRowOnce(client, rows);
}

// The table has no key, and most rows go into compressed batches: only the position keeps count.
TEST_F(CsvReplayKillTest, EveryRowOnceInACompressedHypertable) {
  if (const auto why = TestDatabase::WhyUnavailable(DatabaseKind::kTimescale)) GTEST_SKIP() << *why;
  const TestDatabase database(DatabaseKind::kTimescale);
  const long rows = FromEnvironment("TSINGEST_ROWS", 200'000);
  const long kills = FromEnvironment("TSINGEST_KILLS", 8);
  std::cout << "seed " << seed_ << ", rows " << rows << ", kills " << kills << std::endl;
  WriteCsv(rows);
  std::vector<std::string> command = Command(database.Uri(), "10000");
  command.insert(command.end(), {"--layout", "compressed"});
  for (long kill = 0; kill < kills; ++kill) {
    const pid_t pid = Spawn(command, self_, log_);
    if (!WaitFor(pid, RandomTime(100, 900))) KillTree(pid);
  }
  Finish(command);
  PgClient client(database.Uri());
  ExpectEveryRowOnce(client, rows);
  EXPECT_GT(std::stol(client.Value("SELECT count(*) FROM timescaledb_information.chunks "
                                   "WHERE is_compressed")),
            0);
}

}  // namespace
}  // namespace tsingest::testing
