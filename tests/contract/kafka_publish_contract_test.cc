// PublishSink with KafkaPublisher on a real broker keeps the sinks' contract.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "contract/sink_contract.h"
#include "support/kafka_server.h"
#include "support/temp_dir.h"
#include "tsingest/sink/file_dead_letter.h"
#include "tsingest/sink/kafka_publisher.h"
#include "tsingest/sink/publish.h"

namespace tsingest::testing {
namespace {

KafkaServer& SharedKafka() {
  static KafkaServer server;
  return server;
}

// Calls on_payload for each message of partition 0, up to the end that it has now.
template <class OnPayload>
void ReadTopic(const std::string& topic, const OnPayload& on_payload) {
  rd_kafka_conf_t* const config = rd_kafka_conf_new();
  char why[256];
  rd_kafka_conf_set(config, "bootstrap.servers", SharedKafka().Brokers().c_str(), why, sizeof why);
  rd_kafka_conf_set(config, "group.id", "contract", why, sizeof why);
  rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_CONSUMER, config, why, sizeof why);
  std::int64_t low = 0;
  std::int64_t high = 0;
  EXPECT_EQ(rd_kafka_query_watermark_offsets(client, topic.c_str(), 0, &low, &high, 20'000), 0);
  rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = 0;
  rd_kafka_assign(client, list);
  rd_kafka_topic_partition_list_destroy(list);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (std::int64_t next = 0; next < high && std::chrono::steady_clock::now() < until;) {
    rd_kafka_message_t* const message = rd_kafka_consumer_poll(client, 1000);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      next = message->offset + 1;
      on_payload(std::string_view(static_cast<const char*>(message->payload), message->len));
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
}

class KafkaBackend : public SinkBackend {
 public:
  KafkaBackend() : letters_(dir_.Path("letters.jsonl")) { EXPECT_TRUE(letters_.Open().ok()); }

  std::optional<std::string> WhyUnavailable() override {
    if (std::string missing = KafkaMissing(); !missing.empty()) return missing;
    static int number = 0;
    topic_ = "contract-" + std::to_string(++number);
    SharedKafka().CreateTopic(topic_, 1);
    return std::nullopt;
  }
  std::unique_ptr<Sink<TestRow>> MakeSink() override {
    publishers_.push_back(std::make_unique<KafkaPublisher>(
        KafkaPublisherOptions{.brokers = SharedKafka().Brokers(), .topics = {topic_}}));
    return std::make_unique<PublishSink<TestRow>>(
        *publishers_.back(), PublishOptions{.topic = topic_, .dead_letters = &letters_});
  }
  std::vector<std::int64_t> StoredIds() override {
    std::vector<std::int64_t> ids;
    ReadTopic(topic_, [&](std::string_view payload) {
      constexpr std::string_view kId = "\"id\":";
      std::int64_t id = 0;
      const std::size_t at = payload.find(kId) + kId.size();
      std::from_chars(payload.data() + at, payload.data() + payload.size(), id);
      ids.push_back(id);
    });
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
  std::string topic_;
  std::vector<std::unique_ptr<KafkaPublisher>> publishers_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Kafka, SinkContract, KafkaBackend);

}  // namespace
}  // namespace tsingest::testing
