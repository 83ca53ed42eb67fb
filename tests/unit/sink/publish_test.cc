#include "tsingest/sink/publish.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "contract/sink_contract.h"
#include "gmock/gmock.h"
#include "support/scripted_gate.h"
#include "support/temp_dir.h"
#include "support/test_batch.h"
#include "support/test_row.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "tsingest/sink/file_dead_letter.h"

namespace tsingest::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Published {
  std::string topic;
  std::string key;
  std::string payload;
  std::string topic_header;
};

// A broker in memory, which outlives its publishers. Refuses payloads that contain `too_large`.
struct Broker {
  std::vector<Published> messages;
  std::string too_large = "nothing";
};

class MemoryPublisher final : public Publisher {
 public:
  explicit MemoryPublisher(Broker& broker) : broker_(broker) {}

  absl::Status Open() override { return absl::OkStatus(); }
  absl::Status Publish(std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t, std::string_view)> refused) override {
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (cancelled()) return absl::CancelledError("told to stop");
      const PublishRecord& record = records[i];
      if (record.payload.find(broker_.too_large) != std::string_view::npos) {
        refused(i, "too large");
        continue;
      }
      broker_.messages.push_back(
          {std::string(record.topic), std::string(record.key), std::string(record.payload),
           record.headers.empty() ? "" : std::string(record.headers[0].value)});
    }
    return absl::OkStatus();
  }
  std::string_view TopicError(std::string_view topic) const override {
    return topic.find(' ') == std::string_view::npos ? "" : "has a blank";
  }
  absl::Status Health() const override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }

 private:
  Broker& broker_;
};

std::int64_t IdOf(std::string_view payload) {
  constexpr std::string_view kId = "\"id\":";
  std::int64_t id = 0;
  const std::size_t at = payload.find(kId) + kId.size();
  std::from_chars(payload.data() + at, payload.data() + payload.size(), id);
  return id;
}

class PublishBackend : public SinkBackend {
 public:
  PublishBackend() : letters_(dir_.Path("letters.jsonl")) { EXPECT_TRUE(letters_.Open().ok()); }
  std::unique_ptr<Sink<TestRow>> MakeSink() override {
    publishers_.push_back(std::make_unique<MemoryPublisher>(broker_));
    return std::make_unique<PublishSink<TestRow>>(
        *publishers_.back(), PublishOptions{.topic = "rows", .dead_letters = &letters_});
  }
  std::vector<std::int64_t> StoredIds() override {
    std::vector<std::int64_t> ids;
    for (const Published& message : broker_.messages) ids.push_back(IdOf(message.payload));
    std::ranges::sort(ids);
    return ids;
  }
  std::size_t StoredLetters() override {
    std::ifstream in(dir_.Path("letters.jsonl"));
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) ++count;
    return count;
  }

 private:
  TempDir dir_;
  FileDeadLetterStore letters_;
  Broker broker_;
  std::vector<std::unique_ptr<MemoryPublisher>> publishers_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Publish, SinkContract, PublishBackend);

class PublishSinkTest : public ::testing::Test {
 protected:
  std::string Write(Batch<TestRow>& batch, const std::string& topic) {
    PublishSink<TestRow> sink(
        publisher_, {.topic = topic, .key_column = "device", .log = [&](std::string_view line) {
                       log_.emplace_back(line);
                     }});
    EXPECT_TRUE(sink.Open().ok());
    const auto result = (*sink.NewWriter())->Write(batch, gate_);
    if (!result.ok()) return result.status().ToString();
    return std::to_string(result->written) + " written, " + std::to_string(result->dead_lettered) +
           " dead-lettered";
  }
  template <class M>
  absl::Status Prepare(const std::string& topic, bool has_headers = false) {
    return PublishSink<M>(publisher_, {.topic = topic, .has_headers = has_headers}).Prepare();
  }

  Broker broker_;
  MemoryPublisher publisher_{broker_};
  BatchMaker maker_;
  ScriptedGate gate_;
  std::vector<std::string> log_;
};

