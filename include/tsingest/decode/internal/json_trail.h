// Remembers how members were written, because the next message is nearly always written alike.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_
#define TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tsingest/decode/internal/json_names.h"
#include "tsingest/model/internal/byte_scan.h"

namespace tsingest::internal {

// A member's head is what stands between two values, for instance `, "temp": `. The trail keeps
// heads and which one followed which, so that the usual case of reading a name is one comparison of
// known bytes: no search for quotes, no white space, no hash. A wrong guess costs a slow look-up,
// after which the trail holds what was there instead. Bounded: a table that overwrites itself.
// Not thread-safe.
class JsonTrail {
 public:
  using Index = std::uint16_t;
  static constexpr Index kNowhere = 0;  // matches nothing, is followed by nothing

  struct alignas(16) Head {
    static constexpr std::size_t kMaxBytes = 48;
    char text[kMaxBytes] = {'\x01'};
    std::uint8_t size = 1;
    std::uint8_t name_at = 0;  // where in the text the name's opening quote stands
    Index next = kNowhere;
    std::uint16_t scope = JsonNames::kNoScope;
    bool is_known = false;  // `member` tells who takes it; false: no field does
    JsonNames::Member member;

    // Whether the text stands at p. Reads kMaxBytes at p.
    bool StandsAt(const char* p) const {
#if TSINGEST_HAS_SSE2
      for (unsigned i = 0; i < size; i += 16) {
        const __m128i ours = _mm_load_si128(reinterpret_cast<const __m128i*>(text + i));
        const __m128i theirs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        const auto same = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(ours, theirs)));
        const unsigned left = size - i;
        const unsigned wanted = left >= 16 ? 0xFFFFu : (1u << left) - 1;
        if ((same & wanted) != wanted) return false;
      }
      return true;
#else
      return std::memcmp(p, text, size) == 0;
#endif
    }
  };

  explicit JsonTrail(std::size_t scopes) : heads_(kHeads), first_(scopes, kNowhere) {}

  Head& head(Index at) { return heads_[at]; }
  // What began the object of this scope last time.
  Index first(std::uint16_t scope) const { return first_[scope]; }

  // Stores that `text` (name_at bytes before the name's quote) stood where `from` leads to: behind
  // head `from`, or at the start of the scope's object when `from` is kNowhere. Returns its index,
  // kNowhere when the text is too long to be kept.
  Index Learn(Index from, bool at_start, std::uint16_t scope, std::string_view text,
              std::size_t name_at, const JsonNames::Member* member) {
    if (text.size() > Head::kMaxBytes) return kNowhere;
    const auto at = static_cast<Index>(1 + JsonNames::Hash(scope, text) % (kHeads - 1));
    Head& head = heads_[at];
    if (head.scope != scope || std::string_view(head.text, head.size) != text) {
      head = Head{};
      std::memcpy(head.text, text.data(), text.size());
      head.size = static_cast<std::uint8_t>(text.size());
      head.name_at = static_cast<std::uint8_t>(name_at);
      head.scope = scope;
      head.is_known = member != nullptr;
      if (member != nullptr) head.member = *member;
    }
    if (at_start) {
      first_[scope] = at;
    } else if (from != kNowhere) {
      heads_[from].next = at;
    }
    return at;
  }

 private:
  static constexpr std::size_t kHeads = 256;

  std::vector<Head> heads_;
  std::vector<Index> first_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_
