// How a CSV file is written, and how much of it is taken at most.
#ifndef TSINGEST_DECODE_CSV_DIALECT_H_
#define TSINGEST_DECODE_CSV_DIALECT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "tsingest/model/decimal_text.h"
#include "tsingest/model/reject.h"

namespace tsingest {

// What divides text into records and fields (RFC 4180 sections 2.1 to 2.7 with comma, quote and
// line feed; a CR before the LF belongs to the line end). A field that begins with the quote runs
// to the closing quote, delimiters and line breaks included; a quote inside is doubled, or has the
// escape before it. A quote in the middle of an unquoted field is an ordinary character.
struct CsvSyntax {
  char delimiter = ',';
  char quote = '"';  // NUL: there are no quoted fields
  // Inside quotes, before a quote or itself; before anything else it is an ordinary character, as
  // PostgreSQL's COPY has it. NUL or the quote: quotes are doubled.
  char escape = '\0';
  char line_end = '\n';             // '\r': files of old Macs, which have no LF at all
  bool skip_initial_space = false;  // blanks between a delimiter and its field do not count

  friend bool operator==(const CsvSyntax&, const CsvSyntax&) = default;

  constexpr bool has_escape() const { return escape != '\0' && escape != quote; }

  absl::Status Validate() const {
    const auto usable = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (!usable(delimiter) || delimiter == '\0' || delimiter == '\r' || delimiter == '\n') {
      return absl::InvalidArgumentError(
          fmt::format("CSV delimiter {}: must be one ASCII character other than a line break",
                      ShowValue({&delimiter, 1})));
    }
    if (!usable(quote) || quote == '\r' || quote == '\n' || quote == delimiter) {
      return absl::InvalidArgumentError(fmt::format(
          "CSV quote {}: must be one ASCII character other than the delimiter and line breaks",
          ShowValue({&quote, 1})));
    }
    if (!usable(escape) || escape == '\r' || escape == '\n' || escape == delimiter) {
      return absl::InvalidArgumentError(fmt::format(
          "CSV escape {}: must be one ASCII character other than the delimiter and line breaks",
          ShowValue({&escape, 1})));
    }
    if (has_escape() && quote == '\0') {
      return absl::InvalidArgumentError("CSV escape: means nothing where there are no quotes");
    }
    if (line_end != '\n' && line_end != '\r') {
      return absl::InvalidArgumentError("CSV line end: must be LF or CR");
    }
    if (skip_initial_space && delimiter == ' ') {
      return absl::InvalidArgumentError(
          "CSV: blanks cannot be skipped where they are the delimiter");
    }
    return absl::OkStatus();
  }
};

struct CsvDialect {
  CsvSyntax syntax = {};
  bool decimal_comma = false;  // "1,5" is 1.5 in number columns

  friend bool operator==(const CsvDialect&, const CsvDialect&) = default;
};

// Beyond these a record is rejected with kLimit.
struct CsvLimits {
  std::size_t record_bytes = 1024 * 1024;  // a whole record, line breaks in quotes included
  std::size_t field_bytes = 1024 * 1024;   // one field, quotes included
  std::size_t fields = 16384;              // fields of a record

  // kInvalidArgument: a limit is 0, or record_bytes beyond 1 GiB.
  absl::Status Validate() const {
    constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 30;
    if (record_bytes == 0 || record_bytes > kMaxRecordBytes) {
      return absl::InvalidArgumentError(fmt::format(
          "CSV limit of {} bytes per record: must be 1 to {}", record_bytes, kMaxRecordBytes));
    }
    if (field_bytes == 0) {
      return absl::InvalidArgumentError("CSV limit of 0 bytes per field: must be at least 1");
    }
    if (fields == 0) {
      return absl::InvalidArgumentError("CSV limit of 0 fields per record: must be at least 1");
    }
    return absl::OkStatus();
  }
};

// What a decoder must know of a file before its first record.
struct CsvHeader {
  std::vector<std::string> names = {};  // of the columns, in order; see NormalizeColumnNames()
  CsvDialect dialect = {};
  // The names came from a first record that looks like data: perhaps the file has no header.
  bool names_look_like_data = false;
};

// Makes names usable as they are: an empty one inside the header becomes "column_3" (its place,
// from 1), of equal names the later ones get "_2", "_3" …; empty names at the end stay empty,
// because that is what delimiters at the end of each line give. Returns one sentence per change.
inline std::vector<std::string> NormalizeColumnNames(std::vector<std::string>& names) {
  std::vector<std::string> notes;
  for (std::string& name : names) {
    if (TrimBlanks(name).empty()) name.clear();
  }
  std::size_t used = names.size();
  while (used > 0 && names[used - 1].empty()) --used;
  std::unordered_set<std::string> taken(names.begin(),
                                        names.begin() + static_cast<std::ptrdiff_t>(used));
  std::unordered_set<std::string> seen;
  std::unordered_map<std::string, std::size_t> suffixes;  // the last one given to a name
  for (std::size_t i = 0; i < used; ++i) {
    const std::string original = names[i];
    if (!original.empty() && seen.insert(original).second) continue;
    const std::string base = original.empty() ? fmt::format("column_{}", i + 1) : original;
    names[i] = base;
    std::size_t& suffix = suffixes.try_emplace(base, 1).first->second;
    while (!taken.insert(names[i]).second) names[i] = fmt::format("{}_{}", base, ++suffix);
    notes.push_back(original.empty()
                        ? fmt::format("column {} has no name and is called {}", i + 1, names[i])
                        : fmt::format("column {} is a second {} and is called {}", i + 1,
                                      ShowValue(original), names[i]));
  }
  return notes;
}

}  // namespace tsingest

#endif  // TSINGEST_DECODE_CSV_DIALECT_H_
