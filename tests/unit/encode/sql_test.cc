#include "tsingest/encode/sql.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tsingest/model/builtin/metrics.h"

namespace tsingest {
namespace {

std::string Parse(std::string_view text) {
  const auto table = ParseTableName(text);
  return table.ok() ? table->Quoted() : std::string(table.status().message());
}

TEST(ParseTableName, FoldsPlainNamesAndKeepsQuotedOnes) {
  EXPECT_EQ(Parse("metrics"), "\"metrics\"");
  EXPECT_EQ(Parse("Sensors.Readings"), "\"sensors\".\"readings\"");
  EXPECT_EQ(Parse("\"My Table\""), "\"My Table\"");
  EXPECT_EQ(Parse("a.\"b.c\""), "\"a\".\"b.c\"");
  EXPECT_EQ(Parse("\"say \"\"hi\"\"\".x$1"), "\"say \"\"hi\"\"\".\"x$1\"");
  EXPECT_EQ(Parse("größe"), "\"größe\"");
  EXPECT_EQ(Parse("select"), "\"select\"");
  EXPECT_EQ(Parse(std::string(63, 'a')), "\"" + std::string(63, 'a') + "\"");
}

TEST(ParseTableName, SaysWhatIsWrong) {
  constexpr std::string_view kExpected =
      ": expected [SCHEMA.]NAME; a name of other characters than letters, digits, _ and $ stands "
      "in "
      "double quotes";
  for (const std::string text :
       {"", ".", "my-table", "a b", "1a", "a..b", "a.b.c", "\"open", "a;drop", "$x", "a.1"}) {
    EXPECT_EQ(Parse(text), "table name \"" + text + "\"" + std::string(kExpected)) << text;
  }
  EXPECT_EQ(Parse("a."), "table name \"a.\": the name behind the dot is missing");
  EXPECT_EQ(Parse("\"\""), "table name \"\"\"\": a name is empty");
  EXPECT_NE(Parse(std::string(64, 'a')).find("longer than PostgreSQL's 63 bytes"),
            std::string::npos);
  EXPECT_NE(Parse("\"a\xff\"").find("is not UTF-8"), std::string::npos);
  EXPECT_NE(Parse(std::string_view("\"a\0b\"", 5)).find("is not UTF-8"), std::string::npos);
}

TEST(QuoteIdentifier, DoublesQuotes) {
  EXPECT_EQ(QuoteIdentifier("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
}

TEST(QuoteLiteral, DoublesQuotesAndBackslashes) {
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_EQ(QuoteLiteral("a\\'b"), " E'a\\\\''b'");
  EXPECT_EQ(QuoteLiteral(""), "''");
}

TEST(TableName, IsShownWithoutQuotes) {
  EXPECT_EQ((TableName{"s", "T x"}.Display()), "s.T x");
  EXPECT_EQ((TableName{"", "t"}.Display()), "t");
}

TEST(CopyStatement, NamesTableAndColumns) {
  EXPECT_EQ(
      CopyStatement(TableName{"plant", "metrics"}, kBindings<Metric>),
      "COPY \"plant\".\"metrics\" (\"time\", \"topic\", \"value\", \"value_str\", \"quality\", "
      "\"metadata\") FROM STDIN (FORMAT binary)");
}

}  // namespace
}  // namespace tsingest
