// JsonDecoder<M>: JSON messages into rows of M.
#ifndef TSINGEST_DECODE_JSON_H_
#define TSINGEST_DECODE_JSON_H_

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/json_reader.h"
#include "tsingest/decode/json_options.h"
#include "tsingest/model/model.h"

namespace tsingest {

// Reads a message as RFC 8259 JSON in one pass, guided by the model's field list:
//
//  - A message is one object, an array of objects, or several such values on lines of their own
//    (JsonFraming). Every object is a row; a message gives all of its rows or none. A bare scalar
//    is read under Model<M>::kScalarName when the model has one. An empty array gives no row.
//  - A field takes the member with its best name that is present; the same name twice in one
//    object: the last wins; both before null is looked at. Null and absence give the field's
//    default, arrival time or NULL, else the message is rejected.
//  - A dotted name descends into objects (never into arrays) and matches a flat name of that very
//    spelling as well; of the two, the later in the message wins.
//  - Rest{} gets the top-level members that fed no field, as one object, each as it was written.
//    When there is none, the field is missing; a field that cannot be gets {}.
//  - FromTopic{} and FromTopicLevel{n} take the topic; messages without one: the column's name.
//  - Everything is checked, what no field takes as well: grammar, UTF-8, limits. A byte order mark
//    at the start is skipped (RFC 8259 section 8.1 lets parsers ignore it); nothing may stand
//    behind the last value. Strings that text cannot hold (\u0000, half a surrogate pair) are
//    rejected where a field takes them and pass where none does.
//
// The payload is not changed, rows view it. A reject names field, value and rule, and the byte of
// the message. One per thread; allocates nothing per row in the steady state, for it remembers how
// the members of earlier messages were written (a fixed amount of memory).
template <Described M>
class JsonDecoder {
 public:
  // `options` pass Validate(). options.parse.time.zone is borrowed.
  explicit JsonDecoder(const JsonOptions& options = {})
      : reader_(kBindings<M>, options, ScalarName()) {}

  // See Decoder. Values of `rows` may view input.payload, input.topic and `arena`.
  Reject Decode(const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
    const std::size_t before = rows.size();
    reader_.Start(input, arena);
    while (reader_.NextObject()) {
      if (!FillRow((rows.push_back(blank_), rows.back()),
                   std::make_index_sequence<kFieldCount<M>>{}))
        break;
    }
    if (reader_.rejected()) [[unlikely]] {
      rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(before), rows.end());
      return reader_.TakeReject();
    }
    return {};
  }

 private:
  static constexpr std::string_view ScalarName() {
    if constexpr (requires { Model<M>::kScalarName; }) {
      return Model<M>::kScalarName;
    } else {
      return {};
    }
  }

  template <std::size_t... I>
  bool FillRow(M& row, std::index_sequence<I...>) {
    return (FillField<I>(row) && ...);
  }

  // Calls the field's functions by name, so that they become part of this one.
  template <std::size_t I>
  [[gnu::always_inline]] bool FillField(M& row) {
    return reader_.FillField(
        kBindings<M>[I], I, &row,
        [](void* to, const Token& token, ParseContext& context) {
          return internal::SetField<M, I>(to, token, context);
        },
        [](void* to, ParseContext& context) { return internal::SetMissing<M, I>(to, context); });
  }

  const M blank_{};
  internal::JsonReader reader_;
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_JSON_H_
