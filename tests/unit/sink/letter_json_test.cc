#include "tsingest/sink/letter_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tsingest {
namespace {

using ::testing::HasSubstr;

std::string Written(const StoredLetter& letter) {
  ByteBuffer out;
  AppendStoredLetterJson(letter, out);
  return std::string(out.view());
}

TEST(LetterJson, ReadsBackWhatItWrote) {
  StoredLetter letter{.id = 17,
                      .at = Timestamp(std::chrono::microseconds(1'700'000'000'123'456)),
                      .source = "kafka2ts",
                      .stream = "readings/0",
                      .position = 42,
                      .line = 3,
                      .topic = "plant/\xff",
                      .reason = "temp: \"x\" is not a number",
                      .code = "type",
                      .payload = std::string("{\"a\":\n\"\\\"\"}\0\x80", 13),
                      .key = "k",
                      .row = 2,
                      .attempts = 3,
                      .reading = R"({"format":"json","model":"m","map":["a=b"]})",
                      .arrival = Timestamp(std::chrono::microseconds(1'699'999'999'000'001))};
  LetterJsonReader reader;
  const auto read = reader.Read(Written(letter));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Written(*read), Written(letter));
  EXPECT_EQ(read->payload, letter.payload);
  EXPECT_EQ(read->topic, letter.topic);
  EXPECT_EQ(read->at, letter.at);
  EXPECT_EQ(read->row, 2);
  EXPECT_EQ(read->reading, letter.reading);
  EXPECT_EQ(read->arrival, letter.arrival);
  letter.payload = "";
  EXPECT_EQ(reader.Read(Written(letter))->payload, "");
}

// `sed s/wrong/right/` mends the first place in a line.
TEST(LetterJson, ThePayloadStandsBeforeTheReasonThatQuotesIt) {
  const std::string line = Written({.id = 7, .reason = "\"n/a\" is no number", .payload = "1,n/a"});
  EXPECT_EQ(line.rfind(R"({"id":7,"payload":"1,n/a","attempts":1,"at":)", 0), 0u) << line;
  EXPECT_EQ(line.find("payload"), line.rfind("payload")) << line;
}

TEST(LetterJson, APayloadMayBeWrittenAsTheObjectItIs) {
  LetterJsonReader reader;
  const auto read = reader.Read(R"({"id":1,"payload":{"temp": 1.50},"remark":"mine"})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->payload, R"({"temp": 1.50})");
}

TEST(LetterJson, SaysWhatIsWrong) {
  LetterJsonReader reader;
  const auto why = [&](std::string_view text) {
    return std::string(reader.Read(text).status().message());
  };
  EXPECT_THAT(why("nonsense"), HasSubstr("not JSON"));
  EXPECT_THAT(why("{}"), HasSubstr("payload: is missing"));
  EXPECT_THAT(why(R"([{"payload":"a"},{"payload":"b"}])"), HasSubstr("not one JSON object"));
  EXPECT_THAT(why(R"({"payload_base64":"*"})"), HasSubstr("payload_base64: is no base64"));
  EXPECT_THAT(why(R"({"id":"x","payload":"a"})"), HasSubstr("id"));
  EXPECT_TRUE(reader.Read(R"({"payload":"a"})").ok()) << "and is usable afterwards";
}

}  // namespace
}  // namespace tsingest
