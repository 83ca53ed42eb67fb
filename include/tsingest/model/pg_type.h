// PgType<T>: everything tsingest knows about one C++ type as one PostgreSQL column type.
#ifndef TSINGEST_MODEL_PG_TYPE_H_
#define TSINGEST_MODEL_PG_TYPE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tsingest/base/buffer.h"
#include "tsingest/model/reject.h"
#include "tsingest/model/token.h"
#include "tsingest/model/types.h"

namespace tsingest {

// Specialise this for a type of your own and it can be a field of any model; the types of types.h
// are specialised in model/pg_types.h. Never specialise std::optional<T>: NULL is handled once, by
// whoever walks the fields. All members are static:
//
//   static constexpr std::string_view kName = "point";  // as in CREATE TABLE and format_type()
//   static constexpr std::uint32_t kOid = 600;          // pg_type.oid; 0: known by kName only
//   static constexpr std::uint32_t kArrayOid = 1017;    // of kName[]; 0: no arrays of it
//
//   // Reads an input value. On success sets *out and returns kOk; else says why by context.Fail().
//   // Never sees kNull. A parsed value always passes Check().
//   static RejectCode Parse(const Token& token, ParseContext& context, T* out);
//
//   // Whether COPY accepts the value: text is valid UTF-8 without NUL, a time is in range, … .
//   // Called for rows that no decoder made. Write() may be called only for values that pass.
//   static RejectCode Check(const T& value, ParseContext& context);
//
//   // Length in bytes of the binary format (PostgreSQL's typsend), without the length word.
//   static std::size_t Size(const T& value);
//   // Writes exactly Size(value) bytes at `out`, which has room for them; returns the byte after.
//   static char* Write(char* out, const T& value);
//
//   // Appends the value as one JSON value (NaN and infinities as strings).
//   static void AppendJson(const T& value, ByteBuffer& out);
//
// A type of constant length also has `static constexpr std::size_t kFixedSize`.
template <class T>
struct PgType;

template <class T>
concept PgNamed = requires {
  { PgType<T>::kName } -> std::convertible_to<std::string_view>;
  { PgType<T>::kOid } -> std::convertible_to<std::uint32_t>;
  { PgType<T>::kArrayOid } -> std::convertible_to<std::uint32_t>;
};

template <class T>
concept PgReadable = requires(const Token& token, ParseContext& context, T* out) {
  { PgType<T>::Parse(token, context, out) } -> std::same_as<RejectCode>;
};

template <class T>
concept PgWritable = requires(const T& value, ParseContext& context, char* out, ByteBuffer& json) {
  { PgType<T>::Check(value, context) } -> std::same_as<RejectCode>;
  { PgType<T>::Size(value) } -> std::convertible_to<std::size_t>;
  { PgType<T>::Write(out, value) } -> std::same_as<char*>;
  PgType<T>::AppendJson(value, json);
};

// A type that can be a column: what Field() asks of the member it points to.
template <class T>
concept PgColumn = PgNamed<ValueType<T>> && PgReadable<ValueType<T>> && PgWritable<ValueType<T>>;

template <class T>
concept PgFixedSize = requires {
  { PgType<T>::kFixedSize } -> std::convertible_to<std::size_t>;
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_PG_TYPE_H_
