// Files of an import and their stored positions: by real path and beginning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/csv/import_match.h"
#include "source/csv/stream_detail.h"
#include "support/temp_dir.h"
#include "tsingest/source/csv.h"
#include "unit/source/csv_reading.h"

namespace tsingest {
namespace {

namespace fs = std::filesystem;
using csv::Fingerprint;
using csv::StreamDetail;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunCsv;

// ---- What is stored. ----

TEST(StreamDetailTest, IsReadAsItWasWritten) {
  const StreamDetail detail{.beginning = Fingerprint::Of("a,b\n"),
                            .size = 1234,
                            .model = "sensor_data",
                            .table = "public.my table"};
  const std::string text = detail.ToString();
  EXPECT_THAT(text, HasSubstr(" size=1234 model=sensor_data table=public.my table"));
  const auto parsed = StreamDetail::Parse(text);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->beginning, detail.beginning);
  EXPECT_EQ(parsed->size, 1234);
  EXPECT_EQ(parsed->model, "sensor_data");
  EXPECT_EQ(parsed->table, "public.my table");
}

TEST(StreamDetailTest, TheFingerprintAloneIsFromAnEarlierVersion) {
  const auto parsed = StreamDetail::Parse(Fingerprint::Of("a,b\n").ToString());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->beginning, Fingerprint::Of("a,b\n"));
  EXPECT_EQ(parsed->size, 0);
  EXPECT_EQ(parsed->table, "");
  EXPECT_FALSE(StreamDetail::Parse("topic-id 7 a b").has_value());
}

// ---- Which file is which. ----

class CsvImportTest : public ::testing::Test {
 protected:
  static constexpr char kText[] = "a,b\n1,2\n3,4\n";

  // Loads the files, as a run that stores positions does.
  void Load(std::vector<std::string> files) {
    CsvSourceOptions options;
    options.files = std::move(files);
    options.model = "sensor_data";
    CsvSource source(options);
    ASSERT_TRUE(source.Look().ok());
    ASSERT_TRUE(source.Review(View()).ok());
    testing::SourceReader reader(source, Duration::zero());
    ASSERT_TRUE(source.Open(reader).ok());
    for (PollState state = PollState::kActive; state != PollState::kEnd;) {
      state = *source.Poll(SystemClock().Now(), [&](const Message& m) {
        Store(std::string(source.StreamName(m.position.stream)), m.position.next,
              source.StreamDetail(m.position.stream));
        return true;
      });
    }
  }
  void Store(const std::string& name, std::int64_t next, const std::string& detail) {
    for (LedgerStream& stream : stored_) {
      if (stream.name == name) {
        stream = {name, next, detail};
        return;
      }
    }
    stored_.push_back({name, next, detail});
  }
  LedgerView View() const {
    return {.ledger = "imp", .table = "public.sensor_data", .streams = stored_};
  }

  // What a new run of these files finds: renames as "from -> to", without the folder; or the error.
  std::vector<std::string> Review(std::vector<std::string> files) {
    CsvSourceOptions options;
    options.files = std::move(files);
    options.model = "sensor_data";
    CsvSource source(std::move(options));
    if (absl::Status status = source.Look(); !status.ok()) return {Short(status.ToString())};
    const auto renames = source.Review(View());
    if (!renames.ok()) return {Short(renames.status().ToString())};
    std::vector<std::string> out;
    for (const StreamRename& rename : *renames) {
      out.push_back(Short(rename.from + " -> " + rename.to));
    }
    return out;
  }
  std::string Short(std::string text) const {
    const std::string folder = dir_.Path("");
    for (std::size_t at; (at = text.find(folder)) != text.npos;) text.erase(at, folder.size());
    return text;
  }
  void Move(const std::string& from, const std::string& to) {
    fs::rename(dir_.Path(from), dir_.Path(to));
  }

  testing::TempDir dir_;
  std::vector<LedgerStream> stored_;
};

TEST_F(CsvImportTest, AFileIsKnownByItsRealPath) {
  const std::string file = dir_.Write("x.csv", kText);
  fs::create_symlink(file, dir_.Path("link.csv"));
  Load({dir_.Path("link.csv")});
  ASSERT_EQ(stored_.size(), 1u);
  EXPECT_EQ(stored_[0].name, "file:" + fs::canonical(file).string());
  EXPECT_THAT(Review({file}), IsEmpty());
  EXPECT_THAT(Review({dir_.Path("./x.csv")}), IsEmpty());
}

TEST_F(CsvImportTest, OneFileByTwoPathsIsRefused) {
  const std::string file = dir_.Write("x.csv", kText);
  fs::create_symlink(file, dir_.Path("link.csv"));
  EXPECT_THAT(Review({file, dir_.Path("link.csv")}),
              ElementsAre(AllOf(HasSubstr("x.csv and link.csv"), HasSubstr("the same file"))));
}

