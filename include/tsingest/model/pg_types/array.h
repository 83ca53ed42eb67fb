// PgType<> of one-dimensional arrays: Array<T> (a view) and std::vector<T> (owning).
#ifndef TSINGEST_MODEL_PG_TYPES_ARRAY_H_
#define TSINGEST_MODEL_PG_TYPES_ARRAY_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/model/array_text.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/pg_type.h"
#include "tsingest/model/types.h"

namespace tsingest {

namespace internal {

// A type that PostgreSQL has arrays of.
template <class T>
concept PgElement = PgColumn<T> &&(PgType<ValueType<T>>::kArrayOid != 0);

// Binary (array_send): dimensions (0: empty, else 1), 1 when there are NULLs, the element's OID; if
// not empty the length and the lower bound 1; then each element as a length word (-1: NULL) and its
// binary format.
template <PgElement T>
struct PgArray {
  using Value = ValueType<T>;
  using Element = PgType<Value>;

  // "double precision[]": the element's name with brackets behind it.
  static constexpr auto kNameBytes = [] {
    std::array<char, Element::kName.size() + 2> name{};
    std::ranges::copy(Element::kName, name.begin());
    name[Element::kName.size()] = '[';
    name[Element::kName.size() + 1] = ']';
    return name;
  }();
  static constexpr std::string_view kName{kNameBytes.data(), kNameBytes.size()};
  static constexpr std::uint32_t kOid = Element::kArrayOid;
  static constexpr std::uint32_t kArrayOid = 0;

  // PostgreSQL's MaxArraySize.
  static constexpr std::size_t kMaxElements = 134'217'727;

  // Reads every element of the token by `add(value)`, which is told the count by `begin(count)`.
  static RejectCode ParseElements(const Token& token, ParseContext& context, auto begin, auto add) {
    if (token.kind == TokenKind::kArray) return ParseJson(token.text, context, begin, add);
    if (token.kind == TokenKind::kString || token.kind == TokenKind::kText) {
      const std::string_view text = TrimBlanks(token.text);
      if (text.starts_with('{')) return ParseLiteral(text, context, begin, add);
      if (text.starts_with('[')) {
        if (!CheckJson(text).ok()) return FailSyntax(context);
        return ParseJson(text, context, begin, add);
      }
    }
    return FailSyntax(context);
  }

  static RejectCode CheckElements(const auto& values, ParseContext& context) {
    if (values.size() > kMaxElements) {
      return context.Fail(RejectCode::kLimit, "has more than 134217727 elements");
    }
    std::size_t index = 0;
    for (const T& value : values) {
      ++index;
      RejectCode code = RejectCode::kOk;
      if constexpr (kIsOptional<T>) {
        if (value.has_value()) code = Element::Check(*value, context);
      } else {
        code = Element::Check(value, context);
      }
      if (code != RejectCode::kOk) return NameElement(index, code, context);
    }
    return RejectCode::kOk;
  }

  static std::size_t SizeElements(const auto& values) {
    std::size_t size = kHeaderBytes + (values.empty() ? 0 : kDimensionBytes);
    for (const T& value : values) {
      size += kLengthBytes;
      if constexpr (kIsOptional<T>) {
        if (value.has_value()) size += Element::Size(*value);
      } else {
        size += Element::Size(value);
      }
    }
    return size;
  }

  static char* WriteElements(char* out, const auto& values) {
    bool has_null = false;
    if constexpr (kIsOptional<T>) {
      has_null = std::ranges::any_of(values, [](const T& value) { return !value.has_value(); });
    }
    out = StoreBigEndian(out, std::int32_t{values.empty() ? 0 : 1});
    out = StoreBigEndian(out, std::int32_t{has_null ? 1 : 0});
    out = StoreBigEndian(out, std::uint32_t{Element::kOid});
    if (values.empty()) return out;
    out = StoreBigEndian(out, static_cast<std::int32_t>(values.size()));
    out = StoreBigEndian(out, std::int32_t{1});
    for (const T& value : values) out = WriteElement(out, value);
    return out;
  }

  static void AppendElements(const auto& values, ByteBuffer& out) {
    char separator = '[';
    for (const T& value : values) {
      out.AppendByte(separator);
      separator = ',';
      if constexpr (kIsOptional<T>) {
        value.has_value() ? Element::AppendJson(*value, out) : out.Append("null");
      } else {
        Element::AppendJson(value, out);
      }
    }
    out.Append(separator == '[' ? "[]" : "]");
  }

 private:
  static constexpr std::size_t kHeaderBytes = 12;
  static constexpr std::size_t kDimensionBytes = 8;
  static constexpr std::size_t kLengthBytes = 4;

  static RejectCode FailSyntax(ParseContext& context) {
    return context.Fail(RejectCode::kType,
                        "is not an array: neither a JSON array nor an array literal {a,b}");
  }

  static RejectCode NameElement(std::size_t index, RejectCode code, ParseContext& context) {
    context.why = "has element " + std::to_string(index) + ", which " + context.why;
    return code;
  }

