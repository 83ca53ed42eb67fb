#include "tsingest/model/pg_types.h"

#include <bit>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "unit/model/parsing.h"

namespace tsingest::testing {
namespace {

// Golden bytes are what PostgreSQL 15 itself sends:
//   SELECT encode(numeric_send('1.50'::numeric), 'hex');   and so on for each type.

// Parses the text as a cell and writes it; a reject gives its code.
template <class T>
std::string HexOf(std::string_view text) {
  Parser p;
  const auto parsed = p.Parse<T>(Cell(text));
  return parsed.code == RejectCode::kOk ? AsHex(parsed.value)
                                        : std::string(RejectSlug(parsed.code));
}

template <class T>
std::string JsonOf(const Token& token) {
  Parser p;
  const auto parsed = p.Parse<T>(token);
  return parsed.code == RejectCode::kOk ? AsJson(parsed.value)
                                        : std::string(RejectSlug(parsed.code)) + ": " + parsed.why;
}

TEST(PgScalar, WritesTheServersBytes) {
  EXPECT_EQ(AsHex(std::int16_t{-2}), "fffe");
  EXPECT_EQ(AsHex(std::int32_t{-2}), "fffffffe");
  EXPECT_EQ(AsHex(std::int64_t{-2}), "fffffffffffffffe");
  EXPECT_EQ(AsHex(true), "01");
  EXPECT_EQ(AsHex(false), "00");
  EXPECT_EQ(AsHex(1.5), "3ff8000000000000");
  EXPECT_EQ(AsHex(-0.0), "8000000000000000");
  EXPECT_EQ(AsHex(5e-324), "0000000000000001");
  EXPECT_EQ(HexOf<double>("NaN"), "7ff8000000000000");
  EXPECT_EQ(HexOf<double>("Infinity"), "7ff0000000000000");
  EXPECT_EQ(AsHex(1.5f), "3fc00000");
  EXPECT_EQ(HexOf<float>("-inf"), "ff800000");
}

TEST(PgScalar, WritesJson) {
  EXPECT_EQ(AsJson(std::int64_t{INT64_MIN}), "-9223372036854775808");
  EXPECT_EQ(AsJson(0.1), "0.1");
  EXPECT_EQ(AsJson(1e300), "1e+300");
  EXPECT_EQ(AsJson(-0.0), "-0");
  EXPECT_EQ(AsJson(0.1f), "0.1");
  EXPECT_EQ(AsJson(std::numeric_limits<double>::quiet_NaN()), "\"NaN\"");
  EXPECT_EQ(AsJson(-std::numeric_limits<float>::infinity()), "\"-Infinity\"");
  EXPECT_EQ(AsJson(true), "true");
}

TEST(PgBool, ReadsJsonWordsAndDigits) {
  Parser p;
  for (const Token& token : {Token{TokenKind::kTrue, "true"}, Number("1"), Cell("1"), Cell("TRUE"),
                             String("yes"), Cell(" on")}) {
    EXPECT_TRUE(p.Parse<bool>(token).value) << token.text;
    EXPECT_EQ(p.CodeOf<bool>(token), RejectCode::kOk) << token.text;
  }
  for (const Token& token :
       {Token{TokenKind::kFalse, "false"}, Number("0"), Cell("f"), String("off")}) {
    EXPECT_FALSE(p.Parse<bool>(token).value) << token.text;
    EXPECT_EQ(p.CodeOf<bool>(token), RejectCode::kOk) << token.text;
  }
  for (const Token& token :
       {Number("2"), Number("1.0"), Cell(""), Cell("maybe"), String("truee"), RawArray("[true]")}) {
    EXPECT_EQ(p.CodeOf<bool>(token), RejectCode::kType) << token.text;
  }
}

TEST(PgText, TakesStringsAsTheyAreAndScalarsAsWritten) {
  EXPECT_EQ(JsonOf<std::string_view>(String("a\"b\\c\n\x01")), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(JsonOf<std::string_view>(Number("1.50e3")), "\"1.50e3\"");
  EXPECT_EQ(JsonOf<std::string_view>({TokenKind::kTrue, ""}), "\"true\"");
  EXPECT_EQ(JsonOf<std::string>(Cell(" blank ")), "\" blank \"");
  EXPECT_EQ(JsonOf<std::string_view>(RawObject("{}")),
            "type: is an object where a single value is wanted");
  EXPECT_EQ(JsonOf<std::string>(RawArray("[]")),
            "type: is an array where a single value is wanted");
  EXPECT_EQ(AsHex(std::string_view("h\xc3\xa9")), "68c3a9");
  EXPECT_EQ(AsHex(std::string_view()), "");
}

TEST(PgText, RefusesNulAndInvalidUtf8WhereverTheyStand) {
  Parser p;
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      EXPECT_EQ(p.Check<std::string_view>(text), RejectCode::kOk);
      text[at] = '\0';
      EXPECT_EQ(p.Check<std::string_view>(text), RejectCode::kEncoding) << size << " " << at;
      text[at] = '\x80';
      EXPECT_EQ(p.Check<std::string_view>(text), RejectCode::kEncoding) << size << " " << at;
      text[at] = '\x01';
      EXPECT_EQ(p.Check<std::string_view>(text), RejectCode::kOk) << size << " " << at;
    }
  }
  for (const char* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "caf\xe9"}) {
    EXPECT_EQ(p.Check<std::string_view>(bad), RejectCode::kEncoding) << bad;
  }
  for (const char* good : {"é", "€", "😀", "\xef\xbf\xbf", "\x7f"}) {
    EXPECT_EQ(p.Check<std::string>(good), RejectCode::kOk) << good;
  }
}

