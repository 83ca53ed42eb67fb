// Reads JSON messages object by object, and objects into rows. Knows no row type.
#ifndef TSINGEST_DECODE_INTERNAL_JSON_READER_H_
#define TSINGEST_DECODE_INTERNAL_JSON_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tsingest/decode/decoder.h"
#include "tsingest/decode/internal/json_object.h"
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
      : fields_(fields), options_(options), scalar_name_(scalar_name), object_(fields, options_) {
    context_.options = &options_.parse;
  }
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Begins a message. `input` and `arena` are used until TakeReject().
  void Start(const DecodeInput& input, Arena& arena) {
    input_ = &input;
    context_.arena = &arena;
    context_.arrival = input.arrival;
    object_.Start(input, context_);
    state_ = State::kStart;
    element_ = 0;
    objects_ = 0;
    next_ = payload().data();
    if (payload().size() > options_.limits.total_bytes) [[unlikely]] {
      FailWith(RejectCode::kLimit, "the message has " + std::to_string(payload().size()) +
                                       " bytes, the limit is " +
                                       std::to_string(options_.limits.total_bytes));
    } else if (object_.uses_topic() && !IsTopicText()) [[unlikely]] {
      FailWith(RejectCode::kEncoding,
               "the topic " + ShowValue(topic()) + " is not valid UTF-8 without NUL");
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
    const JsonSlot& slot = object_.slot(i);
    RejectCode code;
    if (slot.kind == TokenKind::kNull) {
      code = set_missing(row, context_);
    } else if (slot.flags == JsonSlot::kHasEscapes) [[unlikely]] {
      code = SetEscaped(field, slot, row);
    } else {
      code = set(row, Token{slot.kind, {slot.first, slot.size}, slot.flags == JsonSlot::kFitsJsonb},
                 context_);
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

  std::string_view payload() const { return input_->payload; }
  std::string_view topic() const { return input_->topic; }

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
    if (scanner_.Peek(next_) == ',') {
      next_ = scanner_.SkipSpace(next_ + 1);
      return ReadElement();
    }
    element_ = 0;
    return FailSyntax(next_, "expected ',' or ']'");
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
    if (scanner_.SkipValue(next_, 1) == nullptr) return FailJson();
    return FailValue(RejectCode::kType, next_,
                     "element " + std::to_string(std::exchange(element_, 0)) +
                         " of the array is no object: expected an object or an array of objects");
  }

  // next_: at the first byte of an object, or of the scalar that stands for one.
  bool CountObject() {
    object_at_ = next_;
    if (++objects_ <= options_.objects) [[likely]]
      return true;
    return FailValue(
        RejectCode::kLimit, next_,
        "the message has more objects than the limit of " + std::to_string(options_.objects));
  }

  // next_: at '{', inside `depth` arrays.
  bool ReadObject(std::size_t depth) {
    if (!CountObject()) return false;
    next_ = object_.Read(next_, depth);
    return next_ != nullptr ? true : FailJson();
  }

  // A message that is one bare scalar: the value of the model's kScalarName.
  bool ReadScalar() {
    if (!CountObject()) return false;
    next_ = object_.ReadAsMember(next_, scalar_name_);
    if (next_ == nullptr) return FailJson();
    if (!scalar_name_.empty() && object_.Knows(scalar_name_)) return true;
    return FailValue(RejectCode::kType, object_at_,
                     "the message is a bare value, and this model names no field for it: expected "
                     "an object or an array of objects");
  }

  bool IsTopicText() const {
    return IsPlainText(topic()) ||
           (topic().find('\0') == std::string_view::npos && IsValidUtf8(topic()));
  }

  void SkipByteOrderMark() {
    if (payload().starts_with("\xEF\xBB\xBF")) next_ += 3;
  }

  RejectCode SetEscaped(const FieldBinding& field, const JsonSlot& slot, void* row) {
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
        payload().empty()
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
      reason += " of " + std::to_string(fault.limit);
    } else {
      reason += ", found ";
      reason += fault.at >= scanner_.end() ? "the end of the message" : ShowFound(fault.at);
    }
    return FailWith(fault.code, std::move(reason) + Place(fault.at));
  }

  // A field's own reject. True after all: a field for what is left over, and nothing is.
  [[gnu::noinline, gnu::cold]] bool FailField(const FieldBinding& field, const JsonSlot& slot,
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
    const bool in_payload = slot.first >= payload().data() && slot.first < scanner_.end();
    return in_payload ? FailValue(code, slot.first, std::move(reason))
                      : FailWith(code, std::move(reason));
  }

  // Where a value was looked for that is missing: " (looked for mac_address, device_id)".
  std::string Sought(const FieldBinding& field) const {
    if (field.origin == ValueOrigin::kTopicLevel && !topic().empty()) {
      return " (the topic " + ShowValue(topic()) + " has no level " +
             std::to_string(field.topic_level) + ")";
    }
    std::string text = " (looked for ";
    for (std::size_t i = 0; i < field.names.size(); ++i) {
      const auto before = field.names.first(i);
      if (std::ranges::find(before, field.names[i]) != before.end()) continue;
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
    return text + ", at byte " + std::to_string(at - payload().data());
  }

  // What never changes.
  const std::span<const FieldBinding> fields_;
  const JsonOptions options_;
  const std::string_view scalar_name_;

  // The message.
  JsonObject object_;
  JsonScanner<true>& scanner_ = object_.scanner();
  ParseContext context_;
  // Not copied: its views were written a moment ago, in halves, which the processor cannot pass on
  // to a load of the whole (4 ns each).
  const DecodeInput* input_ = nullptr;
  State state_ = State::kEnd;
  const char* next_ = nullptr;
  const char* object_at_ = nullptr;  // where the object in the slots begins
  std::size_t element_ = 0;          // 1-based, of the array that is being read; 0: none
  std::size_t objects_ = 0;
  Reject reject_;
};

}  // namespace tsingest::internal

#endif  // TSINGEST_DECODE_INTERNAL_JSON_READER_H_
