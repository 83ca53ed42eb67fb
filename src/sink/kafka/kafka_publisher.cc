#include "tsingest/sink/kafka_publisher.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <numeric>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "fmt/format.h"
#include "sink/kafka/producer.h"
#include "tsingest/base/buffer.h"
#include "tsingest/base/mutex.h"
#include "tsingest/base/retry.h"
#include "tsingest/model/pg_types.h"

namespace tsingest {
namespace {

constexpr int kPollMs = 100;

// Whether sending it again can never help.
bool IsHopeless(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return true;
    default:
      return false;
  }
}

// What a user can do about it, to stand behind librdkafka's words.
std::string_view Mend(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return " (create it)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return " (grant this user WRITE on it)";
    default:
      return "";
  }
}

// RFC 3339, to the microsecond.
std::string TimeText(Timestamp at) {
  ByteBuffer json;
  PgType<Timestamp>::AppendJson(at, json);
  return std::string(json.view().substr(1, json.size() - 2));
}

}  // namespace

class KafkaPublisher::Impl {
 public:
  explicit Impl(KafkaPublisherOptions options) : producer_(std::move(options), &OnDelivery) {}
  ~Impl() { producer_.Close().IgnoreError(); }

  absl::Status Publish(std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t, std::string_view)> refused);
  kafka::Producer& producer() { return producer_; }

 private:
  // What one round of sending waits for; delivery reports point to it.
  struct Call {
    Mutex mutex;
    std::size_t open ABSL_GUARDED_BY(mutex) = 0;
    std::vector<std::pair<std::size_t, rd_kafka_resp_err_t>> failed ABSL_GUARDED_BY(mutex);

    void Begin() {
      MutexLock lock(&mutex);
      ++open;
    }
    void End(std::size_t index, rd_kafka_resp_err_t error) {
      MutexLock lock(&mutex);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) failed.emplace_back(index, error);
      --open;
    }
    bool Done() {
      MutexLock lock(&mutex);
      return open == 0;
    }
  };
  struct Ticket {
    Call* call = nullptr;
    std::size_t index = 0;
  };
  // What became of the records of one round that were not delivered.
  struct Round {
    std::vector<std::size_t> again;     // a later attempt may help
    std::vector<std::size_t> suspects;  // refused, perhaps for another one of their request
    rd_kafka_resp_err_t refusal = RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  // What the caller of Publish() wants to know and to be asked.
  struct Interest {
    absl::FunctionRef<bool()> cancelled;
    absl::FunctionRef<void(std::size_t, std::string_view)> refused;
  };

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    const auto& ticket = *static_cast<const Ticket*>(message->_private);
    ticket.call->End(ticket.index, message->err);
  }

  // Sends records[which] and waits for all their reports. kCancelled: given up.
  absl::Status Send(std::span<const PublishRecord> records, const std::vector<std::size_t>& which,
                    absl::FunctionRef<bool()> cancelled, Call& call);
  void Enqueue(const PublishRecord& record, Ticket& ticket, absl::FunctionRef<bool()> cancelled,
               bool* stopped);
  absl::Status Sort(std::span<const PublishRecord> records, Call& call, Round* round);
  // Sends the records of the group; those that a later attempt may help are added to `again`.
  absl::Status SendGroups(std::span<const PublishRecord> records, std::vector<std::size_t> all,
                          Interest interest, std::vector<std::size_t>* again);
  absl::Status FatalError();

  kafka::Producer producer_;
};

void KafkaPublisher::Impl::Enqueue(const PublishRecord& record, Ticket& ticket,
                                   absl::FunctionRef<bool()> cancelled, bool* stopped) {
  ticket.call->Begin();
  rd_kafka_resp_err_t error = producer_.Produce(record, &ticket);
  while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !*stopped) {
    rd_kafka_poll(producer_.client(), kPollMs);
    *stopped = cancelled();
    if (!*stopped) error = producer_.Produce(record, &ticket);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) ticket.call->End(ticket.index, error);
  rd_kafka_poll(producer_.client(), 0);
}

