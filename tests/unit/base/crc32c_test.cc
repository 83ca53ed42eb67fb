#include "tsingest/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace tsingest {
namespace {

// RFC 3720, appendix B.4, whose bytes are the least significant first.
TEST(Crc32cTest, GivesTheValuesOfTheStandard) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string up;
  for (char c = 0; c < 32; ++c) up.push_back(c);
  EXPECT_EQ(Crc32c(up), 0x46DD794Eu);
}

TEST(Crc32cTest, TableAndHardwareAgreeAtEveryLengthAndPlace) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 151 + 7));
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t length = 0; length + from <= text.size(); ++length) {
      const std::string_view part = std::string_view(text).substr(from, length);
      EXPECT_EQ(Crc32c(part), ~internal::Crc32cByTable(part, ~0u)) << from << " " << length;
    }
  }
}

TEST(Crc32cTest, GoesOnFromWhatStandsInFront) {
  const std::string text = "the whole is the sum of its parts";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))), Crc32c(text));
  }
}

TEST(Crc32cTest, EveryFlippedBitIsSeen) {
  const std::string text = "a message of a sensor";
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(Crc32c(flipped), Crc32c(text)) << bit;
  }
}

}  // namespace
}  // namespace tsingest
