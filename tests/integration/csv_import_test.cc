// Imports of csv-replay as a user meets them: which file goes on where, and what is refused.
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/paths.h"
#include "support/temp_dir.h"
#include "support/test_database.h"
#include "support/tool_run.h"

namespace tsingest::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ended {
  int exit_code = -1;
  std::string output;
};

class CsvImportTest : public ::testing::Test {
 protected:
  Ended Run(std::vector<std::string> argv, const std::string& tool = "csv-replay") {
    ToolRun run(tool, std::move(argv));
    const int exit_code = run.Wait();
    return {exit_code, run.Output()};
  }
  // csv-replay … --to the test's database, as import `imp` of the model sensor_data.
  Ended Import(std::vector<std::string> argv) {
    for (const char* word : {"--model", "sensor_data", "--import-id", "imp"}) argv.push_back(word);
    return Load(std::move(argv));
  }
  Ended Load(std::vector<std::string> argv) {
    const std::string uri = database_.Uri();
    for (const std::string& word :
         {std::string("--to"), uri, std::string("--summary"), std::string("json"),
          std::string("--progress"), std::string("never"), std::string("--create")}) {
      argv.push_back(word);
    }
    return Run(std::move(argv));
  }
  std::string Rows() { return database_.Value("SELECT count(*) FROM sensor_data"); }
  std::string Streams() {
    return database_.Value(
        "SELECT string_agg(stream, ' ' ORDER BY stream) FROM tsingest.positions WHERE ledger = "
        "'imp'");
  }
  static std::string Csv(int first, int last) {
    std::string text = "ts,device,temp\n";
    for (int i = first; i <= last; ++i) text += std::to_string(1'600'000'000 + i) + ",a,1\n";
    return text;
  }

  TempDir dir_;
  TestDatabase database_;
};

TEST_F(CsvImportTest, TheSameFileByAnotherPathIsLoadedOnce) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  fs::create_symlink(file, dir_.Path("link.csv"));
  ASSERT_EQ(Import({dir_.Path("link.csv")}).exit_code, 0);
  const Ended again = Import({file});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(Rows(), "5");
  EXPECT_EQ(Streams(), "file:" + fs::canonical(file).string());
}

TEST_F(CsvImportTest, AFinishedImportSaysThatThereIsNothingToDo) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  const Ended first = Import({file});
  ASSERT_EQ(first.exit_code, 0) << first.output;
  EXPECT_THAT(first.output, Not(HasSubstr("nothing to do")));
  const Ended again = Import({file});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.output, AllOf(HasSubstr("import imp is complete: nothing to do"),
                                  HasSubstr("\"received\":0,\"written\":0")));
  dir_.Append("x.csv", "1600000006,a,1\n");
  const Ended grown = Import({file});
  EXPECT_EQ(grown.exit_code, 0);
  EXPECT_THAT(grown.output, AllOf(HasSubstr("x.csv: has grown since it was loaded"),
                                  HasSubstr("\"written\":1,"), Not(HasSubstr("nothing to do"))));
  EXPECT_EQ(Rows(), "6");
}

TEST_F(CsvImportTest, AMovedFileGoesOnWhereItStopped) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  ASSERT_EQ(Import({file, "--limit", "3"}).exit_code, 0);
  EXPECT_EQ(Rows(), "3");
  fs::rename(file, dir_.Path("y.csv"));
  const Ended moved = Import({dir_.Path("y.csv")});
  EXPECT_EQ(moved.exit_code, 0) << moved.output;
  EXPECT_THAT(moved.output, HasSubstr("\"written\":2,"));
  EXPECT_EQ(Rows(), "5");
  EXPECT_EQ(Streams(), "file:" + dir_.Path("y.csv"));
}

