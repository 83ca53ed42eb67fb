// What PostgresSink makes of rows that are all right: how they get in, and how they are counted.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "support/postgres_server.h"
#include "support/postgres_sink_harness.h"
#include "support/test_database.h"
#include "support/test_row.h"

namespace tsingest::testing {
namespace {

constexpr Timestamp kStart{std::chrono::seconds(1'700'000'000)};

TestRow Row(std::int64_t id, std::optional<double> value = 1.5) {
  return {.time = kStart + std::chrono::seconds(id), .id = id, .device = "dev", .value = value};
}

std::vector<TestRow> Rows(std::int64_t first, std::int64_t last) {
  std::vector<TestRow> rows;
  for (std::int64_t id = first; id < last; ++id) rows.push_back(Row(id));
  return rows;
}

class PostgresWriteTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(GetParam())) GTEST_SKIP() << *why;
    database_ = std::make_unique<TestDatabase>(GetParam());
  }

  SinkOptions Options() const {
    return {.conninfo = database_->Uri(), .ledger = "test", .create = {.enabled = true, .ddl = {}}};
  }
  // A sink into a table that `sql` has made.
  void OpenOn(const std::string& sql, SinkOptions options) {
    if (!sql.empty()) database_->Exec(sql);
    harness_ = std::make_unique<SinkHarness<TestRow>>(std::move(options));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  std::string Write(const std::vector<TestRow>& rows) { return Outcome(harness_->Write(rows)); }
  std::string Value(const std::string& sql) const { return database_->Value(sql); }
  std::string Count() const { return Value("SELECT count(*) FROM test_row"); }
  std::string StoredPosition() const {
    return Value("SELECT position FROM tsingest.positions WHERE ledger = 'test'");
  }

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<SinkHarness<TestRow>> harness_;
};

constexpr char kPlainTable[] =
    "CREATE TABLE test_row (time timestamptz NOT NULL, id bigint, device varchar(50), value "
    "float8)";
constexpr char kKeyedTable[] =
    "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, value float8)";

TEST_P(PostgresWriteTest, RowsAndPositionAreStoredTogether) {
  OpenOn("", Options());
  EXPECT_EQ(Write(Rows(0, 5000)), "5000/0/0");
  EXPECT_EQ(Write(Rows(5000, 7000)), "2000/0/0");
  EXPECT_EQ(
      Value("SELECT count(*) || ' ' || sum(id) || ' ' || min(time) || ' ' || max(device) "
            "FROM (SELECT id, extract(epoch FROM time)::bigint AS time, device FROM test_row) r"),
      "7000 24496500 1700000000 dev");
  EXPECT_EQ(StoredPosition(), "7000");
}

TEST_P(PostgresWriteTest, BytesAreThoseOfTheRows) {
  OpenOn("", Options());
  const auto result = harness_->Write(Rows(0, 10));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->bytes, 10u * (2 + 4 * 4 + 8 + 8 + 3 + 8));
}

TEST_P(PostgresWriteTest, PositionMovesWithoutRows) {
  OpenOn("", Options());
  Batch<TestRow> batch;
  harness_->AddMessage(batch);
  EXPECT_EQ(Outcome(harness_->Write(batch, 1)), "0/0/0");
  EXPECT_EQ(StoredPosition(), "1");
}

TEST_P(PostgresWriteTest, NextRunGoesOnFromTheStoredPosition) {
  OpenOn("", Options());
  ASSERT_EQ(Write(Rows(0, 100)), "100/0/0");
  SinkHarness<TestRow> second(Options());
  ASSERT_EQ(second.Open(), absl::OkStatus());
  ASSERT_TRUE(second.stored().has_value());
  EXPECT_EQ(second.stored()->next, 100);
  EXPECT_EQ(second.stored()->detail, "made by a test");
}

TEST_P(PostgresWriteTest, SkipsKeysThatExist) {
  OpenOn(kKeyedTable, Options());
  ASSERT_EQ(Write(Rows(0, 100)), "100/0/0");
  database_->Exec("UPDATE test_row SET value = 9 WHERE id = 50");
  EXPECT_EQ(Write(Rows(50, 250)), "150/50/0");
  EXPECT_EQ(Value("SELECT value FROM test_row WHERE id = 50"), "9");
  EXPECT_EQ(Count(), "250");
  EXPECT_EQ(StoredPosition(), "300");
}

TEST_P(PostgresWriteTest, SkipKeepsTheFirstOfTwoRowsInABatch) {
  OpenOn(kKeyedTable, Options());
  EXPECT_EQ(Write({Row(1, 1.0), Row(2, 2.0), Row(1, 3.0)}), "2/1/0");
  EXPECT_EQ(Value("SELECT value FROM test_row WHERE id = 1"), "1");
}

TEST_P(PostgresWriteTest, AStreamOfDuplicatesIsNotCopiedFirstEachTime) {
  if (GetParam() != DatabaseKind::kPostgres) GTEST_SKIP() << "reads the server's log";
  OpenOn(
      "CREATE TABLE test_row (time timestamptz, id bigint CONSTRAINT once_only PRIMARY KEY, "
      "device text, value float8)",
      Options());
  ASSERT_EQ(Write(Rows(0, 10)), "10/0/0");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Write(Rows(0, 10)), "0/10/0");
  const std::string log = SharedPostgres().Log();
  const std::size_t first = log.find("once_only");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("once_only", first + 1), std::string::npos) << "more than one COPY failed";
}

