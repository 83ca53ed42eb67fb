// ServiceHost: the HTTP side of a long-running tool.
//
//   ServiceHost host(common, logger);
//   SinkContext context{.on_dead_letter = host.DeadLetterHook(), .on_error = host.ErrorHook()};
//   … make source, sink, pipeline …
//   absl::Status status = host.Start({.counters = [&] { return pipeline.Counters(); }, …});
//   pipeline.Open(); pipeline.Run();
//   host.Stop();
#ifndef TSINGEST_TOOLS_COMMON_SERVICE_HOST_H_
#define TSINGEST_TOOLS_COMMON_SERVICE_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "tools/common/common_settings.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/counters.h"
#include "tsingest/pipeline/dead_letter.h"
#include "tsingest/pipeline/pipeline_options.h"
#include "tsingest/service/endpoints.h"
#include "tsingest/service/http.h"
#include "tsingest/service/log.h"
#include "tsingest/service/status.h"

namespace tsingest {

// Where the status comes from. All are called on the HTTP thread, several times a second, and must
// be thread-safe and quick. `more` fills in what only the tool knows: the source's section, its lag
// and window, further metrics; may be empty.
struct StatusParts {
  std::function<CountersSnapshot()> counters;
  std::function<PipelineState()> state;
  std::function<absl::Status()> health;  // Pipeline::Health()
  std::function<absl::Status()> source_health;
  std::function<absl::Status()> sink_health;
  std::function<void(ServiceStatus&)> more = {};
};

// Thread-safe hooks; Start() and Stop() belong to one thread.
class ServiceHost {
 public:
  // Borrows both.
  ServiceHost(const CommonSettings& common, Logger& logger);
  ~ServiceHost();
  ServiceHost(const ServiceHost&) = delete;
  ServiceHost& operator=(const ServiceHost&) = delete;

  // For the sink: what the live page and the metrics show of dead letters and failed attempts.
  std::function<void(const DeadLetter&)> DeadLetterHook();
  std::function<void(std::string_view sqlstate)> ErrorHook();

  // Serves from now on, also while the pipeline still starts; with --http off it does nothing. The
  // parts are used until Stop(). Errors as HttpServer::Start().
  absl::Status Start(StatusParts parts);
  void Stop();

  // Where it serves; empty: nowhere.
  std::string url() const;

 private:
  class Provider;

  const CommonSettings& common_;
  Logger& logger_;
  RecentRejects rejects_;
  Mutex mutex_;
  std::map<std::string, std::uint64_t> errors_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Provider> provider_;
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_SERVICE_HOST_H_
