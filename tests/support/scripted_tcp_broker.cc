#include "support/scripted_tcp_broker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace tsingest::testing {

void ScriptedConnection::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

ClientPacket ScriptedConnection::Read(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    std::string rest;
    std::vector<ClientPacket> packets = ParseClientPackets(unread_, &rest);
    if (!packets.empty()) {
      const ClientPacket first = packets.front();
      // The fixed header has one byte of type and as many of length as the body needs.
      unread_.erase(0, 1 + Variable(first.body.size()).size() + first.body.size());
      return first;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd fd = {fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&fd, 1, static_cast<int>(left.count())) <= 0) return {};
    char buffer[65'536];
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return {};
    unread_.append(buffer, static_cast<std::size_t>(got));
  }
}

bool ScriptedConnection::Welcome(bool session_present) {
  const ClientPacket connect = Read();
  if (connect.type != 1) return false;
  v5_ = connect.body.at(6) == 5;
  Send(packets().Connack(session_present));
  if (!v5_ && session_present) return true;
  const ClientPacket subscribe = Read();
  if (subscribe.type != 8) return false;
  Send(packets().Suback(subscribe.PacketId(), "\x01"));
  return true;
}

void ScriptedConnection::AwaitEnd() {
  while (Read().type != 0) {
  }
}

ScriptedTcpBroker::ScriptedTcpBroker(std::function<void(ScriptedConnection&)> script)
    : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 16) != 0 || ::pipe(stop_) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("ScriptedTcpBroker: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

ScriptedTcpBroker::~ScriptedTcpBroker() {
  [[maybe_unused]] const ssize_t written = ::write(stop_[1], "x", 1);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);  // ends a script that reads
  }
  thread_.join();
  for (const int fd : {listener_, stop_[0], stop_[1]}) ::close(fd);
}

std::vector<std::chrono::steady_clock::time_point> ScriptedTcpBroker::Accepted() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return accepted_;
}

void ScriptedTcpBroker::Run() {
  for (int number = 0;; ++number) {
    pollfd fds[2] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    ::poll(fds, 2, -1);
    if (fds[1].revents != 0) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      accepted_.push_back(std::chrono::steady_clock::now());
      current_ = fd;
    }
    ScriptedConnection connection(fd, number);
    script_(connection);
    const std::lock_guard<std::mutex> lock(mutex_);
    current_ = -1;
    ::close(fd);
  }
}

}  // namespace tsingest::testing
