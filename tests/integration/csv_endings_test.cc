// How csv-replay ends, and what it says then: closed streams, full disks, signals, damaged files,
// imports that have left dead letters.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/paths.h"
#include "support/temp_dir.h"
#include "support/test_database.h"
#include "support/tool_run.h"

namespace tsingest::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ended {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class CsvEndingsTest : public ::testing::Test {
 protected:
  // A line of sh(1) in the test's directory; $csv and $dlq are the tools, $db the database.
  Ended Shell(const std::string& line) {
    const std::string log = dir_.Path("log" + std::to_string(++runs_));
    const std::string head = "cd '" + dir_.Path(".") + "'; csv='" + Path("csv-replay") +
                             "'; dlq='" + Path("tsingest-dlq") + "'; db='" + database_.Uri() +
                             "'; ";
    const pid_t pid = Spawn({"/bin/sh", "-c", head + line}, {::getuid(), ::getgid(), false}, log);
    const auto status = WaitFor(pid, std::chrono::seconds(60));
    if (!status.has_value()) KillTree(pid);
    return {status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1, ReadFile(log)};
  }
  Ended Import(const std::string& more) {
    return Shell("$csv " + more + " --to \"$db\" --model sensor_data --create --summary json");
  }
  static std::string Path(const std::string& tool) { return ToolPath(tool).string(); }
  static std::string Rows(int first, int last) {
    std::string text = "ts,device,temp\n";
    for (int i = first; i <= last; ++i) text += std::to_string(1'600'000'000 + i) + ",a,1\n";
    return text;
  }
  std::string Count() { return database_.Value("SELECT count(*) FROM sensor_data"); }

  TempDir dir_;
  TestDatabase database_;
  int runs_ = 0;
};

// ---- Closed and full streams. ----

TEST_F(CsvEndingsTest, AClosedStandardInputIsSaid) {
  const Ended run = Shell("$csv - --to stdout: --model sensor_data <&-");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("stdin is closed"));
}

TEST_F(CsvEndingsTest, NoFileGetsTheNumberOfAClosedStream) {
  dir_.Write("bad.csv", "ts,device,temp\nyesterday,a,1\n");
  EXPECT_EQ(Shell("$csv bad.csv --to \"$db\" --model sensor_data --create "
                  "--dead-letter file:letters <&- >&- 2>&-")
                .exit_code,
            3);
  const std::string letters = ReadFile(dir_.Path("letters"));
  EXPECT_EQ(letters.rfind("{\"at\":", 0), 0u) << letters;
  EXPECT_EQ(letters.find('\n'), letters.size() - 1) << letters;
}

TEST_F(CsvEndingsTest, AFullStandardOutputIsSaid) {
  dir_.Write("in.csv", Rows(1, 3));
  EXPECT_EQ(Shell("$csv --help >/dev/full").exit_code, 1);
  EXPECT_THAT(Shell("$csv --version >/dev/full").output, HasSubstr("No space left on device"));
  EXPECT_EQ(Shell("$csv --no-such-flag 2>/dev/full").exit_code, 2);
  const Ended load = Import("in.csv --import-id a >/dev/full");
  EXPECT_EQ(load.exit_code, 1);
  EXPECT_THAT(load.output,
              AllOf(HasSubstr("the summary is lost"), HasSubstr("No space left on device")));
  EXPECT_EQ(Count(), "3");
  EXPECT_EQ(Shell("$dlq list --to \"$db\" >/dev/full").exit_code, 1);
  EXPECT_EQ(Import("in.csv --dry-run >/dev/full").exit_code, 1);
}

TEST_F(CsvEndingsTest, NobodyIsAdvisedToUseAnImportIdThatIsRefused) {
  dir_.Write("in.csv", Rows(1, 20'000));
  const Ended run = Shell("$csv in.csv --to stdout: --model sensor_data 2>err | head -1; cat err");
  EXPECT_THAT(run.output, AllOf(HasSubstr("prints all rows"), Not(HasSubstr("--import-id"))));
}

TEST_F(CsvEndingsTest, ARunWithoutRejectsLeavesNoDeadLetterFile) {
  dir_.Write("in.csv", Rows(1, 3));
  EXPECT_EQ(Shell("$csv in.csv --to stdout: --model sensor_data").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("csv-replay.dead-letters.jsonl")));
  const Ended refused =
      Shell("$csv in.csv --to stdout: --model sensor_data --dead-letter file:no/such/letters");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output, HasSubstr("--dead-letter file:PATH"));
}

TEST_F(CsvEndingsTest, TheInputIsNoDeadLetterFile) {
  const std::string text = Rows(1, 3) + "yesterday,a,1\n";
  dir_.Write("in.csv", text);
  const Ended run = Import("in.csv --dead-letter file:in.csv");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("is no dead letter"));
  EXPECT_EQ(ReadFile(dir_.Path("in.csv")), text);
}

