// The databases that other tests stand on.
#include "support/test_database.h"

#include <libpq-fe.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"

namespace tsingest::testing {
namespace {

class TestDatabaseTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(GetParam())) GTEST_SKIP() << *why;
    database_ = std::make_unique<TestDatabase>(GetParam());
  }
  std::unique_ptr<TestDatabase> database_;
};

TEST_P(TestDatabaseTest, IsEmptyAndItsOwn) {
  const TestDatabase other(GetParam());
  other.Exec("CREATE TABLE only_here(i int)");
  EXPECT_EQ(other.Value("SELECT count(*) FROM only_here"), "0");
  EXPECT_THROW(database_->Exec("SELECT * FROM only_here"), std::runtime_error);
}

TEST_P(TestDatabaseTest, IsGoneWithTheObject) {
  const std::string uri = database_->Uri();
  EXPECT_NO_THROW(PgClient{uri});
  database_.reset();
  EXPECT_THROW(PgClient{uri}, std::runtime_error);
}

TEST_P(TestDatabaseTest, HasTimescaleOnlyWhenAskedFor) {
  EXPECT_EQ(database_->Value("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"),
            GetParam() == DatabaseKind::kTimescale ? "1" : "0");
}

// What the WebAssembly server has to emulate, and a real one gives by itself.
TEST_P(TestDatabaseTest, ConnectionsHaveSettingsAndStatementsOfTheirOwn) {
  PgClient first(database_->Uri());
  PgClient second(database_->Uri() + (database_->Uri().find('?') == std::string::npos ? "?" : "&") +
                  "options=-c%20lock_timeout%3D5s");
  first.Exec("SET lock_timeout = '1234ms'");
  EXPECT_EQ(second.Value("SHOW lock_timeout"), "5s");
  EXPECT_EQ(first.Value("SHOW lock_timeout"), "1234ms");
  for (PgClient* client : {&first, &second}) {
    const std::string sql = client == &first ? "SELECT 1" : "SELECT 2";
    PGresult* result = PQprepare(client->raw(), "same_name", sql.c_str(), 0, nullptr);
    EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQerrorMessage(client->raw());
    PQclear(result);
  }
  PGresult* result = PQexecPrepared(first.raw(), "same_name", 0, nullptr, nullptr, nullptr, 0);
  ASSERT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQerrorMessage(first.raw());
  EXPECT_STREQ(PQgetvalue(result, 0, 0), "1");
  PQclear(result);
}

TEST_P(TestDatabaseTest, TakesCopyAndNamesTheLineOfABadRow) {
  PgClient client(database_->Uri());
  client.Exec("CREATE TABLE t(i int PRIMARY KEY)");
  const auto copy = [&](const std::string& rows) {
    PQclear(PQexec(client.raw(), "COPY t FROM STDIN"));
    PQputCopyData(client.raw(), rows.data(), static_cast<int>(rows.size()));
    PQputCopyEnd(client.raw(), nullptr);
    PGresult* result = PQgetResult(client.raw());
    const char* const context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const std::string answer = context == nullptr ? PQcmdStatus(result) : context;
    PQclear(result);
    while ((result = PQgetResult(client.raw())) != nullptr) PQclear(result);
    return answer;
  };
  EXPECT_EQ(copy("1\n2\n3\n"), "COPY 3");
  EXPECT_EQ(copy("4\n2\n"), "COPY t, line 2");
  EXPECT_EQ(client.Value("SELECT count(*) FROM t"), "3");
  EXPECT_EQ(client.SqlState("COPY missing FROM STDIN"), "42P01");
}

TEST_P(TestDatabaseTest, KnowsRolesAndTheirPrivileges) {
  database_->Exec(
      "DROP ROLE IF EXISTS tsingest_test_role; CREATE ROLE tsingest_test_role;"
      "CREATE TABLE t(i int)");
  PgClient client(database_->Uri());
  client.Exec("SET ROLE tsingest_test_role");
  EXPECT_EQ(client.SqlState("SELECT * FROM t"), "42501");
  client.Exec("RESET ROLE; DROP ROLE tsingest_test_role");
}

INSTANTIATE_TEST_SUITE_P(Databases, TestDatabaseTest, ::testing::ValuesIn(kAllDatabases),
                         NameOfKind);

}  // namespace
}  // namespace tsingest::testing