TEST_P(PostgresWriteTest, UpdatesKeysThatExistAndTheLastRowOfABatchWins) {
  SinkOptions options = Options();
  options.on_conflict = OnConflict::kUpdate;
  OpenOn(kKeyedTable, options);
  ASSERT_EQ(Write({Row(1, 1.0), Row(2, 2.0)}), "2/0/0");
  EXPECT_EQ(Write({Row(2, 5.0), Row(3, 3.0), Row(2, 6.0)}), "2/1/0");
  EXPECT_EQ(Value("SELECT string_agg(id || '=' || value, ' ' ORDER BY id) FROM test_row"),
            "1=1 2=6 3=3");
}

TEST_P(PostgresWriteTest, UpdateWritesNullsToo) {
  SinkOptions options = Options();
  options.on_conflict = OnConflict::kUpdate;
  OpenOn(kKeyedTable, options);
  ASSERT_EQ(Write({Row(1, 1.0)}), "1/0/0");
  EXPECT_EQ(Write({Row(1, std::nullopt)}), "1/0/0");
  EXPECT_EQ(Value("SELECT value IS NULL FROM test_row"), "t");
}

TEST_P(PostgresWriteTest, ErrorPolicyMakesDeadLettersOfConflicts) {
  SinkOptions options = Options();
  options.on_conflict = OnConflict::kError;
  OpenOn(kKeyedTable, options);
  ASSERT_EQ(Write(Rows(0, 3)), "3/0/0");
  EXPECT_EQ(Write(Rows(2, 5)), "2/0/1");
  EXPECT_EQ(database_->Query("SELECT code, line, convert_from(payload, 'UTF8') "
                             "FROM tsingest.dead_letter"),
            (TextRows{{"23505", "4", "row 3"}}));
}

TEST_P(PostgresWriteTest, SkipsConflictsOfEverySort) {
  OpenOn(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text UNIQUE, "
      "value float8)",
      Options());
  TestRow a = Row(1);
  TestRow b = Row(2);
  TestRow c = Row(3);
  b.device = "other";
  EXPECT_EQ(Write({a, b, c}), "2/1/0");
}

constexpr char kKeyElsewhere[] =
    "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.test_row (id bigint PRIMARY KEY);"
    "CREATE FUNCTION copy_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO elsewhere.test_row VALUES (NEW.id / 10); RETURN NULL; END $$;"
    "CREATE TRIGGER copy_it AFTER INSERT ON test_row FOR EACH ROW EXECUTE FUNCTION copy_it()";

TEST_P(PostgresWriteTest, AKeyInAnotherTableMakesNoDuplicate) {
  OpenOn(std::string(kPlainTable) + ";" + kKeyElsewhere, Options());
  EXPECT_EQ(Write({Row(1), Row(2), Row(10)}), "2/0/1");
  EXPECT_EQ(Write({Row(11)}), "0/0/1");
  EXPECT_EQ(Value("SELECT string_agg(code || ' ' || line, ',') FROM tsingest.dead_letter"),
            "23505 2,23505 4");
}

TEST_P(PostgresWriteTest, WhereKeysAreDeferrableThoseOfOtherTablesAreToldApart) {
  OpenOn(
      "CREATE TABLE test_row (time timestamptz, id bigint, device text, value float8, "
      "PRIMARY KEY (id) DEFERRABLE) PARTITION BY RANGE (id);"
      "CREATE TABLE part PARTITION OF test_row FOR VALUES FROM (0) TO (1000);" +
          std::string(kKeyElsewhere),
      Options());
  EXPECT_EQ(Write({Row(1), Row(2), Row(1), Row(10)}), "2/1/1");
  EXPECT_EQ(Write({Row(1), Row(20)}), "1/1/0");
}

TEST_P(PostgresWriteTest, AKeyOfTheTableBehindAViewMakesDuplicates) {
  OpenOn(
      "CREATE TABLE base (time timestamptz, id bigint PRIMARY KEY, device text, value float8);"
      "CREATE VIEW test_row AS SELECT * FROM base;"
      "CREATE FUNCTION forward() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "INSERT INTO base SELECT NEW.*; RETURN NEW; END $$;"
      "CREATE TRIGGER forward INSTEAD OF INSERT ON test_row FOR EACH ROW "
      "EXECUTE FUNCTION forward()",
      Options());
  EXPECT_EQ(Write({Row(1), Row(2), Row(1)}), "2/1/0");
}

TEST_P(PostgresWriteTest, KeysWithNullsNeverConflict) {
  OpenOn(
      "CREATE TABLE test_row (time timestamptz, id bigint, device text, value float8, "
      "UNIQUE (id, value))",
      Options());
  EXPECT_EQ(Write({Row(1, std::nullopt), Row(1, std::nullopt), Row(1, 1.0), Row(1, 1.0)}), "3/1/0");
}

