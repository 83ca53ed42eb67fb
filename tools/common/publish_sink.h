// MakePublishSink<M>(): the sink for --to kafka://… and mqtt://….
#ifndef TSINGEST_TOOLS_COMMON_PUBLISH_SINK_H_
#define TSINGEST_TOOLS_COMMON_PUBLISH_SINK_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "tools/common/publish_settings.h"
#include "tools/common/sink_factory.h"
#include "tsingest/service/settings.h"
#include "tsingest/sink/publish.h"
#include "tsingest/sink/topic_template.h"

namespace tsingest {

// kInvalidArgument: a {column} that M does not have, with the nearest that it has.
template <Described M>
absl::Status CheckTopicColumns(const std::vector<TopicPart>& parts) {
  std::vector<std::string> columns;
  for (const FieldBinding& field : kBindings<M>) columns.emplace_back(field.column);
  for (const TopicPart& part : parts) {
    if (!part.is_column || FindColumn<M>(part.text).has_value()) continue;
    constexpr std::size_t kNear = 3;
    const std::string nearest = NearestWord(part.text, columns, kNear);
    return absl::InvalidArgumentError(fmt::format(
        "--to: {{{}}} in the topic: model {} has no such column{}; there are: {}", part.text,
        Model<M>::kTable, nearest.empty() ? "" : fmt::format(", did you mean {{{}}}?", nearest),
        fmt::join(columns, ", ")));
  }
  return absl::OkStatus();
}

// Not opened yet. kInvalidArgument: the topic, or settings that exclude each other.
template <Described M>
absl::StatusOr<SinkParts<M>> MakePublishSink(const CommonSettings& common,
                                             const PublishSettings& publish,
                                             const SinkContext& context, Logger& logger) {
  absl::StatusOr<std::vector<TopicPart>> topic = ParseTopicParts(publish.target.topic);
  if (!topic.ok()) return topic.status();
  if (absl::Status status = CheckTopicColumns<M>(*topic); !status.ok()) return status;
  const bool is_fixed = std::ranges::none_of(*topic, &TopicPart::is_column);

  SinkParts<M> parts;
  absl::StatusOr<std::unique_ptr<Publisher>> publisher =
      MakePublisher(common, publish, is_fixed, logger);
  if (!publisher.ok()) return publisher.status();
  absl::StatusOr<std::unique_ptr<DeadLetterStore>> letters = MakeDeadLetterStore(common, context);
  if (!letters.ok()) return letters.status();
  parts.publisher = *std::move(publisher);
  parts.letters = *std::move(letters);
  parts.sink = std::make_unique<PublishSink<M>>(
      *parts.publisher, PublishOptions{.topic = publish.target.topic,
                                       .has_headers = publish.target.scheme == "kafka",
                                       .dead_letters = parts.letters.get(),
                                       .source = common.defaults.tool,
                                       .reading = context.reading,
                                       .log = logger.LineLog(LogLevel::kWarn, "reject")});
  return parts;
}

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_PUBLISH_SINK_H_
