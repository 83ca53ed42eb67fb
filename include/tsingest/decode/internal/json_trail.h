// Remembers how members were written, because the next message is nearly always written alike.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_
#define TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tsingest/decode/internal/json_names.h"
#include "tsingest/model/internal/byte_scan.h"

namespace tsingest::internal {

// Where a head may stand: in objects of one scope, as what begins them or as what goes on with
// them. An object's beginning never stands for a next member, nor the other way round: heads are
// replaced while others still point at them, and `{"a":` behind a value is no JSON.
class JsonPlace {
 public:
  constexpr JsonPlace() = default;  // nowhere
  static constexpr JsonPlace First(std::uint16_t scope) { return JsonPlace(2u * scope); }
  static constexpr JsonPlace Next(std::uint16_t scope) { return JsonPlace(2u * scope + 1); }
  constexpr bool IsNowhere() const { return *this == JsonPlace(); }
  constexpr std::size_t number() const { return number_; }
  friend constexpr bool operator==(JsonPlace, JsonPlace) = default;

 private:
  explicit constexpr JsonPlace(std::uint32_t number) : number_(number) {}
  std::uint32_t number_ = 0xFFFFFFFF;
};

// What stands between the value of one member and that of the next, for instance `, "temp": `, and
// who takes the value.
struct JsonHead {
  static constexpr std::size_t kMaxBytes = 48;

  alignas(16) char text[kMaxBytes] = {'\x01'};
  std::uint64_t mask = 1;    // bit i: byte i of the text counts
  JsonHead* next = nullptr;  // what followed last time
  std::uint8_t size = 1;
  JsonPlace place;
  JsonNames::Member member;

  bool Is(JsonPlace at, std::string_view other) const {
    return place == at && std::string_view(text, size) == other;
  }

  // Whether the text stands at p. Reads kMaxBytes at p.
  [[gnu::always_inline]] bool StandsAt(const char* p) const {
#if TSINGEST_HAS_SSE2
    std::uint64_t same = Same16(p, 0);
    if (size > 16) same |= Same16(p, 16) << 16;
    if (size > 32) [[unlikely]]
      same |= Same16(p, 32) << 32;
    return (~same & mask) == 0;
#else
    return std::memcmp(p, text, size) == 0;
#endif
  }

 private:
#if TSINGEST_HAS_SSE2
  [[gnu::always_inline]] std::uint64_t Same16(const char* p, std::size_t at) const {
    const __m128i ours = _mm_load_si128(reinterpret_cast<const __m128i*>(text + at));
    const __m128i theirs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(ours, theirs)));
  }
#endif
};

// Keeps heads, and which one followed which, so that the usual case of reading a name is one
// comparison with known bytes: no search for quotes, no white space, no hash. A wrong guess costs a
// slow look-up, after which the trail holds what was there instead. Bounded: a table that
// overwrites itself. Not thread-safe; heads keep their addresses.
class JsonTrail {
 public:
  explicit JsonTrail(std::size_t scopes) : heads_(kHeads), first_(scopes, &heads_[0]) {
    for (JsonHead& head : heads_) head.next = nowhere();
  }
  JsonTrail(const JsonTrail&) = delete;
  JsonTrail& operator=(const JsonTrail&) = delete;

  // Stands nowhere, and nothing follows it.
  JsonHead* nowhere() { return &heads_[0]; }
  // What began the object of this scope last time.
  JsonHead* first(std::uint16_t scope) { return first_[scope]; }

  // The head with this text, which now stands where `link` tells: it is kept for the next time.
  // Null: too long to be kept.
  JsonHead* Learn(JsonHead** link, JsonPlace at, std::string_view text,
                  const JsonNames::Member& member) {
    if (text.size() > JsonHead::kMaxBytes) return nullptr;
    JsonHead& head = Find(at, text);
    if (!head.Is(at, text)) {
      head = JsonHead{};
      std::memcpy(head.text, text.data(), text.size());
      head.mask = (std::uint64_t{1} << text.size()) - 1;
      head.next = nowhere();
      head.size = static_cast<std::uint8_t>(text.size());
      head.place = at;
      head.member = member;
    }
    *link = &head;
    return &head;
  }

  // Where `Learn` notes what begins the object of a scope.
  JsonHead** first_link(std::uint16_t scope) { return &first_[scope]; }

 private:
  static constexpr std::size_t kHeads = 256;
  static constexpr std::size_t kProbes = 8;

  // Where the head is, or is to be: the first free place of a few, else one of them in turn.
  JsonHead& Find(JsonPlace at, std::string_view text) {
    const std::size_t hash = JsonNames::Hash(at.number(), text);
    const auto probe = [&](std::size_t i) -> JsonHead& {
      return heads_[1 + (hash + i) % (kHeads - 1)];
    };
    for (std::size_t i = 0; i < kProbes; ++i) {
      JsonHead& head = probe(i);
      if (head.place.IsNowhere() || head.Is(at, text)) return head;
    }
    return probe(++evictions_ % kProbes);
  }

  std::vector<JsonHead> heads_;
  std::vector<JsonHead*> first_;  // by scope
  std::size_t evictions_ = 0;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_TRAIL_H_
