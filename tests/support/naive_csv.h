// CSV read in the most obvious way, to compare the scanner and the splitter with. Shares no code
// with them.
#ifndef TSINGEST_TESTS_SUPPORT_NAIVE_CSV_H_
#define TSINGEST_TESTS_SUPPORT_NAIVE_CSV_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tsingest::testing {

struct NaiveField {
  std::string text;
  bool quoted = false;
  bool operator==(const NaiveField&) const = default;
};

struct NaiveRecord {
  std::size_t end = 0;  // behind its line end
  std::size_t lines = 1;
  bool open = false;     // ends inside quotes: only the last one of a text can
  bool strange = false;  // text behind a closing quote
  std::vector<NaiveField> fields;
};

// The record that `text` begins with. escape: stands before a quote or itself inside quotes; NUL:
// quotes are doubled.
inline NaiveRecord ReadRecordNaively(std::string_view text, char delimiter, char quote,
                                     char line_end, char escape = '\0') {
  NaiveRecord record;
  std::size_t i = 0;
  for (bool more = true; more;) {
    NaiveField field;
    if (i < text.size() && text[i] == quote) {
      field.quoted = true;
      record.open = true;
      for (++i; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        const bool is_marked = escape == '\0'
                                   ? text[i] == quote && next == quote
                                   : text[i] == escape && (next == quote || next == escape);
        if (is_marked && i + 1 < text.size()) {
          ++i;
        } else if (text[i] == quote) {
          // A quote behind the closing one opens again, so that the record ends where it would.
          if (escape != '\0' && next == quote && i + 1 < text.size()) {
            record.strange = true;
            ++i;
            continue;
          }
          record.open = false;
          ++i;
          break;
        }
        if (text[i] == line_end) ++record.lines;
        field.text += text[i];
      }
    }
    while (i < text.size() && text[i] != delimiter && text[i] != line_end) {
      if (field.quoted) record.strange = true;
      field.text += text[i++];
    }
    record.fields.push_back(field);
    more = i < text.size() && text[i] == delimiter;
    if (i < text.size()) ++i;
  }
  record.end = i;
  return record;
}

// All records of `text`; the last one may lack its line end.
inline std::vector<NaiveRecord> ReadCsvNaively(std::string_view text, char delimiter, char quote,
                                               char line_end, char escape = '\0') {
  std::vector<NaiveRecord> records;
  for (std::size_t at = 0; at < text.size();) {
    NaiveRecord record = ReadRecordNaively(text.substr(at), delimiter, quote, line_end, escape);
    at = record.end += at;
    records.push_back(record);
  }
  return records;
}

struct NaivePlace {
  std::size_t offset = 0;
  std::size_t next = 0;
  std::size_t line = 1;
  std::string text;
  std::size_t omitted = 0;
  bool operator==(const NaivePlace&) const = default;
};

// What a source gives for `text`: a record longer than `limit`, or open at the end, is given up at
// its first line break, and so is each line behind it up to where that was known. One that begins
// with `comment` is a line.
inline std::vector<NaivePlace> FindRecordsNaively(std::string_view text, std::size_t limit,
                                                  char comment = '\0', char escape = '\0') {
  std::vector<NaivePlace> places;
  std::size_t at = 0;
  std::size_t line = 1;
  std::size_t horizon = 0;
  while (at < text.size()) {
    NaivePlace place = {at, 0, line, "", 0};
    std::size_t lines = 1;
    const bool is_comment = comment != '\0' && text[at] == comment;
    if (at < horizon || is_comment) {
      const std::size_t line_end = text.find('\n', at);
      place.next = line_end == std::string_view::npos ? text.size() : line_end + 1;
    } else {
      const NaiveRecord record = ReadRecordNaively(text.substr(at), ',', '"', '\n', escape);
      place.next = at + record.end;
      lines = record.lines;
      const bool is_ended = !record.open && text[place.next - 1] == '\n';
      if (record.end - (is_ended ? 1 : 0) > limit) {
        horizon = at + limit;
        continue;
      }
      if (record.open) {
        horizon = text.size();
        continue;
      }
    }
    place.text = text.substr(at, place.next - at);
    if (place.text.ends_with('\n')) place.text.pop_back();
    if (place.text.size() > limit) {
      place.omitted = place.text.size() - limit;
      place.text.resize(limit);
    } else if (place.text.ends_with('\r')) {
      place.text.pop_back();
    }
    places.push_back(place);
    at = place.next;
    line += lines;
  }
  return places;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_NAIVE_CSV_H_
