// Reads one JSON object into one slot per field.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_OBJECT_H_
#define TSINGEST_DECODE_INTERNAL_JSON_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/json_names.h"
#include "tsingest/decode/internal/json_trail.h"
#include "tsingest/decode/internal/topic_level.h"
#include "tsingest/decode/json_options.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"

namespace tsingest::internal {

// The value that stands for a field. 16 bytes.
struct JsonSlot {
  static constexpr std::uint8_t kHasEscapes = 1;  // a string
  static constexpr std::uint8_t kFitsJsonb = 2;   // an object or array

  const char* first = nullptr;  // of a string: behind its quote. Null: the name was not there
  std::uint32_t size = 0;
  TokenKind kind = TokenKind::kNull;
  std::uint8_t flags = 0;
  std::uint16_t rank = 0xFFFF;  // of the name it was found under; 0 is best
};

// Goes over an object once and keeps, for each field, where the value of its best name stands.
// Looks at no value beyond its grammar. Slots view the message, its topic or the arena. Not
// thread-safe.
class JsonObject {
 public:
  // `fields` outlives the object.
  JsonObject(std::span<const FieldBinding> fields, const JsonOptions& options)
      : fields_(fields),
        depth_limit_(options.limits.depth),
        member_limit_(options.members),
        without_topic_(fields, false),
        with_topic_(fields, true),
        empty_slots_(fields.size()),
        scanner_(options.limits),
        slots_(fields.size()) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const ValueOrigin origin = fields[i].origin;
      if (origin == ValueOrigin::kRest) rest_field_ = i;
      if (origin == ValueOrigin::kTopic || origin == ValueOrigin::kTopicLevel) {
        topic_fields_.push_back(i);
      }
    }
  }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  // Begins a message. `input` and `context` (its arena) are used until the next message begins.
  void Start(const DecodeInput& input, ParseContext& context) {
    scanner_.Start(input.payload);
    input_ = &input;
    context_ = &context;
    has_topic_ = !input.topic.empty();
    map_ = has_topic_ ? &with_topic_ : &without_topic_;
  }

  JsonScanner<true>& scanner() { return scanner_; }
  const JsonScanner<true>& scanner() const { return scanner_; }
  bool uses_topic() const { return !topic_fields_.empty(); }
  const JsonSlot& slot(std::size_t field) const { return slots_[field]; }

  // p: at '{', inside `depth` arrays. Returns the byte behind the '}'; null: scanner().fault().
  const char* Read(const char* p, std::size_t depth) {
    Clear();
    p = ReadMembers<true>(p, 0, depth);
    if (p == nullptr) [[unlikely]]
      return nullptr;
    if (has_topic_) TakeTopic();
    if (!rest_.empty()) TakeRest();
    return p;
  }

  // Whether there is a field that takes a top-level member of this name.
  bool Knows(std::string_view name) const { return map_->names.Find(0, name).take_count != 0; }

  // p: at a value that is no object or array. Reads it as if it were the object's only member.
  const char* ReadAsMember(const char* p, std::string_view name) {
    Clear();
    p = ReadValue(p, map_->names.Find(0, name), 0);
    if (p != nullptr && has_topic_) TakeTopic();
    return p;
  }

 private:
  // The names for messages with and without a topic, each with what it has learnt.
  struct NameMap {
    NameMap(std::span<const FieldBinding> fields, bool with_topic)
        : names(fields, with_topic), trail(names.scope_count()) {}
    JsonNames names;
    JsonTrail trail;
  };

  struct RestPiece {
    const char* first;
    const char* behind;
    bool fits_jsonb;
  };

  void Clear() {
    std::memcpy(slots_.data(), empty_slots_.data(), slots_.size() * sizeof(JsonSlot));
    rest_.clear();
    took_inside_ = false;
  }

  // p: at '{', inside `depth` objects and arrays. Returns the byte behind the '}'. Recursion is as
  // deep as the dotted names of the model, whatever the message nests.
  template <bool kIsTop>
  const char* ReadMembers(const char* p, std::uint16_t scope, std::size_t depth) {
    if (depth >= depth_limit_) return scanner_.FailDepth(p);
    JsonHead** link = map_->trail.first_link(scope);
    JsonPlace place = JsonPlace::First(scope);
    for (std::size_t left = member_limit_;; --left) {
      JsonHead* head = *link;
      const char* value = p + head->size;
      if (head->place != place || !head->StandsAt(p) || value > scanner_.end()) [[unlikely]] {
        if (scanner_.Peek(p) == '}') return p + 1;
        const Member found = FindMember(p, scope, place, link);
        if (found.head == nullptr) return found.value;
        head = found.head;
        value = found.value;
      }
      if (left == 0) [[unlikely]] {
        return scanner_.FailLimit(p, "an object has more members than the limit", member_limit_);
      }
      // Reading a nested object may put another head in this one's place.
      const bool is_taken = head->member.take_count != 0;
      const bool has_scope = head->member.scope != JsonNames::kNoScope;
      const char* const behind = ReadValue(value, head->member, depth + 1);
      if (behind == nullptr) [[unlikely]]
        return nullptr;
      if constexpr (kIsTop) {
        const bool took_inside = has_scope && std::exchange(took_inside_, false);
        if (!is_taken && !took_inside) KeepForRest(p, behind);
      } else {
        took_inside_ |= is_taken;
      }
      p = behind;
      link = &head->next;
      place = JsonPlace::Next(scope);
    }
  }

  // Who takes a member, and where its value is. Without a head: there is no further member, and
  // `value` is the byte behind the object's '}', or null after a fault.
  struct Member {
    JsonHead* head = nullptr;
    const char* value = nullptr;
  };

  // p: at the object's '{' or behind a member's value, as `place` says, where *link did not stand.
  // Learns what does.
  [[gnu::noinline]] Member FindMember(const char* const p, std::uint16_t scope, JsonPlace place,
                                      JsonHead** link) {
    const bool is_first = place == JsonPlace::First(scope);
    const char* name = scanner_.SkipSpace(is_first ? p + 1 : p);
    if (scanner_.Peek(name) == '}') return {.value = name + 1};
    if (!is_first) {
      if (scanner_.Peek(name) != ',') {
        return {.value = scanner_.Fail(RejectCode::kSyntax, name, "expected ',' or '}'")};
      }
      name = scanner_.SkipSpace(name + 1);
    }
    if (scanner_.Peek(name) != '"') {
      return {.value = scanner_.Fail(RejectCode::kSyntax, name, "expected a name in quotes")};
    }
    bool has_escapes;
    const char* const quote = scanner_.ScanString(name + 1, &has_escapes);
    if (quote == nullptr) return {};
    const char* const value = scanner_.ScanColon(quote + 1);
    if (value == nullptr) return {};
    std::string_view text(name + 1, static_cast<std::size_t>(quote - name - 1));
    // A name that cannot be text is no field's name.
    const bool is_text =
        !has_escapes || UnescapeJsonString(text, *context_, &text) == RejectCode::kOk;
    const JsonNames::Member member = is_text ? map_->names.Find(scope, text) : JsonNames::Member{};
    JsonHead* head = nullptr;
    if (!has_escapes) {
      head = map_->trail.Learn(link, place, {p, static_cast<std::size_t>(value - p)}, member);
    }
    if (head == nullptr) {
      head = &unlearnt_;
      unlearnt_.member = member;
      unlearnt_.next = map_->trail.nowhere();
    }
    return {head, value};
  }

  // p: at a member's value, or white space before it. Returns the byte behind the value, which is
  // now in the slots of the fields that take it.
  [[gnu::always_inline]] const char* ReadValue(const char* p, const JsonNames::Member& member,
                                               std::size_t depth) {
    char first = scanner_.Peek(p);
    if (static_cast<unsigned char>(first) <= ' ') [[unlikely]] {
      p = scanner_.SkipSpace(p);
      first = scanner_.Peek(p);
    }
    if (first == '"') {
      const char* const quote = scanner_.ScanShortString(p + 1);
      if (quote == nullptr) [[unlikely]]
        return ReadLongString(p, member);
      Take(member, TokenKind::kString, p + 1, quote, 0);
      return quote + 1;
    }
    if (IsJsonDigit(first) || first == '-') {
      const char* behind = scanner_.ScanShortNumber(p);
      if (behind == nullptr) [[unlikely]] {
        behind = scanner_.ScanNumberSlow(p);
        if (behind == nullptr) return nullptr;
      }
      Take(member, TokenKind::kNumber, p, behind, 0);
      return behind;
    }
    if (first == '{' || first == '[') return ReadContainer(p, member, depth);
    return ReadLiteral(p, member);
  }

  const char* ReadLiteral(const char* p, const JsonNames::Member& member) {
    const char* const behind = scanner_.ScanLiteral(p);
    if (behind == nullptr) return nullptr;
    const TokenKind kind = *p == 't'   ? TokenKind::kTrue
                           : *p == 'f' ? TokenKind::kFalse
                                       : TokenKind::kNull;
    Take(member, kind, p, behind, 0);
    return behind;
  }

  [[gnu::noinline]] const char* ReadLongString(const char* p, const JsonNames::Member& member) {
    bool has_escapes = false;
    const char* const quote = scanner_.ScanStringSlow(p + 1, &has_escapes);
    if (quote == nullptr) return nullptr;
    Take(member, TokenKind::kString, p + 1, quote,
         has_escapes ? JsonSlot::kHasEscapes : std::uint8_t{0});
    return quote + 1;
  }

  const char* ReadContainer(const char* p, const JsonNames::Member member, std::size_t depth) {
    const bool is_object = *p == '{';
    const char* const behind = is_object && member.scope != JsonNames::kNoScope
                                   ? ReadMembers<false>(p, member.scope, depth)
                                   : scanner_.SkipContainer(p, depth);
    if (behind == nullptr) return nullptr;
    Take(member, is_object ? TokenKind::kObject : TokenKind::kArray, p, behind,
         scanner_.unsafe().at < p ? JsonSlot::kFitsJsonb : 0);
    return behind;
  }

  [[gnu::always_inline]] void Take(const JsonNames::Member& member, TokenKind kind,
                                   const char* first, const char* behind, std::uint8_t flags) {
    const JsonSlot value{first, static_cast<std::uint32_t>(behind - first), kind, flags, 0};
    if (member.take_count == 1) [[likely]] {
      Put(member.take, value);
    } else if (member.take_count != 0) {
      for (const JsonNames::Take take : map_->names.Takes(member)) Put(take, value);
    }
  }

  [[gnu::always_inline]] void Put(JsonNames::Take take, const JsonSlot& value) {
    JsonSlot& slot = slots_[take.field];
    if (take.rank > slot.rank) return;
    slot = value;
    slot.rank = take.rank;
  }

  // ---- Rest{} and topics. ----

  // A member that no field takes, from behind the value before (or '{') to behind its own. Members
  // that stand side by side are kept, and copied, as one piece.
  void KeepForRest(const char* p, const char* behind) {
    if (rest_field_ == kNoField) return;
    const bool fits = scanner_.unsafe().at < p;
    if (!rest_.empty() && rest_.back().behind == p) {
      rest_.back().behind = behind;
      rest_.back().fits_jsonb &= fits;
      return;
    }
    while (*p != '"') ++p;
    rest_.push_back({p, behind, fits});
  }

  void TakeRest() {
    std::size_t bytes = rest_.size() + 1;
    bool fits = true;
    for (const RestPiece& piece : rest_) {
      bytes += static_cast<std::size_t>(piece.behind - piece.first);
      fits &= piece.fits_jsonb;
    }
    char* out = context_->arena->Allocate(bytes + kCopyBlock);
    slots_[rest_field_] = {out, static_cast<std::uint32_t>(bytes), TokenKind::kObject,
                           fits ? JsonSlot::kFitsJsonb : std::uint8_t{0}, 0};
    char separator = '{';
    for (const RestPiece& piece : rest_) {
      *out++ = separator;
      out = CopyInBlocks(out, piece.first, static_cast<std::size_t>(piece.behind - piece.first));
      separator = ',';
    }
    *out = '}';
  }

  static constexpr std::size_t kCopyBlock = 16;
  static_assert(kCopyBlock <= Arena::kPadding);

  // Most pieces are short: no call of memcpy(). Reads and writes up to a block behind them. Returns
  // the byte behind the copy.
  static char* CopyInBlocks(char* out, const char* from, std::size_t size) {
    for (std::size_t i = 0; i < size; i += kCopyBlock) std::memcpy(out + i, from + i, kCopyBlock);
    return out + size;
  }

  void TakeTopic() {
    const std::string_view topic = input_->topic;
    for (const std::size_t i : topic_fields_) {
      const std::optional<std::string_view> text = fields_[i].origin == ValueOrigin::kTopicLevel
                                                       ? TopicLevel(topic, fields_[i].topic_level)
                                                       : topic;
      if (!text.has_value()) continue;
      slots_[i] = {text->data(), static_cast<std::uint32_t>(text->size()), TokenKind::kString, 0,
                   0};
    }
  }

  static constexpr std::size_t kNoField = static_cast<std::size_t>(-1);

  // What never changes.
  const std::span<const FieldBinding> fields_;
  const std::size_t depth_limit_;
  const std::size_t member_limit_;
  std::size_t rest_field_ = kNoField;
  std::vector<std::size_t> topic_fields_;
  NameMap without_topic_;
  NameMap with_topic_;
  const std::vector<JsonSlot> empty_slots_;

  // The message.
  JsonScanner<true> scanner_;
  const DecodeInput* input_ = nullptr;
  bool has_topic_ = false;
  ParseContext* context_ = nullptr;
  NameMap* map_ = &without_topic_;

  // The object.
  std::vector<JsonSlot> slots_;  // by field
  std::vector<RestPiece> rest_;
  bool took_inside_ = false;  // a field has taken a value out of the nested object being read
  JsonHead unlearnt_;         // the last head that the trail could not keep
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_OBJECT_H_
