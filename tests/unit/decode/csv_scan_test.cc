#include "tsingest/decode/csv_scan.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/naive_csv.h"

namespace tsingest {
namespace {

using Ends = std::vector<std::pair<std::size_t, std::size_t>>;  // end, lines

// The ends found when the text arrives in pieces of `piece` bytes.
template <class Block>
Ends Scan(std::string_view text, std::size_t piece, const CsvSyntax& syntax = {}) {
  BasicCsvRecordScanner<Block> scanner(syntax);
  Ends found;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    std::vector<CsvRecordEnd> ends;
    scanner.Scan(text.substr(at, piece), ends);
    for (const CsvRecordEnd& end : ends) found.emplace_back(at + end.end, end.lines);
  }
  return found;
}

Ends ScanNaively(std::string_view text, const CsvSyntax& syntax = {}) {
  Ends found;
  for (const testing::NaiveRecord& record : testing::ReadCsvNaively(
           text, syntax.delimiter, syntax.quote, syntax.line_end, syntax.escape)) {
    const bool is_ended = text[record.end - 1] == syntax.line_end && !record.open;
    if (is_ended) found.emplace_back(record.end, record.lines);
  }
  return found;
}

template <class Block>
class CsvScanTest : public ::testing::Test {};
using Blocks = ::testing::Types<internal::Block, internal::WordBlock>;
TYPED_TEST_SUITE(CsvScanTest, Blocks);

TYPED_TEST(CsvScanTest, EndsRecordsAtLineFeeds) {
  EXPECT_EQ(Scan<TypeParam>("a,b\n\n1,2\n3", 64), (Ends{{4, 1}, {5, 1}, {9, 1}}));
}

TYPED_TEST(CsvScanTest, LineBreaksInQuotesBelongToTheRecord) {
  EXPECT_EQ(Scan<TypeParam>("1,\"x\ny\n\",2\n3\n", 64), (Ends{{11, 3}, {13, 1}}));
}

TYPED_TEST(CsvScanTest, DoubledQuotesDoNotClose) {
  EXPECT_EQ(Scan<TypeParam>("\"a\"\"\nb\"\nc\n", 64), (Ends{{8, 2}, {10, 1}}));
}

TYPED_TEST(CsvScanTest, AQuoteInsideAnUnquotedFieldIsOrdinary) {
  EXPECT_EQ(Scan<TypeParam>("5\" pipe,x\"y\"\"z\n\"\n\"\n", 64), (Ends{{15, 1}, {19, 2}}));
}

TYPED_TEST(CsvScanTest, AfterAClosingQuoteTheRestOfTheFieldIsOrdinary) {
  EXPECT_EQ(Scan<TypeParam>("\"he said \"hi\" there\",1\n2\n", 64), (Ends{{23, 1}, {25, 1}}));
}

TYPED_TEST(CsvScanTest, AnOpenQuoteEndsNothing) {
  BasicCsvRecordScanner<TypeParam> scanner(CsvSyntax{});
  std::vector<CsvRecordEnd> ends;
  scanner.Scan("1,\"2\n3,4\n", ends);
  EXPECT_TRUE(ends.empty());
  EXPECT_TRUE(scanner.in_quotes());
  scanner.Reset();
  EXPECT_FALSE(scanner.in_quotes());
  scanner.Scan("3,4\n", ends);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].lines, 1u);  // the lines before Reset() are forgotten
}

TYPED_TEST(CsvScanTest, KnowsOtherDialects) {
  EXPECT_EQ(
      Scan<TypeParam>("a;'b\r'\rc\r", 64, {.delimiter = ';', .quote = '\'', .line_end = '\r'}),
      (Ends{{7, 2}, {9, 1}}));
}

TYPED_TEST(CsvScanTest, WithoutAQuoteCharacterQuotesAndNulAreOrdinary) {
  const std::string text("\"a\n\0\nb\"\n", 8);
  EXPECT_EQ(Scan<TypeParam>(text, 64, {.quote = '\0'}), (Ends{{3, 1}, {5, 1}, {8, 1}}));
}