TEST_P(PostgresWriteTest, InsertGivesWhatCopyGives) {
  SinkOptions options = Options();
  options.use_insert = true;
  OpenOn(kKeyedTable, options);
  EXPECT_EQ(Write(Rows(0, 3000)), "3000/0/0");
  EXPECT_EQ(Write(Rows(2999, 3001)), "1/1/0");
  EXPECT_EQ(Value("SELECT count(*) || ' ' || sum(id) FROM test_row"), "3001 4501500");
  EXPECT_EQ(StoredPosition(), "3002");
}

TEST_P(PostgresWriteTest, InsertsDefaultsOfColumnsThatTheModelDoesNotHave) {
  OpenOn(
      "CREATE TABLE test_row (n int GENERATED ALWAYS AS IDENTITY, extra text NOT NULL DEFAULT 'x', "
      "device text, value float8, time timestamptz, id bigint)",
      Options());
  EXPECT_EQ(Write(Rows(0, 2)), "2/0/0");
  EXPECT_EQ(Value("SELECT string_agg(n || extra || id, ' ' ORDER BY n) FROM test_row"), "1x0 2x1");
}

TEST_P(PostgresWriteTest, ATriggerMayFillWhatMustNotBeNull) {
  OpenOn(
      "CREATE TABLE test_row (time timestamptz, id bigint, device text, value float8 NOT NULL);"
      "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.id < 3 THEN NEW.value := coalesce(NEW.value, 0); END IF; RETURN NEW; END $$;"
      "CREATE TRIGGER fill BEFORE INSERT ON test_row FOR EACH ROW EXECUTE FUNCTION fill()",
      Options());
  EXPECT_EQ(Write({Row(1), Row(2, std::nullopt), Row(3, std::nullopt)}), "2/0/1");
  EXPECT_EQ(Value("SELECT value FROM test_row WHERE id = 2"), "0");
  EXPECT_EQ(Value("SELECT code || ' ' || line FROM tsingest.dead_letter"), "23502 3");
}

TEST_P(PostgresWriteTest, DryRunStoresNothingAndFindsWhatWouldBeRefused) {
  database_->Exec(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, value float8 "
      "CHECK (value < 10))");
  SinkOptions options = Options();
  options.dry_run = true;
  options.create.enabled = false;
  std::vector<std::string> reasons;
  options.on_dead_letter = [&](const DeadLetter& letter) { reasons.emplace_back(letter.reason); };
  OpenOn("", options);
  EXPECT_FALSE(harness_->sink().Transactional());
  EXPECT_EQ(Write({Row(1), Row(2, 11.0), Row(3), Row(1)}), "2/1/1");
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_EQ(reasons[0].substr(0, 60),
            "line 2: new row for relation \"test_row\" violates check const");
  EXPECT_EQ(Count(), "0");
  EXPECT_EQ(Value("SELECT to_regclass('tsingest.positions') IS NULL"), "t");
}

TEST_P(PostgresWriteTest, DryRunProvesATableThatIsYetToBeCreated) {
  SinkOptions options = Options();
  options.dry_run = true;
  OpenOn("", options);
  EXPECT_EQ(Write(Rows(0, 10)), "10/0/0");
  EXPECT_EQ(Value("SELECT to_regclass('test_row') IS NULL"), "t");
}

TEST_P(PostgresWriteTest, WithoutLedgerNoStreamPositionIsStored) {
  SinkOptions options = Options();
  options.ledger.clear();
  OpenOn("", options);
  EXPECT_FALSE(harness_->sink().Transactional());
  EXPECT_EQ(Write(Rows(0, 10)), "10/0/0");
  EXPECT_EQ(Write(Rows(10, 20)), "10/0/0");
  EXPECT_EQ(Value("SELECT string_agg(ledger || ' ' || position, ',') FROM tsingest.positions"),
            "tsingest:session 2");
  harness_.reset();
  EXPECT_EQ(Value("SELECT count(*) FROM tsingest.positions"), "0");
}

TEST_P(PostgresWriteTest, RejectsOfTheDecoderBecomeDeadLettersInTheSameTransaction) {
  OpenOn("", Options());
  Batch<TestRow> batch;
  harness_->Fill(batch, Rows(0, 2));
  batch.meta.rejects.push_back({.message = harness_->AddMessage(batch),
                                .code = RejectCode::kSyntax,
                                .sqlstate = {},
                                .reason = std::string("line 3: bad\0\xff", 13)});
  EXPECT_EQ(Outcome(harness_->Write(batch, 3)), "2/0/1");
  EXPECT_EQ(database_->Query("SELECT source, stream, position, line, topic, reason, code, "
                             "convert_from(payload, 'UTF8'), key FROM tsingest.dead_letter"),
            (TextRows{{"tsingest", "s", "2", "3", "t", "line 3: bad\\x00\\xff", "syntax", "row 2",
                       std::string(kSqlNull)}}));
}

INSTANTIATE_TEST_SUITE_P(Databases, PostgresWriteTest, ::testing::ValuesIn(kAllDatabases),
                         NameOfKind);

}  // namespace
}  // namespace tsingest::testing
