// Encoded rows, as everything behind the encoder sees them.
#ifndef TSINGEST_SRC_SINK_POSTGRES_ROWS_H_
#define TSINGEST_SRC_SINK_POSTGRES_ROWS_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/base/buffer.h"

namespace tsingest::postgres {

// Consecutive rows of a COPY BINARY stream, each with its number in the batch.
struct Rows {
  std::string_view bytes;
  std::span<const std::size_t> ends;       // end of row i in `bytes`
  std::span<const std::uint32_t> numbers;  // row i is row numbers[i] of the batch; empty: i

  std::size_t size() const { return ends.size(); }
  std::size_t Begin(std::size_t i) const { return i == 0 ? 0 : ends[i - 1]; }
  std::string_view Row(std::size_t i) const { return bytes.substr(Begin(i), ends[i] - Begin(i)); }
  // Bytes of rows [first, last).
  std::string_view Slice(std::size_t first, std::size_t last) const {
    if (first == last) return {};
    return bytes.substr(Begin(first), ends[last - 1] - Begin(first));
  }
  std::uint32_t Number(std::size_t i) const {
    return numbers.empty() ? static_cast<std::uint32_t>(i) : numbers[i];
  }
};

// One field of an encoded row.
struct FieldImage {
  std::string_view raw;  // length word and value, as COPY and arrays both write them
  std::string_view value;
  bool is_null = false;
};

// Walks the fields of one encoded row.
class FieldReader {
 public:
  explicit FieldReader(std::string_view row) : rest_(row.substr(sizeof(std::int16_t))) {}

  // The next field. Only as often as the row has fields.
  FieldImage Next() {
    constexpr std::size_t kWord = sizeof(std::int32_t);
    const auto length = LoadBigEndian<std::int32_t>(rest_.data());
    const std::size_t size = length < 0 ? 0 : static_cast<std::size_t>(length);
    FieldImage field{rest_.substr(0, kWord + size), rest_.substr(kWord, size), length < 0};
    rest_.remove_prefix(kWord + size);
    return field;
  }

 private:
  std::string_view rest_;
};

// Where a key conflict is, as far as the server says.
struct KeyPlace {
  std::string schema{};
  std::string table{};
  std::string constraint{};  // only where the table is not told: a compressed chunk's

  auto operator<=>(const KeyPlace&) const = default;
};

// A row that the database refused, or would refuse.
struct BadRow {
  std::uint32_t number = 0;  // in the batch
  std::string sqlstate;
  std::string reason;    // the server's words, one line
  bool unclear = false;  // perhaps not the row's fault: see Fault::kUnclear
  // A key exists, and rows whose key exists are skipped: is it a key of the target's?
  bool conflict = false;
  KeyPlace key{};
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_ROWS_H_
