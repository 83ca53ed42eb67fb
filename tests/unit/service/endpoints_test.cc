#include "tsingest/service/endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "service/live_page.h"
#include "support/fake_status.h"

namespace tsingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::FakeStatus;
using testing_support::FillExample;

class FakeClock final : public Clock {
 public:
  Timestamp WallNow() override { return Timestamp(std::chrono::seconds(1705314600)) + elapsed_; }
  MonotonicTime Now() override { return MonotonicTime(elapsed_); }
  void Sleep(Duration) override {}
  void Advance(std::chrono::microseconds length) { elapsed_ += length; }

 private:
  std::chrono::microseconds elapsed_{0};
};

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() { status_.Update(FillExample); }

  HttpResponse Get(const std::string& path, std::map<std::string, std::string> query = {}) {
    return endpoints_.Handle({.path = path, .query = std::move(query)});
  }
  rapidjson::Document GetJson(const std::string& path,
                              std::map<std::string, std::string> query = {}) {
    rapidjson::Document document;
    document.Parse(Get(path, std::move(query)).body.c_str());
    EXPECT_FALSE(document.HasParseError()) << path;
    return document;
  }

  FakeClock clock_;
  FakeStatus status_;
  RecentRejects rejects_;
  Endpoints endpoints_{
      {.service = "data-ingestion", .buffer_rows = 50000, .buffer_bytes = 64 << 20},
      status_,
      rejects_,
      clock_};
};

TEST_F(EndpointsTest, StatusHasTheFieldsOfTheServiceItReplaces) {
  clock_.Advance(std::chrono::hours(2) + std::chrono::minutes(15) + std::chrono::seconds(30));
  EXPECT_EQ(Get("/status").body,
            "{\"service\":\"data-ingestion\",\"uptime\":\"2h15m30s\","
            "\"ingestion\":{\"points_received\":1500000,\"points_dropped\":0,\"buffer_size\":50000,"
            "\"buffer_used\":2500,\"buffer_utilization\":5},"
            "\"mqtt\":{\"connected\":true,\"broker\":\"tcp://emqx:1883\","
            "\"messages_received\":1500000},"
            "\"database\":{\"batches_written\":300,\"points_written\":1495000,"
            "\"avg_write_time_ms\":8.5,\"pool_total_conns\":10,\"pool_idle_conns\":6},"
            "\"batcher\":{\"batches_flushed\":301,\"current_batch_size\":2500,"
            "\"pending_batches\":1},"
            "\"state\":\"running\","
            "\"balance\":{\"received\":1500000,\"written\":1495000,\"deduplicated\":2000,"
            "\"dead_lettered\":500,\"in_flight\":2500,\"ok\":true},"
            "\"checks\":{\"source\":{\"status\":\"ok\"},\"sink\":{\"status\":\"ok\"}}}\n");
}

TEST_F(EndpointsTest, StatusSaysWhatIsWaitedFor) {
  const auto state_of = [&](PipelineState state, absl::Status sink) {
    status_.Update([&](ServiceStatus& status) {
      status.state = state;
      status.sink_health = std::move(sink);
    });
    const rapidjson::Document json = GetJson("/status");
    return std::string(json["state"].GetString()) + "|" +
           (json.HasMember("reason") ? json["reason"].GetString() : "");
  };
  const absl::Status sick = absl::UnavailableError("postgresql://u:hush@h/d is away");
  const std::string why = "sink: postgresql://u:****@h/d is away";
  EXPECT_EQ(state_of(PipelineState::kRunning, sick), "waiting|" + why);
  EXPECT_STREQ(GetJson("/status")["checks"]["sink"]["status"].GetString(), "error");
  EXPECT_STREQ(GetJson("/status")["checks"]["source"]["status"].GetString(), "ok");
  EXPECT_EQ(state_of(PipelineState::kStarting, sick), "waiting|" + why);
  EXPECT_EQ(state_of(PipelineState::kDraining, sick), "stopping|" + why);
  EXPECT_EQ(state_of(PipelineState::kRunning, {}), "running|");
  EXPECT_EQ(state_of(PipelineState::kStarting, {}), "starting|starting");
  EXPECT_THAT(state_of(PipelineState::kPaused, {}), StartsWith("waiting|the buffer is full"));
  EXPECT_THAT(state_of(PipelineState::kDraining, {}), StartsWith("stopping|"));
}

