// csv-replay as a user meets it: exit codes, what is printed, what is in the database.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/child_process.h"
#include "support/paths.h"
#include "support/temp_dir.h"
#include "support/test_database.h"

namespace tsingest::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct ToolRun {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

class CsvReplayTest : public ::testing::Test {
 protected:
  ToolRun RunArgv(const std::vector<std::string>& argv) {
    const std::string log = dir_.Path("log" + std::to_string(++runs_));
    const pid_t pid = Spawn(argv, {::getuid(), ::getgid(), false}, log);
    const auto status = WaitFor(pid, std::chrono::minutes(2));
    if (!status.has_value()) KillTree(pid);
    std::ifstream in(log);
    return {status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1,
            std::string(std::istreambuf_iterator<char>(in), {})};
  }

  // csv-replay FILE --to the test's database --model MODEL …, with a JSON summary.
  ToolRun Load(const std::string& file, const std::string& model, std::vector<std::string> more) {
    std::vector<std::string> argv = {ToolPath("csv-replay").string(),
                                     file,
                                     "--to",
                                     database_.Uri(),
                                     "--model",
                                     model,
                                     "--summary",
                                     "json",
                                     "--progress",
                                     "never"};
    argv.insert(argv.end(), more.begin(), more.end());
    return RunArgv(argv);
  }

