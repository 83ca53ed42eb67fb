// IoLoop: the thread that serves all connections of a source.
#ifndef TSINGEST_SOURCE_MQTT_IO_LOOP_H_
#define TSINGEST_SOURCE_MQTT_IO_LOOP_H_

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "source/mqtt/connection.h"
#include "source/mqtt/fd.h"
#include "tsingest/base/clock.h"

namespace tsingest::mqtt {

// Start() and Stop() belong to one thread; the connections to the loop's own, until Stop() has
// returned.
class IoLoop {
 public:
  // Borrows the clock.
  IoLoop(std::vector<std::unique_ptr<Connection>> connections, std::shared_ptr<WakeFd> wake,
         Clock& clock)
      : connections_(std::move(connections)), wake_(std::move(wake)), clock_(clock) {}
  ~IoLoop() { Stop(); }
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  absl::Status Start();
  // Closes the connections in order and joins the thread.
  void Stop();

 private:
  void Run();
  void Wait(MonotonicTime now);
  bool Serve(MonotonicTime now);

  std::vector<std::unique_ptr<Connection>> connections_;
  std::shared_ptr<WakeFd> wake_;
  Clock& clock_;
  std::vector<short> ready_;  // what poll(2) reported, per connection
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_IO_LOOP_H_
