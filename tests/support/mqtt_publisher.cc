#include "support/mqtt_publisher.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "support/scripted_broker.h"

namespace tsingest::testing {
namespace {

constexpr int kPatienceMs = 30'000;
constexpr std::size_t kWindow = 15;  // below Mosquitto's limit for unacknowledged messages

}  // namespace

MqttPublisher::MqttPublisher(int port, const PublisherOptions& options) : v5_(options.v5) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd_);
    throw std::runtime_error("publisher: cannot connect");
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const bool user = !options.user.empty();
  std::string body = Prefixed("MQTT") + Byte(v5_ ? 5 : 4) + Byte(user ? 0xC2 : 0x02) + U16(0);
  if (v5_) body += Byte(0);
  body += Prefixed("publisher-" + std::to_string(::getpid()) + "-" + std::to_string(fd_));
  if (user) body += Prefixed(options.user) + Prefixed(options.password);
  Send(Packet(0x10, body));
  while (!connected_) Receive(true);
}

MqttPublisher::~MqttPublisher() {
  [[maybe_unused]] const ssize_t sent = ::send(fd_, "\xE0\x00", 2, MSG_NOSIGNAL);
  ::close(fd_);
}

void MqttPublisher::Publish(std::string_view topic, const std::vector<std::string>& payloads,
                            int qos, bool retain) {
  const BrokerPackets packets{v5_};
  const unsigned level = static_cast<unsigned>(qos);
  std::string out;
  for (const std::string& payload : payloads) {
    std::string packet = packets.Publish(level, next_id_, topic, payload);
    if (retain) packet[0] = static_cast<char>(packet[0] | 1);
    out += packet;
    ++sent_;
    if (qos == 0) ++accepted_;
    if (qos != 0) next_id_ = next_id_ % 65'535 + 1;
    if (qos == 0 ? out.size() > 32'768 : sent_ - accepted_ >= kWindow) {
      Send(out);
      out.clear();
      while (sent_ - accepted_ >= kWindow) Receive(true);
    }
  }
  Send(out);
  while (accepted_ < sent_) Receive(true);
}

void MqttPublisher::PublishWithProperties(std::string_view topic, std::string_view payload,
                                          std::string_view properties) {
  const BrokerPackets packets{v5_};
  Send(packets.Publish(1, next_id_, topic, payload, false, properties));
  next_id_ = next_id_ % 65'535 + 1;
  ++sent_;
  while (accepted_ < sent_) Receive(true);
}

void MqttPublisher::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error("publisher: the connection broke");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void MqttPublisher::Receive(bool block) {
  pollfd fd = {fd_, POLLIN, 0};
  if (::poll(&fd, 1, block ? kPatienceMs : 0) == 0) {
    if (!block) return;
    throw std::runtime_error("publisher: the broker does not answer");
  }
  char buffer[65'536];
  const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
  if (got <= 0) throw std::runtime_error("publisher: the broker closed the connection");
  unread_.append(buffer, static_cast<std::size_t>(got));
  std::string rest;
  for (const ClientPacket& packet : ParseClientPackets(unread_, &rest)) {
    Handle(packet.type, packet.body);
  }
  unread_ = rest;
}

void MqttPublisher::Handle(unsigned type, std::string_view body) {
  switch (type) {
    case 2:
      if (body.size() < 2 || body[1] != 0) throw std::runtime_error("publisher: refused");
      connected_ = true;
      break;
    case 4:
    case 7:
      ++accepted_;
      break;
    case 5:
      Send(Packet(0x62, body.substr(0, 2)));
      break;
    default:
      throw std::runtime_error("publisher: unexpected packet " + std::to_string(type));
  }
}

}  // namespace tsingest::testing
