#include "sink/postgres/target.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace tsingest::postgres {
namespace {

constexpr std::string_view kRowNumber = "\"tsingest row\"";  // no column of ours has this name

std::string Placeholders(std::size_t count) {
  std::string out;
  for (std::size_t i = 1; i <= count; ++i) out += (i == 1 ? "$" : ", $") + std::to_string(i);
  return out;
}

std::string QuotedList(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + QuoteIdentifier(name);
  return out;
}

bool IsKey(const Table& table, std::string_view column) {
  return std::ranges::find(table.primary_key, column) != table.primary_key.end();
}

// What follows the rows of an INSERT.
std::string ConflictClause(const Target& target) {
  if (!target.Resolves()) return "";
  if (target.on_conflict == OnConflict::kSkip) return " ON CONFLICT DO NOTHING";
  std::string sets;
  for (const FieldBinding& field : target.fields) {
    if (IsKey(target.table, field.column)) continue;
    const std::string column = QuoteIdentifier(field.column);
    sets += (sets.empty() ? "" : ", ") + column + " = EXCLUDED." + column;
  }
  const std::string key = " ON CONFLICT (" + QuotedList(target.table.primary_key) + ")";
  return sets.empty() ? key + " DO NOTHING" : key + " DO UPDATE SET " + sets;
}

// INSERT INTO t (columns) [OVERRIDING SYSTEM VALUE]: as COPY does, identity columns take what is
// given.
std::string InsertInto(const Target& target, const TableName& name) {
  const bool overriding = std::ranges::any_of(target.columns, &Column::identity_always);
  return "INSERT INTO " + name.Quoted() + " (" + QuotedColumns(target.fields) + ")" +
         (overriding ? " OVERRIDING SYSTEM VALUE" : "");
}

// Rows from one array per column. For `update` the last row of each key, because ON CONFLICT DO
// UPDATE refuses to touch a row twice (21000).
std::string SelectArrays(const Target& target) {
  std::string select = "SELECT ";
  for (std::size_t i = 0; i < target.fields.size(); ++i) {
    select += (i == 0 ? "unnest($" : ", unnest($") + std::to_string(i + 1) + ") AS " +
              QuoteIdentifier(target.fields[i].column);
  }
  if (target.on_conflict != OnConflict::kUpdate || !target.Resolves()) return select;
  const std::string key = QuotedList(target.table.primary_key);
  const std::string count = "cardinality($1)";
  select += ", generate_series(1, " + count + ") AS " + std::string(kRowNumber);
  return "SELECT DISTINCT ON (" + key + ") " + QuotedColumns(target.fields) + " FROM (" + select +
         ") AS r ORDER BY " + key + ", " + std::string(kRowNumber) + " DESC";
}

void MakeStatements(Target& target, const TableName& name) {
  target.sent_to = name;
  const std::string insert = InsertInto(target, name);
  const std::string conflict = ConflictClause(target);
  target.copy = CopyStatement(name, target.fields);
  target.insert_arrays = insert + " " + SelectArrays(target) + conflict;
  target.insert_one = insert + " VALUES (" + Placeholders(target.fields.size()) + ")" + conflict;
}

absl::Status CheckUpdate(const Target& target) {
  const Table& table = target.table;
  if (table.primary_key.empty() || table.deferrable_primary_key) {
    return absl::FailedPreconditionError(
        "table " + table.name.Display() + ": --on-conflict update needs a primary key" +
        (table.primary_key.empty() ? "" : " that is not DEFERRABLE") + "; ALTER TABLE " +
        table.name.Quoted() + " ADD PRIMARY KEY (…), or use --on-conflict skip");
  }
  for (const std::string& key : table.primary_key) {
    if (std::ranges::find(target.fields, key, &FieldBinding::column) != target.fields.end())
      continue;
    return absl::FailedPreconditionError("table " + table.name.Display() +
                                         ": --on-conflict update needs a primary key of columns "
                                         "that the model fills; " +
                                         QuoteIdentifier(key) + " is not one");
  }
  if (!table.can_update) {
    return absl::PermissionDeniedError("table " + table.name.Display() +
                                       ": --on-conflict update needs more privileges");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Target> MakeTarget(Table table, std::span<const FieldBinding> fields,
                                  const PostgresOptions& options) {
  if (absl::Status status = CheckModel(table, fields); !status.ok()) return status;
  Target target{.table = std::move(table), .fields = fields, .on_conflict = options.on_conflict};
  for (const FieldBinding& field : fields)
    target.columns.push_back(*target.table.Find(field.column));
  const Table& t = target.table;
  target.checks = RowChecks(t, fields);
  const bool plain_view = t.kind == 'v' && !t.has_instead_trigger;
  target.can_copy = !options.use_insert && !t.row_security && !plain_view;
  target.can_insert_arrays = std::ranges::none_of(
      target.columns, [](const Column& column) { return column.array_oid == 0; });
  const bool update = target.on_conflict == OnConflict::kUpdate;
  target.can_resolve = !t.has_instead_trigger && (update || !t.has_deferrable_unique);
  if (update) {
    if (absl::Status status = CheckUpdate(target); !status.ok()) return status;
  }
  MakeStatements(target, t.name);
  return target;
}

void Redirect(Target& target, const TableName& stand_in, const std::string& create) {
  target.prelude = create + ";";
  target.table.has_row_filter = false;
  target.can_copy = true;
  target.can_resolve = !target.table.has_deferrable_unique;
  MakeStatements(target, stand_in);
}

}  // namespace tsingest::postgres
