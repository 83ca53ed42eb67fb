// sql/roles.sql gives each role what its tools need, and no more; where a right is missing the
// tools print the statement that mends it.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/paths.h"
#include "support/postgres_server.h"
#include "support/test_database.h"
#include "support/tool_run.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/sink/postgres.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Ended {
  int code = -1;
  std::string output;  // stdout and stderr
};

class RolesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* const file :
         {"timescale_init.sql", "tsingest.sql", "roles.sql", "roles.sql"}) {
      std::ifstream in(SourceDirectory() / "sql" / file);
      std::ostringstream text;
      text << in.rdbuf();
      database_.Exec(text.str());
    }
  }

  // For this role, whatever PG* variables say.
  std::string Uri(const std::string& role) const {
    std::string uri = database_.Uri();
    const std::string super = "://tsingest@";
    const std::size_t at = uri.find(super);
    EXPECT_NE(at, std::string::npos) << uri;
    return uri.replace(at, super.size(), "://" + role + "@");
  }
  Ended Run(const std::string& tool, std::vector<std::string> arguments,
            const std::string& role) const {
    arguments.insert(arguments.end(), {"--to", Uri(role)});
    ToolRun run(tool, std::move(arguments));
    const int code = run.Wait();
    return {.code = code, .output = run.Output()};
  }
  Ended Dlq(std::vector<std::string> arguments, const std::string& role) const {
    return Run("tsingest-dlq", std::move(arguments), role);
  }
  Ended Replay(const std::string& role, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"replay", "--model", "sensor_data"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Dlq(std::move(arguments), role);
  }
  Ended Load(const std::string& role, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {File(kRecords).string(), "--model", "sensor_data"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run("csv-replay", std::move(arguments), role);
  }
  std::filesystem::path File(const std::string& text) const {
    auto path = directory_.path() / "day.csv";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  void PutLetters() const {
    database_.Exec(
        "INSERT INTO tsingest.dead_letter (at, source, reason, code, payload) VALUES "
        "(now(), 'kafka2ts', 'because', '23514', "
        R"(convert_to('{"ts":1600000000,"device_id":"d","temp":1}', 'UTF8')),)"
        "(now(), 'kafka2ts', 'because', 'time', 'nonsense')");
  }
  std::string Value(const std::string& sql) const { return database_.Value(sql); }
  std::string Count(const std::string& table) const {
    return Value("SELECT count(*) FROM " + table);
  }

  // Two rows, and one that is none.
  static constexpr char kRecords[] =
      "ts,device_id,temp\n1600000000,d,1\n1600000001,d,2\n1600000002,d,x\n";
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-roles-", self_, ""};
  TestDatabase database_;
};

TEST_F(RolesTest, IngestLoadsExactlyOnceWithLedgerAndDeadLetters) {
  const Ended loaded = Load("tsingest_ingest", {"--import-id", "day", "--summary", "json"});
  EXPECT_EQ(loaded.code, 3) << loaded.output;
  EXPECT_THAT(loaded.output, HasSubstr(R"("received":3,"written":2,"deduplicated":0,)"
                                       R"("dead_lettered":1)"));
  EXPECT_EQ(Count("sensor_data"), "2");
  EXPECT_EQ(Value("SELECT reading->>'model' FROM tsingest.dead_letter"), "sensor_data");
  EXPECT_EQ(Count("tsingest.positions WHERE ledger = 'day'"), "1");
  const Ended again = Load("tsingest_ingest", {"--import-id", "day"});
  EXPECT_EQ(again.code, 3) << "its letter is still there, and the role may see that";
  EXPECT_THAT(again.output, HasSubstr("complete, but 1 of its records"));
}

TEST_F(RolesTest, IngestSkipsRowsThatAreThere) {
  const auto file = File(
      "timestamp,device_id,connector_mode,component_type,pin_position,value\n"
      "1600000000,d,auto,t,1,1\n1600000000,d,auto,t,1,2\n1600000001,d,auto,t,1,3\n");
  const std::vector<std::string> arguments = {
      file.string(), "--model", "iot_measurements", "--on-conflict", "skip", "--summary", "json"};
  const Ended loaded = Run("csv-replay", arguments, "tsingest_ingest");
  EXPECT_EQ(loaded.code, 0) << loaded.output;
  EXPECT_THAT(loaded.output, HasSubstr(R"("received":3,"written":2,"deduplicated":1,)"));
}

TEST_F(RolesTest, IngestLeavesNothingBehindWithoutALedger) {
  const Ended loaded = Load("tsingest_ingest");
  EXPECT_EQ(loaded.code, 3) << loaded.output;
  EXPECT_THAT(loaded.output, Not(HasSubstr("permission denied")));
  EXPECT_EQ(Count("tsingest.positions"), "0");
}

TEST_F(RolesTest, IngestProvesRowsInADryRun) {
  const Ended tried = Load("tsingest_ingest", {"--dry-run"});
  EXPECT_EQ(tried.code, 3) << tried.output;
  EXPECT_EQ(Count("sensor_data"), "0");
}

// What kafka2ts and mqtt2ts do before they read: without a broker.
TEST_F(RolesTest, IngestClaimsStreams) {
  PostgresSink<IotMeasurement> sink({.conninfo = Uri("tsingest_ingest"), .ledger = "group"});
  const absl::Status opened = sink.Open();
  ASSERT_TRUE(opened.ok()) << opened;
  const StreamClaim claim{.stream = 0, .name = "readings/0"};
  const auto positions = sink.Claim({&claim, 1});
  ASSERT_TRUE(positions.ok()) << positions.status();
  EXPECT_FALSE(positions->front().has_value());
  EXPECT_TRUE(sink.SetInitial(0, 5).ok());
  EXPECT_TRUE(sink.Close().ok());
  EXPECT_EQ(Value("SELECT position FROM tsingest.positions WHERE ledger = 'group'"), "5");
}

TEST_F(RolesTest, IngestNeitherReadsNorRemovesDeadLetters) {
  PutLetters();
  const Ended listed = Dlq({"list"}, "tsingest_ingest");
  EXPECT_EQ(listed.code, 1) << listed.output;
  EXPECT_THAT(listed.output, HasSubstr("GRANT SELECT ON tsingest.dead_letter TO tsingest_ingest"));
  const Ended purged = Dlq({"purge", "--yes"}, "tsingest_ingest");
  EXPECT_EQ(purged.code, 1);
  EXPECT_THAT(purged.output,
              HasSubstr("GRANT SELECT, DELETE ON tsingest.dead_letter TO tsingest_ingest"));
  EXPECT_EQ(Replay("tsingest_ingest").code, 2);
  EXPECT_EQ(Count("tsingest.dead_letter"), "2");
}

TEST_F(RolesTest, RepairListsReplaysAndPurges) {
  PutLetters();
  EXPECT_THAT(Dlq({"list"}, "tsingest_repair").output, HasSubstr("2 of 2 letters"));
  EXPECT_EQ(Replay("tsingest_repair", {"--dry-run"}).code, 3);
  const Ended replayed = Replay("tsingest_repair");
  EXPECT_EQ(replayed.code, 3) << replayed.output;
  EXPECT_THAT(replayed.output, Not(HasSubstr("permission denied")));
  EXPECT_EQ(Count("sensor_data"), "1");
  EXPECT_EQ(Value("SELECT attempts FROM tsingest.dead_letter"), "2");
  EXPECT_EQ(Count("tsingest.positions"), "0");
  const Ended purged = Dlq({"purge", "--yes"}, "tsingest_repair");
  EXPECT_EQ(purged.code, 0) << purged.output;
  EXPECT_EQ(Count("tsingest.dead_letter"), "0");
}

TEST_F(RolesTest, RepairTakesLettersFromAFile) {
  const auto file = directory_.path() / "letters.jsonl";
  std::ofstream(file) << R"({"at":"2024-01-01T00:00:00.000000Z","source":"mqtt2ts","position":3,)"
                      << R"("reason":"r","code":"rule",)"
                      << R"("payload":"{\"ts\":1,\"device_id\":\"d\",\"temp\":4}"})"
                      << "\n";
  const Ended replayed = Replay("tsingest_repair", {"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(replayed.code, 0) << replayed.output;
  EXPECT_EQ(Count("sensor_data") + Count("tsingest.positions"), "10");
}

TEST_F(RolesTest, RepairDoesNotTouchRows) {
  PgClient client(Uri("tsingest_repair"));
  for (const char* const refused :
       {"UPDATE sensor_data SET temp = 0", "DELETE FROM sensor_data", "TRUNCATE sensor_data",
        "CREATE TABLE own(i int)", "CREATE SCHEMA own", "TRUNCATE tsingest.dead_letter",
        "DROP TABLE tsingest.dead_letter"}) {
    EXPECT_EQ(client.SqlState(refused), "42501") << refused;
  }
}

TEST_F(RolesTest, TheReaderOnlyReads) {
  PutLetters();
  EXPECT_THAT(Dlq({"list"}, "tsingest_read").output, HasSubstr("2 of 2 letters"));
  const Ended purged = Dlq({"purge", "--yes"}, "tsingest_read");
  EXPECT_EQ(purged.code, 1);
  EXPECT_THAT(purged.output, HasSubstr("GRANT DELETE ON tsingest.dead_letter TO tsingest_read"));
  const Ended replayed = Replay("tsingest_read");
  EXPECT_EQ(replayed.code, 2);
  EXPECT_THAT(replayed.output,
              HasSubstr("GRANT INSERT, UPDATE, DELETE ON tsingest.dead_letter TO tsingest_read"));
  const Ended loaded = Load("tsingest_read", {"--import-id", "day"});
  EXPECT_EQ(loaded.code, 2);
  EXPECT_THAT(loaded.output, HasSubstr("GRANT INSERT ON public.sensor_data TO tsingest_read"));
  EXPECT_THAT(loaded.output,
              HasSubstr("GRANT INSERT, UPDATE, DELETE ON tsingest.positions TO tsingest_read"));
  EXPECT_EQ(Count("tsingest.dead_letter") + Count("sensor_data") + Count("tsingest.positions"),
            "200");
}

// A role that may do nothing: what the tools print is done until they are content.
class BareRoleTest : public RolesTest {
 protected:
  BareRoleTest() { Drop(); }
  ~BareRoleTest() override { Drop(); }
  void SetUp() override {
    RolesTest::SetUp();
    database_.Exec("CREATE ROLE bare LOGIN");
  }
  void Drop() const {
    database_.Exec(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bare') THEN "
        "DROP OWNED BY bare; DROP ROLE bare; END IF; END $$");
  }
  // Executes every GRANT statement in the text; how many there were.
  int Obey(const std::string& text) const {
    static const std::regex grant(R"(GRANT [A-Z, ]+ ON (SCHEMA |DATABASE )?[a-z0-9_.]+ TO bare)");
    int count = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), grant), end; it != end; ++it, ++count) {
      database_.Exec(it->str());
    }
    return count;
  }
  // Runs it, doing what it asks for, until it ends otherwise.
  template <class Try>
  Ended Insist(Try attempt) const {
    Ended ended = attempt();
    for (int round = 0; round < 4 && (ended.code == 1 || ended.code == 2); ++round) {
      EXPECT_GT(Obey(ended.output), 0) << ended.output;
      ended = attempt();
    }
    return ended;
  }
};

