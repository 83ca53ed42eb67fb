#include "source/mqtt/resolver.h"

#include <netdb.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tsingest/base/mutex.h"

namespace tsingest::mqtt {

std::shared_ptr<Lookup> Lookup::Start(const std::string& host, std::uint16_t port,
                                      std::shared_ptr<WakeFd> wake) {
  auto lookup = std::make_shared<Lookup>();
  lookup->Resolve(host, port, AI_NUMERICHOST);
  if (!lookup->addresses().empty()) return lookup;
  {
    const MutexLock lock(&lookup->mutex_);
    lookup->done_ = false;
  }
  try {
    std::thread([lookup, host, port, wake = std::move(wake)] {
      lookup->Resolve(host, port, AI_ADDRCONFIG);
      wake->Signal();
    }).detach();
  } catch (const std::system_error&) {  // no thread to be had: wait for it here
    lookup->Resolve(host, port, AI_ADDRCONFIG);
  }
  return lookup;
}

void Lookup::Resolve(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  std::vector<SocketAddress> found;
  for (const addrinfo* a = list; code == 0 && a != nullptr; a = a->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    address.length = a->ai_addrlen;
    found.push_back(address);
  }
  if (code == 0) freeaddrinfo(list);
  const MutexLock lock(&mutex_);
  addresses_ = std::move(found);
  error_ = code == 0 ? "" : gai_strerror(code);
  done_ = true;
}

bool Lookup::done() const {
  const MutexLock lock(&mutex_);
  return done_;
}

std::vector<SocketAddress> Lookup::addresses() const {
  const MutexLock lock(&mutex_);
  return addresses_;
}

std::string Lookup::error() const {
  const MutexLock lock(&mutex_);
  return error_;
}

}  // namespace tsingest::mqtt