TEST_F(CsvImportTest, AnotherFileIsAnotherStream) {
  Load({dir_.Write("x.csv", kText)});
  EXPECT_THAT(Review({dir_.Write("y.csv", "a,b\n5,6\n")}), IsEmpty());
  // Its beginning is only the header that both have.
  stored_[0].next = 4;
  EXPECT_THAT(Review({dir_.Write("z.csv", "a,b\n1,2\n")}), IsEmpty());
}

TEST_F(CsvImportTest, AMovedFileKeepsItsPosition) {
  Load({dir_.Write("x.csv", kText)});
  Move("x.csv", "y.csv");
  EXPECT_THAT(Review({dir_.Path("y.csv")}), ElementsAre("file:x.csv -> file:y.csv"));
  dir_.Append("y.csv", "5,6\n");  // and may have grown
  EXPECT_THAT(Review({dir_.Path("y.csv")}), ElementsAre("file:x.csv -> file:y.csv"));
  dir_.Write("x.csv", "a,b\n9,9\n");  // and something else may stand where it was
  EXPECT_THAT(Review({dir_.Path("y.csv")}), ElementsAre("file:x.csv -> file:y.csv"));
}

TEST_F(CsvImportTest, ACopyIsRefused) {
  Load({dir_.Write("x.csv", kText)});
  dir_.Write("y.csv", std::string(kText) + "5,6\n");
  const auto refused = ElementsAre(AllOf(HasSubstr("FAILED_PRECONDITION: y.csv: begins like x.csv"),
                                         HasSubstr("12 bytes"), HasSubstr("import id")));
  EXPECT_THAT(Review({dir_.Path("y.csv")}), refused);
  EXPECT_THAT(Review({dir_.Path("x.csv"), dir_.Path("y.csv")}),
              ElementsAre(AllOf(HasSubstr("x.csv and y.csv: both begin like x.csv"),
                                HasSubstr("import id"))));
}

TEST_F(CsvImportTest, TwoFilesWithTheBeginningOfAGoneOneAreRefused) {
  Load({dir_.Write("x.csv", kText)});
  Move("x.csv", "y.csv");
  dir_.Write("z.csv", kText);
  EXPECT_THAT(Review({dir_.Path("y.csv"), dir_.Path("z.csv")}),
              ElementsAre(HasSubstr("y.csv and z.csv: both begin like x.csv")));
}

TEST_F(CsvImportTest, AFileThatMayBeEitherOfTwoIsRefused) {
  const std::string detail =
      StreamDetail{.beginning = Fingerprint::Of(kText), .size = 12, .model = "", .table = ""}
          .ToString();
  Store("file:/nowhere/1.csv", 12, detail);
  Store("file:/nowhere/2.csv", 8, detail);
  EXPECT_THAT(Review({dir_.Write("x.csv", kText)}),
              ElementsAre(AllOf(HasSubstr("x.csv: begins like /nowhere/1.csv and like "
                                          "/nowhere/2.csv"),
                                HasSubstr("import id"))));
}

TEST_F(CsvImportTest, FilesThatAreBegunTogetherMayBeEqual) {
  const std::vector<std::string> both = {dir_.Write("x.csv", kText), dir_.Write("y.csv", kText)};
  EXPECT_THAT(Review(both), IsEmpty());
  Load(both);
  EXPECT_EQ(stored_.size(), 2u);
  EXPECT_THAT(Review(both), IsEmpty());
}

TEST_F(CsvImportTest, RotatedFilesAreFollowed) {
  Load({dir_.Write("log.csv", kText)});
  Move("log.csv", "log.csv.1");
  dir_.Write("log.csv", "a,b\n5,6\n");
  const std::vector<std::string> both = {dir_.Path("log.csv"), dir_.Path("log.csv.1")};
  EXPECT_THAT(Review(both), ElementsAre("file:log.csv -> file:log.csv.1"));
  stored_[0].name = "file:" + dir_.Path("log.csv.1");
  Load(both);
  ASSERT_EQ(stored_.size(), 2u);
  Move("log.csv.1", "log.csv.2");
  Move("log.csv", "log.csv.1");
  EXPECT_THAT(Review({dir_.Path("log.csv.1"), dir_.Path("log.csv.2")}),
              ElementsAre("file:log.csv.1 -> file:log.csv.2", "file:log.csv -> file:log.csv.1"));
  // One that is not there any more makes room, and stays recognisable.
  EXPECT_THAT(Review({dir_.Path("log.csv.1")}),
              ElementsAre("file:log.csv -> file:log.csv.1",
                          ::testing::MatchesRegex("file:log.csv.1 -> replaced:[0-9a-f]{16}:file:"
                                                  "log.csv.1")));
}

