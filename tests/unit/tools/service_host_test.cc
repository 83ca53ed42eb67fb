#include "tools/common/service_host.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace tsingest {
namespace {

using testing::HasSubstr;

// GET over loopback; the whole answer.
std::string Get(const std::string& url, const std::string& path) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    (void)!write(fd, request.data(), request.size());
    char block[4096];
    for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;) {
      answer.append(block, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

class ServiceHostTest : public testing::Test {
 protected:
  ServiceHostTest() {
    common_.http_host = "127.0.0.1";
    common_.http_port_number = 0;
    common_.service_name = "data-ingestion";
    common_.writers = 4;
    counters_.balance = {.received = 10, .written = 7, .in_flight = 3};
    counters_.flushes[0] = 3;
    counters_.batches = 2;
  }
  StatusParts Parts() {
    return {.counters = [this] { return counters_; },
            .state = [] { return PipelineState::kRunning; },
            .health = [this] { return health_; },
            .source_health = [] { return absl::OkStatus(); },
            .sink_health = [this] { return sink_health_; },
            .more =
                [](ServiceStatus& status) {
                  status.source.kind = "mqtt";
                  status.source.address = "mqtt://u:hush@broker";
                }};
  }

  CommonSettings common_;
  CountersSnapshot counters_;
  absl::Status health_;
  absl::Status sink_health_;
  Logger logger_{{.level = LogLevel::kError}};
  ServiceHost host_{common_, logger_};
};

TEST_F(ServiceHostTest, ServesWhatThePartsSay) {
  ASSERT_TRUE(host_.Start(Parts()).ok());
  const std::string status = Get(host_.url(), "/status");
  EXPECT_THAT(status, HasSubstr("\"broker\":\"mqtt://u:****@broker\""));
  EXPECT_THAT(status, HasSubstr("\"pool_total_conns\":4,\"pool_idle_conns\":3"));
  EXPECT_THAT(Get(host_.url(), "/health/ready"), HasSubstr("200 OK"));
}

TEST_F(ServiceHostTest, FencedPipelineIsNotReady) {
  health_ = absl::AbortedError("another instance reads sensors/0");
  ASSERT_TRUE(host_.Start(Parts()).ok());
  EXPECT_THAT(Get(host_.url(), "/health/ready"), HasSubstr("another instance reads sensors/0"));
}

TEST_F(ServiceHostTest, CountsErrorsAndShowsDeadLetters) {
  host_.ErrorHook()("08006");
  host_.ErrorHook()("08001");
  host_.ErrorHook()("");
  host_.DeadLetterHook()({.stream = "s/0",
                          .position = 3,
                          .topic = "",
                          .reason = "too long",
                          .code = "22001",
                          .payload = "{}"});
  host_.DeadLetterHook()(
      {.stream = "s/0", .position = 4, .reason = "not JSON", .code = "syntax", .payload = "x"});
  ASSERT_TRUE(host_.Start(Parts()).ok());
  const std::string metrics = Get(host_.url(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("tsingest_sink_errors_total{sqlstate_class=\"08\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("tsingest_sink_errors_total{sqlstate_class=\"22\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("tsingest_sink_errors_total{sqlstate_class=\"none\"} 1\n"));
  EXPECT_THAT(metrics, testing::Not(HasSubstr("sqlstate_class=\"sy")));
  const std::string live = Get(host_.url(), "/live.json");
  EXPECT_LT(live.find("not JSON"), live.find("too long"));
}

TEST_F(ServiceHostTest, ServesNothingWhenSwitchedOff) {
  common_.http_host.clear();
  ASSERT_TRUE(host_.Start(Parts()).ok());
  EXPECT_EQ(host_.url(), "");
}

TEST_F(ServiceHostTest, PortInUseIsSaid) {
  ASSERT_TRUE(host_.Start(Parts()).ok());
  common_.http_port_number = std::stoi(host_.url().substr(host_.url().rfind(':') + 1));
  ServiceHost second(common_, logger_);
  EXPECT_THAT(std::string(second.Start(Parts()).message()), HasSubstr("is in use"));
}

TEST_F(ServiceHostTest, StopsBeforeItsPartsGo) {
  ASSERT_TRUE(host_.Start(Parts()).ok());
  const std::string url = host_.url();
  host_.Stop();
  EXPECT_EQ(Get(url, "/health/live"), "");
}

}  // namespace
}  // namespace tsingest
