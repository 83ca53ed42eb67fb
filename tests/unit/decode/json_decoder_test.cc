// What JSON messages become rows, and which values their fields get.
#include "tsingest/decode/json.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/decode/json_fixture.h"

namespace tsingest::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

static_assert(Decoder<JsonDecoder<Sample>, Sample>);

std::vector<std::string> Devices(const std::vector<Sample>& rows) {
  std::vector<std::string> names;
  for (const Sample& row : rows) names.emplace_back(row.device);
  return names;
}

class JsonDecoderTest : public ::testing::Test {
 protected:
  JsonDecoding<Sample> samples_;
  JsonDecoding<Placed> placed_;
};

// ---- Messages. ----

TEST_F(JsonDecoderTest, ReadsAnObject) {
  const Sample& row = samples_.Row(
      R"({"ts":"2024-01-15T10:30:00.5Z","device":"plc-1","temp":21.5,"level":3,"note":"ok","quality":7})");
  EXPECT_EQ(row.time.time_since_epoch().count(), 1'705'314'600'500'000);
  EXPECT_EQ(row.device, "plc-1");
  EXPECT_EQ(row.temp, 21.5);
  EXPECT_EQ(row.level, 3);
  EXPECT_EQ(row.note, "ok");
  EXPECT_EQ(row.quality, 7);
  EXPECT_EQ(row.extra.text, "{}");
}

TEST_F(JsonDecoderTest, ReadsAnArrayOfObjects) {
  EXPECT_THAT(Devices(samples_.Rows(R"([{"device":"a"},{"device":"b"} , {"device":"c"}])")),
              ElementsAre("a", "b", "c"));
}

TEST_F(JsonDecoderTest, GivesNoRowForAnEmptyArray) {
  EXPECT_TRUE(samples_.Rows("[]").empty());
  EXPECT_TRUE(samples_.Rows(" [ \n ] ").empty());
}

TEST_F(JsonDecoderTest, ReadsJsonLines) {
  EXPECT_THAT(Devices(samples_.Rows("{\"device\":\"a\"}\n{\"device\":\"b\"}")),
              ElementsAre("a", "b"));
  EXPECT_THAT(Devices(samples_.Rows("\n{\"device\":\"a\"}\r\n\r\n [{\"device\":\"b\"},\n"
                                    "{\"device\":\"c\"}]\t\n{\"device\":\"d\"}\r\n")),
              ElementsAre("a", "b", "c", "d"));
}

TEST_F(JsonDecoderTest, WantsALineBreakBetweenValues) {
  EXPECT_THAT(samples_.Why(R"({"device":"a"} {"device":"b"})"),
              HasSubstr("syntax: not JSON: expected the end of the message, or a new line, found"));
  EXPECT_THAT(samples_.Why(R"({"device":"a"}{"device":"b"})"), HasSubstr("at byte 14"));
}

TEST_F(JsonDecoderTest, ReadsOneValueOnlyWhenToldSo) {
  JsonOptions options;
  options.framing = JsonFraming::kSingle;
  JsonDecoding<Sample> single(options);
  EXPECT_EQ(single.Row("{\"device\":\"a\"}\n\n").device, "a");
  EXPECT_EQ(single.Why("{\"device\":\"a\"}\n{\"device\":\"b\"}"),
            "syntax: not JSON: expected the end of the message, found \"{\"device\":\"b\", at byte "
            "15");
}

TEST_F(JsonDecoderTest, ReadsABareScalarUnderTheModelsName) {
  EXPECT_EQ(placed_.Row("42.5", "a/b").value, 42.5);
  EXPECT_EQ(placed_.Row(" -1 ", "a/b").value, -1);
  EXPECT_EQ(placed_.Row("\"on\\n\"", "a/b").text, "on\n");
  EXPECT_EQ(placed_.Row("true", "a/b").text, "true");
  const Placed& null = placed_.Row("null", "a/b");
  EXPECT_EQ(null.value, std::nullopt);
  EXPECT_EQ(null.text, std::nullopt);
  EXPECT_EQ(null.topic, "a/b");
  EXPECT_EQ(placed_.Rows("1\n2\n3", "a/b").size(), 3u);
}

TEST_F(JsonDecoderTest, RejectsABareScalarWhenTheModelNamesNoField) {
  for (const std::string_view scalar : {"42.5", "\"on\"", "null", "true"}) {
    EXPECT_EQ(
        samples_.Why(scalar),
        "type: the message is a bare value, and this model names no field for it: expected an "
        "object or an array of objects, at byte 0");
  }
  EXPECT_THAT(samples_.Why("tru"), HasSubstr("not JSON"));
}

TEST_F(JsonDecoderTest, SkipsAByteOrderMark) {
  EXPECT_EQ(samples_.Row("\xEF\xBB\xBF{\"device\":\"a\"}").device, "a");
  EXPECT_THAT(samples_.Why("\xEF\xBB\xBF"), HasSubstr("syntax"));
  EXPECT_THAT(samples_.Why("{\"device\":\"a\"}\n\xEF\xBB\xBF{\"device\":\"b\"}"),
              HasSubstr("at byte 15"));
}

TEST_F(JsonDecoderTest, ReadsWhateverWhiteSpaceThereIs) {
  const Sample& row = samples_.Row(
      "\r\n\t {\n    \"device\" :\t\"a\" ,\r\n    \"temp\":1\n  ,\"meta\" : { \"x\" : [ 1 , 2 ] } "
      "\n}\n ");
  EXPECT_EQ(row.device, "a");
  EXPECT_EQ(row.temp, 1);
  EXPECT_EQ(row.extra.text, "{\"meta\" : { \"x\" : [ 1 , 2 ] }}");
}

// ---- Names. ----

TEST_F(JsonDecoderTest, TakesTheBestNameWhereverItStands) {
  EXPECT_EQ(samples_.Row(R"({"device":"c","mac":"a"})").device, "a");
  EXPECT_EQ(samples_.Row(R"({"mac":"a","device":"c"})").device, "a");
  EXPECT_EQ(samples_.Row(R"({"device":"c","meta":{"mac":"b"}})").device, "b");
  EXPECT_EQ(samples_.Row(R"({"meta":{"id":{"serial":"s"}},"device":"c"})").device, "s");
  EXPECT_EQ(samples_.Row(R"({"device":"c"})").device, "c");
}

TEST_F(JsonDecoderTest, LooksAtNoValueThatLosesToABetterName) {
  EXPECT_EQ(samples_.Row(R"({"device":{"not":"text"},"mac":"a","quality":"x","quality":1})").device,
            "a");
}

TEST_F(JsonDecoderTest, TakesTheLastOfTheSameName) {
  const Sample& row = samples_.Row(R"({"device":"a","device":"b","temp":1,"temp":null,"temp":3})");
  EXPECT_EQ(row.device, "b");
  EXPECT_EQ(row.temp, 3);
  EXPECT_EQ(samples_.Row(R"({"device":"a","temp":1,"temp":null})").temp, std::nullopt);
}

TEST_F(JsonDecoderTest, SettlesNamesBeforeItLooksAtNull) {
  EXPECT_THAT(samples_.Why(R"({"mac":null,"device":"a"})"), HasSubstr("device: is null"));
}

TEST_F(JsonDecoderTest, DescendsIntoObjectsButNotIntoArrays) {
  const Sample& row = samples_.Row(R"({"mac":"a","data":{"temp":1.5,"level":true,"other":{}}})");
  EXPECT_EQ(row.temp, 1.5);
  EXPECT_EQ(row.level, 1);
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":[{"temp":1.5}]})").temp, std::nullopt);
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":5})").temp, std::nullopt);
}

