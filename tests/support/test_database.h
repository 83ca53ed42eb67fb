// TestDatabase: an empty database, on PostgreSQL or on TimescaleDB, for one test.
//
//   class CopyTest : public ::testing::TestWithParam<DatabaseKind> {
//     void SetUp() override {
//       if (const auto why = TestDatabase::WhyUnavailable(GetParam())) GTEST_SKIP() << *why;
//       database_ = std::make_unique<TestDatabase>(GetParam());
//     }
//   };
//   INSTANTIATE_TEST_SUITE_P(Databases, CopyTest, ::testing::ValuesIn(kAllDatabases), NameOfKind);
#ifndef TSINGEST_TESTS_SUPPORT_TEST_DATABASE_H_
#define TSINGEST_TESTS_SUPPORT_TEST_DATABASE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "support/pg_client.h"

namespace tsingest::testing {

enum class DatabaseKind : std::uint8_t {
  kPostgres,   // SharedPostgres()
  kTimescale,  // TimescaleServer::Shared(), with the extension created
};
inline constexpr std::array kAllDatabases = {DatabaseKind::kPostgres, DatabaseKind::kTimescale};

// For INSTANTIATE_TEST_SUITE_P: "Postgres", "Timescale".
inline constexpr auto NameOfKind = [](const auto& info) {
  return std::string(info.param == DatabaseKind::kPostgres ? "Postgres" : "Timescale");
};

// Made by the constructor, dropped with the object. Failures throw std::runtime_error.
class TestDatabase {
 public:
  explicit TestDatabase(DatabaseKind kind = DatabaseKind::kPostgres);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  // Why there is no such database here, to skip the test with.
  static std::optional<std::string> WhyUnavailable(DatabaseKind kind);

  DatabaseKind kind() const { return kind_; }
  // One transaction block at a time, no crashes, no passwords: see TimescaleServer.
  bool IsWasm() const;
  // A superuser's connection string.
  const std::string& Uri() const { return uri_; }

  // Each on a connection of its own.
  void Exec(const std::string& sql) const { PgClient(uri_).Exec(sql); }
  TextRows Query(const std::string& sql) const { return PgClient(uri_).Query(sql); }
  std::string Value(const std::string& sql) const { return PgClient(uri_).Value(sql); }

 private:
  DatabaseKind kind_;
  std::string name_;
  std::string admin_uri_;
  std::string uri_;
};

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_SUPPORT_TEST_DATABASE_H_
