// What every Sink must do, whatever it writes to. Instantiate it for a backend:
//
//   class FileBackend : public SinkBackend { … };
//   INSTANTIATE_TYPED_TEST_SUITE_P(File, SinkContract, FileBackend);
//   INSTANTIATE_TYPED_TEST_SUITE_P(File, TransactionalSinkContract, FileBackend);  // if it is one
#ifndef TSINGEST_TESTS_CONTRACT_SINK_CONTRACT_H_
#define TSINGEST_TESTS_CONTRACT_SINK_CONTRACT_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "support/scripted_gate.h"
#include "support/test_batch.h"
#include "support/test_row.h"
#include "tsingest/pipeline/fence.h"
#include "tsingest/pipeline/sink.h"

namespace tsingest::testing {

// Owns an empty place to write to, and makes sinks for it. Default-constructible. Rows are TestRows
// without a unique key; rejects become dead letters that StoredLetters() sees.
class SinkBackend {
 public:
  virtual ~SinkBackend() = default;
  // Why the backend cannot be used here; the tests are skipped then.
  virtual std::optional<std::string> WhyUnavailable() { return std::nullopt; }
  // A sink, not opened, as a new run of the program would make it. Several may exist at once.
  virtual std::unique_ptr<Sink<TestRow>> MakeSink() = 0;
  // The ids of all rows that are visible, sorted.
  virtual std::vector<std::int64_t> StoredIds() = 0;
  virtual std::size_t StoredLetters() = 0;
};

template <class Backend>
class SinkContract : public ::testing::Test {
 protected:
  // A sink with a writer, opened, that owns the streams 0 … `streams`-1.
  struct Instance {
    std::unique_ptr<Sink<TestRow>> sink;
    std::unique_ptr<SinkWriter<TestRow>> writer;
    std::vector<std::optional<StoredPosition>> stored;
  };

  void SetUp() override {
    if (const auto why = backend_.WhyUnavailable()) GTEST_SKIP() << *why;
  }

  Instance Start(StreamId streams = 1) {
    Instance instance;
    instance.sink = backend_.MakeSink();
    const absl::Status opened = instance.sink->Open();
    EXPECT_TRUE(opened.ok()) << opened;
    auto writer = instance.sink->NewWriter();
    EXPECT_TRUE(writer.ok()) << writer.status();
    if (writer.ok()) instance.writer = *std::move(writer);
    std::vector<StreamClaim> claims;
    for (StreamId i = 0; i < streams; ++i) {
      claims.push_back({.stream = i,
                        .name = "contract/" + std::to_string(i),
                        .detail = "detail " + std::to_string(i)});
    }
    auto stored = instance.sink->Claim(claims);
    EXPECT_TRUE(stored.ok()) << stored.status();
    if (stored.ok()) instance.stored = *std::move(stored);
    EXPECT_EQ(instance.stored.size(), streams);
    for (StreamId i = 0; i < instance.stored.size(); ++i) {
      if (instance.stored[i].has_value()) continue;
      EXPECT_TRUE(instance.sink->SetInitial(i, 0).ok());
    }
    return instance;
  }

  static std::string Outcome(const absl::StatusOr<WriteResult>& result) {
    if (!result.ok()) return result.status().ToString();
    return std::to_string(result->written) + " written, " + std::to_string(result->deduplicated) +
           " deduplicated, " + std::to_string(result->dead_lettered) + " dead-lettered";
  }
  static std::vector<std::int64_t> Ids(std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < count; ++i) ids.push_back(first + i);
    return ids;
  }

  Backend backend_;
  ScriptedGate gate_;
};

TYPED_TEST_SUITE_P(SinkContract);

TYPED_TEST_P(SinkContract, WritesEveryRowOfABatchOnce) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 1000).Take();
  const auto result = instance.writer->Write(*batch, this->gate_);
  ASSERT_EQ(this->Outcome(result), "1000 written, 0 deduplicated, 0 dead-lettered");
  EXPECT_GT(result->bytes, 0u);
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 1000));
  EXPECT_TRUE(instance.sink->Health().ok());
  EXPECT_TRUE(instance.sink->Close().ok());
}

TYPED_TEST_P(SinkContract, WritesOneBatchAfterTheOther) {
  auto instance = this->Start();
  BatchMaker maker;
  for (int i = 0; i < 20; ++i) {
    const auto batch = maker.Rows(i * 10, 10).Take();
    ASSERT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
              "10 written, 0 deduplicated, 0 dead-lettered");
  }
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 200));
}

TYPED_TEST_P(SinkContract, WritersOfOneSinkShareTheWork) {
  auto instance = this->Start();
  const auto second = instance.sink->NewWriter();
  ASSERT_TRUE(second.ok()) << second.status();
  BatchMaker maker;
  for (int i = 0; i < 6; ++i) {
    const auto batch = maker.Rows(i * 10, 10).Take();
    SinkWriter<TestRow>& writer = i % 2 == 0 ? *instance.writer : **second;
    ASSERT_TRUE(writer.Write(*batch, this->gate_).ok());
  }
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 60));
}

