#include "source/spool/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tsingest::spool {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// A segment of groups of messages, whose bytes a test may then spoil.
class SpoolScanTest : public ::testing::Test {
 protected:
  void Group(int messages) {
    for (int i = 0; i < messages; ++i) {
      begins_.push_back(content_.size());
      const std::string payload = "payload " + std::to_string(next_);
      AppendMessage({.payload = payload, .topic = "a/b"}, next_++, static_cast<std::uint32_t>(i),
                    &content_);
    }
  }
  SegmentScan Scan(ScanLimits limits = {.first = 10, .durable_end = 10}) const {
    return ScanSegment(content_, limits);
  }
  void Flip(std::size_t at) { content_[at] = static_cast<char>(content_[at] ^ 0x10); }

  std::int64_t next_ = 10;
  std::string content_ = MakeSegmentHeader({.id = {}, .first = 10});
  std::vector<std::size_t> begins_;  // of each record
};

TEST_F(SpoolScanTest, CountsWhatIsWhole) {
  Group(3);
  Group(2);
  const SegmentScan scan = Scan();
  EXPECT_TRUE(scan.ok());
  EXPECT_EQ(scan.messages, 5u);
  EXPECT_EQ(scan.end, 15);
  EXPECT_EQ(scan.proven_end, 13);
  EXPECT_EQ(scan.valid_bytes, content_.size());
  EXPECT_EQ(scan.torn_bytes, 0u);
}

TEST_F(SpoolScanTest, ATailTornAtAnyByteIsCutToTheLastWholeRecord) {
  Group(2);
  Group(3);
  const std::string whole = content_;
  for (std::size_t size = begins_[2]; size < whole.size(); ++size) {
    content_ = whole.substr(0, size);
    const SegmentScan scan = Scan();
    EXPECT_TRUE(scan.ok()) << size;
    const std::size_t records = size >= begins_[4] ? 4 : size >= begins_[3] ? 3 : 2;
    EXPECT_EQ(scan.messages, records) << size;
    EXPECT_EQ(scan.valid_bytes, begins_[records]) << size;
    EXPECT_EQ(scan.torn_bytes, size - begins_[records]) << size;
  }
}

TEST_F(SpoolScanTest, AnUnfinishedLastGroupIsTornEvenWhereLaterRecordsOfItAreWhole) {
  Group(2);
  Group(3);  // a power cut may leave the last page of a write and not the first
  for (std::size_t at = begins_[2]; at < begins_[3]; ++at) content_[at] = 0;
  const SegmentScan scan = Scan();
  EXPECT_TRUE(scan.ok());
  EXPECT_EQ(scan.messages, 2u);
  EXPECT_EQ(scan.torn_bytes, content_.size() - begins_[2]);
}

TEST_F(SpoolScanTest, EveryFlippedBitBeforeTheLastGroupIsDamage) {
  Group(2);
  Group(2);
  const std::string whole = content_;
  for (std::size_t at = begins_[0]; at < begins_[2]; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      content_ = whole;
      content_[at] = static_cast<char>(content_[at] ^ (1 << bit));
      const SegmentScan scan = Scan();
      ASSERT_THAT(scan.damage, SizeIs(1)) << at << " " << bit;
      EXPECT_EQ(scan.lost(), 1);
      EXPECT_EQ(scan.damage[0].first, at < begins_[1] ? 10 : 11);
      EXPECT_EQ(scan.messages, 3u);
      EXPECT_EQ(scan.end, 14);
    }
  }
}

TEST_F(SpoolScanTest, WhatWasKnownToBeDurableIsDamageAlsoInTheLastGroup) {
  Group(3);
  Flip(begins_[1] + kFrameBytes);
  EXPECT_THAT(Scan().damage, IsEmpty());
  const SegmentScan scan = Scan({.first = 10, .durable_end = 13});
  ASSERT_THAT(scan.damage, SizeIs(1));
  EXPECT_EQ(scan.damage[0].first, 11);
  EXPECT_EQ(scan.damage[0].next, 12);
  EXPECT_EQ(scan.messages, 2u);
}

TEST_F(SpoolScanTest, AFileCutAtTheEndOfARecordIsDamageWhenMoreWasDurable) {
  Group(3);
  content_.resize(begins_[2]);
  const SegmentScan scan = Scan({.first = 10, .durable_end = 13});
  ASSERT_THAT(scan.damage, SizeIs(1));
  EXPECT_EQ(scan.damage[0].first, 12);
  EXPECT_EQ(scan.damage[0].next, 13);
  EXPECT_EQ(scan.damage[0].bytes, 0u);
  EXPECT_TRUE(Scan({.first = 10, .durable_end = 12}).ok());
}

TEST_F(SpoolScanTest, SeveralDamagedPlacesAreEachFound) {
  for (int i = 0; i < 6; ++i) Group(1);
  Flip(begins_[1] + 30);
  Flip(begins_[3] + 2);
  const SegmentScan scan = Scan();
  ASSERT_THAT(scan.damage, SizeIs(2));
  EXPECT_EQ(scan.lost(), 2);
  EXPECT_EQ(scan.messages, 4u);
  EXPECT_EQ(scan.end, 16);
}

TEST_F(SpoolScanTest, WhatAFailedWriteLeftBehindIsIgnoredWhenTheNextSegmentHasIt) {
  Group(3);
  content_ += "garbage that a failed fsync has left";
  const SegmentScan scan = Scan({.first = 10, .durable_end = 12, .next_segment = 12});
  EXPECT_TRUE(scan.ok());
  EXPECT_EQ(scan.end, 12);
  EXPECT_EQ(scan.torn_bytes, 0u);
}

TEST_F(SpoolScanTest, ASegmentThatDoesNotReachTheNextOneIsDamaged) {
  Group(3);
  const SegmentScan scan = Scan({.first = 10, .durable_end = 20, .next_segment = 20});
  ASSERT_THAT(scan.damage, SizeIs(1));
  EXPECT_EQ(scan.lost(), 7);
}

TEST_F(SpoolScanTest, ASpoiltHeaderDoesNotHideTheRecords) {
  Group(1);
  Group(1);
  Flip(3);
  const SegmentScan scan = Scan();
  EXPECT_FALSE(scan.header.ok());
  EXPECT_EQ(scan.messages, 2u);
  EXPECT_EQ(scan.proven_end, 11);
}

TEST_F(SpoolScanTest, GapsAreCountedAndPassed) {
  Group(1);
  AppendGap(next_, next_ + 5, &content_);
  next_ += 5;
  Group(1);
  const SegmentScan scan = Scan();
  EXPECT_TRUE(scan.ok());
  EXPECT_EQ(scan.gap_records, 5);
  EXPECT_EQ(scan.messages, 2u);
  EXPECT_EQ(scan.end, 17);
}

}  // namespace
}  // namespace tsingest::spool