// ---- Empty values. ----

TEST_F(CsvEndingsTest, AnEmptyValueIsNotTakenForNone) {
  dir_.Write("in.csv", Rows(1, 3));
  for (const std::string flag : {"--import-id", "--table", "--device", "--dead-letter"}) {
    const Ended run = Import("in.csv " + flag + " ''");
    EXPECT_EQ(run.exit_code, 2) << flag;
    EXPECT_THAT(run.output, HasSubstr(flag + ": its value is empty"));
  }
  const Ended purge = Shell("$dlq purge --to \"$db\" --yes --stream ''");
  EXPECT_EQ(purge.exit_code, 2);
  EXPECT_EQ(Import("in.csv --null ''").exit_code, 0);
  dir_.Write("config.yaml", "import-id: \"\"\n");
  EXPECT_EQ(Import("in.csv --config config.yaml").exit_code, 2);
}

// ---- Imports that have left dead letters. ----

TEST_F(CsvEndingsTest, AnImportThatLeftDeadLettersIsNotDone) {
  dir_.Write("in.csv", "ts,device,temp\nyesterday,a,1\ntomorrow,a,2\n");
  EXPECT_EQ(Import("in.csv --import-id uci").exit_code, 3);
  const Ended again = Import("in.csv --import-id uci");
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.output,
              AllOf(HasSubstr("import uci is complete, but 2 of its records are dead letters"),
                    HasSubstr("tsingest-dlq"), Not(HasSubstr("nothing to do"))));
  // Those of another table are none of it.
  database_.Exec(
      "UPDATE tsingest.dead_letter SET reading = jsonb_set(reading, '{table}', "
      "'\"other\"') WHERE line = 2");
  EXPECT_THAT(Import("in.csv --import-id uci").output, HasSubstr("1 of its records is one"));
  EXPECT_EQ(Shell("$dlq purge --to \"$db\" --yes").exit_code, 0);
  const Ended done = Import("in.csv --import-id uci");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.output, HasSubstr("import uci is complete: nothing to do"));
}

TEST_F(CsvEndingsTest, LettersOfEarlierRunsCountWhenTheRestIsGood) {
  dir_.Write("in.csv", "ts,device,temp\nyesterday,a,1\n1600000000,a,1\n1600000001,a,1\n");
  EXPECT_EQ(Import("in.csv --import-id x --limit 2").exit_code, 3);
  const Ended rest = Import("in.csv --import-id x");
  EXPECT_EQ(rest.exit_code, 3);
  EXPECT_THAT(rest.output, AllOf(HasSubstr("import x is loaded to the end, but 1 of its records"),
                                 HasSubstr("\"written\":1")));
  EXPECT_EQ(Import("in.csv --import-id y --filter ts=1600000000").exit_code, 0)
      << "a first run has nothing from before";
}

TEST_F(CsvEndingsTest, LettersInAFileCountWhereTheRunWouldPutItsOwn) {
  dir_.Write("in.csv", "ts,device,temp\nyesterday,a,1\n");
  EXPECT_EQ(Import("in.csv --import-id x --dead-letter file:letters").exit_code, 3);
  EXPECT_EQ(Import("in.csv --import-id x --dead-letter file:letters").exit_code, 3);
  EXPECT_EQ(Shell("$dlq purge --dead-letter file:letters --yes").exit_code, 0);
  EXPECT_EQ(Import("in.csv --import-id x --dead-letter file:letters").exit_code, 0);
  const Ended none = Import("in.csv --import-id x --dead-letter none");
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.output, HasSubstr("is not known"));
}

// ---- Files that change. ----

