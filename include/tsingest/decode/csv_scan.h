// Where CSV records end: a quote-aware scan at memory speed.
#ifndef TSINGEST_DECODE_CSV_SCAN_H_
#define TSINGEST_DECODE_CSV_SCAN_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tsingest/decode/csv_dialect.h"
#include "tsingest/decode/internal/byte_block.h"

namespace tsingest {

// One record found by a scan.
struct CsvRecordEnd {
  std::uint32_t end = 0;    // offset of the byte behind its line end, in the text that was scanned
  std::uint32_t lines = 0;  // lines it spans: 1 plus the line breaks inside quotes
};

// The automaton that CsvSyntax describes, which is what every scan here computes:
//
//               delimiter, line end                   quote
//   field start ------------------> field start       ------> quoted
//   unquoted    ------------------> field start       ------> unquoted (an ordinary character)
//   quoted      ------------------> quoted            ------> quote in quoted
//   quote in q. ------------------> field start       ------> quoted (it was a doubled quote)
//
// Any other byte leads to unquoted, from quoted back to quoted. With CsvSyntax::escape that byte
// leads from quoted to escape in quoted, and every byte from there back to quoted. A record ends at
// a line end that does not stand in quotes.
enum class CsvState : std::uint8_t {
  kFieldStart,
  kUnquoted,
  kQuoted,
  kQuoteInQuoted,
  kEscapeInQuoted
};

constexpr bool IsInsideQuotes(CsvState state) {
  return state == CsvState::kQuoted || state == CsvState::kEscapeInQuoted;
}

constexpr CsvState NextCsvState(CsvState state, char c, const CsvSyntax& syntax) {
  const bool is_quote = c == syntax.quote && syntax.quote != '\0';
  if (state == CsvState::kEscapeInQuoted) return CsvState::kQuoted;
  if (state == CsvState::kQuoted) {
    if (syntax.has_escape() && c == syntax.escape) return CsvState::kEscapeInQuoted;
    return is_quote ? CsvState::kQuoteInQuoted : CsvState::kQuoted;
  }
  if (c == syntax.delimiter || c == syntax.line_end) return CsvState::kFieldStart;
  if (is_quote && state != CsvState::kUnquoted) return CsvState::kQuoted;
  const bool is_skipped_space = syntax.skip_initial_space && c == ' ';
  if (is_skipped_space && state == CsvState::kFieldStart) return CsvState::kFieldStart;
  return CsvState::kUnquoted;
}

namespace internal {

// The quotes of one block that open or close a field, and what stands between them.
struct CsvQuotes {
  std::uint64_t marks;   // quotes that open, close or are doubled; the others are ordinary
  std::uint64_t inside;  // bytes from an opening quote up to the one before its closing quote
  bool exact;            // false (only with skip_initial_space): ask the automaton
};

// Parity tells opening quotes from closing ones, as long as each that opens stands at the start of
// a field or behind another quote (then the two are a doubled quote). The first one that does not
// is an ordinary character (`5" pipe`): it is left out, and the rest is read again.
inline CsvQuotes ReadCsvQuotes(std::uint64_t quotes, std::uint64_t separators, CsvState before,
                               bool skip_initial_space) {
  const std::uint64_t starts_inside = before == CsvState::kQuoted ? ~std::uint64_t{0} : 0;
  const std::uint64_t may_open =
      before == CsvState::kFieldStart || before == CsvState::kQuoteInQuoted ? 1 : 0;
  for (;;) {
    const std::uint64_t inside = PrefixXor(quotes) ^ starts_inside;
    const std::uint64_t openable = (((separators & ~inside) | quotes) << 1) | may_open;
    const std::uint64_t ordinary = quotes & inside & ~openable;
    if (ordinary == 0) return {quotes, inside, true};
    if (skip_initial_space) return {quotes, inside, false};
    quotes &= ~(ordinary & (0 - ordinary));
  }
}

}  // namespace internal

// Finds record ends in a text that comes in pieces of any size: state is carried from one Scan() to
// the next. Not thread-safe. Template parameter: internal::Block, or the portable block in tests.
template <class Block>
class BasicCsvRecordScanner {
 public:
  explicit BasicCsvRecordScanner(const CsvSyntax& syntax) : syntax_(syntax) {}

  // Scans the bytes that follow those scanned before, and appends the ends found in them.
  // text.size() must be below 4 GiB.
  void Scan(std::string_view text, std::vector<CsvRecordEnd>& ends) {
    if (syntax_.has_escape()) return ScanEscaped(text, ends);
    std::size_t at = 0;
    for (; text.size() - at >= internal::kBlockBytes; at += internal::kBlockBytes) {
      ScanBlock(text.data() + at, at, internal::kBlockBytes, ends);
    }
    if (at == text.size()) return;
    char rest[internal::kBlockBytes] = {};
    std::memcpy(rest, text.data() + at, text.size() - at);
    ScanBlock(rest, at, text.size() - at, ends);
  }

