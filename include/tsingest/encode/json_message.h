// Rows as messages: JSON objects that JsonDecoder<M> reads back to the same rows.
#ifndef TSINGEST_ENCODE_JSON_MESSAGE_H_
#define TSINGEST_ENCODE_JSON_MESSAGE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tsingest/base/buffer.h"
#include "tsingest/encode/json_row.h"
#include "tsingest/model/internal/json_scan.h"
#include "tsingest/model/model.h"
#include "tsingest/model/reject.h"

namespace tsingest {

namespace internal {

template <Described M, std::size_t I>
inline constexpr ValueOrigin kOrigin = kBindings<M>[I].origin;

// Whether a decoder of M would read a top-level member of this name into a field, or look for
// fields inside it ("data" for "data.temp").
template <Described M>
bool IsInputName(std::string_view name) {
  for (const FieldBinding& field : kBindings<M>) {
    if (field.origin != ValueOrigin::kNames) continue;
    for (const std::string_view known : field.names) {
      const bool is_prefix = known.starts_with(name) && known.size() > name.size();
      if (known == name || (is_prefix && known[name.size()] == '.')) return true;
    }
  }
  return false;
}

// The members of a JSON object that a Rest{} field holds, without its braces. Empty text in
// `reason`: they can stand beside the fields.
template <Described M>
std::string_view RestMembers(std::string_view column, std::string_view object,
                             std::string* reason) {
  constexpr auto kMost = static_cast<std::size_t>(-1);
  JsonScanner<false> scanner({kMost, kMost, kMost, JsonLimits::kMaxDepth});
  scanner.Start(object);
  const char* p = scanner.SkipSpace(object.data());
  if (scanner.Peek(p) != '{') {
    *reason = std::string(column) + ": " + ShowValue(object) +
              " is no JSON object, so its members cannot stand beside the other fields";
    return {};
  }
  const char* const first = ++p;
  for (p = scanner.SkipSpace(p); scanner.Peek(p) == '"';) {
    bool has_escapes = false;
    const char* const quote = scanner.ScanString(p + 1, &has_escapes);
    const std::string_view name(p + 1, static_cast<std::size_t>(quote - p - 1));
    if (IsInputName<M>(name)) {
      *reason = std::string(column) + ": its member " + ShowValue(name) +
                " would be read back as a field of that name";
      return {};
    }
    p = scanner.SkipSpace(scanner.SkipValue(scanner.SkipSpace(scanner.ScanColon(quote + 1))));
    if (scanner.Peek(p) == ',') p = scanner.SkipSpace(p + 1);
  }
  return {first, static_cast<std::size_t>(p - first)};
}

template <Described M, std::size_t I>
bool AppendMessageField(const M& row, ByteBuffer& out, std::size_t begin, Reject* reject) {
  using Def = FieldAt<M, I>;
  if constexpr (kOrigin<M, I> == ValueOrigin::kNames) {
    if (out.size() > begin + 1) out.AppendByte(',');
    out.Append(std::string_view(kJsonKey<M, I>.data(), kJsonKey<M, I>.size()).substr(1));
    AppendJsonValue<M, I>(row, out);
  } else if constexpr (kOrigin<M, I> == ValueOrigin::kRest) {
    const auto& value = row.*kField<M, I>.member;
    std::string_view object;
    if constexpr (kIsOptional<typename Def::Type>) {
      if (value.has_value()) object = value->text;
      if (!value.has_value()) return true;
    } else {
      object = value.text;
    }
    std::string reason;
    const std::string_view members = RestMembers<M>(kField<M, I>.column, object, &reason);
    if (!reason.empty()) {
      *reject = {RejectCode::kRule, std::move(reason)};
      return false;
    }
    if (members.empty()) return true;
    if (out.size() > begin + 1) out.AppendByte(',');
    out.Append(members);
  }
  return true;
}

}  // namespace internal

// Appends the row as one JSON object, no line break: members named after the columns and written as
// AppendJsonRow() does, but a Rest{} field's members stand beside them, and fields that are read
// from the topic are left out, since the topic has them. JsonDecoder<M> makes the same row of it,
// given a message with that topic.
//
// A reject (and nothing appended): what Rest{} holds cannot be told from fields when it is read
// back. Requires what CopyEncoder::Row() does.
template <Described M>
Reject AppendJsonMessage(const M& row, ByteBuffer& out) {
  const std::size_t begin = out.size();
  Reject reject;
  out.AppendByte('{');
  const bool fits = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (internal::AppendMessageField<M, I>(row, out, begin, &reject) && ...);
  }
  (std::make_index_sequence<kFieldCount<M>>{});
  if (fits) {
    out.AppendByte('}');
  } else {
    out.Truncate(begin);
  }
  return reject;
}

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_JSON_MESSAGE_H_
