#include "tools/mqtt/mqtt_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/mqtt/spool_commands.h"

namespace tsingest {
namespace {

using ::testing::HasSubstr;

class MqttSpoolSettingsTest : public ::testing::Test {
 protected:
  absl::Status Load(std::vector<std::string> flags) {
    Settings settings({.tool = "mqtt2ts", .summary = "", .usage = ""});
    DeclareMqttSettings(settings, mqtt_, common_);
    return settings.Load(flags, {}).status();
  }
  CommonSettings common_;
  MqttSettings mqtt_;
};

TEST_F(MqttSpoolSettingsTest, ThereIsNoSpoolUnlessAskedFor) {
  ASSERT_TRUE(Load({}).ok());
  EXPECT_EQ(mqtt_.spool, "");
  ASSERT_TRUE(Load({"--spool", "/var/spool/x", "--spool-bytes", "5GiB"}).ok());
  EXPECT_EQ(mqtt_.spool, "/var/spool/x");
  EXPECT_EQ(mqtt_.spool_bytes, std::int64_t{5} << 30);
}

TEST_F(MqttSpoolSettingsTest, WhatCannotGoTogetherIsRefused) {
  EXPECT_THAT(std::string(Load({"--spool-bytes", "5GiB"}).message()),
              HasSubstr("needs --spool DIR"));
  EXPECT_THAT(std::string(Load({"--spool", "x", "--spool-bytes", "5"}).message()),
              HasSubstr("1MiB"));
  common_.dry_run = true;
  EXPECT_THAT(std::string(Load({"--spool", "x"}).message()), HasSubstr("--dry-run"));
}

TEST(SpoolCommandTest, NamesWhatIsWrong) {
  const auto refusal = [](const std::vector<std::string>& arguments, SpoolCommand command = {}) {
    return std::string(ReadSpoolCommand(arguments, &command).message());
  };
  EXPECT_EQ(refusal({"inspect", "dir"}), "");
  EXPECT_THAT(refusal({}), HasSubstr("no command is given"));
  EXPECT_THAT(refusal({"look", "dir"}), HasSubstr("unknown command \"look\""));
  EXPECT_THAT(refusal({"verify"}), HasSubstr("verify takes one directory, not 0"));
  EXPECT_THAT(refusal({"verify", "a", "b"}), HasSubstr("not 2"));
  EXPECT_THAT(refusal({"verify", "a"}, {.messages = 3}), HasSubstr("belongs to inspect"));
  EXPECT_THAT(refusal({"inspect", "a"}, {.new_id = true}), HasSubstr("belongs to repair"));
}

}  // namespace
}  // namespace tsingest
