// MessageQueue: what was received and not yet polled, on its way from the I/O thread to the poller.
#ifndef TSINGEST_SOURCE_MQTT_MESSAGE_QUEUE_H_
#define TSINGEST_SOURCE_MQTT_MESSAGE_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "source/mqtt/fd.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/message.h"

namespace tsingest::mqtt {

// Received bytes. The I/O thread appends behind what it gave away before, so that readers of the
// earlier bytes are not disturbed; the last owner frees it.
struct Block {
  explicit Block(std::size_t size) : capacity(size), data(new char[size]) {}
  std::size_t capacity;
  std::unique_ptr<char[]> data;
};

// One message: views of the chunk's block or arena.
struct Item {
  std::string_view topic;
  std::string_view payload;
  std::int64_t arrival = 0;
  std::size_t omitted_bytes = 0;
  std::uint32_t first_header = 0;  // into Chunk::headers
  std::uint32_t header_count = 0;
};

// The messages of one read of one connection.
struct Chunk {
  StreamId stream = 0;
  Timestamp received{};
  std::shared_ptr<const Block> block;
  std::vector<Item> items;
  std::vector<Header> headers;
  Arena copies{4096};     // topics that an alias stood for
  std::size_t bytes = 0;  // charged to the queue's limit

  void Clear() {
    block.reset();
    items.clear();
    headers.clear();
    copies.Reset();
    bytes = 0;
  }
};

// One producer (the I/O thread) and one consumer (the poller). Bounded by `limit` bytes: the
// producer asks Full() before each message, so the bound is passed by at most one message.
class MessageQueue {
 public:
  // Borrows both: the one that wakes the producer when there is room again, the one that wakes the
  // consumer.
  MessageQueue(std::size_t limit, WakeFd& producer, WakeFd& consumer)
      : limit_(limit), producer_(producer), consumer_(consumer) {}

  // Producer.
  std::unique_ptr<Chunk> NewChunk();
  // Whether a chunk under construction with `pending` bytes may take no more. If so, the producer
  // is woken once there is room.
  bool Full(std::size_t pending);
  void Push(std::unique_ptr<Chunk> chunk);

  // Consumer. nullptr: nothing is there.
  std::unique_ptr<Chunk> Pop();
  // The chunk's messages are done with.
  void Recycle(std::unique_ptr<Chunk> chunk);
  bool empty() const;

  // The consumer is about to wait for consumer's WakeFd; it then looks once more before it does.
  void AnnounceWait() { waiting_.store(true); }
  void EndWait() { waiting_.store(false); }
  // Wakes the consumer if it waits.
  void Notify() {
    if (waiting_.exchange(false)) consumer_.Signal();
  }

  // Any thread.
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kMaxSpares = 8;

  const std::size_t limit_;
  WakeFd& producer_;
  WakeFd& consumer_;
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> waiting_{false};
  std::atomic<bool> producer_waits_{false};
  mutable Mutex mutex_;
  std::deque<std::unique_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Chunk>> spares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_MESSAGE_QUEUE_H_