TYPED_TEST(CsvScanTest, SkippedBlanksMayStandBeforeAQuote) {
  const std::string_view text = "1,  \"x\ny\"\n2, \"\n\"\n";
  EXPECT_EQ(Scan<TypeParam>(text, 64, {.skip_initial_space = true}), (Ends{{10, 2}, {17, 2}}));
  EXPECT_EQ(Scan<TypeParam>(text, 64).size(), 3u);  // otherwise those quotes are ordinary
  for (std::size_t piece = 1; piece < 20; ++piece) {
    EXPECT_EQ(Scan<TypeParam>(text, piece, {.skip_initial_space = true}), (Ends{{10, 2}, {17, 2}}))
        << piece;
  }
}

TYPED_TEST(CsvScanTest, AnEscapedQuoteDoesNotClose) {
  const std::string_view text = "\"a\\\"\n\\\\\"\nb\\\"\n\"\\n\"\n";
  for (std::size_t piece = 1; piece < 20; ++piece) {
    EXPECT_EQ(Scan<TypeParam>(text, piece, {.escape = '\\'}), (Ends{{9, 2}, {13, 1}, {18, 1}}))
        << piece;
  }
}

// Texts dense in everything that matters, so that each state stands at each place of a block.
TYPED_TEST(CsvScanTest, AgreesWithANaiveReaderHoweverTheTextIsCut) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const std::string_view alphabet =
        round % 2 == 0 ? "\",\na\\" : "aaaaaaaaaaaaaaaaaaa\\\\,,\n\"\r\xc3\xa9";
    std::string text;
    for (std::size_t left = random() % 400; left > 0; --left) {
      text += alphabet[random() % alphabet.size()];
    }
    for (const CsvSyntax& syntax : {CsvSyntax{}, CsvSyntax{.escape = '\\'}}) {
      const Ends expected = ScanNaively(text, syntax);
      const std::string shown = ::testing::PrintToString(text) + syntax.escape;
      ASSERT_EQ(Scan<TypeParam>(text, text.size() + 1, syntax), expected) << shown;
      ASSERT_EQ(Scan<TypeParam>(text, 1 + random() % 150, syntax), expected) << shown;
    }
  }
}

TEST(ByteBlockTest, BothBlocksSeeTheSameBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    char bytes[internal::kBlockBytes];
    for (char& c : bytes) c = static_cast<char>(random() % (round % 2 == 0 ? 4 : 256));
    const char wanted = static_cast<char>(random() % (round % 2 == 0 ? 4 : 256));
    std::uint64_t equal = 0;
    std::uint64_t special = 0;
    for (std::size_t i = 0; i < internal::kBlockBytes; ++i) {
      equal |= std::uint64_t{bytes[i] == wanted} << i;
      special |= std::uint64_t{bytes[i] == 0 || (static_cast<unsigned char>(bytes[i]) & 0x80) != 0}
                 << i;
    }
    ASSERT_EQ(internal::Block(bytes).Equal(wanted), equal);
    ASSERT_EQ(internal::WordBlock(bytes).Equal(wanted), equal);
    ASSERT_EQ(internal::Block(bytes).NulOrNonAscii(), special);
    ASSERT_EQ(internal::WordBlock(bytes).NulOrNonAscii(), special);
  }
}

TEST(CountByteTest, CountsInWholeBlocksAndTheRest) {
  std::string text(1000, 'x');
  EXPECT_EQ(internal::CountByte(text, '\n'), 0u);
  for (const std::size_t at : {0u, 63u, 64u, 959u, 960u, 999u}) text[at] = '\n';
  EXPECT_EQ(internal::CountByte(text, '\n'), 6u);
  EXPECT_EQ(internal::CountByte({}, '\n'), 0u);
}

}  // namespace
}  // namespace tsingest
