#include "tsingest/service/endpoints.h"

#include <chrono>
#include <cstdlib>
#include <utility>
#include <vector>

#include "service/live_page.h"
#include "service/metrics_text.h"
#include "service/status_json.h"

namespace tsingest {
namespace {

HttpResponse LivePage() {
  return {.content_type = "text/html; charset=utf-8",
          .body = std::string(internal::kLivePage),
          .headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"},
                      {"Referrer-Policy", "no-referrer"}}};
}

HttpResponse NotFound() {
  return {.status = 404,
          .content_type = "text/plain; charset=utf-8",
          .body =
              "not found; there are /, /health, /health/live, /health/ready, /status, /metrics "
              "and /live.json\n"};
}

}  // namespace

Endpoints::Endpoints(EndpointsOptions options, StatusProvider& provider,
                     const RecentRejects& rejects, Clock& clock)
    : options_(std::move(options)),
      provider_(provider),
      rejects_(rejects),
      clock_(clock),
      started_(clock.Now()),
      started_at_(clock.WallNow()) {}

HttpResponse Endpoints::Handle(const HttpRequest& request) {
  if (request.path == "/") return LivePage();
  if (request.path == "/health") return Health();
  if (request.path == "/health/live") return {.body = "{\"status\":\"alive\"}\n"};
  if (request.path == "/health/ready") return Ready();
  if (request.path == "/status") {
    return {.body = internal::StatusJson(provider_.Status(), options_, Uptime())};
  }
  if (request.path == "/metrics") return Metrics();
  if (request.path == "/live.json") return Live(request);
  return NotFound();
}

HttpResponse Endpoints::Health() const {
  const ServiceStatus status = provider_.Status();
  return {.status = internal::NotReadyReason(status).empty() ? 200 : 503,
          .body = internal::HealthJson(status, options_, Uptime())};
}

HttpResponse Endpoints::Ready() const {
  const std::string reason = internal::NotReadyReason(provider_.Status());
  return {.status = reason.empty() ? 200 : 503, .body = internal::ReadyJson(reason)};
}

HttpResponse Endpoints::Metrics() const {
  const double started = static_cast<double>(started_at_.time_since_epoch().count()) * 1e-6;
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = internal::ServiceMetrics(provider_.Status(), options_.buffer_bytes, started)};
}

void Endpoints::Tick() {
  const ServiceStatus status = provider_.Status();
  const auto now = std::chrono::floor<std::chrono::milliseconds>(clock_.WallNow());
  const CountersSnapshot& counters = status.counters;
  MutexLock lock(&mutex_);
  const CountersSnapshot& last = last_counters_;
  samples_.push_back(
      {.number = next_sample_++,
       .at_ms = now.time_since_epoch().count(),
       .balance = counters.balance,
       .errors = internal::ErrorCount(status.sink),
       .buffered_bytes = counters.buffered_bytes,
       .window_used = status.source.window_used,
       .write_p50 = QuantileBetween(last.write_seconds, counters.write_seconds, 0.50),
       .write_p99 = QuantileBetween(last.write_seconds, counters.write_seconds, 0.99),
       .age_p99 = QuantileBetween(last.age_seconds, counters.age_seconds, 0.99)});
  last_counters_ = counters;
  if (samples_.size() > kSamples) samples_.pop_front();
}

HttpResponse Endpoints::Live(const HttpRequest& request) {
  const auto query = request.query.find("since");
  const std::uint64_t since =
      query == request.query.end() ? 0 : std::strtoull(query->second.c_str(), nullptr, 10);
  const ServiceStatus status = provider_.Status();
  internal::LiveInput input{.status = status,
                            .options = options_,
                            .uptime = Uptime(),
                            .started = started_at_,
                            .samples = {},
                            .rejects = rejects_.Get()};
  {
    MutexLock lock(&mutex_);
    // A number from before a restart of the tool says nothing.
    const std::uint64_t after = since < next_sample_ ? since : 0;
    for (const LiveSample& sample : samples_) {
      if (sample.number > after) input.samples.push_back(sample);
    }
  }
  return {.body = internal::LiveJson(input)};
}

}  // namespace tsingest
