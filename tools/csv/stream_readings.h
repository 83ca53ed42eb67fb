// StreamReadings: how each file is read, told by the thread that reads to those that write.
#ifndef TSINGEST_TOOLS_CSV_STREAM_READINGS_H_
#define TSINGEST_TOOLS_CSV_STREAM_READINGS_H_

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

// Thread-safe.
class StreamReadings {
 public:
  void Set(StreamId stream, std::string reading) {
    MutexLock lock(&mutex_);
    readings_[stream] = std::move(reading);
  }
  // Empty before the first Set().
  std::string Get(StreamId stream) const {
    MutexLock lock(&mutex_);
    const auto found = readings_.find(stream);
    return found == readings_.end() ? std::string() : found->second;
  }

 private:
  mutable Mutex mutex_;
  std::map<StreamId, std::string> readings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_CSV_STREAM_READINGS_H_
