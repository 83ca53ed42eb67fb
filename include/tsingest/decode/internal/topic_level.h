// Levels of a topic, as FromTopicLevel counts them.
#ifndef TSINGEST_DECODE_INTERNAL_TOPIC_LEVEL_H_
#define TSINGEST_DECODE_INTERNAL_TOPIC_LEVEL_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace tsingest::internal {

// Level `level` of "a/b/c": 0 is a, -1 is c. nullopt: the topic has fewer levels.
inline std::optional<std::string_view> TopicLevel(std::string_view topic, int level) {
  for (; level < -1; ++level) {
    const std::size_t slash = topic.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    topic = topic.substr(0, slash);
  }
  if (level == -1) return topic.substr(topic.rfind('/') + 1);
  for (; level > 0; --level) {
    const std::size_t slash = topic.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    topic.remove_prefix(slash + 1);
  }
  return topic.substr(0, topic.find('/'));
}

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_TOPIC_LEVEL_H_
