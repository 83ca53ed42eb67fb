// HealthWatch: tells when a source or sink gets sick, and when it is well again.
#ifndef TSINGEST_PIPELINE_HEALTH_WATCH_H_
#define TSINGEST_PIPELINE_HEALTH_WATCH_H_

#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tsingest/base/clock.h"
#include "tsingest/base/mutex.h"

namespace tsingest {

// Asks each part for its health a few times a second, on a thread of its own because the polling
// thread may itself be waiting for the sick part, and reports changes only. A part begins well.
class HealthWatch {
 public:
  struct Part {
    std::string_view name;                 // lives as long as the watch
    std::function<absl::Status()> health;  // thread-safe
  };
  using OnChange = std::function<void(std::string_view part, const absl::Status& health)>;

  HealthWatch(std::vector<Part> parts, OnChange on_change)
      : parts_(std::move(parts)), last_(parts_.size()), on_change_(std::move(on_change)) {}
  ~HealthWatch() { Stop(); }
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // Starts the thread. kResourceExhausted: the system gives none.
  absl::Status Start(Duration every) {
    try {
      thread_ = std::thread([this, every] { Run(every); });
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(std::string("cannot start the health thread: ") +
                                          error.what());
    }
    return absl::OkStatus();
  }

  // Looks a last time, so that no change goes unreported.
  void Stop() {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      stop_.Signal();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run(Duration every) {
    for (bool last_look = false; !last_look;) {
      {
        MutexLock lock(&mutex_);
        if (!stopping_) stop_.WaitFor(&mutex_, every);
        last_look = stopping_;
      }
      Look();
    }
  }

  void Look() {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      absl::Status health = parts_[i].health();
      if (health == last_[i]) continue;
      on_change_(parts_[i].name, health);
      last_[i] = std::move(health);
    }
  }

  const std::vector<Part> parts_;
  std::vector<absl::Status> last_;
  const OnChange on_change_;
  std::thread thread_;
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_HEALTH_WATCH_H_
