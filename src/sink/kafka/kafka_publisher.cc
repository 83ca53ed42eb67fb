#include "tsingest/sink/kafka_publisher.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/kafka_handles.h"
#include "fmt/chrono.h"
#include "fmt/format.h"

namespace tsingest {
namespace {

constexpr int kPollMs = 100;
constexpr int kFlushAtCloseMs = 5000;

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

}  // namespace

class KafkaPublisher::Impl {
 public:
  explicit Impl(KafkaPublisherOptions options) : options_(std::move(options)) {}
  ~Impl() { Close().IgnoreError(); }

  absl::Status Open();
  absl::Status Publish(std::span<const KafkaRecord> records, absl::FunctionRef<bool()> cancelled,
                       absl::FunctionRef<void(std::size_t, std::string_view)> refused);
  absl::Status Health() const {
    const absl::MutexLock lock(&mutex_);
    return trouble_.empty() ? absl::OkStatus() : absl::UnavailableError(trouble_);
  }
  absl::Status Close();

 private:
  // What one Publish() waits for; delivery reports point to it.
  struct Call {
    std::size_t open = 0;
    std::vector<std::pair<std::size_t, rd_kafka_resp_err_t>> failed;
  };
  struct Ticket {
    Call* call;
    std::size_t index;
  };

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  static void OnError(rd_kafka_t*, int, const char* reason, void* opaque);
  static void OnLog(const rd_kafka_t* client, int level, const char*, const char* text);

  absl::StatusOr<kafka::Config> MakeConfig();
  rd_kafka_resp_err_t Produce(const KafkaRecord& record, Ticket* ticket);
  absl::Status SendAll(std::span<const KafkaRecord> records, const std::vector<std::size_t>& which,
                       Call& call, std::vector<Ticket>& tickets,
                       absl::FunctionRef<bool()> cancelled);
  void Fail(Call& call, std::size_t index, rd_kafka_resp_err_t error) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetTrouble(std::string why) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    trouble_ = std::move(why);
  }

  KafkaPublisherOptions options_;
  kafka::Client client_;
  mutable absl::Mutex mutex_;  // also guards every Call
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<kafka::Config> KafkaPublisher::Impl::MakeConfig() {
  kafka::Config config(rd_kafka_conf_new());
  std::vector<std::pair<std::string, std::string>> settings = {
      {"bootstrap.servers", options_.brokers},
      {"client.id", "tsingest"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"queue.buffering.max.kbytes", "65536"}};
  settings.insert(settings.end(), options_.properties.begin(), options_.properties.end());
  // Last: what delivery depends on. Without a timeout a message is tried until it arrives.
  settings.insert(settings.end(), {{"enable.idempotence", "true"}, {"message.timeout.ms", "0"}});
  for (const auto& [name, value] : settings) {
    char why[256] = "";
    if (rd_kafka_conf_set(config.get(), name.c_str(), value.c_str(), why, sizeof why) !=
        RD_KAFKA_CONF_OK) {
      return absl::InvalidArgumentError(fmt::format("kafka property {}: {}", name, why));
    }
  }
  rd_kafka_conf_set_opaque(config.get(), this);
  rd_kafka_conf_set_dr_msg_cb(config.get(), &OnDelivery);
  rd_kafka_conf_set_error_cb(config.get(), &OnError);
  rd_kafka_conf_set_log_cb(config.get(), &OnLog);
  return config;
}

absl::Status KafkaPublisher::Impl::Open() {
  if (options_.brokers.empty()) return absl::InvalidArgumentError("kafka: no brokers given");
  absl::StatusOr<kafka::Config> config = MakeConfig();
  if (!config.ok()) return config.status();
  char why[512] = "";
  client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, config->get(), why, sizeof why));
  if (client_ == nullptr) return absl::InvalidArgumentError(fmt::format("kafka: {}", why));
  (void)config->release();
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.open_timeout).count();
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, static_cast<int>(timeout));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const absl::Status health = Health();
    return absl::UnavailableError(fmt::format(
        "kafka: no broker answers at {}: {}", options_.brokers,
        health.ok() ? std::string(rd_kafka_err2str(error)) : std::string(health.message())));
  }
  rd_kafka_metadata_destroy(metadata);
  SetTrouble("");
  return absl::OkStatus();
}