TEST(PgBytes, ReadsHexAndPlainText) {
  EXPECT_EQ(HexOf<Bytes>("\\x00ff5C"), "00ff5c");
  EXPECT_EQ(HexOf<Bytes>("\\x"), "");
  EXPECT_EQ(HexOf<Bytes>("plain"), "706c61696e");
  EXPECT_EQ(HexOf<Bytes>("0xff"), "30786666");
  EXPECT_EQ(HexOf<Bytes>("\\x0"), "type");
  EXPECT_EQ(HexOf<Bytes>("\\x0g"), "type");
  EXPECT_EQ(HexOf<Bytes>("\\x 00"), "type");
  EXPECT_EQ(JsonOf<Bytes>(String("hi\\")), "\"\\\\x68695c\"");
}

TEST(PgTimestamp, WritesTheServersBytes) {
  EXPECT_EQ(HexOf<Timestamp>("2000-01-01"), "0000000000000000");
  EXPECT_EQ(HexOf<Timestamp>("2024-01-15T10:30:00.123Z"), "0002b1f843c09a78");
  EXPECT_EQ(HexOf<Timestamp>("1999-12-31 23:59:59.999999"), "ffffffffffffffff");
  EXPECT_EQ(AsHex(kMinTimestamp), "fd0f7cc1411fa000");
  EXPECT_EQ(AsHex(kMaxTimestamp), "7ffca2fec4c81fff");
  EXPECT_EQ(AsJson(kMinTimestamp), "\"-4713-11-24T00:00:00.000000Z\"");
  EXPECT_EQ(AsJson(kMaxTimestamp), "\"+294247-01-10T04:00:54.775807Z\"");
}

TEST(PgTimestamp, ShowsEvenWhatItRefuses) {
  EXPECT_EQ(AsJson(Timestamp::min()), "\"-290308-12-21T19:59:05.224192Z\"");
  EXPECT_NE(AsJson(Date(std::chrono::days::max())), "");
  EXPECT_NE(AsJson(Date(std::chrono::days::min())), "");
}

TEST(PgTimestamp, ChecksTheRange) {
  Parser p;
  EXPECT_EQ(p.Check(kMinTimestamp), RejectCode::kOk);
  EXPECT_EQ(p.Check(kMinTimestamp - std::chrono::microseconds(1)), RejectCode::kTime);
  EXPECT_EQ(p.Check(Timestamp::min()), RejectCode::kTime);
  EXPECT_EQ(p.Check(kMaxTimestamp), RejectCode::kOk);
}