TEST_F(CsvEndingsTest, AFileThatIsCutWhileItIsReadEndsTheRun) {
  constexpr int kRows = 60'000;
  const std::string whole = Rows(1, kRows);
  const std::string file = dir_.Write("van.csv", whole);
  {
    ToolRun run("csv-replay", {file, "--to", database_.Uri(), "--model", "sensor_data", "--create",
                               "--import-id", "van", "--rate", "10000/s"});
    ASSERT_TRUE(Eventually([&] {
      return database_.Value("SELECT to_regclass('sensor_data') IS NOT NULL") == "t" &&
             Count() != "0";
    }));
    std::filesystem::resize_file(file, 0);
    EXPECT_EQ(run.Wait(), 1);
    EXPECT_THAT(run.Output(), AllOf(HasSubstr("was cut to 0 bytes while it was read"),
                                    HasSubstr("Put the whole file in its place"),
                                    Not(HasSubstr("dead letters are in"))));
  }
  dir_.Write("van.csv", whole);
  const Ended rest = Import("'" + file + "' --import-id van");
  EXPECT_EQ(rest.exit_code, 0) << rest.output;
  EXPECT_EQ(Count(), std::to_string(kRows));
}

TEST_F(CsvEndingsTest, AContinuedLastLineIsReadWholeAfterWhatTheMessageSays) {
  dir_.Write("in.csv", "ts,device,temp\n1600000000,a,1\n16000000");
  EXPECT_EQ(Import("in.csv --import-id x").exit_code, 3);
  dir_.Write("in.csv", "ts,device,temp\n1600000000,a,1\n1600000001,a,2\n1600000002,a,3\n");
  const Ended refused = Import("in.csv --import-id x");
  EXPECT_EQ(refused.exit_code, 1);
  const std::string begin = "UPDATE tsingest.positions SET position = ";
  const std::size_t at = refused.output.find(begin);
  ASSERT_NE(at, std::string::npos) << refused.output;
  EXPECT_THAT(refused.output, Not(HasSubstr("another import id")));
  std::string sql = refused.output.substr(at);
  sql = sql.substr(0, sql.find("the import id)")) + "'x'";
  database_.Exec(sql);
  EXPECT_EQ(Shell("$dlq purge --to \"$db\" --yes").exit_code, 0);
  EXPECT_EQ(Import("in.csv --import-id x").exit_code, 0);
  EXPECT_EQ(database_.Value("SELECT string_agg(temp::text, ',' ORDER BY temp) FROM sensor_data"),
            "1,2,3");
}

TEST_F(CsvEndingsTest, ARunThatAnotherOneTookOverFromIsNotToBeRunAgainAsItIs) {
  dir_.Write("in.csv", Rows(1, 3000));
  const std::string flags = " in.csv --to \"$db\" --model sensor_data --create --import-id x";
  const Ended runs = Shell("$csv" + flags +
                           " --rate 300/s >first.log 2>&1 & first=$!; "
                           "until grep -q started first.log; do sleep 0.05; done; "
                           "$csv" +
                           flags +
                           " >second.log 2>&1; echo second $?; "
                           "wait $first; echo first $?; cat first.log");
  EXPECT_THAT(runs.output, AllOf(HasSubstr("second 0"), HasSubstr("first 1"),
                                 HasSubstr("That run goes on with import x from here"),
                                 Not(HasSubstr("Run the same command again"))));
  EXPECT_EQ(Count(), "3000");
}