TYPED_TEST_P(SinkContract, KeepsRejectsAsDeadLettersAndTheirNeighboursAsRows) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Message("1").Message("bad").Message("3 worse").Message("4").Take();
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "2 written, 0 deduplicated, 2 dead-lettered");
  EXPECT_EQ(this->backend_.StoredIds(), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(this->backend_.StoredLetters(), 2u);
}

TYPED_TEST_P(SinkContract, TakesABatchOfRejectsOnly) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Message("bad").Message("worse").Take();
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "0 written, 0 deduplicated, 2 dead-lettered");
  EXPECT_EQ(this->backend_.StoredLetters(), 2u);
}

TYPED_TEST_P(SinkContract, TakesABatchThatOnlyMovesThePosition) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Message("").Take();
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "0 written, 0 deduplicated, 0 dead-lettered");
}

TYPED_TEST_P(SinkContract, ShowsNothingBeforeItsTurn) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 100).Message("bad").Take();
  this->gate_.on_wait = [this](bool) {
    EXPECT_TRUE(this->backend_.StoredIds().empty());
    return CommitGate::Turn::kGo;
  };
  EXPECT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  EXPECT_GE(this->gate_.waits.load(), 1) << "the sink never waited for its turn";
}

TYPED_TEST_P(SinkContract, ACancelledBatchLeavesNothingAndCanBeWrittenAgain) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 100).Take();
  this->gate_.on_wait = [](bool) { return CommitGate::Turn::kCancel; };
  EXPECT_EQ(instance.writer->Write(*batch, this->gate_).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(this->backend_.StoredIds().empty());
  this->gate_.on_wait = nullptr;
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "100 written, 0 deduplicated, 0 dead-lettered");
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 100));
}

TYPED_TEST_P(SinkContract, YieldsWhenAskedToAndWritesAnew) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 100).Message("bad").Take();
  int yields = 0;
  this->gate_.on_wait = [&](bool holding_locks) {
    const bool yield = holding_locks && yields < 3;
    if (yield) ++yields;
    return yield ? CommitGate::Turn::kYield : CommitGate::Turn::kGo;
  };
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "100 written, 0 deduplicated, 1 dead-lettered");
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 100));
  if (yields > 0) {
    EXPECT_GT(this->gate_.waits.load(), this->gate_.waits_with_locks.load())
        << "after kYield the sink must wait without holding locks";
  }
}

TYPED_TEST_P(SinkContract, TakesALargeBatch) {
  auto instance = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 30'000).Take();
  EXPECT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 30'000));
}

TYPED_TEST_P(SinkContract, GoesOnInALaterRun) {
  {
    auto instance = this->Start();
    BatchMaker maker;
    const auto batch = maker.Rows(0, 10).Take();
    ASSERT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
    EXPECT_TRUE(instance.sink->Close().ok());
  }
  auto instance = this->Start();
  BatchMaker maker(1, 10);
  const auto batch = maker.Rows(10, 10).Take();
  EXPECT_EQ(this->Outcome(instance.writer->Write(*batch, this->gate_)),
            "10 written, 0 deduplicated, 0 dead-lettered");
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 20));
}

TYPED_TEST_P(SinkContract, StoresPositionsOnlyIfItSaysSo) {
  {
    auto instance = this->Start();
    EXPECT_FALSE(instance.stored.at(0).has_value());
    BatchMaker maker;
    const auto batch = maker.Rows(0, 10).Take();
    ASSERT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  }
  auto instance = this->Start();
  EXPECT_EQ(instance.stored.at(0).has_value(), instance.sink->Transactional());
}

REGISTER_TYPED_TEST_SUITE_P(SinkContract, WritesEveryRowOfABatchOnce, WritesOneBatchAfterTheOther,
                            WritersOfOneSinkShareTheWork,
                            KeepsRejectsAsDeadLettersAndTheirNeighboursAsRows,
                            TakesABatchOfRejectsOnly, TakesABatchThatOnlyMovesThePosition,
                            ShowsNothingBeforeItsTurn,
                            ACancelledBatchLeavesNothingAndCanBeWrittenAgain,
                            YieldsWhenAskedToAndWritesAnew, TakesALargeBatch, GoesOnInALaterRun,
                            StoresPositionsOnlyIfItSaysSo);

// For sinks that are Transactional().
template <class Backend>
class TransactionalSinkContract : public SinkContract<Backend> {
 protected:
  // What a new run would find stored.
  std::optional<std::int64_t> StoredNext(StreamId stream, StreamId streams = 1) {
    auto instance = this->Start(streams);
    if (!instance.stored.at(stream).has_value()) return std::nullopt;
    return instance.stored[stream]->next;
  }
};

TYPED_TEST_SUITE_P(TransactionalSinkContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransactionalSinkContract);  // not every sink is

