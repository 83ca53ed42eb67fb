// Decoder: what turns one message into rows.
#ifndef TSINGEST_DECODE_DECODER_H_
#define TSINGEST_DECODE_DECODER_H_

#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/base/clock.h"
#include "tsingest/model/model.h"
#include "tsingest/model/reject.h"

namespace tsingest {

// What a decoder sees of a message.
struct DecodeInput {
  // The message's bytes. They live as long as the row, and Arena::kPadding readable bytes stand
  // behind them. Decoders do not change them: a dead letter shows the original.
  std::string_view payload = {};
  std::string_view topic = {};  // lives as long as the row
  Timestamp arrival{};
  // Where the message stands in its stream; -1: not known. The same message may be decoded twice in
  // a row.
  std::int64_t offset = -1;
};

// Appends 0..n rows to `rows` and returns an empty Reject, or appends none and says why. Values
// that cannot view the payload (unescaped strings, arrays) are put into `arena`. Allocates nothing
// per row in the steady state. A decoder keeps scratch space: one per thread.
template <class D, class M>
concept Decoder = Described<M> &&
    requires(D& decoder, const DecodeInput& input, Arena& arena, std::vector<M>& rows) {
  { decoder.Decode(input, arena, rows) } -> std::same_as<Reject>;
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_DECODER_H_
