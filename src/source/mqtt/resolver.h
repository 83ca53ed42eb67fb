// Host names to socket addresses, without making the I/O thread wait for a name server.
#ifndef TSINGEST_SOURCE_MQTT_RESOLVER_H_
#define TSINGEST_SOURCE_MQTT_RESOLVER_H_

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "source/mqtt/fd.h"
#include "tsingest/base/mutex.h"

namespace tsingest::mqtt {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family() const { return storage.ss_family; }
};

// One look-up, on a thread of its own that outlives us if the name server hangs; numeric addresses
// are done at once. Thread-safe.
class Lookup {
 public:
  // Signals `wake` when done.
  static std::shared_ptr<Lookup> Start(const std::string& host, std::uint16_t port,
                                       std::shared_ptr<WakeFd> wake);

  bool done() const;
  // Once done: the addresses, or none and why in error().
  std::vector<SocketAddress> addresses() const;
  std::string error() const;

 private:
  void Resolve(const std::string& host, std::uint16_t port, int flags);

  mutable Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<SocketAddress> addresses_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tsingest::mqtt

#endif  // TSINGEST_SOURCE_MQTT_RESOLVER_H_
