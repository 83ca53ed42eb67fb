// The target table as the server's catalog describes it.
#ifndef TSINGEST_SRC_SINK_POSTGRES_TABLE_H_
#define TSINGEST_SRC_SINK_POSTGRES_TABLE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sink/postgres/connection.h"
#include "sink/postgres/rows.h"
#include "tsingest/encode/sql.h"
#include "tsingest/model/model.h"

namespace tsingest::postgres {

struct Column {
  std::string name;
  std::uint32_t type_oid = 0;
  std::uint32_t base_oid = 0;       // of the type below all domains
  std::uint32_t array_oid = 0;      // of type[]; 0: there is none (the type is an array itself)
  std::int32_t type_modifier = -1;  // varchar(n): n + 4; numeric(p,s): see RowChecks
  std::string type_name;            // as format_type() writes it: "character varying(50)"
  char category = 'X';              // pg_type.typcategory of the base type; 'S': strings
  char kind = 'b';                  // pg_type.typtype of the base type; 'e': enum
  bool not_null = false;
  bool has_default = false;  // a default, or identity
  bool identity_always = false;
  bool generated = false;
  bool can_insert = false;  // privilege
};

// One column of TimescaleDB's compress_segmentby or compress_orderby.
struct CompressKey {
  std::string column;
  bool descending = false;
  bool nulls_first = false;
};

// What TimescaleDB knows about the table. Absent for plain tables.
struct Hypertable {
  std::string time_column;
  std::int64_t chunk_interval_us = 0;  // 0: not a time interval
  bool compression_enabled = false;
  bool direct_compress_known = false;  // the server has the setting (TimescaleDB >= 2.21)
  bool client_sort_setting_known = false;
  std::vector<CompressKey> segment_by;
  std::vector<CompressKey> order_by;
};

struct Table {
  TableName name;  // with its schema
  std::uint32_t oid = 0;
  char kind = 'r';              // pg_class.relkind: r, p(artitioned), v(iew), f(oreign), …
  bool row_security = false;    // active for this user: COPY is refused
  bool can_insert = false;      // privilege on the table, or on some column
  bool can_update = false;      // privileges that ON CONFLICT DO UPDATE needs
  bool has_row_filter = false;  // a BEFORE or INSTEAD OF row trigger: may drop or change rows
  bool has_trigger = false;     // any trigger of the user's on INSERT
  bool has_instead_trigger = false;
  bool has_unique = false;             // unique index, primary key or exclusion constraint
  bool has_deferrable_unique = false;  // ON CONFLICT DO NOTHING is refused
  bool deferrable_primary_key = false;
  bool read_only_server = false;
  std::vector<Column> columns;
  std::vector<std::string> primary_key;
  std::optional<Hypertable> hypertable;

  const Column* Find(std::string_view column) const;
};

// Reads the catalog. nullopt in `*table`: there is no such table.
PgStatus LoadTable(Connection& connection, const TableName& name, std::optional<Table>* table);

// Whether a conflict there is one with a row of the table's: of the table itself, a partition or
// chunk, or of the one table below a view.
PgStatus HasKey(Connection& connection, const Table& table, const KeyPlace& place, bool* has);

// Whether binary values of the field can go into the column as they are.
bool IsCompatible(const FieldBinding& field, const Column& column);

// Whether rows of the model can be written into the table. Each error is one line with the mend.
absl::Status CheckModel(const Table& table, std::span<const FieldBinding> fields);

}  // namespace tsingest::postgres

#endif  // TSINGEST_SRC_SINK_POSTGRES_TABLE_H_