  std::string Tables() const {
    return database_.Value(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')");
  }

  TempDir dir_;
  TestDatabase database_;
  int runs_ = 0;
};

// ---- What is wrong is found before anything is made. ----

TEST_F(CsvReplayTest, AWrongHeaderMakesNothing) {
  const ToolRun run = Load(dir_.Write("in.csv", "when,who\n1,a\n"), "sensor_data", {"--create"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, AllOf(HasSubstr("in.csv"), HasSubstr("device_id"), HasSubstr("--map")));
  EXPECT_EQ(Tables(), "0");
}

TEST_F(CsvReplayTest, AConnectionStringThatCannotWorkIsWrongUsage) {
  const std::string file = dir_.Write("in.csv", "ts,device_id\n1,a\n");
  for (const auto& [uri, words] : std::vector<std::pair<std::string, std::string>>{
           {"postgresql://x@127.0.0.1:54x/p", "54x"},
           {"postgresql://x@127.0.0.1:1/p?sslmode=bogus", "bogus"}}) {
    const ToolRun run = RunArgv({ToolPath("csv-replay").string(), file, "--to", uri, "--model",
                                 "sensor_data", "--log-format", "json"});
    EXPECT_EQ(run.exit_code, 2) << run.output;
    EXPECT_THAT(run.output, AllOf(HasSubstr("connection string"), HasSubstr(words)));
  }
}

TEST_F(CsvReplayTest, AMissingFileMakesNothing) {
  const ToolRun run = Load(dir_.Path("nowhere.csv"), "sensor_data", {"--create"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("nowhere.csv"));
  EXPECT_EQ(Tables(), "0");
}

TEST_F(CsvReplayTest, AWrongHeaderOnStandardInputIsWrongUsageToo) {
  const std::string file = dir_.Write("in.csv", "when,who\n1,a\n");
  const ToolRun run = RunArgv({"/bin/sh", "-c",
                               "cat '" + file + "' | '" + ToolPath("csv-replay").string() +
                                   "' - --to stdout: --model sensor_data"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("--map"));
}

TEST_F(CsvReplayTest, ATimeFormatThatCannotBeReadIsWrongUsage) {
  const ToolRun run =
      Load(dir_.Write("in.csv", "ts,device\n1,a\n"), "sensor_data", {"--time-format", "%d/%m/%Q"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, AllOf(HasSubstr("--time-format"), HasSubstr("%Q")));
}

// ---- Files of the field. ----

TEST_F(CsvReplayTest, DateAndTimeInTwoColumnsDecimalCommasAndMissingValues) {
  const std::string file = dir_.Write("air.csv",
                                      "Date;Time;CO(GT);T;RH;;\r\n"
                                      "10/03/2004;18.00.00;2,6;13,6;48,9;;\r\n"
                                      "10/03/2004;19.00.00;-200;-200,0;47,7;;\r\n"
                                      "10/03/2004;;1;1;1;;\r\n"
                                      ";;;;;;\r\n");
  const ToolRun run =
      Load(file, "iot_measurements",
           {"--create", "--map", "timestamp=Date+Time", "--time-format", "%d/%m/%Y %H.%M.%S",
            "--set", "device_id=air", "--null", "-200", "--unpivot", "CO(GT):mg/m3,T:C,RH:%"});
  EXPECT_EQ(run.exit_code, 3) << run.output;
  EXPECT_THAT(run.output,
              HasSubstr("\"received\":7,\"written\":6,\"deduplicated\":0,\"dead_lettered\":1"));
  const TextRows rows = database_.Query(
      "SELECT to_char(\"timestamp\" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), component_type, "
      "value, unit FROM iot_measurements WHERE value IS NOT NULL ORDER BY 1, 2");
  EXPECT_THAT(rows, ElementsAre(ElementsAre("2004-03-10 18:00", "CO(GT)", "2.6", "mg/m3"),
                                ElementsAre("2004-03-10 18:00", "RH", "48.9", "%"),
                                ElementsAre("2004-03-10 18:00", "T", "13.6", "C"),
                                ElementsAre("2004-03-10 19:00", "RH", "47.7", "%")));
  EXPECT_THAT(database_.Value("SELECT line || ' ' || code || ' ' || reason FROM "
                              "tsingest.dead_letter"),
              AllOf(HasSubstr("4 missing"), HasSubstr("\"Date\" and \"Time\"")));
}

TEST_F(CsvReplayTest, TitlesCommentsAndEscapedQuotesGoOnWhereTheyStopped) {
  const std::string begin =
      "Logger 7, \"raw\n"
      "# units: s, , C\n"
      "ts,device,temp\n"
      "1600000000,'a \\'b\\', c',1.5\n"
      "# it's 'cold\n";
  const std::vector<std::string> flags = {"--skip-lines", "1",        "--comment", "#",
                                          "--quote",      "'",        "--escape",  "\\",
                                          "--import-id",  "logger-7", "--create"};
  const std::string file = dir_.Write("in.csv", begin);
  const ToolRun first = Load(file, "sensor_data", flags);
  EXPECT_EQ(first.exit_code, 0) << first.output;
  dir_.Write("in.csv", begin + "# again\n1600000001,d,2.5\n1600000002,'#e',oops\n");
  const ToolRun second = Load(file, "sensor_data", flags);
  EXPECT_EQ(second.exit_code, 3) << second.output;
  EXPECT_THAT(second.output, HasSubstr("from line 7 on"));
  EXPECT_EQ(database_.Value("SELECT string_agg(device_id || temp, ';' ORDER BY ts) "
                            "FROM sensor_data"),
            "a 'b', c1.5;d2.5");
  EXPECT_EQ(database_.Value("SELECT line FROM tsingest.dead_letter"), "8");
}

// ---- Going on. ----

TEST_F(CsvReplayTest, AReplacedFileIsNotToBeRunAgainAsItIs) {
  const std::string file = dir_.Write("in.csv", "ts,device\n1,a\n2,b\n");
  ASSERT_EQ(Load(file, "sensor_data", {"--create", "--import-id", "x"}).exit_code, 0);
  dir_.Write("in.csv", "ts,device\n1,c\n2,d\n3,e\n");
  const ToolRun run = Load(file, "sensor_data", {"--import-id", "x"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.output,
              AllOf(HasSubstr("another import id"), Not(HasSubstr("Run the same command again")),
                    Not(HasSubstr("waiting:"))));
  EXPECT_EQ(database_.Value("SELECT count(*) FROM sensor_data"), "2");
}

// ---- Connections are short. ----

TEST_F(CsvReplayTest, MoreWritersThanConnectionsShareThem) {
  std::string text = "ts,device\n";
  for (int i = 0; i < 5000; ++i) text += std::to_string(1'600'000'000 + i) + ",a\n";
  const std::string file = dir_.Write("in.csv", text);
  ASSERT_EQ(Load(file, "sensor_data", {"--create", "--limit", "0"}).exit_code, 0);
  database_.Exec(
      "CREATE ROLE few LOGIN CONNECTION LIMIT 2; GRANT ALL ON SCHEMA public, tsingest TO few; "
      "GRANT ALL ON ALL TABLES IN SCHEMA public, tsingest TO few");
  std::string uri = database_.Uri();
  uri.replace(uri.find("//") + 2, uri.find('@') - uri.find("//") - 2, "few");
  for (const bool has_ledger : {false, true}) {
    std::vector<std::string> more = {"--to", uri, "--writers", "8", "--batch-size", "100"};
    std::vector<std::string> argv = {
        ToolPath("csv-replay").string(), file, "--model", "sensor_data", "--progress", "never"};
    argv.insert(argv.end(), more.begin(), more.end());
    if (has_ledger) argv.insert(argv.end(), {"--import-id", "few"});
    const ToolRun run = RunArgv(argv);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_EQ(database_.Value("SELECT count(*) || ' ' || count(DISTINCT ts) FROM sensor_data"),
              "5000 5000");
    database_.Exec("TRUNCATE sensor_data");
  }
  database_.Exec("DROP OWNED BY few; DROP ROLE few");
}

// ---- Real files, where TSINGEST_DATA names a folder that has them. ----

class CsvReplayRealDataTest : public CsvReplayTest {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("TSINGEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "TSINGEST_DATA names no folder with real files";
    folder_ = folder;
  }
  std::filesystem::path Need(const std::string& name) const {
    const std::filesystem::path path = folder_ / name;
    if (!std::filesystem::exists(path)) throw std::runtime_error("there is no " + path.string());
    return path;
  }
  std::filesystem::path Unpack(const std::string& archive) {
    const std::string out = dir_.Path("unpacked");
    std::filesystem::create_directory(out);
    EXPECT_EQ(RunArgv({"/usr/bin/env", "tar", "--zstd", "-xf", Need(archive).string(), "-C", out})
                  .exit_code,
              0);
    return out;
  }
  // psql COPY of a file into a table of texts: the independent reading.
  void CopyText(const std::string& file, const std::string& table, const std::string& columns,
                const std::string& options) {
    database_.Exec("CREATE TABLE " + table + " (" + columns + ")");
    const ToolRun run =
        RunArgv({"/usr/bin/env", "psql", "-X", database_.Uri(), "-v", "ON_ERROR_STOP=1", "-c",
                 "\\copy " + table + " from '" + file + "' with (format csv" + options + ")"});
    ASSERT_EQ(run.exit_code, 0) << run.output;
  }
  // How many rows of the two queries have no equal on the other side.
  std::string Differences(const std::string& one, const std::string& other) const {
    return database_.Value("SELECT count(*) FROM ((" + one + " EXCEPT ALL " + other +
                           ") UNION ALL (" + other + " EXCEPT ALL " + one + ")) AS d");
  }

  std::filesystem::path folder_;
};

TEST_F(CsvReplayRealDataTest, AirQualityUnpivotedIsWhatPsqlReads) {
  const std::string file =
      (Unpack("csv/uci_air_quality.tar.zst") / "uci_air_quality/AirQualityUCI.csv").string();
  const std::string unpivot =
      "CO(GT):mg/m3,PT08.S1(CO),NMHC(GT):ug/m3,C6H6(GT):ug/m3,PT08.S2(NMHC),NOx(GT):ppb,"
      "PT08.S3(NOx),NO2(GT):ug/m3,PT08.S4(NO2),PT08.S5(O3),T:C,RH:%,AH";
  const std::vector<std::string> common = {
      "--create", "--time-format", "%d/%m/%Y %H.%M.%S", "--null", "-200", "--unpivot", unpivot};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), common.begin(), common.end());
    return more;
  };
  const ToolRun narrow = Load(file, "iot_measurements",
                              with({"--map", "timestamp=Date+Time", "--set", "device_id=uci"}));
  EXPECT_EQ(narrow.exit_code, 0) << narrow.output;
  const ToolRun topics =
      Load(file, "metrics", with({"--map", "time=Date+Time", "--set", "topic=uci"}));
  EXPECT_EQ(topics.exit_code, 0) << topics.output;

  CopyText(
      file, "staging",
      "d text, t text, c1 text, c2 text, c3 text, c4 text, c5 text, c6 text, c7 text, c8 text, "
      "c9 text, c10 text, c11 text, c12 text, c13 text, e1 text, e2 text",
      ", delimiter ';', header");
  database_.Exec(
      "CREATE VIEW expected AS SELECT to_timestamp(d || ' ' || t || ' +00', "
      "'DD/MM/YYYY HH24.MI.SS TZH') AS at, name, nullif(replace(v, ',', '.')::float8, -200) AS v "
      "FROM staging, LATERAL (VALUES ('CO(GT)', c1), ('PT08.S1(CO)', c2), ('NMHC(GT)', c3), "
      "('C6H6(GT)', c4), ('PT08.S2(NMHC)', c5), ('NOx(GT)', c6), ('PT08.S3(NOx)', c7), "
      "('NO2(GT)', c8), ('PT08.S4(NO2)', c9), ('PT08.S5(O3)', c10), ('T', c11), ('RH', c12), "
      "('AH', c13)) AS x (name, v) WHERE d <> ''");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM expected"), "121641");
  EXPECT_EQ(Differences("SELECT at, name, v FROM expected",
                        "SELECT \"timestamp\", component_type, value FROM iot_measurements"),
            "0");
  EXPECT_EQ(Differences("SELECT at, 'uci/' || name, v FROM expected",
                        "SELECT time, topic, value FROM metrics"),
            "0");
}

TEST_F(CsvReplayRealDataTest, ADayOfTelemetryIsWhatPsqlReads) {
  const std::string file = Need("iot_telemetry/iot_telemetry_2020-07-13.csv.zst").string();
  const ToolRun wide = Load(file, "sensor_data", {"--create"});
  EXPECT_EQ(wide.exit_code, 0) << wide.output;
  // What is finer than a microsecond is rounded half to even.
  const std::string text = dir_.Path("day.csv");
  ASSERT_EQ(RunArgv({"/usr/bin/env", "zstd", "-dqo", text, file}).exit_code, 0);
  CopyText(text, "staging",
           "ts numeric, device text, co float8, humidity float8, light boolean, lpg float8, "
           "motion boolean, smoke float8, temp float8",
           ", header");
  EXPECT_EQ(Differences("SELECT CASE WHEN ts * 1000000 % 2 = 0.5 THEN trunc(ts, 6) ELSE round(ts, "
                        "6) END, device, co, humidity, light::int, lpg, "
                        "motion::int, smoke, temp FROM staging",
                        "SELECT extract(epoch FROM ts), device_id, co, humidity, "
                        "light::int, lpg, motion::int, smoke, temp FROM sensor_data"),
            "0");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM sensor_data"), "50270");

  const ToolRun narrow = Load(file, "iot_measurements",
                              {"--create", "--map", "device_id=device", "--unpivot",
                               "co,humidity:%,light,lpg,motion,smoke,temp:C"});
  EXPECT_EQ(narrow.exit_code, 0) << narrow.output;
  EXPECT_THAT(narrow.output, HasSubstr("\"received\":351890,"));
  EXPECT_EQ(Differences("SELECT DISTINCT ts, device_id, k, v FROM sensor_data, LATERAL (VALUES "
                        "('co', co), ('humidity', humidity), ('light', light::float8), ('lpg', "
                        "lpg), ('motion', motion::float8), ('smoke', smoke), ('temp', temp)) AS x "
                        "(k, v)",
                        "SELECT \"timestamp\", device_id, component_type, value FROM "
                        "iot_measurements"),
            "0");
}

TEST_F(CsvReplayRealDataTest, TheAnomalyBenchmarkIsWhatPsqlReads) {
  const std::filesystem::path root = Unpack("csv/numenta_nab.tar.zst") / "numenta_nab/data";
  database_.Exec("CREATE TABLE expected (at timestamp, v float8, topic text)");
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".csv") continue;
    const std::string topic = "nab/" + entry.path().stem().string();
    const ToolRun run = Load(entry.path().string(), "metrics",
                             {"--create", "--set", "topic=" + topic, "--import-id", "nab"});
    ASSERT_EQ(run.exit_code, 0) << entry.path() << run.output;
    CopyText(entry.path().string(), "part", "at timestamp, v float8", ", header");
    database_.Exec("INSERT INTO expected SELECT at, v, '" + topic + "' FROM part; DROP TABLE part");
    ++files;
  }
  EXPECT_EQ(files, 41);
  EXPECT_EQ(database_.Value("SELECT count(*) FROM metrics"), "311596");
  EXPECT_EQ(Differences("SELECT at, v, topic FROM expected",
                        "SELECT time AT TIME ZONE 'UTC', value, topic FROM metrics"),
            "0");
}

}  // namespace
}  // namespace tsingest::testing
