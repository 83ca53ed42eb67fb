// Limits of the table that the model does not know, checked before COPY.
#ifndef TSINGEST_SRC_SINK_POSTGRES_ROW_CHECKS_H_
#define TSINGEST_SRC_SINK_POSTGRES_ROW_CHECKS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sink/postgres/rows.h"
#include "sink/postgres/table.h"
#include "tsingest/model/model.h"

namespace tsingest::postgres {

// NOT NULL where the model has NULLs (and no trigger could fill them), varchar(n) and char(n)
// shorter than the model's, numeric(p,s). A row found here costs no failed COPY. What it does not
// find, the server will: it may pass a row that the server refuses, never the other way round.
// Immutable.
class RowChecks {
 public:
  RowChecks() = default;
  RowChecks(const Table& table, std::span<const FieldBinding> fields);

  // Nothing to check: every value of the model fits the table.
  bool empty() const { return checks_.empty(); }

  // Appends a BadRow for each row that breaks a limit; at most one per row.
  void Run(const Rows& rows, std::vector<BadRow>* bad) const;

 private:
  struct Check {
    std::size_t field = 0;
    bool not_null = false;
    std::size_t max_characters = 0;  // 0: no limit
    int integer_digits = -1;         // numeric: before the decimal point; -1: no limit
    std::string column;
    std::string type_name;
  };
  bool RunRow(std::string_view row, BadRow* bad) const;
  static bool Holds(const Check& check, const FieldImage& field, BadRow* bad);

  std::vector<Check> checks_;  // by field
};

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_ROW_CHECKS_H_
