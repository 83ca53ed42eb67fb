// Makes a row independent of the caller's memory.
#ifndef TSINGEST_MODEL_KEEP_H_
#define TSINGEST_MODEL_KEEP_H_

#include <algorithm>
#include <optional>
#include <string_view>
#include <type_traits>

#include "tsingest/base/arena.h"
#include "tsingest/model/model.h"
#include "tsingest/model/types.h"

namespace tsingest {

// KeepValue(value, arena): what `value` views is copied into the arena, and `value` views the copy.
// A type of your own that views memory says how by a static member
// `void PgType<T>::Keep(T& value, Arena& arena)`; types without views need nothing.
template <class T>
void KeepValue(T& value, Arena& arena) {
  if constexpr (requires { PgType<T>::Keep(value, arena); }) PgType<T>::Keep(value, arena);
}
inline void KeepValue(std::string_view& text, Arena& arena) { text = arena.Copy(text); }
inline void KeepValue(Json& json, Arena& arena) { json.text = arena.Copy(json.text); }
inline void KeepValue(Bytes& bytes, Arena& arena) { bytes.data = arena.Copy(bytes.data); }
inline void KeepValue(Numeric& number, Arena& arena) { number.text = arena.Copy(number.text); }
template <class T>
void KeepValue(std::optional<T>& value, Arena& arena) {
  if (value.has_value()) KeepValue(*value, arena);
}
template <class T>
requires(std::is_trivially_copyable_v<T>) void KeepValue(Array<T>& array, Arena& arena) {
  const auto copy = arena.AllocateArray<T>(array.values.size());
  std::ranges::copy(array.values, copy.begin());
  for (T& value : copy) KeepValue(value, arena);
  array.values = copy;
}

// The same for every field of a row. The copies live until the arena is reset.
template <Described M>
void KeepRow(M& row, Arena& arena) {
  ForEachField<M>([&](const auto& field) { KeepValue(row.*field.member, arena); });
}

}  // namespace tsingest

#endif  // TSINGEST_MODEL_KEEP_H_
