// tsingest-dlq against a real server: what is replayed is there once, what fails again stays.
#include <signal.h>
#include <unistd.h>

#include <chrono>
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
#include "support/dlq_test_fixture.h"
#include "support/paths.h"
#include "support/postgres_server.h"
#include "support/test_database.h"

namespace tsingest::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTool[] = "tsingest-dlq";

TEST_F(DlqTest, ReplaysWhatWasMended) {
  Put(Row(1), "23514");
  Put(Row(2), "23514");
  Put("{}", "missing");
  const Ended replay = Replay({"--code", "23514"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "1,2");
  EXPECT_EQ(Letters("code, attempts"), "missing|1");
  // The letter's time stands for the time of arrival.
  EXPECT_EQ(
      database_.Value("SELECT DISTINCT ingest_time = '2024-01-01T00:00:00Z' FROM sensor_data"),
      "t");
}

TEST_F(DlqTest, WhatFailsAgainStaysOnceWithItsNewReason) {
  Put("nonsense", "time");
  for (int attempt = 2; attempt <= 3; ++attempt) {
    const Ended replay = Replay({});
    EXPECT_EQ(replay.code, 3) << replay.output;
    EXPECT_EQ(Letters("code, attempts, convert_from(payload, 'UTF8'), position, original IS NULL"),
              "syntax|" + std::to_string(attempt) + "|nonsense|7|t");
  }
  EXPECT_THAT(Letters("reason"), HasSubstr("not JSON"));
}

TEST_F(DlqTest, ARepairIsTriedInPlaceOfThePayload) {
  const std::string good = Put("nonsense");
  const std::string bad = Put("more nonsense");
  Put("untouched");
  const auto file =
      WriteFile("repairs", R"({"id":)" + good + R"(,"payload":)" + Row(5) + "}\n" + R"({"id":)" +
                               bad + R"(,"payload":"still bad"})" + "\n");
  const Ended replay = Replay({"--from-file", file.string()});
  EXPECT_EQ(replay.code, 3) << replay.output;
  EXPECT_EQ(Temps(), "5");
  EXPECT_EQ(Letters("convert_from(payload, 'UTF8'), convert_from(original, 'UTF8'), attempts"),
            "still bad|more nonsense|2;untouched|1");
}

TEST_F(DlqTest, AnEditorRepairs) {
  Put(R"({"ts":"oops","device_id":"d","temp":8})");
  ::setenv("EDITOR", "sed -i s/oops/1600000000/g", 1);
  const Ended replay = Replay({"--edit"});
  ::unsetenv("EDITOR");
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "8");
}

TEST_F(DlqTest, OfAMessageWithSeveralRowsOnlyTheRefusedOneIsReplayed) {
  const std::string message = "[" + Row(1) + "," + Row(2) + "," + Row(3) + "]";
  Put(message, "23514", ", message_row", ", 2");
  const Ended replay = Replay({});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "2");
}

TEST_F(DlqTest, ALetterThatDoesNotSayWhichRowIsNotGuessed) {
  const std::string id = Put("[" + Row(1) + "," + Row(2) + "]", "23514");
  EXPECT_EQ(Replay({}).code, 3);
  EXPECT_EQ(Temps(), "");
  EXPECT_THAT(Letters("reason"), HasSubstr("which of them was refused is not recorded"));
}

TEST_F(DlqTest, RowsOfOneMessageThatTheServerRefusesAgainStayEachByItself) {
  database_.Exec("ALTER TABLE sensor_data ADD CONSTRAINT small CHECK (temp < 10)");
  Put("[" + Row(1) + "," + Row(20) + "," + Row(3) + "," + Row(40) + "]", "syntax");
  const Ended replay = Replay({});
  EXPECT_EQ(replay.code, 3) << replay.output;
  EXPECT_EQ(Temps(), "1,3");
  EXPECT_EQ(Letters("code, message_row, attempts, stream, position"),
            "23514|2|2|readings/0|7;23514|4|1|readings/0|7");
  database_.Exec("ALTER TABLE sensor_data DROP CONSTRAINT small");
  EXPECT_EQ(Replay({}).code, 0);
  EXPECT_EQ(Temps(), "1,3,20,40");
  EXPECT_EQ(Letters("id"), "");
}

