// PostgreSQL array literals: {1,2,NULL,"a b"}.
#ifndef TSINGEST_MODEL_ARRAY_TEXT_H_
#define TSINGEST_MODEL_ARRAY_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

#include "tsingest/base/arena.h"
#include "tsingest/model/decimal_text.h"

namespace tsingest {

// Goes over the elements of a one-dimensional array literal (PostgreSQL documentation, section
// "Array Input and Output Syntax"): in double quotes, or bare without commas, braces and quotes; a
// backslash takes the next character as it is; a bare NULL in any case is null; blanks around
// elements do not count. Explicit bounds ([2:3]={…}) and nested braces are refused.
//
//   ArrayLiteral literal(text, arena);
//   for (ArrayLiteral::Element element; literal.Next(&element);) …
//   if (!literal.ok()) …
//
// Elements view the text, or the arena where they have backslashes.
class ArrayLiteral {
 public:
  // No std::optional: g++ 12 warns of its text where that cannot be read.
  struct Element {
    std::string_view text = {};
    bool is_null = false;
  };

  ArrayLiteral(std::string_view text, Arena& arena) : rest_(text), arena_(arena) {
    ok_ = Take('{');
    SkipBlanks();
    if (ok_ && Take('}')) Finish();
  }

  // An upper bound of the number of elements.
  static std::size_t CountAtMost(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count(text, ',')) + 1;
  }

  // False at the end, and at a syntax error.
  bool Next(Element* element) {
    if (!ok_ || done_) return false;
    SkipBlanks();
    ok_ = Take('"') ? ReadQuoted(element) : ReadBare(element);
    SkipBlanks();
    if (!ok_ || Take(',')) return ok_;
    if (!Take('}')) return ok_ = false;
    Finish();
    return ok_;
  }

  bool ok() const { return ok_; }

 private:
  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) rest_.remove_prefix(1);
  }
  // Behind the closing brace.
  void Finish() {
    done_ = true;
    ok_ = TrimBlanks(rest_).empty();
  }

  bool ReadQuoted(Element* element) {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != '"') size += rest_[size] == '\\' ? 2 : 1;
    if (size >= rest_.size()) return false;
    *element = {Unescape(rest_.substr(0, size)), false};
    rest_.remove_prefix(size + 1);
    return true;
  }

  bool ReadBare(Element* element) {
    std::size_t size = 0;
    std::size_t kept = 0;  // up to the last character that is not a blank
    while (size < rest_.size() && rest_[size] != ',' && rest_[size] != '}') {
      if (rest_[size] == '"' || rest_[size] == '{') return false;
      const bool escaped = rest_[size] == '\\';
      size += escaped ? 2 : 1;
      if (size > rest_.size()) return false;
      if (escaped || !IsBlank(rest_[size - 1])) kept = size;
    }
    if (kept == 0) return false;
    const std::string_view text = rest_.substr(0, kept);
    *element = {Unescape(text), EqualsIgnoringCase(text, "null")};
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view Unescape(std::string_view text) {
    if (text.find('\\') == std::string_view::npos) return text;
    char* const begin = arena_.Allocate(text.size());
    char* out = begin;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\') ++i;
      *out++ = text[i];
    }
    return {begin, static_cast<std::size_t>(out - begin)};
  }

  std::string_view rest_;
  Arena& arena_;
  bool ok_ = false;
  bool done_ = false;
};

}  // namespace tsingest

#endif  // TSINGEST_MODEL_ARRAY_TEXT_H_
