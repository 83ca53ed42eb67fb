#include "tsingest/base/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace tsingest {
namespace {

std::string Encode(std::string_view bytes) {
  ByteBuffer out;
  AppendBase64(bytes, out);
  return std::string(out.view());
}

// RFC 4648 section 10.
TEST(Base64, GivesTheVectorsOfTheStandard) {
  EXPECT_EQ(Encode(""), "");
  EXPECT_EQ(Encode("f"), "Zg==");
  EXPECT_EQ(Encode("fo"), "Zm8=");
  EXPECT_EQ(Encode("foo"), "Zm9v");
  EXPECT_EQ(Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(Encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, EncodesHighBytesAndAppends) {
  ByteBuffer out;
  out.Append("x:");
  AppendBase64(std::string_view("\xff\xfe\xfd\x00", 4), out);
  EXPECT_EQ(out.view(), "x://79AA==");
}

TEST(Base64, ReadsBackWhatItWrote) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(DecodeBase64(Encode(bytes)), bytes) << i;
    bytes.push_back(static_cast<char>(i * 7));
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const std::string_view text : {"Zg=", "Z", "Zg==Zg==", "Zm9*", "Zm 9", "===="}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tsingest