TEST(PgDate, WritesTheServersBytesAndChecksTheRange) {
  Parser p;
  EXPECT_EQ(HexOf<Date>("1999-12-31"), "ffffffff");
  EXPECT_EQ(HexOf<Date>("2024-01-15"), "0000224c");
  EXPECT_EQ(AsHex(kMinDate), "ffda97a7");
  EXPECT_EQ(AsHex(kMaxDate), "7fda970c");
  EXPECT_EQ(AsJson(kMinDate), "\"-4713-11-24\"");
  EXPECT_EQ(AsJson(kMaxDate), "\"+5874897-12-31\"");
  EXPECT_EQ(p.Check(kMinDate), RejectCode::kOk);
  EXPECT_EQ(p.Check(kMaxDate), RejectCode::kOk);
  EXPECT_EQ(p.Check(kMinDate - std::chrono::days(1)), RejectCode::kTime);
  EXPECT_EQ(p.Check(kMaxDate + std::chrono::days(1)), RejectCode::kTime);
  EXPECT_EQ(p.Check(Date(std::chrono::days(1LL << 40))), RejectCode::kTime);
}

TEST(PgTime, TakesOtherUnitsOfTheSystemClock) {
  using Nanos = std::chrono::sys_time<std::chrono::nanoseconds>;
  using Seconds = std::chrono::sys_seconds;
  Parser p;
  EXPECT_EQ(p.Parse<Seconds>(Cell("2024-01-15T10:30:00.9Z")).value.time_since_epoch().count(),
            1705314600);
  EXPECT_EQ(AsHex(p.Parse<Nanos>(Cell("2024-01-15T10:30:00.123Z")).value), "0002b1f843c09a78");
  EXPECT_EQ(AsHex(Nanos(std::chrono::nanoseconds(-1))),
            AsHex(Timestamp(std::chrono::microseconds(-1))));
  EXPECT_EQ(p.CodeOf<Nanos>(Cell("2300-01-01")), RejectCode::kTime);
  EXPECT_EQ(p.Check(Seconds::max()), RejectCode::kTime);
  EXPECT_EQ(p.Check(Seconds::min()), RejectCode::kTime);
  EXPECT_EQ(p.Check(Nanos::max()), RejectCode::kOk);
}

TEST(PgUuid, ReadsEveryWayOfWritingOne) {
  for (const char* text :
       {"00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899AABBCCDDEEFF",
        "{00112233-4455-6677-8899-aabbccddeeff}", "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
        "0011-2233-4455-6677-8899-aabb-ccdd-eeff", " 00112233-4455-6677-8899-aabbccddeeff "}) {
    EXPECT_EQ(HexOf<Uuid>(text), "00112233445566778899aabbccddeeff") << text;
  }
  EXPECT_EQ(JsonOf<Uuid>(String("00112233445566778899AABBCCDDEEFF")),
            "\"00112233-4455-6677-8899-aabbccddeeff\"");
}

TEST(PgUuid, RefusesWhatIsNone) {
  for (const char* text :
       {"", "9af86784-8d40-fe2g-8b2a-bab65e106785", "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0", "{00112233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeeff}", "001-12233-4455-6677-8899-aabbccddeeff",
        "-00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff-",
        "00112233--4455-6677-8899-aabbccddeeff", "urn:uuid:", "{}"}) {
    EXPECT_EQ(HexOf<Uuid>(text), "type") << text;
  }
  EXPECT_EQ(JsonOf<Uuid>(Number("00112233445566778899")), "type: is not a UUID");
}

