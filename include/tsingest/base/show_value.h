// Values of the input in messages for people.
#ifndef TSINGEST_BASE_SHOW_VALUE_H_
#define TSINGEST_BASE_SHOW_VALUE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "tsingest/base/utf8.h"

namespace tsingest {

inline constexpr std::size_t kMaxShownValueBytes = 64;

// `value` in quotes for a message: cut at a character boundary, control bytes and invalid UTF-8
// escaped as \xNN, an ellipsis behind what was cut.
inline std::string ShowValue(std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  std::size_t i = 0;
  while (i < value.size()) {
    const std::size_t length = Utf8SequenceLength(value.substr(i));
    if (i + (length == 0 ? 1 : length) > kMaxShownValueBytes) break;
    const auto byte = static_cast<unsigned char>(value[i]);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      out.append("\\x").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
      ++i;
    } else {
      out.append(value.substr(i, length));
      i += length;
    }
  }
  if (i < value.size()) out.append("…");
  out.push_back('"');
  return out;
}

}  // namespace tsingest

#endif  // TSINGEST_BASE_SHOW_VALUE_H_