TEST_F(CsvImportTest, ACopyIsRefusedBeforeAnythingIsWritten) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  ASSERT_EQ(Import({file}).exit_code, 0);
  const Ended copy = Import({dir_.Write("y.csv", Csv(1, 7))});
  EXPECT_EQ(copy.exit_code, 2) << copy.output;
  EXPECT_THAT(copy.output, AllOf(HasSubstr("y.csv: begins like"), HasSubstr("import id")));
  EXPECT_EQ(Rows(), "5");
  const Ended other = Import({dir_.Write("z.csv", Csv(8, 9))});
  EXPECT_EQ(other.exit_code, 0) << other.output;
  EXPECT_EQ(Rows(), "7");
}

TEST_F(CsvImportTest, RotatedFilesKeepTheirPositions) {
  const std::string file = dir_.Write("log.csv", Csv(1, 5));
  ASSERT_EQ(Import({file, "--limit", "3"}).exit_code, 0);
  fs::rename(file, dir_.Path("log.csv.1"));
  dir_.Write("log.csv", Csv(6, 7));
  const Ended both = Import({file, dir_.Path("log.csv.1")});
  EXPECT_EQ(both.exit_code, 0) << both.output;
  EXPECT_EQ(Rows(), "7");
  EXPECT_EQ(Streams(), "file:" + file + " file:" + file + ".1");
}

TEST_F(CsvImportTest, PositionsOfAnEarlierVersionAreFound) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  fs::create_symlink(file, dir_.Path("link.csv"));
  ASSERT_EQ(Import({file, "--limit", "3"}).exit_code, 0);
  database_.Exec("UPDATE tsingest.positions SET stream = 'file:" + dir_.Path("link.csv") +
                 "', detail = substring(detail from '^csv1 [0-9]+ [0-9a-f]+')");
  const Ended again = Import({dir_.Path("link.csv")});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(Rows(), "5");
  EXPECT_EQ(Streams(), "file:" + file);
}

TEST_F(CsvImportTest, AnotherTableOrModelNeedsAnotherImport) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  ASSERT_EQ(Import({file}).exit_code, 0);
  EXPECT_EQ(Import({file, "--table", "public.sensor_data"}).exit_code, 0);  // the same one
  const Ended table = Import({file, "--table", "other"});
  EXPECT_EQ(table.exit_code, 2);
  EXPECT_THAT(table.output, AllOf(HasSubstr("public.sensor_data"), HasSubstr("public.other"),
                                  HasSubstr("another import id")));
  const Ended model =
      Load({file, "--model", "iot_measurements", "--import-id", "imp", "--map", "timestamp=ts",
            "device_id=device", "value=temp", "--table", "sensor_data"});
  EXPECT_EQ(model.exit_code, 2);
  EXPECT_THAT(model.output, AllOf(HasSubstr("model sensor_data"), HasSubstr("iot_measurements")));
  EXPECT_EQ(database_.Value("SELECT to_regclass('other') IS NULL"), "t");  // nothing was made
  EXPECT_EQ(Rows(), "5");
}

TEST_F(CsvImportTest, ADryRunRenamesNothing) {
  const std::string file = dir_.Write("x.csv", Csv(1, 5));
  ASSERT_EQ(Import({file, "--limit", "3"}).exit_code, 0);
  fs::rename(file, dir_.Path("y.csv"));
  EXPECT_EQ(Import({dir_.Path("y.csv"), "--dry-run"}).exit_code, 0);
  EXPECT_EQ(Streams(), "file:" + file);
}

// ---- Local times that came twice. ----

constexpr char kNight[] =
    "ts,device,temp\n"
    "2024-10-27 01:30,a,1\n"
    "2024-10-27 02:10,a,2\n"
    "2024-10-27 02:40,a,3\n"
    "2024-10-27 02:10,a,4\n"
    "2024-10-27 02:40,a,5\n"
    "2024-10-27 03:10,a,6\n";

TEST_F(CsvImportTest, TheOrderOfRowsIsKnownAfterAStopToo) {
  const std::string file = dir_.Write("night.csv", kNight);
  for (int i = 0; i < 6; ++i) {  // one row in each run: every place is one to go on at
    const Ended run = Import({file, "--time-zone", "Europe/Berlin", "--limit", "1"});
    ASSERT_EQ(run.exit_code, 0) << run.output;
  }
  EXPECT_EQ(database_.Value("SELECT string_agg(to_char(ts AT TIME ZONE 'UTC', 'HH24:MI'), ' ' "
                            "ORDER BY temp) FROM sensor_data"),
            "23:30 00:10 00:40 01:10 01:40 02:10");
}

