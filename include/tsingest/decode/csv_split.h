// One CSV record into its fields.
#ifndef TSINGEST_DECODE_CSV_SPLIT_H_
#define TSINGEST_DECODE_CSV_SPLIT_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tsingest/base/arena.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/csv_scan.h"
#include "tsingest/decode/internal/byte_block.h"

namespace tsingest {

// One field of a record: views the record, without the quotes around it.
struct CsvCell {
  const char* data = nullptr;
  std::uint32_t size = 0;
  bool quoted = false;
  bool escaped = false;  // holds doubled quotes or escapes

  // As it stands in the record.
  std::string_view raw() const { return {data, size}; }
  // Not quoted and nothing in it.
  bool empty() const { return size == 0 && !quoted; }
  // Not quoted, and nothing but blanks in it.
  bool blank() const { return !quoted && raw().find_first_not_of(" \t") == std::string_view::npos; }
  // The value: doubled quotes halved, or escapes left out, into the arena when there are any.
  std::string_view Text(const CsvSyntax& syntax, Arena& arena) const {
    return escaped ? Unescape(syntax, arena) : raw();
  }

 private:
  std::string_view Unescape(const CsvSyntax& syntax, Arena& arena) const {
    char* const out = arena.Allocate(size + Arena::kPadding);  // readers of numbers look ahead
    const char escape = syntax.has_escape() ? syntax.escape : syntax.quote;
    std::size_t length = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const bool goes_on = i + 1 < size;
      if (data[i] == escape && goes_on && (data[i + 1] == syntax.quote || data[i + 1] == escape)) {
        ++i;
      }
      out[length++] = data[i];
    }
    std::memset(out + length, 0, Arena::kPadding);
    return {out, length};
  }
};

enum class CsvFault : std::uint8_t {
  kNone,
  kOpenQuote,       // a quoted field is not closed
  kTextAfterQuote,  // something other than a delimiter behind a closing quote: a quote not doubled
  kLineBreak,       // a line end outside quotes: more than one record
  kTooManyFields,   // stopped at CsvLimits::fields
};

struct CsvSplit {
  CsvFault fault = CsvFault::kNone;
  std::uint32_t field = 0;  // index of the faulty field
  bool plain_text = false;  // the record is ASCII without NUL
};

// Splits records; not thread-safe. Template parameter: as of BasicCsvRecordScanner.
template <class Block>
class BasicCsvSplitter {
 public:
  BasicCsvSplitter() = default;
  BasicCsvSplitter(const CsvSyntax& syntax, std::size_t max_fields)
      : syntax_(syntax), max_fields_(max_fields) {}

  // `record`: without its line end, below 4 GiB, with Arena::kPadding readable bytes behind it.
  // `cells` is emptied first. After a fault the cells are of no use.
  CsvSplit Split(std::string_view record, std::vector<CsvCell>& cells) {
    cells.clear();
    Found found = FindFields(record, cells);
    if (!found.exact) {
      cells.clear();
      found = WalkFields(record, cells);
    }
    CsvSplit split;
    split.plain_text = found.plain_text;
    split.field = static_cast<std::uint32_t>(cells.size()) - 1;
    if (found.line_break) {
      split.fault = CsvFault::kLineBreak;
    } else if (cells.size() > max_fields_) {
      split.fault = CsvFault::kTooManyFields;
    } else {
      if (syntax_.skip_initial_space) SkipSpaces(cells);
      if (found.quotes != 0) Unquote(found.quotes, cells, split);
    }
    return split;
  }

 private:
  struct Found {
    std::size_t quotes = 0;
    bool exact = true;
    bool line_break = false;
    bool plain_text = true;
  };

  static CsvCell RawCell(const char* begin, const char* end) {
    return {begin, static_cast<std::uint32_t>(end - begin), false, false};
  }

  Found FindFields(std::string_view record, std::vector<CsvCell>& cells) const {
    Found found;
    const char* const begin = record.data();
    const char* field = begin;
    std::uint64_t special = 0;
    std::uint64_t breaks = 0;
    CsvState state = CsvState::kFieldStart;
    for (std::size_t at = 0; at < record.size(); at += internal::kBlockBytes) {
      const Block block(begin + at);
      const std::uint64_t valid = internal::LowBits(record.size() - at);
      std::uint64_t delimiters = block.Equal(syntax_.delimiter) & valid;
      std::uint64_t line_ends = block.Equal(syntax_.line_end) & valid;
      special |= block.NulOrNonAscii() & valid;
      const std::uint64_t quotes = syntax_.quote == '\0' ? 0 : block.Equal(syntax_.quote) & valid;
      if (quotes != 0 && syntax_.has_escape()) return {.exact = false};
      if (quotes != 0 || state == CsvState::kQuoted) {
        const internal::CsvQuotes read = internal::ReadCsvQuotes(quotes, delimiters | line_ends,
                                                                 state, syntax_.skip_initial_space);
        if (!read.exact) return {.exact = false};
        found.quotes += static_cast<std::size_t>(std::popcount(quotes));
        delimiters &= ~read.inside;
        line_ends &= ~read.inside;
        state = StateBehind(read.inside >> 63, read.marks >> 63, delimiters >> 63);
      } else {
        state = StateBehind(0, 0, delimiters >> 63);
      }
      breaks |= line_ends;
      for (; delimiters != 0; delimiters &= delimiters - 1) {
        const char* const end = begin + at + std::countr_zero(delimiters);
        cells.push_back(RawCell(field, end));
        field = end + 1;
      }
      if (cells.size() > max_fields_) return found;
    }
    cells.push_back(RawCell(field, begin + record.size()));
    found.line_break = breaks != 0;
    found.plain_text = special == 0;
    return found;
  }

