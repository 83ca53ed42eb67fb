// What is stored beside a position, to recognise the stream later.
#ifndef TSINGEST_SRC_SOURCE_CSV_STREAM_DETAIL_H_
#define TSINGEST_SRC_SOURCE_CSV_STREAM_DETAIL_H_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include "source/csv/fingerprint.h"

namespace tsingest::csv {

// "csv1 65536 0123456789abcdef size=… model=… table=…": docs/formats/positions.md. Versions before
// 0.1 wrote the fingerprint alone.
struct StreamDetail {
  Fingerprint beginning;
  std::int64_t size = 0;  // of the file on disk, in bytes; 0: not known
  std::string model;      // empty: not known
  std::string table;      // schema.name; with `model`

  std::string ToString() const {
    std::string text = beginning.ToString();
    if (size > 0) text += fmt::format(" size={}", size);
    if (!table.empty()) text += fmt::format(" model={} table={}", model, table);
    return text;
  }

  // nullopt: not written by ToString().
  static std::optional<StreamDetail> Parse(std::string_view text) {
    std::size_t end = text.find(' ');
    if (end != text.npos) end = text.find(' ', end + 1);
    if (end != text.npos) end = text.find(' ', end + 1);
    const std::optional<Fingerprint> beginning = Fingerprint::Parse(text.substr(0, end));
    if (!beginning.has_value()) return std::nullopt;
    StreamDetail detail;
    detail.beginning = *beginning;
    if (end == text.npos) return detail;
    text.remove_prefix(end);
    const std::string_view size = Take("size", text);
    std::from_chars(size.data(), size.data() + size.size(), detail.size);
    detail.model = Take("model", text);
    if (constexpr std::string_view kTable = " table="; text.starts_with(kTable)) {
      detail.table = text.substr(kTable.size());  // it may have blanks
    }
    return detail;
  }

 private:
  // The value of " KEY=value" in front of `text`, which is taken off; empty: another key.
  static std::string_view Take(std::string_view key, std::string_view& text) {
    const std::string prefix = fmt::format(" {}=", key);
    if (!text.starts_with(prefix)) return {};
    const std::size_t end = std::min(text.find(' ', prefix.size()), text.size());
    const std::string_view value = text.substr(prefix.size(), end - prefix.size());
    text.remove_prefix(end);
    return value;
  }
};

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_STREAM_DETAIL_H_