TEST_F(JsonDecoderTest, MatchesAFlatNameWithDots) {
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data.temp":1.5})").temp, 1.5);
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data.temp":1,"data":{"temp":2}})").temp, 2);
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":{"temp":2},"data.temp":1})").temp, 1);
  EXPECT_EQ(samples_.Row(R"({"meta":{"id.serial":"s"},"device":"c"})").device, "c");
}

TEST_F(JsonDecoderTest, MatchesANameWrittenWithEscapes) {
  const Sample& row = samples_.Row(R"({"d\u0065vice":"a","d\u0061ta":{"t\u0065mp":4},"no\/te":1})");
  EXPECT_EQ(row.device, "a");
  EXPECT_EQ(row.temp, 4);
  EXPECT_EQ(row.extra.text, R"({"no\/te":1})");
}

TEST_F(JsonDecoderTest, DoesNotMistakeAPrefixForAName) {
  EXPECT_EQ(samples_.Row(R"({"device":"a","tem":1,"temp2":2,"Temp":3,"":4})").temp, std::nullopt);
}

// ---- Null, absence, escapes. ----

TEST_F(JsonDecoderTest, FillsInWhatIsMissingOrNull) {
  for (const std::string_view message :
       {R"({"device":"a"})",
        R"({"device":"a","ts":null,"temp":null,"level":null,"note":null,"quality":null})"}) {
    const Sample& row = samples_.Row(message);
    EXPECT_EQ(row.time, kArrival);
    EXPECT_EQ(row.temp, std::nullopt);
    EXPECT_EQ(row.level, std::nullopt);
    EXPECT_EQ(row.note, std::nullopt);
    EXPECT_EQ(row.quality, 192);
  }
}

