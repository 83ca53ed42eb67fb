#include "sink/postgres/table.h"

#include <algorithm>

namespace tsingest::postgres {
namespace {

constexpr std::uint32_t kJsonOid = 114;
constexpr std::uint32_t kTimestampOid = 1114;

// pg_trigger.tgtype: 1 for each row, 2 before, 4 on insert, 64 instead of. TimescaleDB puts a
// blocker on every hypertable, which never fires for rows that go to chunks.
constexpr char kRelationSql[] = R"sql(
SELECT c.oid, n.nspname, c.relname, c.relkind,
       row_security_active(c.oid),
       has_table_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'INSERT'),
       has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'SELECT'),
       coalesce(t.before_row, false), coalesce(t.any_insert, false),
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 69 = 69),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
               AND (i.indisunique OR i.indisexclusion)),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
               AND (i.indisunique OR i.indisexclusion) AND NOT i.indimmediate),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
               AND i.indisprimary AND NOT i.indimmediate),
       pg_is_in_recovery()
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT bool_or(t.tgtype & 1 = 1 AND t.tgtype & 66 <> 0) AS before_row, true AS any_insert
  FROM pg_trigger t
  WHERE (t.tgrelid = c.oid OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
    AND NOT t.tgisinternal AND t.tgname <> 'ts_insert_blocker' AND t.tgenabled <> 'D'
    AND t.tgtype & 4 = 4 HAVING count(*) > 0) AS t ON true
WHERE c.oid = to_regclass($1))sql";

// A domain's type is that of the type below; domains may stand on domains.
constexpr char kColumnsSql[] = R"sql(
WITH RECURSIVE base AS (
  SELECT a.attnum, t.oid, t.typtype, t.typbasetype, t.typcategory
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, t.oid, t.typtype, t.typbasetype, t.typcategory
  FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
SELECT a.attname, a.atttypid, b.oid, t.typarray, a.atttypmod,
       format_type(a.atttypid, a.atttypmod), b.typcategory, b.typtype,
       a.attnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       a.attidentity = 'a', a.attgenerated <> '',
       has_column_privilege(a.attrelid, a.attnum, 'INSERT')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN base b ON b.attnum = a.attnum AND b.typtype <> 'd'
WHERE a.attrelid = $1::oid ORDER BY a.attnum)sql";

constexpr char kPrimaryKeySql[] = R"sql(
SELECT a.attname FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::oid AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place)sql";

constexpr char kExtensionSql[] =
    "SELECT FROM pg_extension, pg_namespace WHERE extname = 'timescaledb' "
    "AND nspname = 'timescaledb_information' AND has_schema_privilege(pg_namespace.oid, 'USAGE')";

constexpr char kHypertableSql[] = R"sql(
SELECT d.column_name, coalesce(extract(epoch FROM d.time_interval)::numeric * 1000000, 0)::bigint,
       h.compression_enabled,
       current_setting('timescaledb.enable_direct_compress_copy', true) IS NOT NULL
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d
  ON d.hypertable_schema = h.hypertable_schema AND d.hypertable_name = h.hypertable_name
 AND d.dimension_number = 1
WHERE h.hypertable_schema = $1 AND h.hypertable_name = $2)sql";

constexpr char kCompressionSql[] = R"sql(
SELECT attname, segmentby_column_index IS NOT NULL, NOT coalesce(orderby_asc, true),
       coalesce(orderby_nullsfirst, false)
FROM timescaledb_information.compression_settings
WHERE hypertable_schema = $1 AND hypertable_name = $2
ORDER BY segmentby_column_index, orderby_column_index)sql";

// A view counts as the table that it shows when that is only one.
constexpr char kHasKeySql[] = R"sql(
WITH RECURSIVE part AS (
  SELECT $1::oid AS oid
  UNION
  SELECT below.oid FROM part CROSS JOIN LATERAL (
    SELECT i.inhrelid AS oid FROM pg_inherits i WHERE i.inhparent = part.oid
    UNION ALL
    SELECT min(d.refobjid::bigint)::oid FROM pg_rewrite w
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
    WHERE w.ev_class = part.oid AND w.ev_type = '1' HAVING count(DISTINCT d.refobjid) = 1) AS below)
SELECT EXISTS (SELECT FROM part JOIN pg_class c ON c.oid = part.oid
               JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $2 AND c.relname = $3)
    OR EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
               WHERE i.indrelid = $1::oid AND x.relname = $4
               AND (i.indisunique OR i.indisexclusion)))sql";

