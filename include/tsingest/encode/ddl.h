// CREATE TABLE and what belongs to it, from a model.
#ifndef TSINGEST_ENCODE_DDL_H_
#define TSINGEST_ENCODE_DDL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tsingest/base/arena.h"
#include "tsingest/base/buffer.h"
#include "tsingest/encode/internal/hypertable_sql.h"
#include "tsingest/encode/sql.h"
#include "tsingest/model/json_text.h"
#include "tsingest/model/model.h"

namespace tsingest {

// A table as a model describes it, without templates, so that a model made at run time has the
// same. Views must outlive it.
struct TableSpec {
  TableName table;
  std::span<const FieldBinding> fields;
  Layout layout;  // an empty time_column: no hypertable
  std::span<const IndexDef> indexes;
  // The name that `indexes` are named for. A table of another name gets the indexes under names of
  // its own, because an index name is unique in its schema.
  std::string model_table;
};

enum class TableLayout : std::uint8_t {
  kRows,        // the model's primary key and indexes
  kCompressed,  // for direct compress: no primary key (a unique constraint would forbid it), NOT
                // NULL where the key was, a compressed hypertable from the start
};

struct DdlOptions {
  TableLayout layout = TableLayout::kRows;
  // PostgreSQL interval literals that replace the layout's own ("12 hours", "00:30:00").
  // chunk_interval empty: the layout's, else TimescaleDB's default (7 days).
  std::string chunk_interval{};
  // Empty: the layout's, else no policy.
  std::string compress_after{};
  std::string retention{};
};

// Statements in the order to run them, each idempotent: run again, or on a table that is there,
// they change nothing. `timescale` is for databases with the extension only.
struct CreateStatements {
  std::vector<std::string> table;      // schema, table
  std::vector<std::string> timescale;  // hypertable, compression, policies
  std::vector<std::string> indexes;    // after the hypertable, so that chunks get them too
  // Name of indexes[i], unquoted, in the table's schema. CREATE INDEX waits for whoever writes into
  // the table even where the index is there: look first.
  std::vector<std::string> index_names;
};

namespace internal {

// `text` cut at commas, blanks taken off each part; no empty parts.
inline std::vector<std::string_view> SplitColumns(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = TrimBlanks(text.substr(0, comma));
    if (!part.empty()) parts.push_back(part);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return parts;
}

inline bool HasColumn(std::span<const FieldBinding> fields, std::string_view column) {
  for (const FieldBinding& field : fields) {
    if (field.column == column) return true;
  }
  return false;
}

// "device_id, time DESC" -> `"device_id", "time" DESC`. The columns must be the table's, and only
// ASC, DESC and NULLS FIRST or LAST may follow one.
inline absl::StatusOr<std::string> QuoteColumnList(std::string_view list,
                                                   std::span<const FieldBinding> fields,
                                                   std::string_view what) {
  std::string out;
  for (const std::string_view part : SplitColumns(list)) {
    const std::size_t end = part.find(' ');
    const std::string_view column = part.substr(0, end);
    const std::string_view order =
        TrimBlanks(end == std::string_view::npos ? std::string_view{} : part.substr(end));
    bool known = order.empty();
    for (const std::string_view word :
         {"asc", "desc", "asc nulls first", "asc nulls last", "desc nulls first", "desc nulls last",
          "nulls first", "nulls last"}) {
      known = known || EqualsIgnoringCase(order, word);
    }
    if (!known || !HasColumn(fields, column)) {
      return absl::InvalidArgumentError(std::string(what) + " " + ShowValue(list) +
                                        ": expected columns of the table, each perhaps with ASC, "
                                        "DESC or NULLS FIRST|LAST; found " +
                                        ShowValue(part));
    }
    if (!out.empty()) out += ", ";
    out += QuoteIdentifier(column);
    if (!order.empty()) out.append(" ").append(order);
  }
  return out;
}

// "varchar(50)", "double precision".
inline std::string ColumnType(const FieldBinding& field) {
  if (field.max_characters != 0 && field.pg_type == "text") {
    return "varchar(" + std::to_string(field.max_characters) + ")";
  }
  return std::string(field.pg_type);
}

// The default as an SQL literal, or empty.
inline std::string ColumnDefault(const FieldBinding& field) {
  if (field.defaults_to_arrival) return "now()";
  if (field.append_default == nullptr) return {};
  ByteBuffer json;
  field.append_default(json);
  if (field.pg_type == "jsonb") return QuoteLiteral(json.view());
  if (!json.view().starts_with('"')) return std::string(json.view());
  Arena arena;
  const ParseOptions options;
  ParseContext context{.options = &options, .arena = &arena, .arrival = {}, .why = {}};
  Token token;
  if (ReadJsonValue(json.view(), context, &token) != RejectCode::kOk) return {};
  return QuoteLiteral(token.text);
}

inline std::string ColumnDefinition(const FieldBinding& field) {
  std::string out = QuoteIdentifier(field.column) + " " + ColumnType(field);
  if (field.not_null) out += " NOT NULL";
  if (const std::string value = ColumnDefault(field); !value.empty()) out += " DEFAULT " + value;
  return out;
}

inline std::string PrimaryKey(std::span<const FieldBinding> fields) {
  std::string out;
  for (const FieldBinding& field : fields) {
    if (field.is_key) out += (out.empty() ? "" : ", ") + QuoteIdentifier(field.column);
  }
  return out;
}

inline std::string CreateTable(const TableSpec& spec, TableLayout layout) {
  std::string out = "CREATE TABLE IF NOT EXISTS " + spec.table.Quoted() + " (";
  std::string_view separator = "\n  ";
  for (const FieldBinding& field : spec.fields) {
    out.append(separator).append(ColumnDefinition(field));
    separator = ",\n  ";
  }
  const std::string key = PrimaryKey(spec.fields);
  if (layout == TableLayout::kRows && !key.empty()) out += ",\n  PRIMARY KEY (" + key + ")";
  return out + "\n)";
}

// CREATE SCHEMA IF NOT EXISTS asks for the privilege even when the schema is there: look first.
inline std::string CreateSchema(std::string_view schema) {
  const std::string name = QuoteIdentifier(schema);
  return DoBlock("IF to_regnamespace(" + QuoteLiteral(name) + ") IS NULL THEN CREATE SCHEMA " +
                 name + "; END IF;");
}

inline absl::StatusOr<std::string> CompressionSettings(const TableSpec& spec) {
  auto segment_by = QuoteColumnList(spec.layout.segment_by, spec.fields, "segment_by");
  if (!segment_by.ok()) return segment_by.status();
  auto order_by = QuoteColumnList(spec.layout.order_by, spec.fields, "order_by");
  if (!order_by.ok()) return order_by.status();
  std::string settings = "timescaledb.compress";
  if (!segment_by->empty()) {
    settings += ", timescaledb.compress_segmentby = " + QuoteLiteral(*segment_by);
  }
  if (!order_by->empty()) {
    settings += ", timescaledb.compress_orderby = " + QuoteLiteral(*order_by);
  }
  return settings;
}

inline absl::Status AddTimescale(const TableSpec& spec, const DdlOptions& options,
                                 std::vector<std::string>* out) {
  const auto either = [](const std::string& own, std::string_view layouts) {
    return own.empty() ? std::string(layouts) : own;
  };
  if (!HasColumn(spec.fields, spec.layout.time_column)) {
    return absl::InvalidArgumentError("layout of " + spec.table.Display() + ": time_column " +
                                      ShowValue(spec.layout.time_column) +
                                      " is no column of the table");
  }
  const std::string table = spec.table.Quoted();
  out->push_back(CreateHypertable(table, spec.layout.time_column,
                                  either(options.chunk_interval, spec.layout.chunk_interval)));
  const std::string compress_after = either(options.compress_after, spec.layout.compress_after);
  if (options.layout == TableLayout::kCompressed || !compress_after.empty()) {
    auto settings = CompressionSettings(spec);
    if (!settings.ok()) return settings.status();
    out->push_back(EnableCompression(table, *settings));
  }
  if (!compress_after.empty()) {
    out->push_back(AddPolicy(table, "add_compression_policy", compress_after));
  }
  const std::string retention = either(options.retention, spec.layout.retention);
  if (!retention.empty()) out->push_back(AddPolicy(table, "add_retention_policy", retention));
  return absl::OkStatus();
}

inline std::string IndexName(const TableSpec& spec, const IndexDef& index) {
  std::string name(index.name);
  if (spec.table.name != spec.model_table) name = spec.table.name + "_" + name;
  if (name.size() > kMaxIdentifierBytes) {
    // Cut at a character of the table's name; what distinguishes the indexes stays.
    const std::string_view suffix = index.name;
    std::size_t keep = kMaxIdentifierBytes - std::min(suffix.size() + 1, kMaxIdentifierBytes);
    while (keep != 0 && (static_cast<unsigned char>(spec.table.name[keep]) & 0xC0) == 0x80) --keep;
    name = spec.table.name.substr(0, keep) + "_" + std::string(suffix);
  }
  return name;
}

inline absl::StatusOr<std::string> CreateIndex(const TableSpec& spec, const IndexDef& index,
                                               const std::string& name) {
  auto columns = QuoteColumnList(index.columns, spec.fields, "index " + std::string(index.name));
  if (!columns.ok()) return columns.status();
  return "CREATE INDEX IF NOT EXISTS " + QuoteIdentifier(name) + " ON " + spec.table.Quoted() +
         " (" + *columns + ")";
}

}  // namespace internal

// The table of model M under the name `table`.
template <Described M>
TableSpec SpecOf(TableName table) {
  TableSpec spec{.table = std::move(table),
                 .fields = kBindings<M>,
                 .layout = {},
                 .indexes = {},
                 .model_table = std::string(Model<M>::kTable)};
  if constexpr (requires { Model<M>::kLayout; }) spec.layout = Model<M>::kLayout;
  if constexpr (requires { Model<M>::kIndexes; }) spec.indexes = Model<M>::kIndexes;
  return spec;
}

// What --create runs. kInvalidArgument: the layout or an index names a column that is not there.
inline absl::StatusOr<CreateStatements> MakeCreateStatements(const TableSpec& spec,
                                                             const DdlOptions& options) {
  CreateStatements out;
  if (!spec.table.schema.empty()) out.table.push_back(internal::CreateSchema(spec.table.schema));
  out.table.push_back(internal::CreateTable(spec, options.layout));
  if (!spec.layout.time_column.empty()) {
    absl::Status status = internal::AddTimescale(spec, options, &out.timescale);
    if (!status.ok()) return status;
  }
  for (const IndexDef& index : spec.indexes) {
    out.index_names.push_back(internal::IndexName(spec, index));
    auto statement = internal::CreateIndex(spec, index, out.index_names.back());
    if (!statement.ok()) return statement.status();
    out.indexes.push_back(*std::move(statement));
  }
  return out;
}

}  // namespace tsingest

#endif  // TSINGEST_ENCODE_DDL_H_
