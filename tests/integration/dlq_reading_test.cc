// How tsingest-dlq reads letters again: as their messages were read when they came.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/dlq_test_fixture.h"

namespace tsingest::testing {
namespace {

using ::testing::HasSubstr;

class DlqReadingTest : public DlqTest {
 protected:
  // Loads the file; its bad rows become letters.
  void Load(const std::filesystem::path& file, std::vector<std::string> more,
            const std::string& model = "sensor_data") {
    std::vector<std::string> arguments = {file.string(), "--to", Uri(), "--model", model};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended loaded = Run("csv-replay", std::move(arguments));
    ASSERT_EQ(loaded.code, 3) << loaded.output;
  }
  std::string Reading(const std::string& member) const {
    return database_.Value("SELECT string_agg(reading->>'" + member +
                           "', ';' ORDER BY id) FROM tsingest.dead_letter");
  }
  // A letter of `metrics`, as mqtt2ts or an older version of it would have stored it.
  void PutMetric(const std::string& payload, const std::string& reading,
                 const std::string& arrival) const {
    Put(payload, "type", ", reading, arrival", ", " + reading + ", " + arrival);
  }
  Ended ReplayMetrics(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"replay", "--model", "metrics", "--create"});
    return Dlq(std::move(arguments));
  }
};

// The whole way: csv-replay is told much, the replay nothing.
TEST_F(DlqReadingTest, ACsvRecordIsReadAsItsFileWas) {
  const auto file = WriteFile("day.csv",
                              "Datum;Gerät;T;H\n"
                              "2024-07-01 12:00:00;d1;21,5;40\n"
                              "2024-07-01 12:00:01;d2;60,25;n/a\n");
  database_.Exec("ALTER TABLE sensor_data ADD CONSTRAINT small CHECK (temp < 30)");
  Load(file, {"--delimiter", ";", "--decimal-comma", "--map", "ts=Datum", "device_id=Gerät",
              "temp=T", "--null", "n/a", "--set", "humidity=12,5", "--time-zone", "Europe/Berlin"});
  EXPECT_EQ(Reading("format") + "|" + Reading("delimiter") + "|" + Reading("time_zone"),
            "csv|;|Europe/Berlin");
  database_.Exec("ALTER TABLE sensor_data DROP CONSTRAINT small");
  const Ended replay = Replay({});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT string_agg(concat_ws(' ', device_id, ts AT TIME ZONE 'UTC', "
                            "temp, humidity), ';' ORDER BY ts) FROM sensor_data"),
            "d1 2024-07-01 10:00:00 21.5 12.5;d2 2024-07-01 10:00:01 60.25 12.5");
  EXPECT_EQ(Letters("id"), "");
}

TEST_F(DlqReadingTest, ARecordThatWasRejectedAndRepairedIsReadAsItsFileWas) {
  Load(WriteFile("day.csv", "0;d;1600000000000\n1;d;oops\n"),
       {"--no-header", "--columns", "temp,device_id,ts", "--delimiter", ";", "--time-unit", "ms"});
  ::setenv("EDITOR", "sed -i s/oops/1600000001000/g", 1);
  const Ended replay = Replay({"--edit"});
  ::unsetenv("EDITOR");
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT string_agg(extract(epoch FROM ts)::bigint || ' ' || temp, ';' "
                            "ORDER BY ts) FROM sensor_data"),
            "1600000000 0;1600000001 1");
}

TEST_F(DlqReadingTest, QuoteAndEscapeAreThoseOfTheFile) {
  Load(WriteFile("day.csv", "ts,device_id,temp\n1600000000,'a\\'b, c',oops\n"),
       {"--quote", "'", "--escape", "\\"});
  ::setenv("EDITOR", "sed -i s/oops/1/g", 1);
  const Ended replay = Replay({"--edit"});
  ::unsetenv("EDITOR");
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT device_id FROM sensor_data"), "a'b, c");
}