TEST_F(CsvImportTest, NamesOfAnEarlierVersionAreFound) {
  const std::string file = dir_.Write("x.csv", kText);
  fs::create_symlink(file, dir_.Path("link.csv"));
  Store("file:" + dir_.Path("link.csv"), 8, Fingerprint::Of(kText).ToString());
  EXPECT_THAT(Review({dir_.Path("link.csv")}), ElementsAre("file:link.csv -> file:x.csv"));
  EXPECT_THAT(Review({file}), ElementsAre("file:link.csv -> file:x.csv"));
  dir_.Write("x.csv", "a,b\n9,9\n9,9\n");
  EXPECT_THAT(Review({dir_.Path("link.csv")}),
              ElementsAre(AllOf(HasSubstr("link.csv: 8 bytes of it were loaded already"),
                                HasSubstr("replaced"))));
}

TEST_F(CsvImportTest, AnImportIsOneTablesAndOneModels) {
  Load({dir_.Write("x.csv", kText)});
  CsvSourceOptions options;
  options.files = {dir_.Path("x.csv")};
  options.model = "metrics";
  CsvSource source(std::move(options));
  ASSERT_TRUE(source.Look().ok());
  LedgerView view = View();
  const auto by_model = source.Review(view);
  EXPECT_EQ(by_model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(by_model.status().message()),
              AllOf(HasSubstr("\"imp\""), HasSubstr("model sensor_data"),
                    HasSubstr("model metrics"), HasSubstr("another import id")));
  view.table = "public.other";
  EXPECT_THAT(std::string(source.Review(view).status().message()),
              AllOf(HasSubstr("table public.sensor_data"), HasSubstr("table public.other")));
}

TEST_F(CsvImportTest, StreamsOfOthersAreLeftAlone) {
  Store("sensors/3", 12, "topic-id 7");
  EXPECT_THAT(Review({dir_.Write("x.csv", kText)}), IsEmpty());
}

// ---- Reading what was read before. ----

class CsvRereadTest : public CsvImportTest {
 protected:
  // The records that are given again, then a bar, then the new ones.
  std::vector<std::string> Records(const std::string& file, std::int64_t next) {
    std::vector<std::string> records;
    CsvSourceOptions options;
    options.files = {file};
    options.limits.record_bytes = 64;
    options.on_reread = [&](StreamId, const Message& m) { records.emplace_back(m.payload); };
    testing::SourceReader::Stored stored;
    std::string text;
    {
      CsvSource source(options);
      EXPECT_TRUE(source.Look().ok());
      stored[std::string(source.StreamName(0))] = {next, source.StreamDetail(0)};
    }
    CsvSource source(options);
    testing::SourceReader reader(source, Duration::zero(), stored);
    EXPECT_TRUE(source.Open(reader).ok());
    bool has_begun = false;
    for (PollState state = PollState::kActive; state != PollState::kEnd;) {
      const auto polled = source.Poll(SystemClock().Now(), [&](const Message& m) {
        if (!std::exchange(has_begun, true)) records.emplace_back("|");
        records.emplace_back(m.payload);
        return true;
      });
      if (!polled.ok()) return {polled.status().ToString()};
      state = *polled;
    }
    return records;
  }
};

TEST_F(CsvRereadTest, GivesTheRecordsBeforeTheNewOnes) {
  const std::string file = dir_.Write("x.csv", "a,b\n1,2\n\n\"3\n3\",4\n5,6\n7,8\n");
  EXPECT_THAT(Records(file, 21), ElementsAre("1,2", "\"3\n3\",4", "5,6", "|", "7,8"));
  EXPECT_THAT(Records(file, 0), ElementsAre("|", "1,2", "\"3\n3\",4", "5,6", "7,8"));
}

TEST_F(CsvRereadTest, LeavesOutWhatNoDecoderHasSeen) {
  const std::string file = dir_.Write("x.csv", "a,b\n" + std::string(100, 'x') + ",1\n1,2\n3,4\n");
  EXPECT_THAT(Records(file, 111), ElementsAre("1,2", "|", "3,4"));
}

TEST_F(CsvRereadTest, ReadsArchivesAndMoreThanOnePollsWorth) {
  std::string text = "a,b\n";
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + ",x\n";
  const std::size_t at = text.find("49999,");
  const std::string file = dir_.Write("x.csv.gz", testing::Gzip(text));
  const std::vector<std::string> records = Records(file, static_cast<std::int64_t>(at));
  ASSERT_EQ(records.size(), 50'001u);
  EXPECT_EQ(records.front(), "0,x");
  EXPECT_EQ(records[49'999], "|");
}

TEST_F(CsvImportTest, SaysWhereItGoesOnAndThatItHasGrown) {
  const std::string file = dir_.Write("x.csv", kText);
  testing::SourceReader::Stored stored = RunCsv(file).ends;
  dir_.Append("x.csv", "5,6\n");
  EXPECT_THAT(RunCsv(file, stored).Log(),
              AllOf(HasSubstr("x.csv: has grown since it was loaded (by 4 bytes)"),
                    HasSubstr("from line 4 on")));
  stored = RunCsv(file).ends;
  stored.begin()->second.next = 8;
  EXPECT_THAT(RunCsv(file, stored).Log(),
              HasSubstr("x.csv: goes on behind what is loaded, from line 3 on"));
}

}  // namespace
}  // namespace tsingest
