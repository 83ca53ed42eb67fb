// Seeded random runs: whatever fails and whoever is stopped, every row is there exactly once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_sink.h"
#include "support/fake_source.h"
#include "support/pipeline_fixture.h"
#include "support/test_row.h"
#include "tsingest/base/mutex.h"
#include "tsingest/pipeline/pipeline.h"

namespace tsingest::testing {
namespace {

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  // Thread-safe.
  int operator()(int low, int high) {
    MutexLock lock(&mutex_);
    return std::uniform_int_distribution<int>(low, high)(random_);
  }
  bool Percent(int chance) { return (*this)(1, 100) <= chance; }

 private:
  Mutex mutex_;
  std::mt19937 random_ ABSL_GUARDED_BY(mutex_);
};

// Streams of messages of all kinds, and what they must become.
struct Input {
  std::vector<FakeStream> streams;
  std::vector<std::int64_t> rows;                              // sorted
  std::vector<std::pair<std::string, std::int64_t>> rejected;  // sorted
};

Input MakeInput(Dice& dice, int most_messages) {
  Input input;
  std::int64_t id = 0;
  const int streams = dice(1, 4);
  for (int s = 0; s < streams; ++s) {
    FakeStream stream{.name = "stream/" + std::to_string(s), .payloads = {}};
    const int messages = dice(0, most_messages);
    for (int m = 0; m < messages; ++m) {
      if (dice.Percent(3)) {
        input.rejected.emplace_back(stream.name, m);
        stream.payloads.push_back("1 bad");
        continue;
      }
      std::string payload;
      for (int rows = dice.Percent(80) ? 1 : dice(0, 5); rows > 0; --rows) {
        payload += std::to_string(id) + " ";
        input.rows.push_back(id++);
      }
      stream.payloads.push_back(payload);
    }
    input.streams.push_back(std::move(stream));
  }
  std::ranges::sort(input.rejected);
  return input;
}

void ExpectStoredExactlyOnce(const FakeDatabase& database, const Input& input) {
  EXPECT_EQ(database.SortedRows(), input.rows);
  std::vector<std::pair<std::string, std::int64_t>> letters;
  for (const FakeDatabase::Letter& letter : database.Letters()) {
    letters.emplace_back(letter.stream, letter.position);
  }
  std::ranges::sort(letters);
  EXPECT_EQ(letters, input.rejected);
}

PipelineOptions RandomOptions(Dice& dice) {
  PipelineOptions options;
  options.batch_rows = static_cast<std::size_t>(dice(1, 40));
  options.linger = std::chrono::microseconds(dice(0, 3000));
  options.writers = dice(1, 4);
  options.drain_timeout = std::chrono::seconds(60);
  return options;
}

Fault RandomFault(Dice& dice) {
  switch (dice(0, 60)) {
    case 0:
      return Fault::kUnavailable;
    case 1:
      return Fault::kUnavailable;
    case 2:
      return Fault::kLostCommit;
    case 3:
      return Fault::kLostAnswer;
    default:
      return Fault::kNone;
  }
}

// One run of one instance; `stop_chance` per batch in a thousand: StopNow(), or something fatal.
class Instance {
 public:
  Instance(FakeDatabase& database, const Input& input, Dice& dice, FakeSinkOptions sink_options,
           FakeSourceOptions source_options, int stop_chance)
      : dice_(dice), source_(input.streams, source_options), sink_(database, sink_options) {
    sink_.fault = [this, stop_chance](std::uint64_t, int) {
      if (dice_(1, 1000) <= stop_chance) {
        if (dice_.Percent(30)) return Fault::kConfiguration;
        dice_.Percent(50) ? pipeline_->StopNow() : pipeline_->Stop();
      }
      return RandomFault(dice_);
    };
    source_.on_commit = [this, &database, sink_options](StreamId stream, std::int64_t next) {
      if (sink_options.transactional) {
        EXPECT_GE(*database.StoredNext(std::string(source_.StreamName(stream))), next);
      }
      return dice_.Percent(10) ? absl::UnavailableError("broker away") : absl::OkStatus();
    };
    pipeline_ = std::make_unique<TestPipeline>(source_, sink_, decoder_, RandomOptions(dice));
  }

  RunResult Run() {
    std::atomic<bool> done{false};
    std::thread auditor([&] {
      while (!done.load()) {
        const Balance balance = pipeline_->Counters().balance;
        EXPECT_TRUE(balance.Holds());
        std::this_thread::yield();
      }
    });
    RunResult result = pipeline_->Run();
    done = true;
    auditor.join();
    EXPECT_TRUE(result.counters.balance.Holds());
    if (result.status.ok()) {
      EXPECT_EQ(result.counters.balance.in_flight, 0u);
    }
    return result;
  }

  FakeSource& source() { return source_; }
  TestPipeline& pipeline() { return *pipeline_; }

 private:
  Dice& dice_;
  WordDecoder decoder_;
  FakeSource source_;
  FakeSink sink_;
  std::unique_ptr<TestPipeline> pipeline_;
};

class RandomRuns : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomRuns, ExactlyOnceThroughFaultsAndRestarts) {
  Dice dice(GetParam());
  FakeDatabase database;
  const Input input = MakeInput(dice, 400);
  for (int run = 0;; ++run) {
    ASSERT_LT(run, 1000);
    Instance instance(database, input, dice, {.unique_ids = dice.Percent(50)},
                      {.chunk = static_cast<std::size_t>(dice(1, 60))},
                      /*stop_chance=*/run < 200 ? 30 : 0);
    const RunResult result = instance.Run();
    if (result.status.ok() && result.end == RunEnd::kFinished) break;
  }
  ExpectStoredExactlyOnce(database, input);
}

