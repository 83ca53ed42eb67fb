// HttpGet: one GET over loopback, for tests that look at a tool's endpoints.
#ifndef TSINGEST_TESTS_SUPPORT_HTTP_GET_H_
#define TSINGEST_TESTS_SUPPORT_HTTP_GET_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace tsingest::testing {

// The whole answer of 127.0.0.1:`port`, header included; empty when nobody listens.
inline std::string HttpGet(int port, const std::string& path) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    char block[4096];
    ssize_t got = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    while (got > 0) {
      got = ::recv(fd, block, sizeof(block), 0);
      if (got > 0) answer.append(block, static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return answer;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_HTTP_GET_H_
