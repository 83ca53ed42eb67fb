// The scanner under everything that reads JSON: RFC 8259 grammar, UTF-8 and limits, no document.
#ifndef TSINGEST_MODEL_INTERNAL_JSON_SCAN_H_
#define TSINGEST_MODEL_INTERNAL_JSON_SCAN_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/base/utf8.h"
#include "tsingest/model/internal/byte_scan.h"
#include "tsingest/model/reject.h"

namespace tsingest {

// Hard limits on JSON text. A value over a limit is rejected with RejectCode::kLimit.
struct JsonLimits {
  static constexpr std::size_t kMaxDepth = 1024;

  std::size_t total_bytes = std::size_t{16} << 20;
  std::size_t string_bytes = std::size_t{1} << 20;  // of one string or name, as written
  std::size_t number_bytes = 1024;                  // of one number, as written
  std::size_t depth = 64;                           // nested objects and arrays; at most kMaxDepth
};

namespace internal {

// Where and why JSON text is refused. `rule` is a literal: "expected ',' or '}'".
struct JsonFault {
  RejectCode code = RejectCode::kOk;
  const char* at = nullptr;
  std::string_view rule;
  std::size_t limit = 0;  // with kLimit: the limit that `rule` speaks of
};

constexpr bool IsJsonSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
constexpr bool IsJsonDigit(char c) { return c >= '0' && c <= '9'; }

// Value of a hexadecimal digit; -1: it is none.
constexpr int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hexadecimal digits at `p`, -1 when they are not four. Needs four readable bytes.
constexpr int HexQuad(const char* p) {
  const int a = HexDigit(p[0]), b = HexDigit(p[1]), c = HexDigit(p[2]), d = HexDigit(p[3]);
  return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

// Whether numeric (and so jsonb) can hold a JSON number: up to 131,072 digits before the decimal
// point and 16,383 behind it (PostgreSQL manual, table 8.2). `number` keeps the JSON grammar.
bool NumericHoldsJsonNumber(std::string_view number);

// Walks over JSON text from a pointer that the caller keeps. Every Scan/Skip member returns the
// pointer behind what it read, or nullptr after it has set fault(). Never reads outside the text,
// or, when kPadded, outside the text and the Arena::kPadding bytes behind it (whatever they hold).
template <bool kPadded>
class JsonScanner {
 public:
  explicit JsonScanner(const JsonLimits& limits) : limits_(limits) {
    limits_.depth = std::min(limits.depth, JsonLimits::kMaxDepth);
    short_string_ = std::min(limits.string_bytes, 2 * kScanBytes - 1);
    short_number_ = std::min(limits.number_bytes, std::size_t{31});
  }

  void Start(std::string_view text) {
    end_ = text.data() + text.size();
    fault_.code = RejectCode::kOk;
    unsafe_.at = nullptr;
  }

  const char* end() const { return end_; }
  const JsonFault& fault() const { return fault_; }

  // The last thing met that is good JSON but that jsonb refuses (\u0000, a lone surrogate, a number
  // too large for numeric); `at` is null when there was none.
  const JsonFault& unsafe() const { return unsafe_; }

  const char* Fail(RejectCode code, const char* at, std::string_view rule) {
    fault_ = {code, at, rule, 0};
    return nullptr;
  }
  const char* FailLimit(const char* at, std::string_view rule, std::size_t limit) {
    fault_ = {RejectCode::kLimit, at, rule, limit};
    return nullptr;
  }

  // The byte at p, NUL at the end of the text. NUL is never part of JSON's structure.
  char Peek(const char* p) const { return p < end_ ? *p : '\0'; }

  const char* SkipSpace(const char* p) const {
    if (static_cast<unsigned char>(Peek(p)) > ' ') return p;
    while (p < end_ && IsJsonSpace(*p)) ++p;
    return p;
  }

  // p: behind the opening quote. Returns the closing quote. *has_escapes tells whether there are.
  const char* ScanString(const char* p, bool* has_escapes) {
    *has_escapes = false;
    const char* const quote = ScanShortString(p);
    return quote != nullptr ? quote : ScanStringSlow(p, has_escapes);
  }

  // The same for short strings of ASCII without escapes, p at most at the end of the text. Null:
  // look again with ScanStringSlow().
  [[gnu::always_inline]] const char* ScanShortString(const char* const p) const {
    if (!kPadded && !HasBlock(p)) return nullptr;
    std::size_t size = PlainStringBytes(p);
    if (size == kScanBytes) {
      if (!kPadded && !HasBlock(p + kScanBytes)) return nullptr;
      size += PlainStringBytes(p + kScanBytes);
    }
    const char* const quote = p + size;
    const bool is_good = size <= short_string_ && quote < end_ && *quote == '"';
    return is_good ? quote : nullptr;
  }

  // p: at the first character of a number ('-' or a digit).
  const char* ScanNumber(const char* p) {
    const char* const behind = ScanShortNumber(p);
    return behind != nullptr ? behind : ScanNumberSlow(p);
  }

  // The same for short numbers without an exponent. Null: look again with ScanNumberSlow().
  [[gnu::always_inline]] const char* ScanShortNumber(const char* const start) const {
    // A sign, 32 bytes, and the one behind them.
    if (!kPadded && end_ - start < 34) return nullptr;
    const char* p = start + (*start == '-');
    // Bit i: byte i is no digit. Bits 32 and up stand for what was not looked at.
    const std::uint64_t others = ~std::uint64_t{DigitMask32(p)};
    const auto digits = static_cast<unsigned>(__builtin_ctzll(others));
    if (digits != 1 && (digits == 0 || *p == '0')) return nullptr;
    if (p[digits] == '.') {
      const auto fraction = static_cast<unsigned>(__builtin_ctzll(others >> (digits + 1)));
      if (fraction == 0) return nullptr;
      p += digits + 1 + fraction;
    } else {
      p += digits;
    }
    const bool is_good =
        static_cast<std::size_t>(p - start) <= short_number_ && p <= end_ && (*p | 0x20) != 'e';
    return is_good ? p : nullptr;
  }

  // p: at 't', 'f' or 'n'.
  const char* ScanLiteral(const char* p) {
    const std::string_view word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
    if (end_ - p < static_cast<std::ptrdiff_t>(word.size()) ||
        std::memcmp(p, word.data(), word.size()) != 0) {
      return Fail(RejectCode::kSyntax, p, "expected a JSON value");
    }
    return p + word.size();
  }

  // p: behind the closing quote of a name. Returns the first character of the value.
  const char* ScanColon(const char* p) {
    p = SkipSpace(p);
    if (Peek(p) != ':') return Fail(RejectCode::kSyntax, p, "expected ':' after a name");
    return SkipSpace(p + 1);
  }

  // p: at the first character of a value inside `depth` objects and arrays. Reads the whole value.
  const char* SkipValue(const char* p, std::size_t depth = 0) {
    switch (Peek(p)) {
      case '"': {
        bool has_escapes;
        p = ScanString(p + 1, &has_escapes);
        return p == nullptr ? nullptr : p + 1;
      }
      case '{':
      case '[':
        return SkipContainer(p, depth);
      case 't':
      case 'f':
      case 'n':
        return ScanLiteral(p);
      default:
        if (Peek(p) == '-' || IsJsonDigit(Peek(p))) return ScanNumber(p);
        return Fail(RejectCode::kSyntax, p, "expected a JSON value");
    }
  }

  // ScanString() for strings with escapes or other than ASCII, long ones and bad ones.
  // *has_escapes is only ever set to true.
  [[gnu::noinline]] const char* ScanStringSlow(const char* const start, bool* has_escapes) {
    const char* p = start;
    for (;;) {
      const char* const run = p;
      bool has_non_ascii = false;
      p = FindStringStop(p, &has_non_ascii);
      if (has_non_ascii) {
        const char* const bad = FindBadUtf8(run, p);
        if (bad != p) return Fail(RejectCode::kEncoding, bad, "expected valid UTF-8");
      }
      if (!InStringLimit(start, p)) {
        return FailLimit(start - 1, "a string has more bytes than the limit", limits_.string_bytes);
      }
      if (p >= end_) return Fail(RejectCode::kSyntax, end_, "expected '\"' at the end of a string");
      if (*p == '"') return p;
      if (*p != '\\') {
        return Fail(RejectCode::kSyntax, p, "expected control characters in strings to be escaped");
      }
      *has_escapes = true;
      p = ScanEscape(p);
      if (p == nullptr) return nullptr;
    }
  }

  // ScanNumber() for every number and every fault.
  [[gnu::noinline]] const char* ScanNumberSlow(const char* const start) {
    const char* p = start + (*start == '-');
    const auto skip_digits = [&] {
      const char* const first = p;
      while (IsJsonDigit(Peek(p))) ++p;
      return p != first;
    };
    const char* const integer = p;
    if (!skip_digits()) return Fail(RejectCode::kSyntax, p, "expected a digit");
    if (*integer == '0' && p - integer > 1) {
      return Fail(RejectCode::kSyntax, integer, "expected a number without leading zeros");
    }
    if (Peek(p) == '.') {
      ++p;
      if (!skip_digits())
        return Fail(RejectCode::kSyntax, p, "expected a digit after the decimal point");
    }
    if ((Peek(p) | 0x20) == 'e') {
      ++p;
      if (Peek(p) == '+' || Peek(p) == '-') ++p;
      if (!skip_digits()) return Fail(RejectCode::kSyntax, p, "expected a digit in the exponent");
    }
    const auto length = static_cast<std::size_t>(p - start);
    if (length > limits_.number_bytes) {
      return FailLimit(start, "a number has more bytes than the limit", limits_.number_bytes);
    }
    if (!NumericHoldsJsonNumber({start, length})) {
      unsafe_ = {RejectCode::kRange, start, "is a number that numeric cannot hold", 0};
    }
    return p;
  }

  // p: at '{' or '[', which is one level too many.
  const char* FailDepth(const char* p) {
    return FailLimit(p, "objects and arrays nest deeper than the limit", limits_.depth);
  }

  // p: at '{' or '[', inside `depth` objects and arrays. One bit per level tells what closes it.
  const char* SkipContainer(const char* p, std::size_t depth) {
    std::array<std::uint64_t, JsonLimits::kMaxDepth / 64> is_object;
    std::size_t level = 0;
    const auto inside_object = [&] {
      return (is_object[(level - 1) / 64] >> ((level - 1) % 64)) & 1;
    };
    for (;;) {
      const char first = Peek(p);
      bool closed = true;
      if (first == '{' || first == '[') {
        if (depth + level >= limits_.depth) {
          return FailDepth(p);
        }
        std::uint64_t& word = is_object[level / 64];
        const std::uint64_t bit = std::uint64_t{1} << (level % 64);
        word = first == '{' ? word | bit : word & ~bit;
        ++level;
        p = SkipSpace(p + 1);
        closed = Peek(p) == (first == '{' ? '}' : ']');
        if (closed) {
          --level;
          ++p;
        }
      } else {
        p = SkipValue(p);
        if (p == nullptr) return nullptr;
      }
      while (closed) {
        if (level == 0) return p;
        p = SkipSpace(p);
        const char close = inside_object() ? '}' : ']';
        if (Peek(p) == ',') {
          p = SkipSpace(p + 1);
          closed = false;
        } else if (Peek(p) == close) {
          --level;
          ++p;
        } else {
          return Fail(RejectCode::kSyntax, p,
                      close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        }
      }
      if (inside_object()) {
        p = SkipName(p);
        if (p == nullptr) return nullptr;
      }
    }
  }

 private:
  bool HasBlock(const char* p) const {
    return kPadded ? p < end_ : end_ - p >= static_cast<std::ptrdiff_t>(kScanBytes);
  }
  bool InStringLimit(const char* start, const char* p) const {
    return static_cast<std::size_t>(p - start) <= limits_.string_bytes;
  }

  // p: at the opening quote of a name. Returns the first character of its value.
  const char* SkipName(const char* p) {
    if (Peek(p) != '"') return Fail(RejectCode::kSyntax, p, "expected a name in quotes");
    bool has_escapes;
    p = ScanString(p + 1, &has_escapes);
    return p == nullptr ? nullptr : ScanColon(p + 1);
  }

  // The first byte that is not part of valid UTF-8; `end` when there is none.
  static const char* FindBadUtf8(const char* p, const char* end) {
    constexpr std::ptrdiff_t kLong = 32;
    if (end - p >= kLong) return p + FindInvalidUtf8({p, static_cast<std::size_t>(end - p)});
    while (p < end) {
      const std::size_t length = Utf8SequenceLength({p, static_cast<std::size_t>(end - p)});
      if (length == 0) return p;
      p += length;
    }
    return p;
  }

  // The first quote, backslash or control character at or behind p, or the end of the text.
  // *has_non_ascii may also be set when only bytes behind that are not ASCII.
  const char* FindStringStop(const char* p, bool* has_non_ascii) const {
    while (HasBlock(p)) {
      const StringBlock block = LookForStringStop(p);
      *has_non_ascii |= block.has_non_ascii;
      p += block.stop;
      if (block.stop < kScanBytes) return std::min(p, end_);
    }
    for (; p < end_; ++p) {
      const auto byte = static_cast<unsigned char>(*p);
      if (byte == '"' || byte == '\\' || byte < 0x20) return p;
      *has_non_ascii |= byte >= 0x80;
    }
    return end_;
  }

  // p: at a backslash.
  const char* ScanEscape(const char* p) {
    const char kind = Peek(p + 1);
    if (kind != 'u') {
      if (kind != '\0' && std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos) {
        return p + 2;
      }
      return Fail(RejectCode::kSyntax, p, "expected a JSON escape such as \\n or \\u00e9");
    }
    const int unit = end_ - p < 6 ? -1 : HexQuad(p + 2);
    if (unit < 0) return Fail(RejectCode::kSyntax, p, "expected four hexadecimal digits after \\u");
    if (unit == 0)
      unsafe_ = {RejectCode::kEncoding, p, "holds \\u0000, which PostgreSQL cannot store", 0};
    if (unit < 0xD800 || unit > 0xDFFF) return p + 6;
    const bool is_high = unit <= 0xDBFF;
    const int low = is_high && end_ - p >= 12 && p[6] == '\\' && p[7] == 'u' ? HexQuad(p + 8) : -1;
    if (low >= 0xDC00 && low <= 0xDFFF) return p + 12;
    unsafe_ = {RejectCode::kEncoding, p, "holds half a surrogate pair, which is no character", 0};
    return p + 6;
  }

  const char* end_ = nullptr;
  std::size_t short_string_;  // the most bytes that the ways for short values look at
  std::size_t short_number_;
  JsonLimits limits_;
  JsonFault fault_;
  JsonFault unsafe_;
};

inline bool NumericHoldsJsonNumber(std::string_view number) {
  constexpr std::int64_t kMaxLeadingPlace = 131071;  // of the first digit that is not 0
  constexpr std::int64_t kMaxScale = 16383;          // digits behind the decimal point
  constexpr std::int64_t kTooLarge = 1'000'000'000;
  const std::size_t e = number.find_first_of("eE");
  const std::string_view digits = number.substr(0, e);
  std::int64_t exponent = 0;
  if (e != std::string_view::npos) {
    const bool is_negative = number[e + 1] == '-';
    for (const char c : number.substr(e + 1)) {
      if (IsJsonDigit(c)) exponent = std::min(exponent * 10 + (c - '0'), kTooLarge);
    }
    if (exponent >= kTooLarge) return false;
    if (is_negative) exponent = -exponent;
  }
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const auto fraction =
      static_cast<std::int64_t>(digits.size() - std::min(point + 1, digits.size()));
  if (fraction - exponent > kMaxScale) return false;
  const std::size_t leading = digits.find_first_of("123456789");
  if (leading == std::string_view::npos) return true;
  const auto place = leading < point
                         ? static_cast<std::int64_t>(point - leading) - 1
                         : static_cast<std::int64_t>(point) - static_cast<std::int64_t>(leading);
  return place + exponent <= kMaxLeadingPlace;
}

}  // namespace internal
}  // namespace tsingest

#endif  // TSINGEST_MODEL_INTERNAL_JSON_SCAN_H_
