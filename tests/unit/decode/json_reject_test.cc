// Which JSON messages are rejected, and what the reasons say.
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tsingest/decode/json.h"
#include "unit/decode/json_fixture.h"

namespace tsingest::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class JsonRejectTest : public ::testing::Test {
 protected:
  JsonDecoding<Sample> samples_;
};

TEST_F(JsonRejectTest, SaysWhereAndWhyAMessageIsNotJson) {
  const std::vector<std::tuple<std::string_view, std::string_view>> cases = {
      {"hello", R"(expected a JSON value, found "hello", at byte 0)"},
      {"{", "expected a name in quotes, found the end of the message, at byte 1"},
      {R"({"device")", "expected ':' after a name, found the end of the message, at byte 9"},
      {R"({"device":)", "expected a JSON value, found the end of the message, at byte 10"},
      {R"({"device":"a)",
       "expected '\"' at the end of a string, found the end of the message, at byte 12"},
      {R"({"device":"a")", "expected ',' or '}', found the end of the message, at byte 13"},
      {R"({"device":"a",})", R"(expected a name in quotes, found "}", at byte 14)"},
      {R"({"device":"a"}})", "found \"}\", at byte 14"},
      {R"({"device":"a"]})", R"(expected ',' or '}', found "]}", at byte 13)"},
      {R"({"device":'a'})", "expected a JSON value, found \"'a'}\", at byte 10"},
      {R"({device:"a"})", R"(expected a name in quotes, found "device:"a"}", at byte 1)"},
      {R"({"device":"a" "temp":1})", R"(expected ',' or '}', found ""temp":1}", at byte 14)"},
      {R"({"device":"a","temp":01})", "expected a number without leading zeros"},
      {R"({"device":"a","temp":1.})", "expected a digit after the decimal point"},
      {R"({"device":"a","temp":-})", "expected a digit, found \"}\""},
      {R"({"device":"a","temp":NaN})", "expected a JSON value, found \"NaN}\", at byte 21"},
      {R"({"device":"a","temp":1)", "found the end of the message, at byte 22"},
      {R"({"device":"a","u":[1,{"x":2],3]})", "expected ',' or '}', found \"],3]}\", at byte 27"},
      {R"({"device":"a","u":tru})", "expected a JSON value, found \"tru}\", at byte 18"},
      {R"([{"device":"a"},])", "expected a JSON value"},
      {R"([{"device":"a"})", "expected ',' or ']', found the end of the message, at byte 15"},
      {"[", "expected a JSON value, found the end of the message"},
  };
  for (const auto& [message, reason] : cases) {
    const std::string why = samples_.Why(message);
    EXPECT_THAT(why, HasSubstr("syntax: not JSON: ")) << message;
    EXPECT_THAT(why, HasSubstr(reason)) << message;
  }
}

// The decoder remembers how members were written, in a table that overwrites itself: a remembered
// beginning of an object must not pass for what follows a member, nor the other way round.
TEST_F(JsonRejectTest, AnObjectsBeginningIsNoNextMember) {
  for (int i = 0; i < 10'000; ++i) {
    const std::string member = "\"n" + std::to_string(i) + "\":1";
    samples_.Rows("{\"mac\":\"a\"," + member + "}");
    samples_.Rows("{" + member + ",\"mac\":\"a\"}");
    ASSERT_THAT(samples_.Why("{\"mac\":\"a\"{" + member + "}"), HasSubstr("expected ',' or '}'"));
    ASSERT_THAT(samples_.Why("{," + member + ",\"mac\":\"a\"}"), HasSubstr("expected a name"));
  }
}

TEST_F(JsonRejectTest, ChecksWhatStandsBehindTheLastFieldItNeeds) {
  const std::string head = R"({"ts":1,"mac":"a","temp":1,"level":1,"note":"","quality":1)";
  for (const std::string_view tail :
       {"", ",", ",}", ",\"x\":}", ",\"x\":[1,]}", ",\"x\":\"\xFF\"}", ",\"x\":\"\\q\"}",
        ",\"x\":1e}", ",\"\t\":1}", "}x", "}}", "},", "} 1"}) {
    EXPECT_TRUE(samples_.Decode(head + std::string(tail))) << tail;
  }
}

TEST_F(JsonRejectTest, RejectsTextThatIsNotUtf8) {
  EXPECT_THAT(samples_.Why("{\"device\":\"a\xE9\"}"),
              HasSubstr("encoding: not JSON: expected valid UTF-8, found \"\\xe9"));
  EXPECT_THAT(samples_.Why("{\"device\":\"a\",\"x\":[\"\xC0\xAF\"]}"), HasSubstr("at byte 20"));
  EXPECT_THAT(samples_.Why("{\"\xED\xA0\x80\":1}"), HasSubstr("encoding"));
}

