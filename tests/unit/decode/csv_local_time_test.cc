// Local times that come twice: which coming is meant is told by the order of a device's rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/decode/csv.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "tsingest/model/civil_time.h"
#include "tsingest/model/model.h"
#include "tsingest/model/time_zone.h"

namespace tsingest {

struct TwoTimes {
  Timestamp at{};
  std::optional<Timestamp> until;
  std::string_view device;
};

template <>
struct Model<TwoTimes> {
  static constexpr std::string_view kTable = "two_times";
  static constexpr auto kFields =
      Fields(Field("at", &TwoTimes::at), Field("until", &TwoTimes::until),
             Field("device", &TwoTimes::device));
  static constexpr Layout kLayout{.time_column = "at",
                                  .segment_by = "device",
                                  .order_by = "",
                                  .chunk_interval = "",
                                  .compress_after = "",
                                  .retention = ""};
};

struct WithoutDevice {
  Timestamp at{};
  double value = 0;
};

template <>
struct Model<WithoutDevice> {
  static constexpr std::string_view kTable = "without_device";
  static constexpr auto kFields =
      Fields(Field("at", &WithoutDevice::at), Field("value", &WithoutDevice::value));
};

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// In Berlin clocks were put back from 03:00 to 02:00 on 2024-10-27.
template <class M>
class Berlin {
 public:
  explicit Berlin(std::vector<std::string> columns, AmbiguousTime ambiguous = AmbiguousTime::kOrder,
                  CsvOptions options = {}) {
    options.parse.time.zone = zone_.get();
    options.parse.time.ambiguous = ambiguous;
    decoder_ = std::make_unique<CsvDecoder<M>>(std::move(options));
    header_.names = std::move(columns);
    EXPECT_TRUE(decoder_->SetHeader(header_).ok());
  }

  void BeginFile() { EXPECT_TRUE(decoder_->SetHeader(header_).ok()); }

  Reject Decode(const std::string& record, std::int64_t offset) {
    return decoder_->Decode(Input(record, offset), arena_, rows_);
  }
  void Relearn(const std::string& record) {
    const std::size_t before = rows_.size();
    decoder_->Relearn(Input(record, ++offset_), arena_, rows_);
    rows_.resize(before);
  }

  // "first" and "second" for a time of the hour that came twice, else the instant; or the reason.
  std::string Read(const std::string& time, const std::string& rest) {
    const Reject reject = Decode("2024-10-27 " + time + "," + rest, ++offset_);
    return reject ? reject.reason : Told(FormatTimestamp(Time()));
  }
  std::string Again(const std::string& time, const std::string& rest) {
    --offset_;
    return Read(time, rest);
  }

  static std::string Told(const std::string& instant) {
    if (instant.starts_with("2024-10-27T00:")) return "first";
    return instant.starts_with("2024-10-27T01:") ? "second" : instant;
  }
  std::vector<M>& rows() { return rows_; }
  const CsvDecoder<M>& decoder() const { return *decoder_; }

 private:
  DecodeInput Input(const std::string& record, std::int64_t offset) {
    return {.payload = arena_.CopyPadded(record), .topic = {}, .arrival = {}, .offset = offset};
  }
  Timestamp Time() const {
    if constexpr (requires { rows_.back().ts; }) return rows_.back().ts;
    if constexpr (requires { rows_.back().timestamp; }) return rows_.back().timestamp;
    if constexpr (requires { rows_.back().at; }) return rows_.back().at;
  }