TEST(PgInet, WritesTheServersBytes) {
  EXPECT_EQ(HexOf<Inet>("10.0.0.7"), "022000040a000007");
  EXPECT_EQ(HexOf<Inet>("10.1.2.3/8"), "020800040a010203");
  EXPECT_EQ(HexOf<Inet>("0.0.0.0/0"), "0200000400000000");
  EXPECT_EQ(HexOf<Inet>("::1"), "0380001000000000000000000000000000000001");
  EXPECT_EQ(HexOf<Inet>("2001:db8::ff00:42:8329/64"), "0340001020010db8000000000000ff0000428329");
  EXPECT_EQ(HexOf<Inet>("::ffff:192.0.2.1"), "0380001000000000000000000000ffffc0000201");
  EXPECT_EQ(HexOf<Inet>("::"), "0380001000000000000000000000000000000000");
  EXPECT_EQ(HexOf<Inet>("1:2:3:4:5:6:7::"), "0380001000010002000300040005000600070000");
  EXPECT_EQ(HexOf<Inet>("1:2:3:4:5:6:192.0.2.1"),
            "0380001000010002000300040005000" + std::string("6c0000201"));
}

TEST(PgInet, WritesAddressesAsPostgresShowsThem) {
  for (const char* text :
       {"10.0.0.7", "10.1.2.3/8", "255.255.255.255", "::", "::1", "1::", "2001:db8::1/64",
        "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8", "1:0:0:2::3", "fe80::abcd:0:0:1"}) {
    EXPECT_EQ(JsonOf<Inet>(String(text)), "\"" + std::string(text) + "\"");
  }
}

TEST(PgInet, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "10.0.0",
                           "10.0.0.0.1",
                           "256.0.0.1",
                           "01.2.3.4",
                           "10.0.0.7/33",
                           "10.0.0.7/",
                           "10.0.0.7/-1",
                           "10.0.0.7/8/8",
                           "1.2.3.",
                           ".1.2.3",
                           "1:2:3:4:5:6:7",
                           ":::",
                           "::1::",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "12345::",
                           "::g",
                           "fe80::1%eth0",
                           "::/129",
                           ":1",
                           "1:",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "localhost",
                           "1::2:3:4:5:6:7:8"}) {
    EXPECT_EQ(HexOf<Inet>(text), "type") << text;
  }
  Parser p;
  EXPECT_EQ(p.Check(Inet{.is_ipv6 = false, .prefix_bits = 33}), RejectCode::kRange);
  EXPECT_EQ(p.Check(Inet{.is_ipv6 = true, .prefix_bits = 129}), RejectCode::kRange);
}

TEST(PgJson, KeepsTheTextOfDocuments) {
  EXPECT_EQ(JsonOf<Json>(RawObject("{\"a\": 1}")), "{\"a\": 1}");
  EXPECT_EQ(HexOf<Json>("{\"a\": 1}"), "017b2261223a20317d");
  EXPECT_EQ(JsonOf<Json>(Cell(" [1,2] ")), " [1,2] ");
  EXPECT_EQ(JsonOf<Json>(Number("1.50")), "1.50");
  EXPECT_EQ(JsonOf<Json>({TokenKind::kFalse, ""}), "false");
}

TEST(PgJson, QuotesStrings) {
  EXPECT_EQ(JsonOf<Json>(String("{\"a\"}\t")), "\"{\\\"a\\\"}\\t\"");
  EXPECT_EQ(JsonOf<Json>(String("")), "\"\"");
}

TEST(PgJson, RefusesWhatJsonbRefuses) {
  EXPECT_EQ(JsonOf<Json>(RawObject("{\"a\":\"\\u0000\"}")).substr(0, 8), "encoding");
  EXPECT_EQ(JsonOf<Json>(RawArray("[\"\\ud800\"]")).substr(0, 8), "encoding");
  EXPECT_EQ(JsonOf<Json>(RawObject("{\"a\":1e200000}")).substr(0, 5), "range");
  EXPECT_EQ(JsonOf<Json>(Number("1e-20000")).substr(0, 5), "range");
  for (const char* text :
       {"", "{", "{a:1}", "nul", "[1,]", "{} {}", "'x'", "NaN", "\"\xff\"", "01"}) {
    EXPECT_NE(HexOf<Json>(text).substr(0, 2), "01") << text;
  }
  EXPECT_EQ(JsonOf<Json>(Cell("{a:1}")).substr(0, 4), "type");
  Parser p;
  EXPECT_EQ(p.Check(Json{"{"}), RejectCode::kType);
  EXPECT_EQ(p.Check(Json{""}), RejectCode::kType);
}

