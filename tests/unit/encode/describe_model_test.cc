#include "tsingest/encode/describe_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"

namespace tsingest {

struct DescribedRow {
  Timestamp time{};
  std::string_view site;
  std::optional<double> celsius;
};

template <>
struct Model<DescribedRow> {
  static constexpr std::string_view kTable = "described";
  static constexpr auto kFields = Fields(
      Field("time", &DescribedRow::time, DefaultToArrival{}),
      Field("site", &DescribedRow::site, FromTopicLevel{1}, NotEmpty{}, Key{}),
      Field("celsius", &DescribedRow::celsius, From{"t", "data.t"}, InRange{-90, 60}, Finite{}));
};

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DescribeModelTest, HasALineForEachField) {
  EXPECT_EQ(DescribeModel<DescribedRow>(),
            "Model described\n\n"
            "FIELD    TYPE              READ FROM                        WITHOUT A VALUE  RULES\n"
            "time     timestamptz       time                             arrival time\n"
            "site     text              level 1 of the topic, else site  rejected         rejected "
            "if it is empty; key\n"
            "celsius  double precision  t, data.t, celsius               NULL             rejected "
            "if it is outside [-90, 60] or is not finite\n");
}

TEST(DescribeModelTest, TellsWhatTheBuiltinModelsAre) {
  EXPECT_THAT(DescribeModel<IotMeasurement>(),
              AllOf(HasSubstr("Model iot_measurements"), HasSubstr("varchar(50)"),
                    HasSubstr("mac_address, device_id"), HasSubstr("\"unknown\""),
                    HasSubstr("chunks by timestamp, segments by device_id, component_type"),
                    HasSubstr("to component_type, its cell to value, its unit to unit")));
  EXPECT_THAT(DescribeModel<Metric>(),
              AllOf(HasSubstr("the topic, else topic"), HasSubstr("all that no other field takes"),
                    HasSubstr("numbers only"), HasSubstr("one bare JSON value is its value")));
  EXPECT_THAT(DescribeModel<SensorReading>(),
              AllOf(HasSubstr("true and false are 1 and 0"), HasSubstr("data.co, co")));
}

}  // namespace
}  // namespace tsingest