TEST_F(JsonDecoderTest, UnescapesStrings) {
  const Sample& row = samples_.Row(R"({"device":"a\"\\\u00e9","note":"\ud83d\ude00\t"})");
  EXPECT_EQ(row.device, "a\"\\\xC3\xA9");
  EXPECT_EQ(row.note, "\xF0\x9F\x98\x80\t");
}

TEST_F(JsonDecoderTest, ViewsThePayloadWhereNothingIsEscaped) {
  Arena arena;
  JsonDecoder<Sample> decoder;
  std::vector<Sample> rows;
  const std::string_view payload = arena.CopyPadded(R"({"device":"plain","note":"21 °C"})");
  const std::string original(payload);
  ASSERT_FALSE(decoder.Decode({.payload = payload, .topic = {}, .arrival = {}}, arena, rows));
  EXPECT_EQ(rows[0].device.data(), payload.data() + 11);
  EXPECT_EQ(rows[0].note->data(), payload.data() + payload.find("21"));
  EXPECT_EQ(payload, original);
}

TEST_F(JsonDecoderTest, RejectsTextThatPostgresCannotHoldWhereAFieldTakesIt) {
  EXPECT_EQ(samples_.Why(R"({"device":"a\u0000b"})"),
            R"(encoding: device: "a\u0000b" holds \u0000, which text cannot store, at byte 11)");
  EXPECT_THAT(samples_.Why(R"({"device":"\ud800"})"), HasSubstr("half a surrogate pair"));
  EXPECT_THAT(samples_.Why(R"({"device":"a","x":"\u0000"})"),
              HasSubstr("encoding: extra: \"{\"x\":\"\\u0000\"}\" holds \\u0000"));
  EXPECT_THAT(samples_.Why(R"({"device":"a","\udc00":1})"), HasSubstr("encoding: extra"));
  EXPECT_THAT(samples_.Why(R"({"device":"a","x":[1e200000]})"), HasSubstr("range: extra"));
}

TEST_F(JsonDecoderTest, PassesTextThatPostgresCannotHoldWhereNoFieldTakesIt) {
  EXPECT_EQ(placed_.Row(R"({"value":1,"x":"\u0000\ud800","\udfff":[1e200000]})", "a").value, 1);
  EXPECT_EQ(samples_.Row(R"({"device":"\u0000","mac":"a"})").device, "a");
}

TEST_F(JsonDecoderTest, KeepsTheRestApartFromWhatFieldsTook) {
  EXPECT_EQ(samples_.Row(R"({"mac":"\u0061","note":"\ud83d\ude00","x":1})").extra.text,
            R"({"x":1})");
}

// ---- Rest. ----

TEST_F(JsonDecoderTest, CollectsTheRestAsItIsWritten) {
  EXPECT_EQ(
      samples_.Row(R"({"unit":"°C", "device":"a","n":[1, {"x":null}],"m":1.50,"temp":1,"b":true})")
          .extra.text,
      R"({"unit":"°C","n":[1, {"x":null}],"m":1.50,"b":true})");
  EXPECT_EQ(samples_.Row(R"({"device":"a","x":1,"x":2})").extra.text, R"({"x":1,"x":2})");
}

TEST_F(JsonDecoderTest, LeavesANestedObjectOutOfTheRestWhenAFieldTookSomethingFromIt) {
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":{"temp":1,"x":2}})").extra.text, "{}");
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":{"x":2}})").extra.text, R"({"data":{"x":2}})");
  EXPECT_EQ(samples_.Row(R"({"meta":{"id":{"serial":"a"}},"data":3})").extra.text, R"({"data":3})");
  EXPECT_EQ(samples_.Row(R"({"mac":"a","meta":{"id":{"x":"a"}}})").extra.text,
            R"({"meta":{"id":{"x":"a"}}})");
}

TEST_F(JsonDecoderTest, RemembersNothingOfARejectedMessageInTheRest) {
  EXPECT_THAT(samples_.Why(R"({"mac":"a","data":{"temp":1,!)"), HasSubstr("syntax"));
  EXPECT_EQ(samples_.Row(R"({"mac":"a","data":[7]})").extra.text, R"({"data":[7]})");
}

TEST_F(JsonDecoderTest, HoldsLosingNamesOutOfTheRest) {
  EXPECT_EQ(samples_.Row(R"({"device":"b","mac":"a","z":1})").extra.text, R"({"z":1})");
}

// ---- Topics. ----