  // Forgets everything: the next byte is the first of a record.
  void Reset() {
    state_ = CsvState::kFieldStart;
    inner_lines_ = 0;
  }

  // Whether the text scanned so far ends inside quotes.
  bool in_quotes() const { return IsInsideQuotes(state_); }

 private:
  void ScanBlock(const char* p, std::size_t at, std::size_t size, std::vector<CsvRecordEnd>& ends) {
    const Block block(p);
    const std::uint64_t valid = internal::LowBits(size);
    const std::uint64_t quotes = syntax_.quote == '\0' ? 0 : block.Equal(syntax_.quote) & valid;
    const std::uint64_t breaks = block.Equal(syntax_.line_end) & valid;
    const char last = p[size - 1];
    if (syntax_.skip_initial_space && last == ' ') {
      WalkBlock(p, at, size, ends);
    } else if (quotes == 0 && state_ != CsvState::kQuoted) [[likely]] {
      AddEnds(breaks, 0, at, ends);
      state_ = StateBehind(last);
    } else {
      const std::uint64_t delimiters = block.Equal(syntax_.delimiter) & valid;
      const internal::CsvQuotes read =
          internal::ReadCsvQuotes(quotes, delimiters | breaks, state_, syntax_.skip_initial_space);
      if (!read.exact) return WalkBlock(p, at, size, ends);
      AddEnds(breaks & ~read.inside, breaks & read.inside, at, ends);
      const std::uint64_t last_bit = std::uint64_t{1} << (size - 1);
      state_ = (read.inside & last_bit) != 0  ? CsvState::kQuoted
               : (read.marks & last_bit) != 0 ? CsvState::kQuoteInQuoted
                                              : StateBehind(last);
    }
  }

  CsvState StateBehind(char unquoted) const {
    return unquoted == syntax_.delimiter || unquoted == syntax_.line_end ? CsvState::kFieldStart
                                                                         : CsvState::kUnquoted;
  }

  void AddEnds(std::uint64_t outer, std::uint64_t inner, std::size_t at,
               std::vector<CsvRecordEnd>& ends) {
    while (outer != 0) {
      const int bit = std::countr_zero(outer);
      outer &= outer - 1;
      if (inner != 0) {
        const std::uint64_t before = inner & internal::LowBits(static_cast<std::size_t>(bit));
        inner_lines_ += static_cast<std::uint32_t>(std::popcount(before));
        inner ^= before;
      }
      AddEnd(at + static_cast<std::size_t>(bit) + 1, ends);
    }
    if (inner != 0) inner_lines_ += static_cast<std::uint32_t>(std::popcount(inner));
  }

  void AddEnd(std::size_t end, std::vector<CsvRecordEnd>& ends) {
    ends.push_back({static_cast<std::uint32_t>(end), inner_lines_ + 1});
    inner_lines_ = 0;
  }

  // Where quotes may be escaped: the automaton, but for blocks that have nothing to do with quotes.
  [[gnu::noinline]] void ScanEscaped(std::string_view text, std::vector<CsvRecordEnd>& ends) {
    for (std::size_t at = 0; at < text.size(); at += internal::kBlockBytes) {
      const std::string_view block = text.substr(at, internal::kBlockBytes);
      const bool has_quotes =
          IsInsideQuotes(state_) || block.find(syntax_.quote) != std::string_view::npos;
      if (has_quotes || block.size() < internal::kBlockBytes || block.back() == ' ') {
        WalkBlock(block.data(), at, block.size(), ends);
      } else {
        AddEnds(Block(block.data()).Equal(syntax_.line_end), 0, at, ends);
        state_ = StateBehind(block.back());
      }
    }
  }

  // The automaton, byte by byte.
  void WalkBlock(const char* p, std::size_t at, std::size_t size, std::vector<CsvRecordEnd>& ends) {
    for (std::size_t i = 0; i < size; ++i) {
      if (p[i] == syntax_.line_end) {
        if (IsInsideQuotes(state_)) {
          ++inner_lines_;
        } else {
          AddEnd(at + i + 1, ends);
        }
      }
      state_ = NextCsvState(state_, p[i], syntax_);
    }
  }

  CsvSyntax syntax_;
  CsvState state_ = CsvState::kFieldStart;
  std::uint32_t inner_lines_ = 0;  // line breaks in the current record so far
};

using CsvRecordScanner = BasicCsvRecordScanner<internal::Block>;

}  // namespace tsingest

#endif  // TSINGEST_DECODE_CSV_SCAN_H_