TEST_F(DlqReadingTest, OneRowOfAnUnpivotedRecordIsReplayed) {
  const auto file = WriteFile("day.csv", "ts,device,t,h\n1600000000,d,20,50\n");
  ASSERT_EQ(Run("csv-replay", {file.string(), "--to", Uri(), "--model", "iot_measurements",
                               "--create", "--limit", "0", "--map", "device_id=device"})
                .code,
            0);
  database_.Exec("ALTER TABLE iot_measurements ADD CONSTRAINT small CHECK (value < 30)");
  Load(file, {"--unpivot", "t:C,h:%", "--map", "device_id=device"}, "iot_measurements");
  database_.Exec("ALTER TABLE iot_measurements DROP CONSTRAINT small");
  const Ended replay = Dlq({"replay", "--model", "iot_measurements"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT string_agg(concat(component_type, value, unit), ';' ORDER BY "
                            "value) FROM iot_measurements"),
            "t20C;h50%");
}

TEST_F(DlqReadingTest, LettersInAFileKeepTheirReading) {
  const auto letters = directory_.path() / "rejects.jsonl";
  Load(WriteFile("day.csv", "ts;device_id;temp\n1600000000;d;x\n"),
       {"--delimiter", ";", "--dead-letter", "file:" + letters.string()});
  Load(WriteFile("more.csv", "temp\tts\tdevice_id\nx\t1600000001\td\n"),
       {"--dead-letter", "file:" + letters.string()});
  EXPECT_THAT(
      Run("tsingest-dlq", {"show", "1", "--dead-letter", "file:" + letters.string()}).output,
      HasSubstr(R"("delimiter":";")"));
  const Ended taken = Replay({"--dead-letter", "file:" + letters.string()});
  EXPECT_EQ(taken.code, 3) << taken.output;
  EXPECT_EQ(Reading("model"), "sensor_data;sensor_data");
  ::setenv("EDITOR", "sed -i -e 's/;x/;1/' -e 's/\"payload\":\"x/\"payload\":\"2/'", 1);
  const Ended replay = Replay({"--edit"});
  ::unsetenv("EDITOR");
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "1,2");
}

TEST_F(DlqReadingTest, ModelAndTableAreThoseOfTheLetters) {
  EXPECT_THAT(Dlq({"replay"}).output, HasSubstr("nothing to replay"));
  const auto file = WriteFile("day.csv", "ts,device_id,temp\n1600000000,d,x\n");
  Load(file, {"--create", "--table", "plant_a"});
  ::setenv("EDITOR", "sed -i s/d,x/d,7/", 1);
  const Ended replay = Dlq({"replay", "--edit"});
  ::unsetenv("EDITOR");
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT temp FROM plant_a"), "7");

  // Of two tables the model's is meant, so that the others are refused as ever.
  Load(file, {"--table", "plant_a"});
  Load(file, {});
  const Ended tables = Dlq({"replay"});
  EXPECT_EQ(tables.code, 2);
  EXPECT_THAT(tables.output, HasSubstr("were for table plant_a, and this replay writes into"));
  EXPECT_EQ(Dlq({"replay", "2"}).code, 3);  // is no number yet

  PutMetric(R"({"value":1})", R"('{"format":"json","model":"metrics"}')", "now()");
  const Ended models = Dlq({"replay"});
  EXPECT_EQ(models.code, 2);
  EXPECT_THAT(models.output, HasSubstr("the letters are of several models ("));
}

TEST_F(DlqReadingTest, LettersThatDoNotSayTheirModelWantItTold) {
  Put(Row(20));
  const Ended unsaid = Dlq({"replay"});
  EXPECT_EQ(unsaid.code, 2);
  EXPECT_THAT(unsaid.output, HasSubstr("do not say of which model they are: give --model NAME"));
  database_.Exec(
      "UPDATE tsingest.dead_letter SET reading = '{\"format\":\"json\",\"model\":\"mine\"}'");
  const Ended unknown = Dlq({"replay"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.output, HasSubstr("this tool knows no model mine"));
  database_.Exec("ALTER TABLE tsingest.dead_letter DROP COLUMN reading, DROP COLUMN arrival");
  const Ended old = Dlq({"replay"});
  EXPECT_EQ(old.code, 2) << old.output;
}

TEST_F(DlqReadingTest, AMissingTimestampIsTheArrivalNotTheLettersTime) {
  const std::string reading = R"('{"format":"json","model":"metrics","table":"metrics"}')";
  PutMetric(R"({"value":1})", reading, "'2023-05-05T10:20:30.000001Z'");
  PutMetric(R"({"value":2})", "NULL", "NULL");  // of an older version: the letter's time stands in
  const Ended replay = ReplayMetrics();
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT string_agg(concat_ws(' ', time AT TIME ZONE 'UTC', value), ';' "
                            "ORDER BY value) FROM metrics"),
            "2023-05-05 10:20:30.000001 1;2024-01-01 00:00:00 2");
}

