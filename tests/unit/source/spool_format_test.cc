#include "source/spool/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tsingest::spool {
namespace {

using ::testing::HasSubstr;

SpoolId SomeId() {
  SpoolId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<char>(i * 17);
  return id;
}

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// The bytes that docs/formats/spool.md shows: whoever changes them changes the version.
TEST(SpoolFormatTest, BytesAreThoseOfTheDocument) {
  EXPECT_EQ(Hex(MakeSegmentHeader({.id = SomeId(), .first = 7})),
            "54534953504c5347"
            "01000000"
            "00112233445566778899aabbccddeeff"
            "0700000000000000"
            "0000000000000000"
            "60205dce");
  Message message{.payload = "21.5", .topic = "a/b"};
  message.arrival = Timestamp(std::chrono::microseconds(1'700'000'000'000'000));
  std::string record;
  AppendMessage(message, 7, 0, &record);
  EXPECT_EQ(Hex(record),
            "de4712d0"
            "2b000000"
            "0700000000000000"
            "00000000"
            "01"
            "00"
            "0000"
            "00401e18240a0600"
            "0000000000000000"
            "00000000"
            "03000000"
            "00000000"
            "04000000"
            "00000000"
            "612f62"
            "32312e35");
}

TEST(SpoolFormatTest, AMessageComesBackWhole) {
  const std::string payload("\0binary\xff", 8);
  const std::vector<Header> headers = {{"unit", "C"}, {"", ""}, {"k", ""}};
  Message in{.payload = payload, .key = "key", .topic = "plant/7/temp", .headers = headers};
  in.arrival = Timestamp(std::chrono::microseconds(-5));
  in.position = {3, 10, 11};
  in.omitted_bytes = 1234567;
  std::string bytes;
  AppendMessage(in, 42, 7, &bytes);
  EXPECT_EQ(bytes.size(), MessageRecordBytes(in));

  Frame frame;
  ASSERT_EQ(ParseFrame(bytes, &frame), FrameState::kValid);
  EXPECT_EQ(frame.sequence, 42);
  EXPECT_EQ(frame.group_begin(), 35);
  EXPECT_EQ(frame.next(), 43);
  EXPECT_EQ(frame.size(), bytes.size());
  std::vector<Header> storage;
  Message out;
  ASSERT_TRUE(DecodeMessage(frame, &storage, &out).ok());
  EXPECT_EQ(out.payload, payload);
  EXPECT_EQ(out.key, "key");
  EXPECT_EQ(out.topic, "plant/7/temp");
  EXPECT_EQ(out.arrival, in.arrival);
  EXPECT_EQ(out.omitted_bytes, 1234567u);
  EXPECT_FALSE(out.is_null);
  ASSERT_EQ(out.headers.size(), 3u);
  EXPECT_EQ(out.headers[0].key, "unit");
  EXPECT_EQ(out.headers[0].value, "C");
  EXPECT_EQ(out.headers[2].key, "k");
}

TEST(SpoolFormatTest, ATombstoneStaysOne) {
  std::string bytes;
  AppendMessage({.topic = "t", .is_null = true}, 1, 0, &bytes);
  Frame frame;
  ASSERT_EQ(ParseFrame(bytes, &frame), FrameState::kValid);
  std::vector<Header> storage;
  Message out;
  ASSERT_TRUE(DecodeMessage(frame, &storage, &out).ok());
  EXPECT_TRUE(out.is_null);
}

TEST(SpoolFormatTest, AGapTellsWhereItEnds) {
  std::string bytes;
  AppendGap(5, 9, &bytes);
  Frame frame;
  ASSERT_EQ(ParseFrame(bytes, &frame), FrameState::kValid);
  EXPECT_EQ(frame.kind, RecordKind::kGap);
  EXPECT_EQ(frame.next(), 9);
  bytes.clear();
  AppendGap(5, 5, &bytes);  // ends where it begins
  EXPECT_EQ(ParseFrame(bytes, &frame), FrameState::kInvalid);
}

TEST(SpoolFormatTest, NoFlippedBitAndNoCutPassesForARecord) {
  std::string bytes;
  AppendMessage({.payload = "21.5", .topic = "a/b"}, 7, 2, &bytes);
  Frame frame;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(ParseFrame(flipped, &frame), FrameState::kValid) << "bit " << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(ParseFrame(bytes.substr(0, size), &frame), FrameState::kValid) << "size " << size;
  }
}

TEST(SpoolFormatTest, HeadersAreRefusedBitByBit) {
  for (const std::string& block :
       {MakeSegmentHeader({.id = SomeId(), .first = 7}), MakeIdentity(SomeId()),
        MakeProgress({.id = SomeId(), .committed = 3, .end = 9})}) {
    for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
      std::string flipped = block;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(ParseSegmentHeader(flipped).ok());
      EXPECT_FALSE(ParseIdentity(flipped).ok());
      EXPECT_FALSE(ParseProgress(flipped).ok());
    }
  }
  EXPECT_EQ(ParseIdentity(MakeIdentity(SomeId())).value(), SomeId());
  EXPECT_EQ(ParseProgress(MakeProgress({.id = SomeId(), .committed = 3, .end = 9}))->end, 9);
  EXPECT_EQ(ParseSegmentHeader(MakeSegmentHeader({.id = SomeId(), .first = 7}))->first, 7);
}

TEST(SpoolFormatTest, SegmentNamesAreReadBackAndNothingElseIs) {
  std::int64_t first = 0;
  EXPECT_TRUE(ParseSegmentName(SegmentName(4711), &first));
  EXPECT_EQ(first, 4711);
  EXPECT_EQ(SegmentName(1), "00000000000000000001.segment");
  for (const char* name : {"1.segment", "0000000000000000000x.segment", "progress",
                           "00000000000000000001.segment.damaged", "00000000000000000000.segment",
                           "-0000000000000000001.segment", "99999999999999999999.segment"}) {
    EXPECT_FALSE(ParseSegmentName(name, &first)) << name;
  }
}

}  // namespace
}  // namespace tsingest::spool
