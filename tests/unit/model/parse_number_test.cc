#include "tsingest/model/parse_number.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ParseInteger, ReadsTheWholeRangeOfEachType) {
  Parser p;
  EXPECT_EQ(p.Parse<std::int16_t>(Number("-32768")).value, -32768);
  EXPECT_EQ(p.Parse<std::int16_t>(Number("32767")).value, 32767);
  EXPECT_EQ(p.Parse<std::int32_t>(Number("-2147483648")).value,
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(p.Parse<std::int64_t>(Number("-9223372036854775808")).value,
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(p.Parse<std::int64_t>(Number("9223372036854775807")).value,
            std::numeric_limits<std::int64_t>::max());
}

TEST(ParseInteger, RefusesOneBeyondTheRange) {
  Parser p;
  EXPECT_EQ(p.CodeOf<std::int16_t>(Number("32768")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int16_t>(Number("-32769")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int32_t>(Number("2147483648")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int64_t>(Number("9223372036854775808")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int64_t>(Number("-9223372036854775809")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int64_t>(Number("1e19")), RejectCode::kRange);
  EXPECT_EQ(p.CodeOf<std::int64_t>(Number("1e1000000000000000000000")), RejectCode::kRange);
  EXPECT_EQ(p.Parse<std::int16_t>(Number("99999")).why,
            "is out of range for smallint (-32768 to 32767)");
}

TEST(ParseInteger, ReadsDecimalsThatAreIntegers) {
  Parser p;
  const struct {
    std::string_view text;
    std::int64_t value;
  } cases[] = {{"3.0", 3},
               {"1e3", 1000},
               {"1500e-2", 15},
               {"-2.50e1", -25},
               {"0.0", 0},
               {"-0", 0},
               {"0e999999", 0},
               {"9.223372036854775807e18", INT64_MAX},
               {"1.20E+2", 120},
               {"-9223372036854775808.000", INT64_MIN},
               {"100000000000e-11", 1}};
  for (const auto& c : cases) {
    const auto parsed = p.Parse<std::int64_t>(Number(c.text));
    EXPECT_EQ(parsed.code, RejectCode::kOk) << c.text << " " << parsed.why;
    EXPECT_EQ(parsed.value, c.value) << c.text;
  }
}

TEST(ParseInteger, RefusesFractionsAndWords) {
  Parser p;
  EXPECT_EQ(p.Parse<std::int32_t>(Number("3.5")).why, "is not an integer");
  for (const char* text :
       {"0.1", "1e-1", "15e-1", "1e-9223372036854775809", "99999999999999999999.5"}) {
    EXPECT_EQ(p.CodeOf<std::int64_t>(Number(text)), RejectCode::kType) << text;
  }
  for (const char* text : {"", " ", "abc", "NaN", "inf", "0x10", "1 2", "--1", "+-1", "++1", "1e",
                           "1e+", "1,5", "."}) {
    EXPECT_EQ(p.CodeOf<std::int64_t>(Cell(text)), RejectCode::kType) << text;
  }
  EXPECT_EQ(p.CodeOf<std::int64_t>({TokenKind::kTrue, "true"}), RejectCode::kType);
  EXPECT_EQ(p.CodeOf<std::int64_t>(RawArray("[1]")), RejectCode::kType);
}

TEST(ParseNumber, TakesBlanksAndPlusAroundText) {
  Parser p;
  EXPECT_EQ(p.Parse<std::int32_t>(Cell(" +42\t")).value, 42);
  EXPECT_EQ(p.Parse<std::int32_t>(String("\n42 ")).value, 42);
  EXPECT_EQ(p.Parse<double>(String("+.5")).value, 0.5);
  EXPECT_EQ(p.Parse<double>(Cell("5.")).value, 5.0);
}

TEST(ParseNumber, ReadsDecimalCommasWhereTheyAreExpected) {
  Parser p;
  EXPECT_EQ(p.CodeOf<double>(Cell("1,5")), RejectCode::kType);
  p.options.decimal_comma = true;
  EXPECT_EQ(p.Parse<double>(Cell("-1,5")).value, -1.5);
  EXPECT_EQ(p.Parse<double>(Cell("-200")).value, -200.0);
  EXPECT_EQ(p.Parse<std::int16_t>(Cell("3,0")).value, 3);
  EXPECT_EQ(p.Parse<Numeric>(Cell("1,50")).value.text, "1.50");
  EXPECT_EQ(p.Parse<double>(Cell("0," + std::string(200, '1'))).value, 1.0 / 9);
  EXPECT_EQ(p.Parse<double>(Cell("1.5")).why, "has a point where numbers have a decimal comma");
  EXPECT_EQ(p.CodeOf<double>(Cell("1,5,5")), RejectCode::kType);
  EXPECT_EQ(p.Parse<double>(Number("1.5")).value, 1.5) << "JSON has its own point";
  EXPECT_EQ(p.Parse<double>(String("1.5")).value, 1.5);
}

TEST(ParseFloat, ReadsWordsInAnyCaseFromTextOnly) {
  Parser p;
  for (const char* text : {"NaN", "nan", " NAN "}) {
    EXPECT_TRUE(std::isnan(p.Parse<double>(Cell(text)).value)) << text;
  }
  for (const char* text : {"inf", "Infinity", "INFINITY", "+inf"}) {
    EXPECT_EQ(p.Parse<double>(String(text)).value, kInfinity) << text;
  }
  EXPECT_EQ(p.Parse<float>(Cell("-Infinity")).value, -std::numeric_limits<float>::infinity());
  for (const char* text :
       {"-nan", "nan(1)", "NaN0", "infin", "infinite", "null", "1.#INF", "-", "+"}) {
    EXPECT_EQ(p.CodeOf<double>(Cell(text)), RejectCode::kType) << text;
  }
}

TEST(ParseFloat, RoundsCorrectlyAtTheHardPlaces) {
  Parser p;
  // Halfway cases, the largest and the smallest numbers, and 2^53 + 1.
  for (const char* text :
       {"9007199254740993", "2.2250738585072011e-308", "2.2250738585072014e-308",
        "4.9406564584124654e-324", "2.4703282292062328e-324", "1.7976931348623157e308",
        "1.7976931348623158e308", "0.1", "123456789012345678901234567890", "6.02214076e23",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126", "5e-324", "8.41e21"}) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(p.Parse<double>(Number(text)).value),
              std::bit_cast<std::uint64_t>(std::strtod(text, nullptr)))
        << text;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(p.Parse<float>(Number("1.17549429e-38")).value),
              std::bit_cast<std::uint32_t>(std::strtof("1.17549429e-38", nullptr)));
  }
}

TEST(ParseFloat, KeepsTheSignOfZero) {
  Parser p;
  EXPECT_TRUE(std::signbit(p.Parse<double>(Number("-0")).value));
  EXPECT_TRUE(std::signbit(p.Parse<double>(Number("-0.0e5")).value));
  EXPECT_TRUE(std::signbit(p.Parse<double>(Number("-1e-400")).value));
  EXPECT_FALSE(std::signbit(p.Parse<double>(Number("0")).value));
}

TEST(ParseFloat, OverflowIsRefusedAndUnderflowIsZero) {
  Parser p;
  for (const char* text : {"1e400", "-1e400", "1.7976931348623159e308", "1e2147483648",
                           "1e99999999999999999999999", "0.0001e400"}) {
    EXPECT_EQ(p.CodeOf<double>(Number(text)), RejectCode::kRange) << text;
  }
  for (const char* text : {"1e-400", "1.00000000001e-2147483638", "1e-99999999999999999999999",
                           "2e-324", "100000e-500"}) {
    const auto parsed = p.Parse<double>(Number(text));
    EXPECT_EQ(parsed.code, RejectCode::kOk) << text << " " << parsed.why;
    EXPECT_EQ(parsed.value, 0.0) << text;
  }
  EXPECT_EQ(p.CodeOf<float>(Number("3.5e38")), RejectCode::kRange);
  EXPECT_EQ(p.Parse<float>(Number("1e-60")).value, 0.0f);
  EXPECT_EQ(p.CodeOf<double>(Number("1e400x")), RejectCode::kType);
}

TEST(ParseFloat, ReadsThousandsOfDigitsUpToTheLimit) {
  Parser p;
  const std::string digits(kMaxNumberBytes - 4, '7');
  EXPECT_EQ(p.CodeOf<double>(Number(digits)), RejectCode::kRange);
  EXPECT_EQ(p.Parse<double>(Number("0." + digits)).value,
            std::strtod(("0." + digits).c_str(), nullptr));
  const std::string large = "1" + std::string(5000, '0') + "e-5000";
  EXPECT_EQ(p.Parse<double>(Number(large)).value, 1.0);
  const std::string small = "0." + std::string(5000, '0') + "1e5001";
  EXPECT_EQ(p.Parse<double>(Number(small)).value, 1.0);
  EXPECT_EQ(p.Parse<std::int16_t>(Number(large)).value, 1);
}

TEST(ParseNumber, RefusesTextBeyondTheLimit) {
  Parser p;
  const std::string digits(kMaxNumberBytes + 1, '0');
  EXPECT_EQ(p.CodeOf<double>(Number(digits)), RejectCode::kLimit);
  EXPECT_EQ(p.CodeOf<std::int64_t>(Cell(digits)), RejectCode::kLimit);
  EXPECT_EQ(p.CodeOf<Numeric>(Cell(digits)), RejectCode::kLimit);
  EXPECT_EQ(p.CodeOf<Timestamp>(Number(digits)), RejectCode::kLimit);
  EXPECT_EQ(p.Parse<double>(Number(std::string(kMaxNumberBytes, '0'))).code, RejectCode::kOk);
}

// A number as programs write it, and as nobody does.
std::string RandomNumber(std::mt19937_64& random) {
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto digits = [&](int max) {
    std::string out;
    for (int n = pick(max) + 1; n != 0; --n) out += static_cast<char>('0' + pick(10));
    return out;
  };
  std::string out = pick(3) == 0 ? "-" : "";
  out += pick(4) == 0 ? "0" : digits(pick(8) == 0 ? 60 : 20);
  if (pick(3) != 0) out += "." + digits(pick(8) == 0 ? 60 : 19);
  if (pick(2) == 0)
    out += (pick(2) == 0 ? "e" : "E-") + std::to_string(pick(pick(4) == 0 ? 400 : 20));
  return out;
}

// Decimals of 15 to 19 digits in the last places around the middle between two neighbours, where a
// second rounding would show.
template <class T>
void ExpectMiddlesRoundAs(T (*oracle)(const char*, char**)) {
  Parser p;
  std::mt19937_64 random(20240116);
  for (int i = 0; i < 100'000; ++i) {
    const auto low = static_cast<T>(std::ldexp(static_cast<double>(random() >> 11), -45 - i % 20));
    const T high = std::nextafter(low, std::numeric_limits<T>::infinity());
    const long double middle = (static_cast<long double>(low) + high) / 2;
    const std::string text = fmt::format("{:.{}f}", middle, 11 + i % 7);
    const auto parsed = p.Parse<T>(Number(text));
    ASSERT_EQ(parsed.code, RejectCode::kOk) << text;
    ASSERT_EQ(parsed.value, oracle(text.c_str(), nullptr)) << text;
    const auto negative = p.Parse<T>(Cell("-" + text));
    ASSERT_EQ(negative.value, -parsed.value) << text;
  }
}

TEST(ParseFloat, RoundsOnceNearTheMiddleOfTwoNumbers) {
  ExpectMiddlesRoundAs<double>(std::strtod);
  ExpectMiddlesRoundAs<float>(std::strtof);
  Parser p;
  for (const char* text :
       {"9007199254740993", "9007199254740993.0", "9007199254740992.999", "9007199254740993.001",
        "16777217", "16777217.00000000001", "9223372036854775807", "9223372036854775808",
        "9999999999999999999", "18446744073709551615", "0.9999999999999999999"}) {
    EXPECT_EQ(p.Parse<double>(Number(text)).value, std::strtod(text, nullptr)) << text;
    EXPECT_EQ(p.Parse<float>(Number(text)).value, std::strtof(text, nullptr)) << text;
  }
}

TEST(ParseFloat, AgreesWithStrtodOnRandomNumbers) {
  Parser p;
  std::mt19937_64 random(20240115);
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = RandomNumber(random);
    const double expected = std::strtod(text.c_str(), nullptr);
    const auto parsed = p.Parse<double>(Number(text));
    if (std::isinf(expected)) {
      ASSERT_EQ(parsed.code, RejectCode::kRange) << text;
    } else {
      ASSERT_EQ(parsed.code, RejectCode::kOk) << text;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(parsed.value), std::bit_cast<std::uint64_t>(expected))
          << text;
    }
    const float expected_float = std::strtof(text.c_str(), nullptr);
    const auto single = p.Parse<float>(Number(text));
    ASSERT_EQ(single.code, std::isinf(expected_float) ? RejectCode::kRange : RejectCode::kOk)
        << text;
    if (single.code == RejectCode::kOk) {
      ASSERT_EQ(single.value, expected_float) << text;
    }
  }
}

TEST(IsNumberText, TellsNumbersFromText) {
  for (const char* text : {"1", "-1.5", " 7 ", "1e9", "+3", ".5", "00012"}) {
    EXPECT_TRUE(IsNumberText(text, false)) << text;
  }
  for (const char* text :
       {"", " ", "NaN", "inf", "true", "1,5", "75.5 C", "0x1f", "1-2", "e5", "."}) {
    EXPECT_FALSE(IsNumberText(text, false)) << text;
  }
  EXPECT_TRUE(IsNumberText("1,5", true));
  EXPECT_FALSE(IsNumberText("1.5", true));
}

TEST(BoolTokenAsNumber, ReadsJsonBooleansAndWords) {
  EXPECT_EQ(BoolTokenAsNumber({TokenKind::kTrue, "true"}).text, "1");
  EXPECT_EQ(BoolTokenAsNumber({TokenKind::kFalse, "false"}).text, "0");
  for (const char* word : {"true", "T", "Yes", "y", " on ", "TRUE"}) {
    const Token token = BoolTokenAsNumber(Cell(word));
    EXPECT_EQ(token.kind, TokenKind::kNumber) << word;
    EXPECT_EQ(token.text, "1") << word;
  }
  for (const char* word : {"false", "f", "NO", "n", "off"}) {
    EXPECT_EQ(BoolTokenAsNumber(String(word)).text, "0") << word;
  }
}

TEST(BoolTokenAsNumber, LeavesEverythingElseAlone) {
  for (const Token& token :
       {Number("7"), Cell("0"), Cell("maybe"), String(""), RawArray("[true]"), Token{}}) {
    const Token out = BoolTokenAsNumber(token);
    EXPECT_EQ(out.kind, token.kind);
    EXPECT_EQ(out.text, token.text);
  }
}

}  // namespace
}  // namespace tsingest::testing
