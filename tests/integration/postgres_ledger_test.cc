// Positions: exactly once, whoever else writes and however a COMMIT ends.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "support/postgres_server.h"
#include "support/postgres_sink_harness.h"
#include "support/scripted_gate.h"
#include "support/tcp_proxy.h"
#include "support/test_database.h"
#include "support/test_row.h"
#include "tsingest/model/builtin/iot_measurements.h"
#include "tsingest/pipeline/fence.h"
#include "tsingest/pipeline/inserter.h"

namespace tsingest::testing {
namespace {

using Fault = TcpProxy::Fault;

// The statement as the protocol carries it; BEGIN … READ COMMITTED is not meant.
const std::string kCommit("\0COMMIT\0", 8);

std::vector<TestRow> Rows(std::int64_t first, std::int64_t last) {
  std::vector<TestRow> rows;
  for (std::int64_t id = first; id < last; ++id) {
    rows.push_back(
        {.time = Timestamp(std::chrono::seconds(id)), .id = id, .device = "d", .value = 1.0});
  }
  return rows;
}

// A sink whose connections go through a proxy.
class PostgresLedgerTest : public ::testing::Test {
 protected:
  PostgresLedgerTest() : proxy_(SharedPostgres().Port()) {}

  // The same database, by way of the proxy.
  std::string ProxyUri() const {
    const std::string real = ":" + std::to_string(SharedPostgres().Port()) + "/";
    std::string uri = database_.Uri();
    const std::size_t at = uri.find(real);
    return uri.replace(at, real.size(), ":" + std::to_string(proxy_.port()) + "/");
  }
  SinkOptions Options() const {
    return {.conninfo = ProxyUri(), .ledger = "test", .create = {.enabled = true}};
  }
  void Open(SinkOptions options) {
    harness_ = std::make_unique<SinkHarness<TestRow>>(std::move(options));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  std::string Write(std::int64_t first, std::int64_t last) {
    return Outcome(harness_->Write(Rows(first, last)));
  }
  std::string Count() const { return database_.Value("SELECT count(*) FROM test_row"); }

  TestDatabase database_;
  TcpProxy proxy_;
  std::unique_ptr<SinkHarness<TestRow>> harness_;
};

TEST_F(PostgresLedgerTest, ACommitWhoseAnswerIsLostIsNotDoneTwice) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  proxy_.Arm(Fault::kCutAnswer, kCommit);
  EXPECT_EQ(Write(10, 20), "10/0/0");
  EXPECT_EQ(proxy_.acted(), 1);
  EXPECT_EQ(Write(20, 30), "10/0/0");
  EXPECT_EQ(Count(), "30");
}

TEST_F(PostgresLedgerTest, ACommitThatNeverArrivedIsDoneAgain) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  proxy_.Arm(Fault::kCutBefore, kCommit);
  EXPECT_EQ(Write(10, 20), "10/0/0");
  EXPECT_EQ(proxy_.acted(), 1);
  EXPECT_EQ(Count(), "20");
}

TEST_F(PostgresLedgerTest, ALostSessionThatStillHoldsItsLocksIsEnded) {
  database_.Exec(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, "
      "value float8)");
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  proxy_.Arm(Fault::kFreeze, kCommit);
  EXPECT_EQ(Write(10, 20), "10/0/0") << harness_->log.Text();
  EXPECT_EQ(proxy_.acted(), 1);
  EXPECT_EQ(Count(), "20");
}

TEST_F(PostgresLedgerTest, AConnectionLostInTheMiddleOfARunIsMadeAnew) {
  Open(Options());
  for (const char* where : {"COPY", "PGCOPY", "BEGIN"}) {
    proxy_.Arm(Fault::kCutBefore, where);
    const std::int64_t next = harness_->next();
    EXPECT_EQ(Write(next, next + 10), "10/0/0") << where;
  }
  EXPECT_EQ(proxy_.acted(), 3);
  EXPECT_EQ(Count(), "30");
}

TEST_F(PostgresLedgerTest, WithoutLedgerTheWritersOwnRowTells) {
  SinkOptions options = Options();
  options.ledger.clear();
  Open(options);
  for (const Fault fault : {Fault::kCutAnswer, Fault::kCutBefore, Fault::kCutAnswer}) {
    proxy_.Arm(fault, kCommit);
    const std::int64_t next = harness_->next();
    EXPECT_EQ(Write(next, next + 10), "10/0/0");
  }
  EXPECT_EQ(proxy_.acted(), 3);
  EXPECT_EQ(Count(), "30");
}

TEST_F(PostgresLedgerTest, ARowThatWasTidiedUpIsMadeAgain) {
  SinkOptions options = Options();
  options.ledger.clear();
  Open(options);
  ASSERT_EQ(Write(0, 10), "10/0/0");
  database_.Exec("DELETE FROM tsingest.positions");
  EXPECT_EQ(Write(10, 20), "10/0/0");
  EXPECT_EQ(Count(), "20");
}

// What became of the cancelled batch's COMMIT must not be taken for the next batch's.
TEST_F(PostgresLedgerTest, ABatchAfterACommitThatWasGivenUpIsWritten) {
  SinkOptions options = Options();
  options.ledger.clear();
  Open(options);
  ASSERT_EQ(Write(0, 1), "1/0/0");
  database_.Exec(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.id = 1 THEN PERFORM pg_sleep(0.3); END IF; RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON test_row DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION slow()");
  auto writer = harness_->sink().NewWriter();
  ASSERT_TRUE(writer.ok());
  const auto write = [&](std::int64_t id, TestGate& gate) {
    Batch<TestRow> batch;
    harness_->Fill(batch, Rows(id, id + 1));
    return Outcome((*writer)->Write(batch, gate)).substr(0, 9);
  };
  TestGate given_up;
  TestGate gate;
  std::thread cancel([&] {
    while (database_.Value("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                           "current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'") ==
           "0") {
    }
    given_up.Cancel();
  });
  EXPECT_EQ(write(1, given_up), "CANCELLED");
  cancel.join();
  EXPECT_EQ(write(2, gate), "1/0/0");
  EXPECT_EQ(write(3, gate), "1/0/0");
  writer->reset();
  EXPECT_EQ(database_.Value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM test_row "
                            "WHERE id <> 1"),
            "0 2 3");
  harness_.reset();
  EXPECT_EQ(database_.Value("SELECT count(*) FROM tsingest.positions"), "0");
}

TEST_F(PostgresLedgerTest, RowsWithoutAStreamAreWrittenOnceToo) {
  PostgresSink<TestRow> sink(Options());
  Inserter<TestRow> inserter(sink);
  ASSERT_EQ(inserter.Open(), absl::OkStatus());
  for (std::int64_t id = 0; const Fault fault : {Fault::kCutAnswer, Fault::kCutBefore}) {
    proxy_.Arm(fault, kCommit);
    ASSERT_EQ(inserter.Add(Rows(id, id + 1).front()), absl::OkStatus());
    ASSERT_EQ(inserter.Flush(), absl::OkStatus());
    ++id;
  }
  EXPECT_EQ(proxy_.acted(), 2);
  EXPECT_EQ(database_.Value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM test_row"), "0 1");
}

TEST_F(PostgresLedgerTest, WithoutLedgerRowsWithKeysKeepTheirOrderToo) {
  database_.Exec(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, "
      "value float8)");
  SinkOptions options = Options();
  options.ledger.clear();
  options.on_conflict = OnConflict::kUpdate;
  Open(options);
  auto writer = harness_->sink().NewWriter();
  ASSERT_TRUE(writer.ok());
  ScriptedGate gate;
  std::string stored_before;
  gate.on_wait = [&](bool) {
    stored_before = Count();
    return CommitGate::Turn::kGo;
  };
  Batch<TestRow> batch;
  harness_->Fill(batch, Rows(0, 3));
  EXPECT_EQ(Outcome((*writer)->Write(batch, gate)), "3/0/0");
  EXPECT_EQ(gate.waits_with_locks, 1);
  EXPECT_EQ(stored_before, "0");
}

// Keeps which rows of their message were refused. The first time, the rest is refused from then on.
class RowNumbers final : public DeadLetterStore {
 public:
  explicit RowNumbers(std::function<void()> first) : first_(std::move(first)) {}
  absl::Status Open() override { return absl::OkStatus(); }
  absl::Status Store(std::span<const DeadLetter> letters) override {
    for (const DeadLetter& letter : letters) rows.push_back(letter.row);
    if (first_) std::exchange(first_, nullptr)();
    return absl::OkStatus();
  }
  absl::Status Close() override { return absl::OkStatus(); }

  std::vector<std::int64_t> rows;

 private:
  std::function<void()> first_;
};

TEST_F(PostgresLedgerTest, EachRefusedRowOfAMessageHasItsLetterInAStore) {
  const auto refuse_above = [&](int id) {
    database_.Exec(
        "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id > " +
        std::to_string(id) + " THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$");
  };
  RowNumbers store([&] { refuse_above(0); });
  SinkOptions options = Options();
  options.dead_letters = {.to = PostgresDeadLetters::To::kStore, .store = &store};
  Open(options);
  refuse_above(1);
  database_.Exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON test_row FOR EACH ROW EXECUTE FUNCTION refuse()");
  Batch<TestRow> batch;
  batch.rows = Rows(0, 3);
  batch.row_message = {0, 0, 0};
  harness_->AddMessage(batch);
  proxy_.Arm(Fault::kCutBefore, kCommit);
  EXPECT_EQ(Outcome(harness_->Write(batch, 1)), "1/0/2");
  EXPECT_EQ(store.rows, (std::vector<std::int64_t>{3, 2}));
}

// A sink without anything of ours in the database.
class PostgresBareTest : public PostgresLedgerTest {
 protected:
  void OpenBare() {
    database_.Exec(
        "CREATE TABLE test_row (time timestamptz, id bigint, device text, value float8)");
    SinkOptions options = Options();
    options.ledger.clear();
    options.create.enabled = false;
    options.dead_letters.to = PostgresDeadLetters::To::kNone;
    Open(options);
  }
};

TEST_F(PostgresBareTest, WithoutOurTablesTheTransactionNumberTells) {
  OpenBare();
  for (const Fault fault : {Fault::kCutAnswer, Fault::kCutBefore}) {
    proxy_.Arm(fault, kCommit);
    const std::int64_t next = harness_->next();
    EXPECT_EQ(Write(next, next + 10), "10/0/0") << harness_->log.Text();
  }
  EXPECT_EQ(Count(), "20");
}

// All sessions break at once, as in a crash of the server: none is left that could tell.
TEST_F(PostgresBareTest, WhenNothingTellsItSaysSoAndStops) {
  OpenBare();
  ASSERT_EQ(Write(0, 10), "10/0/0");
  proxy_.Arm(Fault::kCutAllAnswers, kCommit);
  const auto result = harness_->Write(Rows(10, 20));
  EXPECT_EQ(proxy_.acted(), 1);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
  EXPECT_NE(result.status().message().find("10 rows were being committed"), std::string::npos)
      << result.status();
}

TEST_F(PostgresLedgerTest, WhoClaimsAStreamFencesWhoHadIt) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  SinkHarness<TestRow> other(Options());
  ASSERT_EQ(other.Open(), absl::OkStatus());
  EXPECT_EQ(other.stored()->next, 10);
  const auto fenced = harness_->Write(Rows(10, 20));
  EXPECT_EQ(fenced.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(FencedStreams(fenced.status()), (std::vector<StreamId>{0}));
  EXPECT_NE(fenced.status().message().find("another instance (tsingest on "), std::string::npos)
      << fenced.status();
  EXPECT_EQ(Outcome(other.Write(Rows(10, 15))), "5/0/0");
  EXPECT_EQ(Count(), "15");
}

// CREATE INDEX would wait for whoever writes, and whoever writes next would wait for it.
TEST_F(PostgresLedgerTest, CreatingWhatIsThereWaitsForNobody) {
  SinkHarness<IotMeasurement> first(Options());
  ASSERT_EQ(first.Open(), absl::OkStatus());
  PgClient writer(database_.Uri());
  writer.Exec("BEGIN; LOCK TABLE iot_measurements IN ROW EXCLUSIVE MODE");
  PgClient(database_.Uri())
      .Exec("ALTER DATABASE " + database_.Value("SELECT current_database()") +
            " SET lock_timeout = '1s'");
  SinkHarness<IotMeasurement> second(Options());
  EXPECT_EQ(second.Open(), absl::OkStatus());
}

// It was stopped in the middle of a transaction, and its sessions live on.
TEST_F(PostgresLedgerTest, LocksOfAFrozenOwnerAreBroken) {
  database_.Exec(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, value float8)");
  Open(Options());
  harness_->gate().Shut();
  std::string frozen;
  std::thread writer([&] { frozen = Write(0, 10); });
  harness_->gate().AwaitWaits(1);
  SinkHarness<TestRow> heir(Options());
  ASSERT_EQ(heir.Open(), absl::OkStatus());
  EXPECT_EQ(Outcome(heir.Write(Rows(0, 10))), "10/0/0") << heir.log.Text();
  EXPECT_TRUE(heir.log.Has("ended 1 session(s)")) << heir.log.Text();
  harness_->gate().Open();
  writer.join();
  EXPECT_EQ(frozen.substr(0, 7), "ABORTED") << frozen;
  EXPECT_EQ(Count(), "10");
}

TEST_F(PostgresLedgerTest, AClaimWaitsForTheTransactionOfWhoHadTheStream) {
  Open(Options());
  harness_->gate().Shut();
  std::string first;
  std::thread writer([&] { first = Write(0, 10); });
  harness_->gate().AwaitWaits(1);
  SinkHarness<TestRow> other(Options());
  ASSERT_EQ(other.Open(), absl::OkStatus());
  harness_->gate().Open();
  writer.join();
  EXPECT_EQ(first.substr(0, 7), "ABORTED");
  EXPECT_EQ(Outcome(other.Write(Rows(0, 10))), "10/0/0");
  EXPECT_EQ(Count(), "10");
}

// A partition that is lost and given back: its old COMMIT is still on the server then.
TEST_F(PostgresLedgerTest, WhatALostSessionStillDoesIsRefusedOnceTheStreamIsClaimedAgain) {
  Open(Options());
  database_.Exec(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "PERFORM pg_sleep(0.4); RETURN NEW; END $$;"
      "CREATE TRIGGER slow BEFORE INSERT ON tsingest.dead_letter FOR EACH ROW "
      "EXECUTE FUNCTION slow()");
  const auto sleepers = [&] {
    return database_.Value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event = 'PgSleep'");
  };
  Batch<TestRow> lost;
  harness_->Fill(lost, Rows(0, 2));
  lost.meta.rejects.push_back({.message = harness_->AddMessage(lost), .reason = "no row"});
  std::thread cancel([&] {
    while (sleepers() == "0") {
    }
    harness_->gate().Cancel();
  });
  EXPECT_EQ(Outcome(harness_->Write(lost, 3)).substr(0, 9), "CANCELLED");
  cancel.join();
  const StreamClaim again{.stream = 1, .name = "s", .detail = "made by a test"};
  auto stored = harness_->sink().Claim({&again, 1});
  ASSERT_TRUE(stored.ok());
  ASSERT_EQ(stored->front()->next, 0);
  while (sleepers() != "0") {
  }
  Batch<TestRow> batch;  // more has come meanwhile
  harness_->Fill(batch, Rows(0, 3));
  batch.meta.rejects.push_back({.message = harness_->AddMessage(batch), .reason = "no row"});
  batch.meta.ranges.front().stream = 1;
  auto writer = harness_->sink().NewWriter();
  ASSERT_TRUE(writer.ok());
  TestGate gate;
  EXPECT_EQ(Outcome((*writer)->Write(batch, gate)), "3/0/1");
  EXPECT_EQ(Count(), "3");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM tsingest.dead_letter"), "1");
}

TEST_F(PostgresLedgerTest, AClaimThatWaitsForALockSaysSo) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  SinkHarness<TestRow> heir(Options());
  ASSERT_EQ(heir.sink().Open(), absl::OkStatus());
  PgClient someone(database_.Uri());
  someone.Exec("BEGIN; UPDATE tsingest.positions SET updated_at = now()");
  absl::Status claimed;
  std::thread claim([&] { claimed = heir.Claim(); });
  absl::Status health;
  for (int i = 0; i < 100 && health.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    health = heir.sink().Health();
  }
  EXPECT_NE(health.message().find("holds rows of tsingest.positions"), std::string::npos) << health;
  someone.Exec("ROLLBACK");
  claim.join();
  EXPECT_EQ(claimed, absl::OkStatus());
  EXPECT_EQ(heir.sink().Health(), absl::OkStatus());
}

TEST_F(PostgresLedgerTest, AClaimEndsASessionOfWhoHadTheStream) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  const std::string process =
      database_.Value("SELECT regexp_replace(owner, '/[0-9]+$', '') FROM tsingest.positions");
  PgClient frozen(database_.Uri());  // as one that looks whether its COMMIT was done
  frozen.Exec("BEGIN; SELECT pg_advisory_xact_lock_shared(1953720686, hashtext('" + process +
              "')); SELECT FROM tsingest.positions FOR UPDATE");
  SinkHarness<TestRow> heir(Options());
  ASSERT_EQ(heir.Open(), absl::OkStatus());
  EXPECT_TRUE(heir.log.Has("ended 1 session(s)")) << heir.log.Text();
  EXPECT_EQ(Outcome(heir.Write(Rows(10, 20))), "10/0/0");
}

TEST_F(PostgresLedgerTest, AnInitialPositionOfAFencedOwnerIsRefused) {
  Open(Options());
  SinkHarness<TestRow> other(Options());
  ASSERT_EQ(other.Open(), absl::OkStatus());
  const absl::Status status = harness_->sink().SetInitial(0, 77);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(FencedStreams(status), (std::vector<StreamId>{0}));
}

TEST_F(PostgresLedgerTest, PositionsChangedByHandStopTheWriter) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  database_.Exec("UPDATE tsingest.positions SET position = 5");
  auto result = harness_->Write(Rows(10, 20));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(result.status().message().find("the stored position is 5"), std::string::npos);
  database_.Exec("DELETE FROM tsingest.positions");
  result = harness_->Write(Rows(10, 20));
  EXPECT_NE(result.status().message().find("the stored position is gone"), std::string::npos);
  EXPECT_EQ(Count(), "10");
}