TEST(PgNumeric, WritesTheServersBytes) {
  const struct {
    std::string_view text;
    std::string_view hex;
  } cases[] = {
      {"0", "0000000000000000"},
      {"0.00", "0000000000000002"},
      {"-0", "0000000000000000"},
      {"1", "00010000000000000001"},
      {"-1", "00010000400000000001"},
      {"1.50", "000200000000000200011388"},
      {"12345.678", "0003000100000003000109291a7c"},
      {"10000", "00010001000000000001"},
      {"100000000", "00010002000000000001"},
      {"0.0001", "0001ffff000000040001"},
      {"0.00012", "0002ffff00000005000107d0"},
      {"-0.000000012345", "0002fffe4000000c00010929"},
      {"NaN", "00000000c0000000"},
      {"Infinity", "00000000d0000020"},
      {"-inf", "00000000f0000020"},
      {"1e131071", "00017fff0000000003e8"},
      {"1e-16383", "0001f00000003fff000a"},
      {"123e-3", "0001ffff0000000304ce"},
      {"1.5e4", "000200010000000000011388"},
      {"99999999.99999999", "0004000100000008270f270f270f270f"},
      {"000123.4500", "0002000000000004007b1194"},
      {"0.1000e-3", "0001ffff000000070001"},
      {"1e-5", "0001fffe0000000503e8"},
      {"9999", "0001000000000000270f"},
      {"99990000", "0001000100000000270f"},
  };
  for (const auto& c : cases) EXPECT_EQ(HexOf<Numeric>(c.text), c.hex) << c.text;
}

TEST(PgNumeric, KeepsToTheServersLimits) {
  EXPECT_EQ(HexOf<Numeric>("1e131072"), "range");
  EXPECT_EQ(HexOf<Numeric>("-12e131071"), "range");
  EXPECT_EQ(HexOf<Numeric>("1e-16384"), "range");
  EXPECT_EQ(HexOf<Numeric>("0e-16384"), "range");
  EXPECT_EQ(HexOf<Numeric>("0e131072"), "0000000000000000");
  EXPECT_EQ(HexOf<Numeric>("1e9999999999999999999"), "range");
  EXPECT_EQ(HexOf<Numeric>("1e-9999999999999999999"), "range");
  for (const char* text : {"", "abc", "1.2.3", "0x1", "--1"})
    EXPECT_EQ(HexOf<Numeric>(text), "type") << text;
  Parser p;
  EXPECT_EQ(p.Check(Numeric{"nan"}), RejectCode::kType) << "rows of one's own use the exact words";
  EXPECT_EQ(p.Check(Numeric{""}), RejectCode::kType);
}

TEST(PgNumeric, WritesJsonNumbers) {
  EXPECT_EQ(JsonOf<Numeric>(Cell("+1.50")), "1.50");
  EXPECT_EQ(JsonOf<Numeric>(Cell("-.5")), "-0.5");
  EXPECT_EQ(JsonOf<Numeric>(Cell("5.")), "5");
  EXPECT_EQ(JsonOf<Numeric>(Cell("007")), "7");
  EXPECT_EQ(JsonOf<Numeric>(Number("1.5E+3")), "1.5e3");
  EXPECT_EQ(JsonOf<Numeric>(Cell("nan")), "\"NaN\"");
}

TEST(PgArray, WritesTheServersBytes) {
  EXPECT_EQ(HexOf<Array<std::int32_t>>("{}"), "000000000000000000000017");
  EXPECT_EQ(HexOf<Array<std::optional<std::int32_t>>>("{1,NULL,3}"),
            "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003");
  EXPECT_EQ(HexOf<Array<std::int32_t>>("{7}"),
            "00000001000000000000001700000001000000010000000400000007");
  EXPECT_EQ(HexOf<Array<std::optional<std::string_view>>>("{a,\"b c\",NULL,\"\"}"),
            "0000000100000001000000190000000400000001000000016100000003622063ffffffff00000000");
  EXPECT_EQ(HexOf<std::vector<bool>>("{t,f}"),
            "000000010000000000000010000000020000000100000001010000000100");
}

