#include "source/csv/record_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/csv/byte_stream.h"
#include "support/naive_csv.h"

namespace tsingest::csv {
namespace {

using testing::NaivePlace;

constexpr MonotonicTime kNow = MonotonicTime::min();

// A text in pieces of given sizes, the last size again and again; 0: nothing there just now.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string text, std::vector<std::size_t> sizes, absl::Status end = absl::OkStatus())
      : text_(std::move(text)), sizes_(std::move(sizes)), end_(std::move(end)) {}

  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity, MonotonicTime) override {
    if (at_ == text_.size()) {
      if (!end_.ok()) return end_;
      return ReadResult{0, true};
    }
    const std::size_t wanted = sizes_[std::min(next_++, sizes_.size() - 1)];
    const std::size_t size = std::min({wanted, capacity, text_.size() - at_});
    std::memcpy(out, text_.data() + at_, size);
    at_ += size;
    return ReadResult{size, false};
  }

 private:
  std::string text_;
  std::vector<std::size_t> sizes_;
  absl::Status end_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
};

NaivePlace ToPlace(const Record& record) {
  return {static_cast<std::size_t>(record.offset), static_cast<std::size_t>(record.next),
          static_cast<std::size_t>(record.line), std::string(record.text), record.omitted_bytes};
}

std::vector<NaivePlace> ReadAll(RecordReader& reader, absl::Status* end = nullptr) {
  std::vector<NaivePlace> places;
  for (;;) {
    Record record;
    const absl::StatusOr<Outcome> outcome = reader.Next(&record, kNow);
    if (!outcome.ok()) {
      if (end != nullptr) *end = outcome.status();
      return places;
    }
    if (*outcome == Outcome::kEnd) return places;
    if (*outcome == Outcome::kRecord) places.push_back(ToPlace(record));
  }
}

std::vector<NaivePlace> ReadAll(const std::string& text, std::size_t limit,
                                std::vector<std::size_t> sizes = {1 << 20}, char comment = '\0',
                                const CsvSyntax& syntax = {}) {
  Pieces pieces(text, std::move(sizes));
  RecordReader reader(pieces, limit);
  reader.Start(syntax, comment);
  return ReadAll(reader);
}

std::vector<std::string> Texts(const std::vector<NaivePlace>& places) {
  std::vector<std::string> texts;
  for (const NaivePlace& place : places) texts.push_back(place.text);
  return texts;
}
using Lines = std::vector<std::string>;

TEST(CsvRecordReaderTest, TellsOffsetNextAndLine) {
  const std::vector<NaivePlace> places = ReadAll("a,b\r\n\n1,\"x\ny\"\n2", 100);
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places[0], (NaivePlace{0, 5, 1, "a,b", 0}));
  EXPECT_EQ(places[1], (NaivePlace{5, 6, 2, "", 0}));
  EXPECT_EQ(places[2], (NaivePlace{6, 14, 3, "1,\"x\ny\"", 0}));
  EXPECT_EQ(places[3], (NaivePlace{14, 15, 5, "2", 0}));
}

TEST(CsvRecordReaderTest, AnOpenQuoteAtTheEndCostsOnlyItsLine) {
  EXPECT_EQ(Texts(ReadAll("1,a\n2,\"b\n3,c\n4,d\n", 100)), (Lines{"1,a", "2,\"b", "3,c", "4,d"}));
  EXPECT_EQ(Texts(ReadAll("1,a\n2,\"b", 100)), (Lines{"1,a", "2,\"b"}));
}

TEST(CsvRecordReaderTest, AnOpenQuoteBeyondTheLimitCostsOnlyItsLine) {
  std::string text = "1,\"oh\n";
  for (int i = 0; i < 50; ++i) text += "2,fine\n";
  text += "3,\"two\nlines\"\n4,\"x\"\n";
  std::vector<std::string> expected = {"1,\"oh"};
  for (int i = 0; i < 50; ++i) expected.push_back("2,fine");
  expected.push_back("3,\"two\nlines\"");
  expected.push_back("4,\"x\"");
  EXPECT_EQ(Texts(ReadAll(text, 100)), expected);
}