TEST_F(EndpointsTest, StatusSaysWhenTheBooksDoNotBalance) {
  EXPECT_TRUE(GetJson("/status")["balance"]["ok"].GetBool());
  status_.Update([](ServiceStatus& status) { ++status.counters.balance.written; });
  EXPECT_FALSE(GetJson("/status")["balance"]["ok"].GetBool());
}

TEST_F(EndpointsTest, SectionAndFurtherFieldsAreTheSources) {
  status_.Update([](ServiceStatus& status) {
    status.source.kind = "kafka";
    status.source.address = "user:pw@host";
    status.source.more = {
        {"group", std::string("g")}, {"lag", std::int64_t{7}}, {"share", 0.5}, {"paused", false}};
  });
  const rapidjson::Document json = GetJson("/status");
  ASSERT_TRUE(json.HasMember("kafka"));
  EXPECT_FALSE(json.HasMember("mqtt"));
  EXPECT_STREQ(json["kafka"]["group"].GetString(), "g");
  EXPECT_EQ(json["kafka"]["lag"].GetInt(), 7);
  EXPECT_FALSE(json["kafka"]["paused"].GetBool());
}

TEST_F(EndpointsTest, BufferInRowsIsEstimatedWhereItsBoundIsBytes) {
  Endpoints endpoints({.service = "s", .buffer_bytes = 300'000'000}, status_, rejects_, clock_);
  rapidjson::Document json;
  json.Parse(endpoints.Handle({.path = "/status", .query = {}}).body.c_str());
  EXPECT_EQ(json["ingestion"]["buffer_size"].GetInt(),
            1'000'000);  // 140 bytes of payload, 160 else
  EXPECT_DOUBLE_EQ(json["ingestion"]["buffer_utilization"].GetDouble(), 0.25);
}

TEST_F(EndpointsTest, NothingIsDividedByZeroBeforeTheFirstRow) {
  status_.Update([](ServiceStatus& status) {
    status = ServiceStatus();
    status.source.kind = "mqtt";
  });
  const rapidjson::Document json = GetJson("/status");
  EXPECT_EQ(json["database"]["avg_write_time_ms"].GetDouble(), 0);
  EXPECT_EQ(json["batcher"]["pending_batches"].GetInt(), 0);
}

TEST_F(EndpointsTest, AllIsHealthyWhileRowsFlow) {
  EXPECT_EQ(Get("/health").status, 200);
  EXPECT_EQ(Get("/health/live").status, 200);
  EXPECT_EQ(Get("/health/ready").status, 200);
  EXPECT_EQ(Get("/health/ready").body, "{\"status\":\"ready\"}\n");
  EXPECT_STREQ(GetJson("/health")["checks"]["sink"]["status"].GetString(), "ok");
}

TEST_F(EndpointsTest, SickSinkIsNotReadyWithTheReasonButAlive) {
  status_.Update([](ServiceStatus& status) {
    status.sink_health =
        absl::UnauthenticatedError("password authentication failed for postgresql://u:hush@h/d");
  });
  EXPECT_EQ(Get("/health").status, 503);
  EXPECT_EQ(Get("/health/ready").status, 503);
  EXPECT_EQ(Get("/health/live").status, 200);
  EXPECT_EQ(Get("/health/ready").body,
            "{\"status\":\"not_ready\",\"reason\":\"sink: password authentication failed for "
            "postgresql://u:****@h/d\"}\n");
  EXPECT_STREQ(GetJson("/health")["checks"]["sink"]["status"].GetString(), "error");
  EXPECT_STREQ(GetJson("/health")["checks"]["source"]["status"].GetString(), "ok");
}

TEST_F(EndpointsTest, BothReasonsAreSaid) {
  status_.Update([](ServiceStatus& status) {
    status.sink_health = absl::UnavailableError("a");
    status.source_health = absl::UnavailableError("b");
  });
  EXPECT_STREQ(GetJson("/health/ready")["reason"].GetString(), "sink: a; source: b");
}

TEST_F(EndpointsTest, StartingAndDrainingAreNotReadyPausedIs) {
  const auto ready = [&](PipelineState state) {
    status_.Update([&](ServiceStatus& status) { status.state = state; });
    return Get("/health/ready").status;
  };
  EXPECT_EQ(ready(PipelineState::kStarting), 503);
  EXPECT_EQ(ready(PipelineState::kPaused), 200);
  EXPECT_EQ(ready(PipelineState::kDraining), 503);
}

TEST_F(EndpointsTest, UnknownPathsAreNotFound) {
  EXPECT_EQ(Get("/nothing").status, 404);
  EXPECT_EQ(Get("/health/").status, 404);
}

