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

// All records of `text`; the last one may lack its line end.
inline std::vector<NaiveRecord> ReadCsvNaively(std::string_view text, char delimiter, char quote,
                                               char line_end) {
  std::vector<NaiveRecord> records;
  std::size_t i = 0;
  while (i < text.size()) {
    NaiveRecord record;
    for (bool more = true; more;) {
      NaiveField field;
      if (i < text.size() && text[i] == quote) {
        field.quoted = true;
        record.open = true;
        for (++i; i < text.size(); ++i) {
          if (text[i] == quote && i + 1 < text.size() && text[i + 1] == quote) {
            ++i;
          } else if (text[i] == quote) {
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
    records.push_back(record);
  }
  return records;
}

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_NAIVE_CSV_H_
