#include "tsingest/source/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/temp_dir.h"
#include "unit/source/csv_reading.h"

namespace tsingest {
namespace {

using ::testing::AllOf;
using testing::CsvRun;
using ::testing::ElementsAre;
using testing::Gzip;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::RunCsv;
using ::testing::StartsWith;
using testing::Zstd;

class CsvSourceTest : public ::testing::Test {
 protected:
  CsvRun Run(std::string_view content, CsvSourceOptions options = {}) {
    options.files = {dir_.Write("in.csv", content)};
    return RunCsv(std::move(options));
  }

  testing::TempDir dir_;
};

// ---- Headers and dialects. ----

TEST_F(CsvSourceTest, AnnouncesTheHeaderAndGivesTheRecords) {
  const CsvRun run = Run("\n\nts,device\r\n1,a\r\n\r\n2,b");
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.headers[0].names, ElementsAre("ts", "device"));
  EXPECT_EQ(run.headers[0].dialect, CsvDialect{});
  EXPECT_FALSE(run.headers[0].names_look_like_data);
  EXPECT_THAT(run.Payloads(), ElementsAre("1,a", "2,b"));
  EXPECT_EQ(run.lines[0].line, 4);
  EXPECT_EQ(run.lines[1].line, 6);
  EXPECT_EQ(run.lines[0].position.offset, 13);
  EXPECT_EQ(run.progress.empty_lines, 1);  // behind the header
  EXPECT_EQ(run.progress.records, 2);
}

TEST_F(CsvSourceTest, FindsTheDialectAndSaysSo) {
  const CsvRun run = Run("Date;T;RH;;\r\n10/03/2004;13,6;48,9;;\r\n;;;;\r\n");
  EXPECT_THAT(run.headers[0].names, ElementsAre("Date", "T", "RH", "", ""));
  EXPECT_EQ(run.headers[0].dialect.syntax.delimiter, ';');
  EXPECT_TRUE(run.headers[0].dialect.decimal_comma);
  EXPECT_THAT(run.Log(), HasSubstr("in.csv: UTF-8, delimiter semicolon, decimal comma"));
}

TEST_F(CsvSourceTest, WhatIsSaidIsNotSniffed) {
  CsvSourceOptions options;
  options.delimiter = ',';
  options.decimal_comma = false;
  const CsvRun run = Run("a;b\n1,5;2,5\n", std::move(options));
  EXPECT_EQ(run.headers[0].dialect, CsvDialect{});
  EXPECT_THAT(run.headers[0].names, ElementsAre("a;b"));
}

TEST_F(CsvSourceTest, QuoteAndEscapeAreAsTold) {
  CsvSourceOptions options;
  options.quote = '\'';
  options.escape = '\\';
  const CsvRun run = Run("a,'b\\'\n',c\n1,'x\\'\n,y',2\n", std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.headers[0].names, ElementsAre("a", "b'\n", "c"));
  EXPECT_EQ(run.headers[0].dialect.syntax.quote, '\'');
  EXPECT_EQ(run.headers[0].dialect.syntax.escape, '\\');
  EXPECT_THAT(run.Payloads(), ElementsAre("1,'x\\'\n,y',2"));
}

TEST_F(CsvSourceTest, LinesAboveTheHeaderAreSkipped) {
  CsvSourceOptions options;
  options.skip_lines = 3;
  const CsvRun run = Run("Logger 7,\"x\n\n;;;\r\n\nts;device\n1;a\n", std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.headers[0].names, ElementsAre("ts", "device"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1;a"));
  EXPECT_EQ(run.lines[0].line, 6);
  EXPECT_THAT(run.Log(), HasSubstr("delimiter semicolon, 3 lines skipped"));
}

TEST_F(CsvSourceTest, LinesAboveTheRecordsOfAFileWithoutAHeaderAreSkipped) {
  CsvSourceOptions options;
  options.has_header = false;
  options.columns = {"ts", "device"};
  options.skip_lines = 1;
  const CsvRun run = Run("ts;device\n1;a\n", std::move(options));
  EXPECT_THAT(run.Payloads(), ElementsAre("1;a"));
}

TEST_F(CsvSourceTest, AFileOfFewerLinesThanAreSkippedIsEmpty) {
  CsvSourceOptions options;
  options.skip_lines = 3;
  const CsvRun run = Run("1,a\n2,b\n", std::move(options));
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.Payloads(), IsEmpty());
  EXPECT_THAT(run.Log(), HasSubstr("is empty"));
}

TEST_F(CsvSourceTest, CommentsAreNoRecordsWhereverTheyStand) {
  CsvSourceOptions options;
  options.comment = '#';
  const CsvRun run =
      Run("# \"x\n\n#,y\nts,device\n#0,\"z\n1,a\n\"#2\",b\n3,#\n#", std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.headers[0].names, ElementsAre("ts", "device"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1,a", "\"#2\",b", "3,#"));
  EXPECT_EQ(run.lines[0].line, 6);
  EXPECT_EQ(run.progress.comments, 2);  // behind the header
}

TEST_F(CsvSourceTest, CommentsLongerThanWhatIsSniffed) {
  CsvSourceOptions options;
  options.comment = '#';
  std::string text;
  while (text.size() < 300'000) text += "# note, and more\n";
  const CsvRun run = Run(text + "ts;device\n1;a\n", std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.Payloads(), ElementsAre("1;a"));
}

TEST_F(CsvSourceTest, AWrongHeaderSaysWhereAnotherOneMayBe) {
  const auto advice = [&](std::string_view text) {
    CsvSourceOptions options;
    options.files = {dir_.Write("in.csv", text)};
    options.on_header = [](StreamId, const CsvHeader&) {
      return absl::InvalidArgumentError("no column for ts");
    };
    return std::string(CsvSource(std::move(options)).Look().message());
  };
  EXPECT_THAT(advice("Logger;7\n\nts;device;temp\n1;a;2\n3;b;4\n"),
              HasSubstr("no column for ts. If the header is line 3, say --skip-lines 2"));
  EXPECT_THAT(advice("# Logger 7\nts,device\n1,a\n"),
              HasSubstr("If lines that begin with # are comments, say --comment '#'"));
  EXPECT_THAT(advice("a,b\n1,2\n"), Not(HasSubstr("say --")));
}

TEST_F(CsvSourceTest, OldMacLineEnds) {
  const CsvRun run = Run("a,b\r1,2\r3,4");
  EXPECT_THAT(run.headers[0].names, ElementsAre("a", "b"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1,2", "3,4"));
  EXPECT_EQ(run.lines[1].line, 3);
}

TEST_F(CsvSourceTest, FilesWithoutAHeaderGetTheNamesGiven) {
  CsvSourceOptions options;
  options.has_header = false;
  options.columns = {"ts", "device"};
  const CsvRun run = Run("1,a\n2,b\n", std::move(options));
  EXPECT_THAT(run.headers[0].names, ElementsAre("ts", "device"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1,a", "2,b"));
  EXPECT_EQ(run.lines[0].position.offset, 0);
}

TEST_F(CsvSourceTest, FilesWithoutAHeaderGetNumberedNames) {
  CsvSourceOptions options;
  options.has_header = false;
  const CsvRun run = Run("1,a\n", std::move(options));
  EXPECT_THAT(run.headers[0].names, ElementsAre("column_1", "column_2"));
}

TEST_F(CsvSourceTest, NamesGivenReplaceAHeader) {
  CsvSourceOptions options;
  options.columns = {"ts", "device", "more"};
  const CsvRun run = Run("x,\xff\n1,a\n", std::move(options));
  EXPECT_THAT(run.headers[0].names, ElementsAre("ts", "device", "more"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1,a"));
  EXPECT_THAT(run.Log(), HasSubstr("--columns names 3 columns, the first record has 2"));
}

TEST_F(CsvSourceTest, TellsWhenTheHeaderLooksLikeData) {
  EXPECT_TRUE(
      Run("2020-07-13 00:00,21.5\n2020-07-13 00:01,21.6\n").headers[0].names_look_like_data);
  EXPECT_FALSE(Run("time,value\n1,2\n").headers[0].names_look_like_data);
}

TEST_F(CsvSourceTest, RenamesColumnsWithANote) {
  const CsvRun run = Run("a,a,,b\n1,2,3,4\n");
  EXPECT_THAT(run.headers[0].names, ElementsAre("a", "a_2", "column_3", "b"));
  EXPECT_THAT(run.Log(), AllOf(HasSubstr("column 2 is a second \"a\" and is called a_2"),
                               HasSubstr("column 3 has no name and is called column_3")));
}

TEST_F(CsvSourceTest, AHeaderWithBrokenQuotesIsRefused) {
  const CsvRun run = Run("a,\"b\n1,2\n");
  EXPECT_EQ(run.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(run.status.message()), HasSubstr("the header's quotes are broken"));
}

TEST_F(CsvSourceTest, AFileWithoutLinesIsNoCsv) {
  CsvSourceOptions options;
  options.limits.record_bytes = 100'000;
  const CsvRun run = Run(std::string(300'000, 'x'), std::move(options));
  EXPECT_EQ(run.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(run.status.message()),
              AllOf(StartsWith(dir_.Path("in.csv")), HasSubstr("limit of 100000 bytes")));
}

TEST_F(CsvSourceTest, HeadersMayBeLongerThanWhatIsSniffed) {
  std::string header = "c0";
  for (int i = 1; i < 20'000; ++i) header += ",c" + std::to_string(i);
  ASSERT_GT(header.size(), 100'000u);
  const CsvRun run = Run(header + "\n1\n");
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.headers[0].names.size(), 20'000u);
  EXPECT_THAT(run.Payloads(), ElementsAre("1"));
}

TEST_F(CsvSourceTest, EmptyFilesAndBareHeadersGiveNothing) {
  for (const std::string_view content : {"", "\n\r\n", "\xEF\xBB\xBF", "a,b\n", "a,b"}) {
    const CsvRun run = Run(content);
    EXPECT_TRUE(run.status.ok()) << run.status;
    EXPECT_THAT(run.lines, IsEmpty());
  }
  EXPECT_THAT(Run("").Log(), HasSubstr("in.csv: is empty"));
}

TEST_F(CsvSourceTest, EveryFileHasItsOwnHeader) {
  CsvSourceOptions options;
  options.files = {dir_.Write("1.csv", "a,b\n1,2\n"), dir_.Write("2.csv", "c;d\n3;4\n"),
                   dir_.Write("3.csv", "e,f\n5,6\n")};
  std::vector<std::string> calls;
  bool is_open = false;
  options.on_header = [&](StreamId stream, const CsvHeader& header) {
    calls.push_back((is_open ? "read " : "open ") + std::to_string(stream) + header.names[0]);
    return absl::OkStatus();
  };
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  is_open = true;
  ASSERT_TRUE(reader
                  .ReadAll(3,
                           [&] {
                             calls.push_back("row");
                             return true;
                           })
                  .ok());
  EXPECT_THAT(calls, ElementsAre("open 0a", "open 1c", "open 2e", "read 0a", "row", "read 1c",
                                 "row", "read 2e", "row"));
}

TEST_F(CsvSourceTest, ARefusedHeaderIsAnErrorOfOpenThatNamesTheFile) {
  CsvSourceOptions options;
  options.files = {dir_.Write("1.csv", "a,b\n1,2\n")};
  options.on_header = [](StreamId, const CsvHeader&) {
    return absl::InvalidArgumentError("no column for time");
  };
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  const absl::Status status = source.Open(reader);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), dir_.Path("1.csv") + ": no column for time");
}

// ---- Records. ----

TEST_F(CsvSourceTest, OneStrayQuoteCostsOneLine) {
  std::string content = "ts,v\n";
  std::vector<std::string> expected;
  for (int i = 0; i < 5000; ++i) {
    expected.push_back(i == 2500 ? "2500,\"oops" : std::to_string(i) + ",1");
    content += expected.back() + "\n";
  }
  const CsvRun run = Run(content);
  EXPECT_EQ(run.Payloads(), expected);
  EXPECT_EQ(run.lines[2500].line, 2502);
}

TEST_F(CsvSourceTest, ALongLineIsCutAndToldSo) {
  CsvSourceOptions options;
  options.limits.record_bytes = 1000;
  const CsvRun run =
      Run("a,b\n1,2\n" + std::string(5'000'000, 'x') + "\n3,4\n", std::move(options));
  ASSERT_EQ(run.lines.size(), 3u);
  EXPECT_EQ(run.lines[1].payload, std::string(1000, 'x'));
  EXPECT_EQ(run.lines[1].omitted_bytes, 4'999'000u);
  EXPECT_EQ(run.lines[1].line, 3);
  EXPECT_EQ(run.lines[2].payload, "3,4");
  EXPECT_EQ(run.lines[2].line, 4);
}

TEST_F(CsvSourceTest, APollGivesAboutAThousandMessages) {
  std::string content = "a\n";
  for (int i = 0; i < 2500; ++i) content += "1\n";
  CsvSourceOptions options;
  options.files = {dir_.Write("in.csv", content)};
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  std::vector<std::size_t> counts;
  for (;;) {
    const absl::StatusOr<PollState> state = reader.Poll();
    ASSERT_TRUE(state.ok());
    counts.push_back(reader.polled);
    if (*state == PollState::kEnd) break;
    ASSERT_LT(counts.size(), 10u);
  }
  EXPECT_THAT(counts, ElementsAre(1000, 2000, 2500));
  EXPECT_EQ(*reader.Poll(), PollState::kEnd);
}

// ---- Compression. ----

TEST_F(CsvSourceTest, DecompressesByContentNotByName) {
  const std::string_view text = "a,b\n1,2\n3,4\n";
  for (const std::string& content : {Gzip(text), Zstd(text)}) {
    const CsvRun run = Run(content);
    ASSERT_TRUE(run.status.ok()) << run.status;
    EXPECT_THAT(run.Payloads(), ElementsAre("1,2", "3,4"));
    EXPECT_EQ(run.total_size, 0);
    EXPECT_EQ(run.progress.read_bytes, static_cast<std::int64_t>(content.size()));
    EXPECT_EQ(run.progress.total_bytes, static_cast<std::int64_t>(content.size()));
  }
  EXPECT_THAT(Run(Gzip(text)).Log(), HasSubstr("gzip, UTF-8"));
}

TEST_F(CsvSourceTest, ReadsAllMembersAndFrames) {
  const std::string skippable("\x51\x2A\x4D\x18\x03\0\0\0abc", 11);
  for (const std::string& content :
       {Gzip("a,b\n1") + Gzip("") + Gzip(",2\n") + std::string(100, '\0'),
        skippable + Zstd("a,b\n1") + Zstd("") + Zstd(",2\n") + skippable}) {
    const CsvRun run = Run(content);
    ASSERT_TRUE(run.status.ok()) << run.status;
    EXPECT_THAT(run.Payloads(), ElementsAre("1,2"));
  }
}

std::string ManyRows(int count) {
  std::string text = "ts,value\n";
  for (int i = 0; i < count; ++i) {
    text += std::to_string(i) + "," + std::to_string(i % 10007 * 7919) + "\n";
  }
  return text;
}

TEST_F(CsvSourceTest, LargeArchivesComeWhole) {
  const std::string text = ManyRows(100'000);
  const std::vector<std::string> expected = Run(text).Payloads();
  ASSERT_EQ(expected.size(), 100'000u);
  EXPECT_EQ(Run(Gzip(text)).Payloads(), expected);
  EXPECT_EQ(Run(Zstd(text)).Payloads(), expected);
}

TEST_F(CsvSourceTest, ACutArchiveIsAnErrorBehindItsGoodRows) {
  const std::string text = ManyRows(100'000);
  const std::vector<std::string> expected = Run(text).Payloads();
  for (std::string content : {Gzip(text), Zstd(text)}) {
    content.resize(content.size() - 1000);
    const CsvRun run = Run(content);
    EXPECT_EQ(run.status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(run.status.message()),
                AllOf(StartsWith(dir_.Path("in.csv")), HasSubstr("cut off"),
                      HasSubstr("good up to line " + std::to_string(run.lines.size() + 1))));
    ASSERT_GT(run.lines.size(), 1000u);
    ASSERT_LT(run.lines.size(), expected.size());
    EXPECT_EQ(run.lines.back().payload, expected[run.lines.size() - 1]);
  }
}

TEST_F(CsvSourceTest, ADamagedArchiveIsAnError) {
  for (std::string content : {Gzip(ManyRows(1000)), Zstd(ManyRows(1000))}) {
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 0x55);
    const CsvRun run = Run(content);
    EXPECT_EQ(run.status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(run.status.message()), HasSubstr("damaged"));
  }
  EXPECT_EQ(Run(Gzip("a\n1\n") + "rubbish").status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(CsvSourceTest, OtherArchivesAreRefusedWithTheCommandThatHelps) {
  const CsvRun zip = Run("PK\x03\x04 and so on");
  EXPECT_EQ(zip.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(zip.status.message()),
              AllOf(HasSubstr("zip archive"), HasSubstr("unzip -p FILE | csv-replay -")));
  EXPECT_THAT(std::string(Run("BZh91AY&SY").status.message()), HasSubstr("bzip2 -dc"));
  EXPECT_THAT(std::string(Run("PAR1xxxx").status.message()), HasSubstr("Parquet"));
}

// ---- Encodings. ----

std::string ToUtf16(std::string_view ascii, bool big_endian) {
  std::string out;
  for (const char c : ascii) {
    if (big_endian) out += '\0';
    out += c;
    if (!big_endian) out += '\0';
  }
  return out;
}

TEST_F(CsvSourceTest, SkipsTheByteOrderMark) {
  const CsvRun run =
      Run("\xEF\xBB\xBF"
          "a,b\n1,2\n");
  EXPECT_THAT(run.headers[0].names, ElementsAre("a", "b"));
  EXPECT_EQ(run.lines[0].position.offset, 4);  // offsets are of the text
  EXPECT_EQ(run.total_size, 8);
}

TEST_F(CsvSourceTest, ReadsUtf16WithAndWithoutAMark) {
  const std::string_view text = "a,b\n1,2\n";
  for (const std::string& content :
       {"\xFF\xFE" + ToUtf16(text, false), "\xFE\xFF" + ToUtf16(text, true), ToUtf16(text, false),
        ToUtf16(text, true)}) {
    const CsvRun run = Run(content);
    ASSERT_TRUE(run.status.ok()) << run.status;
    EXPECT_THAT(run.headers[0].names, ElementsAre("a", "b"));
    EXPECT_THAT(run.Payloads(), ElementsAre("1,2"));
    EXPECT_EQ(run.lines[0].position.offset, 4);
    EXPECT_THAT(run.Log(), HasSubstr("UTF-16"));
  }
}

TEST_F(CsvSourceTest, ReadsOtherEncodingsByName) {
  CsvSourceOptions options;
  options.encoding = "windows-1252";
  const CsvRun run =
      Run("Gr\xf6\xdf"
          "e,\x80\n1,\xe9\n",
          std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.headers[0].names, ElementsAre("Gr\xc3\xb6\xc3\x9f"
                                                "e",
                                                "\xe2\x82\xac"));
  EXPECT_THAT(run.Payloads(), ElementsAre("1,\xc3\xa9"));
}

TEST_F(CsvSourceTest, BytesThatAreNoCharacterSpoilOnlyTheirRecord) {
  CsvSourceOptions options;
  options.encoding = "UTF-16LE";
  const std::string half_a_pair = "\x3D\xD8";
  const std::string content =
      ToUtf16("a,b\n1,", false) + half_a_pair + ToUtf16("\n3,4\n5", false) + "\x36";
  const CsvRun run = Run(content, std::move(options));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.Payloads(), ElementsAre("1,\xff", "3,4", "5\xff"));
}

TEST_F(CsvSourceTest, AnUnknownEncodingIsRefused) {
  for (const std::string_view name : {"UTF-17", "LATIN1//IGNORE", ""}) {
    CsvSourceOptions options;
    options.encoding = name;
    const CsvRun run = Run("a\n1\n", std::move(options));
    if (name.empty()) {
      EXPECT_TRUE(run.status.ok());
    } else {
      EXPECT_EQ(run.status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(run.status.message()), HasSubstr(std::string(name)));
    }
  }
}

TEST_F(CsvSourceTest, AHeaderThatIsNotUtf8AsksForAnEncoding) {
  const CsvRun run =
      Run("Gr\xf6\xdf"
          "e,b\n1,2\n");
  EXPECT_EQ(run.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(run.status.message()),
              AllOf(HasSubstr("Gr\\xf6\\xdfe"), HasSubstr("--encoding")));
}

TEST_F(CsvSourceTest, BytesThatAreNotUtf8AreNoted) {
  const CsvRun run = Run("a,b\n1,caf\xe9\n2,x\n");
  ASSERT_TRUE(run.status.ok());
  EXPECT_EQ(run.lines.size(), 2u);
  EXPECT_THAT(run.Log(),
              AllOf(HasSubstr("byte 9 of the text is no UTF-8"), HasSubstr("--encoding")));
  EXPECT_THAT(Run("a,b\n1,caf\xc3\xa9\n").Log(), Not(HasSubstr("no UTF-8")));
}

// ---- Files. ----

TEST_F(CsvSourceTest, LookingFindsAWrongHeaderAndOpeningDoesNotLookAgain) {
  CsvSourceOptions options;
  options.files = {dir_.Write("in.csv", "ts\n1\n")};
  int headers = 0;
  absl::Status verdict = absl::InvalidArgumentError("no such column");
  options.on_header = [&](StreamId, const CsvHeader&) {
    ++headers;
    return verdict;
  };
  EXPECT_THAT(std::string(CsvSource(options).Look().message()), HasSubstr("no such column"));
  verdict = absl::OkStatus();
  CsvSource source(options);
  headers = 0;
  ASSERT_TRUE(source.Look().ok());
  testing::SourceReader reader(source, Duration::zero(), {});
  ASSERT_TRUE(source.Open(reader).ok());
  EXPECT_EQ(headers, 1);
  EXPECT_EQ(source.Open(reader).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CsvSourceTest, WhatIsNoFileIsRefusedByName) {
  const CsvRun missing = RunCsv(dir_.Path("nope.csv"));
  EXPECT_EQ(missing.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.status.message(), dir_.Path("nope.csv") + ": No such file or directory");
  const CsvRun directory = RunCsv(dir_.Path(""));
  EXPECT_EQ(directory.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(directory.status.message()), HasSubstr("Is a directory"));
}

TEST_F(CsvSourceTest, OptionsThatCannotWorkAreRefused) {
  const auto validate = [](auto change) {
    CsvSourceOptions options;
    options.files = {"a.csv"};
    change(options);
    return options.Validate();
  };
  EXPECT_TRUE(validate([](CsvSourceOptions&) {}).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.files.clear(); }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.files = {""}; }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.files = {"-", "-"}; }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.files = {"a.csv", "./b/../a.csv"}; }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.delimiter = '"'; }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.delimiter = '\n'; }).ok());
  EXPECT_FALSE(validate([](CsvSourceOptions& o) { o.limits.record_bytes = 0; }).ok());
}

TEST_F(CsvSourceTest, StreamsAreNamedByTheirNormalPath) {
  CsvSourceOptions options;
  dir_.Write("1.csv", "a\n1\n");
  options.files = {dir_.Path("x/.././/1.csv")};
  std::filesystem::create_directory(dir_.Path("x"));
  const CsvRun run = RunCsv(std::move(options));
  ASSERT_EQ(run.ends.size(), 1u);
  EXPECT_EQ(run.ends.begin()->first, "file:" + dir_.Path("1.csv"));
}

TEST_F(CsvSourceTest, TotalSizeIsTheTextOfAllFiles) {
  CsvSourceOptions options;
  options.files = {dir_.Write("1.csv", "a\n1\n"), dir_.Write("2.csv",
                                                             "\xEF\xBB\xBF"
                                                             "a\n12\n")};
  EXPECT_EQ(RunCsv(std::move(options)).total_size, 4 + 5);
}

TEST_F(CsvSourceTest, UnknownStreamsAreErrors) {
  CsvSourceOptions options;
  options.files = {dir_.Write("in.csv", "a\n1\n")};
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  EXPECT_EQ(source.Commit(1, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(source.Seek(7, std::nullopt).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CsvSourceTest, PollNeedsOpen) {
  CsvSource source({});
  const auto state = source.Poll(MonotonicTime::min(), [](const Message&) { return true; });
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
}

// ---- Going on. ----

class CsvResumeTest : public CsvSourceTest {
 protected:
  // Reads the file, and remembers where that ended.
  void Load(std::string_view content) {
    path_ = dir_.Write("in.csv", content);
    stored_ = RunCsv(path_).ends;
    ASSERT_EQ(stored_.size(), 1u);
  }
  CsvRun Again() { return RunCsv(path_, stored_); }

  std::string path_;
  testing::SourceReader::Stored stored_;
};

TEST_F(CsvResumeTest, NothingIsLeftOfAnUnchangedFile) {
  Load("a,b\n1,2\n");
  const CsvRun run = Again();
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.lines, IsEmpty());
}

TEST_F(CsvResumeTest, AGrownFileGoesOnWhereItEnded) {
  Load("a,b\n\"1\n1\",2\n\n");
  dir_.Append("in.csv", "3,4\n");
  const CsvRun run = Again();
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_THAT(run.Payloads(), ElementsAre("3,4"));
  EXPECT_EQ(run.lines[0].line, 5);
  EXPECT_THAT(run.headers[0].names, ElementsAre("a", "b"));
}

TEST_F(CsvResumeTest, LinesAreRightFarInsideALargeFile) {
  const std::string text = ManyRows(50'000);
  Load(text);
  const CsvRun whole = RunCsv(path_);
  for (const std::size_t at : {1u, 27'777u, 49'998u}) {
    stored_.begin()->second.next = whole.lines[at].position.next;
    const CsvRun rest = Again();
    ASSERT_EQ(rest.lines.size(), whole.lines.size() - at - 1);
    EXPECT_EQ(rest.lines[0].payload, whole.lines[at + 1].payload);
    EXPECT_EQ(rest.lines[0].line, whole.lines[at + 1].line);
    EXPECT_EQ(rest.lines[0].position.offset, whole.lines[at + 1].position.offset);
  }
}

TEST_F(CsvResumeTest, AReplacedFileIsRefusedWithTheWayOut) {
  Load("a,b\n1,2\n");
  dir_.Write("in.csv", "a,b\n9,9\n3,4\n");
  const CsvRun run = Again();
  EXPECT_EQ(run.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(run.status.message()),
              AllOf(StartsWith(path_), HasSubstr("it was replaced"), HasSubstr("import id")));
  EXPECT_THAT(run.lines, IsEmpty());
}

TEST_F(CsvResumeTest, AShortenedFileIsRefused) {
  const std::string text = ManyRows(20'000);  // more than is fingerprinted
  Load(text);
  dir_.Write("in.csv", text.substr(0, text.size() - 10));
  const CsvRun run = Again();
  EXPECT_EQ(run.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(run.status.message()),
      AllOf(HasSubstr("has " + std::to_string(text.size() - 10) + " bytes"),
            HasSubstr(std::to_string(text.size()) + " were loaded"), HasSubstr("import id")));
}

TEST_F(CsvResumeTest, AShortenedArchiveIsRefused) {
  const std::string text = ManyRows(20'000);
  Load(Gzip(text));
  dir_.Write("in.csv", Gzip(text.substr(0, text.size() - 10)));
  const CsvRun run = Again();
  EXPECT_EQ(run.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(run.status.message()), HasSubstr("were loaded already"));
}

TEST_F(CsvResumeTest, TheSameTextMayBeCompressedMeanwhile) {
  const std::string text = ManyRows(20'000);
  Load(text);
  dir_.Write("in.csv", Zstd(text + "x,y\n"));
  EXPECT_THAT(Again().Payloads(), ElementsAre("x,y"));
}

TEST_F(CsvResumeTest, ALastLineThatIsEndedLaterIsNotReadTwice) {
  for (const std::string_view end : {"\n", "\r\n"}) {
    Load("a,b\n1,2");
    dir_.Append("in.csv", std::string(end) + "3,4\n");
    const CsvRun run = Again();
    ASSERT_TRUE(run.status.ok()) << run.status;
    EXPECT_THAT(run.Payloads(), ElementsAre("3,4"));
    EXPECT_EQ(run.lines[0].line, 3);
  }
}

TEST_F(CsvResumeTest, ALastLineThatIsContinuedLaterIsRefused) {
  Load("a,b\n1,2");
  dir_.Append("in.csv", "34\n5,6\n");
  const CsvRun run = Again();
  EXPECT_EQ(run.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(run.status.message()),
      AllOf(HasSubstr("its last line, 2, had no line end"), HasSubstr("SET position = 4 ")));
  EXPECT_THAT(run.lines, IsEmpty());
}

TEST_F(CsvResumeTest, AForeignDetailIsRefused) {
  Load("a,b\n1,2\n");
  for (const std::string_view detail : {"", "topic-id 7", "csv1 x y", "csv1 5", "csv1 8 zz"}) {
    stored_.begin()->second.detail = detail;
    EXPECT_EQ(Again().status.code(), absl::StatusCode::kFailedPrecondition) << detail;
  }
}

TEST_F(CsvResumeTest, AnotherRunOfTheSameSourceMayGoBack) {
  CsvSourceOptions options;
  options.files = {dir_.Write("1.csv", "a\n1\n2\n"), dir_.Write("2.csv", "a\n3\n")};
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  ASSERT_TRUE(reader.ReadAll(3).ok());
  const StoredPosition first = {reader.received[0][0].position.next, source.StreamDetail(0)};
  ASSERT_EQ(source.Seek(0, first).value(), first.next);
  reader.received.clear();
  ASSERT_TRUE(reader.ReadAll(4).ok());
  EXPECT_EQ(reader.Payloads().at("file:" + dir_.Path("1.csv")), std::vector<std::string>{"2"});
  EXPECT_EQ(reader.received.count(1), 0u);
}

TEST_F(CsvResumeTest, AFileThatWasEmptyAndIsNotAnyMoreIsRead) {
  CsvSourceOptions options;
  options.files = {dir_.Write("in.csv", "")};
  CsvSource source(std::move(options));
  testing::SourceReader reader(source, Duration::zero());
  ASSERT_TRUE(source.Open(reader).ok());
  dir_.Write("in.csv", "a,b\n1,2\n");
  ASSERT_TRUE(reader.ReadAll(1).ok());
  EXPECT_EQ(reader.received[0].at(0).payload, "1,2");
}

}  // namespace
}  // namespace tsingest