  static RejectCode ParseElement(const Token& token, ParseContext& context, std::size_t index,
                                 auto& add) {
    T value{};
    RejectCode code = RejectCode::kOk;
    if (token.kind == TokenKind::kNull) {
      if constexpr (!kIsOptional<T>) code = context.Fail(RejectCode::kMissing, "is null");
    } else if constexpr (kIsOptional<T>) {
      code = Element::Parse(token, context, &value.emplace());
    } else {
      code = Element::Parse(token, context, &value);
    }
    if (code != RejectCode::kOk) return NameElement(index, code, context);
    add(std::move(value));
    return RejectCode::kOk;
  }

  static RejectCode ParseJson(std::string_view text, ParseContext& context, auto begin, auto add) {
    begin(JsonArrayElements::Count(text));
    JsonArrayElements elements(text, context);
    std::size_t index = 0;
    for (Token token; elements.Next(&token);) {
      const RejectCode code = ParseElement(token, context, ++index, add);
      if (code != RejectCode::kOk) return code;
    }
    return elements.code() == RejectCode::kOk ? RejectCode::kOk
                                              : NameElement(index + 1, elements.code(), context);
  }

  // Elements of a literal are strings; of jsonb they are JSON text.
  static RejectCode ParseLiteral(std::string_view text, ParseContext& context, auto begin,
                                 auto add) {
    constexpr TokenKind kKind = std::same_as<Value, Json> ? TokenKind::kText : TokenKind::kString;
    begin(ArrayLiteral::CountAtMost(text));
    ArrayLiteral literal(text, *context.arena);
    std::size_t index = 0;
    for (ArrayLiteral::Element element; literal.Next(&element);) {
      const Token token = element.is_null ? Token{} : Token{kKind, element.text};
      const RejectCode code = ParseElement(token, context, ++index, add);
      if (code != RejectCode::kOk) return code;
    }
    return literal.ok() ? RejectCode::kOk : FailSyntax(context);
  }

  static char* WriteElement(char* out, const T& value) {
    if constexpr (kIsOptional<T>) {
      return value.has_value() ? WriteValue(out, *value) : StoreBigEndian(out, std::int32_t{-1});
    } else {
      return WriteValue(out, value);
    }
  }
  static char* WriteValue(char* out, const Value& value) {
    out = StoreBigEndian(out, static_cast<std::int32_t>(Element::Size(value)));
    return Element::Write(out, value);
  }
};

}  // namespace internal

// Reads a JSON array, or as text a PostgreSQL array literal ({1,2,NULL}) or a JSON array. NULL
// elements need Array<std::optional<T>>. The elements live in the arena.
template <class T>
requires(internal::PgElement<T>&& std::is_trivially_copyable_v<T>) struct PgType<Array<T>>
    : internal::PgArray<T> {
  using Base = internal::PgArray<T>;

  static RejectCode Parse(const Token& token, ParseContext& context, Array<T>* out) {
    std::span<T> room;
    std::size_t count = 0;
    const RejectCode code = Base::ParseElements(
        token, context,
        [&](std::size_t at_most) { room = context.arena->template AllocateArray<T>(at_most); },
        [&](T&& value) { std::construct_at(&room[count++], value); });
    out->values = room.first(count);
    return code;
  }
  static RejectCode Check(const Array<T>& value, ParseContext& context) {
    return Base::CheckElements(value.values, context);
  }
  static std::size_t Size(const Array<T>& value) { return Base::SizeElements(value.values); }
  static char* Write(char* out, const Array<T>& value) {
    return Base::WriteElements(out, value.values);
  }
  static void AppendJson(const Array<T>& value, ByteBuffer& out) {
    Base::AppendElements(value.values, out);
  }
};

// The same with elements of its own, and so allocating per row.
template <internal::PgElement T>
struct PgType<std::vector<T>> : internal::PgArray<T> {
  using Base = internal::PgArray<T>;

  static RejectCode Parse(const Token& token, ParseContext& context, std::vector<T>* out) {
    out->clear();
    return Base::ParseElements(
        token, context, [&](std::size_t at_most) { out->reserve(at_most); },
        [&](T&& value) { out->push_back(std::move(value)); });
  }
  static RejectCode Check(const std::vector<T>& value, ParseContext& context) {
    return Base::CheckElements(value, context);
  }
  static std::size_t Size(const std::vector<T>& value) { return Base::SizeElements(value); }
  static char* Write(char* out, const std::vector<T>& value) {
    return Base::WriteElements(out, value);
  }
  static void AppendJson(const std::vector<T>& value, ByteBuffer& out) {
    Base::AppendElements(value, out);
  }
  static void Keep(std::vector<T>& value, Arena& arena) {
    if constexpr (!std::same_as<T, bool>) {
      for (T& element : value) KeepValue(element, arena);
    }
  }
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPES_ARRAY_H_
