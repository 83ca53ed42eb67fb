#include "support/pg_client.h"

#include <libpq-fe.h>

#include <stdexcept>

namespace tsingest::testing {
namespace {

struct ResultCloser {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultCloser>;

std::string FieldOf(const PGresult* result, int field) {
  const char* const text = PQresultErrorField(result, field);
  return text == nullptr ? std::string() : std::string(text);
}

bool Succeeded(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

Result Run(PGconn* connection, const std::string& sql) {
  Result result(PQexec(connection, sql.c_str()));
  if (!Succeeded(result.get())) {
    throw std::runtime_error("SQL failed: " + std::string(PQerrorMessage(connection)) +
                             "SQLSTATE: " + FieldOf(result.get(), PG_DIAG_SQLSTATE) +
                             "\nStatement: " + sql.substr(0, 500));
  }
  return result;
}

}  // namespace

void PgClient::Closer::operator()(PGconn* connection) const { PQfinish(connection); }

PgClient::PgClient(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw std::runtime_error("cannot connect: " + std::string(PQerrorMessage(connection_.get())));
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

void PgClient::Exec(const std::string& sql) { Run(connection_.get(), sql); }

TextRows PgClient::Query(const std::string& sql) {
  const Result result = Run(connection_.get(), sql);
  TextRows rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      const bool is_null = PQgetisnull(result.get(), row, column) != 0;
      rows[static_cast<std::size_t>(row)].push_back(
          is_null ? std::string(kSqlNull) : std::string(PQgetvalue(result.get(), row, column)));
    }
  }
  return rows;
}

std::string PgClient::Value(const std::string& sql) {
  const TextRows rows = Query(sql);
  if (rows.size() != 1 || rows[0].size() != 1) {
    throw std::runtime_error("expected one value, got " + std::to_string(rows.size()) +
                             " row(s): " + sql);
  }
  return rows[0][0];
}

std::string PgClient::SqlState(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  return Succeeded(result.get()) ? std::string() : FieldOf(result.get(), PG_DIAG_SQLSTATE);
}

int PgClient::BackendPid() const { return PQbackendPID(connection_.get()); }

}  // namespace tsingest::testing
