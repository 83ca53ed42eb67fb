// The stages below the records: decompression and transcoding of input in any pieces.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "source/csv/byte_stream.h"
#include "source/csv/content_stream.h"
#include "source/csv/decompress.h"
#include "source/csv/transcode.h"
#include "unit/source/csv_reading.h"

namespace tsingest::csv {
namespace {

constexpr MonotonicTime kNow = MonotonicTime::min();

// A text in pieces of one size, with nothing in between each.
class Trickle final : public ByteStream {
 public:
  Trickle(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  absl::StatusOr<ReadResult> Read(char* out, std::size_t capacity, MonotonicTime) override {
    if (at_ == text_.size()) return ReadResult{0, true};
    if (std::exchange(idle_, !idle_)) return ReadResult{};
    const std::size_t size = std::min({piece_, capacity, text_.size() - at_});
    std::memcpy(out, text_.data() + at_, size);
    at_ += size;
    return ReadResult{size, false};
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t at_ = 0;
  bool idle_ = false;
};

struct Everything {
  std::string text;
  absl::Status status;
};

Everything ReadAll(ByteStream& stream, std::size_t capacity = 64) {
  Everything all;
  std::string buffer(capacity, '\0');
  for (;;) {
    const absl::StatusOr<ReadResult> read = stream.Read(buffer.data(), capacity, kNow);
    if (!read.ok()) {
      all.status = read.status();
      return all;
    }
    all.text.append(buffer, 0, read->size);
    if (read->end) return all;
  }
}

Everything ReadContent(std::string_view bytes, std::size_t piece, std::size_t capacity = 64,
                       std::string encoding = "") {
  ContentStream content(std::make_unique<Trickle>(std::string(bytes), piece), std::move(encoding));
  return ReadAll(content, capacity);
}

std::string SomeText(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i % 7919) + ",";
  return text;
}

TEST(CsvContentTest, DecompressesInAnyPieces) {
  const std::string text = SomeText(20'000);
  const std::string gzip = testing::Gzip(text.substr(0, 7000)) + testing::Gzip(text.substr(7000));
  const std::string zstd = testing::Zstd(text.substr(0, 7000)) + testing::Zstd(text.substr(7000));
  for (const std::size_t piece : {1u, 3u, 1000u, 100'000u}) {
    for (const std::size_t capacity : {64u, 20'000u, 100'000u}) {
      for (const std::string& packed : {gzip, zstd, text}) {
        const Everything all = ReadContent(packed, piece, capacity);
        EXPECT_TRUE(all.status.ok()) << all.status;
        EXPECT_EQ(all.text == text, true) << piece << " " << capacity;
      }
    }
  }
}

// Wherever an archive is cut there is an error, and what came before it is right.
TEST(CsvContentTest, EveryCutIsNoticed) {
  const std::string text = SomeText(500);
  for (const std::string& packed : {testing::Gzip(text), testing::Zstd(text)}) {
    for (std::size_t size = kSignatureBytes; size < packed.size(); ++size) {
      const Everything all = ReadContent(packed.substr(0, size), 100);
      EXPECT_EQ(all.status.code(), absl::StatusCode::kDataLoss) << size;
      EXPECT_TRUE(text.starts_with(all.text)) << size;
    }
  }
}

TEST(CsvContentTest, ErrorsStay) {
  std::string packed = testing::Gzip(SomeText(500));
  packed.pop_back();
  ContentStream content(std::make_unique<Trickle>(packed, 100), "");
  const absl::Status first = ReadAll(content).status;
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(ReadAll(content).status, first);
}

TEST(CsvContentTest, ShortTextsAreTextAfterAll) {
  for (const std::string_view text : {"", "a", "a\n", "\x1f", "a\n1\n", "\x28\xB5"}) {
    EXPECT_EQ(ReadContent(text, 1).text, text);
  }
}

TEST(CsvContentTest, NeedsNoMoreBytesThanTellTheKind) {
  EXPECT_FALSE(MayBeSignature("a"));
  EXPECT_TRUE(MayBeSignature(""));
  EXPECT_TRUE(MayBeSignature("P"));
  EXPECT_FALSE(MayBeSignature("Pa"));
  EXPECT_TRUE(MayBeSignature("\x1f"));
  EXPECT_FALSE(MayBeSignature("\x1f\x8b"));
  EXPECT_TRUE(MayBeSignature("\x50\x2A"));
}

TEST(CsvContentTest, TranscodesInAnyPieces) {
  std::string utf16;
  std::string utf8;
  for (int i = 0; i < 3000; ++i) {
    utf16 += std::string_view("\x41\x00\xE9\x00\xAC\x20\x3D\xD8\x00\xDE", 10);
    utf8 += "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  }
  for (const std::size_t piece : {1u, 3u, 7u, 100'000u}) {
    for (const std::size_t capacity : {64u, 100'000u}) {
      const Everything all = ReadContent("\xFF\xFE" + utf16, piece, capacity);
      EXPECT_TRUE(all.status.ok());
      EXPECT_EQ(all.text == utf8, true) << piece << " " << capacity;
    }
  }
}

TEST(CsvContentTest, WhatIsNoCharacterBecomesAByteThatIsNeverValid) {
  EXPECT_EQ(ReadContent("a\xff\xff"
                        "b",
                        1, 64, "ASCII")
                .text,
            "a\xff\xff"
            "b");
  EXPECT_EQ(ReadContent(std::string("a\0\x00\xD8"
                                    "b\0c",
                                    7),
                        1, 64, "UTF-16LE")
                .text,
            "a\xff"
            "b\xff");  // half a pair, and half a unit at the end
}

TEST(CsvEncodingTest, MarksTellTheEncoding) {
  using namespace std::string_view_literals;
  const auto detect = [](std::string_view start, std::string_view wanted) {
    const Encoding encoding = DetectEncoding(start, wanted);
    return encoding.name + " " + std::to_string(encoding.mark_bytes);
  };
  EXPECT_EQ(detect("abc", ""), "UTF-8 0");
  EXPECT_EQ(detect("\xEF\xBB\xBF"sv, ""), "UTF-8 3");
  EXPECT_EQ(detect("\xEF\xBB\xBF"sv, "utf8"), "UTF-8 3");
  EXPECT_EQ(detect("\xFF\xFE"
                   "a\0"sv,
                   ""),
            "UTF-16LE 2");
  EXPECT_EQ(detect("\xFF\xFE\0\0"sv, ""), "UTF-32LE 4");
  EXPECT_EQ(detect("\0\0\xFE\xFF"sv, ""), "UTF-32BE 4");
  EXPECT_EQ(detect("\xFE\xFF\0a"sv, "utf-16"), "UTF-16BE 2");
  EXPECT_EQ(detect("\xFE\xFF\0a"sv, "utf-16be"), "UTF-16BE 2");
  EXPECT_EQ(detect("a\0b\0c\0d\0"sv, ""), "UTF-16LE 0");
  EXPECT_EQ(detect("\0a\0b\0c\0d"sv, ""), "UTF-16BE 0");
  EXPECT_EQ(detect("\xe4\xf6\xfc"sv, "utf-16"), "UTF-16LE 0");
  EXPECT_EQ(detect("\xEF\xBB\xBF"sv, "latin1"), "LATIN1 0");  // as asked
  EXPECT_EQ(detect("ab\0d"sv, ""), "UTF-8 0");
}

}  // namespace
}  // namespace tsingest::csv
