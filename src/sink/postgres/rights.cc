#include "sink/postgres/rights.h"

#include <algorithm>

#include "sink/postgres/params.h"

namespace tsingest::postgres {
namespace {

// The catalog itself, not to_regclass(): that is refused where USAGE on the schema is what lacks.
// Without a schema ($1) the table is looked for along the search_path, in every schema of it.
constexpr char kLackingSql[] = R"sql(
WITH path AS (
  SELECT CASE s WHEN '$user' THEN current_user::text ELSE s END AS schema, place
  FROM (SELECT trim(BOTH ' "' FROM e) AS s, place
        FROM unnest(string_to_array(current_setting('search_path'), ','))
             WITH ORDINALITY AS x(e, place)) AS y
  WHERE $1 = '' UNION ALL SELECT $1, 0 WHERE $1 <> ''),
place AS (
  SELECT n.oid, n.nspname, path.place, c.oid AS relation, c.relname
  FROM path JOIN pg_namespace AS n ON n.nspname = path.schema
  LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = $2 AND c.relkind IN
    ('r', 'p', 'v', 'f'))
SELECT quote_ident(current_user), quote_ident(current_database()),
       has_database_privilege(current_database(), 'CREATE'),
       quote_ident(p.nspname), has_schema_privilege(p.oid, 'USAGE'),
       has_schema_privilege(p.oid, 'CREATE'), quote_ident(p.relname),
       (SELECT string_agg(w.privilege, ', ' ORDER BY w.nth)
        FROM unnest($3) WITH ORDINALITY AS w(privilege, nth)
        WHERE NOT has_table_privilege(p.relation, w.privilege)),
       has_database_privilege(current_database(), 'TEMPORARY')
FROM (SELECT 1) AS one LEFT JOIN place AS p ON true
ORDER BY p.relation IS NULL, p.place LIMIT 1)sql";

void AddGrants(const Result& result, const Need& need, std::vector<std::string>* grants) {
  const std::string to = " TO " + std::string(result.Text(0, 0));
  const auto add = [&](const std::string& what) {
    const std::string grant = "GRANT " + what + to;
    if (std::ranges::find(*grants, grant) == grants->end()) grants->push_back(grant);
  };
  const std::string database(result.Text(0, 1));
  const std::string schema(result.Text(0, 3));
  if (need.temporary && !result.Bool(0, 8)) add("TEMPORARY ON DATABASE " + database);
  if (result.IsNull(0, 3)) {  // no such schema
    if (need.create && !result.Bool(0, 2)) add("CREATE ON DATABASE " + database);
    return;
  }
  if (!result.Bool(0, 4)) add("USAGE ON SCHEMA " + schema);
  if (result.IsNull(0, 6)) {  // no such table
    if (need.create && !result.Bool(0, 5)) add("CREATE ON SCHEMA " + schema);
    return;
  }
  const std::string lacks(result.Text(0, 7));
  if (!lacks.empty()) add(lacks + " ON " + schema + "." + std::string(result.Text(0, 6)));
}

}  // namespace

std::string MissingGrants(Connection& connection, std::span<const Need> needs) {
  if (!connection.connected() || !connection.AtRest() || !connection.Idle()) return "";
  std::vector<std::string> grants;
  for (const Need& need : needs) {
    Params params;
    params.AddText(need.table.schema);
    params.AddText(need.table.name);
    params.BeginArray(kTextArrayOid, kTextOid);
    for (const std::string_view privilege : need.privileges) params.AddElement(privilege);
    params.EndArray();
    Result result;
    if (!connection.Query(kLackingSql, params, &result).ok() || result.rows() != 1) return "";
    AddGrants(result, need, &grants);
  }
  std::string all;
  for (const std::string& grant : grants) all += (all.empty() ? "" : "; ") + grant;
  return all;
}

std::string WithGrants(std::string text, const std::string& grants) {
  if (!grants.empty()) text.append("; ").append(grants);
  return text;
}

}  // namespace tsingest::postgres
