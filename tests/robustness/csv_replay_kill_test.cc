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

  std::vector<std::string> Command(const std::string& uri) const {
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
            "2000",
            "--summary",
            "json",
            "--progress",
            "never"};
  }

  milliseconds RandomTime(int low_ms, int high_ms) {
    return milliseconds(std::uniform_int_distribution<int>(low_ms, high_ms)(random_));
  }
};

TEST_F(CsvReplayKillTest, EveryRowOnceWhateverIsKilled) {
  const long rows = FromEnvironment("TSINGEST_ROWS", 400'000);
  const long kills = FromEnvironment("TSINGEST_KILLS", 10);
  const long server_kills = FromEnvironment("TSINGEST_SERVER_KILLS", 3);
  std::cout << "seed " << seed_ << ", rows " << rows << ", kills " << kills << std::endl;
  WriteCsv(rows);
  PostgresServer server;
  const std::vector<std::string> command = Command(server.Uri());

  long finished_early = 0;
  for (long kill = 0; kill < kills; ++kill) {
    const pid_t pid = Spawn(command, self_, log_);
    if (kill % std::max(kills / std::max(server_kills, 1L), 1L) == 0) {
      std::this_thread::sleep_for(RandomTime(50, 600));
      server.Kill9();
      server.Start();
    }
    if (WaitFor(pid, RandomTime(20, 900))) {
      ++finished_early;
    } else {
      KillTree(pid);
    }
  }
  const pid_t last = Spawn(command, self_, log_);
  const auto status = WaitFor(last, std::chrono::minutes(10));
  ASSERT_TRUE(status.has_value()) << "csv-replay hangs:\n" << Tail(log_);
  EXPECT_EQ(*status, 0) << Tail(log_);
  std::cout << finished_early << " of " << kills << " runs had finished before they were killed\n";

  EXPECT_EQ(server.Value("SELECT count(*) FROM sensor_data"), std::to_string(rows));
  EXPECT_EQ(server.Value("SELECT count(DISTINCT temp) FROM sensor_data"), std::to_string(rows));
  EXPECT_EQ(server.Value("SELECT sum(temp)::bigint FROM sensor_data"),
            std::to_string(rows * (rows - 1) / 2));
  EXPECT_EQ(server.Value("SELECT count(*) FROM tsingest.dead_letter"), "0");
  EXPECT_EQ(server.Value("SELECT position FROM tsingest.positions WHERE ledger = 'kill-test'"),
            std::to_string(std::filesystem::file_size(csv_)));
}

}  // namespace
}  // namespace tsingest::testing