// name{labels} -> value; checks the order of the text on the way.
std::map<std::string, double> ParseMetrics(const std::string& text) {
  std::map<std::string, double> out;
  std::set<std::string> families;
  std::string family;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " twice";
    } else if (!line.starts_with("#")) {
      const std::size_t space = line.rfind(' ');
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_TRUE(out.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second)
          << line;
    }
  }
  return out;
}

TEST_F(EndpointsTest, MetricsHaveBothFamiliesOfNames) {
  const std::map<std::string, double> metrics = ParseMetrics(Get("/metrics").body);
  EXPECT_EQ(metrics.at("data_ingestion_points_received_total"), 1500000);
  EXPECT_EQ(metrics.at("data_ingestion_points_written_total"), 1495000);
  EXPECT_EQ(metrics.at("data_ingestion_points_dropped_total"), 0);
  EXPECT_EQ(metrics.at("data_ingestion_batches_flushed_total"), 301);
  EXPECT_EQ(metrics.at("data_ingestion_parse_errors_total"), 400);
  EXPECT_EQ(metrics.at("data_ingestion_write_errors_total"), 10);
  EXPECT_EQ(metrics.at("data_ingestion_batch_duration_seconds_count"), 300);
  EXPECT_EQ(metrics.at("tsingest_sink_errors_total{sqlstate_class=\"08\"}"), 5);
  EXPECT_EQ(metrics.at("tsingest_sink_errors_total{sqlstate_class=\"none\"}"), 4);
  EXPECT_EQ(metrics.at("tsingest_rejects_total{code=\"syntax\"}"), 400);
  EXPECT_EQ(metrics.at("tsingest_flushes_total{reason=\"linger\"}"), 11);
  EXPECT_EQ(metrics.at("tsingest_sink_up"), 1);
  EXPECT_GT(metrics.at("process_resident_memory_bytes"), 0);
}

TEST_F(EndpointsTest, CountsAreWrittenAsIntegers) {
  const std::string metrics = Get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("tsingest_received_bytes_total 210000000\n"));
  EXPECT_THAT(metrics, HasSubstr("data_ingestion_batch_duration_seconds_bucket{le=\"0.005\"} 100"));
}

TEST_F(EndpointsTest, ExportedBalanceHolds) {
  const std::map<std::string, double> metrics = ParseMetrics(Get("/metrics").body);
  EXPECT_EQ(
      metrics.at("tsingest_rows_received_total"),
      metrics.at("tsingest_rows_written_total") + metrics.at("tsingest_rows_deduplicated_total") +
          metrics.at("tsingest_rows_dead_lettered_total") + metrics.at("tsingest_rows_in_flight"));
}

TEST_F(EndpointsTest, HistogramsAreCumulative) {
  const std::map<std::string, double> metrics = ParseMetrics(Get("/metrics").body);
  EXPECT_EQ(metrics.at("tsingest_batch_write_seconds_bucket{le=\"0.005\"}"), 100);
  EXPECT_EQ(metrics.at("tsingest_batch_write_seconds_bucket{le=\"0.01\"}"), 250);
  EXPECT_EQ(metrics.at("tsingest_batch_write_seconds_bucket{le=\"+Inf\"}"), 300);
  EXPECT_EQ(metrics.at("tsingest_batch_write_seconds_sum"), 2.55);
}

TEST_F(EndpointsTest, LabelsAreEscapedAndExtraFamiliesAreKeptTogether) {
  status_.Update([](ServiceStatus& status) {
    status.source.lag = {{"a\"b\\c\nd/0", 5}};
    status.extra = {
        {.name = "x_total", .help = "X.", .is_counter = true, .labels = {{"k", "1"}}, .value = 1},
        {.name = "y", .help = "Y.", .value = 2.5},
        {.name = "x_total", .help = "X.", .is_counter = true, .labels = {{"k", "2"}}, .value = 3}};
    status.extra_histograms = {{.name = "z_seconds",
                                .help = "Z.",
                                .values = {.bounds = {0.5, 1}, .counts = {2, 1, 1}, .sum = 4.5}}};
  });
  const std::string text = Get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("tsingest_source_lag_messages{stream=\"a\\\"b\\\\c\\nd/0\"} 5\n"));
  const std::map<std::string, double> metrics = ParseMetrics(text);
  EXPECT_EQ(metrics.at("x_total{k=\"2\"}"), 3);
  EXPECT_EQ(metrics.at("y"), 2.5);
  EXPECT_EQ(metrics.at("z_seconds_bucket{le=\"1\"}"), 3);
  EXPECT_EQ(metrics.at("z_seconds_count"), 4);
  EXPECT_EQ(metrics.at("z_seconds_sum"), 4.5);
}

