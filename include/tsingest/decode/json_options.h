// How JSON messages are read.
#ifndef TSINGEST_DECODE_JSON_OPTIONS_H_
#define TSINGEST_DECODE_JSON_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/token.h"

namespace tsingest {

// How many JSON values one message may hold.
enum class JsonFraming : std::uint8_t {
  kSingle,  // exactly one
  kLines,   // one, or several with a line break between each and the next (JSON lines)
};

struct JsonOptions {
  // limits.total_bytes bounds a message; at most kMaxMessageBytes, what jsonb can hold.
  static constexpr std::size_t kMaxMessageBytes = (std::size_t{256} << 20) - 1;
  JsonLimits limits;
  // Members of one object, those of nested objects on the way to a dotted name included. At
  // least 1.
  std::size_t members = 4096;
  // Objects, and so rows, of one message. Bounds what a small message can make of the memory for
  // rows. At least 1.
  std::size_t objects = 100'000;
  JsonFraming framing = JsonFraming::kLines;
  // How times and numbers are read.
  ParseOptions parse;

  // kInvalidArgument names the option, its value and what is allowed.
  absl::Status Validate() const {
    const auto check = [](const char* name, std::size_t value, std::size_t most) {
      if (value >= 1 && value <= most) return absl::OkStatus();
      return absl::InvalidArgumentError(std::string("JsonOptions: ") + name + " is " +
                                        std::to_string(value) + ", allowed are 1 to " +
                                        std::to_string(most));
    };
    absl::Status status = check("limits.total_bytes", limits.total_bytes, kMaxMessageBytes);
    status.Update(check("limits.string_bytes", limits.string_bytes, kMaxMessageBytes));
    status.Update(check("limits.number_bytes", limits.number_bytes, kMaxMessageBytes));
    status.Update(check("limits.depth", limits.depth, JsonLimits::kMaxDepth));
    status.Update(check("members", members, kMaxMessageBytes));
    status.Update(check("objects", objects, kMaxMessageBytes));
    return status;
  }
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_JSON_OPTIONS_H_
