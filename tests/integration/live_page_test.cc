// The live page of mqtt2ts in a real browser: the numbers of the run are on it, on a phone too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/browser.h"
#include "support/child_process.h"
#include "support/http_get.h"
#include "support/mosquitto_server.h"
#include "support/mqtt_publisher.h"
#include "support/paths.h"
#include "support/postgres_server.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

class LivePageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& missing : {BrowserMissing(), MosquittoMissing()}) {
      if (!missing.empty()) GTEST_SKIP() << missing;
    }
    broker_ = std::make_unique<MosquittoServer>();
    database_ = std::make_unique<PostgresServer>();
    tool_ = Spawn({"/usr/bin/env", "TSINGEST_SERVICE_NAME=plant-7", ToolPath("mqtt2ts").string(),
                   "--broker", broker_->Uri(), "--topics", "p/#", "--client-id", "live", "--to",
                   database_->Uri(), "--create", "--http", "127.0.0.1:" + std::to_string(port_)},
                  self_, log_);
    AwaitAnswer("/health/ready", "200 OK");
  }
  ~LivePageTest() override {
    if (tool_ != 0) KillTree(tool_);
  }
  void AwaitAnswer(const std::string& path, const std::string& words) {
    const auto until = steady_clock::now() + seconds(60);
    while (HttpGet(port_, path).find(words) == std::string::npos) {
      ASSERT_LT(steady_clock::now(), until) << HttpGet(port_, path) << "\n" << Tail(log_);
      std::this_thread::sleep_for(milliseconds(50));
    }
  }
  // Without its script, whose words are no message to anybody.
  std::string Page(int width, int height) const {
    const std::string url = "http://127.0.0.1:" + std::to_string(port_) + "/";
    const std::string page = RenderedPage(url, width, height, 3);
    return page.substr(page.find("<body>"), page.find("<script>") - page.find("<body>"));
  }

  const RunAs self_{::getuid(), ::getgid(), false};
  GuardedDirectory directory_{"tsingest-live-", self_, ""};
  const std::filesystem::path log_ = directory_.path() / "log";
  const int port_ = FreePort();
  std::unique_ptr<MosquittoServer> broker_;
  std::unique_ptr<PostgresServer> database_;
  pid_t tool_ = 0;
};

TEST_F(LivePageTest, ShowsTheNumbersOfTheRun) {
  std::vector<std::string> payloads(1234, R"({"value":1})");
  payloads.emplace_back("<b id=\"injected\">no JSON</b>");
  MqttPublisher(broker_->port()).Publish("p/boiler", payloads);
  AwaitAnswer("/status", R"("points_written":1234)");
  AwaitAnswer("/live.json", R"("written":1234)");  // the second is over in which it was written
  const std::string page = Page(1280, 800);
  for (const std::string words :
       {"plant-7</h1>", "role=\"status\">running</span>", "received <b>1,235</b>",
        "written <b>1,234</b>", "dead-lettered <b class=\"bad\">1</b>", "in flight <b>0</b>",
        "1 since the start", "p/boiler", "not JSON", "% of 64.0 MiB",
        "dead letters</b> syntax × 1;"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
  EXPECT_THAT(page, Not(HasSubstr("<b id=\"injected\"")));  // input is text, never HTML
  EXPECT_THAT(page, Not(HasSubstr("No answer from the tool")));
}

TEST_F(LivePageTest, SaysWhyNothingMoves) {
  database_->Stop();
  MqttPublisher(broker_->port()).Publish("p/boiler", {R"({"value":1})"});
  AwaitAnswer("/health/ready", "503");
  AwaitAnswer("/live.json", R"("in_flight":1,)");
  const std::string page = Page(390, 844);
  EXPECT_THAT(page, HasSubstr("role=\"status\">not ready</span>"));
  EXPECT_THAT(page, HasSubstr("sink: "));
  EXPECT_THAT(page, HasSubstr("in flight <b>1</b>"));
}

// Whatever the page names is on it: no font, script or picture from elsewhere.
TEST_F(LivePageTest, AsksNobodyElse) {
  const std::string answer = HttpGet(port_, "/");
  for (const std::string outside : {"src=\"http", "href=\"http", "url(http", "@import", "//cdn"}) {
    EXPECT_THAT(answer, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(answer, HasSubstr("default-src 'none'"));
}

}  // namespace
}  // namespace tsingest::testing
