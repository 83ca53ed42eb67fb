#include "sink/postgres/create.h"

#include <algorithm>
#include <utility>

#include "sink/postgres/ledger.h"
#include "sink/postgres/letters.h"

namespace tsingest::postgres {
namespace {

// Any number will do, as long as all processes take the same: "tsingest" as ASCII.
constexpr char kAdvisoryLock[] = "SELECT pg_advisory_xact_lock(8391735917640135540)";

constexpr char kCreatePositions[] =
    "CREATE TABLE tsingest.positions (\n"
    "  ledger text NOT NULL,\n"
    "  stream text NOT NULL,\n"
    "  position bigint,\n"
    "  detail text NOT NULL DEFAULT '',\n"
    "  owner text NOT NULL,\n"
    "  updated_at timestamptz NOT NULL DEFAULT now(),\n"
    "  PRIMARY KEY (ledger, stream)\n"
    ") WITH (fillfactor = 20)";  // every batch updates a row: leave room to do it in place

PgStatus Exists(Connection& connection, const TableName& name, bool* exists) {
  Params params;
  params.AddText(name.Quoted());
  Result result;
  PgStatus status = connection.Query("SELECT to_regclass($1) IS NOT NULL", params, &result);
  if (status.ok()) *exists = result.Bool(0, 0);
  return status;
}

PgStatus HasIndex(Connection& connection, const TableName& table, const std::string& index,
                  bool* there) {
  Params params;
  params.AddText(table.Quoted());
  params.AddText(index);
  Result result;
  PgStatus status = connection.Query(
      "SELECT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
      "WHERE i.indrelid = to_regclass($1) AND c.relname = $2)",
      params, &result);
  if (status.ok()) *there = result.Bool(0, 0);
  return status;
}

PgStatus HasTimescale(Connection& connection, bool* installed) {
  Result result;
  PgStatus status =
      connection.Exec("SELECT FROM pg_extension WHERE extname = 'timescaledb'", &result);
  if (status.ok()) *installed = result.rows() != 0;
  return status;
}

// What is added to a table that is there already. Not being its owner is no reason to fail.
PgStatus Add(Connection& connection, const std::string& statement, bool table_is_ours,
             std::vector<std::string>* notes) {
  if (table_is_ours) return connection.Exec(statement);
  if (PgStatus status = connection.Exec("SAVEPOINT addition"); !status.ok()) return status;
  PgStatus status = connection.Exec(statement);
  if (status.ok()) return connection.Exec("RELEASE SAVEPOINT addition");
  if (status.error().sqlstate != "42501") return status;
  notes->push_back("left as it is: " + status.error().message);
  return connection.Exec("ROLLBACK TO SAVEPOINT addition");
}

// A table without schema goes where CREATE TABLE would put it, but never into our own schema: a
// role called tsingest has that first in its search_path ("$user", public).
PgStatus ChooseSchema(Connection& connection, TableName* name) {
  Result result;
  PgStatus status = connection.Exec(
      "SELECT s FROM unnest(current_schemas(false)) WITH ORDINALITY AS p(s, place) "
      "WHERE s <> 'tsingest' ORDER BY place LIMIT 1",
      &result);
  if (status.ok() && result.rows() == 1) name->schema = result.Text(0, 0);
  return status;
}

PgStatus CreateTarget(Connection& connection, const Creation& creation,
                      std::vector<std::string>* notes, absl::Status* invalid) {
  TableSpec spec = creation.spec;
  bool exists = false;
  bool timescale = false;
  PgStatus status = Exists(connection, spec.table, &exists);
  if (status.ok()) status = HasTimescale(connection, &timescale);
  if (status.ok() && !exists && spec.table.schema.empty()) {
    status = ChooseSchema(connection, &spec.table);
  }
  const auto made = MakeCreateStatements(spec, creation.ddl);
  *invalid = made.status();
  if (!status.ok() || !invalid->ok()) return status;
  const CreateStatements& statements = *made;
  if (!exists) {
    for (const std::string& statement : statements.table) {
      if (status = connection.Exec(statement); !status.ok()) return status;
    }
    notes->push_back("created table " + spec.table.Display());
  }
  if (timescale) {
    for (const std::string& statement : statements.timescale) {
      if (status = Add(connection, statement, !exists, notes); !status.ok()) return status;
    }
  }
  for (std::size_t i = 0; i < statements.indexes.size(); ++i) {
    bool there = false;
    if (exists) status = HasIndex(connection, spec.table, statements.index_names[i], &there);
    if (status.ok() && !there) status = Add(connection, statements.indexes[i], !exists, notes);
    if (!status.ok()) return status;
  }
  return {};
}

PgStatus CreateOwn(Connection& connection, const TableName& name, const std::string& statement,
                   bool* exists, std::vector<std::string>* notes) {
  PgStatus status = Exists(connection, name, exists);
  if (!status.ok() || *exists) return status;
  // CREATE SCHEMA IF NOT EXISTS asks for the privilege even when the schema is there: look first.
  if (!name.schema.empty()) {
    Params params;
    params.AddText(QuoteIdentifier(name.schema));
    Result result;
    status = connection.Query("SELECT to_regnamespace($1) IS NULL", params, &result);
    if (status.ok() && result.Bool(0, 0)) {
      status = connection.Exec("CREATE SCHEMA " + QuoteIdentifier(name.schema));
    }
    if (!status.ok()) return status;
  }
  status = connection.Exec(statement);
  if (status.ok()) notes->push_back("created table " + name.Display());
  return status;
}

// Columns are only added where some are missing: ALTER TABLE locks everyone else out.
PgStatus CreateLetters(Connection& connection, const TableName& name,
                       std::vector<std::string>* notes) {
  bool exists = false;
  PgStatus status = CreateOwn(connection, name, CreateLettersSql(name), &exists, notes);
  if (!status.ok() || !exists) return status;
  std::optional<Table> table;
  if (status = LoadTable(connection, name, &table); !status.ok() || !table) return status;
  const bool complete = std::ranges::all_of(
      kAddedLetterColumns, [&](std::string_view column) { return table->Find(column) != nullptr; });
  if (complete) return {};
  const std::size_t said = notes->size();
  status = Add(connection, ExtendLettersSql(name), /*table_is_ours=*/false, notes);
  if (status.ok() && notes->size() == said)
    notes->push_back("table " + name.Display() + ": columns of this version added");
  return status;
}

}  // namespace

PgStatus Create(Connection& connection, const Creation& creation, std::vector<std::string>* notes,
                absl::Status* invalid) {
  // TimescaleDB warns of varchar and of columns that neither segment nor order: advice on
  // statements of ours, with which the user can do nothing. What fails is an error.
  PgStatus status = connection.Exec(
      std::string("BEGIN READ WRITE; SET LOCAL client_min_messages = error;") + kAdvisoryLock);
  if (status.ok()) status = CreateTarget(connection, creation, notes, invalid);
  if (status.ok() && invalid->ok()) {
    bool exists = false;
    status = CreateOwn(connection, {"tsingest", "positions"}, kCreatePositions, &exists, notes);
  }
  const TableName& letters = creation.letters_table;
  if (status.ok() && invalid->ok() && !letters.name.empty()) {
    status = CreateLetters(connection, letters, notes);
  }
  if (status.ok() && invalid->ok()) return connection.Exec("COMMIT");
  const PgStatus ended = connection.Exec("ROLLBACK");
  if (!ended.ok()) connection.Close();
  return status;
}

PgStatus LoadStandIn(Connection& connection, const TableSpec& spec, const PostgresCreate& create,
                     std::optional<Table>* table, StandIn* stand_in, absl::Status* invalid) {
  PgStatus status = LoadTable(connection, spec.table, table);
  if (!status.ok()) return status;
  if (table->has_value()) {
    stand_in->create = "CREATE TEMPORARY TABLE " + stand_in->name.Quoted() + " (LIKE " +
                       (*table)->name.Quoted() + " INCLUDING ALL)";
    return {};
  }
  if (!create.enabled) return {};
  TableSpec temporary = spec;
  temporary.table = stand_in->name;
  const auto statements = MakeCreateStatements(temporary, create.ddl);
  *invalid = statements.status();
  if (!invalid->ok()) return {};
  stand_in->create = statements->table.back();
  status = connection.Exec("BEGIN;" + stand_in->create);
  if (status.ok()) status = LoadTable(connection, stand_in->name, table);
  PgStatus ended = connection.Exec("ROLLBACK");
  if (!status.ok()) return status;
  if (!ended.ok()) return ended;
  if (table->has_value()) (*table)->name = spec.table;
  return {};
}

}  // namespace tsingest::postgres
