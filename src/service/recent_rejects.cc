#include <utility>

#include "tsingest/service/status.h"

namespace tsingest {

void RecentRejects::Add(RecentReject reject) {
  if (reject.payload.size() > kPayloadBytes) {
    reject.payload.resize(kPayloadBytes);
    reject.payload += "…";
  }
  MutexLock lock(&mutex_);
  rejects_.push_front(std::move(reject));
  if (rejects_.size() > kKept) rejects_.pop_back();
}

std::vector<RecentReject> RecentRejects::Get() const {
  MutexLock lock(&mutex_);
  return {rejects_.begin(), rejects_.end()};
}

}  // namespace tsingest
