// Topic names and topic filters ([5] 4.7 and 4.8).
#ifndef TSINGEST_SOURCE_MQTT_TOPIC_H_
#define TSINGEST_SOURCE_MQTT_TOPIC_H_

#include <string>
#include <string_view>

namespace tsingest::mqtt {

// Why `filter` is not a topic filter, in words ("…: # must be the last level"), or "" when it is.
// Filters of shared subscriptions ($share/GROUP/FILTER) are checked in both parts.
std::string TopicFilterError(std::string_view filter);

// Whether a server may use `name` as the topic of a message: not empty, valid UTF-8, no wildcard.
bool IsTopicName(std::string_view name);

bool IsSharedFilter(std::string_view filter);
bool HasWildcard(std::string_view filter);

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_TOPIC_H_
