#include "source/csv/sniff.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "tsingest/base/arena.h"
#include "tsingest/decode/csv_scan.h"
#include "tsingest/decode/csv_split.h"
#include "tsingest/model/decimal_text.h"

namespace tsingest::csv {
namespace {

constexpr std::array<char, 4> kDelimiters = {',', ';', '\t', '|'};
constexpr std::size_t kMostRecords = 500;

using Cells = std::vector<CsvCell>;

// The sample divided by one syntax, with what its cells view.
struct Table {
  Arena arena;
  CsvSyntax syntax;
  std::vector<Cells> records;  // those that are not empty and no comments
  std::vector<std::int64_t> next;
  std::vector<std::int64_t> lines;  // before each
  CsvFault first_fault = CsvFault::kNone;
};

void ReadTable(std::string_view sample, bool complete, const CsvSyntax& syntax, char comment,
               std::size_t most_records, Table* table) {
  const std::string_view text = table->arena.CopyPadded(sample);
  table->syntax = syntax;
  std::vector<CsvRecordEnd> ends;
  CsvRecordScanner scanner(syntax);
  scanner.Scan(text, ends);
  const std::size_t behind_last = ends.empty() ? 0 : ends.back().end;
  if (complete && behind_last < text.size()) {
    ends.push_back({static_cast<std::uint32_t>(text.size()), 1});
  }
  CsvSplitter splitter(syntax, text.size() + 1);
  std::size_t begin = 0;
  std::int64_t lines = 0;
  for (const CsvRecordEnd& end : ends) {
    std::string_view record = text.substr(begin, end.end - begin);
    begin = end.end;
    const std::int64_t line = std::exchange(lines, lines + end.lines);
    if (comment != '\0' && record.front() == comment) continue;
    if (record.ends_with(syntax.line_end)) record.remove_suffix(1);
    if (record.ends_with('\r')) record.remove_suffix(1);
    Cells cells;
    const CsvSplit split = splitter.Split(record, cells);
    if (std::ranges::all_of(cells, &CsvCell::blank)) continue;
    if (table->records.empty()) table->first_fault = split.fault;
    table->records.push_back(std::move(cells));
    table->next.push_back(static_cast<std::int64_t>(end.end));
    table->lines.push_back(line);
    if (table->records.size() == most_records) return;
  }
}

bool IsNumber(std::string_view text, char point) {
  return SplitDecimal(TrimBlanks(text), point).has_value();
}

// A number with a fraction, `point` before it.
bool IsFraction(std::string_view text, char point) {
  text = TrimBlanks(text);
  const std::optional<DecimalText> number = SplitDecimal(text, point);
  return number.has_value() && !number->integer.empty() && !number->fraction.empty();
}

// "1,234" may be a thousand; "1,5" and "12,3456" cannot.
bool MayBeThousands(std::string_view text) {
  text = TrimBlanks(text);
  const std::optional<DecimalText> number = SplitDecimal(text, ',');
  return number.has_value() && number->fraction.size() == 3 && number->integer.size() <= 3 &&
         number->integer != "0";
}

// How evenly the records have as many fields as the first one, 0 to 1; then how many of their cells
// hold no other delimiter.
struct Score {
  double even = 0;
  double clean = 0;
  auto operator<=>(const Score&) const = default;
};

// A comma with a blank behind it is punctuation.
bool IsClean(const CsvCell& cell, char delimiter) {
  if (cell.quoted || IsNumber(cell.raw(), ',')) return true;
  const std::string_view text = cell.raw();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == delimiter || std::ranges::find(kDelimiters, text[i]) == kDelimiters.end()) {
      continue;
    }
    if (text[i] != ',' || i + 1 == text.size() || text[i + 1] != ' ') return false;
  }
  return true;
}

Score Rate(const Table& table) {
  const std::size_t wanted = table.records.empty() ? 0 : table.records.front().size();
  if (wanted < 2) return {};
  std::size_t even = 0;
  std::size_t cells = 0;
  std::size_t clean = 0;
  for (const Cells& record : table.records) {
    even += record.size() == wanted;
    cells += record.size();
    for (const CsvCell& cell : record) clean += IsClean(cell, table.syntax.delimiter);
  }
  return {static_cast<double>(even) / static_cast<double>(table.records.size()),
          static_cast<double>(clean) / static_cast<double>(cells)};
}

// How many fields most records have, the first one and those of one field aside, and how many do.
struct Usual {
  std::size_t fields = 0;
  std::size_t records = 0;
};

Usual FindUsual(const Table& table) {
  std::map<std::size_t, std::size_t> counts;
  Usual usual;
  for (std::size_t i = 1; i < table.records.size(); ++i) {
    const std::size_t fields = table.records[i].size();
    if (fields > 1 && ++counts[fields] > usual.records) usual = {fields, counts[fields]};
  }
  return usual;
}

// The first record may be a title or the like: then the field count of most of the others counts.
double RateWithoutFirst(const Table& table) {
  return static_cast<double>(FindUsual(table).records) /
         static_cast<double>(table.records.size() + 1);
}

std::int64_t LinesAboveTable(const Table& table) {
  const std::size_t fields = FindUsual(table).fields;
  if (fields == 0) return 0;
  const auto found = std::ranges::find(table.records, fields, &Cells::size);
  return found == table.records.begin()
             ? 0
             : table.lines[static_cast<std::size_t>(found - table.records.begin())];
}

