// Real messages and a conformance suite, where TSINGEST_DATA names a folder that has them:
// conformance/JSONTestSuite/test_parsing (y_ must be accepted, n_ must be rejected, i_ may be
// either), messages/*.jsonl ({"topic", "payload", …} a line).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "support/rapidjson.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class JsonRealDataTest : public ::testing::Test {
 protected:
  struct Message {
    std::string id;
    std::string topic;
    std::string payload;
  };

  void SetUp() override {
    const char* const folder = std::getenv("TSINGEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "TSINGEST_DATA names no folder with real files";
    folder_ = folder;
  }

  std::vector<Message> Messages(std::string_view name) const {
    std::vector<Message> messages;
    std::ifstream file(folder_ / "messages" / name);
    for (std::string line; std::getline(file, line);) {
      rapidjson::Document document;
      document.Parse(line.data(), line.size());
      const auto text = [&](const char* key) {
        return document.HasMember(key) && document[key].IsString()
                   ? std::string(document[key].GetString())
                   : std::string();
      };
      messages.push_back({text("id"), text("topic"), text("payload")});
    }
    return messages;
  }

  template <class M>
  Reject Decode(std::string_view payload, std::string_view topic, std::vector<M>& rows) {
    return JsonDecoder<M>().Decode({arena_.CopyPadded(payload), arena_.Copy(topic), {}}, arena_,
                                   rows);
  }

  fs::path folder_;
  Arena arena_;
};

TEST_F(JsonRealDataTest, EachFileOfTheSuiteAsAValueOfAMessage) {
  int files = 0;
  for (const auto& entry :
       fs::directory_iterator(folder_ / "conformance/JSONTestSuite/test_parsing")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string name = entry.path().filename().string();
    std::vector<Metric> rows;
    const Reject reject = Decode<Metric>("{\"value\":1,\"x\":" + text + "}", "t", rows);
    ++files;
    EXPECT_EQ(rows.size(), reject ? 0u : 1u) << name;
    EXPECT_EQ(reject.reason.empty(), !reject) << name;
    // jsonb has no NUL character.
    const bool is_storable =
        text.find("\\u0000") == std::string::npos || text.find("\\\\u0000") != std::string::npos;
    const bool is_good = name[0] == 'y' && is_storable;
    EXPECT_TRUE(name[0] == 'i' || is_good == !reject) << name << ": " << reject.reason;
  }
  EXPECT_GT(files, 300);
}

TEST_F(JsonRealDataTest, NoFileThatMustBeRejectedGivesARowAsAMessage) {
  for (const auto& entry :
       fs::directory_iterator(folder_ / "conformance/JSONTestSuite/test_parsing")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string name = entry.path().filename().string();
    if (name[0] != 'n') continue;
    std::vector<Metric> rows;
    const Reject reject = Decode<Metric>(text, "t", rows);
    EXPECT_TRUE(rows.empty()) << name;
  }
}

TEST_F(JsonRealDataTest, TelemetryInItsNestedFormIsRead) {
  const std::vector<Message> messages = Messages("env_telemetry.jsonl");
  ASSERT_FALSE(messages.empty());
  for (const Message& message : messages) {
    std::vector<SensorReading> rows;
    const Reject reject = Decode<SensorReading>(message.payload, message.topic, rows);
    // Some name their time otherwise.
    const bool has_time = message.payload.find("\"ts\":") != std::string::npos ||
                          message.payload.find("\"ts\" :") != std::string::npos;
    EXPECT_EQ(rows.size(), has_time ? 1u : 0u) << message.id << ": " << reject.reason;
    if (has_time) continue;
    EXPECT_EQ(reject.code, RejectCode::kMissing) << message.id;
    EXPECT_THAT(reject.reason, HasSubstr("ts: is missing")) << message.id;
  }
}

TEST_F(JsonRealDataTest, MessagesOfTheFieldGiveRowsOrAReason) {
  const std::vector<Message> messages = Messages("iot_mqtt.jsonl");
  ASSERT_FALSE(messages.empty());
  for (const Message& message : messages) {
    std::vector<Metric> rows;
    const Reject reject = Decode<Metric>(message.payload, message.topic, rows);
    if (message.payload.empty()) {
      EXPECT_THAT(reject.reason, HasSubstr("the message is empty")) << message.id;
    } else if (message.payload.starts_with("[\"")) {
      EXPECT_THAT(reject.reason, HasSubstr("element 1 of the array is no object")) << message.id;
    } else {
      ASSERT_EQ(rows.size(), 1u) << message.id << ": " << reject.reason;
      EXPECT_EQ(rows[0].topic, message.topic);
      // What no field takes is kept: a value, or everything else.
      EXPECT_TRUE(rows[0].value.has_value() || rows[0].metadata.text != "{}") << message.id;
    }
  }
}

}  // namespace
}  // namespace tsingest