TEST_F(CsvEndingsTest, ACutArchiveIsMadeWholeInItsPlace) {
  dir_.Write("in.csv", Rows(1, 30'000));
  ASSERT_EQ(Shell("gzip -c in.csv > whole.gz && head -c 60000 whole.gz > in.csv.gz").exit_code, 0);
  const Ended cut = Import("in.csv.gz --import-id gz");
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_THAT(cut.output, AllOf(HasSubstr("Put the whole file in its place"),
                                Not(HasSubstr("Run the same command again"))));
  const Ended other = Import("whole.gz --import-id gz");
  EXPECT_NE(other.exit_code, 0);
  EXPECT_THAT(other.output,
              HasSubstr("if it is that file made whole, or grown, put it in the place"));
  ASSERT_EQ(Shell("mv whole.gz in.csv.gz").exit_code, 0);
  EXPECT_EQ(Import("in.csv.gz --import-id gz").exit_code, 0);
  EXPECT_EQ(Count(), "30000");
}

TEST_F(CsvEndingsTest, ARotatedFileIsToldFromAReplacedOne) {
  dir_.Write("app.csv", Rows(1, 5));
  EXPECT_EQ(Import("app.csv --import-id log").exit_code, 0);
  ASSERT_EQ(Shell("mv app.csv app.csv.1").exit_code, 0);
  dir_.Write("app.csv", Rows(6, 12));
  const Ended alone = Import("app.csv --import-id log");
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.output, HasSubstr("name the file that was moved too"));
  EXPECT_EQ(Import("app.csv.1 app.csv --import-id log").exit_code, 0);
  EXPECT_EQ(Count(), "12");
}

TEST_F(CsvEndingsTest, AWrongDelimiterIsNamedWhereTheHeadersQuotesBreak) {
  dir_.Write("in.csv", "\"ts\",\"device\",\"temp\"\n1,a,1\n");
  const Ended run = Import("in.csv --delimiter ';'");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, AllOf(HasSubstr("separated by"), HasSubstr(";"), HasSubstr("as told")));
}

// ---- What the summary says. ----

TEST_F(CsvEndingsTest, AFilterThatLetsNothingThroughIsSaid) {
  dir_.Write("in.csv", Rows(1, 100));
  const std::string command =
      "$csv in.csv --to \"$db\" --model sensor_data --create --summary text --device ";
  const Ended nobody = Shell(command + "nope");
  EXPECT_EQ(nobody.exit_code, 0);
  EXPECT_THAT(nobody.output, AllOf(HasSubstr("\n100 records were left out by --filter or --device"),
                                   HasSubstr("\"level\":\"warn\""), HasSubstr("1 batch\n")));
  EXPECT_THAT(Shell(command + "a").output,
              AllOf(Not(HasSubstr("left out")), HasSubstr("1 batch\n")));
}

TEST_F(CsvEndingsTest, ADryRunSaysWhatItWouldWrite) {
  dir_.Write("in.csv", Rows(1, 100));
  ASSERT_EQ(Import("in.csv").exit_code, 0);
  const Ended run = Shell("$csv in.csv --to \"$db\" --model sensor_data --dry-run --summary text");
  EXPECT_THAT(run.output, AllOf(HasSubstr("would write"), Not(HasSubstr("written"))));
}

TEST_F(CsvEndingsTest, OnlyFlagsThatAreNearAreSuggested) {
  EXPECT_THAT(Shell("$csv --no-such").output, Not(HasSubstr("did you mean")));
  EXPECT_THAT(Shell("$csv --crate").output, HasSubstr("did you mean --create?"));
}

// ---- A broker that does not answer. ----

// Takes connections, and never says anything.
class MuteServer {
 public:
  MuteServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(fd_, 16);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~MuteServer() { ::close(fd_); }
  MuteServer(const MuteServer&) = delete;
  MuteServer& operator=(const MuteServer&) = delete;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const int fd_;
  int port_ = 0;
};

TEST_F(CsvEndingsTest, ASignalEndsTheWaitForABroker) {
  const std::string file = dir_.Write("in.csv", Rows(1, 3));
  const MuteServer server;
  for (const std::string& to :
       {"mqtt://" + server.address() + "/t", "kafka://" + server.address() + "/t"}) {
    for (const bool previews : {false, true}) {
      std::vector<std::string> argv = {file,          "--to",          to,    "--model",
                                       "sensor_data", "--dead-letter", "none"};
      if (previews) argv.emplace_back("--dry-run-if-unreachable");
      ToolRun run("csv-replay", argv);
      ASSERT_TRUE(Eventually([&] { return run.HasSaid("delimiter"); })) << run.Output();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      const auto began = std::chrono::steady_clock::now();
      run.Signal(SIGTERM);
      EXPECT_EQ(run.Wait(), 143) << to << run.Output();
      EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3)) << to;
      EXPECT_THAT(run.Output(), AllOf(Not(HasSubstr("were printed")), Not(HasSubstr("DRY-RUN"))));
    }
  }
}

}  // namespace
}  // namespace tsingest::testing
