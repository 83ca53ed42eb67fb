#include "tsingest/model/json_text.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tsingest/base/arena.h"

namespace tsingest {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// The text at the very end of a heap block, so that a sanitizer sees any read behind it.
struct Exact {
  explicit Exact(std::string_view from) : bytes(new char[from.size()]), size(from.size()) {
    std::copy(from.begin(), from.end(), bytes.get());
  }
  std::string_view view() const { return {bytes.get(), size}; }
  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

JsonCheck Check(std::string_view text, const JsonLimits& limits = {}) {
  const Exact exact(text);
  return CheckJson(exact.view(), limits);
}

TEST(CheckJson, AcceptsEveryKindOfValue) {
  for (const std::string_view text :
       {"{}", "[]", "null", "true", "false", "0", "-0", "12.5", "-1e+9", "1E-2", "1.25e3", "\"\"",
        "\"a\\u00e9\\n\\/\"", " \t\r\n[1 , 2]\n", "{\"a\":{\"b\":[{},[],\"x\"]},\"c\":null}",
        "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"",
        "12345678901234567890123456789012345678901234"}) {
    EXPECT_TRUE(Check(text).ok()) << text << ": " << Check(text).rule;
  }
}

TEST(CheckJson, ReadsNoByteBehindANumberAtTheEnd) {  // AddressSanitizer sees it
  for (std::size_t digits = 1; digits < 70; ++digits) {
    for (const std::string sign : {"", "-"}) {
      const std::string number = sign + std::string(digits, '7');
      EXPECT_TRUE(Check(number).ok()) << number;
      EXPECT_TRUE(Check(number + ".5").ok()) << number;
    }
  }
}

TEST(CheckJson, RejectsWhatIsNotJsonAtTheByteWhereItStopsToBeSo) {
  const std::vector<std::tuple<std::string_view, std::size_t, std::string_view>> cases = {
      {"", 0, "expected a JSON value"},
      {"  ", 2, "expected a JSON value"},
      {"{", 1, "expected a name in quotes"},
      {"{\"a\"", 4, "expected ':' after a name"},
      {"{\"a\":", 5, "expected a JSON value"},
      {"{\"a\":1", 6, "expected ',' or '}'"},
      {"{\"a\":1,}", 7, "expected a name in quotes"},
      {"{a:1}", 1, "expected a name in quotes"},
      {"{\"a\":1]", 6, "expected ',' or '}'"},
      {"[1}", 2, "expected ',' or ']'"},
      {"[1,]", 3, "expected a JSON value"},
      {"[1 2]", 3, "expected ',' or ']'"},
      {"[,1]", 1, "expected a JSON value"},
      {"1 2", 2, "expected nothing behind the value"},
      {"{} x", 3, "expected nothing behind the value"},
      {"nul", 0, "expected a JSON value"},
      {"True", 0, "expected a JSON value"},
      {"NaN", 0, "expected a JSON value"},
      {"+1", 0, "expected a JSON value"},
      {".5", 0, "expected a JSON value"},
      {"-", 1, "expected a digit"},
      {"-x", 1, "expected a digit"},
      {"01", 0, "expected a number without leading zeros"},
      {"-01.5", 1, "expected a number without leading zeros"},
      {"1.", 2, "expected a digit after the decimal point"},
      {"1.e5", 2, "expected a digit after the decimal point"},
      {"1e", 2, "expected a digit in the exponent"},
      {"[1e+]", 4, "expected a digit in the exponent"},
      {"0x1F", 1, "expected nothing behind the value"},
      {"\"abc", 4, "expected '\"' at the end of a string"},
      {"\"a\nb\"", 2, "expected control characters in strings to be escaped"},
      {"\"\\x\"", 1, "expected a JSON escape such as \\n or \\u00e9"},
      {"\"\\", 1, "expected a JSON escape such as \\n or \\u00e9"},
      {"\"\\u12\"", 1, "expected four hexadecimal digits after \\u"},
      {"\"\\u12g4\"", 1, "expected four hexadecimal digits after \\u"},
      {"\xEF\xBB\xBF{}", 0, "expected a JSON value"},
  };
  for (const auto& [text, offset, rule] : cases) {
    const JsonCheck check = Check(text);
    EXPECT_EQ(check.code, RejectCode::kSyntax) << text;
    EXPECT_EQ(check.offset, offset) << text;
    EXPECT_EQ(check.rule, rule) << text;
  }
}

TEST(CheckJson, RejectsTextThatIsNotUtf8WhereverItStands) {
  for (const std::string_view bad : {"\xFF", "\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xE2\x82",
                                     "\xF5\x80\x80\x80", "\xF0\x82\x82\xAC"}) {
    for (const std::size_t before : {0u, 1u, 7u, 15u, 16u, 31u, 40u}) {
      const std::string text = "[\"" + std::string(before, 'x') + std::string(bad) + "\"]";
      const JsonCheck check = Check(text);
      EXPECT_EQ(check.code, RejectCode::kEncoding) << testing::PrintToString(text);
      EXPECT_EQ(check.offset, before + 2) << testing::PrintToString(text);
    }
  }
}

TEST(CheckJson, SeesStringsThatEndAtAnyPlaceOfABlock) {
  for (std::size_t length = 0; length < 70; ++length) {
    const std::string inside(length, 'y');
    EXPECT_TRUE(Check("\"" + inside + "\"").ok()) << length;
    EXPECT_TRUE(Check("\"" + inside + "\xC3\xA4\\n" + inside + "\"").ok()) << length;
    EXPECT_EQ(Check("\"" + inside + "\x1f\"").offset, length + 1);
    EXPECT_EQ(Check("\"" + inside).offset, length + 1);
  }
}

TEST(CheckJson, ReadsNumbersOfAnyLengthUpToTheLimit) {
  for (std::size_t digits = 1; digits < 80; ++digits) {
    const std::string number(digits, '7');
    EXPECT_TRUE(Check(number).ok()) << digits;
    EXPECT_TRUE(Check("[" + number + "." + number + "e10]").ok()) << digits;
    EXPECT_EQ(Check(number + ".").offset, digits + 1);
    EXPECT_EQ(Check(number + "e").offset, digits + 1);
  }
}

TEST(CheckJson, HoldsItsLimits) {
  JsonLimits limits;
  limits.depth = 3;
  limits.number_bytes = 5;
  limits.string_bytes = 4;
  limits.total_bytes = 40;
  EXPECT_TRUE(Check("[[[1]]]", limits).ok());
  EXPECT_TRUE(Check("12345", limits).ok());
  EXPECT_TRUE(Check("\"abcd\"", limits).ok());
  const std::vector<std::tuple<std::string, std::size_t, std::size_t>> cases = {
      {"[[{\"a\":[]}]]", 7, 3}, {"[1,-12345]", 3, 5},    {"[\"abcde\"]", 1, 4},
      {"{\"abcde\":1}", 1, 4},  {"[\"\\u0041\"]", 1, 4}, {std::string(41, ' '), 40, 40},
  };
  for (const auto& [text, offset, limit] : cases) {
    const JsonCheck check = Check(text, limits);
    EXPECT_EQ(check.code, RejectCode::kLimit) << text;
    EXPECT_EQ(check.offset, offset) << text;
    EXPECT_EQ(check.limit, limit) << text;
  }
}

TEST(CheckJson, NeverUsesMoreStackHoweverDeepTheTextNests) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(Check(deep).code, RejectCode::kLimit);
  JsonLimits limits;
  limits.depth = 1'000'000;  // beyond what is possible: kMaxDepth counts
  EXPECT_EQ(Check(deep, limits).offset, JsonLimits::kMaxDepth);
  const std::string full =
      std::string(JsonLimits::kMaxDepth, '[') + std::string(JsonLimits::kMaxDepth, ']');
  EXPECT_TRUE(Check(full, limits).ok());
}

TEST(CheckJsonb, RejectsGoodJsonThatPostgresCannotStore) {
  const std::vector<std::pair<std::string_view, RejectCode>> cases = {
      {"{\"a\":\"\\u0000\"}", RejectCode::kEncoding},
      {"{\"\\u0000\":1}", RejectCode::kEncoding},
      {"\"\\ud800\"", RejectCode::kEncoding},
      {"\"\\udc00\"", RejectCode::kEncoding},
      {"\"\\ud800\\u0041\"", RejectCode::kEncoding},
      {"\"\\udbff\\udbff\"", RejectCode::kEncoding},
      {"[1e131072]", RejectCode::kRange},
      {"[10e131071]", RejectCode::kRange},
      {"1e-16384", RejectCode::kRange},
      {"0e-16384", RejectCode::kRange},
      {"1.5e-16383", RejectCode::kRange},
      {"1e99999999999999999999", RejectCode::kRange},
      {"0e99999999999999999999", RejectCode::kRange},
      {"1e-99999999999999999999", RejectCode::kRange},
  };
  for (const auto& [text, code] : cases) {
    EXPECT_TRUE(Check(text).ok()) << text;
    EXPECT_EQ(CheckJsonb(text).code, code) << text;
  }
  for (const std::string_view text : {"\"\\ud83d\\ude00\"", "[1e131071]", "0.1e131072", "0e200000",
                                      "1e-16383", "12.5e-16382", "-9.99e99"}) {
    EXPECT_TRUE(CheckJsonb(text).ok()) << text << CheckJsonb(text).rule;
  }
}

TEST(CheckJsonb, TellsAFieldWhyAndWhere) {
  ParseContext context;
  EXPECT_EQ(CheckJsonb("{\"a\":1}", context), RejectCode::kOk);
  EXPECT_EQ(CheckJsonb("{\"a\":}", context), RejectCode::kSyntax);
  EXPECT_EQ(context.why, "is not JSON: expected a JSON value (byte 5 of the value)");
  EXPECT_EQ(CheckJsonb("[\"\\u0000\"]", context), RejectCode::kEncoding);
  EXPECT_EQ(context.why, "holds \\u0000, which PostgreSQL cannot store (byte 2 of the value)");
}

class JsonTextWithArena : public testing::Test {
 protected:
  JsonTextWithArena() { context_.arena = &arena_; }