rd_kafka_resp_err_t KafkaPublisher::Impl::Produce(const KafkaRecord& record, Ticket* ticket) {
  // C strings for librdkafka; topics are short.
  const std::string topic(record.topic);
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const Header& header : record.headers) {
      rd_kafka_header_add(headers, header.key.data(), static_cast<ssize_t>(header.key.size()),
                          header.value.data(), static_cast<ssize_t>(header.value.size()));
    }
  }
  std::array<rd_kafka_vu_t, 6> values{};
  std::size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> auto& {
    values[count].vtype = type;
    return values[count++].u;
  };
  add(RD_KAFKA_VTYPE_TOPIC).cstr = topic.c_str();
  add(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_VALUE).mem = {const_cast<char*>(record.payload.data()), record.payload.size()};
  add(RD_KAFKA_VTYPE_OPAQUE).ptr = ticket;
  if (!record.key.empty()) {
    add(RD_KAFKA_VTYPE_KEY).mem = {const_cast<char*>(record.key.data()), record.key.size()};
  }
  if (headers != nullptr) add(RD_KAFKA_VTYPE_HEADERS).headers = headers;
  const kafka::ErrorHandle error(rd_kafka_produceva(client_.get(), values.data(), count));
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  if (headers != nullptr) rd_kafka_headers_destroy(headers);  // still ours when it failed
  return rd_kafka_error_code(error.get());
}

absl::Status KafkaPublisher::Impl::SendAll(std::span<const KafkaRecord> records,
                                           const std::vector<std::size_t>& which, Call& call,
                                           std::vector<Ticket>& tickets,
                                           absl::FunctionRef<bool()> cancelled) {
  bool stopped = false;
  for (std::size_t i = 0; i < which.size() && !stopped; ++i) {
    tickets[i] = {&call, which[i]};
    {
      const absl::MutexLock lock(&mutex_);
      ++call.open;
    }
    rd_kafka_resp_err_t error = Produce(records[which[i]], &tickets[i]);
    while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !stopped) {
      rd_kafka_poll(client_.get(), kPollMs);
      stopped = cancelled();
      error = Produce(records[which[i]], &tickets[i]);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(call, which[i], error);
    rd_kafka_poll(client_.get(), 0);
  }
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (call.open == 0)
        return stopped ? absl::CancelledError("kafka: stopped") : absl::OkStatus();
    }
    rd_kafka_poll(client_.get(), kPollMs);
    if (!stopped && cancelled()) {
      // Ends what is still waiting, so that no report comes for a call that is over.
      stopped = true;
      rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
  }
}

absl::Status KafkaPublisher::Impl::Publish(
    std::span<const KafkaRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  std::vector<std::size_t> which(records.size());
  std::iota(which.begin(), which.end(), std::size_t{0});
  std::vector<Ticket> tickets(records.size());
  while (!which.empty()) {
    Call call;
    if (absl::Status status = SendAll(records, which, call, tickets, cancelled); !status.ok()) {
      return status;
    }
    which.clear();
    for (const auto& [index, error] : call.failed) {
      if (IsHopeless(error)) {
        refused(index, rd_kafka_err2str(error));
        continue;
      }
      which.push_back(index);
      SetTrouble(fmt::format("kafka: topic {}: {}", records[index].topic, rd_kafka_err2str(error)));
    }
    if (!which.empty()) rd_kafka_poll(client_.get(), kPollMs);
    if (!which.empty() && cancelled()) return absl::CancelledError("kafka: stopped");
  }
  SetTrouble("");
  return absl::OkStatus();
}

