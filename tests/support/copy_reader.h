// Reads binary COPY data and binary values back: written from PostgreSQL's documentation and
// sources apart from the encoder, to check it.
#ifndef TSINGEST_TESTS_SUPPORT_COPY_READER_H_
#define TSINGEST_TESTS_SUPPORT_COPY_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tsingest::testing {

// Takes big-endian numbers and bytes off the front. Throws std::runtime_error at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::string_view Take(std::size_t count) {
    if (count > rest_.size()) throw std::runtime_error("COPY data ends too early");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::int64_t Int(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : Take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
    const std::size_t unused = 64 - 8 * bytes;
    return static_cast<std::int64_t>(value << unused) >> unused;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

using CopyField = std::optional<std::string_view>;
using CopyRow = std::vector<CopyField>;

// All rows of a stream with header and trailer. Throws std::runtime_error when it is malformed.
inline std::vector<CopyRow> ReadCopy(std::string_view stream) {
  ByteReader in(stream);
  if (in.Take(11) != std::string_view("PGCOPY\n\377\r\n\0", 11)) {
    throw std::runtime_error("COPY data without its signature");
  }
  if (in.Int(4) != 0 || in.Int(4) != 0) throw std::runtime_error("COPY data with flags");
  std::vector<CopyRow> rows;
  for (std::int64_t fields = in.Int(2); fields != -1; fields = in.Int(2)) {
    if (fields < 0) throw std::runtime_error("negative field count");
    CopyRow& row = rows.emplace_back();
    for (; fields != 0; --fields) {
      const std::int64_t size = in.Int(4);
      if (size < -1) throw std::runtime_error("negative field length");
      row.push_back(size == -1 ? CopyField() : CopyField(in.Take(static_cast<std::size_t>(size))));
    }
  }
  if (!in.AtEnd()) throw std::runtime_error("bytes behind the trailer");
  return rows;
}

// The value of numeric's binary format in plain notation with all digits of its scale: "-12.50".
inline std::string NumericToText(std::string_view bytes) {
  ByteReader in(bytes);
  const std::int64_t count = in.Int(2);
  const std::int64_t weight = in.Int(2);
  const std::int64_t sign = in.Int(2) & 0xffff;
  const std::int64_t scale = in.Int(2);
  if (sign == 0xC000) return "NaN";
  if (sign == 0xD000) return "Infinity";
  if (sign == 0xF000) return "-Infinity";
  std::vector<std::int64_t> digits;
  for (std::int64_t i = 0; i < count; ++i) digits.push_back(in.Int(2));
  if (!in.AtEnd()) throw std::runtime_error("bytes behind a numeric");
  const auto group = [&](std::int64_t power) {  // the four decimal digits worth 10000^power
    const std::int64_t i = weight - power;
    std::string text =
        std::to_string(i >= 0 && i < count ? digits[static_cast<std::size_t>(i)] : 0);
    return std::string(4 - text.size(), '0') + text;
  };
  std::string integer;
  for (std::int64_t power = weight; power >= 0; --power) integer += group(power);
  integer.erase(0, integer.find_first_not_of('0'));
  std::string fraction;
  for (std::int64_t power = -1; - power * 4 < scale + 4; --power) fraction += group(power);
  fraction.resize(static_cast<std::size_t>(scale));
  return (sign == 0x4000 ? "-" : "") + (integer.empty() ? "0" : integer) +
         (fraction.empty() ? "" : "." + fraction);
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_COPY_READER_H_