  std::unique_ptr<AbslTimeZone> zone_ = *AbslTimeZone::Load("Europe/Berlin");
  CsvHeader header_;
  std::unique_ptr<CsvDecoder<M>> decoder_;
  Arena arena_;
  std::vector<M> rows_;
  std::int64_t offset_ = 0;
};

using Sensors = Berlin<SensorReading>;
const std::vector<std::string> kSensor = {"ts", "device_id"};

TEST(CsvLocalTimeTest, GoingBackInTheHourIsItsSecondComing) {
  Sensors csv(kSensor);
  EXPECT_EQ(csv.Read("01:50", "a"), "2024-10-26T23:50:00.000000Z");
  EXPECT_EQ(csv.Read("02:10", "a"), "first");
  EXPECT_EQ(csv.Read("02:40", "a"), "first");
  EXPECT_EQ(csv.Read("02:10", "a"), "second");
  EXPECT_EQ(csv.Read("02:40", "a"), "second");
  EXPECT_EQ(csv.Read("03:10", "a"), "2024-10-27T02:10:00.000000Z");
}

TEST(CsvLocalTimeTest, EachDeviceHasItsOwnOrder) {
  Sensors csv(kSensor);
  csv.Read("01:50", "a");
  csv.Read("01:55", "b");
  EXPECT_EQ(csv.Read("02:50", "a"), "first");
  EXPECT_EQ(csv.Read("02:20", "b"), "first");
  EXPECT_EQ(csv.Read("02:10", "a"), "second");
  EXPECT_EQ(csv.Read("02:30", "b"), "first");
}

TEST(CsvLocalTimeTest, KeyAndSegmentTellSeriesApart) {
  Berlin<IotMeasurement> csv({"timestamp", "device_id", "pin", "value"});
  csv.Read("01:50", "a,1,5");
  csv.Read("01:50", "a,2,5");
  EXPECT_EQ(csv.Read("02:10", "a,1,5"), "first");
  EXPECT_EQ(csv.Read("02:05", "a,2,5"), "first");
}

TEST(CsvLocalTimeTest, WithoutARowBeforeOrderDoesNotTell) {
  Sensors csv(kSensor);
  EXPECT_THAT(csv.Read("02:10", "a"),
              AllOf(HasSubstr("ts: \"2024-10-27T02:10:00\""), HasSubstr("--ambiguous-time"),
                    HasSubstr("no row of the same device")));
  EXPECT_THAT(csv.Read("02:20", "a"), HasSubstr("--ambiguous-time"));  // a reject teaches nothing
  EXPECT_EQ(csv.Decode("2024-10-27 02:10,a", 99).code, RejectCode::kTime);
}

TEST(CsvLocalTimeTest, AfterAGapOrderDoesNotTell) {
  Sensors csv(kSensor);
  csv.Read("00:30", "a");
  EXPECT_THAT(csv.Read("02:10", "a"), HasSubstr("no row of the same device stands shortly before"));
  csv.Read("01:05", "b");
  EXPECT_THAT(csv.Read("02:10", "b"), HasSubstr("shortly before"));
  EXPECT_EQ(csv.Read("02:05", "b"), "first");  // an hour at most
}

TEST(CsvLocalTimeTest, TheSameTimeAgainDoesNotTell) {
  Sensors csv(kSensor);
  csv.Read("01:00", "a");
  EXPECT_EQ(csv.Read("02:00", "a"), "first");
  EXPECT_THAT(csv.Read("02:00", "a"), HasSubstr("the row before has the same time"));
  EXPECT_EQ(csv.Read("03:00", "a"), "2024-10-27T02:00:00.000000Z");
}

TEST(CsvLocalTimeTest, GoingBackTwiceDoesNotTell) {
  Sensors csv(kSensor);
  csv.Read("01:50", "a");
  csv.Read("02:30", "a");
  EXPECT_EQ(csv.Read("02:20", "a"), "second");
  EXPECT_THAT(csv.Read("02:10", "a"), HasSubstr("go back in time more than once"));
  EXPECT_EQ(csv.Read("02:21", "a"), "second");
}

TEST(CsvLocalTimeTest, ALateRowFromBeforeTheHourChangesNothing) {
  Sensors csv(kSensor);
  csv.Read("01:50", "a");
  csv.Read("02:30", "a");
  csv.Read("02:20", "a");
  csv.Read("01:59", "a");
  EXPECT_EQ(csv.Read("02:25", "a"), "second");
  csv.Read("03:05", "a");
  EXPECT_THAT(csv.Read("02:55", "a"), HasSubstr("no row of the same device"));  // the hour is over
}

TEST(CsvLocalTimeTest, ARecordDecodedTwiceIsOneRow) {
  Sensors csv(kSensor);
  csv.Read("01:50", "a");
  EXPECT_EQ(csv.Again("01:50", "a"), "2024-10-26T23:50:00.000000Z");
  EXPECT_EQ(csv.Read("02:30", "a"), "first");
  EXPECT_EQ(csv.Again("02:30", "a"), "first");
  EXPECT_EQ(csv.Read("02:10", "a"), "second");
  EXPECT_EQ(csv.Again("02:10", "a"), "second");
  EXPECT_EQ(csv.Read("02:11", "a"), "second");
}

TEST(CsvLocalTimeTest, ARejectedRowIsNoneOfTheOrder) {
  Sensors csv({"ts", "device_id", "temp"});
  csv.Read("01:50", "a,1");
  csv.Read("02:30", "a,1");
  EXPECT_THAT(csv.Read("02:10", "a,warm"), HasSubstr("temp"));
  EXPECT_EQ(csv.Read("02:40", "a,1"), "first");
}

TEST(CsvLocalTimeTest, AnotherFileBeginsAnew) {
  Sensors csv(kSensor);
  csv.Read("01:50", "a");
  csv.Read("02:30", "a");
  csv.BeginFile();
  EXPECT_THAT(csv.Read("02:10", "a"), HasSubstr("--ambiguous-time"));
}

TEST(CsvLocalTimeTest, RelearnedRecordsTellAsIfThereHadBeenOneRun) {
  Sensors csv(kSensor);
  csv.Relearn("2024-10-27 01:50,a");
  csv.Relearn(",");
  csv.Relearn("2024-10-27 02:30,a");
  EXPECT_EQ(csv.Read("02:10", "a"), "second");
  EXPECT_EQ(csv.rows().size(), 1u);
  EXPECT_EQ(csv.decoder().empty_records(), 0u);
}

TEST(CsvLocalTimeTest, TheFlagChoosesOrRejects) {
  Sensors earlier(kSensor, AmbiguousTime::kEarlier);
  EXPECT_EQ(earlier.Read("02:10", "a"), "first");
  EXPECT_EQ(earlier.Read("02:10", "a"), "first");
  Sensors later(kSensor, AmbiguousTime::kLater);
  EXPECT_EQ(later.Read("02:10", "a"), "second");
  EXPECT_EQ(later.Read("03:10", "a"), "2024-10-27T02:10:00.000000Z");
  Sensors reject(kSensor, AmbiguousTime::kReject);
  reject.Read("01:50", "a");
  EXPECT_THAT(reject.Read("02:10", "a"), HasSubstr("came twice"));
}

TEST(CsvLocalTimeTest, WrittenOffsetsAndUtcAreNeverAmbiguous) {
  Sensors csv(kSensor);
  EXPECT_EQ(csv.Read("02:10+02:00", "a"), "first");
  EXPECT_EQ(csv.Read("02:10+01:00", "a"), "second");
  EXPECT_EQ(csv.Read("00:10Z", "a"), "first");
}

TEST(CsvLocalTimeTest, ATimeThatNeverCameIsRejected) {
  Sensors csv(kSensor);
  EXPECT_THAT(csv.Decode("2024-03-31 02:10,a", 1).reason, HasSubstr("does not exist"));
}

TEST(CsvLocalTimeTest, EachTimeFieldHasItsOwnOrder) {
  Berlin<TwoTimes> csv({"at", "device", "until"});
  csv.Read("01:50", "a,2024-10-27 01:55");
  EXPECT_EQ(csv.Read("02:40", "a,2024-10-27 02:45"), "first");
  EXPECT_EQ(csv.Read("02:50", "a,2024-10-27 02:05"), "first");
  EXPECT_EQ(FormatTimestamp(*csv.rows().back().until), "2024-10-27T01:05:00.000000Z");
  // One of them is not told: the row is rejected, and neither learns from it.
  EXPECT_THAT(csv.Read("02:10", "a,2024-10-27 02:05"), HasSubstr("until: "));
  EXPECT_EQ(csv.Read("02:55", "a,2024-10-27 02:15"), "first");
}

TEST(CsvLocalTimeTest, UnpivotedRowsShareTheirRecordsTime) {
  CsvOptions options;
  options.unpivot = {{"t", "C"}, {"h", "%"}};
  Berlin<IotMeasurement> csv({"timestamp", "device_id", "t", "h"}, AmbiguousTime::kOrder, options);
  csv.Read("01:50", "a,1,2");
  csv.Read("02:30", "a,1,2");
  csv.rows().clear();
  EXPECT_EQ(csv.Read("02:10", "a,1,2"), "second");
  ASSERT_EQ(csv.rows().size(), 2u);
  EXPECT_EQ(csv.rows()[0].timestamp, csv.rows()[1].timestamp);
}

TEST(CsvLocalTimeTest, AModelThatNamesNoDeviceTellsNothing) {
  Berlin<WithoutDevice> csv({"at", "value"});
  EXPECT_EQ(csv.Read("01:50", "1"), "2024-10-26T23:50:00.000000Z");
  EXPECT_THAT(csv.Read("02:10", "1"), HasSubstr("segment_by"));
}

TEST(CsvLocalTimeTest, TheWindowHoldsForTheComingThatIsMeant) {
  CsvOptions options;
  options.parse.time.not_after =
      Timestamp(std::chrono::sys_days(std::chrono::year(2024) / 10 / 27)) +
      std::chrono::minutes(45);
  Berlin<SensorReading> csv(kSensor, AmbiguousTime::kOrder, options);
  csv.Read("01:50", "a");
  EXPECT_EQ(csv.Read("02:30", "a"), "first");
  EXPECT_THAT(csv.Read("02:10", "a"), HasSubstr("the latest accepted"));
}

}  // namespace
}  // namespace tsingest