TEST(CsvRecordReaderTest, ALongLineIsCutAndTheNextOneIsRead) {
  const std::string text = "a\n" + std::string(5000, 'x') + "\nb\n";
  for (const std::size_t piece : {1u, 7u, 100u, 6000u}) {
    const std::vector<NaivePlace> places = ReadAll(text, 100, {piece});
    ASSERT_EQ(places.size(), 3u) << piece;
    EXPECT_EQ(places[1], (NaivePlace{2, 5003, 2, std::string(100, 'x'), 4900})) << piece;
    EXPECT_EQ(places[2], (NaivePlace{5003, 5005, 3, "b", 0})) << piece;
  }
}

TEST(CsvRecordReaderTest, ALongLineWithoutAnEndIsCutToo) {
  const std::vector<NaivePlace> places = ReadAll(std::string(1000, 'x'), 100, {64});
  ASSERT_EQ(places.size(), 1u);
  EXPECT_EQ(places[0], (NaivePlace{0, 1000, 1, std::string(100, 'x'), 900}));
}

TEST(CsvRecordReaderTest, ARecordOfExactlyTheLimitPasses) {
  const std::string line(100, 'x');
  EXPECT_EQ(Texts(ReadAll(line + "\n" + line, 100)), (Lines{line, line}));
}

TEST(CsvRecordReaderTest, OldMacLineEnds) {
  Pieces pieces("a\r\"b\rc\"\r\rd", {3});
  RecordReader reader(pieces, 100);
  reader.Start({.line_end = '\r'});
  const std::vector<NaivePlace> places = ReadAll(reader);
  EXPECT_EQ(Texts(places), (Lines{"a", "\"b\rc\"", "", "d"}));
  EXPECT_EQ(places[3].line, 5u);
}

TEST(CsvRecordReaderTest, NothingAndOnlyLineEnds) {
  EXPECT_TRUE(ReadAll("", 100).empty());
  EXPECT_EQ(Texts(ReadAll("\n\n", 100)), (Lines{"", ""}));
}

TEST(CsvRecordReaderTest, IdleComesBackWithoutLosingAnything) {
  Pieces pieces("1,\"a\nb\"\n2,c\n", {3, 0, 2, 0, 0, 4, 0, 100});
  RecordReader reader(pieces, 100);
  reader.Start({});
  Record record;
  int idle = 0;
  std::vector<std::string> texts;
  for (;;) {
    const absl::StatusOr<Outcome> outcome = reader.Next(&record, kNow);
    ASSERT_TRUE(outcome.ok());
    if (*outcome == Outcome::kEnd) break;
    if (*outcome == Outcome::kIdle) {
      ++idle;
    } else {
      texts.emplace_back(record.text);
    }
  }
  EXPECT_EQ(idle, 4);
  EXPECT_EQ(texts, (Lines{"1,\"a\nb\"", "2,c"}));
}

TEST(CsvRecordReaderTest, AnErrorComesBehindTheCompleteRecords) {
  Pieces pieces("1\n2\n3 is cut of", {5}, absl::DataLossError("broken"));
  RecordReader reader(pieces, 100);
  reader.Start({});
  absl::Status end;
  EXPECT_EQ(Texts(ReadAll(reader, &end)), (Lines{"1", "2"}));
  EXPECT_EQ(end.message(), "broken");
  EXPECT_EQ(reader.offset(), 4);
  EXPECT_EQ(reader.line(), 3);
  Record record;
  EXPECT_EQ(reader.Next(&record, kNow).status().message(), "broken");
}

TEST(CsvRecordReaderTest, SkipsToAnOffsetAndCountsItsLines) {
  const std::string text = "a\n\"b\nc\"\nd\ne\n";
  Pieces pieces(text, {2});
  RecordReader reader(pieces, 100);
  reader.Start({});
  ASSERT_TRUE(*reader.SkipTo(8, kNow));
  EXPECT_EQ(reader.last_skipped(), '\n');
  const std::vector<NaivePlace> places = ReadAll(reader);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0], (NaivePlace{8, 10, 4, "d", 0}));
}

