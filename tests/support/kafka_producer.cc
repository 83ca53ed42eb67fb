#include "support/kafka_producer.h"

#include <librdkafka/rdkafka.h>

#include <stdexcept>

namespace tsingest::testing {

namespace {

constexpr int kTransactionMs = 60'000;

void ThrowOn(rd_kafka_error_t* error) {
  if (error == nullptr) return;
  const std::string text = rd_kafka_error_string(error);
  rd_kafka_error_destroy(error);
  throw std::runtime_error("kafka: " + text);
}

}  // namespace

struct KafkaProducer::Impl {
  rd_kafka_t* client = nullptr;
  long failed = 0;

  rd_kafka_resp_err_t Produce(const std::string& topic, std::string_view payload,
                              std::string_view key, int partition, std::int64_t time_ms) {
    rd_kafka_vu_t values[6];
    values[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    values[0].u.cstr = topic.c_str();
    values[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    values[1].u.i32 = partition;
    values[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    values[2].u.i = RD_KAFKA_MSG_F_COPY;
    values[3].vtype = RD_KAFKA_VTYPE_VALUE;
    values[3].u.mem = {const_cast<char*>(payload.data()), payload.size()};
    values[4].vtype = RD_KAFKA_VTYPE_KEY;
    values[4].u.mem = {const_cast<char*>(key.data()), key.size()};
    values[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    values[5].u.i64 = time_ms;
    rd_kafka_error_t* const error = rd_kafka_produceva(client, values, 6);
    if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
  }

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++static_cast<Impl*>(opaque)->failed;
  }
};

KafkaProducer::KafkaProducer(const std::string& brokers, const Properties& properties)
    : impl_(std::make_unique<Impl>()) {
  rd_kafka_conf_t* const config = rd_kafka_conf_new();
  char why[256] = "";
  const auto set = [&](const char* name, const char* value) {
    if (rd_kafka_conf_set(config, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
      throw std::runtime_error(why);
    }
  };
  set("bootstrap.servers", brokers.c_str());
  set("enable.idempotence", "true");
  set("linger.ms", "5");
  set("queue.buffering.max.messages", "200000");
  set("log_level", "0");
  bool transactional = false;
  for (const auto& [name, value] : properties) {
    set(name.c_str(), value.c_str());
    transactional |= name == "transactional.id";
  }
  rd_kafka_conf_set_opaque(config, impl_.get());
  rd_kafka_conf_set_dr_msg_cb(config, &Impl::OnDelivery);
  impl_->client = rd_kafka_new(RD_KAFKA_PRODUCER, config, why, sizeof why);
  if (impl_->client == nullptr) throw std::runtime_error(why);
  if (transactional) ThrowOn(rd_kafka_init_transactions(impl_->client, kTransactionMs));
}

KafkaProducer::~KafkaProducer() { rd_kafka_destroy(impl_->client); }

void KafkaProducer::Send(const std::string& topic, std::string_view payload, std::string_view key,
                         int partition, std::int64_t time_ms) {
  for (;;) {
    const rd_kafka_resp_err_t error = impl_->Produce(topic, payload, key, partition, time_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) throw std::runtime_error(rd_kafka_err2str(error));
    rd_kafka_poll(impl_->client, 50);
  }
  rd_kafka_poll(impl_->client, 0);
}

void KafkaProducer::Flush() {
  if (rd_kafka_flush(impl_->client, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR || impl_->failed != 0) {
    throw std::runtime_error("kafka: " + std::to_string(impl_->failed) +
                             " messages were not delivered, or not within 60 s");
  }
}

void KafkaProducer::BeginTransaction() { ThrowOn(rd_kafka_begin_transaction(impl_->client)); }
void KafkaProducer::CommitTransaction() {
  ThrowOn(rd_kafka_commit_transaction(impl_->client, kTransactionMs));
}
void KafkaProducer::AbortTransaction() {
  ThrowOn(rd_kafka_abort_transaction(impl_->client, kTransactionMs));
}

}  // namespace tsingest::testing
