// The librdkafka configuration that delivery depends on, and the user's properties on top of it.
#ifndef TSINGEST_SRC_SOURCE_KAFKA_CLIENT_CONFIG_H_
#define TSINGEST_SRC_SOURCE_KAFKA_CLIENT_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/kafka_handles.h"
#include "tsingest/source/kafka.h"

namespace tsingest::kafka {

// From this version on librdkafka can be told how soon it looks again whether a full queue has room
// (fetch.queue.backoff.ms); before it, see FetchWaker.
inline constexpr int kFetchBackoffVersion = 0x02020000;

// Why `name` may not be passed through, or empty.
std::string_view ReservedProperty(std::string_view name);

// kInvalidArgument names the property that librdkafka does not take, and why.
absl::StatusOr<Config> MakeConsumerConfig(const KafkaOptions& options);

}  // namespace tsingest::kafka

#endif  // TSINGEST_SRC_SOURCE_KAFKA_CLIENT_CONFIG_H_