  std::string Unescape(std::string_view escaped) {
    std::string_view text;
    const Exact exact(escaped);
    const RejectCode code = UnescapeJsonString(exact.view(), context_, &text);
    return code == RejectCode::kOk ? std::string(text) : "<" + std::string(RejectSlug(code)) + ">";
  }

  std::vector<std::pair<TokenKind, std::string>> Elements(std::string_view array) {
    std::vector<std::pair<TokenKind, std::string>> found;
    JsonArrayElements elements(array, context_);
    for (Token token; elements.Next(&token);) found.emplace_back(token.kind, token.text);
    EXPECT_EQ(elements.code(), RejectCode::kOk) << context_.why;
    EXPECT_EQ(JsonArrayElements::Count(array), found.size());
    return found;
  }

  Arena arena_;
  ParseContext context_;
};

TEST_F(JsonTextWithArena, UnescapesEveryEscape) {
  EXPECT_EQ(Unescape(""), "");
  EXPECT_EQ(Unescape("plain"), "plain");
  EXPECT_EQ(Unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Unescape("a\\u0041\\u00e9\\u20AC\\ud83d\\uDE00z"),
            "aA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
  EXPECT_EQ(Unescape("\\uFFFF\\u0001"), "\xEF\xBF\xBF\x01");
  EXPECT_EQ(Unescape("\\\\u0041"), "\\u0041");
}

TEST_F(JsonTextWithArena, RefusesEscapesThatTextCannotHold) {
  for (const std::string_view escaped :
       {"\\u0000", "a\\u0000b", "\\ud800", "\\udfff", "\\ud800x", "\\ud800\\n", "\\ud800\\ud800",
        "\\udc00\\ud800", "\\ud83d\\u0041"}) {
    EXPECT_EQ(Unescape(escaped), "<encoding>") << escaped;
  }
}

TEST_F(JsonTextWithArena, KeepsTextWithoutEscapesWhereItIs) {
  constexpr std::string_view kText = "no escapes";
  std::string_view out;
  ASSERT_EQ(UnescapeJsonString(kText, context_, &out), RejectCode::kOk);
  EXPECT_EQ(out.data(), kText.data());
  EXPECT_EQ(arena_.used(), 0u);
}

TEST_F(JsonTextWithArena, GoesOverTheElementsOfAnArray) {
  EXPECT_THAT(Elements("[]"), ElementsAre());
  EXPECT_THAT(Elements(" [ ] "), ElementsAre());
  EXPECT_THAT(Elements("[1]"), ElementsAre(Pair(TokenKind::kNumber, "1")));
  EXPECT_THAT(Elements("[ 1.5 ,\"a\\nb\", null,true , false,[1,[2]],{\"a\":[3]} ]"),
              ElementsAre(Pair(TokenKind::kNumber, "1.5"), Pair(TokenKind::kString, "a\nb"),
                          Pair(TokenKind::kNull, "null"), Pair(TokenKind::kTrue, "true"),
                          Pair(TokenKind::kFalse, "false"), Pair(TokenKind::kArray, "[1,[2]]"),
                          Pair(TokenKind::kObject, "{\"a\":[3]}")));
}

TEST_F(JsonTextWithArena, StopsAtAnElementThatTextCannotHold) {
  JsonArrayElements elements("[\"a\",\"\\ud800\",\"b\"]", context_);
  Token token;
  EXPECT_TRUE(elements.Next(&token));
  EXPECT_FALSE(elements.Next(&token));
  EXPECT_EQ(elements.code(), RejectCode::kEncoding);
  EXPECT_FALSE(elements.Next(&token));
}

TEST_F(JsonTextWithArena, ReadsTheOneValueOfAText) {
  Token token;
  ASSERT_EQ(ReadJsonValue(" \"a\\tb\" ", context_, &token), RejectCode::kOk);
  EXPECT_EQ(token.kind, TokenKind::kString);
  EXPECT_EQ(token.text, "a\tb");
  ASSERT_EQ(ReadJsonValue("{ \"a\" : 1 }\n", context_, &token), RejectCode::kOk);
  EXPECT_EQ(token.kind, TokenKind::kObject);
  EXPECT_EQ(token.text, "{ \"a\" : 1 }");
}

// https://github.com/nst/JSONTestSuite: y_ must be accepted, n_ must be rejected.
TEST(CheckJson, AgreesWithJsonTestSuite) {
  const char* data = std::getenv("TSINGEST_DATA");
  if (data == nullptr)
    GTEST_SKIP() << "set TSINGEST_DATA to a folder with conformance/JSONTestSuite";
  const auto folder = std::filesystem::path(data) / "conformance/JSONTestSuite/test_parsing";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string name = entry.path().filename().string();
    if (name[0] != 'i') {
      EXPECT_EQ(Check(text).ok(), name[0] == 'y') << name << ": " << Check(text).rule;
    }
    ++files;
  }
  EXPECT_GT(files, 280);
}

}  // namespace
}  // namespace tsingest