absl::Status KafkaPublisher::Impl::Send(std::span<const PublishRecord> records,
                                        const std::vector<std::size_t>& which,
                                        absl::FunctionRef<bool()> cancelled, Call& call) {
  std::vector<Ticket> tickets(which.size());
  bool stopped = false;
  for (std::size_t i = 0; i < which.size() && !stopped; ++i) {
    tickets[i] = {&call, which[i]};
    Enqueue(records[which[i]], tickets[i], cancelled, &stopped);
  }
  bool purged = false;
  while (!call.Done()) {
    stopped = stopped || cancelled();
    if (stopped && !std::exchange(purged, true)) {
      // Ends what is still waiting, so that no report comes for a call that is over.
      rd_kafka_purge(producer_.client(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    rd_kafka_poll(producer_.client(), kPollMs);
  }
  return stopped ? absl::CancelledError("kafka: told to stop while messages were on their way")
                 : absl::OkStatus();
}

absl::Status KafkaPublisher::Impl::FatalError() {
  char why[512] = "";
  const rd_kafka_resp_err_t error = rd_kafka_fatal_error(producer_.client(), why, sizeof why);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("kafka: the producer cannot go on: {} ({})", why, rd_kafka_err2name(error)));
}

absl::Status KafkaPublisher::Impl::Sort(std::span<const PublishRecord> records, Call& call,
                                        Round* round) {
  *round = {};
  MutexLock lock(&call.mutex);
  for (const auto& [index, error] : call.failed) {
    if (error == RD_KAFKA_RESP_ERR__FATAL) return FatalError();
    if (IsHopeless(error)) {
      round->suspects.push_back(index);
      round->refusal = error;
      continue;
    }
    round->again.push_back(index);
    producer_.SetTrouble(fmt::format("kafka: topic {}: {}{}", records[index].topic,
                                     rd_kafka_err2str(error), Mend(error)));
  }
  std::ranges::sort(round->suspects);
  return absl::OkStatus();
}

// A broker refuses requests as a whole: the records of a refused one are sent again in halves,
// until the one that it was for is alone.
absl::Status KafkaPublisher::Impl::SendGroups(std::span<const PublishRecord> records,
                                              std::vector<std::size_t> all, Interest interest,
                                              std::vector<std::size_t>* again) {
  std::deque<std::vector<std::size_t>> groups;
  groups.push_back(std::move(all));
  while (!groups.empty()) {
    const std::vector<std::size_t> group = std::move(groups.front());
    groups.pop_front();
    Call call;
    Round round;
    absl::Status status = Send(records, group, interest.cancelled, call);
    if (status.ok()) status = Sort(records, call, &round);
    if (!status.ok()) return status;
    again->insert(again->end(), round.again.begin(), round.again.end());
    if (group.size() == 1 && !round.suspects.empty()) {
      const PublishRecord& record = records[group[0]];
      interest.refused(group[0],
                       fmt::format("kafka: {} ({} bytes): {}", record.topic, record.payload.size(),
                                   rd_kafka_err2str(round.refusal)));
    } else if (!round.suspects.empty()) {
      const auto middle =
          round.suspects.begin() + static_cast<std::ptrdiff_t>((round.suspects.size() + 1) / 2);
      if (middle != round.suspects.end()) groups.emplace_front(middle, round.suspects.end());
      groups.emplace_front(round.suspects.begin(), middle);
    }
  }
  return absl::OkStatus();
}

absl::Status KafkaPublisher::Impl::Publish(
    std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  std::vector<std::size_t> which(records.size());
  std::iota(which.begin(), which.end(), std::size_t{0});
  Backoff backoff({.max = std::chrono::seconds(2)});
  while (!which.empty()) {
    std::vector<std::size_t> again;
    absl::Status status = SendGroups(records, std::move(which), {cancelled, refused}, &again);
    if (!status.ok()) return status;
    std::ranges::sort(again);
    which = std::move(again);
    const MonotonicTime until = SystemClock().Now() + (which.empty() ? Duration{} : backoff.Next());
    while (!which.empty() && SystemClock().Now() < until) {
      if (cancelled()) return absl::CancelledError("kafka: told to stop while it waited");
      rd_kafka_poll(producer_.client(), kPollMs);
    }
  }
  producer_.ClearTrouble();
  return absl::OkStatus();
}

KafkaPublisher::KafkaPublisher(KafkaPublisherOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
KafkaPublisher::~KafkaPublisher() = default;
absl::Status KafkaPublisher::Open() { return impl_->producer().Open(); }
void KafkaPublisher::Cancel() { impl_->producer().Cancel(); }
absl::Status KafkaPublisher::Publish(
    std::span<const PublishRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  return impl_->Publish(records, cancelled, refused);
}
absl::Status KafkaPublisher::Health() const { return impl_->producer().Health(); }
absl::Status KafkaPublisher::Close() { return impl_->producer().Close(); }

std::string_view KafkaPublisher::TopicError(std::string_view topic) const {
  constexpr std::size_t kMostBytes = 249;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (topic.empty()) return "is empty";
  if (topic == "." || topic == "..") return "is no name that Kafka takes";
  if (topic.size() > kMostBytes) return "is longer than the 249 bytes that Kafka takes";
  if (!std::ranges::all_of(topic, fits)) {
    return "has a character other than letters, digits, '.', '_' and '-', which Kafka refuses";
  }
  return "";
}

namespace {

// How long a batch waits for the letters' broker before it lets go of its transaction.
constexpr std::chrono::seconds kLetterPatience{5};

// What is kept of a payload that the topic does not take.
constexpr std::size_t kCutBytes = 64 * 1024;

// librdkafka's own limit is below the brokers', and a letter is larger than the message it is of.
KafkaPublisherOptions ForLetters(KafkaPublisherOptions options) {
  options.properties.insert(options.properties.begin(), {"message.max.bytes", "67108864"});
  return options;
}

// A letter as a record, with the words that the letter does not hold itself. Views both.
class LetterRecord {
 public:
  LetterRecord(const DeadLetter& letter, const std::string& topic)
      : position_(fmt::format("{}", letter.position)),
        line_(fmt::format("{}", letter.line)),
        at_(TimeText(letter.at)),
        row_(fmt::format("{}", letter.row)),
        arrival_(letter.arrival.has_value() ? TimeText(*letter.arrival) : std::string()),
        size_(fmt::format("{}", letter.payload.size())),
        headers_{{{"tsingest.reason", letter.reason},
                  {"tsingest.code", letter.code},
                  {"tsingest.source", letter.source},
                  {"tsingest.stream", letter.stream},
                  {"tsingest.position", position_},
                  {"tsingest.line", line_},
                  {"tsingest.at", at_},
                  {kTopicHeader, letter.topic},
                  {"tsingest.row", row_},
                  {"tsingest.reading", letter.reading},
                  {"tsingest.arrival", arrival_},
                  {"tsingest.payload_bytes", size_}}},
        topic_(topic),
        letter_(letter) {}
  LetterRecord(const LetterRecord&) = delete;
  LetterRecord& operator=(const LetterRecord&) = delete;

  PublishRecord Whole() const {
    return {topic_, letter_.key, letter_.payload, std::span(headers_).first(headers_.size() - 1)};
  }
  // The beginning of the payload, and a header with the bytes that it had.
  PublishRecord Cut() const {
    return {topic_, letter_.key, letter_.payload.substr(0, kCutBytes), headers_};
  }

 private:
  const std::string position_, line_, at_, row_, arrival_, size_;
  const std::array<Header, 12> headers_;
  const std::string& topic_;
  const DeadLetter& letter_;
};

}  // namespace

KafkaDeadLetterStore::KafkaDeadLetterStore(KafkaPublisherOptions options, std::string topic)
    : publisher_(ForLetters(std::move(options))), topic_(std::move(topic)) {}

absl::Status KafkaDeadLetterStore::Store(std::span<const DeadLetter> letters) {
  std::deque<LetterRecord> made;
  std::vector<PublishRecord> records;
  for (const DeadLetter& letter : letters) {
    records.push_back(made.emplace_back(letter, topic_).Whole());
  }
  const MonotonicTime until = SystemClock().Now() + kLetterPatience;
  std::vector<PublishRecord> cut;
  absl::Status status =
      Send(records, until, [&](std::size_t i, std::string_view) { cut.push_back(made[i].Cut()); });
  if (!status.ok() || cut.empty()) return status;
  std::string why;
  status = Send(cut, until, [&](std::size_t, std::string_view reason) { why = reason; });
  if (status.ok() && !why.empty()) {
    status = absl::FailedPreconditionError(
        fmt::format("dead letter topic {} refuses a letter: {}", topic_, why));
  }
  return status;
}

absl::Status KafkaDeadLetterStore::Send(
    std::span<const PublishRecord> records, MonotonicTime until,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  const absl::Status status = publisher_.Publish(
      records, [until] { return SystemClock().Now() > until; }, refused);
  if (!absl::IsCancelled(status)) return status;
  const absl::Status health = publisher_.Health();
  return absl::UnavailableError(fmt::format(
      "dead letter topic {}: {}", topic_,
      health.ok() ? "the broker has not acknowledged in time" : std::string(health.message())));
}

}  // namespace tsingest
