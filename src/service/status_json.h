// The JSON documents of the endpoints.
#ifndef TSINGEST_SRC_SERVICE_STATUS_JSON_H_
#define TSINGEST_SRC_SERVICE_STATUS_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tsingest/service/endpoints.h"
#include "tsingest/service/status.h"

namespace tsingest::internal {

// Why no rows can flow; empty: they can.
std::string NotReadyReason(const ServiceStatus& status);
// Failed attempts to write, over all SQLSTATEs.
std::uint64_t ErrorCount(const SinkStatus& sink);

std::string HealthJson(const ServiceStatus& status, const EndpointsOptions& options,
                       Duration uptime);
std::string ReadyJson(const std::string& not_ready_reason);
// S2's document; the source's section is named after its kind.
std::string StatusJson(const ServiceStatus& status, const EndpointsOptions& options,
                       Duration uptime);

struct LiveInput {
  const ServiceStatus& status;
  const EndpointsOptions& options;
  Duration uptime{};
  Timestamp started{};
  std::vector<LiveSample> samples;
  std::vector<RecentReject> rejects;
};
std::string LiveJson(const LiveInput& input);

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_STATUS_JSON_H_
