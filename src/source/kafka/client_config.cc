#include "source/kafka/client_config.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace tsingest::kafka {
namespace {

struct Reserved {
  std::string_view name;
  std::string_view why;
};
constexpr std::array<Reserved, 6> kReserved{{
    {"enable.auto.commit", "offsets are committed only after the rows are"},
    {"enable.auto.offset.store", "offsets are committed only after the rows are"},
    {"auto.offset.reset",
     "use --from for the first start; later starts go on at the stored position"},
    {"group.id", "use --group"},
    {"bootstrap.servers", "use --brokers"},
    {"enable.partition.eof", "the source needs it to see the end of a partition"},
}};

absl::Status Set(rd_kafka_conf_t* config, const std::string& name, const std::string& value) {
  char why[256] = "";
  if (rd_kafka_conf_set(config, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format("kafka property {}: {}", name, why));
}

}  // namespace

std::string_view ReservedProperty(std::string_view name) {
  const auto* found = std::ranges::find(kReserved, name, &Reserved::name);
  return found == kReserved.end() ? std::string_view() : found->why;
}

absl::StatusOr<Config> MakeConsumerConfig(const KafkaOptions& options) {
  Config config(rd_kafka_conf_new());
  const std::int64_t prefetch_kbytes = std::max<std::int64_t>(options.prefetch_bytes / 1024, 1);
  std::vector<std::pair<std::string, std::string>> settings = {
      {"bootstrap.servers", options.brokers},
      {"group.id", options.group},
      {"client.id", "tsingest"},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"queued.max.messages.kbytes", fmt::format("{}", prefetch_kbytes)},
      {"queued.min.messages", "100000"},
      {"fetch.wait.max.ms", "100"},
      {"isolation.level", "read_committed"},
  };
  if (rd_kafka_version() >= kFetchBackoffVersion) {
    settings.emplace_back("fetch.queue.backoff.ms", "10");
  }
  settings.insert(settings.end(), options.properties.begin(), options.properties.end());
  // Last, so that nothing overrides what delivery depends on.
  settings.insert(settings.end(), {{"enable.auto.commit", "false"},
                                   {"enable.auto.offset.store", "false"},
                                   {"auto.offset.reset", "error"},
                                   {"enable.partition.eof", "true"}});
  for (const auto& [name, value] : settings) {
    if (absl::Status status = Set(config.get(), name, value); !status.ok()) return status;
  }
  return config;
}

}  // namespace tsingest::kafka
