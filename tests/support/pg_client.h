// PgClient: the few lines of libpq that tests need to look at a database.
#ifndef TSINGEST_TESTS_SUPPORT_PG_CLIENT_H_
#define TSINGEST_TESTS_SUPPORT_PG_CLIENT_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;

namespace tsingest::testing {

// Rows of text as psql -At would show them; SQL NULL is kSqlNull.
using TextRow = std::vector<std::string>;
using TextRows = std::vector<TextRow>;
inline constexpr std::string_view kSqlNull = "\\N";

// One connection. Not thread-safe. Every failure throws std::runtime_error with the server's
// message and SQLSTATE: in a test that is a failure which nobody can forget to check.
class PgClient {
 public:
  explicit PgClient(const std::string& conninfo);

  // Runs one or more statements.
  void Exec(const std::string& sql);
  // Runs one or more statements; the rows of the last one.
  TextRows Query(const std::string& sql);
  // The single value of a query with one row and one column.
  std::string Value(const std::string& sql);
  // The SQLSTATE that `sql` fails with, or "" when it succeeds.
  std::string SqlState(const std::string& sql);

  int BackendPid() const;
  // The libpq connection, borrowed.
  pg_conn* raw() const { return connection_.get(); }

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Closer> connection_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_PG_CLIENT_H_
