#include "support/spool_service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/paths.h"

namespace tsingest::testing {

SpoolService::SpoolService(const MosquittoServer& broker, const PostgresServer& database,
                           std::vector<std::string> flags)
    : self_{::getuid(), ::getgid(), false},
      directory_("tsingest-spool-", self_, ""),
      broker_uri_(broker.Uri()),
      database_uri_(database.Uri()),
      flags_(std::move(flags)),
      http_port_(FreePort()) {}

std::vector<std::string> SpoolService::Command() const {
  std::vector<std::string> out = {ToolPath("mqtt2ts").string(),
                                  "--broker",
                                  broker_uri_,
                                  "--topics",
                                  "plant/#",
                                  "--client-id",
                                  "spooling",
                                  "--to",
                                  database_uri_,
                                  "--create",
                                  "--spool",
                                  SpoolDirectory(),
                                  "--http",
                                  "127.0.0.1:" + std::to_string(http_port_)};
  out.insert(out.end(), flags_.begin(), flags_.end());
  return out;
}

void SpoolService::Start() { pid_ = Spawn(Command(), self_, directory_.path() / "log"); }

void SpoolService::Kill9() {
  if (pid_ <= 0) return;
  KillTree(pid_);
  pid_ = 0;
}

int SpoolService::Stop() {
  ::kill(pid_, SIGTERM);
  const auto status = WaitFor(pid_, std::chrono::seconds(60));
  if (!status.has_value()) throw std::runtime_error("mqtt2ts does not stop:\n" + Log());
  pid_ = 0;
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

std::string SpoolService::Get(const std::string& path) const {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(http_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  const std::size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

double SpoolService::Metric(const std::string& name) const {
  const std::string body = "\n" + Get("/metrics");
  const std::size_t at = body.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::strtod(body.c_str() + at + name.size() + 2, nullptr);
}

bool AwaitTrue(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::vector<std::string> ValueMessages(int first, int count) {
  std::vector<std::string> out;
  for (int i = first; i < first + count; ++i) {
    out.push_back("{\"value\": " + std::to_string(i) + "}");
  }
  return out;
}

}  // namespace tsingest::testing
