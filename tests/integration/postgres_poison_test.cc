// Rows that the database refuses: each goes to the dead letters, alone.
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "support/postgres_sink_harness.h"
#include "support/test_database.h"

namespace tsingest::testing {

struct Item {
  std::int64_t id = 0;
  Timestamp time{};
  std::string_view name = {};
  std::optional<Numeric> amount = {};
  std::optional<Json> doc = {};
};

}  // namespace tsingest::testing

template <>
struct tsingest::Model<tsingest::testing::Item> {
  using Row = tsingest::testing::Item;
  static constexpr std::string_view kTable = "item";
  static constexpr auto kFields =
      tsingest::Fields(tsingest::Field("id", &Row::id), tsingest::Field("time", &Row::time),
                       tsingest::Field("name", &Row::name), tsingest::Field("amount", &Row::amount),
                       tsingest::Field("doc", &Row::doc));
};

namespace tsingest::testing {
namespace {

constexpr int kRows = 5000;
constexpr int kBad = 3332;

Item GoodItem(std::int64_t id) {
  return {.id = id,
          .time = Timestamp(std::chrono::seconds(1'700'000'000 + id)),
          .name = "good",
          .amount = Numeric{"1.5"},
          .doc = Json{"{}"}};
}

struct Poison {
  std::string_view name;
  std::string_view sql;  // makes the table
  std::string_view code;
  void (*spoil)(Item& item);
  OnConflict on_conflict = OnConflict::kSkip;
  DatabaseKind database = DatabaseKind::kPostgres;
};

void PrintTo(const Poison& poison, std::ostream* out) { *out << poison.name; }

#define COLUMNS "id bigint, time timestamptz, name text, amount numeric, doc jsonb"

const std::string kHuge(20'000, 'x');

const Poison kPoisons[] = {
    {"Check", "CREATE TABLE item (" COLUMNS ", CHECK (id <> -1))", "23514",
     [](Item& item) { item.id = -1; }},
    {"NotNull",
     "CREATE TABLE item (id bigint, time timestamptz, name text, amount numeric NOT NULL, "
     "doc jsonb)",
     "23502", [](Item& item) { item.amount.reset(); }},
    {"TooLong",
     "CREATE TABLE item (id bigint, time timestamptz, name varchar(6), amount numeric, "
     "doc jsonb)",
     "22001", [](Item& item) { item.name = "unusual"; }},
    {"NumericOverflow",
     "CREATE TABLE item (id bigint, time timestamptz, name text, "
     "amount numeric(5, 2), doc jsonb)",
     "22003", [](Item& item) { item.amount = Numeric{"1000.5"}; }},
    {"NumericRoundedUp",
     "CREATE TABLE item (id bigint, time timestamptz, name text, "
     "amount numeric(5, 2), doc jsonb)",
     "22003", [](Item& item) { item.amount = Numeric{"999.999"}; }},
    {"InvalidUtf8", "CREATE TABLE item (" COLUMNS ")", "22021",
     [](Item& item) { item.name = "\xff"; }},
    {"Nul", "CREATE TABLE item (" COLUMNS ")", "22021",
     [](Item& item) { item.name = std::string_view("a\0b", 3); }},
    {"JsonNul", "CREATE TABLE item (" COLUMNS ")", "22P05",
     [](Item& item) { item.doc = Json{R"({"a":"\u0000"})"}; }},
    {"JsonSyntax", "CREATE TABLE item (" COLUMNS ")", "22P02",
     [](Item& item) { item.doc = Json{"{"}; }},
    {"JsonNumber", "CREATE TABLE item (" COLUMNS ")", "22003",
     [](Item& item) { item.doc = Json{"1e999999"}; }},
    {"TimeOutOfRange", "CREATE TABLE item (" COLUMNS ")", "22008",
     [](Item& item) { item.time = Timestamp::min() + std::chrono::hours(24 * 365 * 31); }},
    {"DomainCheck",
     "CREATE DOMAIN short AS text CHECK (length(VALUE) < 6);"
     "CREATE TABLE item (id bigint, time timestamptz, name short, amount numeric, "
     "doc jsonb)",
     "23514", [](Item& item) { item.name = "longer"; }},
    {"EnumLabel",
     "CREATE TYPE mood AS ENUM ('good', 'fine');"
     "CREATE TABLE item (id bigint, time timestamptz, name mood, amount numeric, "
     "doc jsonb)",
     "22P02", [](Item& item) { item.name = "bad"; }},
    {"UniqueAsError", "CREATE TABLE item (" COLUMNS ", UNIQUE (id))", "23505",
     [](Item& item) { item.id = 0; }, OnConflict::kError},
    {"SecondUniqueUnderUpdate", "CREATE TABLE item (" COLUMNS ", PRIMARY KEY (id), UNIQUE (time))",
     "23505", [](Item& item) { item.time = GoodItem(0).time; }, OnConflict::kUpdate},
    {"ExclusionAsError",
     "CREATE TABLE item (" COLUMNS ", EXCLUDE USING gist (int8range(id, id, '[]') WITH &&))",
     "23P01", [](Item& item) { item.id = 0; }, OnConflict::kError},
    {"ForeignKey",
     "CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('good');"
     "CREATE TABLE item (id bigint, time timestamptz, name text REFERENCES names, "
     "amount numeric, doc jsonb)",
     "23503", [](Item& item) { item.name = "unknown"; }},
    {"DeferredForeignKey",
     "CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('good');"
     "CREATE TABLE item (id bigint, time timestamptz, name text REFERENCES names "
     "DEFERRABLE INITIALLY DEFERRED, amount numeric, doc jsonb)",
     "23503", [](Item& item) { item.name = "unknown"; }},
    {"DeferredUnique", "CREATE TABLE item (" COLUMNS ", UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)",
     "23505", [](Item& item) { item.id = 0; }, OnConflict::kError},
    {"BeforeTrigger",
     "CREATE TABLE item (" COLUMNS ");"
     "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "IF NEW.id = -1 THEN RAISE EXCEPTION 'no such item'; END IF; RETURN NEW; END $$;"
     "CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse()",
     "P0001", [](Item& item) { item.id = -1; }},
    {"AfterTrigger",
     "CREATE TABLE item (" COLUMNS ");"
     "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "IF NEW.id = -1 THEN RAISE EXCEPTION 'no such item'; END IF; RETURN NULL; END $$;"
     "CREATE TRIGGER refuse AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse()",
     "P0001", [](Item& item) { item.id = -1; }},
    {"TriggerWithItsOwnCode",
     "CREATE TABLE item (" COLUMNS ");"
     "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "IF NEW.id = -1 THEN RAISE EXCEPTION 'no' USING ERRCODE = 'PL042'; END IF; "
     "RETURN NEW; END $$;"
     "CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse()",
     "PL042", [](Item& item) { item.id = -1; }},
    {"TriggerWithAMistakeInIt",
     "CREATE TABLE item (" COLUMNS ");"
     "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "IF NEW.id = -1 THEN PERFORM sqrt(NEW.doc); END IF; RETURN NEW; END $$;"
     "CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse()",
     "42883", [](Item& item) { item.id = -1; }},
    {"NoPartition",
     "CREATE TABLE item (" COLUMNS ") PARTITION BY RANGE (id);"
     "CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (0) TO (1000000)",
     "23514", [](Item& item) { item.id = -1; }},
    {"IndexRowTooLarge",
     "CREATE TABLE item (" COLUMNS "); CREATE INDEX ON item (name);"
     "ALTER TABLE item ALTER COLUMN name SET STORAGE EXTERNAL",
     "54000", [](Item& item) { item.name = kHuge; }},
    {"InsteadOfTrigger",
     "CREATE TABLE base (" COLUMNS ", CHECK (id <> -1)); CREATE VIEW item AS SELECT * FROM base;"
     "CREATE FUNCTION forward() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "INSERT INTO base SELECT NEW.*; RETURN NEW; END $$;"
     "CREATE TRIGGER forward INSTEAD OF INSERT ON item FOR EACH ROW EXECUTE FUNCTION forward()",
     "23514", [](Item& item) { item.id = -1; }},
    {"CheckOptionOfAView",
     "CREATE TABLE base (" COLUMNS "); CREATE VIEW item AS SELECT * FROM base WHERE id >= 0 "
     "WITH CHECK OPTION",
     "44000", [](Item& item) { item.id = -1; }},
    {"HypertableCheck",
     "CREATE TABLE item (" COLUMNS ", CHECK (id <> -1)); SELECT create_hypertable('item', 'time')",
     "23514", [](Item& item) { item.id = -1; }, OnConflict::kSkip, DatabaseKind::kTimescale},
    {"HypertableInvalidUtf8",
     "CREATE TABLE item (" COLUMNS "); SELECT create_hypertable('item', 'time')", "22021",
     [](Item& item) { item.name = "\xff"; }, OnConflict::kSkip, DatabaseKind::kTimescale},
    {"HypertableTooLong",
     "CREATE TABLE item (id bigint, time timestamptz, name varchar(6), amount numeric, doc jsonb);"
     "SELECT create_hypertable('item', 'time')",
     "22001", [](Item& item) { item.name = "unusual"; }, OnConflict::kSkip,
     DatabaseKind::kTimescale},
    {"HypertableJsonNul",
     "CREATE TABLE item (" COLUMNS "); SELECT create_hypertable('item', 'time')", "22P05",
     [](Item& item) { item.doc = Json{R"({"a":"\u0000"})"}; }, OnConflict::kSkip,
     DatabaseKind::kTimescale},
    {"HypertableTimeOutOfRange",
     "CREATE TABLE item (" COLUMNS "); SELECT create_hypertable('item', 'time')", "22008",
     [](Item& item) { item.time = Timestamp::min() + std::chrono::hours(24 * 365 * 31); },
     OnConflict::kSkip, DatabaseKind::kTimescale},
    {"HypertableKeyAsError",
     "CREATE TABLE item (" COLUMNS ", UNIQUE (id, time)); SELECT create_hypertable('item', 'time')",
     "23505", [](Item& item) { item = GoodItem(0); }, OnConflict::kError, DatabaseKind::kTimescale},
    {"HypertableBeforeTrigger",
     "CREATE TABLE item (" COLUMNS "); SELECT create_hypertable('item', 'time');"
     "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
     "IF NEW.id = -1 THEN RAISE EXCEPTION 'no such item'; END IF; RETURN NEW; END $$;"
     "CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse()",
     "P0001", [](Item& item) { item.id = -1; }, OnConflict::kSkip, DatabaseKind::kTimescale},
};

class PostgresPoisonTest : public ::testing::TestWithParam<Poison> {
 protected:
  SinkOptions Options() const {
    return {.conninfo = database_->Uri(),
            .ledger = "test",
            .create = {.enabled = true},
            .on_conflict = GetParam().on_conflict};
  }
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(GetParam().database)) GTEST_SKIP() << *why;
    database_ = std::make_unique<TestDatabase>(GetParam().database);
  }
  void Open(SinkOptions options) {
    database_->Exec(std::string(GetParam().sql));
    harness_ = std::make_unique<SinkHarness<Item>>(std::move(options));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  std::vector<Item> Batch(int rows, std::initializer_list<int> bad) const {
    std::vector<Item> items;
    for (int id = 0; id < rows; ++id) items.push_back(GoodItem(id));
    for (const int id : bad) GetParam().spoil(items[static_cast<std::size_t>(id)]);
    return items;
  }
  std::string Letters() const {
    return database_->Value(
        "SELECT coalesce(string_agg(code || ' ' || line || ' ' || convert_from(payload, 'UTF8'), "
        "', ' "
        "ORDER BY line), '') FROM tsingest.dead_letter");
  }

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<SinkHarness<Item>> harness_;
};

TEST_P(PostgresPoisonTest, OneBadRowCostsItsNeighboursNothing) {
  Open(Options());
  EXPECT_EQ(Outcome(harness_->Write(Batch(kRows, {kBad}))), "4999/0/1") << harness_->log.Text();
  EXPECT_EQ(database_->Value("SELECT count(*) || ' ' || count(DISTINCT id) FROM item"),
            "4999 4999");
  EXPECT_EQ(Letters(), std::string(GetParam().code) + " 3333 row 3332");
  EXPECT_EQ(harness_->gate().backoffs, 0);
  EXPECT_EQ(Outcome(harness_->Write({})), "0/0/0");
}

TEST_P(PostgresPoisonTest, BadRowsAtTheEndsAndSideBySide) {
  Open(Options());
  EXPECT_EQ(Outcome(harness_->Write(Batch(100, {1, 2, 3, 98, 99}))), "95/0/5");
  const std::string code(GetParam().code);
  EXPECT_EQ(Letters(), code + " 2 row 1, " + code + " 3 row 2, " + code + " 4 row 3, " + code +
                           " 99 row 98, " + code + " 100 row 99");
}

TEST_P(PostgresPoisonTest, InsertFindsThemToo) {
  SinkOptions options = Options();
  options.use_insert = true;
  Open(options);
  EXPECT_EQ(Outcome(harness_->Write(Batch(1000, {500}))), "999/0/1");
  EXPECT_EQ(Letters(), std::string(GetParam().code) + " 501 row 500");
}

TEST_P(PostgresPoisonTest, ABatchOfBadRowsOnly) {
  Open(Options());
  ASSERT_EQ(Outcome(harness_->Write(Batch(1, {}))), "1/0/0");
  std::vector<Item> items = Batch(601, {});
  items.erase(items.begin());
  for (Item& item : items) GetParam().spoil(item);
  EXPECT_EQ(Outcome(harness_->Write(items)), "0/0/600") << harness_->log.Text();
  EXPECT_EQ(database_->Value("SELECT count(*) FROM item"), "1");
}

TEST(PostgresUnclearErrorTest, AnErrorOfEveryRowThatIsPerhapsTheTablesIsWaitedFor) {
  const TestDatabase database;
  database.Exec("CREATE TABLE item (" COLUMNS
                ");"
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO audit VALUES (NEW.id); RETURN NEW; END $$;"
                "CREATE TRIGGER note BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION note()");
  SinkHarness<Item> harness(
      {.conninfo = database.Uri(), .ledger = "test", .create = {.enabled = true}});
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  std::string health;
  harness.gate().on_backoff = [&](int count) {
    if (count != 2) return;
    health = std::string(harness.sink().Health().message());
    database.Exec("CREATE TABLE public.audit (id bigint)");
  };
  EXPECT_EQ(Outcome(harness.Write({GoodItem(1), GoodItem(2)})), "2/0/0") << harness.log.Text();
  EXPECT_EQ(health,
            "relation \"audit\" does not exist (SQLSTATE 42P01); create the table (--create "
            "makes it)");
  EXPECT_EQ(database.Value("SELECT count(*) FROM tsingest.dead_letter"), "0");
}

// A BEFORE trigger that fails, with a code of unclear origin, while `sick` holds.
std::string TriggerThatFailsWhile(std::string_view sick) {
  return "CREATE OR REPLACE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
         "IF " +
         std::string(sick) +
         " THEN RAISE EXCEPTION 'no audit' USING ERRCODE = '42P01'; END IF; RETURN NEW; END $$;";
}
constexpr char kNoteEachRow[] =
    "CREATE TRIGGER note BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION note()";

TEST(PostgresUnclearErrorTest, RowsThatGotInBeforeTheTroubleBeganProveNothing) {
  const TestDatabase database;
  database.Exec("CREATE TABLE item (" COLUMNS ");" + TriggerThatFailsWhile("false") + kNoteEachRow);
  SinkHarness<Item> harness(
      {.conninfo = database.Uri(), .ledger = "test", .create = {.enabled = true}});
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  TestGate& gate = harness.gate();
  gate.Shut();
  gate.on_backoff = [&](int count) {
    if (count == 2) database.Exec(TriggerThatFailsWhile("false"));
  };
  std::string outcome;
  std::thread writer([&] { outcome = Outcome(harness.Write({GoodItem(1), GoodItem(2)})); });
  gate.AwaitWaits(1);  // its rows are in
  database.Exec(TriggerThatFailsWhile("true"));
  gate.TellToYield();
  gate.AwaitWaits(2);
  gate.Open();
  writer.join();
  EXPECT_EQ(outcome, "2/0/0") << harness.log.Text();
  EXPECT_EQ(gate.backoffs, 2);
}

TEST(PostgresUnclearErrorTest, RowsThatGetInWhenTheTroubleEndsProveNothingAboutThoseBefore) {
  const TestDatabase database;
  database.Exec("CREATE TABLE item (" COLUMNS "); CREATE SEQUENCE calls;" +
                TriggerThatFailsWhile("nextval('public.calls') <= 2") + kNoteEachRow);
  SinkHarness<Item> harness(
      {.conninfo = database.Uri(), .ledger = "test", .create = {.enabled = true}});
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  EXPECT_EQ(Outcome(harness.Write({GoodItem(1), GoodItem(2)})), "2/0/0") << harness.log.Text();
}

TEST(PostgresUnclearErrorTest, RowsOfABatchThatBeganLaterProveThatTheTableIsWell) {
  const TestDatabase database;  // with a key and a trigger no stored row can be tried again
  database.Exec("CREATE TABLE item (" COLUMNS ", PRIMARY KEY (id));" +
                TriggerThatFailsWhile("NEW.id = -1") + kNoteEachRow);
  SinkHarness<Item> harness(
      {.conninfo = database.Uri(), .ledger = "test", .create = {.enabled = true}});
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  auto other = harness.sink().NewWriter();
  ASSERT_TRUE(other.ok());
  harness.gate().on_backoff = [&](int count) {
    if (count != 3) return;
    Batch<Item> batch;
    batch.rows = {GoodItem(7)};
    batch.row_message = {0};
    batch.meta.messages.resize(1);
    TestGate gate;
    EXPECT_EQ(Outcome((*other)->Write(batch, gate)), "1/0/0");
  };
  EXPECT_EQ(Outcome(harness.Write({GoodItem(-1)})), "0/0/1") << harness.log.Text();
  EXPECT_EQ(harness.gate().backoffs, 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, PostgresPoisonTest, ::testing::ValuesIn(kPoisons),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace tsingest::testing
