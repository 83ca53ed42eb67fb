// The HTTP endpoints over real sockets.
#include "tsingest/service/http.h"
#include "support/browser.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_status.h"
#include "tsingest/service/endpoints.h"

namespace tsingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_support::FakeStatus;
using testing_support::FillExample;

constexpr milliseconds kPatience{10000};

// A client connection that reads with a deadline.
class Client {
 public:
  // receive_bytes: size of the kernel's buffer for what is not read yet; 0: as usual.
  explicit Client(int port, int receive_bytes = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }

  bool connected() const { return connected_; }
  bool Send(std::string_view text) {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // Reads until the other side closes, or `until` is in what was read.
  std::string Read(std::string_view until = "\x01never") {
    std::string out;
    const auto deadline = steady_clock::now() + kPatience;
    while (out.find(until) == std::string::npos) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
      pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
      if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) <= 0) return out + "[timed out]";
      char block[16384];
      const ssize_t got = recv(fd_, block, sizeof(block), 0);
      if (got <= 0) return out;
      out.append(block, static_cast<std::size_t>(got));
    }
    return out;
  }

 private:
  int fd_;
  bool connected_ = false;
};

class HttpTest : public ::testing::Test {
 protected:
  HttpTest() { status_.Update(FillExample); }

  void Start(HttpOptions options = {}) {
    options.port = 0;
    absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
        options, [this](const HttpRequest& request) { return endpoints_.Handle(request); },
        [this] { endpoints_.Tick(); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Request(const std::string& text) {
    Client client(server_->port());
    if (!client.Send(text)) return "[not sent]";
    return client.Read();
  }
  std::string Get(const std::string& path) {
    return Request("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }
  static std::string Body(const std::string& answer) {
    return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
  }

  FakeStatus status_;
  RecentRejects rejects_;
  Endpoints endpoints_{{.service = "data-ingestion", .buffer_bytes = 64 << 20}, status_, rejects_};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTest, ServesEveryEndpoint) {
  Start();
  EXPECT_THAT(server_->url(), StartsWith("http://127.0.0.1:"));
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/health/live"), HasSubstr("\r\n\r\n{\"status\":\"alive\"}\n"));
  EXPECT_THAT(Get("/health/ready"), HasSubstr("{\"status\":\"ready\"}"));
  EXPECT_THAT(Get("/status"), HasSubstr("\"points_received\":1500000"));
  EXPECT_THAT(Get("/status"),
              HasSubstr("\"state\":\"running\",\"balance\":{\"received\":1500000,"));
  EXPECT_THAT(Get("/metrics"), HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(Get("/"), HasSubstr("<!doctype html>"));
  EXPECT_THAT(Get("/live.json?since=0"), HasSubstr("\"samples\":["));
  EXPECT_THAT(Get("/nothing"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpTest, NotReadyIs503WithTheReason) {
  Start();
  status_.Update(
      [](ServiceStatus& status) { status.sink_health = absl::UnavailableError("gone"); });
  EXPECT_THAT(Get("/status"), HasSubstr("\"state\":\"waiting\",\"reason\":\"sink: gone\""));
  const std::string answer = Get("/health/ready");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\"reason\":\"sink: gone\""));
}

TEST_F(HttpTest, QueryIsDecoded) {
  HttpRequest seen;
  absl::StatusOr<std::unique_ptr<HttpServer>> server =
      HttpServer::Start({.port = 0}, [&seen](const HttpRequest& request) {
        seen = request;
        return HttpResponse();
      });
  ASSERT_TRUE(server.ok());
  server_ = *std::move(server);
  Get("/a%20b?x=1%262&flag");
  EXPECT_EQ(seen.path, "/a b");
  EXPECT_EQ(seen.query["x"], "1&2");
  EXPECT_TRUE(seen.query.contains("flag"));
}

TEST_F(HttpTest, KeepsAConnectionForSeveralRequests) {
  Start();
  Client client(server_->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_THAT(client.Read("alive\"}\n"), StartsWith("HTTP/1.1 200 "));
  }
}

TEST_F(HttpTest, AnswersHeadWithoutABodyAndRefusesOtherMethods) {
  Start();
  const std::string head =
      Request("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(Body(head), "");
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    EXPECT_THAT(
        Request(std::string(method) + " /status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                      "Connection: close\r\n\r\nabc"),
        StartsWith("HTTP/1.1 405 "));
  }
}

TEST_F(HttpTest, PortInUseIsOneLineThatNamesPortAndFlag) {
  Start();
  const auto second = HttpServer::Start({.port = server_->port()},
                                        [](const HttpRequest&) { return HttpResponse(); });
  ASSERT_FALSE(second.ok());
  const std::string message(second.status().message());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(message, StartsWith("--http: port " + std::to_string(server_->port()) +
                                  " on 127.0.0.1 is in use"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_F(HttpTest, WrongHostsAreExplained) {
  const auto start = [](const std::string& host) {
    const auto server = HttpServer::Start({.host = host, .port = 0},
                                          [](const HttpRequest&) { return HttpResponse(); });
    return std::string(server.status().message());
  };
  EXPECT_THAT(start("192.0.2.1"), HasSubstr("192.0.2.1 is not an address of this machine"));
  EXPECT_THAT(start("no such host"), HasSubstr("cannot find the address of no such host"));
}

TEST_F(HttpTest, MalformedAndOversizedRequestsCostOnlyTheirConnection) {
  Start();
  Request("\r\n\r\n\x16\x03\x01 not http\r\n\r\n");
  Request("GET\r\n\r\n");
  {
    Client client(server_->port());
    client.Send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(1 << 20, 'a'));
    client.Read();
  }
  {
    Client client(server_->port());
    client.Send("GET /" + std::string(200000, 'a') + " HTTP/1.1\r\n\r\n");
    client.Read();
  }
  EXPECT_THAT(Get("/health/live"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, SlowRequestsAreCutOff) {
  Start({.read_timeout = milliseconds(200)});
  Client client(server_->port());
  const auto began = steady_clock::now();
  std::string answer;
  // One byte at a time, as slowly as the server's patience allows.
  for (const char c : std::string("GET / HTTP/1.1\r\nX-Slow: ") + std::string(100, 'a')) {
    if (!client.Send(std::string(1, c))) break;
    pollfd waiting{.fd = -1, .events = 0, .revents = 0};
    poll(&waiting, 1, 20);
  }
  client.Read();
  EXPECT_LT(steady_clock::now() - began, seconds(5));
  EXPECT_THAT(Get("/health/live"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, ManySlowConnectionsDoNotKeepOthersOut) {
  Start({.read_timeout = seconds(3600), .max_connections = 32});
  std::vector<Client> slow;
  for (int i = 0; i < 300; ++i) {
    slow.emplace_back(server_->port());
    ASSERT_TRUE(slow.back().connected());
    slow.back().Send("GET / HTTP/1.1\r\n");
  }
  EXPECT_THAT(Get("/health/live"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics"), HasSubstr("tsingest_rows_in_flight"));
}

TEST_F(HttpTest, ReaderThatTakesNothingIsCutOff) {
  std::string large(64 << 20, 'x');
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.port = 0, .write_timeout = milliseconds(200)}, [&large](const HttpRequest& request) {
        return HttpResponse{.body = request.path == "/large" ? large : "small"};
      });
  ASSERT_TRUE(server.ok());
  server_ = *std::move(server);
  Client stuck(server_->port(), 4096);
  ASSERT_TRUE(stuck.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  Client other(server_->port());
  ASSERT_TRUE(other.Send("GET /small HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(other.Read("small"), StartsWith("HTTP/1.1 200 "));
  // Its patience ends after 200 ms; what is in the kernel's buffers can still be read.
  pollfd waiting{.fd = -1, .events = 0, .revents = 0};
  poll(&waiting, 1, 1000);
  const std::string answer = stuck.Read();
  EXPECT_LT(answer.size(), large.size());
  EXPECT_EQ(answer.find("[timed out]"), std::string::npos);
}

TEST_F(HttpTest, StopsWithOpenConnections) {
  Start();
  Client open(server_->port());
  open.Send("GET / HTTP/1.1\r\n");
  Client served(server_->port());
  served.Send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
  served.Read("alive");
  server_.reset();
  EXPECT_EQ(served.Read().find("[timed out]"), std::string::npos);
}

TEST_F(HttpTest, PromtoolFindsNothingWrongWithTheMetrics) {
  if (std::system("promtool --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";
  }
  Start();
  status_.Update([](ServiceStatus& status) {
    status.source.lag = {{"sensors/0", 12}, {"a \"quoted\" \\ topic/1", 0}};
    status.extra = {{.name = "tsingest_mqtt_reconnects_total",
                     .help = "Connections lost.",
                     .is_counter = true,
                     .value = 2}};
  });
  const std::string path = ::testing::TempDir() + "metrics_" + std::to_string(getpid());
  const auto check = [&](const std::string& text) {
    std::ofstream(path) << text;
    return std::system(("promtool check metrics <" + path + " >" + path + ".out 2>&1").c_str());
  };
  const std::string metrics = Body(Get("/metrics"));
  EXPECT_EQ(check(metrics), 0) << std::ifstream(path + ".out").rdbuf();
  EXPECT_NE(check(metrics + "# HELP bad_counter Bad.\n# TYPE bad_counter counter\nbad_counter 1\n"),
            0);
  std::remove(path.c_str());
  std::remove((path + ".out").c_str());
}

TEST_F(HttpTest, PageShowsNumbersReasonsAndInputAsTextInABrowser) {
  const std::string missing = tsingest::testing::BrowserMissing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  rejects_.Add({.stream = "s/0",
                .code = "syntax",
                .reason = "bad",
                .payload = "<img src=x onerror=\"document.title='owned'\">"});
  Start();
  std::string dom = tsingest::testing::RenderedPage(server_->url(), 1280, 800, 5);
  EXPECT_THAT(dom, HasSubstr(" · data-ingestion</title>"));
  EXPECT_THAT(dom, HasSubstr("class=\"pill good\" role=\"status\">running<"));
  EXPECT_THAT(dom, HasSubstr("1,495,000"));
  EXPECT_THAT(dom, HasSubstr("08006 × 3"));
  EXPECT_THAT(dom, HasSubstr("&lt;img src=x onerror="));
  EXPECT_THAT(dom, HasSubstr("<path class=\"a\" d=\"M"));
  status_.Update(
      [](ServiceStatus& status) { status.sink_health = absl::UnavailableError("gone"); });
  dom = tsingest::testing::RenderedPage(server_->url(), 1280, 800, 5);
  EXPECT_THAT(dom, HasSubstr("role=\"alert\">sink: gone</div>"));
  EXPECT_THAT(dom, HasSubstr(">not ready<"));
}

}  // namespace
}  // namespace tsingest
