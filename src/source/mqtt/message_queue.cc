#include "source/mqtt/message_queue.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "tsingest/base/mutex.h"

namespace tsingest::mqtt {

std::unique_ptr<Chunk> MessageQueue::NewChunk() {
  const MutexLock lock(&mutex_);
  if (spares_.empty()) return std::make_unique<Chunk>();
  std::unique_ptr<Chunk> chunk = std::move(spares_.back());
  spares_.pop_back();
  return chunk;
}

bool MessageQueue::Full(std::size_t pending) {
  if (bytes_.load() + pending < limit_) return false;
  producer_waits_.store(true);
  // The consumer may have made room before it could see that flag.
  return bytes_.load() + pending >= limit_;
}

void MessageQueue::Push(std::unique_ptr<Chunk> chunk) {
  bytes_.fetch_add(chunk->bytes);
  {
    const MutexLock lock(&mutex_);
    chunks_.push_back(std::move(chunk));
  }
  Notify();
}

std::unique_ptr<Chunk> MessageQueue::Pop() {
  const MutexLock lock(&mutex_);
  if (chunks_.empty()) return nullptr;
  std::unique_ptr<Chunk> chunk = std::move(chunks_.front());
  chunks_.pop_front();
  return chunk;
}

void MessageQueue::Recycle(std::unique_ptr<Chunk> chunk) {
  bytes_.fetch_sub(chunk->bytes);
  chunk->Clear();
  {
    const MutexLock lock(&mutex_);
    if (spares_.size() < kMaxSpares) spares_.push_back(std::move(chunk));
  }
  if (bytes_.load() < limit_ && producer_waits_.exchange(false)) producer_.Signal();
}

bool MessageQueue::empty() const {
  const MutexLock lock(&mutex_);
  return chunks_.empty();
}

}  // namespace tsingest::mqtt