TEST_F(JsonRejectTest, TellsAnEmptyMessageFromABlankOne) {
  EXPECT_EQ(
      samples_.Why(""),
      "syntax: the message is empty (in MQTT, that clears a retained message): expected JSON");
  EXPECT_EQ(samples_.Why(" \r\n"),
            "syntax: the message holds nothing but white space: expected JSON");
}

TEST_F(JsonRejectTest, NamesFieldValueRuleAndPlace) {
  EXPECT_EQ(samples_.Why(R"({"mac":"a","temp":"warm"})"),
            R"(type: temp: "warm" is not a number, at byte 19)");
  EXPECT_EQ(samples_.Why(R"({"mac":"a","data":{"temp":61.5}})"),
            R"(rule: temp: "61.5" is outside [-90, 60], at byte 26)");
  EXPECT_EQ(samples_.Why(R"({"mac":""})"), R"(rule: device: "" is empty, at byte 8)");
  EXPECT_EQ(samples_.Why(R"({"mac":"a","ts":"yesterday"})"),
            R"(time: time: "yesterday" is not a timestamp, at byte 17)");
  EXPECT_THAT(samples_.Why(R"({"mac":"a","level":40000})"),
              HasSubstr(R"(range: level: "40000" is out of range for smallint)"));
  EXPECT_THAT(samples_.Why(R"({"mac":{"x":1}})"),
              HasSubstr(R"(type: device: "{"x":1}" is an object)"));
}

TEST_F(JsonRejectTest, CutsLongValues) {
  const std::string why = samples_.Why("{\"mac\":\"" + std::string(500, 'y') + "\"}");
  EXPECT_THAT(why, HasSubstr("rule: device: \"" + std::string(64, 'y') +
                             "…\" is longer than 20 characters, at byte 8"));
}

TEST_F(JsonRejectTest, SaysWhatWasLookedFor) {
  EXPECT_EQ(
      samples_.Why(R"( {"temp":1})"),
      "missing: device: is missing (looked for mac, meta.mac, meta.id.serial, device), at byte "
      "1");
  EXPECT_EQ(samples_.Why(R"({"device":null})"), "missing: device: is null, at byte 10");
}

TEST_F(JsonRejectTest, TakesAllOrNothingOfAMessage) {
  samples_.rows().resize(2);
  EXPECT_EQ(samples_.Why(R"([{"mac":"a"},{"mac":"b"},{"mac":"c","temp":"x"}])"),
            R"(type: temp: "x" is not a number, in element 3 of the array, at byte 44)");
  EXPECT_EQ(samples_.Why("{\"mac\":\"a\"}\n{\"mac\":1,\"temp\":{}}"),
            "type: temp: \"{}\" is not a number, at byte 28");
  EXPECT_EQ(samples_.Why(R"([{"mac":"a"},7])"),
            "type: element 2 of the array is no object: expected an object or an array of objects, "
            "at byte 13");
  EXPECT_THAT(samples_.Why(R"([[{"mac":"a"}]])"), HasSubstr("element 1 of the array is no object"));
  EXPECT_EQ(samples_.rows().size(), 2u);
}

// ---- Limits: at the limit is accepted, over it is rejected. ----

TEST(JsonLimits, BoundsTheMessage) {
  JsonOptions options;
  options.limits.total_bytes = 20;
  JsonDecoding<Sample> decoding(options);
  EXPECT_EQ(decoding.Row(R"({"mac":"a"}         )").device, "a");
  EXPECT_EQ(decoding.Why(R"({"mac":"a"}          )"),
            "limit: the message has 21 bytes, the limit is 20");
}

TEST(JsonLimits, BoundsDepth) {
  JsonOptions options;
  options.limits.depth = 3;
  JsonDecoding<Sample> decoding(options);
  EXPECT_EQ(decoding.Row(R"({"mac":"a","x":[[1]]})").device, "a");
  EXPECT_EQ(decoding.Row(R"([{"mac":"a","x":[1]}])").device, "a");
  EXPECT_EQ(decoding.Row(R"({"meta":{"id":{"serial":"a"}}})").device, "a");
  EXPECT_EQ(decoding.Why(R"({"mac":"a","x":[[[1]]]})"),
            "limit: objects and arrays nest deeper than the limit of 3, at byte 17");
  EXPECT_THAT(decoding.Why(R"([{"mac":"a","x":[[1]]}])"), HasSubstr("limit: "));
  EXPECT_THAT(decoding.Why(R"([{"meta":{"id":{"serial":"a"}}}])"), HasSubstr("limit: "));
  EXPECT_THAT(decoding.Why(R"({"meta":{"id":{"serial":[1]}}})"), HasSubstr("limit: "));
}

