#include "tsingest/source/spool_maintenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "source/spool/format.h"
#include "unit/source/spool_fixture.h"

namespace tsingest::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SpoolMaintenanceTest : public ::testing::Test {
 protected:
  // A spool with `count` messages, each a group of its own, in segments of about ten.
  void Fill(int count) {
    FedSource inner;
    SpooledSource source(inner, {.directory = Path(), .max_bytes = 1 << 20, .segment_bytes = 800});
    ASSERT_TRUE(source.Start().ok());
    for (int i = 0; i < count; ++i) {
      inner.Feed(Texts("m", 1, i));
      const auto until = SystemClock().Now() + std::chrono::seconds(30);
      while (inner.acknowledged() <= i && SystemClock().Now() < until) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
    ASSERT_EQ(inner.acknowledged(), count);
    ASSERT_TRUE(source.Close().ok());
  }
  std::string Path() const { return dir_.Path("spool"); }
  std::string Segment(std::size_t index) const {
    return InspectSpool(Path())->segments.at(index).path;
  }
  void Spoil(const std::string& path, std::size_t at) {
    std::string bytes = ReadFile(path);
    bytes.at(at) ^= 4;
    dir_.Write("spool/" + std::filesystem::path(path).filename().string(), bytes);
  }
  std::vector<std::string> Messages() const {
    std::vector<std::string> out;
    EXPECT_TRUE(ReadSpoolMessages(Path(), 1000, [&](const Message& message) {
                  out.emplace_back(message.payload);
                }).ok());
    return out;
  }
  static std::vector<std::string> Without(std::vector<std::string> all,
                                          const std::vector<std::size_t>& gone) {
    for (std::size_t i = gone.size(); i-- > 0;) {
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(gone[i]));
    }
    return all;
  }

  TempDir dir_;
};

TEST_F(SpoolMaintenanceTest, TellsWhatIsThere) {
  Fill(30);
  const absl::StatusOr<SpoolReport> report = InspectSpool(Path());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
  EXPECT_THAT(report->id, SizeIs(32));
  EXPECT_EQ(report->committed, 1);
  EXPECT_FALSE(report->in_use);
  EXPECT_GE(report->segments.size(), 3u);
  EXPECT_EQ(report->segments.front().first, 1);
  EXPECT_EQ(report->segments.back().end, 31);
  EXPECT_THAT(Messages(), ElementsAreArray(Texts("m", 30)));
}

TEST_F(SpoolMaintenanceTest, MayLookWhileTheSpoolIsInUseButNotMend) {
  Fill(5);
  FedSource inner;
  SpooledSource source(inner, {.directory = Path(), .max_bytes = 1 << 20});
  ASSERT_TRUE(source.Start().ok());
  EXPECT_TRUE(InspectSpool(Path())->in_use);
  EXPECT_EQ(RepairSpool(Path()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SpoolMaintenanceTest, WhatIsNoSpoolIsSaidToBeNone) {
  EXPECT_EQ(InspectSpool(dir_.Path("nothing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(RepairSpool(dir_.Path("nothing")).ok());
}

TEST_F(SpoolMaintenanceTest, RepairOfAWellSpoolChangesNothing) {
  Fill(30);
  const std::string before = ReadFile(Segment(1));
  const absl::StatusOr<SpoolRepairReport> report = RepairSpool(Path());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rebuilt, 0u);
  EXPECT_THAT(report->set_aside, IsEmpty());
  EXPECT_EQ(ReadFile(Segment(1)), before);
}

TEST_F(SpoolMaintenanceTest, RepairKeepsAllButTheDamagedRecords) {
  Fill(30);
  Spoil(Segment(0), spool::kSegmentHeaderBytes + 5);   // record 1
  Spoil(Segment(1), spool::kSegmentHeaderBytes + 30);  // the first of the second segment
  const auto second = static_cast<std::size_t>(InspectSpool(Path())->segments[1].first);
  EXPECT_FALSE(InspectSpool(Path())->ok());
  const std::string spoilt = ReadFile(Segment(0));

  const absl::StatusOr<SpoolRepairReport> report = RepairSpool(Path());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rebuilt, 2u);
  EXPECT_EQ(report->lost_records, 2);
  ASSERT_THAT(report->set_aside, SizeIs(2));
  EXPECT_EQ(ReadFile(report->set_aside[0]), spoilt);  // nothing is thrown away
  const absl::StatusOr<SpoolReport> after = InspectSpool(Path());
  EXPECT_TRUE(after->ok());
  EXPECT_EQ(after->segments[0].gap_records, 1);
  EXPECT_EQ(after->segments.back().end, 31);  // numbers are as before
  EXPECT_THAT(Messages(), ElementsAreArray(Without(Texts("m", 30), {0, second - 1})));
  EXPECT_EQ(RepairSpool(Path())->rebuilt, 0u);
}

TEST_F(SpoolMaintenanceTest, AMissingSegmentBecomesAGap) {
  Fill(30);
  const SpoolSegmentReport gone = InspectSpool(Path())->segments.at(1);
  std::filesystem::remove(gone.path);
  EXPECT_FALSE(InspectSpool(Path())->ok());
  const absl::StatusOr<SpoolRepairReport> report = RepairSpool(Path());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->lost_records, gone.end - gone.first);
  EXPECT_TRUE(InspectSpool(Path())->ok());
}

TEST_F(SpoolMaintenanceTest, ASpoiltHeaderAndASpoiltIdentityAreRestored) {
  Fill(30);
  const std::string id = InspectSpool(Path())->id;
  Spoil(Segment(1), 20);
  Spoil(Path() + "/spool", 15);
  EXPECT_EQ(InspectSpool(Path()).status().code(), absl::StatusCode::kDataLoss);
  const absl::StatusOr<SpoolRepairReport> report = RepairSpool(Path());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->id, id);
  EXPECT_EQ(report->lost_records, 0);
  EXPECT_THAT(Messages(), ElementsAreArray(Texts("m", 30)));
}

TEST_F(SpoolMaintenanceTest, ANewIdMakesEverythingUnreadAgain) {
  Fill(30);
  const std::string id = InspectSpool(Path())->id;
  const absl::StatusOr<SpoolRepairReport> report = RepairSpool(Path(), {.new_id = true});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_NE(report->id, id);
  EXPECT_TRUE(InspectSpool(Path())->ok());
  EXPECT_EQ(InspectSpool(Path())->committed, std::nullopt);
  EXPECT_THAT(Messages(), ElementsAreArray(Texts("m", 30)));
}

}  // namespace
}  // namespace tsingest::testing
