#include "source/csv/sniff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tsingest::csv {
namespace {

using ::testing::ElementsAre;

CsvDialect Sniff(std::string_view sample, const KnownDialect& known = {}) {
  return SniffDialect(sample, true, known).dialect;
}
char Delimiter(std::string_view sample) { return Sniff(sample).syntax.delimiter; }

TEST(CsvSniffTest, TellsTheDelimiter) {
  EXPECT_EQ(Delimiter("a,b\n1,2\n"), ',');
  EXPECT_EQ(Delimiter("a;b\n1;2\n"), ';');
  EXPECT_EQ(Delimiter("a\tb\n1\t2\n"), '\t');
  EXPECT_EQ(Delimiter("a|b\n1|2\n"), '|');
}

TEST(CsvSniffTest, OneColumnIsReadAsComma) {
  EXPECT_EQ(Delimiter("a\n1\n2\n"), ',');
  EXPECT_EQ(Delimiter(""), ',');
}

TEST(CsvSniffTest, DecimalCommasAreNoDelimiters) {
  EXPECT_EQ(Delimiter("t;x;y\n1;2,5;3,5\n2;2,6;3,6\n"), ';');
  EXPECT_EQ(Delimiter("Temp, C;Hum, %\n1,5;2,5\n1,6;2,6\n"), ';');
}

TEST(CsvSniffTest, DelimitersInsideQuotesDoNotCount) {
  EXPECT_EQ(Delimiter("a,b\n\"x;y;z\",1\n\"x;y\n;z\",2\n"), ',');
}

TEST(CsvSniffTest, ARaggedLineDoesNotMislead) {
  EXPECT_EQ(Delimiter("a;b;c\n1;2;3\n4,5\n1;2;3\n"), ';');
}

TEST(CsvSniffTest, ATitleAboveTheHeaderDoesNotMislead) {
  EXPECT_EQ(Delimiter("Station 7\na;b\n1;2\n3;4\n"), ';');
}

TEST(CsvSniffTest, TellsTheDecimalComma) {
  EXPECT_TRUE(Sniff("a;b\n1,5;x\n").decimal_comma);
  EXPECT_FALSE(Sniff("a;b\n1.5;x\n").decimal_comma);
  EXPECT_FALSE(Sniff("a;b\n1;x\n").decimal_comma);
  EXPECT_TRUE(Sniff("a;b\n1,5;18.00.00\n2,5;10.03.2004\n").decimal_comma);  // no decimals, those
  EXPECT_TRUE(Sniff("a;b\n1,234;2,5\n").decimal_comma);
}

TEST(CsvSniffTest, QuotedThousandsInACommaFileAreNoDecimals) {
  EXPECT_FALSE(Sniff("a,b\n\"1,234\",x\n\"22,345\",y\n").decimal_comma);
  EXPECT_TRUE(Sniff("a,b\n\"1,5\",x\n\"22,75\",y\n").decimal_comma);
}

TEST(CsvSniffTest, TheMajorityOfNumbersDecides) {
  EXPECT_TRUE(Sniff("a;b;v\n1,5;2,5;1.0\n1,6;2,6;1.0\n").decimal_comma);
  EXPECT_FALSE(Sniff("a;b\n1.5;3,1\n1.6;2.6\n").decimal_comma);
}

TEST(CsvSniffTest, WhatIsKnownIsKept) {
  const CsvDialect dialect = Sniff("a;b\n1,5;2,5\n", {.delimiter = ',', .decimal_comma = false});
  EXPECT_EQ(dialect.syntax.delimiter, ',');
  EXPECT_FALSE(dialect.decimal_comma);
}

TEST(CsvSniffTest, TellsOldMacLineEnds) {
  EXPECT_EQ(Sniff("a,b\r1,2\r").syntax.line_end, '\r');
  EXPECT_EQ(Sniff("a,b\r\n1,2\r\n").syntax.line_end, '\n');
  EXPECT_EQ(Sniff("a,b").syntax.line_end, '\n');
  // A sample cut behind the CR of a CRLF.
  EXPECT_EQ(SniffDialect("a,b\r", false, {}).dialect.syntax.line_end, '\n');
}

TEST(CsvSniffTest, BlanksBeforeQuotesAreSkipped) {
  EXPECT_TRUE(Sniff("a, b\n1, \"x, y\"\n").syntax.skip_initial_space);
  EXPECT_FALSE(Sniff("a, b\n1, x\n").syntax.skip_initial_space);
}

TEST(CsvSniffTest, TellsDataFromNames) {
  const auto looks_like_data = [](std::string_view sample) {
    return SniffDialect(sample, true, {}).first_looks_like_data;
  };
  EXPECT_TRUE(looks_like_data("1594512094,a\n"));
  EXPECT_TRUE(looks_like_data("2020-07-13T00:00:00Z,a\n"));
  EXPECT_TRUE(looks_like_data("13.07.2020;a\n"));
  EXPECT_TRUE(looks_like_data("x,\"21.5\"\n"));
  EXPECT_FALSE(looks_like_data("time,device\n1,2\n"));
  EXPECT_FALSE(looks_like_data("2nd floor,pm2.5,CO(GT)\n1,2,3\n"));
}

TEST(CsvSniffTest, ReadsTheFirstRecordThatIsNotEmpty) {
  const FirstRecord first = ReadFirstRecord("\n,,\r\na,\"b\"\"\n\",\r\n1,2,3\n", false, {});
  EXPECT_TRUE(first.found);
  EXPECT_FALSE(first.broken);
  EXPECT_THAT(first.cells, ElementsAre("a", "b\"\n", ""));
  EXPECT_EQ(first.next, 16);
}

TEST(CsvSniffTest, AnIncompleteRecordIsNone) {
  EXPECT_FALSE(ReadFirstRecord("a,b", false, {}).found);
  EXPECT_TRUE(ReadFirstRecord("a,b", true, {}).found);
  EXPECT_FALSE(ReadFirstRecord("\n\n", true, {}).found);
  EXPECT_FALSE(HasRecords("a\nb", 2, {}));
  EXPECT_TRUE(HasRecords("a\n\nb\n", 2, {}));
  EXPECT_FALSE(HasRecords("a\n\n\n", 2, {}));
}

}  // namespace
}  // namespace tsingest::csv
