#include "tools/common/publish_settings.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tsingest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParsePublishTarget, TakesTheUriApart) {
  const auto kafka = ParsePublishTarget("kafka://a:9092,b:9093/sensor_data");
  ASSERT_TRUE(kafka.ok()) << kafka.status();
  EXPECT_EQ(kafka->scheme, "kafka");
  EXPECT_EQ(kafka->brokers, "a:9092,b:9093");
  EXPECT_EQ(kafka->topic, "sensor_data");
  const auto mqtt = ParsePublishTarget("mqtts://me:pa%2Fss@[::1]:8883/iot/{device_id}/a%20b");
  ASSERT_TRUE(mqtt.ok()) << mqtt.status();
  EXPECT_EQ(mqtt->scheme, "mqtts");
  EXPECT_EQ(mqtt->brokers, "mqtts://me:pa%2Fss@[::1]:8883");
  EXPECT_EQ(mqtt->topic, "iot/{device_id}/a b");
}

TEST(ParsePublishTarget, SaysWhatIsMissingAndNoPassword) {
  for (const auto& [uri, words] : std::vector<std::pair<std::string, std::string>>{
           {"kafka://a:9092", "names no topic; it is written kafka://HOST:PORT/TOPIC"},
           {"mqtt://me:s3cret@a:1883/", "names no topic"},
           {"mqtt:///iot", "names no broker"},
           {"kafka://me:s3cret@a:9092/t", "properties: --kafka"}}) {
    const auto target = ParsePublishTarget(uri);
    EXPECT_EQ(target.status().code(), absl::StatusCode::kInvalidArgument) << uri;
    EXPECT_THAT(std::string(target.status().message()), HasSubstr(words));
    EXPECT_THAT(std::string(target.status().message()), Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace tsingest