PgStatus LoadRelation(Connection& connection, const TableName& name, std::optional<Table>* out) {
  Params params;
  params.AddText(name.Quoted());
  Result result;
  if (PgStatus status = connection.Query(kRelationSql, params, &result); !status.ok()) {
    return status;
  }
  out->reset();
  if (result.rows() == 0) return {};
  Table& table = out->emplace();
  table.oid = static_cast<std::uint32_t>(result.Int(0, 0));
  table.name = {std::string(result.Text(0, 1)), std::string(result.Text(0, 2))};
  table.kind = result.Text(0, 3).front();
  table.row_security = result.Bool(0, 4);
  table.can_insert = result.Bool(0, 5);
  table.can_update = result.Bool(0, 6);
  table.has_row_filter = result.Bool(0, 7);
  table.has_trigger = result.Bool(0, 8);
  table.has_instead_trigger = result.Bool(0, 9);
  table.has_unique = result.Bool(0, 10);
  table.has_deferrable_unique = result.Bool(0, 11);
  table.deferrable_primary_key = result.Bool(0, 12);
  table.read_only_server = result.Bool(0, 13);
  return {};
}

PgStatus LoadColumns(Connection& connection, Table& table) {
  Params params;
  params.AddInt8(table.oid);
  Result result;
  if (PgStatus status = connection.Query(kColumnsSql, params, &result); !status.ok()) {
    return status;
  }
  for (int row = 0; row < result.rows(); ++row) {
    const auto oid = [&](int column) {
      return static_cast<std::uint32_t>(result.Int(row, column));
    };
    table.columns.push_back({.name = std::string(result.Text(row, 0)),
                             .type_oid = oid(1),
                             .base_oid = oid(2),
                             .array_oid = oid(3),
                             .type_modifier = static_cast<std::int32_t>(result.Int(row, 4)),
                             .type_name = std::string(result.Text(row, 5)),
                             .category = result.Text(row, 6).front(),
                             .kind = result.Text(row, 7).front(),
                             .not_null = result.Bool(row, 8),
                             .has_default = result.Bool(row, 9),
                             .identity_always = result.Bool(row, 10),
                             .generated = result.Bool(row, 11),
                             .can_insert = result.Bool(row, 12)});
  }
  if (PgStatus status = connection.Query(kPrimaryKeySql, params, &result); !status.ok()) {
    return status;
  }
  for (int row = 0; row < result.rows(); ++row) {
    table.primary_key.emplace_back(result.Text(row, 0));
  }
  return {};
}

PgStatus LoadHypertable(Connection& connection, Table& table) {
  Result result;
  Params params;
  PgStatus status = connection.Query(kExtensionSql, params, &result);
  if (!status.ok() || result.rows() == 0) return status;
  params.AddText(table.name.schema);
  params.AddText(table.name.name);
  status = connection.Query(kHypertableSql, params, &result);
  if (!status.ok() || result.rows() == 0) return status;
  Hypertable& hypertable = table.hypertable.emplace();
  hypertable.time_column = result.Text(0, 0);
  hypertable.chunk_interval_us = result.Int(0, 1);
  hypertable.compression_enabled = result.Bool(0, 2);
  hypertable.direct_compress_known = result.Bool(0, 3);
  if (!hypertable.compression_enabled) return {};
  status = connection.Query(kCompressionSql, params, &result);
  if (!status.ok()) return status;
  for (int row = 0; row < result.rows(); ++row) {
    auto& keys = result.Bool(row, 1) ? hypertable.segment_by : hypertable.order_by;
    keys.push_back({std::string(result.Text(row, 0)), result.Bool(row, 2), result.Bool(row, 3)});
  }
  return {};
}

// How to change the column, for the types whose values are not lost by it.
std::string AlterType(const Table& table, const FieldBinding& field, const Column& column) {
  std::string sql = "ALTER TABLE " + table.name.Quoted() + " ALTER COLUMN " +
                    QuoteIdentifier(column.name) + " TYPE " + std::string(field.pg_type);
  if (column.base_oid == kTimestampOid && field.pg_type == "timestamp with time zone") {
    sql += " USING " + QuoteIdentifier(column.name) + " AT TIME ZONE 'UTC'";
  } else if (column.category != 'N' && field.pg_type != "text") {
    sql += " USING " + QuoteIdentifier(column.name) + "::" + std::string(field.pg_type);
  }
  return sql;
}

