// DlqTest: tsingest-dlq beside a database of its own.
#ifndef TSINGEST_TESTS_SUPPORT_DLQ_TEST_FIXTURE_H_
#define TSINGEST_TESTS_SUPPORT_DLQ_TEST_FIXTURE_H_

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/paths.h"
#include "support/test_database.h"

namespace tsingest::testing {

struct Ended {
  int code = -1;
  std::string output;  // stdout and stderr
};

class DlqTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ended made = Replay({"--create"});  // nothing to replay: only makes the tables
    ASSERT_EQ(made.code, 0) << made.output;
  }

  std::string Uri() const { return database_.Uri(); }

  Ended Run(const std::string& tool, std::vector<std::string> arguments) {
    const auto log = directory_.path() / std::to_string(++runs_);
    arguments.insert(arguments.begin(), ToolPath(tool).string());
    const pid_t pid = Spawn(arguments, self_, log);
    const auto status = WaitFor(pid, std::chrono::minutes(2));
    if (!status.has_value()) KillTree(pid);
    return {.code = status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1,
            .output = Tail(log, 20'000)};
  }

  Ended Dlq(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--to", Uri()});
    return Run("tsingest-dlq", std::move(arguments));
  }

  Ended Replay(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "replay");
    arguments.insert(arguments.end(), {"--model", "sensor_data", "--summary", "json"});
    return Dlq(std::move(arguments));
  }

  // The id of a new letter.
  std::string Put(const std::string& payload, const std::string& code = "time",
                  const std::string& more_columns = "", const std::string& more_values = "") const {
    return database_.Value(
        "INSERT INTO tsingest.dead_letter (at, source, stream, position, topic, reason, code, "
        "payload" +
        more_columns +
        ") VALUES ('2024-01-01T00:00:00Z', 'kafka2ts', 'readings/0', 7, 'readings', "
        "'because', '" +
        code + "', convert_to('" + payload + "', 'UTF8')" + more_values + ") RETURNING id");
  }

  static std::string Row(int temp) {
    return R"({"ts":1600000000,"device_id":"d","temp":)" + std::to_string(temp) + "}";
  }

  std::string Temps() const {
    return database_.Value(
        "SELECT coalesce(string_agg(temp::text, ',' ORDER BY temp), '') FROM sensor_data");
  }
  std::string Letters(const std::string& columns) const {
    return database_.Value("SELECT coalesce(string_agg(concat_ws('|', " + columns +
                           "), ';' ORDER BY id), '') FROM tsingest.dead_letter");
  }

  std::filesystem::path WriteFile(const std::string& name, const std::string& text) const {
    const auto path = directory_.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-dlq-", self_, ""};
  TestDatabase database_;
  int runs_ = 0;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_DLQ_TEST_FIXTURE_H_
