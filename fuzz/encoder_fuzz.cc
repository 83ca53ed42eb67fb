// COPY rows: an independent reader finds in the encoder's bytes exactly the values that went in.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/support/copy_reader.h"
#include "tsingest/encode/copy_encoder.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/json_text.h"

namespace tsingest {
namespace {

using testing::ByteReader;
using testing::CopyField;

struct Row {
  std::optional<bool> flag;
  std::optional<std::int16_t> small;
  std::optional<std::int32_t> integer;
  std::optional<std::int64_t> large;
  std::optional<float> real;
  std::optional<double> number;
  std::optional<std::string_view> text;
  std::optional<Timestamp> time;
  std::optional<Date> date;
  std::optional<Uuid> uuid;
  std::optional<Json> json;
  std::optional<Bytes> bytes;
  std::optional<Numeric> numeric;
  std::optional<Inet> inet;
  std::optional<Array<std::optional<std::string_view>>> texts;
};

}  // namespace

template <>
struct Model<Row> {
  static constexpr std::string_view kTable = "fuzzed";
  static constexpr auto kFields = Fields(
      Field("flag", &Row::flag), Field("small", &Row::small), Field("integer", &Row::integer),
      Field("large", &Row::large), Field("real", &Row::real), Field("number", &Row::number),
      Field("text", &Row::text), Field("time", &Row::time), Field("date", &Row::date),
      Field("uuid", &Row::uuid), Field("json", &Row::json), Field("bytes", &Row::bytes),
      Field("numeric", &Row::numeric), Field("inet", &Row::inet), Field("texts", &Row::texts));
};

namespace {

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

// Strings that rows view.
struct Texts {
  std::vector<std::string> kept;
  std::vector<std::optional<std::string_view>> elements;
  explicit Texts(std::size_t most) { kept.reserve(most); }
  std::string_view Keep(std::string text) { return kept.emplace_back(std::move(text)); }
};

Row MakeRow(FuzzedDataProvider& in, Texts& texts) {
  Row row;
  const std::uint16_t present = in.ConsumeIntegral<std::uint16_t>();
  const auto has = [&](int bit) { return (present >> bit & 1) != 0; };
  if (has(0)) row.flag = in.ConsumeBool();
  if (has(1)) row.small = in.ConsumeIntegral<std::int16_t>();
  if (has(2)) row.integer = in.ConsumeIntegral<std::int32_t>();
  if (has(3)) row.large = in.ConsumeIntegral<std::int64_t>();
  if (has(4)) row.real = std::bit_cast<float>(in.ConsumeIntegral<std::uint32_t>());
  if (has(5)) row.number = std::bit_cast<double>(in.ConsumeIntegral<std::uint64_t>());
  if (has(6)) row.text = texts.Keep(in.ConsumeRandomLengthString(100));
  if (has(7)) row.time = Timestamp(std::chrono::microseconds(in.ConsumeIntegral<std::int64_t>()));
  if (has(8)) row.date = Date(std::chrono::days(in.ConsumeIntegral<std::int64_t>()));
  if (has(9)) {
    row.uuid.emplace();
    for (auto& byte : row.uuid->bytes) byte = in.ConsumeIntegral<std::uint8_t>();
  }
  if (has(10)) row.json = Json{texts.Keep(in.ConsumeRandomLengthString(100))};
  if (has(11)) row.bytes = Bytes{texts.Keep(in.ConsumeRandomLengthString(100))};
  if (has(12)) row.numeric = Numeric{texts.Keep(in.ConsumeRandomLengthString(100))};
  if (has(13)) {
    row.inet = Inet{.is_ipv6 = in.ConsumeBool(), .prefix_bits = in.ConsumeIntegral<std::uint8_t>()};
    for (auto& byte : row.inet->address) byte = in.ConsumeIntegral<std::uint8_t>();
  }
  if (has(14)) {
    for (int n = in.ConsumeIntegralInRange(0, 5); n != 0; --n) {
      texts.elements.emplace_back();
      if (in.ConsumeBool()) texts.elements.back() = texts.Keep(in.ConsumeRandomLengthString(20));
    }
    row.texts = Array<std::optional<std::string_view>>{texts.elements};
  }
  return row;
}

std::int64_t IntOf(std::string_view bytes) {
  ByteReader in(bytes);
  const std::int64_t value = in.Int(bytes.size());
  Require(in.AtEnd());
  return value;
}

// The field is NULL exactly when the value is, and `same(bytes)` holds otherwise.
template <class T>
void Compare(const CopyField& field, const std::optional<T>& value, auto same) {
  Require(field.has_value() == value.has_value());
  if (value.has_value()) Require(same(*field));
}

// The digits of a decimal number without exponent, point and surplus zeros, and where the point is.
struct Canonical {
  std::string digits;
  std::int64_t point = 0;
  friend bool operator==(const Canonical&, const Canonical&) = default;
};

Canonical CanonicalOf(std::string_view text) {
  Canonical out;
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != text.npos) {
    // Of zero it may be any; of other numbers numeric's own limits are far below.
    constexpr std::int64_t kMost = 1'000'000'000;
    exponent = std::clamp<std::int64_t>(
        std::strtoll(std::string(text.substr(e + 1)).c_str(), nullptr, 10), -kMost, kMost);
    text = text.substr(0, e);
  }
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  out.point = static_cast<std::int64_t>(point) + exponent;
  for (const char c : text) {
    if (c != '.') out.digits += c;
  }
  const std::size_t zeros = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, zeros);
  out.point -= static_cast<std::int64_t>(zeros);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  if (out.digits.empty()) return {};
  if (negative) out.digits.insert(0, "-");
  return out;
}

