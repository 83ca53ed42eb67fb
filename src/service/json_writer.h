// JsonWriter: JSON objects and arrays, piece by piece, into a string.
#ifndef TSINGEST_SRC_SERVICE_JSON_WRITER_H_
#define TSINGEST_SRC_SERVICE_JSON_WRITER_H_

#include <concepts>
#include <string>
#include <string_view>

namespace tsingest::internal {

// The text as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
void AppendJsonText(std::string_view text, std::string* out);

// Writes commas itself; the caller pairs Begin… and End. Not thread-safe.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view key);

  JsonWriter& String(std::string_view value);
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Null() { return Raw("null"); }
  JsonWriter& Integer(std::integral auto value) { return Raw(std::to_string(value)); }
  // The shortest text that reads back; null for NaN and infinities.
  JsonWriter& Number(double value);
  // JSON text as it is.
  JsonWriter& Raw(std::string_view json);

  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  JsonWriter& Open(char c);
  JsonWriter& Close(char c);
  void Comma();

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_SRC_SERVICE_JSON_WRITER_H_
