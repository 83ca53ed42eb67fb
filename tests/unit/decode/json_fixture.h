// A model with one field of every kind that JSON input can feed, and a decoder that keeps its
// input.
#ifndef TSINGEST_TESTS_UNIT_DECODE_JSON_FIXTURE_H_
#define TSINGEST_TESTS_UNIT_DECODE_JSON_FIXTURE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/json.h"
#include "tsingest/model/model.h"

namespace tsingest::testing {

struct Sample {
  Timestamp time{};
  std::string_view device;
  std::optional<double> temp;
  std::optional<std::int16_t> level;
  std::optional<std::string_view> note;
  std::int32_t quality = 0;
  Json extra;
};

// As Sample, of a message's topic: site/line/device/…
struct Placed {
  std::string_view topic;
  std::string_view site;
  std::optional<std::string_view> tail;
  std::optional<double> value;
  std::optional<std::string_view> text;
};

}  // namespace tsingest::testing

template <>
struct tsingest::Model<tsingest::testing::Sample> {
  using Row = tsingest::testing::Sample;
  static constexpr std::string_view kTable = "sample";
  static constexpr auto kFields = Fields(
      Field("time", &Row::time, From{"ts"}, DefaultToArrival{}),
      Field("device", &Row::device, From{"mac", "meta.mac", "meta.id.serial"}, NotEmpty{},
            MaxLength{20}),
      Field("temp", &Row::temp, From{"data.temp"}, InRange{-90.0, 60.0}),
      Field("level", &Row::level, From{"data.level"}, BoolAsNumber{}), Field("note", &Row::note),
      Field("quality", &Row::quality, Default{192}), Field("extra", &Row::extra, Rest{}));
};

template <>
struct tsingest::Model<tsingest::testing::Placed> {
  using Row = tsingest::testing::Placed;
  static constexpr std::string_view kTable = "placed";
  static constexpr std::string_view kScalarName = "value";
  static constexpr auto kFields = Fields(
      Field("topic", &Row::topic, FromTopic{}),
      Field("site", &Row::site, FromTopicLevel{0}, NotEmpty{}),
      Field("tail", &Row::tail, FromTopicLevel{-3}), Field("value", &Row::value, OnlyNumbers{}),
      Field("text", &Row::text, From{"value"}, OnlyNonNumbers{}));
};

namespace tsingest::testing {

inline constexpr Timestamp kArrival{std::chrono::seconds(1'700'000'000)};

// Decodes message after message with one decoder. Rows view what the object holds.
template <class M>
class JsonDecoding {
 public:
  explicit JsonDecoding(const JsonOptions& options = {}) : decoder_(options) {
    EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  }

  // Decodes onto rows(). Whatever comes behind the payload in memory is not JSON's.
  Reject Decode(std::string_view payload, std::string_view topic = {}) {
    const std::string_view all = arena_.CopyPadded(std::string(payload) + ":true,\"x\":1}],\"\"");
    return decoder_.Decode(
        {.payload = all.substr(0, payload.size()), .topic = topic, .arrival = kArrival}, arena_,
        rows_);
  }

  // The rows of one message that must be accepted.
  const std::vector<M>& Rows(std::string_view payload, std::string_view topic = {}) {
    rows_.clear();
    const Reject reject = Decode(payload, topic);
    EXPECT_FALSE(reject) << payload << "\n" << reject.reason;
    return rows_;
  }
  const M& Row(std::string_view payload, std::string_view topic = {}) {
    EXPECT_EQ(Rows(payload, topic).size(), 1u) << payload;
    if (rows_.empty()) rows_.emplace_back();
    return rows_.back();
  }
  // "code: reason" of a message that must be rejected.
  std::string Why(std::string_view payload, std::string_view topic = {}) {
    const std::size_t before = rows_.size();
    const Reject reject = Decode(payload, topic);
    EXPECT_EQ(rows_.size(), before) << payload;
    return std::string(RejectSlug(reject.code)) + ": " + reject.reason;
  }

  std::vector<M>& rows() { return rows_; }
  Arena& arena() { return arena_; }

 private:
  Arena arena_;
  JsonDecoder<M> decoder_;
  std::vector<M> rows_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_UNIT_DECODE_JSON_FIXTURE_H_
