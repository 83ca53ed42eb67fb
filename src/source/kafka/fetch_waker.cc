#include "source/kafka/fetch_waker.h"

#include <system_error>

namespace tsingest::kafka {
namespace {

constexpr int kTimeoutMs = 250;  // how long a broker that does not answer may hold up the end

}  // namespace

FetchWaker::~FetchWaker() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status FetchWaker::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("kafka: cannot start a thread: ") +
                                        error.what());
  }
  return absl::OkStatus();
}

void FetchWaker::Nudge(const std::string& topic, std::int32_t partition) {
  MutexLock lock(&mutex_);
  if (!topic_.empty()) return;
  topic_ = topic;
  partition_ = partition;
  changed_.SignalAll();
}

void FetchWaker::Run() {
  std::string topic;
  for (;;) {
    std::int32_t partition = 0;
    {
      MutexLock lock(&mutex_);
      while (topic_.empty() && !stop_) changed_.Wait(&mutex_);
      if (stop_) return;
      topic = topic_;
      partition = partition_;
    }
    // It is sent for the sake of being sent: whatever it answers, an error included, is of no use.
    std::int64_t low = 0;
    std::int64_t high = 0;
    (void)rd_kafka_query_watermark_offsets(client_, topic.c_str(), partition, &low, &high,
                                           kTimeoutMs);
    MutexLock lock(&mutex_);
    topic_.clear();
  }
}

}  // namespace tsingest::kafka