TEST_F(BareRoleTest, WhatALoadAsksForIsWhatItNeeds) {
  const Ended loaded = Insist([&] { return Load("bare", {"--import-id", "day"}); });
  EXPECT_EQ(loaded.code, 3) << loaded.output;
  EXPECT_EQ(Count("sensor_data"), "2");
  EXPECT_EQ(Value("SELECT has_table_privilege('bare', 'sensor_data', 'UPDATE') OR "
                  "has_table_privilege('bare', 'tsingest.dead_letter', 'SELECT')"),
            "f");
}

TEST_F(BareRoleTest, WhatAReplayAsksForIsWhatItNeeds) {
  PutLetters();
  const Ended replayed = Insist([&] { return Replay("bare"); });
  EXPECT_EQ(replayed.code, 3) << replayed.output;
  EXPECT_EQ(Count("sensor_data"), "1");
}

TEST_F(BareRoleTest, WhatADryRunAsksForIsWhatItNeeds) {
  database_.Exec(
      "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', "
      "current_database()); END $$");
  const Ended tried = Insist([&] { return Load("bare", {"--dry-run"}); });
  EXPECT_EQ(tried.code, 3) << tried.output;
}

TEST_F(BareRoleTest, WhatCreateAsksForIsWhatItNeeds) {
  database_.Exec("DROP TABLE sensor_data; DROP SCHEMA tsingest CASCADE");
  const Ended loaded = Insist([&] { return Load("bare", {"--create", "--import-id", "day"}); });
  EXPECT_EQ(loaded.code, 3) << loaded.output;
  EXPECT_EQ(Count("sensor_data"), "2");
}

