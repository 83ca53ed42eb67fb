#include "service/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "fmt/format.h"

namespace tsingest::internal {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

absl::Status ListenError(const std::string& host, int port, int error) {
  switch (error) {
    case EADDRINUSE:
      return absl::UnavailableError(
          fmt::format("--http: port {1} on {0} is in use by another program; choose another with "
                      "--http {0}:PORT, "
                      "or --http off",
                      host, port));
    case EACCES:
      return absl::PermissionDeniedError(fmt::format(
          "--http: no permission to listen on port {} of {}; ports below 1024 need a privilege",
          port, host));
    case EADDRNOTAVAIL:
      return absl::InvalidArgumentError(
          fmt::format("--http: {} is not an address of this machine", host));
    default:
      return absl::UnavailableError(
          fmt::format("--http: cannot listen on {}:{}: {}", host, port, std::strerror(error)));
  }
}

// Fills in address and port as the kernel has them.
void Describe(Listener* listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  char host[NI_MAXHOST] = "";
  char port[NI_MAXSERV] = "0";
  if (getsockname(listener->fd, generic, &size) != 0) return;
  getnameinfo(generic, size, host, sizeof(host), port, sizeof(port),
              NI_NUMERICHOST | NI_NUMERICSERV);
  listener->port = std::stoi(port);
  listener->address = address.ss_family == AF_INET6 ? fmt::format("[{}]", host) : host;
}

int TryListen(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<Listener> Listen(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
      error != 0) {
    return absl::InvalidArgumentError(
        fmt::format("--http: cannot find the address of {}: {}", host, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = list.get(); address != nullptr; address = address->ai_next) {
    Listener listener;
    listener.fd = TryListen(*address);
    if (listener.fd >= 0) {
      Describe(&listener);
      return listener;
    }
    error = errno;
  }
  return ListenError(host, port, error);
}

}  // namespace tsingest::internal
