// Reads the objects of JSON messages into one slot per field. Knows no row type.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_READER_H_
#define TSINGEST_DECODE_INTERNAL_JSON_READER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/json_names.h"
#include "tsingest/decode/internal/json_trail.h"
#include "tsingest/decode/json_options.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"

namespace tsingest::internal {

// Pulls one object after the other out of a message:
//
//   reader.Start(input, arena);
//   while (reader.NextObject() && reader.Fill(row)) …
//   Reject reject = reader.TakeReject();   // empty: every object was read to the message's end
//
// Fields are set only when their object has been read to its end, so a name that wins over another
// one, or stands twice, is settled before a value is looked at. Not thread-safe. The field list
// must outlive the reader.
class JsonReader {
 public:
  JsonReader(std::span<const FieldBinding> fields, const JsonOptions& options,
             std::string_view scalar_name)
      : fields_(fields),
        options_(options),
        scalar_name_(scalar_name),
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
    context_.options = &options_.parse;
  }
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Begins a message. `input` and `arena` are used until TakeReject().
  void Start(const DecodeInput& input, Arena& arena) {
    scanner_.Start(input.payload);
    payload_ = input.payload;
    topic_ = input.topic;
    context_.arena = &arena;
    context_.arrival = input.arrival;
    map_ = topic_.empty() ? &without_topic_ : &with_topic_;
    state_ = State::kStart;
    element_ = 0;
    objects_ = 0;
    next_ = payload_.data();
    if (payload_.size() > options_.limits.total_bytes) [[unlikely]] {
      FailWith(RejectCode::kLimit, "the message has " + std::to_string(payload_.size()) +
                                       " bytes, the limit is " +
                                       std::to_string(options_.limits.total_bytes));
    } else if (!topic_fields_.empty() && !IsTopicText()) [[unlikely]] {
      FailWith(RejectCode::kEncoding,
               "the topic " + ShowValue(topic_) + " is not valid UTF-8 without NUL");
    }
  }

  // Reads the next object into the slots. False: there is none, or the message is rejected.
  bool NextObject() {
    if (state_ == State::kEnd) return false;
    if (state_ == State::kStart) [[likely]] {
      if (scanner_.Peek(next_) == '{') [[likely]] {
        state_ = State::kAfterValue;
        return ReadObject(0);
      }
      SkipByteOrderMark();
      next_ = scanner_.SkipSpace(next_);
      return next_ == scanner_.end() ? FailEmpty() : ReadMessageValue();
    }
    return state_ == State::kAfterValue ? NextLine() : NextElement();
  }

  // Sets one field of the row from its slot. False: the message is rejected. `set` and
  // `set_missing` are those of the binding, or the functions themselves where they are known.
  template <class Set, class SetMissing>
  [[gnu::always_inline]] bool FillField(const FieldBinding& field, std::size_t i, void* row,
                                        const Set& set, const SetMissing& set_missing) {
    const Slot& slot = slots_[i];
    RejectCode code;
    if (slot.kind == TokenKind::kNull) {
      code = set_missing(row, context_);
    } else if (slot.flags == kHasEscapes) [[unlikely]] {
      code = SetEscaped(field, slot, row);
    } else {
      code =
          set(row, Token{slot.kind, {slot.first, slot.size}, slot.flags == kFitsJsonb}, context_);
    }
    return code == RejectCode::kOk ? true : FailField(field, slot, code, row);
  }

