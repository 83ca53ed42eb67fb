// The model `iot_measurements`: decoded readings of IoT connectors, one measured value a row.
#ifndef TSINGEST_MODEL_BUILTIN_IOT_MEASUREMENTS_H_
#define TSINGEST_MODEL_BUILTIN_IOT_MEASUREMENTS_H_

#include <array>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/model.h"

namespace tsingest {

// Texts view the batch's arena.
struct IotMeasurement {
  Timestamp timestamp{};
  std::string_view device_id;
  std::string_view connector_mode = "unknown";
  std::string_view component_type = "unknown";
  std::string_view pin_position = "-1";
  std::optional<double> value;
  std::string_view unit;
  std::string_view topic;
};

// Values may be JSON numbers, numeric strings, true and false (1 and 0); an empty string is NULL.
template <>
struct Model<IotMeasurement> {
  using M = IotMeasurement;
  static constexpr std::string_view kTable = "iot_measurements";
  static constexpr auto kFields = Fields(
      Field("timestamp", &M::timestamp, From{"timestamp", "ts", "time"}, Key{}),
      Field("device_id", &M::device_id, From{"mac_address"}, MaxLength{50}, Key{}),
      Field("connector_mode", &M::connector_mode, From{"mode"}, Default{"unknown"}, MaxLength{50},
            Key{}),
      Field("component_type", &M::component_type, From{"data_point_label"}, Default{"unknown"},
            MaxLength{50}, Key{}),
      Field("pin_position", &M::pin_position, From{"pin"}, Default{"-1"}, MaxLength{10}, Key{}),
      Field("value", &M::value, BoolAsNumber{}, EmptyAsMissing{}),
      Field("unit", &M::unit, Default{""}, MaxLength{20}, Nullable{}),
      Field("topic", &M::topic, From{"original_topic"}, Default{""}, MaxLength{255}, Nullable{}));
  static constexpr Layout kLayout{.time_column = "timestamp",
                                  .segment_by = "device_id, component_type",
                                  .order_by = "timestamp DESC",
                                  .chunk_interval = "7 days",
                                  .compress_after = "1 day",
                                  .retention = ""};
  static constexpr std::array<IndexDef, 3> kIndexes{{
      {"idx_iot_device_id", "device_id, timestamp DESC"},
      {"idx_iot_component", "component_type, timestamp DESC"},
      {"idx_iot_mode", "connector_mode, timestamp DESC"},
  }};
  static constexpr UnpivotFields kUnpivot{
      .label = "component_type", .value = "value", .unit = "unit", .label_is_topic_level = false};
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_BUILTIN_IOT_MEASUREMENTS_H_