TEST(CsvRecordReaderTest, SkippingBeyondTheEndSaysWhereThatIs) {
  Pieces pieces("a\nb\n", {2});
  RecordReader reader(pieces, 100);
  reader.Start({});
  const absl::StatusOr<bool> skipped = reader.SkipTo(5, kNow);
  EXPECT_EQ(skipped.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader.offset(), 4);
}

TEST(CsvRecordReaderTest, TheSampleIsReadAgainAsRecords) {
  Pieces pieces("a\nb\nc", {2, 0, 1});
  RecordReader reader(pieces, 100);
  EXPECT_FALSE(*reader.FillSample(4, kNow));
  EXPECT_TRUE(*reader.FillSample(4, kNow));
  EXPECT_EQ(reader.sample(), "a\nb\n");
  EXPECT_FALSE(reader.at_end());
  EXPECT_TRUE(*reader.FillSample(100, kNow));
  EXPECT_TRUE(reader.at_end());
  reader.Start({});
  EXPECT_EQ(Texts(ReadAll(reader)), (Lines{"a", "b", "c"}));
}

// Small limits and dense quotes, so that giving up happens everywhere; and texts larger than the
// reader's buffers.
TEST(CsvRecordReaderTest, ACommentIsALineWhateverQuotesAreInIt) {
  const std::string text = "#a,\"b\n1,2\n\"#\n#\",3\n##\n4,5\n# \"x\", \"y";
  const Lines lines = {"#a,\"b", "1,2", "\"#\n#\",3", "##", "4,5", "# \"x\", \"y"};
  for (std::size_t piece = 1; piece < 20; ++piece) {
    EXPECT_EQ(Texts(ReadAll(text, 1000, {piece}, '#')), lines) << piece;
  }
}

TEST(CsvRecordReaderTest, AgreesWithANaiveReaderHoweverTheTextComes) {
  std::mt19937 random(17);
  for (int round = 0; round < 2000; ++round) {
    const std::string_view alphabet = round % 3 == 0   ? "\",\na#\\"
                                      : round % 3 == 1 ? "aaaaaaaaaa,,,\"\n\r"
                                                       : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n#";
    std::string text;
    for (std::size_t left = random() % 500; left > 0; --left) {
      text += alphabet[random() % alphabet.size()];
    }
    const std::size_t limit = 1 + random() % 60;
    const char comment = random() % 2 == 0 ? '\0' : '#';
    const CsvSyntax syntax = {.escape = random() % 2 == 0 ? '\0' : '\\'};
    const std::vector<NaivePlace> expected =
        testing::FindRecordsNaively(text, limit, comment, syntax.escape);
    const std::vector<std::size_t> sizes = {1 + random() % 80, random() % 20, 1 + random() % 80};
    const std::string shown =
        ::testing::PrintToString(text) + std::to_string(limit) + comment + syntax.escape;
    ASSERT_EQ(ReadAll(text, limit, {1 << 20}, comment, syntax), expected) << shown;
    ASSERT_EQ(ReadAll(text, limit, sizes, comment, syntax), expected) << shown;
  }
}

TEST(CsvRecordReaderTest, AgreesWithANaiveReaderOnTextsLargerThanItsBuffers) {
  std::mt19937 random(19);
  std::string text;
  while (text.size() < 3'000'000) {
    text +=
        std::string(random() % 100, 'x') + ",\"" + std::string(random() % 50, '\n') + "\"\"\"\n";
    if (random() % 1000 == 0) text += std::string(random() % 200'000, 'y') + "\n";
  }
  const std::vector<NaivePlace> expected = testing::FindRecordsNaively(text, 70'000);
  EXPECT_EQ(ReadAll(text, 70'000), expected);
  EXPECT_EQ(ReadAll(text, 70'000, {4096, 100'000, 65'536, 1, 333'333}), expected);
}

// What a record costs must not depend on how many of them are broken.
TEST(CsvRecordReaderTest, ManyOpenQuotesAreReadInOnePass) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "x\"y,\"z\n";  // open wherever one begins
  const std::vector<NaivePlace> places = ReadAll(text, 1 << 20);
  EXPECT_EQ(places.size(), 200'000u);
  EXPECT_EQ(ReadAll(text, 1 << 20, {1 << 20}, 'x').size(), 200'000u);  // all of them comments
}

}  // namespace
}  // namespace tsingest::csv