TEST_F(PostgresLedgerTest, LedgersAreApart) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  SinkOptions options = Options();
  options.ledger = "another";
  SinkHarness<TestRow> other(options);
  ASSERT_EQ(other.Open(), absl::OkStatus());
  EXPECT_FALSE(other.stored().has_value());
  EXPECT_EQ(Write(10, 20), "10/0/0");
}

TEST_F(PostgresLedgerTest, AClaimKeepsTheDetailThatBelongsToThePosition) {
  Open(Options());
  ASSERT_EQ(Write(0, 10), "10/0/0");
  auto& sink = harness_->sink();
  const StreamClaim claim{.stream = 0, .name = "s", .detail = "another file"};
  auto positions = sink.Claim({&claim, 1});
  ASSERT_TRUE(positions.ok());
  EXPECT_EQ(positions->front()->detail, "made by a test");
  positions = sink.Claim({&claim, 1});
  EXPECT_EQ(positions->front()->detail, "made by a test") << "a claim must not overwrite it";
  ASSERT_EQ(Write(10, 20), "10/0/0");
  const auto stored = sink.core().LoadPosition("s");
  ASSERT_TRUE(stored.ok() && stored->has_value());
  EXPECT_EQ((*stored)->next, 20);
  EXPECT_EQ((*stored)->detail, "another file");
}

