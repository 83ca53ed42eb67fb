#include "service/json_writer.h"

#include <charconv>
#include <cmath>

#include "tsingest/base/utf8.h"
#include "tsingest/model/json_write.h"

namespace tsingest::internal {

void AppendJsonText(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    if (length == 0) {
      out->append("\xef\xbf\xbd");  // U+FFFD
      text.remove_prefix(1);
      continue;
    }
    const std::string_view character = text.substr(0, length);
    const std::size_t begin = out->size();
    out->resize(begin + JsonEscapedSize(character));
    WriteJsonEscaped(out->data() + begin, character);
    text.remove_prefix(length);
  }
  out->push_back('"');
}

void JsonWriter::Comma() {
  if (needs_comma_) out_.push_back(',');
  needs_comma_ = true;
}

JsonWriter& JsonWriter::Open(char c) {
  Comma();
  out_.push_back(c);
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char c) {
  out_.push_back(c);
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  Comma();
  AppendJsonText(key, &out_);
  out_.push_back(':');
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view value) {
  Comma();
  AppendJsonText(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Null();
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return Raw({text, static_cast<std::size_t>(result.ptr - text)});
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Comma();
  out_.append(json);
  return *this;
}

}  // namespace tsingest::internal
