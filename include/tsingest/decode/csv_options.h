// What CSV records are to be read as.
#ifndef TSINGEST_DECODE_CSV_OPTIONS_H_
#define TSINGEST_DECODE_CSV_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tsingest/decode/csv_dialect.h"
#include "tsingest/model/token.h"

namespace tsingest {

// A field is named by the table's column, a column by the file's header. "Date+Time" are two
// columns, joined by a blank, unless there is one of that name.
struct CsvMapping {
  std::string field = {};
  std::string column = {};
};

struct CsvConstant {
  std::string field = {};
  std::string value = {};  // read as a cell is; empty: the field is missing
};

// A column that becomes a row of its own.
struct CsvMeasure {
  std::string column = {};
  std::string unit = {};  // empty: none given, the unit field is read as if there were no unpivot
};

// Of several with the same column one must be equal, and so for every column.
struct CsvFilter {
  std::string column = {};  // of the header, or a field: then the column that feeds it
  std::string value = {};   // compared byte by byte with the cell's text
};

struct CsvOptions {
  // How times are read. decimal_comma is each file's own, see CsvHeader.
  ParseOptions parse = {};
  CsvLimits limits = {};
  // Spellings of NULL besides the empty cell ("NA", "-200"). In text fields only unquoted cells are
  // compared; in all others quotes make no difference, nor do blanks around the cell.
  std::vector<std::string> nulls = {};
  std::vector<CsvMapping> map = {};      // this field from that column, whatever its name
  std::vector<CsvConstant> set = {};     // this field is always that
  std::vector<CsvMeasure> unpivot = {};  // needs Model<M>::kUnpivot
  std::vector<CsvFilter> filter = {};
  // Messages carry a topic, so fields that take the topic need no column.
  bool with_topic = false;

  // kInvalidArgument: what can be wrong without knowing a header.
  absl::Status Validate() const {
    if (absl::Status status = limits.Validate(); !status.ok()) return status;
    for (const CsvMapping& m : map) {
      if (m.field.empty() || m.column.empty()) {
        return Fail("mapping", m.field, m.column, "FIELD=COLUMN");
      }
      for (const CsvConstant& c : set) {
        if (c.field == m.field) {
          return absl::InvalidArgumentError("CSV field " + ShowValue(m.field) +
                                            " is both mapped to a column and set to a constant");
        }
      }
    }
    for (const CsvConstant& c : set) {
      if (c.field.empty()) return Fail("constant", c.field, c.value, "FIELD=VALUE");
    }
    for (const CsvFilter& f : filter) {
      if (f.column.empty()) return Fail("filter", f.column, f.value, "COLUMN=VALUE");
    }
    for (const CsvMeasure& m : unpivot) {
      if (m.column.empty()) return Fail("unpivot", m.column, m.unit, "COLUMN[:UNIT]");
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Fail(const char* what, const std::string& left, const std::string& right,
                           const char* form) {
    return absl::InvalidArgumentError(std::string("CSV ") + what + " " + ShowValue(left) + " = " +
                                      ShowValue(right) + ": must be " + form);
  }
};

}  // namespace tsingest

#endif  // TSINGEST_DECODE_CSV_OPTIONS_H_
