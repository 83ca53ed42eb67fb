#include "support/mqtt_producer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "support/mqtt_publisher.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kMessagesAtOnce = 100;

}  // namespace

MqttProducer::MqttProducer(MqttProducerOptions options)
    : options_(std::move(options)), thread_([this] { Run(); }) {}

MqttProducer::~MqttProducer() {
  stop_.store(true);
  thread_.join();
}

void MqttProducer::Run() {
  const auto start = steady_clock::now();
  int attempt = 0;
  while (accepted() < options_.messages && !stop_.load()) {
    std::this_thread::sleep_until(start + milliseconds(accepted() * 1000 / options_.per_second));
    const std::lock_guard<std::mutex> lock(running_);
    const long from = accepted();
    const long to = std::min(from + kMessagesAtOnce, options_.messages);
    const long taken = PublishSome(from, to, attempt);
    attempts_.insert(attempts_.end(), static_cast<std::size_t>(taken), attempt);
    accepted_count_.fetch_add(taken);
    if (taken == to - from) continue;
    ++attempt;
    std::this_thread::sleep_for(milliseconds(20));
  }
  done_.store(true);
}

long MqttProducer::PublishSome(long from, long to, int attempt) {
  std::vector<std::string> payloads;
  for (long i = from; i < to; ++i) {
    payloads.push_back("{\"value\":" + std::to_string(i) +
                       ",\"quality\":" + std::to_string(attempt) + "}");
  }
  std::unique_ptr<MqttPublisher> publisher;
  try {
    publisher = std::make_unique<MqttPublisher>(options_.port);
    publisher->Publish(options_.topic, payloads);
  } catch (const std::runtime_error&) {
    // The broker has gone.
  }
  return publisher == nullptr ? 0 : static_cast<long>(publisher->accepted());
}

}  // namespace tsingest::testing
