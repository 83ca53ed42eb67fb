#include "source/mqtt/wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "source/mqtt/protocol.h"
#include "support/scripted_broker.h"

namespace tsingest::mqtt {
namespace {

using tsingest::testing::Byte;
using namespace std::string_literals;
using State = VariableInteger::State;

std::string Encoded(std::uint32_t value) {
  ByteBuffer out;
  AppendVariableInteger(value, out);
  return std::string(out.view());
}

// [5] table 1-1: the first and last value of each length.
TEST(MqttWireTest, VariableByteIntegersHaveTheStandardsBytes) {
  EXPECT_EQ(Encoded(0), "\x00"s);
  EXPECT_EQ(Encoded(127), "\x7F"s);
  EXPECT_EQ(Encoded(128), "\x80\x01"s);
  EXPECT_EQ(Encoded(16'383), "\xFF\x7F"s);
  EXPECT_EQ(Encoded(16'384), "\x80\x80\x01"s);
  EXPECT_EQ(Encoded(2'097'151), "\xFF\xFF\x7F"s);
  EXPECT_EQ(Encoded(2'097'152), "\x80\x80\x80\x01"s);
  EXPECT_EQ(Encoded(kMaxVariableByteInteger), "\xFF\xFF\xFF\x7F"s);
}

TEST(MqttWireTest, VariableByteIntegersAreReadBack) {
  for (const std::uint32_t value : {0u, 1u, 127u, 128u, 300u, 16'383u, 16'384u, 2'097'151u,
                                    2'097'152u, 123'456'789u, kMaxVariableByteInteger}) {
    const std::string bytes = Encoded(value);
    const VariableInteger read = ParseVariableInteger(bytes + "rest");
    EXPECT_EQ(read.state, State::kComplete) << value;
    EXPECT_EQ(read.value, value);
    EXPECT_EQ(read.bytes, bytes.size());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_EQ(ParseVariableInteger(bytes.substr(0, cut)).state, State::kIncomplete) << value;
    }
  }
}

TEST(MqttWireTest, AFifthByteOfLengthIsRefused) {
  EXPECT_EQ(ParseVariableInteger("\xFF\xFF\xFF\xFF\x01").state, State::kTooLong);
  EXPECT_EQ(ParseVariableInteger("\x80\x80\x80\x80").state, State::kTooLong);
}

TEST(MqttWireTest, LongerFormsThanNeededAreToldApart) {
  EXPECT_EQ(ParseVariableInteger("\x80\x00"s).state, State::kNotMinimal);
  EXPECT_EQ(ParseVariableInteger("\xFF\x80\x00"s).state, State::kNotMinimal);
  EXPECT_EQ(ParseVariableInteger("\x00"s).state, State::kComplete);
}

TEST(MqttWireTest, FixedHeaderGivesTypeFlagsAndLength) {
  const FixedHeader header = ParseFixedHeader("\x3D\x80\x01"s, Level::kV5);
  EXPECT_EQ(header.state, FixedHeader::State::kComplete);
  EXPECT_EQ(header.type, PacketType::kPublish);
  EXPECT_EQ(header.flags, 0xD);
  EXPECT_EQ(header.remaining, 128u);
  EXPECT_EQ(header.TotalBytes(), 131u);
}

TEST(MqttWireTest, FixedHeaderWaitsForItsLength) {
  EXPECT_EQ(ParseFixedHeader("", Level::kV5).state, FixedHeader::State::kIncomplete);
  EXPECT_EQ(ParseFixedHeader("\x30", Level::kV5).state, FixedHeader::State::kIncomplete);
  EXPECT_EQ(ParseFixedHeader("\x30\x80", Level::kV5).state, FixedHeader::State::kIncomplete);
}

TEST(MqttWireTest, OnlyMqtt5AsksForTheShortestLength) {
  EXPECT_EQ(ParseFixedHeader("\xD0\x80\x00"s, Level::kV5).state, FixedHeader::State::kMalformed);
  EXPECT_EQ(ParseFixedHeader("\xD0\x80\x00"s, Level::kV311).state, FixedHeader::State::kComplete);
}

TEST(MqttWireTest, ReaderNeverPassesTheEnd) {
  const std::string bytes = Byte(0) + Byte(3) + "ab";
  Reader reader(bytes);
  std::string_view text = "unchanged";
  EXPECT_FALSE(reader.ReadPrefixed(&text));
  EXPECT_EQ(text, "unchanged");
  EXPECT_EQ(reader.size(), 4u);
  std::uint32_t number = 0;
  EXPECT_TRUE(reader.ReadU32(&number));
  EXPECT_EQ(number, 0x00036162u);
  std::uint8_t byte = 0;
  EXPECT_FALSE(reader.ReadByte(&byte));
}

TEST(MqttWireTest, StringsHoldNeitherNulNorBadUtf8) {
  EXPECT_TRUE(IsValidString("Grüße/°C"));
  EXPECT_TRUE(IsValidString(""));
  EXPECT_FALSE(IsValidString("a\0b"s));
  EXPECT_FALSE(IsValidString("\xC3"));
  EXPECT_FALSE(IsValidString("\xED\xA0\x80"));      // a surrogate
  EXPECT_FALSE(IsValidString("\xC0\xAF"));          // overlong
  EXPECT_TRUE(IsValidString("\xEF\xBB\xBFtopic"));  // U+FEFF is not a byte order mark (1.5.4-3)
}

}  // namespace
}  // namespace tsingest::mqtt
