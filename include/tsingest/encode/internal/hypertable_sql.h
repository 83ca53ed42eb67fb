// Statements for TimescaleDB: each does nothing where it has nothing to do.
#ifndef TSINGEST_ENCODE_INTERNAL_HYPERTABLE_SQL_H_
#define TSINGEST_ENCODE_INTERNAL_HYPERTABLE_SQL_H_

#include <string>
#include <string_view>

#include "tsingest/encode/sql.h"

namespace tsingest::internal {

// A PL/pgSQL block as one statement. The quoting tag is one that the body does not contain.
inline std::string DoBlock(std::string_view body) {
  std::string tag = "$do$";
  for (int n = 1; body.find(tag) != std::string_view::npos; ++n) {
    tag = "$do" + std::to_string(n) + "$";
  }
  return "DO " + tag + " BEGIN\n  " + std::string(body) + "\nEND " + tag;
}

// `IF condition THEN action; END IF;` as one statement.
inline std::string DoIf(const std::string& condition, const std::string& action) {
  return DoBlock("IF " + condition + " THEN\n    " + action + ";\n  END IF;");
}

// True in SQL when the table (a literal) is a hypertable, and `condition` of the view's columns
// holds.
inline std::string IsHypertable(const std::string& table, std::string_view condition = {}) {
  std::string out =
      "EXISTS (SELECT FROM timescaledb_information.hypertables AS h"
      " JOIN pg_catalog.pg_namespace AS n ON n.nspname = h.hypertable_schema"
      " JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = h.hypertable_name"
      " WHERE c.oid = " +
      table + "::pg_catalog.regclass";
  if (!condition.empty()) out.append(" AND ").append(condition);
  return out + ")";
}

// The Apache edition has neither compression nor policies.
inline constexpr std::string_view kHasCommunityLicense =
    "current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache'";

// Calls one of the extension's functions in whatever schema the extension is.
inline std::string CallExtension(std::string_view function, std::string_view arguments) {
  return "EXECUTE format('SELECT %I." + std::string(function) +
         "(%s)', (SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace "
         "AS n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'), " +
         QuoteLiteral(arguments) + ")";
}

inline std::string Interval(std::string_view text) { return "INTERVAL " + QuoteLiteral(text); }

// A table that holds rows already is left a plain table: turning it into a hypertable would move
// them all. `table` is quoted.
inline std::string CreateHypertable(const std::string& table, std::string_view time_column,
                                    std::string_view chunk_interval) {
  const std::string literal = QuoteLiteral(table);
  std::string arguments = literal + ", " + QuoteLiteral(time_column);
  if (!chunk_interval.empty()) arguments += ", chunk_time_interval => " + Interval(chunk_interval);
  return DoIf("NOT EXISTS (SELECT FROM " + table + ") AND NOT " + IsHypertable(literal),
              CallExtension("create_hypertable", arguments));
}

// Settings of a hypertable that has some are left alone: chunks may be compressed by them.
inline std::string EnableCompression(const std::string& table, std::string_view settings) {
  return DoIf(IsHypertable(QuoteLiteral(table), "NOT h.compression_enabled") + " AND " +
                  std::string(kHasCommunityLicense),
              "ALTER TABLE " + table + " SET (" + std::string(settings) + ")");
}

inline std::string AddPolicy(const std::string& table, std::string_view function,
                             std::string_view interval) {
  const std::string literal = QuoteLiteral(table);
  return DoIf(
      IsHypertable(literal) + " AND " + std::string(kHasCommunityLicense),
      CallExtension(function, literal + ", " + Interval(interval) + ", if_not_exists => TRUE"));
}

}  // namespace tsingest::internal

#endif  // TSINGEST_ENCODE_INTERNAL_HYPERTABLE_SQL_H_