char SniffDelimiter(std::string_view sample, bool complete, const CsvSyntax& syntax, char comment) {
  char best = ',';
  Score best_score;
  double best_rest = 0;
  for (const char delimiter : kDelimiters) {
    Table table;
    CsvSyntax candidate = syntax;
    candidate.delimiter = delimiter;
    if (!candidate.Validate().ok()) continue;
    ReadTable(sample, complete, candidate, comment, kMostRecords, &table);
    const Score score = Rate(table);
    const double rest = RateWithoutFirst(table);
    if (score > best_score || (score == best_score && score.even == 0 && rest > best_rest)) {
      best = delimiter;
      best_score = score;
      best_rest = rest;
    }
  }
  return best;
}

// Blanks behind delimiters have to be skipped where a quote follows them: it would be ordinary.
bool SniffInitialSpace(const Table& table) {
  for (const Cells& record : table.records) {
    for (const CsvCell& cell : record) {
      const std::string_view text = cell.raw();
      const std::size_t first = text.find_first_not_of(' ');
      if (!cell.quoted && first != 0 && first != std::string_view::npos &&
          text[first] == table.syntax.quote) {
        return true;
      }
    }
  }
  return false;
}

bool SniffDecimalComma(const Table& table) {
  std::size_t points = 0;
  std::size_t commas = 0;
  std::size_t thousands = 0;
  for (const Cells& record : table.records) {
    for (const CsvCell& cell : record) {
      points += IsFraction(cell.raw(), '.');
      if (!IsFraction(cell.raw(), ',')) continue;
      ++commas;
      thousands += MayBeThousands(cell.raw());
    }
  }
  // In a file with commas between fields, quoted 1,234 is more likely a thousand.
  return table.syntax.delimiter == ',' ? commas - thousands > points : commas > points;
}

// Any number, or something that begins like a date ("2020-…", "10/03/…").
bool LooksLikeData(const CsvCell& cell, bool decimal_comma) {
  const std::string_view text = TrimBlanks(cell.raw());
  if (IsNumber(text, decimal_comma ? ',' : '.')) return true;
  std::size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  return (digits == 4 || digits == 2 || digits == 1) && digits + 1 < text.size() &&
         (text[digits] == '-' || text[digits] == '/' || text[digits] == '.') &&
         IsDigit(text[digits + 1]);
}

}  // namespace

Sniffed SniffDialect(std::string_view sample, bool complete, const KnownDialect& known) {
  Sniffed sniffed;
  CsvSyntax& syntax = sniffed.dialect.syntax;
  syntax.quote = known.quote;
  syntax.escape = known.escape;
  const bool has_cr_only = sample.find('\n') == std::string_view::npos &&
                           sample.find('\r') != std::string_view::npos &&
                           sample.find('\r') + (complete ? 0 : 1) < sample.size();
  if (has_cr_only) syntax.line_end = '\r';
  syntax.delimiter = known.delimiter.value_or(',');
  if (!known.delimiter.has_value()) {
    syntax.delimiter = SniffDelimiter(sample, complete, syntax, known.comment);
  }
  Table table;
  ReadTable(sample, complete, syntax, known.comment, kMostRecords, &table);
  syntax.skip_initial_space = syntax.delimiter != ' ' && SniffInitialSpace(table);
  sniffed.dialect.decimal_comma = known.decimal_comma.value_or(SniffDecimalComma(table));
  sniffed.lines_above_table = LinesAboveTable(table);
  if (!table.records.empty()) {
    sniffed.first_looks_like_data = std::ranges::any_of(
        table.records.front(),
        [&](const CsvCell& cell) { return LooksLikeData(cell, sniffed.dialect.decimal_comma); });
  }
  return sniffed;
}

std::size_t PreambleBytes(std::string_view sample, std::int64_t skip_lines, char comment) {
  const char line_end = sample.find('\n') == std::string_view::npos ? '\r' : '\n';
  std::size_t at = 0;
  const auto skip_line = [&] {
    const std::size_t end = sample.find(line_end, at);
    at = end == std::string_view::npos ? sample.size() : end + 1;
  };
  for (std::int64_t i = 0; i < skip_lines && at < sample.size(); ++i) skip_line();
  if (comment == '\0') return at;
  for (std::size_t look = at; look < sample.size();) {
    const char c = sample[look];
    if (c == comment) {
      at = look;
      skip_line();
      look = at;
    } else if (c == '\r' || c == '\n') {
      ++look;  // an empty line, which only counts with a comment behind it
    } else {
      break;
    }
  }
  return at;
}

std::string DelimiterName(char delimiter) {
  switch (delimiter) {
    case ',':
      return "comma";
    case ';':
      return "semicolon";
    case '\t':
      return "tab";
    case '|':
      return "pipe";
    default:
      return ShowValue({&delimiter, 1});
  }
}

FirstRecord ReadFirstRecord(std::string_view sample, bool complete, const CsvSyntax& syntax) {
  Table table;
  ReadTable(sample, complete, syntax, /*comment=*/'\0', 1, &table);
  FirstRecord first;
  if (table.records.empty()) return first;
  first.found = true;
  first.broken = table.first_fault != CsvFault::kNone;
  first.next = table.next.front();
  for (const CsvCell& cell : table.records.front()) {
    first.cells.emplace_back(cell.Text(syntax, table.arena));
  }
  return first;
}

bool HasRecords(std::string_view sample, std::size_t count, const CsvSyntax& syntax) {
  Table table;
  ReadTable(sample, false, syntax, /*comment=*/'\0', count, &table);
  return table.records.size() == count;
}

}  // namespace tsingest::csv