TEST(JsonLimits, RejectsNestingThatWouldOverflowTheStack) {
  JsonOptions options;
  options.limits.depth = JsonLimits::kMaxDepth;
  JsonDecoding<Sample> decoding(options);
  for (const std::string_view head : {"", "{\"x\":", "{\"data\":", "{\"mac\":", "[{\"mac\":"}) {
    std::string message(head);
    for (int i = 0; i < 100'000; ++i) message += "[";
    EXPECT_THAT(decoding.Why(message), HasSubstr("limit: "));
    message = head;
    for (int i = 0; i < 100'000; ++i) message += "{\"data\":";
    EXPECT_THAT(decoding.Why(message), HasSubstr("limit: "));
  }
}

TEST(JsonLimits, BoundsNumbersAndStrings) {
  JsonOptions options;
  options.limits.number_bytes = 5;
  options.limits.string_bytes = 8;
  JsonDecoding<Sample> decoding(options);
  EXPECT_EQ(decoding.Row(R"({"mac":"12345678","temp":12.25,"x":-1234,"12345678":0})").temp, 12.25);
  EXPECT_EQ(decoding.Why(R"({"mac":"a","temp":12.125})"),
            "limit: a number has more bytes than the limit of 5, at byte 18");
  EXPECT_THAT(decoding.Why(R"({"mac":"a","x":[123456]})"), HasSubstr("limit: a number"));
  EXPECT_THAT(decoding.Why(R"({"mac":"a","temp":1e0001})"), HasSubstr("limit: a number"));
  EXPECT_EQ(decoding.Why(R"({"mac":"123456789"})"),
            "limit: a string has more bytes than the limit of 8, at byte 7");
  EXPECT_THAT(decoding.Why(R"({"mac":"a","123456789":1})"), HasSubstr("limit: a string"));
  EXPECT_THAT(decoding.Why(R"({"mac":"a","x":["123456789"]})"), HasSubstr("limit: a string"));
}

TEST(JsonLimits, BoundsMembersAndObjects) {
  JsonOptions options;
  options.members = 3;
  options.objects = 2;
  JsonDecoding<Sample> decoding(options);
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(decoding.Row(R"({"mac":"a","x":1,"x":2})").device, "a");
    EXPECT_EQ(decoding.Why(R"({"mac":"a","x":1,"x":2,"x":3})"),
              "limit: an object has more members than the limit of 3, at byte 22");
    EXPECT_THAT(decoding.Why(R"({"mac":"a","data":{"a":1,"b":1,"c":1,"d":1}})"),
                HasSubstr("limit: an object"));
    EXPECT_EQ(decoding.Rows(R"([{"mac":"a"},{"mac":"b"}])").size(), 2u);
    EXPECT_EQ(
        decoding.Why(R"([{"mac":"a"},{"mac":"b"},{"mac":"c"}])"),
        "limit: the message has more objects than the limit of 2, in element 3 of the array, at "
        "byte 25");
    EXPECT_THAT(decoding.Why("{\"mac\":\"a\"}\n{\"mac\":\"b\"}\n{\"mac\":\"c\"}"),
                HasSubstr("limit: the message has more objects"));
  }
}

TEST(JsonOptions, SaysWhichOptionIsOutOfItsLimits) {
  EXPECT_TRUE(JsonOptions().Validate().ok());
  JsonOptions options;
  options.limits.depth = JsonLimits::kMaxDepth + 1;
  EXPECT_EQ(options.Validate().message(),
            "JsonOptions: limits.depth is 1025, allowed are 1 to 1024");
  options = {};
  options.members = 0;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("members is 0"));
  options = {};
  options.limits.total_bytes = JsonOptions::kMaxMessageBytes + 1;
  EXPECT_THAT(std::string(options.Validate().message()), HasSubstr("total_bytes"));
}

// ---- Nothing is read, or believed, from behind the payload. ----

TEST_F(JsonRejectTest, BelievesNothingBehindThePayload) {
  const std::string message =
      R"({"mac":"abcdefghijklmnopqrstuvw","temp":12.5,"level":true,"data":{"temp":1},"x":[1,"y",null]})";
  for (int again = 0; again < 2; ++again) {
    for (std::size_t size = 0; size < message.size(); ++size) {
      Arena arena;
      JsonDecoder<Sample> decoder;
      std::vector<Sample> rows;
      // The rest of the message stands where the padding is: a reader that overruns finds JSON.
      const std::string_view all = arena.CopyPadded(message + message);
      const DecodeInput input{.payload = all.substr(0, size), .topic = {}, .arrival = {}};
      EXPECT_TRUE(decoder.Decode(
          {.payload = all.substr(0, message.size()), .topic = {}, .arrival = {}}, arena, rows))
          << "the device's name is too long";
      const Reject reject = decoder.Decode(input, arena, rows);
      EXPECT_EQ(reject.code, RejectCode::kSyntax) << size;
      EXPECT_THAT(reject.reason, AnyOf(HasSubstr("empty"), HasSubstr("the end of the message"),
                                       HasSubstr("found \"t"), HasSubstr("found \"n")))
          << message.substr(0, size);
    }
  }
}

}  // namespace
}  // namespace tsingest::testing
