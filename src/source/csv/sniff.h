// What a file's first lines say about its dialect.
#ifndef TSINGEST_SRC_SOURCE_CSV_SNIFF_H_
#define TSINGEST_SRC_SOURCE_CSV_SNIFF_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tsingest/decode/csv_dialect.h"

namespace tsingest::csv {

// What the user has said; the rest is sniffed.
struct KnownDialect {
  std::optional<char> delimiter;
  std::optional<bool> decimal_comma;
  char quote = '"';
  char escape = '\0';
  char comment = '\0';  // see CsvSourceOptions
};

struct Sniffed {
  CsvDialect dialect;
  bool first_looks_like_data = false;  // the first record, which should be a header
  // Lines before the first record that has as many fields as most have; 0: the first one has.
  std::int64_t lines_above_table = 0;
};

// Size of what stands above the first record: so many lines, and comments and empty lines behind
// them. All of the sample, if that is not seen to end in it.
std::size_t PreambleBytes(std::string_view sample, std::int64_t skip_lines, char comment);

// Delimiter: of , ; tab | the one that divides the lines of the sample most evenly, the first line
// like the others. Decimal comma: more numbers are like 1,5 than like 1.5. Line end: CR only where
// there is no LF. `complete`: the sample is the whole text; else its last record is ignored.
Sniffed SniffDialect(std::string_view sample, bool complete, const KnownDialect& known);

// "comma", "semicolon", "tab", "pipe", or the character in quotes.
std::string DelimiterName(char delimiter);

// The first record of the sample that is not empty.
struct FirstRecord {
  bool found = false;
  bool broken = false;             // its quotes are
  std::vector<std::string> cells;  // unquoted
  std::int64_t next = 0;           // offset behind it
};
FirstRecord ReadFirstRecord(std::string_view sample, bool complete, const CsvSyntax& syntax);

// Whether the sample holds `count` complete records that are not empty.
bool HasRecords(std::string_view sample, std::size_t count, const CsvSyntax& syntax);

}  // namespace tsingest::csv

#endif  // TSINGEST_SRC_SOURCE_CSV_SNIFF_H_