TEST_F(DlqTest, TheSinkRecordsWhichRowOfAMessageWasRefused) {
  const auto csv = WriteFile("day.csv", "ts,device,t,h\n1600000000,d,20,50\n");
  const std::vector<std::string> load = {
      csv.string(), "--to",      Uri(),     "--model", "iot_measurements",
      "--create",   "--unpivot", "t:C,h:%", "--map",   "device_id=device"};
  ASSERT_EQ(
      Run("csv-replay", {csv.string(), "--to", Uri(), "--model", "iot_measurements", "--create",
                         "--limit", "0", "--unpivot", "t:C,h:%", "--map", "device_id=device"})
          .code,
      0);
  database_.Exec("ALTER TABLE iot_measurements ADD CONSTRAINT small CHECK (value < 30)");
  const Ended loaded = Run("csv-replay", load);
  EXPECT_EQ(loaded.code, 3) << loaded.output;
  EXPECT_EQ(Letters("code, message_row"), "23514|2");
}

TEST_F(DlqTest, CsvRecordsNeedTheirHeader) {
  database_.Exec(
      "INSERT INTO tsingest.dead_letter (at, source, stream, position, line, reason, code, "
      "payload) "
      "VALUES (now(), 'csv-replay', 'file:a.csv', 7, 2, 'because', 'rule', '1600000000;d;6')");
  const Ended without = Replay({});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.output, HasSubstr("--columns"));
  EXPECT_EQ(Letters("reason, attempts"), "because|1");
  const Ended with = Replay({"--columns", "ts,device,temp", "--delimiter", ";"});
  EXPECT_EQ(with.code, 0) << with.output;
  EXPECT_EQ(Temps(), "6");
}

TEST_F(DlqTest, LettersThatAreTakenAwayMeanwhileTakeTheirRowsWithThem) {
  Put(Row(1));
  database_.Exec(
      "CREATE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN DELETE FROM tsingest.dead_letter; RETURN NULL; END $$;"
      "CREATE TRIGGER thief AFTER INSERT ON sensor_data EXECUTE FUNCTION thief()");
  const Ended replay = Replay({});
  EXPECT_EQ(replay.code, 1);
  EXPECT_THAT(replay.output, HasSubstr("removed by someone else meanwhile"));
  EXPECT_EQ(Temps(), "");
  EXPECT_EQ(Letters("code"), "time");
}

TEST_F(DlqTest, ASecondReplayIsRefused) {
  PgClient other(Uri());
  other.Exec("SELECT pg_advisory_lock(hashtextextended('tsingest-dlq tsingest.dead_letter', 0))");
  Put(Row(1));
  const Ended replay = Replay({});
  EXPECT_EQ(replay.code, 2);
  EXPECT_THAT(replay.output, HasSubstr("another replay is running"));
  EXPECT_EQ(Temps(), "");
}

