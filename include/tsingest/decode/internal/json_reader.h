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
        maps_{NameMap(fields, false), NameMap(fields, true)},
        slots_(fields.size()) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].origin == ValueOrigin::kRest) rest_field_ = i;
      uses_topic_ |=
          fields[i].origin == ValueOrigin::kTopic || fields[i].origin == ValueOrigin::kTopicLevel;
    }
    context_.options = &options_.parse;
  }
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Begins a message. `input` and `arena` are used until TakeReject().
  void Start(const DecodeInput& input, Arena& arena) {
    scanner_.Start(input.payload, options_.limits);
    payload_ = input.payload;
    topic_ = input.topic;
    context_.arena = &arena;
    context_.arrival = input.arrival;
    map_ = &maps_[input.topic.empty() ? 0 : 1];
    state_ = State::kStart;
    element_ = 0;
    objects_ = 0;
    reject_.code = RejectCode::kOk;
    next_ = payload_.data();
    if (payload_.size() > options_.limits.total_bytes) [[unlikely]] {
      FailWith(RejectCode::kLimit, "the message has " + std::to_string(payload_.size()) +
                                       " bytes, the limit is " +
                                       std::to_string(options_.limits.total_bytes));
    } else if (uses_topic_ && !IsTopicText()) [[unlikely]] {
      FailWith(RejectCode::kEncoding,
               "the topic " + ShowValue(topic_) + " is not valid UTF-8 without NUL");
    }
  }

  // Reads the next object into the slots. False: there is none, or the message is rejected.
  bool NextObject() {
    if (state_ == State::kStart) [[likely]] {
      SkipByteOrderMark();
      next_ = scanner_.SkipSpace(next_);
      if (next_ == scanner_.end()) return FailEmpty();
      return ReadMessageValue();
    }
    return NextAfterValue();
  }

  // Sets one field of the row from its slot. False: the message is rejected.
  [[gnu::always_inline]] bool FillField(const FieldBinding& field, std::size_t i, void* row) {
    const Slot& slot = slots_[i];
    RejectCode code;
    if (slot.kind == TokenKind::kNull) {
      code = field.set_missing(row, context_);
    } else if (slot.has_escapes) [[unlikely]] {
      code = SetEscaped(field, slot, row);
    } else {
      code = field.set(row, Token{slot.kind, {slot.first, slot.size}, slot.fits_jsonb}, context_);
    }
    if (code == RejectCode::kOk) [[likely]]
      return true;
    return FailField(field, slot, code, row);
  }

  // Sets all fields of the row. False: the message is rejected.
  bool Fill(void* row) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (!FillField(fields_[i], i, row)) return false;
    }
    return true;
  }

  // Why the message is rejected; empty when it is not.
  Reject TakeReject() { return std::exchange(reject_, Reject{}); }
  bool rejected() const { return reject_.code != RejectCode::kOk; }

 private:
  enum class State : std::uint8_t { kStart, kInArray, kAfterValue, kEnd };

  // The value that stands for a field at the moment.
  struct Slot {
    const char* first = nullptr;  // of a string: behind its quote. Null: the name was not there
    std::uint32_t size = 0;
    TokenKind kind = TokenKind::kNull;
    bool has_escapes = false;
    bool fits_jsonb = false;
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
    if (first == '{') [[likely]] {
      state_ = State::kAfterValue;
      return ReadObject();
    }
    if (first == '[') {
      state_ = State::kInArray;
      element_ = 0;
      next_ = scanner_.SkipSpace(next_ + 1);
      if (scanner_.Peek(next_) == ']') return EndArray();
      return ReadElement();
    }
    state_ = State::kAfterValue;
    return ReadScalar();
  }

  bool NextAfterValue() {
    if (state_ == State::kEnd) return false;
    if (state_ == State::kAfterValue) return NextLine();
    next_ = scanner_.SkipSpace(next_);
    if (scanner_.Peek(next_) == ']') return EndArray();
    if (scanner_.Peek(next_) != ',') {
      return FailSyntax(next_, "expected ',' or ']'");
    }
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
    if (scanner_.Peek(next_) == '{') return ReadObject();
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
    for (Slot& slot : slots_) slot = Slot{};
    members_ = 0;
    taken_ = 0;
    rest_.clear();
    rest_bytes_ = 0;
    rest_fits_ = true;
    return true;
  }

  // next_: at '{'.
  bool ReadObject() {
    if (!BeginSlots()) return false;
    object_at_ = next_;
    next_ = ReadMembers(next_, 0, state_ == State::kInArray ? 1 : 0);
    if (next_ == nullptr) return FailJson();
    if (uses_topic_ && !topic_.empty()) TakeTopic();
    if (rest_field_ != kNoField) TakeRest();
    return true;
  }

  // p: at '{', inside `depth` objects and arrays. Returns the byte behind the '}'. Recursion is as
  // deep as the dotted names of the model, whatever the message nests.
  const char* ReadMembers(const char* p, std::uint16_t scope, std::size_t depth) {
    if (depth >= options_.limits.depth) return scanner_.FailDepth(p);
    JsonTrail& trail = map_->trail;
    JsonTrail::Index at = trail.first(scope);
    JsonTrail::Index from = JsonTrail::kNowhere;
    const char* const open = p;
    for (;;) {
      const JsonTrail::Head* head = &trail.head(at);
      const char* name = p + head->name_at;
      JsonNames::Member member = head->member;
      bool is_known = head->is_known;
      if (head->scope == scope && head->StandsAt(p) && p + head->size <= scanner_.end())
          [[likely]] {
        p = scanner_.SkipSpace(p + head->size);
      } else {
        const NewHead found = ReadHead(p, scope, p == open);
        if (found.value == nullptr) return found.closed;
        at = found.can_learn ? trail.Learn(from, p == open, scope,
                                           {p, static_cast<std::size_t>(found.value - p)},
                                           static_cast<std::size_t>(found.name - p), found.member)
                             : JsonTrail::kNowhere;
        p = found.value;
        name = found.name;
        is_known = found.member != nullptr;
        if (is_known) member = *found.member;
      }
      if (++members_ > options_.members) [[unlikely]] {
        return scanner_.FailLimit(name, "an object has more members than the limit of",
                                  options_.members);
      }
      p = is_known ? ReadKnownValue(p, name, member, scope, depth + 1)
                   : SkipUnknownValue(p, name, scope, depth + 1);
      if (p == nullptr) return nullptr;
      from = at;
      at = trail.head(at).next;
    }
  }

  // What ReadHead() found: a name and where its value begins, or the object's end.
  struct NewHead {
    const char* name = nullptr;
    const char* value = nullptr;   // null: no further member
    const char* closed = nullptr;  // behind '}'; null: a fault
    const JsonNames::Member* member = nullptr;
    bool can_learn = true;  // false: the name has escapes
  };

  // p: at the object's '{' (`is_first`) or behind a member's value.
  [[gnu::noinline]] NewHead ReadHead(const char* p, std::uint16_t scope, bool is_first) {
    p = scanner_.SkipSpace(is_first ? p + 1 : p);
    if (scanner_.Peek(p) == '}') return {.closed = p + 1};
    if (!is_first) {
      if (scanner_.Peek(p) != ',') {
        return {.closed = scanner_.Fail(RejectCode::kSyntax, p, "expected ',' or '}'")};
      }
      p = scanner_.SkipSpace(p + 1);
    }
    if (scanner_.Peek(p) != '"') {
      return {.closed = scanner_.Fail(RejectCode::kSyntax, p, "expected a name in quotes")};
    }
    NewHead found;
    bool has_escapes;
    const char* const quote = scanner_.ScanString(p + 1, &has_escapes);
    if (quote == nullptr) return {};
    const char* const value = scanner_.ScanColon(quote + 1);
    if (value == nullptr) return {};
    std::string_view name(p + 1, static_cast<std::size_t>(quote - p - 1));
    // A name that cannot be text is no field's name.
    const bool is_text =
        !has_escapes || UnescapeJsonString(name, context_, &name) == RejectCode::kOk;
    return {.name = p,
            .value = value,
            .member = is_text ? map_->names.Find(scope, name) : nullptr,
            .can_learn = !has_escapes};
  }

  // p: at a value that fields take. Returns the byte behind it.
  const char* ReadKnownValue(const char* p, const char* name, const JsonNames::Member& member,
                             std::uint16_t scope, std::size_t depth) {
    Slot value;
    const char* const first = p;
    const std::size_t taken_before = taken_;
    switch (scanner_.Peek(p)) {
      case '"': {
        const char* const quote = scanner_.ScanString(p + 1, &value.has_escapes);
        if (quote == nullptr) return nullptr;
        value.kind = TokenKind::kString;
        value.first = first + 1;
        value.size = static_cast<std::uint32_t>(quote - first - 1);
        p = quote + 1;
        break;
      }
      case '{':
        value.kind = TokenKind::kObject;
        p = member.scope == JsonNames::kNoScope ? scanner_.SkipContainer(p, depth)
                                                : ReadMembers(p, member.scope, depth);
        break;
      case '[':
        value.kind = TokenKind::kArray;
        p = scanner_.SkipContainer(p, depth);
        break;
      case 't':
        value.kind = TokenKind::kTrue;
        p = scanner_.ScanLiteral(p);
        break;
      case 'f':
        value.kind = TokenKind::kFalse;
        p = scanner_.ScanLiteral(p);
        break;
      case 'n':
        value.kind = TokenKind::kNull;
        p = scanner_.ScanLiteral(p);
        break;
      default:
        value.kind = TokenKind::kNumber;
        p = scanner_.SkipValue(p);
        break;
    }
    if (p == nullptr) return nullptr;
    if (value.kind != TokenKind::kString) {
      value.first = first;
      value.size = static_cast<std::uint32_t>(p - first);
    }
    value.fits_jsonb = scanner_.unsafe().at < first;
    for (const JsonNames::Take take : map_->names.Takes(member)) {
      Slot& slot = slots_[take.field];
      ++taken_;
      if (take.rank > slot.rank) continue;
      slot = value;
      slot.rank = take.rank;
    }
    if (scope == 0 && taken_ == taken_before) KeepForRest(name, p);
    return p;
  }

  const char* SkipUnknownValue(const char* p, const char* name, std::uint16_t scope,
                               std::size_t depth) {
    p = scanner_.SkipValue(p, depth);
    if (p != nullptr && scope == 0) KeepForRest(name, p);
    return p;
  }

  // ---- Rest{} and topics. ----

  // Members that stand side by side are kept, and copied, as one piece.
  void KeepForRest(const char* name, const char* behind) {
    if (rest_field_ == kNoField) return;
    if (scanner_.unsafe().at >= name) rest_fits_ = false;
    rest_.push_back({name, behind});
    rest_bytes_ += static_cast<std::size_t>(behind - name) + 1;
  }

  void TakeRest() {
    Slot& slot = slots_[rest_field_];
    slot.rank = 0;
    if (rest_.empty()) return;
    char* out = context_.arena->Allocate(rest_bytes_ + 1);
    slot.first = out;
    slot.size = static_cast<std::uint32_t>(rest_bytes_ + 1);
    slot.kind = TokenKind::kObject;
    slot.fits_jsonb = rest_fits_;
    char separator = '{';
    for (const auto& [first, last] : rest_) {
      *out++ = separator;
      std::memcpy(out, first, static_cast<std::size_t>(last - first));
      out += last - first;
      separator = ',';
    }
    *out = '}';
  }

  void TakeTopic() {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      std::string_view text = topic_;
      if (fields_[i].origin == ValueOrigin::kTopicLevel) {
        if (!FindTopicLevel(fields_[i].topic_level, &text)) continue;
      } else if (fields_[i].origin != ValueOrigin::kTopic) {
        continue;
      }
      slots_[i].kind = TokenKind::kString;
      slots_[i].first = text.data();
      slots_[i].size = static_cast<std::uint32_t>(text.size());
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
    const JsonNames::Member* member =
        scalar_name_.empty() ? nullptr : map_->names.Find(0, scalar_name_);
    next_ =
        member == nullptr ? scanner_.SkipValue(first) : ReadKnownValue(first, first, *member, 1, 0);
    if (next_ == nullptr) return FailJson();
    if (member == nullptr) {
      return FailValue(
          RejectCode::kType, first,
          "the message is a bare value, and this model names no field for it: expected "
          "an object or an array of objects");
    }
    if (uses_topic_ && !topic_.empty()) TakeTopic();
    return true;
  }

  bool IsTopicText() const {
    return topic_.find('\0') == std::string_view::npos && IsValidUtf8(topic_);
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

  std::span<const FieldBinding> fields_;
  const JsonOptions options_;
  std::string_view scalar_name_;
  NameMap maps_[2];  // [0]: the message has no topic
  std::size_t rest_field_ = kNoField;
  bool uses_topic_ = false;

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

  std::vector<Slot> slots_;
  std::size_t members_ = 0;  // of the object so far, nested ones on named paths included
  std::size_t taken_ = 0;
  const char* object_at_ = nullptr;
  std::vector<std::pair<const char*, const char*>> rest_;
  std::size_t rest_bytes_ = 0;
  bool rest_fits_ = true;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_READER_H_