void KafkaPublisher::Impl::Fail(Call& call, std::size_t index, rd_kafka_resp_err_t error) {
  const absl::MutexLock lock(&mutex_);
  call.failed.emplace_back(index, error);
  --call.open;
}

void KafkaPublisher::Impl::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message,
                                      void* opaque) {
  auto& self = *static_cast<Impl*>(opaque);
  const auto& ticket = *static_cast<const Ticket*>(message->_private);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    self.Fail(*ticket.call, ticket.index, message->err);
    return;
  }
  const absl::MutexLock lock(&self.mutex_);
  --ticket.call->open;
}

void KafkaPublisher::Impl::OnError(rd_kafka_t*, int, const char* reason, void* opaque) {
  static_cast<Impl*>(opaque)->SetTrouble(fmt::format("kafka: {}", reason));
}

void KafkaPublisher::Impl::OnLog(const rd_kafka_t* client, int level, const char*,
                                 const char* text) {
  constexpr int kSyslogWarning = 4;
  const auto* self = static_cast<const Impl*>(rd_kafka_opaque(client));
  if (level <= kSyslogWarning && self != nullptr && self->options_.log) {
    self->options_.log(fmt::format("kafka: {}", text));
  }
}

absl::Status KafkaPublisher::Impl::Close() {
  if (client_ == nullptr) return absl::OkStatus();
  const rd_kafka_resp_err_t error = rd_kafka_flush(client_.get(), kFlushAtCloseMs);
  client_.reset();
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("kafka: closing: {}", rd_kafka_err2str(error)));
}

KafkaPublisher::KafkaPublisher(KafkaPublisherOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
KafkaPublisher::~KafkaPublisher() = default;
absl::Status KafkaPublisher::Open() { return impl_->Open(); }
absl::Status KafkaPublisher::Publish(
    std::span<const KafkaRecord> records, absl::FunctionRef<bool()> cancelled,
    absl::FunctionRef<void(std::size_t, std::string_view)> refused) {
  return impl_->Publish(records, cancelled, refused);
}
absl::Status KafkaPublisher::Health() const { return impl_->Health(); }
absl::Status KafkaPublisher::Close() { return impl_->Close(); }

KafkaDeadLetterStore::KafkaDeadLetterStore(KafkaPublisherOptions options, std::string topic)
    : publisher_(std::move(options)), topic_(std::move(topic)) {}

absl::Status KafkaDeadLetterStore::Store(std::span<const DeadLetter> letters) {
  constexpr std::size_t kHeaders = 9;
  struct Words {
    std::array<std::string, 4> made;  // position, line, at, row
    std::array<Header, kHeaders> headers;
  };
  std::vector<Words> words(letters.size());
  std::vector<KafkaRecord> records(letters.size());
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const DeadLetter& letter = letters[i];
    Words& word = words[i];
    word.made = {fmt::format("{}", letter.position), fmt::format("{}", letter.line),
                 fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", letter.at), fmt::format("{}", letter.row)};
    word.headers = {{{"tsingest.reason", letter.reason},
                     {"tsingest.code", letter.code},
                     {"tsingest.source", letter.source},
                     {"tsingest.stream", letter.stream},
                     {"tsingest.position", word.made[0]},
                     {"tsingest.line", word.made[1]},
                     {"tsingest.at", word.made[2]},
                     {"tsingest.topic", letter.topic},
                     {"tsingest.row", word.made[3]}}};
    records[i] = {topic_, letter.key, letter.payload, word.headers};
  }
  std::string why;
  absl::Status status = publisher_.Publish(
      records, [] { return false; },
      [&](std::size_t index, std::string_view reason) {
        why = fmt::format("dead letter topic {} refuses a message of {} bytes: {}", topic_,
                          records[index].payload.size(), reason);
      });
  if (status.ok() && !why.empty()) status = absl::FailedPreconditionError(why);
  return status;
}

}  // namespace tsingest
