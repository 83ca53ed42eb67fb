#include "support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace tsingest::testing {
namespace {

constexpr int kTickMs = 20;

sockaddr_in Local(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int ConnectTo(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Local(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Waits for the server's whole answer: until it has begun and then been silent for a moment.
void SwallowAnswer(int fd) {
  std::array<char, 4096> buffer;
  int wait_ms = 5000;
  for (;;) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, wait_ms) <= 0) return;
    if (::recv(fd, buffer.data(), buffer.size(), 0) <= 0) return;
    wait_ms = 100;
  }
}

}  // namespace

TcpProxy::TcpProxy(int target_port) : target_port_(target_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Local(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("TcpProxy: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Listen(); });
}

TcpProxy::~TcpProxy() {
  stop_.store(true);
  thread_.join();
  for (Link& link : links_) link.thread.join();
  ::close(listener_);
}

void TcpProxy::Arm(Fault fault, std::string pattern, int skip) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  pattern_ = std::move(pattern);
  skip_ = skip;
  armed_ = true;
}

void TcpProxy::CutAll(bool refuse) {
  refuse_.store(refuse);
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) {
    if (link.client >= 0) ::shutdown(link.client, SHUT_RDWR);
    if (link.server >= 0) ::shutdown(link.server, SHUT_RDWR);
  }
}

void TcpProxy::CutOthers(const Link& link) {
  const std::lock_guard lock(mutex_);
  for (Link& other : links_) {
    if (&other == &link) continue;
    if (other.client >= 0) ::shutdown(other.client, SHUT_RDWR);
    if (other.server >= 0) ::shutdown(other.server, SHUT_RDWR);
  }
}

void TcpProxy::Listen() {
  while (!stop_.load()) {
    pollfd ready{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, kTickMs) <= 0) continue;
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    const int server = refuse_.load() ? -1 : ConnectTo(target_port_);
    if (server < 0) {
      ::close(client);
      continue;
    }
    const std::lock_guard lock(mutex_);
    Link& link = links_.emplace_back();
    link.client = client;
    link.server = server;
    link.thread = std::thread([this, &link] { Serve(link); });
  }
}

void TcpProxy::Serve(Link& link) {
  std::array<char, 64 * 1024> buffer;
  bool open = true;
  while (open && !stop_.load()) {
    std::array<pollfd, 2> ready{pollfd{.fd = link.client, .events = POLLIN, .revents = 0},
                                pollfd{.fd = link.server, .events = POLLIN, .revents = 0}};
    if (::poll(ready.data(), ready.size(), kTickMs) <= 0) continue;
    if (ready[1].revents != 0) {
      const ssize_t got = ::recv(link.server, buffer.data(), buffer.size(), 0);
      open = got > 0 && SendAll(link.client, {buffer.data(), static_cast<std::size_t>(got)});
    }
    if (open && ready[0].revents != 0) {
      const ssize_t got = ::recv(link.client, buffer.data(), buffer.size(), 0);
      open = got > 0 && FromClient(link, {buffer.data(), static_cast<std::size_t>(got)});
    }
  }
  const std::lock_guard lock(mutex_);
  ::close(std::exchange(link.client, -1));
  if (link.server >= 0) ::close(std::exchange(link.server, -1));
}

bool TcpProxy::FromClient(Link& link, std::string_view bytes) {
  Fault fault;
  if (!Triggered(bytes, &fault)) return SendAll(link.server, bytes);
  acted_.fetch_add(1);
  const bool forwards = fault == Fault::kCutAnswer || fault == Fault::kCutAllAnswers;
  if (forwards && SendAll(link.server, bytes)) SwallowAnswer(link.server);
  // Before this link is closed: whoever sees it break finds the others broken too.
  if (fault == Fault::kCutAllAnswers) CutOthers(link);
  if (fault == Fault::kFreeze) {
    ::shutdown(link.client, SHUT_RDWR);
    while (!stop_.load()) ::poll(nullptr, 0, kTickMs);
  }
  return false;
}

bool TcpProxy::Triggered(std::string_view bytes, Fault* fault) {
  const std::lock_guard lock(mutex_);
  if (!armed_ || bytes.find(pattern_) == std::string_view::npos) return false;
  if (skip_-- > 0) return false;
  armed_ = false;
  *fault = fault_;
  return true;
}

}  // namespace tsingest::testing
