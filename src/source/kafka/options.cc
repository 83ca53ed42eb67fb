#include <string>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "source/kafka/client_config.h"
#include "tsingest/model/parse_time.h"
#include "tsingest/source/kafka.h"

namespace tsingest {

absl::StatusOr<KafkaPoint> ParseKafkaPoint(std::string_view text) {
  if (text == "earliest") return KafkaPoint{KafkaPoint::Kind::kEarliest, {}};
  if (text == "latest" || text == "end") return KafkaPoint{KafkaPoint::Kind::kLatest, {}};
  const ParseOptions options;
  ParseContext context{.options = &options, .why = {}};
  KafkaPoint point{KafkaPoint::Kind::kTimestamp, {}};
  if (ParseTimestamp({TokenKind::kText, text}, context, &point.time) == RejectCode::kOk)
    return point;
  return absl::InvalidArgumentError(fmt::format(
      "{} is no place in a topic: earliest, latest, end, or a time (2024-01-15T10:30:00Z, epoch)",
      ShowValue(text)));
}

absl::Status KafkaOptions::Validate() const {
  if (brokers.empty())
    return absl::InvalidArgumentError("kafka: no brokers given (--brokers HOST:PORT)");
  if (topics.empty() == topic_pattern.empty()) {
    return absl::InvalidArgumentError(
        "kafka: give either topic names (--topics) or a pattern (--topic-pattern)");
  }
  if (group.empty()) return absl::InvalidArgumentError("kafka: the group is empty (--group)");
  for (const auto& [name, value] : properties) {
    if (const std::string_view why = kafka::ReservedProperty(name); !why.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("kafka property {} cannot be set: {}", name, why));
    }
    if (name == "isolation.level" && value != "read_committed") {
      return absl::InvalidArgumentError(
          "kafka property isolation.level: only read_committed is exactly once");
    }
  }
  return absl::OkStatus();
}

}  // namespace tsingest