  // Sets all fields of the row. False: the message is rejected.
  bool Fill(void* row) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const FieldBinding& field = fields_[i];
      if (!FillField(field, i, row, field.set, field.set_missing)) return false;
    }
    return true;
  }

  // Why the message is rejected; empty when it is not.
  Reject TakeReject() { return std::exchange(reject_, Reject{}); }
  bool rejected() const { return reject_.code != RejectCode::kOk; }

 private:
  enum class State : std::uint8_t { kStart, kInArray, kAfterValue, kEnd };

  static constexpr std::uint8_t kHasEscapes = 1;  // a string
  static constexpr std::uint8_t kFitsJsonb = 2;   // an object or array

  // The value that stands for a field at the moment.
  struct Slot {
    const char* first = nullptr;  // of a string: behind its quote. Null: the name was not there
    std::uint32_t size = 0;
    TokenKind kind = TokenKind::kNull;
    std::uint8_t flags = 0;
    std::uint16_t rank = 0xFFFF;
  };

  // The names for messages with and without a topic, each with what it has learnt.
  struct NameMap {
    NameMap(std::span<const FieldBinding> fields, bool with_topic)
        : names(fields, with_topic), trail(names.scope_count()) {}
    JsonNames names;
    JsonTrail trail;
  };

  // ---- The message: one value, an array, or several values on lines of their own. ----

  // next_: at the first character of a value of the message.
  bool ReadMessageValue() {
    const char first = *next_;
    state_ = State::kAfterValue;
    if (first == '{') return ReadObject(0);
    if (first != '[') return ReadScalar();
    state_ = State::kInArray;
    next_ = scanner_.SkipSpace(next_ + 1);
    return scanner_.Peek(next_) == ']' ? EndArray() : ReadElement();
  }

  // next_: behind an element of the message's array.
  bool NextElement() {
    next_ = scanner_.SkipSpace(next_);
    if (scanner_.Peek(next_) == ']') return EndArray();
    if (scanner_.Peek(next_) != ',') return FailSyntax(next_, "expected ',' or ']'");
    next_ = scanner_.SkipSpace(next_ + 1);
    return ReadElement();
  }

  // next_: behind a value of the message.
  bool NextLine() {
    const char* const behind = next_;
    next_ = scanner_.SkipSpace(next_);
    if (next_ == scanner_.end()) {
      state_ = State::kEnd;
      return false;
    }
    const bool is_new_line =
        std::memchr(behind, '\n', static_cast<std::size_t>(next_ - behind)) != nullptr;
    if (options_.framing == JsonFraming::kLines && is_new_line) return ReadMessageValue();
    return FailSyntax(next_, options_.framing == JsonFraming::kLines
                                 ? "expected the end of the message, or a new line"
                                 : "expected the end of the message");
  }

  // next_: at ']'.
  bool EndArray() {
    ++next_;
    element_ = 0;
    state_ = State::kAfterValue;
    return NextLine();
  }

  bool ReadElement() {
    ++element_;
    if (scanner_.Peek(next_) == '{') return ReadObject(1);
    const char* const first = next_;
    if (scanner_.SkipValue(first, 1) == nullptr) return FailJson();
    return FailValue(RejectCode::kType, first,
                     "element " + std::to_string(element_) +
                         " of the array is no object: expected an object or an array of objects");
  }

  // ---- Objects into slots. ----

  bool BeginSlots() {
    if (++objects_ > options_.objects) [[unlikely]] {
      return FailValue(
          RejectCode::kLimit, next_,
          "the message has more objects than the limit of " + std::to_string(options_.objects));
    }
    std::memcpy(slots_.data(), empty_slots_.data(), slots_.size() * sizeof(Slot));
    object_at_ = next_;
    rest_.clear();
    return true;
  }

  // next_: at '{', inside `depth` arrays.
  bool ReadObject(std::size_t depth) {
    if (!BeginSlots()) return false;
    const char* const behind = ReadMembers<true>(next_, 0, depth);
    if (behind == nullptr) [[unlikely]]
      return FailJson();
    next_ = behind;
    if (!topic_.empty()) TakeTopic();
    if (!rest_.empty()) TakeRest();
    return true;
  }

  // p: at '{', inside `depth` objects and arrays. Returns the byte behind the '}'. Recursion is as
  // deep as the dotted names of the model, whatever the message nests.
  template <bool kIsTop>
  const char* ReadMembers(const char* p, std::uint16_t scope, std::size_t depth) {
    if (depth >= options_.limits.depth) return scanner_.FailDepth(p);
    JsonHead** link = map_->trail.first_link(scope);
    for (std::size_t left = options_.members;; --left) {
      JsonHead* head = *link;
      const char* value = p + head->size;
      if (head->scope != scope || !head->StandsAt(p)) [[unlikely]] {
        const Member found = FindMember(p, link == map_->trail.first_link(scope), scope, link);
        if (found.head == nullptr) return found.value;
        head = found.head;
        value = found.value;
      }
      if (left == 0) [[unlikely]] {
        return scanner_.FailLimit(p, "an object has more members than the limit of",
                                  options_.members);
      }
      const char* const behind = ReadValue(value, head->member, depth + 1);
      if (behind == nullptr) [[unlikely]]
        return nullptr;
      if constexpr (kIsTop) {
        bool is_free = head->member.take_count == 0;
        if (head->member.scope != JsonNames::kNoScope)
          is_free &= !std::exchange(took_inside_, false);
        if (is_free) KeepForRest(p, behind);
      } else {
        took_inside_ |= head->member.take_count != 0;
      }
      p = behind;
      link = &head->next;
    }
  }

  // Who takes a member, and where its value is. Without a head: there is no further member, and
  // `value` is the byte behind the object's '}', or null after a fault.
  struct Member {
    JsonHead* head = nullptr;
    const char* value = nullptr;
  };

  // p: at the object's '{' (`is_first`) or behind a member's value, where *link did not stand.
  // Learns what does.
  [[gnu::noinline]] Member FindMember(const char* const p, bool is_first, std::uint16_t scope,
                                      JsonHead** link) {
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
        !has_escapes || UnescapeJsonString(text, context_, &text) == RejectCode::kOk;
    const JsonNames::Member member = is_text ? map_->names.Find(scope, text) : JsonNames::Member{};
    JsonHead* head = nullptr;
    if (!has_escapes) {
      head = map_->trail.Learn(link, scope, {p, static_cast<std::size_t>(value - p)}, member);
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
    Take(member, TokenKind::kString, p + 1, quote, has_escapes ? kHasEscapes : std::uint8_t{0});
    return quote + 1;
  }

  const char* ReadContainer(const char* p, const JsonNames::Member& member, std::size_t depth) {
    const bool is_object = *p == '{';
    const std::uint16_t scope = member.scope;
    const char* const behind = is_object && scope != JsonNames::kNoScope
                                   ? ReadMembers<false>(p, scope, depth)
                                   : scanner_.SkipContainer(p, depth);
    if (behind == nullptr) return nullptr;
    Take(member, is_object ? TokenKind::kObject : TokenKind::kArray, p, behind,
         scanner_.unsafe().at < p ? kFitsJsonb : 0);
    return behind;
  }

  [[gnu::always_inline]] void Take(const JsonNames::Member& member, TokenKind kind,
                                   const char* first, const char* behind, std::uint8_t flags) {
    const Slot value{first, static_cast<std::uint32_t>(behind - first), kind, flags, 0};
    if (member.take_count == 1) [[likely]] {
      Put(member.take, value);
    } else if (member.take_count != 0) {
      for (const JsonNames::Take take : map_->names.Takes(member)) Put(take, value);
    }
  }

  [[gnu::always_inline]] void Put(JsonNames::Take take, const Slot& value) {
    Slot& slot = slots_[take.field];
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
    char* out = context_.arena->Allocate(bytes);
    slots_[rest_field_] = {out, static_cast<std::uint32_t>(bytes), TokenKind::kObject,
                           fits ? kFitsJsonb : std::uint8_t{0}, 0};
    char separator = '{';
    for (const RestPiece& piece : rest_) {
      *out++ = separator;
      const auto size = static_cast<std::size_t>(piece.behind - piece.first);
      std::memcpy(out, piece.first, size);
      out += size;
      separator = ',';
    }
    *out = '}';
  }

  void TakeTopic() {
    for (const std::size_t i : topic_fields_) {
      std::string_view text = topic_;
      if (fields_[i].origin == ValueOrigin::kTopicLevel &&
          !FindTopicLevel(fields_[i].topic_level, &text)) {
        continue;
      }
      slots_[i] = {text.data(), static_cast<std::uint32_t>(text.size()), TokenKind::kString, 0, 0};
    }
  }

  bool FindTopicLevel(int level, std::string_view* text) const {
    std::string_view left = topic_;
    for (; level < -1; ++level) {
      const std::size_t slash = left.rfind('/');
      if (slash == std::string_view::npos) return false;
      left = left.substr(0, slash);
    }
    if (level == -1) {
      *text = left.substr(left.rfind('/') + 1);
      return true;
    }
    for (; level > 0; --level) {
      const std::size_t slash = left.find('/');
      if (slash == std::string_view::npos) return false;
      left.remove_prefix(slash + 1);
    }
    *text = left.substr(0, left.find('/'));
    return true;
  }

  // A message that is one bare scalar: the value of the model's kScalarName.
  bool ReadScalar() {
    const char* const first = next_;
    if (!BeginSlots()) return false;
    const JsonNames::Member member =
        scalar_name_.empty() ? JsonNames::Member{} : map_->names.Find(0, scalar_name_);
    next_ = ReadValue(first, member, 0);
    if (next_ == nullptr) return FailJson();
    if (member.take_count == 0) {
      return FailValue(RejectCode::kType, first,
                       "the message is a bare value, and this model names no field for it: "
                       "expected an object or an array of objects");
    }
    if (!topic_.empty()) TakeTopic();
    return true;
  }

  bool IsTopicText() const {
    return IsAscii(topic_) ? topic_.find('\0') == std::string_view::npos : IsValidUtf8(topic_);
  }

  void SkipByteOrderMark() {
    if (payload_.starts_with("\xEF\xBB\xBF")) next_ += 3;
  }

  RejectCode SetEscaped(const FieldBinding& field, const Slot& slot, void* row) {
    Token token{TokenKind::kString, {}, false};
    const RejectCode code = UnescapeJsonString({slot.first, slot.size}, context_, &token.text);
    return code == RejectCode::kOk ? field.set(row, token, context_) : code;
  }

  // ---- Rejects. All return false. ----

  bool FailWith(RejectCode code, std::string reason) {
    state_ = State::kEnd;
    reject_ = {code, std::move(reason)};
    return false;
  }

  bool FailEmpty() {
    return FailWith(
        RejectCode::kSyntax,
        payload_.empty()
            ? "the message is empty (in MQTT, that clears a retained message): expected JSON"
            : "the message holds nothing but white space: expected JSON");
  }

  bool FailValue(RejectCode code, const char* at, std::string reason) {
    return FailWith(code, std::move(reason) + Place(at));
  }

  // The scanner's fault.
  bool FailSyntax(const char* at, std::string_view rule) {
    scanner_.Fail(RejectCode::kSyntax, at, rule);
    return FailJson();
  }
  [[gnu::noinline, gnu::cold]] bool FailJson() {
    const JsonFault& fault = scanner_.fault();
    std::string reason = fault.code == RejectCode::kLimit ? "" : "not JSON: ";
    reason += fault.rule;
    if (fault.code == RejectCode::kLimit) {
      reason += " (" + std::to_string(fault.limit) + ")";
    } else {
      reason += ", found ";
      reason += fault.at >= scanner_.end() ? "the end of the message" : ShowFound(fault.at);
    }
    return FailWith(fault.code, std::move(reason) + Place(fault.at));
  }

  // A field's own reject. True after all: a field for what is left over, and nothing is.
  [[gnu::noinline, gnu::cold]] bool FailField(const FieldBinding& field, const Slot& slot,
                                              RejectCode code, void* row) {
    if (field.origin == ValueOrigin::kRest && slot.first == nullptr) {
      code = field.set(row, Token{TokenKind::kObject, "{}", true}, context_);
      if (code == RejectCode::kOk) return true;
    }
    std::string reason = std::string(field.column) + ": ";
    if (slot.first == nullptr) {
      return FailValue(code, object_at_, std::move(reason) + context_.why + Sought(field));
    }
    const bool is_null = slot.kind == TokenKind::kNull;
    reason += is_null ? "is null" : ShowValue({slot.first, slot.size}) + " " + context_.why;
    const bool in_payload = slot.first >= payload_.data() && slot.first < scanner_.end();
    return in_payload ? FailValue(code, slot.first, std::move(reason))
                      : FailWith(code, std::move(reason));
  }

  // " (looked for mac_address, device_id)".
  static std::string Sought(const FieldBinding& field) {
    if (field.origin != ValueOrigin::kNames) return {};
    std::string text = " (looked for ";
    for (std::size_t i = 0; i < field.names.size(); ++i) {
      if (i != 0) text += ", ";
      text += field.names[i];
    }
    return text + ")";
  }

  std::string ShowFound(const char* at) const {
    constexpr std::size_t kShown = 12;
    return ShowValue({at, std::min(kShown, static_cast<std::size_t>(scanner_.end() - at))});
  }

  // ", at byte 17" or ", in element 3 of the array, at byte 217".
  std::string Place(const char* at) const {
    std::string text;
    if (element_ != 0) text = ", in element " + std::to_string(element_) + " of the array";
    return text + ", at byte " + std::to_string(at - payload_.data());
  }

  static constexpr std::size_t kNoField = static_cast<std::size_t>(-1);

  struct RestPiece {
    const char* first;
    const char* behind;
    bool fits_jsonb;
  };

  // What never changes.
  const std::span<const FieldBinding> fields_;
  const JsonOptions options_;
  const std::string_view scalar_name_;
  std::size_t rest_field_ = kNoField;
  std::vector<std::size_t> topic_fields_;
  NameMap without_topic_;
  NameMap with_topic_;
  const std::vector<Slot> empty_slots_;

  // The message.
  JsonScanner<true> scanner_;
  ParseContext context_;
  std::string_view payload_;
  std::string_view topic_;
  NameMap* map_ = nullptr;
  State state_ = State::kEnd;
  const char* next_ = nullptr;
  std::size_t element_ = 0;  // 1-based, of the array that is being read; 0: none
  std::size_t objects_ = 0;
  Reject reject_;

  // The object.
  std::vector<Slot> slots_;  // by field
  std::vector<RestPiece> rest_;
  const char* object_at_ = nullptr;
  bool took_inside_ = false;  // a field has taken a value out of the nested object being read
  JsonHead unlearnt_;         // the last head that the trail could not keep
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_READER_H_
