// The model `sensor_data`: environmental sensors that report all their readings at once.
#ifndef TSINGEST_MODEL_BUILTIN_SENSOR_DATA_H_
#define TSINGEST_MODEL_BUILTIN_SENSOR_DATA_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/model.h"

namespace tsingest {

// Texts view the batch's arena.
struct SensorReading {
  Timestamp ts{};
  std::string_view device_id;
  std::optional<double> co;
  std::optional<double> humidity;
  std::optional<std::int16_t> light;  // 0 or 1
  std::optional<double> lpg;
  std::optional<std::int16_t> motion;  // 0 or 1
  std::optional<double> smoke;
  std::optional<double> temp;
  Timestamp ingest_time{};
};

// Reads the nested form {"data": {"co": …}, "device_id": …, "ts": …}, the flat one, and CSV.
template <>
struct Model<SensorReading> {
  using M = SensorReading;
  static constexpr std::string_view kTable = "sensor_data";
  static constexpr auto kFields = Fields(
      Field("ts", &M::ts), Field("device_id", &M::device_id, From{"device_id", "device"}),
      Field("co", &M::co, From{"data.co"}), Field("humidity", &M::humidity, From{"data.humidity"}),
      Field("light", &M::light, From{"data.light"}, BoolAsNumber{}),
      Field("lpg", &M::lpg, From{"data.lpg"}),
      Field("motion", &M::motion, From{"data.motion"}, BoolAsNumber{}),
      Field("smoke", &M::smoke, From{"data.smoke"}), Field("temp", &M::temp, From{"data.temp"}),
      Field("ingest_time", &M::ingest_time, DefaultToArrival{}));
  static constexpr Layout kLayout{.time_column = "ts",
                                  .segment_by = "device_id",
                                  .order_by = "ts DESC",
                                  .chunk_interval = "7 days",
                                  .compress_after = "7 days",
                                  .retention = ""};
  static constexpr std::array<IndexDef, 1> kIndexes{{
      {"idx_sensor_data_device_ts", "device_id, ts"},
  }};
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_BUILTIN_SENSOR_DATA_H_
