// What PostgresSink does with hypertables: plain COPY, direct compress, and what lies compressed.
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "support/postgres_sink_harness.h"
#include "support/test_database.h"
#include "support/test_row.h"

namespace tsingest::testing {
namespace {

constexpr Timestamp kStart{std::chrono::seconds(1'700'006'400)};  // midnight
constexpr std::string_view kDevices[] = {"a", "b", "c"};

// One row a second and device, not in the order that compressed batches have.
std::vector<TestRow> Rows(std::int64_t first, std::int64_t last) {
  std::vector<TestRow> rows;
  for (std::int64_t id = first; id < last; ++id) {
    rows.push_back({.time = kStart + std::chrono::seconds(id),
                    .id = id,
                    .device = kDevices[id % 3],
                    .value = static_cast<double>(id) / 2});
  }
  return rows;
}

constexpr char kTable[] =
    "CREATE TABLE test_row (time timestamptz NOT NULL, id bigint, device text, value float8);"
    "SELECT create_hypertable('test_row', 'time', chunk_time_interval => interval '1 day');";
constexpr char kCompressed[] =
    "ALTER TABLE test_row SET (timescaledb.compress, timescaledb.compress_segmentby = 'device', "
    "timescaledb.compress_orderby = 'time DESC');";

class HypertableWriteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = TestDatabase::WhyUnavailable(DatabaseKind::kTimescale)) {
      GTEST_SKIP() << *why;
    }
    database_ = std::make_unique<TestDatabase>(DatabaseKind::kTimescale);
  }
  SinkOptions Options() const {
    return {.conninfo = database_->Uri(), .ledger = "test", .create = {.enabled = true}};
  }
  // A sink into the table that the statements make.
  void OpenOn(const std::string& sql, SinkOptions options) {
    database_->Exec(sql);
    harness_ = std::make_unique<SinkHarness<TestRow>>(std::move(options));
    ASSERT_EQ(harness_->Open(), absl::OkStatus());
  }
  void OpenCompressed() { OpenOn(std::string(kTable) + kCompressed, Options()); }
  std::string Write(const std::vector<TestRow>& rows) { return Outcome(harness_->Write(rows)); }
  std::string Value(const std::string& sql) const { return database_->Value(sql); }
  // Rows, sum of ids, and rows that lie compressed.
  std::string Contents() const { return Value("SELECT count(*) || ' ' || sum(id) FROM test_row"); }
  std::string CompressedChunks() const {
    return Value(
        "SELECT count(*) FILTER (WHERE is_compressed) || ' of ' || count(*) "
        "FROM timescaledb_information.chunks WHERE hypertable_name = 'test_row'");
  }

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<SinkHarness<TestRow>> harness_;
};

TEST_F(HypertableWriteTest, PlainCopyWhereNothingIsCompressed) {
  OpenOn(kTable, Options());
  EXPECT_EQ(harness_->sink().PreferredBatchRows(), 5000u);
  EXPECT_EQ(Write(Rows(0, 20'000)), "20000/0/0") << harness_->log.Text();
  EXPECT_EQ(Contents(), "20000 199990000");
  EXPECT_EQ(CompressedChunks(), "0 of 1");
}

TEST_F(HypertableWriteTest, ALargeBatchIsCompressedOnTheWayIn) {
  OpenCompressed();
  EXPECT_EQ(harness_->sink().PreferredBatchRows(), 20'000u);
  EXPECT_EQ(Write(Rows(0, 20'000)), "20000/0/0") << harness_->log.Text();
  EXPECT_TRUE(harness_->log.Has("rows are compressed on the way in")) << harness_->log.Text();
  EXPECT_EQ(Contents(), "20000 199990000");
  EXPECT_EQ(CompressedChunks(), "1 of 1");
  EXPECT_EQ(Value("SELECT position FROM tsingest.positions WHERE ledger = 'test'"), "20000");
}

TEST_F(HypertableWriteTest, BatchesThatOverlapAreReadInOrderAllTheSame) {
  OpenCompressed();
  for (int round = 0; round < 3; ++round) EXPECT_EQ(Write(Rows(0, 20'000)), "20000/0/0");
  EXPECT_EQ(Contents(), "60000 599970000");
  EXPECT_EQ(Value("SELECT bool_and(id >= before) FROM (SELECT id, lag(id, 1, 0::bigint) OVER () AS "
                  "before FROM (SELECT id FROM test_row WHERE device = 'b' ORDER BY time) o) l"),
            "t");
  EXPECT_EQ(Value("SELECT id FROM test_row ORDER BY time DESC LIMIT 1"), "19999");
}

TEST_F(HypertableWriteTest, ASmallBatchGoesByPlainCopyAndTheLogSaysWhy) {
  OpenCompressed();
  EXPECT_EQ(Write(Rows(0, 100)), "100/0/0");
  EXPECT_TRUE(harness_->log.Has("raise --batch-size")) << harness_->log.Text();
  EXPECT_EQ(CompressedChunks(), "0 of 1");
  EXPECT_EQ(Contents(), "100 4950");
}

TEST_F(HypertableWriteTest, ManySegmentsGoByPlainCopyAndTheLogSaysWhy) {
  OpenCompressed();
  std::vector<TestRow> rows = Rows(0, 20'000);
  std::vector<std::string> names;
  names.reserve(rows.size());
  for (TestRow& row : rows)
    row.device = names.emplace_back("device-" + std::to_string(row.id % 5000));
  EXPECT_EQ(Write(rows), "20000/0/0");
  EXPECT_TRUE(harness_->log.Has("direct compress would be slower")) << harness_->log.Text();
  EXPECT_EQ(CompressedChunks(), "0 of 1");
}

TEST_F(HypertableWriteTest, ABadRowIsNamedRightlyThoughTheBatchWasSorted) {
  OpenOn(std::string(kTable) + kCompressed + "ALTER TABLE test_row ADD CHECK (id <> 13333)",
         Options());
  EXPECT_EQ(Write(Rows(0, 20'000)), "19999/0/1") << harness_->log.Text();
  EXPECT_EQ(Contents(), "19999 199976667");
  EXPECT_EQ(Value("SELECT code || ' ' || line || ' ' || convert_from(payload, 'UTF8') "
                  "FROM tsingest.dead_letter"),
            "23514 13334 row 13333");
}

TEST_F(HypertableWriteTest, ACancelledBatchLeavesNothingCompressed) {
  OpenCompressed();
  harness_->gate().Cancel();
  EXPECT_EQ(harness_->Write(Rows(0, 20'000)).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Value("SELECT count(*) FROM test_row"), "0");
}

TEST_F(HypertableWriteTest, OffMeansOff) {
  SinkOptions options = Options();
  options.direct_compress = DirectCompress::kOff;
  OpenOn(std::string(kTable) + kCompressed, options);
  EXPECT_EQ(harness_->sink().PreferredBatchRows(), 5000u);
  EXPECT_EQ(Write(Rows(0, 20'000)), "20000/0/0");
  EXPECT_EQ(CompressedChunks(), "0 of 1");
}

TEST_F(HypertableWriteTest, AKeyForbidsDirectCompress) {
  const std::string sql = std::string(kTable) + kCompressed +
                          "ALTER TABLE test_row ADD CONSTRAINT once UNIQUE (device, time)";
  OpenOn(sql, Options());
  EXPECT_EQ(Write(Rows(0, 20'000)), "20000/0/0");
  EXPECT_EQ(CompressedChunks(), "0 of 1");
  EXPECT_EQ(Write(Rows(0, 20'000)), "0/20000/0");

  SinkOptions options = Options();
  options.direct_compress = DirectCompress::kOn;
  SinkHarness<TestRow> refused(options);
  const absl::Status status = refused.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("unique"), std::string_view::npos) << status;
}

TEST_F(HypertableWriteTest, KeysInCompressedChunksAreMet) {
  for (const OnConflict policy : {OnConflict::kSkip, OnConflict::kUpdate, OnConflict::kError}) {
    SinkOptions options = Options();
    options.on_conflict = policy;
    options.ledger = "policy " + std::to_string(static_cast<int>(policy));
    OpenOn("DROP TABLE IF EXISTS test_row; " + std::string(kTable) + kCompressed +
               "ALTER TABLE test_row ADD PRIMARY KEY (device, time)",
           options);
    ASSERT_EQ(Write(Rows(0, 300)), "300/0/0");
    database_->Exec("SELECT compress_chunk(c) FROM show_chunks('test_row') AS c");
    std::vector<TestRow> again = Rows(200, 400);
    for (TestRow& row : again) row.value = -1;
    const std::string expected = policy == OnConflict::kSkip     ? "100/100/0"
                                 : policy == OnConflict::kUpdate ? "200/0/0"
                                                                 : "100/0/100";
    EXPECT_EQ(Write(again), expected) << harness_->log.Text();
    EXPECT_EQ(Contents(), "400 79800");
    EXPECT_EQ(Value("SELECT count(*) FROM test_row WHERE value = -1"),
              policy == OnConflict::kUpdate ? "200" : "100");
  }
  EXPECT_EQ(Value("SELECT string_agg(DISTINCT code, ',') FROM tsingest.dead_letter"), "23505");
  EXPECT_EQ(Value("SELECT split_part(reason, ';', 1) FROM tsingest.dead_letter "
                  "ORDER BY line LIMIT 1"),
            "line 301: duplicate key value violates unique constraint \"test_row_pkey\"");
}

TEST_F(HypertableWriteTest, LateRowsReachCompressedChunks) {
  OpenOn(std::string(kTable) + kCompressed, Options());
  ASSERT_EQ(Write(Rows(0, 20'000)), "20000/0/0");
  EXPECT_EQ(Write(Rows(0, 50)), "50/0/0");
  EXPECT_EQ(Value("SELECT count(*) FROM test_row WHERE id < 50"), "100");
}

}  // namespace
}  // namespace tsingest::testing
