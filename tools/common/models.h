// The models a tool knows by name.
#ifndef TSINGEST_TOOLS_COMMON_MODELS_H_
#define TSINGEST_TOOLS_COMMON_MODELS_H_

#include <string>
#include <string_view>
#include <vector>

#include "tsingest/encode/describe_model.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/model/builtin/metrics.h"
#include "tsingest/model/builtin/sensor_data.h"
#include "tsingest/model/model.h"

namespace tsingest {

// A row type as a value.
template <Described M>
struct ModelTag {
  using type = M;
};

// A list of row types, each known by its table's name. A tool for models of your own is a copy of
// its main() with another list.
template <Described... Ms>
struct ModelList {
  static std::vector<std::string> Names() { return {std::string(Model<Ms>::kTable)...}; }

  // What --describe prints of the model called `name`.
  static std::string Describe(std::string_view name) {
    std::string text;
    With(name, [&]<class M>(ModelTag<M>) {
      text = DescribeModel<M>();
      return 0;
    });
    return text;
  }

  // Calls run(ModelTag<M>{}) for the M called `name`, which must be one of Names(); returns its
  // result.
  template <class Run>
  static int With(std::string_view name, Run run) {
    int result = 0;
    (void)((Model<Ms>::kTable == name && (result = run(ModelTag<Ms>{}), true)) || ...);
    return result;
  }
};

using BuiltinModels = ModelList<IotMeasurement, Metric, SensorReading>;

}  // namespace tsingest

#endif  // TSINGEST_TOOLS_COMMON_MODELS_H_