TEST_F(DlqReadingTest, LettersOfAnotherModelAreRefusedBeforeAnythingIsDone) {
  Put(Row(1));
  const std::string id = Put(R"({"value":1})", "type", ", reading",
                             R"(, '{"format":"json","model":"metrics","table":"metrics"}')");
  const Ended refused = Replay({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("1 of the letters (the first: " + id + ")"));
  EXPECT_THAT(refused.output,
              HasSubstr("of model metrics, and this replay is of model sensor_data"));
  EXPECT_THAT(refused.output, HasSubstr("--model metrics"));
  EXPECT_THAT(refused.output, HasSubstr("--ignore-readings"));
  EXPECT_EQ(Temps(), "");
  EXPECT_EQ(Letters("attempts"), "1;1");
  const auto repairs = WriteFile("repairs", R"({"id":)" + id + R"(,"payload":)" + Row(3) + "}\n");
  EXPECT_EQ(Replay({"--from-file", repairs.string()}).code, 2) << "repairs, too";
  const Ended ignoring = Replay({"--from-file", repairs.string(), "--ignore-readings"});
  EXPECT_EQ(ignoring.code, 0) << ignoring.output;
  EXPECT_EQ(Temps(), "3");
}

TEST_F(DlqReadingTest, LettersForAnotherTableAreRefused) {
  Put(Row(1), "time", ", reading",
      R"(, '{"format":"json","model":"sensor_data","table":"plant.readings"}')");
  const Ended refused = Replay({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("were for table plant.readings, and this replay writes "
                                        "into sensor_data"));
  EXPECT_THAT(refused.output, HasSubstr("--table plant.readings"));
  const Ended replay = Replay({"--any-table"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(Temps(), "1");
}

TEST_F(DlqReadingTest, TheSameTableWithAndWithoutItsSchemaIsOne) {
  Put(Row(1), "time", ", reading",
      R"(, '{"format":"json","model":"sensor_data","table":"public.sensor_data"}')");
  EXPECT_EQ(Replay({}).code, 0);
  EXPECT_EQ(Temps(), "1");
}

TEST_F(DlqReadingTest, AReadingOfALaterVersionIsRefused) {
  Put(Row(1), "time", ", reading",
      R"(, '{"format":"json","model":"sensor_data","rounding":"up"}')");
  const Ended refused = Replay({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("rounding"));
  EXPECT_THAT(refused.output, HasSubstr("--ignore-readings"));
  EXPECT_EQ(Replay({"--ignore-readings"}).code, 0);
}

TEST_F(DlqReadingTest, FlagsThatWouldNotBeHeededAreRefused) {
  Put(Row(1), "time", ", reading", R"(, '{"format":"json","model":"sensor_data"}')");
  const Ended refused = Replay({"--decimal-comma"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("all of the letters say how they were read"));
}

TEST_F(DlqReadingTest, OldLettersAreReadAsTheFlagsSay) {
  database_.Exec(
      "INSERT INTO tsingest.dead_letter (at, source, reason, code, payload) VALUES "
      "(now(), 'csv-replay', 'because', 'rule', convert_to('2024-07-01 12:00:00;d;1,5;-', "
      "'UTF8'))");
  EXPECT_THAT(Replay({"--delimiter", ";"}).output, HasSubstr("do not say how they were read"));
  const Ended replay =
      Replay({"--columns", "Datum,device_id,temp,humidity", "--delimiter", ";", "--decimal-comma",
              "--map", "ts=Datum", "--null", "-", "--time-zone", "+02:00"});
  EXPECT_EQ(replay.code, 0) << replay.output;
  EXPECT_EQ(database_.Value("SELECT concat_ws(' ', ts AT TIME ZONE 'UTC', temp, humidity) FROM "
                            "sensor_data"),
            "2024-07-01 10:00:00 1.5");
}

TEST_F(DlqReadingTest, WhatFailsAgainKeepsItsReadingAndArrival) {
  database_.Exec("ALTER TABLE sensor_data ADD CONSTRAINT small CHECK (temp < 10)");
  Put("[" + Row(20) + "," + Row(40) + "]", "syntax", ", reading, arrival",
      R"(, '{"format":"json","model":"sensor_data"}', '2023-01-01T00:00:00Z')");
  EXPECT_EQ(Replay({}).code, 3);
  EXPECT_EQ(
      Letters("message_row, reading->>'model', extract(year FROM arrival AT TIME ZONE 'UTC')"),
      "1|sensor_data|2023;2|sensor_data|2023");
}

TEST_F(DlqReadingTest, TablesOfOlderVersionsTakeLettersWithoutReading) {
  database_.Exec("ALTER TABLE tsingest.dead_letter DROP COLUMN reading, DROP COLUMN arrival");
  Load(WriteFile("day.csv", "ts,device_id,temp\n1600000000,d,x\n"), {});
  EXPECT_EQ(Letters("code, convert_from(payload, 'UTF8')"), "type|1600000000,d,x");
  EXPECT_THAT(Dlq({"list"}).output, HasSubstr("1 of 1 letters"));
  const Ended refused = Replay({"--columns", "ts,device_id,temp"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("reading, arrival"));
  EXPECT_EQ(Replay({"--columns", "ts,device_id,temp", "--create"}).code, 3);
  Load(WriteFile("more.csv", "ts,device_id,temp\n1600000000,d,y\n"), {});
  EXPECT_EQ(Letters("reading->>'model' IS NULL"), "t;f");
}

}  // namespace
}  // namespace tsingest::testing
