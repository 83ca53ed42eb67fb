#include "tsingest/decode/csv_split.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/naive_csv.h"

namespace tsingest {
namespace {

struct Result {
  CsvSplit split;
  std::vector<std::string> texts;
  std::vector<bool> quoted;
};

template <class Block>
Result Split(std::string_view record, const CsvSyntax& syntax = {}, std::size_t max_fields = 4096) {
  Arena arena;
  BasicCsvSplitter<Block> splitter(syntax, max_fields);
  std::vector<CsvCell> cells;
  Result result;
  result.split = splitter.Split(arena.CopyPadded(record), cells);
  for (const CsvCell& cell : cells) {
    result.texts.emplace_back(cell.Text(syntax, arena));
    result.quoted.push_back(cell.quoted);
  }
  return result;
}

using Texts = std::vector<std::string>;

template <class Block>
class CsvSplitTest : public ::testing::Test {};
using Blocks = ::testing::Types<internal::Block, internal::WordBlock>;
TYPED_TEST_SUITE(CsvSplitTest, Blocks);

TYPED_TEST(CsvSplitTest, SplitsAtDelimiters) {
  EXPECT_EQ(Split<TypeParam>("a,bc,,d").texts, (Texts{"a", "bc", "", "d"}));
  EXPECT_EQ(Split<TypeParam>("").texts, Texts{""});
  EXPECT_EQ(Split<TypeParam>(",").texts, (Texts{"", ""}));
}

TYPED_TEST(CsvSplitTest, TakesQuotesOffAndHalvesDoubledOnes) {
  const Result result = Split<TypeParam>(R"("a,b","",x,"say ""hi""","""")");
  EXPECT_EQ(result.split.fault, CsvFault::kNone);
  EXPECT_EQ(result.texts, (Texts{"a,b", "", "x", "say \"hi\"", "\""}));
  EXPECT_EQ(result.quoted, (std::vector<bool>{true, true, false, true, true}));
}

TYPED_TEST(CsvSplitTest, QuotesInsideUnquotedFieldsStay) {
  const Result result = Split<TypeParam>("37'36.8\"N,a\"b\"c,\"q\"");
  EXPECT_EQ(result.split.fault, CsvFault::kNone);
  EXPECT_EQ(result.texts, (Texts{"37'36.8\"N", "a\"b\"c", "q"}));
}

TYPED_TEST(CsvSplitTest, NamesTheFieldWhoseQuoteIsOpen) {
  for (const std::string_view record :
       {"1,2,\"abc,4", "1,2,\"", "1,2,\"\"\"", "1,\"x\",\"a\"\",4"}) {
    const Result result = Split<TypeParam>(record);
    EXPECT_EQ(result.split.fault, CsvFault::kOpenQuote) << record;
    EXPECT_EQ(result.split.field, 2u) << record;
  }
}

TYPED_TEST(CsvSplitTest, NamesTheFieldWithTextBehindItsQuote) {
  for (const std::string_view record : {"1,\"a\"b,3", "1,\"he said \"hi\"\",3", "1,\"a\" ,3",
                                        "1,\"he said \"hi\"", "1,\"a\"b\"\",x"}) {
    const Result result = Split<TypeParam>(record);
    EXPECT_EQ(result.split.fault, CsvFault::kTextAfterQuote) << record;
    EXPECT_EQ(result.split.field, 1u) << record;
  }
}

TYPED_TEST(CsvSplitTest, ALineBreakOutsideQuotesIsAFault) {
  EXPECT_EQ(Split<TypeParam>("a,b\nc,d").split.fault, CsvFault::kLineBreak);
  EXPECT_EQ(Split<TypeParam>("a,\"b\nc\",d").split.fault, CsvFault::kNone);
}

TYPED_TEST(CsvSplitTest, StopsAtTheLimitOfFields) {
  EXPECT_EQ(Split<TypeParam>("a,b,c", {}, 3).split.fault, CsvFault::kNone);
  EXPECT_EQ(Split<TypeParam>("a,b,c,d", {}, 3).split.fault, CsvFault::kTooManyFields);
  EXPECT_EQ(Split<TypeParam>(std::string(100'000, ','), {}, 3).split.fault,
            CsvFault::kTooManyFields);
}

TYPED_TEST(CsvSplitTest, SaysWhetherTheRecordIsPlainText) {
  EXPECT_TRUE(Split<TypeParam>("a,\"b\",\t~").split.plain_text);
  EXPECT_FALSE(Split<TypeParam>("a,\xc3\xa9").split.plain_text);
  EXPECT_FALSE(Split<TypeParam>(std::string("a,\0", 3)).split.plain_text);
  EXPECT_FALSE(Split<TypeParam>(std::string(63, 'x') + "\x80").split.plain_text);
  EXPECT_FALSE(Split<TypeParam>(std::string(64, 'x') + "\x80").split.plain_text);
  EXPECT_TRUE(Split<TypeParam>(std::string(65, 'x')).split.plain_text);
}

TYPED_TEST(CsvSplitTest, SkipsInitialBlanksWhenAskedTo) {
  const CsvSyntax syntax = {.skip_initial_space = true};
  const Result result = Split<TypeParam>("  1,  \"a, \"\"b\" , c d ", syntax);
  EXPECT_EQ(result.split.fault, CsvFault::kNone);
  EXPECT_EQ(result.texts, (Texts{"1", "a, \"b", "c d "}));
  EXPECT_EQ(Split<TypeParam>(" a, b", {}).texts, (Texts{" a", " b"}));
}

TYPED_TEST(CsvSplitTest, EscapesAreLeftOut) {
  const CsvSyntax syntax = {.escape = '\\'};
  EXPECT_EQ(Split<TypeParam>(R"(1,"a\",b)", syntax).split.fault, CsvFault::kOpenQuote);
  const Result good = Split<TypeParam>(R"("say \"hi\"",a\"b,"c\\","\n","\,")", syntax);
  EXPECT_EQ(good.split.fault, CsvFault::kNone);
  EXPECT_EQ(good.texts, (Texts{"say \"hi\"", "a\\\"b", "c\\", "\\n", "\\,"}));
  EXPECT_EQ(Split<TypeParam>(R"("a""b",c)", syntax).split.fault, CsvFault::kTextAfterQuote);
}

TYPED_TEST(CsvSplitTest, AgreesWithANaiveReader) {
  std::mt19937 random(13);
  for (int round = 0; round < 5000; ++round) {
    const std::string_view alphabet =
        round % 2 == 0 ? "\",\na\\" : "aaaaaaaaaaaaaaaaaaa\\,,,\"\xc3\xa9";
    const CsvSyntax syntax = {.escape = round % 4 < 2 ? '\0' : '\\'};
    std::string text;
    for (std::size_t left = 1 + random() % 300; left > 0; --left) {
      text += alphabet[random() % alphabet.size()];
    }
    const testing::NaiveRecord naive =
        testing::ReadCsvNaively(text, ',', '"', '\n', syntax.escape).front();
    text.resize(naive.end);
    if (!naive.open && text.back() == '\n') text.pop_back();
    const Result result = Split<TypeParam>(text, syntax);
    const std::string shown = ::testing::PrintToString(text) + syntax.escape;
    if (naive.strange && naive.open) {
      ASSERT_NE(result.split.fault, CsvFault::kNone) << shown;
    } else if (naive.strange) {
      ASSERT_EQ(result.split.fault, CsvFault::kTextAfterQuote) << shown;
    } else if (naive.open) {
      ASSERT_EQ(result.split.fault, CsvFault::kOpenQuote) << shown;
    } else {
      ASSERT_EQ(result.split.fault, CsvFault::kNone) << shown;
      ASSERT_EQ(result.texts.size(), naive.fields.size()) << shown;
      for (std::size_t i = 0; i < naive.fields.size(); ++i) {
        ASSERT_EQ(result.texts[i], naive.fields[i].text) << shown;
        ASSERT_EQ(result.quoted[i], naive.fields[i].quoted) << shown;
      }
    }
  }
}

}  // namespace
}  // namespace tsingest