TEST(PgArray, IsNamedAfterItsElement) {
  EXPECT_EQ(PgType<Array<double>>::kName, "double precision[]");
  EXPECT_EQ(PgType<Array<double>>::kOid, 1022u);
  EXPECT_EQ((PgType<std::vector<std::optional<Uuid>>>::kName), "uuid[]");
}

TEST(PgArray, ReadsJsonAndLiterals) {
  using Doubles = Array<std::optional<double>>;
  using Texts = Array<std::optional<std::string_view>>;
  EXPECT_EQ(JsonOf<Doubles>(RawArray("[1, null ,2.5e1]")), "[1,null,25]");
  EXPECT_EQ(JsonOf<Doubles>(Cell("[1,null]")), "[1,null]");
  EXPECT_EQ(JsonOf<Doubles>(Cell(" { 1.5 , null,NaN } ")), "[1.5,null,\"NaN\"]");
  EXPECT_EQ(JsonOf<Doubles>(RawArray("[]")), "[]");
  EXPECT_EQ(JsonOf<Texts>(Cell("{ a b ,\"NULL\",nUlL,\"x\\\"\\\\y\",\\n\\\\ \\ }")),
            "[\"a b\",\"NULL\",null,\"x\\\"\\\\y\",\"n\\\\  \"]");
  EXPECT_EQ(JsonOf<Texts>(RawArray("[\"\\u00e9\",7,true]")), "[\"é\",\"7\",\"true\"]");
  EXPECT_EQ(JsonOf<Array<Json>>(RawArray("[{\"a\":1},[2],\"s\"]")), "[{\"a\":1},[2],\"s\"]");
  EXPECT_EQ(JsonOf<Array<Json>>(Cell("{\"{\\\"a\\\":1}\",7}")), "[{\"a\":1},7]");
  EXPECT_EQ(JsonOf<std::vector<std::string>>(RawArray("[\"a\",\"b\"]")), "[\"a\",\"b\"]");
  EXPECT_EQ(JsonOf<Array<Timestamp>>(RawArray("[0]")), "[\"1970-01-01T00:00:00.000000Z\"]");
}

TEST(PgArray, KeepsPointsApartFromDecimalCommas) {
  Parser p;
  p.options.decimal_comma = true;
  EXPECT_EQ(AsJson(p.Parse<Array<double>>(Cell("{1.5,2}")).value), "[1.5,2]");
}

TEST(PgArray, NamesTheElementThatIsWrong) {
  EXPECT_EQ(JsonOf<Array<double>>(RawArray("[1,\"x\"]")),
            "type: has element 2, which is not a number");
  EXPECT_EQ(JsonOf<Array<double>>(RawArray("[null]")), "missing: has element 1, which is null");
  EXPECT_EQ(JsonOf<Array<std::int16_t>>(Cell("{1,2,99999}")),
            "range: has element 3, which is out of range for smallint (-32768 to 32767)");
  EXPECT_EQ(JsonOf<Array<double>>(RawArray("[[1]]")), "type: has element 1, which is not a number");
  EXPECT_EQ(JsonOf<Array<std::string_view>>(RawArray("[\"\\u0000\"]")).substr(0, 40),
            "encoding: has element 1, which holds \\u0");
}

TEST(PgArray, RefusesBrokenSyntax) {
  for (const char* text :
       {"",       "1",           "{",     "{1",       "{1,",   "{1,}",     "{,1}",
        "{1,,2}", "{1}x",        "{{1}}", "{1\"2\"}", "{\"1}", "{\"1\"2}", "[1",
        "[1,]",   "[0:1]={1,2}", "}",     "{1}}",     "{\\",   "{\"\\"}) {
    EXPECT_EQ(JsonOf<Array<std::string_view>>(Cell(text)),
              "type: is not an array: neither a JSON array nor an array literal {a,b}")
        << text;
  }
}

}  // namespace
}  // namespace tsingest::testing