// A right that goes while it runs: it waits, says what it lacks, and goes on.
TEST_F(BareRoleTest, ARunningLoadSaysWhichRightHasGone) {
  database_.Exec(
      "GRANT USAGE ON SCHEMA public, tsingest TO bare; GRANT INSERT ON sensor_data TO bare;"
      "GRANT ALL ON ALL TABLES IN SCHEMA tsingest TO bare");
  std::string records = "ts,device_id,temp\n";
  for (int i = 0; i < 100'000; ++i) records += std::to_string(1600000000 + i) + ",d,1\n";
  ToolRun load("csv-replay", {File(records).string(), "--model", "sensor_data", "--to", Uri("bare"),
                              "--rate", "100/s", "--import-id", "paced"});
  ASSERT_TRUE(Eventually([&] { return Count("sensor_data") != "0"; })) << load.Output();
  database_.Exec("REVOKE INSERT ON sensor_data FROM bare");
  const std::string grant = "GRANT INSERT ON public.sensor_data TO bare";
  ASSERT_TRUE(Eventually([&] { return load.HasSaid(grant); })) << load.Output();
  EXPECT_FALSE(load.HasSaid("SQLSTATE 42804")) << load.Output();
  const std::string before = Count("sensor_data");
  database_.Exec(grant);
  EXPECT_TRUE(Eventually([&] { return Count("sensor_data") != before; })) << load.Output();
  load.Signal(SIGTERM);
  EXPECT_EQ(load.Wait(), 143) << load.Output();
  EXPECT_EQ(Count("sensor_data"), Value("SELECT count(DISTINCT ts) FROM sensor_data"));
}

}  // namespace
}  // namespace tsingest::testing