TEST_F(PublishSinkTest, EachRowGoesToItsTopicWithItsKey) {
  const auto batch = maker_.Message("1").Message("2").Take();
  batch->rows[1].device = "plant/8";
  EXPECT_EQ(Write(*batch, "iot/{device}/{id}"), "2 written, 0 dead-lettered");
  ASSERT_EQ(broker_.messages.size(), 2u);
  EXPECT_EQ(broker_.messages[0].topic, "iot/plant/7/1");
  EXPECT_EQ(broker_.messages[1].topic, "iot/plant/8/2");
  EXPECT_EQ(broker_.messages[1].key, "plant/8");
  EXPECT_EQ(broker_.messages[0].payload,
            R"({"time":"2024-01-01T00:00:00.000000Z","id":1,"device":"plant/7","value":null})");
}

TEST_F(PublishSinkTest, RowsWithoutAValidTopicAreDeadLettersAndTheOthersArePublished) {
  const auto batch = maker_.Rows(0, 4).Message("bad").Take();
  batch->rows[1].device = "with blank";
  batch->rows[2].value = 1.5;
  EXPECT_EQ(Write(*batch, "iot/{device}"), "3 written, 2 dead-lettered");
  EXPECT_THAT(log_, ElementsAre(HasSubstr("topic \"iot/with blank\": has a blank")));
  EXPECT_EQ(batch->meta.rejects.size(), 1u) << "a batch may be written again";

  broker_.messages.clear();
  EXPECT_EQ(Write(*batch, "iot/{value}"), "1 written, 4 dead-lettered");
  EXPECT_EQ(broker_.messages.at(0).topic, "iot/1.5");
  EXPECT_THAT(log_.back(), HasSubstr("value: is NULL, and the topic needs it"));
}

TEST_F(PublishSinkTest, WhatTheBrokerRefusesIsADeadLetterAndItsNeighboursArePublished) {
  broker_.too_large = "\"id\":7,";
  const auto batch = maker_.Rows(0, 10).Take();
  EXPECT_EQ(Write(*batch, "rows"), "9 written, 1 dead-lettered");
  EXPECT_EQ(broker_.messages.size(), 9u);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("too large")));
}

TEST_F(PublishSinkTest, TopicsThatCannotWorkAreErrorsOfTheStart) {
  for (const auto& [topic, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "the topic is empty"},
           {"a{", "{ stands without }"},
           {"a}b", "} stands without {"},
           {"{}", "{} names no column"},
           {"{a{b}}", "{ stands without }"},
           {"with blank", "has a blank"},
           {"{nothing}", "has no such column; there are: time, id, device, value"}}) {
    const absl::Status status = Prepare<TestRow>(topic);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << topic;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
  EXPECT_TRUE(Prepare<TestRow>("{device}/{id}/x").ok());
}

TEST_F(PublishSinkTest, AFieldThatReadersTakeFromTheTopicMustBeThere) {
  const absl::Status status = Prepare<Metric>("iot");
  EXPECT_THAT(std::string(status.message()), HasSubstr("write …/{topic}"));
  EXPECT_TRUE(Prepare<Metric>("replay/{topic}").ok());
  EXPECT_TRUE(Prepare<Metric>("iot", /*has_headers=*/true).ok());
}

TEST_F(PublishSinkTest, WhatTheTopicDoesNotSayGoesIntoItsHeader) {
  PublishSink<Metric> sink(publisher_, {.topic = "iot", .has_headers = true});
  ASSERT_TRUE(sink.Open().ok());
  Batcher<Metric> batcher(BatcherOptions{});
  ASSERT_TRUE(batcher.AddStream(0, 0).ok());
  (void)batcher.AddMessage({.payload = "x"}, MonotonicTime{});
  batcher.open().rows.emplace_back().topic = "plant/7/temp";
  batcher.FinishMessage({});
  const auto batch = batcher.Take();
  ASSERT_TRUE((*sink.NewWriter())->Write(*batch, gate_).ok());
  ASSERT_EQ(broker_.messages.size(), 1u);
  EXPECT_EQ(broker_.messages[0].topic, "iot");
  EXPECT_EQ(broker_.messages[0].topic_header, "plant/7/temp");
  EXPECT_EQ(broker_.messages[0].key, "plant/7/temp");
}

}  // namespace
}  // namespace tsingest::testing