TEST_P(RandomRuns, AStaleInstanceIsFencedAndDoublesNothing) {
  Dice dice(GetParam());
  FakeDatabase database;
  const Input input = MakeInput(dice, 300);
  std::vector<std::thread> threads;
  std::atomic<int> finished{0};
  for (int i = 0; i < 3; ++i) {  // each claims all streams; the last claim wins
    threads.emplace_back([&] {
      Instance instance(database, input, dice, {}, {.chunk = 5}, 0);
      const RunResult result = instance.Run();
      if (result.status.ok()) ++finished;
      EXPECT_TRUE(result.status.ok() || absl::IsAborted(result.status)) << result.status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(finished.load(), 1);
  ExpectStoredExactlyOnce(database, input);
}

TEST_P(RandomRuns, WithoutTransactionsEveryRowIsThereAtLeastOnce) {
  Dice dice(GetParam());
  FakeDatabase database;
  const Input input = MakeInput(dice, 300);
  std::map<StreamId, std::int64_t> acknowledged;  // as a broker keeps it
  for (int run = 0;; ++run) {
    ASSERT_LT(run, 1000);
    Instance instance(database, input, dice, {.transactional = false},
                      {.chunk = static_cast<std::size_t>(dice(1, 60))}, run < 200 ? 30 : 0);
    FakeSource& source = instance.source();
    source.on_commit = [&](StreamId stream, std::int64_t next) {
      EXPECT_GE(next, acknowledged[stream]);
      acknowledged[stream] = next;
      return absl::OkStatus();
    };
    source.on_poll = [&, first = true]() mutable {
      const std::size_t streams = std::exchange(first, false) ? input.streams.size() : 0;
      for (StreamId s = 0; s < streams; ++s) source.GoBack(s, acknowledged[s]);
      return absl::OkStatus();
    };
    const RunResult result = instance.Run();
    if (result.status.ok() && result.end == RunEnd::kFinished) break;
  }
  std::vector<std::int64_t> rows = database.SortedRows();
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  EXPECT_EQ(rows, input.rows);
}

// A consumer group: streams move between its members at random, sometimes before the old owner
// knows.
class Group {
 public:
  Group(FakeDatabase& database, const Input& input, Dice& dice)
      : database_(database), input_(input), dice_(dice), streams_(input.streams.size()) {}

  // Called by a member's Poll(): revokes and assigns what has moved.
  absl::Status Rebalance(int member, int members, FakeSource& source) {
    if (dice_.Percent(5)) Move(members);
    for (StreamId s = 0; s < input_.streams.size(); ++s) {
      Change change;
      {
        MutexLock lock(&mutex_);
        change = Decide(member, s, source.IsActive(s));
      }
      if (change.revoke) source.Revoke({s}, change.lost);
      if (change.revoke) Released(member, s);
      if (!change.assign) continue;
      if (absl::Status status = source.Assign({s}); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  bool AllStored() const {
    return std::ranges::all_of(input_.streams, [&](const FakeStream& stream) {
      return database_.StoredNext(stream.name).value_or(0) ==
             static_cast<std::int64_t>(stream.payloads.size());
    });
  }

 private:
  struct Stream {
    int desired = 0;
    int holder = -1;
    int generation = 0;
    std::map<int, int> known;  // member -> generation it was assigned in
  };
  struct Change {
    bool revoke = false;
    bool lost = false;
    bool assign = false;
  };

  void Move(int members) {
    MutexLock lock(&mutex_);
    Stream& stream =
        streams_[static_cast<std::size_t>(dice_(0, static_cast<int>(streams_.size()) - 1))];
    stream.desired = dice_(0, members - 1);
    ++stream.generation;
    if (dice_.Percent(40)) stream.holder = -1;  // evicted: the old owner finds out later
  }

  Change Decide(int member, StreamId s, bool active) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Stream& stream = streams_[s];
    Change change;
    const bool current = stream.known[member] == stream.generation && stream.desired == member;
    if (active && !current) {
      change.revoke = true;
      change.lost = stream.holder != member;
    } else if (!active && stream.desired == member && stream.holder == -1) {
      change.assign = true;
      stream.holder = member;
      stream.known[member] = stream.generation;
    }
    return change;
  }

  void Released(int member, StreamId s) {
    MutexLock lock(&mutex_);
    if (streams_[s].holder == member) streams_[s].holder = -1;
  }

  FakeDatabase& database_;
  const Input& input_;
  Dice& dice_;
  Mutex mutex_;
  std::vector<Stream> streams_ ABSL_GUARDED_BY(mutex_);
};

TEST_P(RandomRuns, AConsumerGroupThatRebalancesWritesExactlyOnce) {
  Dice dice(GetParam());
  FakeDatabase database;
  const Input input = MakeInput(dice, 300);
  Group group(database, input, dice);
  constexpr int kMembers = 3;
  std::vector<std::thread> members;
  for (int member = 0; member < kMembers; ++member) {
    members.emplace_back([&, member] {
      Instance instance(database, input, dice, {},
                        {.bounded = false,
                         .group_consumer = true,
                         .assign_all = false,
                         .chunk = static_cast<std::size_t>(dice(1, 10))},
                        0);
      FakeSource& source = instance.source();
      source.on_poll = [&] {
        if (group.AllStored()) instance.pipeline().Stop();
        return group.Rebalance(member, kMembers, source);
      };
      const RunResult result = instance.Run();
      EXPECT_TRUE(result.status.ok()) << result.status;
    });
  }
  for (std::thread& member : members) member.join();
  ExpectStoredExactlyOnce(database, input);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRuns, ::testing::Range(0u, 12u));

}  // namespace
}  // namespace tsingest::testing
