// Rows to PostgreSQL's binary COPY format.
#ifndef TSINGEST_ENCODE_COPY_ENCODER_H_
#define TSINGEST_ENCODE_COPY_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tsingest/base/buffer.h"
#include "tsingest/model/model.h"

namespace tsingest {

// What a COPY … WITH (FORMAT binary) stream begins and ends with (PostgreSQL documentation, COPY,
// "Binary Format"): signature, flags (none), length of the header extension (none); a field count
// of -1.
inline constexpr std::string_view kCopyHeader{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
inline constexpr std::string_view kCopyTrailer{"\377\377", 2};

// Appends rows of M as binary COPY data, columns in the order of the model's fields:
//
//   header (19 bytes) | row … | trailer (2 bytes)
//   row = field count (int16) | per field: length in bytes (int32; -1: NULL), value
//
// A row is complete in itself: buffer.size() before and after Row() are its boundaries, and rows
// may be left out, reordered or sent in pieces. The bytes depend on the rows only. Stateless, so
// thread-safe; grows the buffer at most once a row.
template <Described M>
class CopyEncoder {
 public:
  static void Header(ByteBuffer& out) { out.Append(kCopyHeader); }
  static void Trailer(ByteBuffer& out) { out.Append(kCopyTrailer); }

  // Requires that every value passes its PgType's Check(); rows of decoders do.
  static void Row(const M& row, ByteBuffer& out) {
    char* const begin = out.Reserve(kFixedBytes + VariableBytes(row));
    char* p = StoreBigEndian(begin, static_cast<std::int16_t>(kFieldCount<M>));
    ForEachField<M>([&](const auto& field) { p = WriteField(p, row.*field.member); });
    out.Advance(static_cast<std::size_t>(p - begin));
  }

 private:
  static constexpr std::size_t kLengthBytes = 4;

  // Field count, length words, and the values whose size does not depend on the row.
  static constexpr std::size_t kFixedBytes = [] {
    std::size_t size = sizeof(std::int16_t);
    ForEachField<M>([&](const auto& field) {
      using Value = typename std::remove_cvref_t<decltype(field)>::Value;
      size += kLengthBytes;
      if constexpr (PgFixedSize<Value>) size += PgType<Value>::kFixedSize;
    });
    return size;
  }();

  static std::size_t VariableBytes(const M& row) {
    std::size_t size = 0;
    ForEachField<M>([&](const auto& field) {
      using Def = std::remove_cvref_t<decltype(field)>;
      using Value = typename Def::Value;
      if constexpr (!PgFixedSize<Value>) {
        if constexpr (kIsOptional<typename Def::Type>) {
          if ((row.*field.member).has_value()) size += PgType<Value>::Size(*(row.*field.member));
        } else {
          size += PgType<Value>::Size(row.*field.member);
        }
      }
    });
    return size;
  }

  template <class T>
  static char* WriteField(char* out, const T& value) {
    if constexpr (kIsOptional<T>) {
      return value.has_value() ? WriteField(out, *value) : StoreBigEndian(out, std::int32_t{-1});
    } else {
      char* const end = PgType<T>::Write(out + kLengthBytes, value);
      StoreBigEndian(out, static_cast<std::int32_t>(end - out - kLengthBytes));
      return end;
    }
  }
};

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_COPY_ENCODER_H_