TYPED_TEST_P(TransactionalSinkContract, StoresThePositionWithTheRows) {
  {
    auto instance = this->Start(2);
    BatchMaker maker(2);
    const auto batch = maker.Rows(0, 10, 0).Rows(100, 5, 1).Rows(10, 1, 0).Take();
    ASSERT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  }
  auto instance = this->Start(2);
  ASSERT_TRUE(instance.stored.at(0).has_value() && instance.stored.at(1).has_value());
  EXPECT_EQ(instance.stored[0]->next, 11);
  EXPECT_EQ(instance.stored[0]->detail, "detail 0");
  EXPECT_EQ(instance.stored[1]->next, 5);
}

TYPED_TEST_P(TransactionalSinkContract, MovesThePositionWithoutRows) {
  {
    auto instance = this->Start();
    BatchMaker maker;
    const auto batch = maker.Message("").Message("bad").Message("").Take();
    ASSERT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  }
  EXPECT_EQ(this->StoredNext(0), 3);
}

TYPED_TEST_P(TransactionalSinkContract, ACancelledBatchDoesNotMoveThePosition) {
  {
    auto instance = this->Start();
    BatchMaker maker;
    const auto batch = maker.Rows(0, 10).Message("bad").Take();
    this->gate_.on_wait = [](bool) { return CommitGate::Turn::kCancel; };
    EXPECT_FALSE(instance.writer->Write(*batch, this->gate_).ok());
    EXPECT_EQ(this->backend_.StoredLetters(), 0u);
  }
  EXPECT_EQ(this->StoredNext(0).value_or(0), 0);
}

TYPED_TEST_P(TransactionalSinkContract, SetInitialIsWhereTheFirstBatchBegins) {
  {
    auto instance = this->Start();
    ASSERT_TRUE(instance.sink->SetInitial(0, 70).ok());
    BatchMaker maker(1, 70);
    const auto batch = maker.Rows(0, 10).Take();
    EXPECT_TRUE(instance.writer->Write(*batch, this->gate_).ok());
  }
  EXPECT_EQ(this->StoredNext(0), 80);
}

TYPED_TEST_P(TransactionalSinkContract, RefusesABatchThatDoesNotFollowTheStoredPosition) {
  auto instance = this->Start();
  for (const std::int64_t first : {5, -5}) {
    BatchMaker maker(1, first);
    const auto batch = maker.Rows(0, 10).Take();
    const auto result = instance.writer->Write(*batch, this->gate_);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted) << result.status();
    EXPECT_EQ(FencedStreams(result.status()), (std::vector<StreamId>{0}));
  }
  EXPECT_TRUE(this->backend_.StoredIds().empty());
}

TYPED_TEST_P(TransactionalSinkContract, FencesTheInstanceThatHadTheStreamBefore) {
  auto old_owner = this->Start(2);
  BatchMaker old_maker(2);
  const auto first = old_maker.Rows(0, 10, 0).Rows(100, 10, 1).Take();
  ASSERT_TRUE(old_owner.writer->Write(*first, this->gate_).ok());

  auto new_owner = this->Start(1);  // takes stream 0 only
  ASSERT_TRUE(new_owner.stored.at(0).has_value());
  EXPECT_EQ(new_owner.stored[0]->next, 10);

  const auto stale = old_maker.Rows(10, 5, 0).Rows(110, 5, 1).Take();
  const auto result = old_owner.writer->Write(*stale, this->gate_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAborted) << result.status();
  EXPECT_EQ(FencedStreams(result.status()), (std::vector<StreamId>{0}));
  EXPECT_EQ(this->backend_.StoredIds().size(), 20u) << "nothing of a fenced batch is visible";

  BatchMaker new_maker(1, 10);
  const auto next = new_maker.Rows(10, 5).Take();
  EXPECT_TRUE(new_owner.writer->Write(*next, this->gate_).ok());
}

TYPED_TEST_P(TransactionalSinkContract, AFencedInstanceMayClaimAgain) {
  auto first = this->Start();
  auto second = this->Start();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 10).Take();
  EXPECT_FALSE(first.writer->Write(*batch, this->gate_).ok());
  const std::vector<StreamClaim> claim{{.stream = 0, .name = "contract/0", .detail = "again"}};
  ASSERT_TRUE(first.sink->Claim(claim).ok());
  EXPECT_TRUE(first.writer->Write(*batch, this->gate_).ok());
  EXPECT_FALSE(second.writer->Write(*batch, this->gate_).ok());
  EXPECT_EQ(this->backend_.StoredIds(), this->Ids(0, 10));
}

REGISTER_TYPED_TEST_SUITE_P(TransactionalSinkContract, StoresThePositionWithTheRows,
                            MovesThePositionWithoutRows, ACancelledBatchDoesNotMoveThePosition,
                            SetInitialIsWhereTheFirstBatchBegins,
                            RefusesABatchThatDoesNotFollowTheStoredPosition,
                            FencesTheInstanceThatHadTheStreamBefore, AFencedInstanceMayClaimAgain);

}  // namespace tsingest::testing

#endif  // TSINGEST_TESTS_CONTRACT_SINK_CONTRACT_H_