TEST_F(CsvImportTest, WhatOrderDoesNotTellIsRejectedWithTheFlag) {
  const std::string file = dir_.Write("night.csv",
                                      "ts,device,temp\n"
                                      "2024-10-27 02:10,a,1\n"
                                      "2024-03-31 02:10,a,2\n");
  const Ended run = Import({file, "--time-zone", "Europe/Berlin"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(database_.Value("SELECT reason FROM tsingest.dead_letter WHERE line = 2"),
              HasSubstr("--ambiguous-time"));
  EXPECT_THAT(database_.Value("SELECT reason FROM tsingest.dead_letter WHERE line = 3"),
              HasSubstr("does not exist"));
  const Ended later = Load({file, "--model", "sensor_data", "--import-id", "two", "--time-zone",
                            "Europe/Berlin", "--ambiguous-time", "later"});
  EXPECT_EQ(later.exit_code, 3);
  EXPECT_EQ(database_.Value("SELECT to_char(ts AT TIME ZONE 'UTC', 'HH24:MI') FROM sensor_data"),
            "01:10");
}

TEST_F(CsvImportTest, TheFlagNeedsAZone) {
  const Ended run = Import({dir_.Write("x.csv", Csv(1, 2)), "--ambiguous-time", "later"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.output, HasSubstr("--time-zone"));
}

// A record that waits for its time is decoded more than once.
TEST_F(CsvImportTest, APacedRunReadsTheOrderOnce) {
  const std::string file = dir_.Write("night.csv", kNight);
  const Ended run = Import({file, "--time-zone", "Europe/Berlin", "--interval", "20ms"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(database_.Value("SELECT string_agg(to_char(ts AT TIME ZONE 'UTC', 'HH24:MI'), ' ' "
                            "ORDER BY temp) FROM sensor_data"),
            "23:30 00:10 00:40 01:10 01:40 02:10");
}

// ---- What is said at the start. ----

TEST_F(CsvImportTest, LeftOverColumnsAndFieldsAreNamed) {
  const Ended run = Import({dir_.Write("x.csv", "ts,device,temp,colour,site\n1,a,2,red,b\n"),
                            "--filter", "site=b", "--log-format", "text"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output,
              AllOf(HasSubstr("columns not used: colour; map them with --map FIELD=COLUMN"),
                    HasSubstr("fields without a column: co (NULL), humidity (NULL)"),
                    HasSubstr("ingest_time (arrival time)")));
  const std::size_t first = run.output.find("columns not used");
  EXPECT_EQ(run.output.find("columns not used", first + 1), std::string::npos) << run.output;
}

TEST_F(CsvImportTest, DescribesModelsWithoutATarget) {
  const Ended one = Run({"--describe", "--model", "iot_measurements"});
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_THAT(one.output, AllOf(HasSubstr("Model iot_measurements"), HasSubstr("varchar(50)"),
                                HasSubstr("mac_address, device_id"), HasSubstr("\"unknown\""),
                                HasSubstr("rejected"), HasSubstr("NULL"), HasSubstr("key")));
  const Ended all = Run({"--describe"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_THAT(all.output, HasSubstr("models: iot_measurements, metrics, sensor_data"));
  const Ended wrong = Run({"--describe", "--model", "sensors"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.output, HasSubstr("allowed: iot_measurements, metrics, sensor_data"));
}

TEST_F(CsvImportTest, ServicesDescribeTheirModelsToo) {
  for (const auto& [tool, model] :
       {std::pair("kafka2ts", "Model iot_measurements"), std::pair("mqtt2ts", "Model metrics")}) {
    if (!fs::exists(ToolPath(tool))) continue;  // left out of this build
    const Ended run = Run({"--describe"}, tool);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.output, HasSubstr(model));
  }
}

}  // namespace
}  // namespace tsingest::testing