TEST_F(PostgresLedgerTest, NoPositionIsLoadedForAnUnknownStream) {
  Open(Options());
  const auto stored = harness_->sink().core().LoadPosition("nobody");
  ASSERT_TRUE(stored.ok());
  EXPECT_FALSE(stored->has_value());
}

TEST_F(PostgresLedgerTest, CancelledAtTheGateNothingIsVisible) {
  Open(Options());
  harness_->gate().Shut();
  std::string outcome;
  std::thread writer([&] { outcome = Write(0, 10); });
  harness_->gate().AwaitWaits(1);
  harness_->gate().Cancel();
  writer.join();
  EXPECT_EQ(outcome.substr(0, 9), "CANCELLED");
  EXPECT_EQ(Count(), "0");
}

TEST_F(PostgresLedgerTest, ABatchThatYieldsIsWrittenAnewInItsTurn) {
  Open(Options());
  TestGate& gate = harness_->gate();
  gate.Shut();
  std::string outcome;
  std::thread writer([&] { outcome = Write(0, 10); });
  gate.AwaitWaits(1);
  gate.TellToYield();
  gate.AwaitWaits(2);  // without locks
  EXPECT_EQ(gate.yields(), 1);
  EXPECT_EQ(database_.Value("SELECT count(*) FROM pg_locks WHERE relation = 'test_row'::regclass "
                            "AND mode = 'RowExclusiveLock'"),
            "0");
  gate.Open();
  writer.join();
  EXPECT_EQ(outcome, "10/0/0");
  EXPECT_EQ(Count(), "10");
}

TEST_F(PostgresLedgerTest, ALockAsksLaterBatchesToYieldAndIsWaitedFor) {
  database_.Exec(
      "CREATE TABLE test_row (time timestamptz, id bigint PRIMARY KEY, device text, "
      "value float8)");
  SinkOptions options = Options();
  options.lock_timeout = std::chrono::milliseconds(50);
  Open(options);
  PgClient blocker(database_.Uri());
  blocker.Exec("BEGIN; INSERT INTO test_row (id) VALUES (5)");
  harness_->gate().on_ask = [&] { blocker.Exec("ROLLBACK"); };
  EXPECT_EQ(Write(0, 10), "10/0/0");
  EXPECT_EQ(harness_->gate().asked_to_yield, 1);
  EXPECT_EQ(Count(), "10");
}

}  // namespace
}  // namespace tsingest::testing