  static CsvState StateBehind(std::uint64_t inside, std::uint64_t quote, std::uint64_t delimiter) {
    if (inside != 0) return CsvState::kQuoted;
    if (quote != 0) return CsvState::kQuoteInQuoted;
    return delimiter != 0 ? CsvState::kFieldStart : CsvState::kUnquoted;
  }

  // The automaton, byte by byte.
  Found WalkFields(std::string_view record, std::vector<CsvCell>& cells) const {
    Found found;
    const char* field = record.data();
    CsvState state = CsvState::kFieldStart;
    for (const char& c : record) {
      if (!IsInsideQuotes(state)) {
        if (c == syntax_.line_end) found.line_break = true;
        if (c == syntax_.delimiter) {
          cells.push_back(RawCell(field, &c));
          field = &c + 1;
          if (cells.size() > max_fields_) return found;
        }
      }
      found.quotes += c == syntax_.quote;
      found.plain_text &= static_cast<signed char>(c) > 0;
      state = NextCsvState(state, c, syntax_);
    }
    cells.push_back(RawCell(field, record.data() + record.size()));
    return found;
  }

  // Takes the quotes off the fields. When the record has exactly two quotes per quoted field, and
  // there is no escape, there is nothing to look for inside them.
  void Unquote(std::size_t quotes, std::vector<CsvCell>& cells, CsvSplit& split) const {
    std::size_t enclosing = 0;
    for (CsvCell& cell : cells) {
      if (cell.size == 0 || cell.data[0] != syntax_.quote) continue;
      cell.quoted = cell.size >= 2 && cell.data[cell.size - 1] == syntax_.quote;
      if (!cell.quoted) return Blame(cell, cells, split);
      enclosing += 2;
    }
    for (CsvCell& cell : cells) {
      if (!cell.quoted) continue;
      const bool may_hold_quotes = enclosing != quotes || syntax_.has_escape();
      if (may_hold_quotes && !InnerQuotesAreMarked(cell)) return Blame(cell, cells, split);
      ++cell.data;
      cell.size -= 2;
    }
  }

  // Blanks before a field, and those around its quotes.
  void SkipSpaces(std::vector<CsvCell>& cells) const {
    for (CsvCell& cell : cells) {
      std::string_view text = cell.raw();
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      if (!text.empty() && text.front() == syntax_.quote) {
        text = text.substr(0, text.find_last_not_of(' ') + 1);
      }
      cell = RawCell(text.data(), text.data() + text.size());
    }
  }

  // Doubled, or escaped.
  bool InnerQuotesAreMarked(CsvCell& cell) const {
    const std::string_view text = cell.raw().substr(1, cell.size - 2);
    if (syntax_.has_escape()) return InnerQuotesAreEscaped(text, cell);
    for (std::size_t i = text.find(syntax_.quote); i != std::string_view::npos;
         i = text.find(syntax_.quote, i + 2)) {
      if (i + 1 == text.size() || text[i + 1] != syntax_.quote) return false;
      cell.escaped = true;
    }
    return true;
  }

  bool InnerQuotesAreEscaped(std::string_view text, CsvCell& cell) const {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == syntax_.quote) return false;
      if (text[i] != syntax_.escape) continue;
      if (i + 1 == text.size()) return false;  // it is the last quote that is escaped
      if (text[i + 1] != syntax_.quote && text[i + 1] != syntax_.escape) continue;
      cell.escaped = true;
      ++i;
    }
    return true;
  }

  // Only the last field can be open; it is when the automaton ends inside its quotes.
  void Blame(const CsvCell& cell, const std::vector<CsvCell>& cells, CsvSplit& split) const {
    CsvState state = CsvState::kFieldStart;
    for (const char c : cell.raw()) state = NextCsvState(state, c, syntax_);
    split.field = static_cast<std::uint32_t>(&cell - cells.data());
    split.fault = &cell == &cells.back() && IsInsideQuotes(state) ? CsvFault::kOpenQuote
                                                                  : CsvFault::kTextAfterQuote;
  }

  CsvSyntax syntax_;
  std::size_t max_fields_ = CsvLimits{}.fields;
};

using CsvSplitter = BasicCsvSplitter<internal::Block>;

}  // namespace tsingest

#endif  // TSINGEST_DECODE_CSV_SPLIT_H_