TEST_F(EndpointsTest, LiveGivesOnlySamplesThatAreNew) {
  for (int i = 0; i < 3; ++i) endpoints_.Tick();
  EXPECT_EQ(GetJson("/live.json")["samples"].Size(), 3U);
  const rapidjson::Document json = GetJson("/live.json", {{"since", "2"}});
  ASSERT_EQ(json["samples"].Size(), 1U);
  EXPECT_EQ(json["samples"][0]["n"].GetInt(), 3);
  EXPECT_EQ(json["samples"][0]["written"].GetInt(), 1495000);
  EXPECT_EQ(GetJson("/live.json", {{"since", "999"}})["samples"].Size(), 3U);  // of an earlier run
  EXPECT_EQ(GetJson("/live.json", {{"since", "x"}})["samples"].Size(), 3U);
}

TEST_F(EndpointsTest, LiveKeepsFiveMinutes) {
  for (std::size_t i = 0; i < Endpoints::kSamples + 10; ++i) endpoints_.Tick();
  const rapidjson::Document json = GetJson("/live.json");
  EXPECT_EQ(json["samples"].Size(), Endpoints::kSamples);
  EXPECT_EQ(json["samples"][0]["n"].GetInt(), 11);
}

TEST_F(EndpointsTest, LiveLatencyIsThatOfTheLastSecond) {
  endpoints_.Tick();
  status_.Update([](ServiceStatus& status) { status.counters.write_seconds.counts[2] += 10; });
  endpoints_.Tick();
  endpoints_.Tick();
  const rapidjson::Document json = GetJson("/live.json");
  EXPECT_GT(json["samples"][1]["p50"].GetDouble(), 0.01);
  EXPECT_EQ(json["samples"][2]["p50"].GetDouble(), 0);
}

TEST_F(EndpointsTest, LiveShowsTheNewestRejectsFirstAndCutsPayloads) {
  for (int i = 0; i < 25; ++i) {
    rejects_.Add({.at = {},
                  .stream = "s/0",
                  .position = i,
                  .topic = "",
                  .code = "syntax",
                  .reason = "bad",
                  .payload = std::string(500, '<')});
  }
  const rapidjson::Document json = GetJson("/live.json");
  ASSERT_EQ(json["recent_rejects"].Size(), RecentRejects::kKept);
  EXPECT_EQ(json["recent_rejects"][0]["position"].GetInt(), 24);
  EXPECT_EQ(json["recent_rejects"][0]["payload"].GetStringLength(),
            RecentRejects::kPayloadBytes + 3);
}

TEST_F(EndpointsTest, PageIsSelfContained) {
  const HttpResponse page = Get("/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, Not(testing::ContainsRegex("(src|href)=\"?(https?:)?//")));
  EXPECT_THAT(page.body, Not(HasSubstr("innerHTML")));
  EXPECT_THAT(page.body, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page.headers, testing::Contains(testing::Pair("Content-Security-Policy",
                                                            HasSubstr("default-src 'none'"))));
}

TEST(QuantileBetween, InterpolatesWhatCameBetweenTwoSnapshots) {
  const HistogramSnapshot before{.bounds = {1, 2, 4}, .counts = {5, 0, 0, 0}, .sum = 0};
  const HistogramSnapshot now{.bounds = {1, 2, 4}, .counts = {5, 10, 10, 0}, .sum = 0};
  EXPECT_DOUBLE_EQ(QuantileBetween(before, now, 0.5), 2);
  EXPECT_DOUBLE_EQ(QuantileBetween(before, now, 0.25), 1.5);
  EXPECT_DOUBLE_EQ(QuantileBetween(before, now, 1), 4);
  EXPECT_DOUBLE_EQ(QuantileBetween(now, now, 0.5), 0);
  EXPECT_DOUBLE_EQ(QuantileBetween({}, now, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(QuantileBetween({}, {}, 0.5), 0);
  const HistogramSnapshot above{.bounds = {1, 2, 4}, .counts = {5, 0, 0, 7}, .sum = 0};
  EXPECT_DOUBLE_EQ(QuantileBetween(before, above, 0.5), 4);
}

}  // namespace
}  // namespace tsingest