absl::Status CheckField(const Table& table, const FieldBinding& field) {
  const std::string where =
      "table " + table.name.Display() + ": column " + QuoteIdentifier(field.column);
  const Column* column = table.Find(field.column);
  if (column == nullptr) {
    return absl::FailedPreconditionError(where + " is missing; ALTER TABLE " + table.name.Quoted() +
                                         " ADD COLUMN " + QuoteIdentifier(field.column) + " " +
                                         std::string(field.pg_type) +
                                         ", or name another table (--table)");
  }
  if (column->generated) {
    return absl::FailedPreconditionError(
        where +
        " is generated by the server and cannot be written; take the field out of the "
        "model, or ALTER TABLE " +
        table.name.Quoted() + " ALTER COLUMN " + QuoteIdentifier(field.column) +
        " DROP EXPRESSION");
  }
  if (!IsCompatible(field, *column)) {
    return absl::FailedPreconditionError(where + " is " + column->type_name + ", the model has " +
                                         std::string(field.pg_type) + "; " +
                                         AlterType(table, field, *column));
  }
  if (!column->can_insert) {
    return absl::PermissionDeniedError(where + ": no privilege to insert");
  }
  return absl::OkStatus();
}

absl::Status CheckRelation(const Table& table) {
  const std::string name = table.name.Display();
  if (table.kind != 'r' && table.kind != 'p' && table.kind != 'v' && table.kind != 'f') {
    return absl::FailedPreconditionError(name +
                                         " is not a table that rows can be inserted into "
                                         "(relkind " +
                                         std::string(1, table.kind) + ")");
  }
  if (!table.can_insert) {
    return absl::PermissionDeniedError("table " + name + ": no privilege to insert");
  }
  if (table.read_only_server) {
    return absl::FailedPreconditionError(
        "the server is a read-only standby; name the primary, or give all hosts with "
        "target_session_attrs=read-write");
  }
  return absl::OkStatus();
}

}  // namespace

const Column* Table::Find(std::string_view column) const {
  const auto found = std::ranges::find(columns, column, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

PgStatus LoadTable(Connection& connection, const TableName& name, std::optional<Table>* table) {
  if (PgStatus status = LoadRelation(connection, name, table); !status.ok()) return status;
  if (!table->has_value()) return {};
  if (PgStatus status = LoadColumns(connection, **table); !status.ok()) return status;
  return LoadHypertable(connection, **table);
}

PgStatus HasKey(Connection& connection, const Table& table, const KeyPlace& place, bool* has) {
  Params params;
  params.AddInt8(table.oid);
  params.AddText(place.schema);
  params.AddText(place.table);
  params.AddText(place.constraint);
  Result result;
  PgStatus status = connection.Query(kHasKeySql, params, &result);
  *has = status.ok() && result.Bool(0, 0);
  return status;
}

bool IsCompatible(const FieldBinding& field, const Column& column) {
  if (field.pg_oid == 0) return column.type_name == field.pg_type;
  if (field.pg_oid == column.base_oid) return true;
  if (field.pg_oid != kTextOid) return false;
  // Binary text is what every string type, json, and the label of an enum are read from.
  return column.category == 'S' || column.kind == 'e' || column.base_oid == kJsonOid;
}

absl::Status CheckModel(const Table& table, std::span<const FieldBinding> fields) {
  if (absl::Status status = CheckRelation(table); !status.ok()) return status;
  for (const FieldBinding& field : fields) {
    if (absl::Status status = CheckField(table, field); !status.ok()) return status;
  }
  for (const Column& column : table.columns) {
    const bool filled =
        std::ranges::find(fields, column.name, &FieldBinding::column) != fields.end();
    if (filled || !column.not_null || column.has_default || column.generated) continue;
    return absl::FailedPreconditionError(
        "table " + table.name.Display() + ": column " + QuoteIdentifier(column.name) +
        " is NOT NULL without a default, and the model does not fill it; ALTER TABLE " +
        table.name.Quoted() + " ALTER COLUMN " + QuoteIdentifier(column.name) +
        " SET DEFAULT …, or DROP NOT NULL");
  }
  return absl::OkStatus();
}

}  // namespace tsingest::postgres
