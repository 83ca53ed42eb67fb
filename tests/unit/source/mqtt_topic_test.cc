#include "source/mqtt/topic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tsingest::mqtt {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

TEST(MqttTopicTest, TakesFiltersOfTheStandardsExamples) {
  for (const char* filter :
       {"#", "+", "sport/tennis/player1/#", "sport/#", "+/tennis/#", "sport/+/player1", "/finance",
        "/", "/+", "$SYS/#", "sport/tennis/+", "a//b", "Grüße/°C/#", "$share/consumer1/sport/+",
        "$share/g/#", "$share/g//x", "$sharex", "$queue/a", " a b "}) {
    EXPECT_EQ(TopicFilterError(filter), "") << filter;
  }
}

TEST(MqttTopicTest, NamesWhatIsWrongWithAFilter) {
  EXPECT_THAT(TopicFilterError(""), HasSubstr("is empty"));
  EXPECT_THAT(TopicFilterError("sport/tennis#"), HasSubstr("must stand alone"));
  EXPECT_THAT(TopicFilterError("sport+"), HasSubstr("must stand alone"));
  EXPECT_THAT(TopicFilterError("a/+b"), HasSubstr("must stand alone"));
  EXPECT_THAT(TopicFilterError("sport/#/ranking"), HasSubstr("# must be the last level"));
  EXPECT_THAT(TopicFilterError("a\0b"s), HasSubstr("NUL"));
  EXPECT_THAT(TopicFilterError("a/\xFF"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(TopicFilterError(std::string(65'536, 'a')), HasSubstr("longer than 65535"));
  EXPECT_EQ(TopicFilterError(std::string(65'535, 'a')), "");
}

TEST(MqttTopicTest, ChecksBothPartsOfASharedFilter) {
  EXPECT_THAT(TopicFilterError("$share/"), HasSubstr("group"));
  EXPECT_THAT(TopicFilterError("$share//a"), HasSubstr("group"));
  EXPECT_THAT(TopicFilterError("$share/+/a"), HasSubstr("without + and #"));
  EXPECT_THAT(TopicFilterError("$share/g"), HasSubstr("no filter behind the group"));
  EXPECT_THAT(TopicFilterError("$share/g/"), HasSubstr("no filter behind the group"));
  EXPECT_THAT(TopicFilterError("$share/g/a#"), HasSubstr("must stand alone"));
}

TEST(MqttTopicTest, TopicNamesHaveNoWildcards) {
  EXPECT_TRUE(IsTopicName("a/b c/°"));
  EXPECT_TRUE(IsTopicName("$SYS/x"));
  EXPECT_FALSE(IsTopicName(""));
  EXPECT_FALSE(IsTopicName("a/+"));
  EXPECT_FALSE(IsTopicName("a#"));
  EXPECT_FALSE(IsTopicName("a\0"s));
  EXPECT_FALSE(IsTopicName("\x80"));
}

}  // namespace
}  // namespace tsingest::mqtt
