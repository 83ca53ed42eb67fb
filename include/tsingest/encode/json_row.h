// Rows as JSON objects.
#ifndef TSINGEST_ENCODE_JSON_ROW_H_
#define TSINGEST_ENCODE_JSON_ROW_H_

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "tsingest/base/buffer.h"
#include "tsingest/model/json_write.h"
#include "tsingest/model/model.h"

namespace tsingest {

namespace internal {

// What stands before the value of field I: `{"time":` or `,"topic":`.
template <Described M, std::size_t I>
inline constexpr auto kJsonKey = [] {
  constexpr std::string_view kColumn = kField<M, I>.column;
  std::array<char, JsonEscapedSize(kColumn) + 4> key{};
  key[0] = I == 0 ? '{' : ',';
  key[1] = '"';
  char* end = WriteJsonEscaped(key.data() + 2, kColumn);
  *end++ = '"';
  *end = ':';
  return key;
}();

template <Described M, std::size_t I>
void AppendJsonValue(const M& row, ByteBuffer& out) {
  using Def = FieldAt<M, I>;
  const auto& value = row.*kField<M, I>.member;
  if constexpr (kIsOptional<typename Def::Type>) {
    if (!value.has_value()) return out.Append("null");
    PgType<typename Def::Value>::AppendJson(*value, out);
  } else {
    PgType<typename Def::Value>::AppendJson(value, out);
  }
}

template <Described M, std::size_t I>
void AppendJsonField(const M& row, ByteBuffer& out) {
  out.Append({kJsonKey<M, I>.data(), kJsonKey<M, I>.size()});
  AppendJsonValue<M, I>(row, out);
}

}  // namespace internal

// Appends the row as one JSON object (RFC 8259), members named after the columns and in their
// order, no line break:
// {"time":"2024-01-15T10:30:00.123000Z","topic":"plant/7","value":75.5,"unit":null}. Times are RFC
// 3339 in UTC with microseconds; NaN and the infinities are strings; numeric keeps its digits;
// bytea is "\\x…"; jsonb stands as the value it is. Requires what CopyEncoder::Row() does.
template <Described M>
void AppendJsonRow(const M& row, ByteBuffer& out) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (internal::AppendJsonField<M, I>(row, out), ...);
  }
  (std::make_index_sequence<kFieldCount<M>>{});
  out.AppendByte('}');
}

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_JSON_ROW_H_
