#include "tools/kafka/kafka_settings.h"

#include "absl/status/status.h"
#include "fmt/format.h"

namespace tsingest {
namespace {

constexpr char kGroup[] = "Where messages come from";

absl::Status IsPoint(std::string_view text) {
  if (ParseKafkaPoint(text).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "is no place in a topic; give earliest, latest, end or a time such as 2024-01-15T10:30:00Z");
}

absl::Status IsProperty(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos && equals > 0) return absl::OkStatus();
  return absl::InvalidArgumentError("must be key=value");
}

absl::Status Check(const Settings& settings, KafkaSettings& v) {
  v.options = {.brokers = v.brokers,
               .topics = v.topics,
               .topic_pattern = v.topic_pattern,
               .group = v.group,
               .from = *ParseKafkaPoint(v.from)};
  if (!v.until.empty()) v.options.until = *ParseKafkaPoint(v.until);
  for (const std::string& text : v.properties) {
    const std::size_t equals = text.find('=');
    v.options.properties.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  // A backfill beside the live consumer must not move its positions, nor take its partitions.
  if (!v.until.empty() && !settings.IsGiven("ledger") && !settings.IsGiven("group")) {
    return settings.Invalid("until",
                            "needs a --group of its own, so that the backfill and the live "
                            "consumer keep separate positions");
  }
  if (v.ledger.empty()) v.ledger = v.group;
  return v.options.Validate();
}

}  // namespace

void DeclareKafkaSettings(Settings& settings, KafkaSettings& v) {
  settings.Add(&v.brokers, {.name = "brokers",
                            .value = "HOST:PORT,…",
                            .group = kGroup,
                            .help = "Kafka brokers to begin with",
                            .env = {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKER"},
                            .yaml = {"kafka.brokers"}});
  settings.Add(&v.topics, {.name = "topics",
                           .value = "a,b",
                           .group = kGroup,
                           .help = "topics to read",
                           .env = {"KAFKA_INPUT_TOPIC", "KAFKA_TOPIC"},
                           .yaml = {"kafka.topics"}});
  settings.Add(&v.topic_pattern,
               {.name = "topic-pattern",
                .value = "REGEX",
                .group = kGroup,
                .help = "read all topics that match, also later ones (POSIX extended)",
                .env = {"KAFKA_TOPIC_PATTERN"},
                .yaml = {"kafka.topic_pattern"}});
  settings.Add(&v.group,
               {.name = "group",
                .value = "NAME",
                .group = kGroup,
                .help = "consumer group: instances with the same name share the partitions",
                .env = {"KAFKA_GROUP_ID"},
                .yaml = {"kafka.group"}});
  settings.Add(&v.ledger, {.name = "ledger",
                           .value = "NAME",
                           .group = kGroup,
                           .help = "name under which positions are stored in the database",
                           .default_text = "the group"});
  settings.Add(&v.from, {.name = "from",
                         .value = "WHERE",
                         .group = kGroup,
                         .help = "where a partition begins that has no stored position: earliest, "
                                 "latest, or a time",
                         .yaml = {"kafka.from"},
                         .check = IsPoint});
  settings.Add(&v.until, {.name = "until",
                          .value = "WHERE",
                          .group = kGroup,
                          .help = "read up to there and exit: end, or a time (a backfill)",
                          .check = IsPoint});
  settings.Add(&v.properties,
               {.name = "kafka",
                .value = "KEY=VALUE…",
                .group = kGroup,
                .help = "any librdkafka property: security.protocol=SASL_SSL, sasl.username=…",
                .yaml = {"kafka.properties"},
                .secret = Secret::kInside,
                .separator = '\0',
                .greedy = true,
                .is_map = true,
                .check = IsProperty});
  settings.AddCheck([&settings, &v] { return Check(settings, v); });
}

}  // namespace tsingest
