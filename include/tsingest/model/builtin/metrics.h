// The model `metrics`: one value of one MQTT topic a row, as a historian of machine data keeps it.
#ifndef TSINGEST_MODEL_BUILTIN_METRICS_H_
#define TSINGEST_MODEL_BUILTIN_METRICS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tsingest/base/clock.h"
#include "tsingest/model/model.h"

namespace tsingest {

// Texts view the batch's arena.
struct Metric {
  Timestamp time{};
  std::string_view topic;
  std::optional<double> value;
  std::optional<std::string_view> value_str;
  std::int16_t quality = 192;  // OPC quality: 192 is good
  Json metadata{"{}"};
};

// The input's `value` becomes `value` when it is a number and `value_str` otherwise; a message that
// is one bare JSON scalar is that value. What no field takes is collected in `metadata`.
template <>
struct Model<Metric> {
  using M = Metric;
  static constexpr std::string_view kTable = "metrics";
  static constexpr auto kFields =
      Fields(Field("time", &M::time, From{"timestamp", "ts"}, DefaultToArrival{}),
             Field("topic", &M::topic, FromTopic{}), Field("value", &M::value, OnlyNumbers{}),
             Field("value_str", &M::value_str, From{"value_str", "value"}, OnlyNonNumbers{}),
             Field("quality", &M::quality, Default{192}, Nullable{}),
             Field("metadata", &M::metadata, Rest{}, Default{Json{"{}"}}, Nullable{}));
  static constexpr Layout kLayout{.time_column = "time",
                                  .segment_by = "topic",
                                  .order_by = "time DESC",
                                  .chunk_interval = "1 day",
                                  .compress_after = "7 days",
                                  .retention = ""};
  static constexpr std::array<IndexDef, 1> kIndexes{{
      {"idx_metrics_topic_time", "topic, time DESC"},
  }};
  static constexpr UnpivotFields kUnpivot{
      .label = "topic", .value = "value", .unit = "", .label_is_topic_level = true};
  static constexpr std::string_view kScalarName = "value";
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_BUILTIN_METRICS_H_
