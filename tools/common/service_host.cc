#include "tools/common/service_host.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

namespace tsingest {
namespace {

// Five digits and capital letters: the code of a row that the server refused.
bool IsSqlstate(std::string_view code) {
  return code.size() == 5 && std::ranges::all_of(code, [](char c) {
           return std::isdigit(static_cast<unsigned char>(c)) != 0 || (c >= 'A' && c <= 'Z');
         });
}

RecentReject Recent(const DeadLetter& letter) {
  return {.at = letter.at,
          .stream = std::string(letter.stream),
          .position = letter.position,
          .line = letter.line,
          .topic = std::string(letter.topic),
          .code = std::string(letter.code),
          .reason = std::string(letter.reason),
          .payload = std::string(letter.payload.substr(0, RecentRejects::kPayloadBytes + 1))};
}

}  // namespace

class ServiceHost::Provider final : public StatusProvider {
 public:
  Provider(ServiceHost& host, StatusParts parts) : host_(host), parts_(std::move(parts)) {}

  ServiceStatus Status() override {
    ServiceStatus status;
    status.state = parts_.state();
    status.counters = parts_.counters();
    status.source_health = parts_.source_health();
    status.sink_health = parts_.sink_health();
    // What only the pipeline knows: another instance has taken our streams over.
    const absl::Status health = parts_.health();
    if (status.source_health.ok() && status.sink_health.ok()) status.source_health = health;
    status.sink.connections = host_.common_.writers;
    status.sink.idle_connections = host_.common_.writers - Writing(status.counters);
    {
      MutexLock lock(&host_.mutex_);
      status.sink.errors = host_.errors_;
    }
    if (parts_.more) parts_.more(status);
    return status;
  }

 private:
  // Writers that have a batch.
  int Writing(const CountersSnapshot& counters) const {
    const std::uint64_t flushed =
        std::accumulate(counters.flushes.begin(), counters.flushes.end(), std::uint64_t{0});
    const std::uint64_t pending = flushed - std::min(flushed, counters.batches);
    return static_cast<int>(std::min(pending, static_cast<std::uint64_t>(host_.common_.writers)));
  }

  ServiceHost& host_;
  const StatusParts parts_;
};

ServiceHost::ServiceHost(const CommonSettings& common, Logger& logger)
    : common_(common), logger_(logger) {}

ServiceHost::~ServiceHost() = default;

std::function<void(const DeadLetter&)> ServiceHost::DeadLetterHook() {
  return [this](const DeadLetter& letter) {
    rejects_.Add(Recent(letter));
    if (IsSqlstate(letter.code)) ErrorHook()(letter.code);
  };
}

std::function<void(std::string_view)> ServiceHost::ErrorHook() {
  return [this](std::string_view sqlstate) {
    MutexLock lock(&mutex_);
    ++errors_[sqlstate.empty() ? "none" : std::string(sqlstate)];
  };
}

absl::Status ServiceHost::Start(StatusParts parts) {
  if (common_.http_host.empty()) return absl::OkStatus();
  provider_ = std::make_unique<Provider>(*this, std::move(parts));
  endpoints_ = std::make_unique<Endpoints>(
      EndpointsOptions{.service = common_.service_name,
                       .buffer_rows = static_cast<std::uint64_t>(common_.buffer_rows),
                       .buffer_bytes = common_.buffer_bytes},
      *provider_, rejects_);
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.host = common_.http_host,
       .port = common_.http_port_number,
       .read_timeout = common_.http_read_timeout,
       .write_timeout = common_.http_write_timeout},
      [this](const HttpRequest& request) { return endpoints_->Handle(request); },
      [this] { endpoints_->Tick(); });
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  logger_.Log(LogLevel::kInfo, "http", "serving /health, /status, /metrics and a live page",
              {{"url", server_->url()}});
  return absl::OkStatus();
}

void ServiceHost::Stop() {
  server_.reset();
  endpoints_.reset();
  provider_.reset();
}

std::string ServiceHost::url() const { return server_ == nullptr ? "" : server_->url(); }

}  // namespace tsingest
