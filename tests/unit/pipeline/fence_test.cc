#include "tsingest/pipeline/fence.h"

#include <gtest/gtest.h>

#include <vector>

namespace tsingest {
namespace {

TEST(Fence, CarriesTheStreams) {
  const std::vector<StreamId> streams{3, 0, 4'294'967'295};
  const absl::Status status = FencedError(streams, "claimed by another instance");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "claimed by another instance");
  EXPECT_EQ(FencedStreams(status), streams);
  EXPECT_EQ(FencedStreams(absl::Status(status)), streams) << "copies keep it";
}

TEST(Fence, OtherStatusesNameNoStream) {
  EXPECT_TRUE(FencedStreams(absl::OkStatus()).empty());
  EXPECT_TRUE(FencedStreams(absl::AbortedError("x")).empty());
  absl::Status odd = absl::AbortedError("x");
  odd.SetPayload(kFencedStreamsPayload, absl::Cord("3,x"));
  EXPECT_TRUE(FencedStreams(odd).empty());
}

}  // namespace
}  // namespace tsingest