TEST_F(JsonDecoderTest, TakesTheTopicAndItsLevels) {
  const Placed& row = placed_.Row(R"({"value":1,"topic":"no","site":"no"})", "plant/line/7/temp");
  EXPECT_EQ(row.topic, "plant/line/7/temp");
  EXPECT_EQ(row.site, "plant");
  EXPECT_EQ(row.tail, "line");
  EXPECT_EQ(placed_.Row("1", "alone").tail, std::nullopt);
}

TEST_F(JsonDecoderTest, TakesTheColumnsNameWhenThereIsNoTopic) {
  const Placed& row = placed_.Row(R"({"value":1,"topic":"t","site":"s"})");
  EXPECT_EQ(row.topic, "t");
  EXPECT_EQ(row.site, "s");
  EXPECT_EQ(placed_.Why(R"({"value":1,"site":"s"})"),
            "missing: topic: is missing (looked for topic), at byte 0");
}

TEST_F(JsonDecoderTest, RejectsWhatIsNoTopic) {
  EXPECT_EQ(placed_.Why("1", "/x"), "rule: site: \"\" is empty");
  EXPECT_THAT(placed_.Why("1", "a\xFF"), HasSubstr("encoding: the topic"));
  EXPECT_THAT(placed_.Why("1", std::string_view("a\0b", 3)), HasSubstr("encoding: the topic"));
  EXPECT_FALSE(samples_.Decode(R"({"mac":"a"})", "\xFF")) << "no field takes it";
}

// ---- Learning from earlier messages changes nothing. ----

TEST_F(JsonDecoderTest, GivesTheSameWhateverItHasSeenBefore) {
  const std::vector<std::string_view> shapes = {
      R"({"mac":"a","temp":1,"note":"x"})",
      R"({"mac": "a", "temp": 1, "note": "x"})",
      R"({"note":"x","temp":1,"mac":"a"})",
      R"({"mac":"a","temp":1,"u":2,"note":"x"})",
      R"({"data":{"temp":1},"mac":"a","note":"x"})",
      R"({"data":{"q":0,"temp":1},"note":"x","mac":"a"})",
      R"({"mac":"a","data":{"temp":1,"q":"0"},"note":"x"})",
      "{\n  \"mac\": \"a\",\n  \"temp\": 1,\n  \"note\": \"x\"\n}",
      "{\"mac\":\n\"a\",\"temp\":1,\"note\":\t\"x\"}",
      R"({"note":"x","meta":{"mac":"a"},"temp":1})"};
  for (const std::string_view before : shapes) {
    for (const std::string_view after : shapes) {
      samples_.Row(before);
      const Sample& row = samples_.Row(after);
      EXPECT_EQ(row.device, "a") << before << after;
      EXPECT_EQ(row.temp, 1) << before << after;
      EXPECT_EQ(row.note, "x") << before << after;
    }
  }
}

TEST_F(JsonDecoderTest, ReadsNamesOfAnyLength) {
  for (std::size_t length = 0; length < 80; ++length) {
    const std::string name(length, 'n');
    const std::string message = "{\"" + name + "\":1,\"device\":\"a\",\"" + name + "x\":[2]}";
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(samples_.Row(message).extra.text, "{\"" + name + "\":1,\"" + name + "x\":[2]}");
    }
  }
}

TEST_F(JsonDecoderTest, SurvivesMoreNamesThanItCanRemember) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "name" + std::to_string(i);
      const std::string message = "{\"" + name + "\":" + std::to_string(i) + ",\"data\":{\"" +
                                  name + "\":1,\"temp\":2},\"mac\":\"a\"}";
      const Sample& row = samples_.Row(message);
      EXPECT_EQ(row.temp, 2);
      EXPECT_EQ(row.device, "a");
      EXPECT_EQ(row.extra.text, "{\"" + name + "\":" + std::to_string(i) + "}");
    }
  }
}

// The outer name cannot be remembered, and the inner ones overwrite what is kept of it meanwhile.
TEST_F(JsonDecoderTest, ReadsUnmemorableNamesInsideUnmemorableNames) {
  const Sample& row =
      samples_.Row(R"({"d\u0061ta":{"t\u0065mp":4,"\u0078":1},"mac":"a","\u0079":2})");
  EXPECT_EQ(row.temp, 4);
  EXPECT_EQ(row.extra.text, R"({"\u0079":2})");
}

TEST_F(JsonDecoderTest, GoesOnAfterAReject) {
  samples_.rows().clear();
  EXPECT_FALSE(samples_.Decode(R"({"device":"a"})"));
  EXPECT_TRUE(samples_.Decode(R"([{"device":"b"},{"device":"c"},{"device":""}])"));
  EXPECT_FALSE(samples_.Decode(R"({"device":"d"})"));
  EXPECT_THAT(Devices(samples_.rows()), ElementsAre("a", "d"));
}

}  // namespace
}  // namespace tsingest::testing
