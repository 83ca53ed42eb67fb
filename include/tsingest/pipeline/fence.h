// How a sink says which streams it was fenced from.
#ifndef TSINGEST_PIPELINE_FENCE_H_
#define TSINGEST_PIPELINE_FENCE_H_

#include <charconv>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "tsingest/pipeline/message.h"

namespace tsingest {

inline constexpr char kFencedStreamsPayload[] = "tsingest/fenced-streams";

// kAborted with the streams that another instance has claimed. `message` names them and says what
// follows: "stream sensors/3 was claimed by another instance at …; …".
inline absl::Status FencedError(std::span<const StreamId> streams, std::string_view message) {
  absl::Status status = absl::AbortedError(std::string(message));
  std::string list;
  for (const StreamId stream : streams) list += std::to_string(stream) + ",";
  status.SetPayload(kFencedStreamsPayload, absl::Cord(list));
  return status;
}

// The streams of a FencedError(). Empty for any other status: which streams is not known.
inline std::vector<StreamId> FencedStreams(const absl::Status& status) {
  std::vector<StreamId> streams;
  const auto payload = status.GetPayload(kFencedStreamsPayload);
  if (!payload.has_value()) return streams;
  const std::string list(*payload);
  const char* p = list.data();
  const char* const end = p + list.size();
  while (p < end) {
    StreamId stream = 0;
    const auto [next, error] = std::from_chars(p, end, stream);
    if (error != std::errc()) return {};
    streams.push_back(stream);
    p = next + 1;
  }
  return streams;
}

}  // namespace tsingest

#endif  // TSINGEST_PIPELINE_FENCE_H_