bool SameNumeric(std::string_view bytes, std::string_view text) {
  const std::string read = testing::NumericToText(bytes);
  if (read == "NaN" || read == "Infinity" || read == "-Infinity") return read == text;
  return CanonicalOf(read) == CanonicalOf(text);
}

bool SameInet(std::string_view bytes, const Inet& value) {
  ByteReader in(bytes);
  const std::size_t size = value.is_ipv6 ? 16 : 4;
  return in.Int(1) == (value.is_ipv6 ? 3 : 2) && (in.Int(1) & 0xff) == value.prefix_bits &&
         in.Int(1) == 0 && in.Int(1) == static_cast<std::int64_t>(size) &&
         std::memcmp(in.Take(size).data(), value.address.data(), size) == 0 && in.AtEnd();
}

bool SameTexts(std::string_view bytes, std::span<const std::optional<std::string_view>> values) {
  ByteReader in(bytes);
  const std::int64_t dimensions = in.Int(4);
  const std::int64_t has_null = in.Int(4);
  if (in.Int(4) != 25 || dimensions != (values.empty() ? 0 : 1)) return false;
  if (values.empty()) return in.AtEnd() && has_null == 0;
  if (in.Int(4) != static_cast<std::int64_t>(values.size()) || in.Int(4) != 1) return false;
  std::int64_t nulls = 0;
  for (const auto& value : values) {
    const std::int64_t size = in.Int(4);
    if ((size == -1) == value.has_value()) return false;
    nulls += size == -1 ? 1 : 0;
    if (size != -1 && in.Take(static_cast<std::size_t>(size)) != *value) return false;
  }
  return in.AtEnd() && has_null == (nulls != 0 ? 1 : 0);
}

void CompareRow(const testing::CopyRow& fields, const Row& row) {
  Require(fields.size() == 15);
  Compare(fields[0], row.flag, [&](auto b) { return b.size() == 1 && IntOf(b) == *row.flag; });
  Compare(fields[1], row.small, [&](auto b) { return b.size() == 2 && IntOf(b) == *row.small; });
  Compare(fields[2], row.integer,
          [&](auto b) { return b.size() == 4 && IntOf(b) == *row.integer; });
  Compare(fields[3], row.large, [&](auto b) { return b.size() == 8 && IntOf(b) == *row.large; });
  Compare(fields[4], row.real, [&](auto b) {
    return b.size() == 4 &&
           static_cast<std::uint32_t>(IntOf(b)) == std::bit_cast<std::uint32_t>(*row.real);
  });
  Compare(fields[5], row.number, [&](auto b) {
    return b.size() == 8 &&
           static_cast<std::uint64_t>(IntOf(b)) == std::bit_cast<std::uint64_t>(*row.number);
  });
  Compare(fields[6], row.text, [&](auto b) { return b == *row.text; });
  Compare(fields[7], row.time, [&](auto b) {
    return b.size() == 8 && IntOf(b) + 946'684'800'000'000 == row.time->time_since_epoch().count();
  });
  Compare(fields[8], row.date, [&](auto b) {
    return b.size() == 4 && IntOf(b) + 10'957 == row.date->time_since_epoch().count();
  });
  Compare(fields[9], row.uuid, [&](auto b) {
    return b.size() == 16 && std::memcmp(b.data(), row.uuid->bytes.data(), 16) == 0;
  });
  Compare(fields[10], row.json, [&](auto b) { return b[0] == 1 && b.substr(1) == row.json->text; });
  Compare(fields[11], row.bytes, [&](auto b) { return b == row.bytes->data; });
  Compare(fields[12], row.numeric, [&](auto b) { return SameNumeric(b, row.numeric->text); });
  Compare(fields[13], row.inet, [&](auto b) { return SameInet(b, *row.inet); });
  Compare(fields[14], row.texts, [&](auto b) { return SameTexts(b, row.texts->values); });
}

}  // namespace
}  // namespace tsingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tsingest;  // NOLINT
  FuzzedDataProvider in(data, size);
  Texts texts(32);
  const Row row = MakeRow(in, texts);
  const ParseOptions options;
  Arena arena;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  if (Validate(row, context)) return 0;

  ByteBuffer out;
  CopyEncoder<Row>::Header(out);
  CopyEncoder<Row>::Row(row, out);
  const std::size_t one = out.size();
  CopyEncoder<Row>::Row(row, out);
  CopyEncoder<Row>::Trailer(out);
  Require(out.size() == 2 * one - kCopyHeader.size() + kCopyTrailer.size());
  const auto rows = testing::ReadCopy(out.view());
  Require(rows.size() == 2 && rows[0] == rows[1]);
  CompareRow(rows[0], row);

  ByteBuffer json;
  AppendJsonRow(row, json);
  JsonLimits limits;
  limits.depth = JsonLimits::kMaxDepth;
  Require(CheckJson(json.view(), limits).ok());
  return 0;
}