TEST_F(DlqTest, ADryRunChangesNothing) {
  Put(Row(1));
  const Ended replay = Replay({"--dry-run"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_THAT(replay.output, HasSubstr(R"("temp":1)"));
  EXPECT_EQ(Temps(), "");
  EXPECT_EQ(Letters("attempts"), "1");
}

TEST_F(DlqTest, LettersInAFileAreTakenOverOnce) {
  const std::string letter =
      R"({"at":"2024-01-01T00:00:00.000000Z","source":"mqtt2ts",)"
      R"("stream":"s","position":3,"line":null,"topic":"t","reason":"r",)"
      R"("code":"rule","payload":"{\"ts\":1,\"device_id\":\"d\",\"temp\":4}",)"
      R"("key":null})";
  const auto file = WriteFile("letters.jsonl", letter + "\n{\"at\":\"20");
  const Ended first = Replay({"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(first.code, 0) << first.output;
  EXPECT_EQ(Temps(), "4");
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".taken"));
  EXPECT_EQ(database_.Value("SELECT count(*) FROM tsingest.positions"), "0");
}

TEST_F(DlqTest, AFileThatIsNoneIsLeftAlone) {
  const auto file = WriteFile("letters.jsonl", "{\"payload\":\"x\"}\nnonsense\n");
  const Ended replay = Replay({"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(replay.code, 2);
  EXPECT_THAT(replay.output, HasSubstr("line 2 is no dead letter"));
  EXPECT_EQ(Letters("id"), "");
}

std::string LetterLine(const std::string& payload, const std::string& more = "") {
  return R"({"at":"2024-01-01T00:00:00Z","source":"mqtt2ts","stream":"s","position":3,)"
         R"("reason":"r","code":"rule","payload":)" +
         payload + more + "}\n";
}

TEST_F(DlqTest, OnlyTheLettersOfTheFileAreReplayed) {
  const std::string old = Put("nonsense");  // would fail
  const auto file = WriteFile("letters.jsonl", LetterLine(Row(4)) + LetterLine(Row(5)));
  const Ended replay = Replay({"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "4,5");
  EXPECT_EQ(Letters("id, attempts"), old + "|1");
}

TEST_F(DlqTest, AFileWithLettersThatCannotBeReplayedStaysAsItIs) {
  const std::string text =
      LetterLine(Row(4)) +
      LetterLine(Row(5), R"(,"reading":{"format":"json","model":"metrics","table":"metrics"})");
  const auto file = WriteFile("letters.jsonl", text);
  const Ended replay = Replay({"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(replay.code, 2) << replay.output;
  EXPECT_THAT(replay.output, HasSubstr("of model metrics"));
  EXPECT_EQ(Tail(file, 10'000), text);
  EXPECT_EQ(Letters("id"), "");
  const Ended no_table = Replay({"--dead-letter", "file:" + file.string(), "--table", "nowhere"});
  EXPECT_EQ(no_table.code, 2) << no_table.output;
  EXPECT_EQ(Tail(file, 10'000), text);
}

// Killed behind the import, before the file was removed.
TEST_F(DlqTest, AReplayGoesOnWithAFileThatAnotherOneHasTaken) {
  Put("nonsense");
  const auto file = WriteFile("letters.jsonl", LetterLine(Row(4)));
  database_.Exec("CREATE TABLE public.kept AS TABLE tsingest.positions");
  database_.Exec(
      "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.kept "
      "SELECT "
      "(OLD).*; RETURN OLD; END $$; CREATE TRIGGER keep BEFORE DELETE ON tsingest.positions "
      "FOR EACH ROW EXECUTE FUNCTION keep()");
  // As it is when the file has gone, but for the rows: they are refused.
  database_.Exec("ALTER TABLE sensor_data ADD CONSTRAINT cold CHECK (temp < 0)");
  EXPECT_EQ(Replay({"--dead-letter", "file:" + file.string()}).code, 3);
  database_.Exec("ALTER TABLE sensor_data DROP CONSTRAINT cold");
  database_.Exec("INSERT INTO tsingest.positions SELECT * FROM public.kept");
  WriteFile("letters.jsonl.taken", LetterLine(Row(4)));
  // Its name is that of the content, so this is what a killed replay leaves.
  const Ended again = Replay({"--dead-letter", "file:" + file.string()});
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_EQ(Temps(), "4");
  EXPECT_EQ(Letters("code"), "time");
}

TEST_F(DlqTest, ADryRunReadsAFileWhereItIs) {
  Put(Row(1));
  const std::string text = LetterLine(Row(4)) + LetterLine("\"nonsense\"");
  const auto file = WriteFile("letters.jsonl", text);
  const Ended replay = Replay({"--dead-letter", "file:" + file.string(), "--dry-run"});
  EXPECT_EQ(replay.code, 3) << replay.output;
  EXPECT_THAT(replay.output, AllOf(HasSubstr(R"("temp":4)"), Not(HasSubstr(R"("temp":1,)"))));
  EXPECT_EQ(Tail(file, 10'000), text);
  EXPECT_EQ(Temps(), "");
  EXPECT_EQ(Letters("attempts"), "1");
}

TEST_F(DlqTest, ARepairThatChangesNoPayloadIsSaid) {
  const std::string id = Put("nonsense");
  const auto file =
      WriteFile("repairs", R"({"id":)" + id + R"(,"payload":"nonsense","reason":"mended"})" + "\n");
  const Ended replay = Replay({"--from-file", file.string()});
  EXPECT_EQ(replay.code, 3);
  EXPECT_THAT(replay.output, HasSubstr("1 of 1 repairs have the payload as it was"));
}

TEST_F(DlqTest, AFileIsListedAndPurgedWithoutADatabase) {
  std::string text;
  for (const char* const code : {"rule", "time", "rule"}) {
    text += R"({"at":"2024-01-01T00:00:00Z","source":"mqtt2ts","stream":"s","position":3,)"
            R"("reason":"r","code":")" +
            std::string(code) + R"(","payload_base64":"AAEC"})" + "\n";
  }
  const std::string where = "file:" + WriteFile("letters.jsonl", text).string();
  EXPECT_THAT(Run(kTool, {"list", "--dead-letter", where, "--by", "code"}).output,
              HasSubstr("       2  rule\n       1  time\n"));
  EXPECT_THAT(Run(kTool, {"show", "2", "--dead-letter", where}).output, HasSubstr("00 01 02"));
  EXPECT_EQ(Run(kTool, {"purge", "--dead-letter", where, "--code", "rule", "--yes"}).output,
            "2 letters purged\n");
  EXPECT_THAT(Run(kTool, {"list", "--dead-letter", where}).output, HasSubstr("1 of 1 letters"));
}

TEST_F(DlqTest, ListsByFilters) {
  Put("\\a", "time");
  const std::string second = Put("b", "23514");
  EXPECT_THAT(Dlq({"list"}).output, HasSubstr("2 of 2 letters"));
  EXPECT_THAT(Dlq({"list", "--limit", "1"}).output, HasSubstr("1 of 2 letters"));
  for (const std::vector<std::string>& filter : std::vector<std::vector<std::string>>{
           {"--code", "23514"}, {second}, {"--code", "23514", "--stream", "readings/0"}}) {
    std::vector<std::string> arguments = {"list", "--output", "json", "--reason", "caus"};
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    EXPECT_THAT(Dlq(arguments).output, ::testing::StartsWith(R"({"id":)" + second + ","));
  }
  EXPECT_THAT(Dlq({"list", "--since", "1h"}).output, HasSubstr("0 of 0 letters"));
  EXPECT_THAT(Dlq({"list", "--until", "2024-01-01T00:00:00Z"}).output, HasSubstr("0 of 0"));
  EXPECT_THAT(Dlq({"list", "--since", "2024-01-01"}).output, HasSubstr("2 of 2"));
}

TEST_F(DlqTest, PurgesOnlyWhenItIsMeant) {
  Put("a", "time");
  Put("b", "23514");
  EXPECT_EQ(Dlq({"purge"}).code, 2);
  EXPECT_EQ(Dlq({"purge", "--dry-run", "--code", "time"}).output, "1 letters would be purged\n");
  EXPECT_EQ(Letters("code"), "time;23514");
  EXPECT_EQ(Dlq({"purge", "--yes", "--code", "time"}).output, "1 letters purged\n");
  EXPECT_EQ(Letters("code"), "23514");
}

TEST_F(DlqTest, WrongUsageIsSaidAtOnce) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"lsit"},
                                                       {"show"},
                                                       {"show", "x"},
                                                       {"replay", "--ignore-readings"},
                                                       {"list", "--since", "soon"},
                                                       {"replay", "1", "--from-file", "-"},
                                                       {"list", "--dead-letter", "none"}};
  for (const auto& arguments : wrong) {
    EXPECT_EQ(Dlq(arguments).code, 2) << ::testing::PrintToString(arguments);
  }
  EXPECT_EQ(Dlq({"show", "4711"}).code, 1);
}

TEST_F(DlqTest, TablesOfOlderVersionsAreListedAndThenCompleted) {
  database_.Exec(
      "ALTER TABLE tsingest.dead_letter DROP COLUMN message_row, DROP COLUMN attempts, "
      "DROP COLUMN original");
  const std::string id = Put(Row(1));
  EXPECT_THAT(Dlq({"list"}).output, HasSubstr("1 of 1 letters"));
  EXPECT_EQ(Dlq({"show", id}).code, 0);
  const Ended refused = Replay({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("--create"));
  const Ended replay = Replay({"--create"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "1");
}

// Long form: TSINGEST_KILLS=50 TSINGEST_ROWS=500000; TSINGEST_SEED repeats a run.
class DlqKillTest : public ::testing::Test {
 protected:
  static long FromEnvironment(const char* name, long otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::atol(text);
  }

  const long rows_ = FromEnvironment("TSINGEST_ROWS", 40'000);
  const long kills_ = FromEnvironment("TSINGEST_KILLS", 12);
  const unsigned seed_ =
      static_cast<unsigned>(FromEnvironment("TSINGEST_SEED", std::random_device{}() % 1'000'000));
  std::mt19937 random_{seed_};
  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-dlq-", self_, ""};
  const std::filesystem::path log_ = directory_.path() / "log";
  PostgresServer server_;

  std::vector<std::string> Command(std::vector<std::string> more) const {
    std::vector<std::string> command = {ToolPath(kTool).string(),
                                        "replay",
                                        "--to",
                                        server_.Uri(),
                                        "--model",
                                        "sensor_data",
                                        "--batch-size",
                                        "200",
                                        "--writers",
                                        "2",
                                        "--log-level",
                                        "error"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  // Every 50th message cannot be read, every 70th is refused by the server; the others are
  // temp = 0, 1, 2 …: what is missing or double shows in the sums.
  std::string Payload(const std::string& i) const {
    return "CASE WHEN " + i + " % 50 = 0 THEN 'nonsense ' || " + i +
           " ELSE format('{\"ts\":%s,\"device_id\":\"d\",\"temp\":%s}', 1600000000 + " + i +
           ", CASE WHEN " + i + " % 70 = 0 THEN -1 ELSE " + i + " END) END";
  }
  void Prepare() {
    RunToEnd(Command({"--create"}), self_, log_);
    server_.Exec("ALTER TABLE sensor_data ADD CHECK (temp >= 0)");
  }
  std::string Good(const std::string& what) const {
    return server_.Value("SELECT " + what + " FROM generate_series(0, " +
                         std::to_string(rows_ - 1) + ") AS i WHERE i % 50 <> 0 AND i % 70 <> 0");
  }

  // Replays, being killed again and again, until a run ends by itself.
  void ReplayUnderKills(const std::vector<std::string>& command) {
    long early = 0;
    for (long kill = 0; kill < kills_; ++kill) {
      const pid_t pid = Spawn(command, self_, log_);
      const std::chrono::milliseconds time(std::uniform_int_distribution<int>(20, 500)(random_));
      if (kill % 4 == 3) {
        std::this_thread::sleep_for(time / 2);
        server_.Kill9();
        server_.Start();
      }
      if (WaitFor(pid, time)) {
        ++early;
      } else {
        KillTree(pid);
      }
    }
    std::cout << early << " of " << kills_ << " runs had ended before they were killed\n";
    for (int attempt = 0;; ++attempt) {
      const auto status = WaitFor(Spawn(command, self_, log_), std::chrono::minutes(5));
      ASSERT_TRUE(status.has_value()) << "hangs:\n" << Tail(log_);
      // 1: met the remains of a killed run, and says to start it again.
      if (WEXITSTATUS(*status) == 1 && attempt < 3) continue;
      EXPECT_EQ(WEXITSTATUS(*status), 3) << Tail(log_);
      return;
    }
  }

  void ExpectEachOnce() {
    EXPECT_EQ(server_.Value("SELECT count(*) FROM sensor_data"), Good("count(*)"));
    EXPECT_EQ(server_.Value("SELECT count(DISTINCT temp) FROM sensor_data"), Good("count(*)"));
    EXPECT_EQ(server_.Value("SELECT sum(temp)::bigint FROM sensor_data"), Good("sum(i)"));
    EXPECT_EQ(std::stol(server_.Value("SELECT count(*) FROM tsingest.dead_letter")),
              rows_ - std::stol(Good("count(*)")));
    EXPECT_EQ(server_.Value("SELECT count(DISTINCT position) FROM tsingest.dead_letter"),
              server_.Value("SELECT count(*) FROM tsingest.dead_letter"));
    EXPECT_EQ(server_.Value("SELECT count(*) FROM tsingest.dead_letter WHERE attempts < 2"), "0");
  }
};

TEST_F(DlqKillTest, EveryLetterOnceWhateverIsKilled) {
  std::cout << "seed " << seed_ << ", letters " << rows_ << ", kills " << kills_ << std::endl;
  Prepare();
  server_.Exec(
      "INSERT INTO tsingest.dead_letter (at, source, stream, position, reason, code, payload) "
      "SELECT now(), 'kafka2ts', 'readings/0', i, 'because', 'rule', convert_to(" +
      Payload("i") + ", 'UTF8') FROM generate_series(0, " + std::to_string(rows_ - 1) + ") AS i");
  ReplayUnderKills(Command({}));
  ExpectEachOnce();
}

TEST_F(DlqKillTest, EveryLetterOfAFileOnceWhateverIsKilled) {
  std::cout << "seed " << seed_ << ", letters " << rows_ << ", kills " << kills_ << std::endl;
  Prepare();
  const std::filesystem::path file = directory_.path() / "letters.jsonl";
  {
    std::ofstream out(file);
    for (const TextRow& row : server_.Query(
             "SELECT json_build_object('at', '2024-01-01T00:00:00Z', 'source', 'mqtt2ts',"
             " 'stream', 's', 'position', i, 'reason', 'because', 'code', 'rule',"
             " 'payload', " +
             Payload("i") + ") FROM generate_series(0, " + std::to_string(rows_ - 1) + ") AS i")) {
      out << row[0] << "\n";
    }
  }
  // Once the file is gone its letters are in the table.
  ReplayUnderKills({"/bin/sh", "-c",
                    "f=$1; shift; if [ -e \"$f\" ] || [ -e \"$f.taken\" ]; then exec \"$@\" "
                    "--dead-letter \"file:$f\"; else exec \"$@\"; fi",
                    "sh", file.string(), ToolPath(kTool).string(), "replay", "--to", server_.Uri(),
                    "--model", "sensor_data", "--batch-size", "200", "--writers", "2",
                    "--log-level", "error"});
  ExpectEachOnce();
}

}  // namespace
}  // namespace tsingest::testing
