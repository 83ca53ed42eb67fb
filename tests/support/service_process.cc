#include "support/service_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/paths.h"

namespace tsingest::testing {
namespace {

constexpr int kHttpTimeoutSeconds = 5;

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{.tv_sec = kHttpTimeoutSeconds, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool Connect(int port) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool Send(const std::string& text) const {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  std::string ReadAll() const {
    std::string all;
    char block[16384];
    for (ssize_t got = 0; (got = ::recv(fd_, block, sizeof block, 0)) > 0;) {
      all.append(block, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int fd_;
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::optional<HttpReply> HttpGet(int port, const std::string& path) {
  const Socket socket;
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  if (!socket.Connect(port) || !socket.Send(request)) return std::nullopt;
  const std::string answer = socket.ReadAll();
  const std::size_t space = answer.find(' ');
  const std::size_t body = answer.find("\r\n\r\n");
  if (space == std::string::npos || body == std::string::npos) return std::nullopt;
  return HttpReply{.status = std::atoi(answer.c_str() + space), .body = answer.substr(body + 4)};
}

ServiceProcess::ServiceProcess(const std::string& tool, std::vector<std::string> arguments)
    : tool_(tool),
      arguments_(std::move(arguments)),
      self_{::getuid(), ::getgid(), false},
      directory_("tsingest-" + tool + "-", self_, "pid"),
      port_(FreePort()) {}

void ServiceProcess::SetEnvironment(const std::string& name, const std::string& value) {
  std::erase_if(environment_, [&](const std::string& entry) {
    return entry.compare(0, name.size() + 1, name + "=") == 0;
  });
  environment_.push_back(name + "=" + value);
}

std::vector<std::string> ServiceProcess::Command() const {
  std::vector<std::string> command{"/usr/bin/env"};
  command.insert(command.end(), environment_.begin(), environment_.end());
  command.push_back(ToolPath(tool_).string());
  command.insert(command.end(), {"--http", "127.0.0.1:" + std::to_string(port_), "--log-format",
                                 "json", "--summary", "json"});
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  return command;
}

void ServiceProcess::Start() {
  Kill9();
  pid_ = Spawn(Command(), self_, directory_.path() / "log");
  std::ofstream(directory_.path() / "pid") << pid_ << "\n";
}

void ServiceProcess::Kill9() {
  if (Running()) KillTree(std::exchange(pid_, 0));
}

std::optional<int> ServiceProcess::Wait(std::chrono::milliseconds limit) {
  if (!Running()) throw std::runtime_error(tool_ + " does not run");
  const std::optional<int> status = WaitFor(pid_, limit);
  if (!status.has_value()) return std::nullopt;
  pid_ = 0;
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

std::string ServiceProcess::Ready() const {
  const std::optional<HttpReply> reply = Get("/health/ready");
  return reply.has_value() ? std::to_string(reply->status) + " " + reply->body : std::string();
}

std::optional<double> ServiceProcess::Metric(const std::string& sample) const {
  const std::optional<HttpReply> reply = Get("/metrics");
  if (!reply.has_value()) return std::nullopt;
  const std::string text = "\n" + reply->body;
  const std::size_t at = text.find("\n" + sample + " ");
  if (at == std::string::npos) return std::nullopt;
  return std::atof(text.c_str() + at + sample.size() + 2);
}

std::string ServiceProcess::Log() const { return ReadFile(directory_.path() / "log"); }

std::int64_t ServiceProcess::Summary(const std::string& field) const {
  const std::string log = Log();
  const std::size_t summary = log.rfind("{\"received\":");
  if (summary == std::string::npos) return -1;
  const std::string key = "\"" + field + "\":";
  const std::size_t at = log.find(key, summary);
  return at == std::string::npos ? -1 : std::atoll(log.c_str() + at + key.size());
}

}  // namespace tsingest::testing
