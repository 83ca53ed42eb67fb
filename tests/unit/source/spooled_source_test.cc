#include "tsingest/source/spooled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "contract/source_contract.h"
#include "support/source_reader.h"
#include "tsingest/base/crc32c.h"
#include "unit/source/spool_fixture.h"

namespace tsingest::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Fault = FaultyIo::Fault;

// One run of a program: an inner source, the spool, and whoever reads it.
struct Session {
  explicit Session(SpoolOptions options)
      : source(std::make_unique<SpooledSource>(inner, options)) {}

  absl::Status Start(std::optional<std::int64_t> stored = std::nullopt) {
    if (absl::Status status = source->Start(); !status.ok()) return status;
    const std::string name(source->StreamName(0));
    SourceReader::Stored positions;
    if (stored.has_value()) positions[name] = StoredPosition{*stored, ""};
    reader = std::make_unique<SourceReader>(*source, milliseconds(5), positions);
    return source->Open(*reader);
  }
  // Waits for a condition, without reading.
  static bool Await(const std::function<bool()>& condition) {
    const MonotonicTime until = SystemClock().Now() + seconds(30);
    while (!condition() && SystemClock().Now() < until) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    return condition();
  }
  bool AwaitAcknowledged(std::int64_t count) {
    return Await([&] { return inner.acknowledged() >= count; });
  }
  // Reads until `count` messages have come in this run; what came in all.
  std::vector<std::string> Read(std::size_t count) {
    const MonotonicTime until = SystemClock().Now() + seconds(30);
    while (reader->polled < count && SystemClock().Now() < until) {
      const absl::StatusOr<PollState> state = reader->Poll();
      EXPECT_TRUE(state.ok()) << state.status();
      if (!state.ok()) break;
    }
    std::vector<std::string> out;
    for (const ReceivedMessage& message : reader->received[0]) out.push_back(message.payload);
    return out;
  }
  std::int64_t NextPosition() { return reader->received[0].back().position.next; }

  FedSource inner;
  std::unique_ptr<SpooledSource> source;
  std::unique_ptr<SourceReader> reader;
};

class SpooledSourceTest : public ::testing::Test {
 protected:
  SpoolOptions Options() {
    SpoolOptions options;
    options.directory = dir_.Path("spool");
    options.max_bytes = 1 << 20;
    options.segment_bytes = 4096;
    options.io = &io_;
    return options;
  }
  std::vector<std::string> Segments() {
    const absl::StatusOr<spool::Listing> listing = spool::ListSpool(Options().directory);
    std::vector<std::string> out;
    if (listing.ok()) {
      for (const spool::Segment& segment : listing->segments) out.push_back(segment.path);
    }
    return out;
  }
  // Spools messages, and ends. As `count` groups when `one_by_one`.
  void Leave(const std::vector<std::string>& payloads, bool one_by_one = false) {
    Session run(Options());
    ASSERT_TRUE(run.Start().ok());
    std::int64_t fed = 0;
    if (one_by_one) {
      for (const std::string& payload : payloads) {
        run.inner.Feed({payload});
        ASSERT_TRUE(run.AwaitAcknowledged(++fed));
      }
    } else {
      run.inner.Feed(payloads);
      ASSERT_TRUE(run.AwaitAcknowledged(static_cast<std::int64_t>(payloads.size())));
    }
    ASSERT_TRUE(run.source->Close().ok());
  }
  // As a crash leaves it: nothing says how far it was durable.
  void ForgetProgress() { std::filesystem::remove(Options().directory + "/progress"); }

  TempDir dir_;
  FaultyIo io_;
};

TEST_F(SpooledSourceTest, AcknowledgesWithoutAReader) {
  Session run(Options());
  ASSERT_TRUE(run.source->Start().ok());  // the database is down: nobody opens or polls
  run.inner.Feed(Texts("m", 100));
  run.inner.Feed(Texts("n", 50), 1);
  EXPECT_TRUE(run.AwaitAcknowledged(100));
  EXPECT_TRUE(Session::Await([&] { return run.inner.acknowledged(1) == 50; }));
  EXPECT_EQ(run.source->Stats().records, 150u);
  EXPECT_GT(run.source->Stats().bytes, 0u);
}

TEST_F(SpooledSourceTest, NothingIsAcknowledgedBeforeItIsSynced) {
  Session run(Options());
  io_.Fail(Fault::kSync, std::numeric_limits<int>::max());
  ASSERT_TRUE(run.Start().ok());
  run.inner.Feed(Texts("m", 10));
  ASSERT_TRUE(Session::Await([&] { return run.source->Stats().failures >= 3; }));
  EXPECT_EQ(run.inner.acknowledged(), 0);
  EXPECT_EQ(run.source->Stats().records, 0u);
  EXPECT_TRUE(run.reader->Poll().ok());
  EXPECT_EQ(run.reader->polled, 0u);  // nor shown
  EXPECT_THAT(std::string(run.source->Health().message()),
              AllOf(HasSubstr("the spool cannot write"), HasSubstr("Input/output error")));
  io_.Fail(Fault::kNone);
  EXPECT_TRUE(run.AwaitAcknowledged(10));
  EXPECT_THAT(run.Read(10), ElementsAreArray(Texts("m", 10)));
  EXPECT_TRUE(Session::Await([&] { return run.source->Health().ok(); })) << run.source->Health();
}

class SpoolFaultTest : public SpooledSourceTest, public ::testing::WithParamInterface<Fault> {};
std::string FaultName(const ::testing::TestParamInfo<Fault>& fault) {
  static constexpr const char* kNames[] = {"None", "Create", "ShortWrite", "Sync", "Directory"};
  return kNames[static_cast<int>(fault.param)];
}
INSTANTIATE_TEST_SUITE_P(Faults, SpoolFaultTest,
                         ::testing::Values(Fault::kCreate, Fault::kShortWrite, Fault::kSync,
                                           Fault::kDirectory),
                         FaultName);

// Each group meets the fault once or more; nothing is lost, doubled or out of order, in this run
// and in the next, which reads what the failures have left on the disk.
TEST_P(SpoolFaultTest, AFailedWriteGoesToAFreshSegmentAndNothingIsLost) {
  std::vector<std::string> all;
  {
    Session run(Options());
    ASSERT_TRUE(run.Start().ok());
    for (int round = 0; round < 12; ++round) {
      if (round % 3 == 1) io_.Fail(GetParam(), 1 + round % 2);
      const std::vector<std::string> some = Texts("round " + std::to_string(round), 20);
      run.inner.Feed(some);
      all.insert(all.end(), some.begin(), some.end());
      ASSERT_TRUE(run.AwaitAcknowledged(static_cast<std::int64_t>(all.size())));
    }
    io_.Fail(Fault::kNone);
    EXPECT_THAT(run.Read(all.size()), ElementsAreArray(all));
    if (GetParam() == Fault::kShortWrite || GetParam() == Fault::kSync) {
      EXPECT_GE(run.source->Stats().failures, 4u);
    }
    ASSERT_TRUE(run.source->Close().ok());
  }
  ForgetProgress();
  Session next(Options());
  ASSERT_TRUE(next.Start(1).ok());
  EXPECT_THAT(next.Read(all.size()), ElementsAreArray(all));
  EXPECT_EQ(next.source->Stats().cut_tails, 0u);
}

TEST_F(SpooledSourceTest, TheNextRunGoesOnBehindWhatTheDatabaseHas) {
  Leave(Texts("m", 300));
  Session run(Options());
  ASSERT_TRUE(run.Start(101).ok());  // record 1 is "m 0"
  run.inner.Feed(Texts("m", 10, 300));
  EXPECT_THAT(run.Read(210), ElementsAreArray(Texts("m", 210, 100)));
  EXPECT_EQ(run.NextPosition(), 311);
}

TEST_F(SpooledSourceTest, SegmentsGoWhenAllInThemIsCommitted) {
  Leave(Texts(std::string(500, 'x'), 40), true);
  ASSERT_GE(Segments().size(), 4u);
  Session run(Options());
  ASSERT_TRUE(run.Start(1).ok());
  ASSERT_THAT(run.Read(40), SizeIs(40));
  EXPECT_GE(Segments().size(), 4u);  // read, but not committed
  ASSERT_TRUE(run.source->Commit(0, 20).ok());
  EXPECT_LT(Segments().size(), 5u);
  EXPECT_EQ(run.source->Stats().records, 22u - 1u);
  ASSERT_TRUE(run.source->Commit(0, 41).ok());
  EXPECT_THAT(Segments(), SizeIs(1));  // it tells the next number
  EXPECT_EQ(run.source->Stats().records, 0u);
  EXPECT_EQ(run.source->Stats().oldest_age, Duration::zero());
  ASSERT_TRUE(run.source->Close().ok());
  Session next(Options());
  ASSERT_TRUE(next.Start(41).ok());
  next.inner.Feed({"after"});
  EXPECT_THAT(next.Read(1), ElementsAreArray({"after"}));
  EXPECT_EQ(next.NextPosition(), 42);
}

TEST_F(SpooledSourceTest, WithoutAStoredPositionItGoesOnWhereTheLastRunHadCommitted) {
  {
    Session run(Options());
    ASSERT_TRUE(run.Start().ok());
    run.inner.Feed(Texts("m", 10));
    ASSERT_THAT(run.Read(10), SizeIs(10));
    ASSERT_TRUE(run.source->Commit(0, 5).ok());
    ASSERT_TRUE(run.source->Close().ok());
  }
  Session next(Options());
  ASSERT_TRUE(next.Start().ok());
  EXPECT_THAT(next.Read(6), ElementsAreArray(Texts("m", 6, 4)));
}

TEST_F(SpooledSourceTest, AFullSpoolTakesNothingMoreAndSaysSo) {
  SpoolOptions options = Options();
  options.max_bytes = 64 * 1024;
  Session run(options);
  ASSERT_TRUE(run.Start().ok());
  const std::vector<std::string> texts = Texts(std::string(1000, 'x'), 200);
  run.inner.Feed(texts);
  ASSERT_TRUE(Session::Await([&] { return run.source->Stats().full; }));
  EXPECT_LE(run.source->Stats().bytes, 64u * 1024);
  EXPECT_GT(run.inner.waiting(), 100u);
  EXPECT_THAT(std::string(run.source->Health().message()), HasSubstr("the spool is full ("));
  // As the sink commits, the rest comes: nothing was dropped.
  std::size_t read = 0;
  while (read < texts.size()) {
    read = run.Read(read + 1).size();
    ASSERT_TRUE(run.source->Commit(0, run.NextPosition()).ok());
  }
  EXPECT_THAT(run.Read(200), ElementsAreArray(texts));
  EXPECT_TRUE(Session::Await([&] { return run.source->Health().ok(); })) << run.source->Health();
  EXPECT_FALSE(run.source->Stats().full);
}

TEST_F(SpooledSourceTest, AMessageLargerThanTheBoundPassesAlone) {
  SpoolOptions options = Options();
  options.max_bytes = 64 * 1024;
  Session run(options);
  ASSERT_TRUE(run.Start().ok());
  const std::vector<std::string> texts = {"small", std::string(300'000, 'x'), "behind"};
  run.inner.Feed(texts);
  std::size_t read = 0;
  while (read < texts.size()) {
    read = run.Read(read + 1).size();
    ASSERT_TRUE(run.source->Commit(0, run.NextPosition()).ok());
  }
  EXPECT_THAT(run.Read(3), ElementsAreArray(texts));
}

// A crash may leave the last file cut at any byte.
TEST_F(SpooledSourceTest, ATornTailIsCutAndCountedWhereverItIsCut) {
  Leave(Texts("first", 2));
  {
    Session run(Options());
    ASSERT_TRUE(run.Start(1).ok());
    run.inner.Feed(Texts("second", 3));
    ASSERT_TRUE(run.AwaitAcknowledged(3));
    ASSERT_TRUE(run.source->Close().ok());
  }
  ASSERT_THAT(Segments(), SizeIs(2));
  const std::string path = Segments()[1];
  const std::string whole = ReadFile(path);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    ForgetProgress();
    dir_.Write("spool/" + std::filesystem::path(path).filename().string(), whole.substr(0, size));
    Session run(Options());
    const absl::Status status = run.Start(1);
    ASSERT_TRUE(status.ok()) << status;
    const std::vector<std::string> read = run.Read(2);
    EXPECT_EQ(run.source->Stats().records, read.size());
    EXPECT_LT(read.size(), 5u);
    EXPECT_LE(run.source->Stats().cut_bytes, size);
    const std::size_t kept = run.source->Stats().records;
    // What comes now has the numbers of what was cut off, and is whole.
    run.inner.Feed({"new"});
    const std::vector<std::string> more = run.Read(kept + 1);
    ASSERT_THAT(more, SizeIs(kept + 1)) << size;
    EXPECT_EQ(more.back(), "new");
    ASSERT_TRUE(run.source->Close().ok());
    for (const std::string& segment : Segments()) {
      if (segment != Segments()[0]) std::filesystem::remove(segment);
    }
  }
}

TEST_F(SpooledSourceTest, DamageInWhatWasAcknowledgedIsRefusedAtTheStart) {
  Leave(Texts("m", 5), true);
  std::string bytes = ReadFile(Segments()[0]);
  bytes[spool::kSegmentHeaderBytes + 10] ^= 1;
  dir_.Write("spool/" + spool::SegmentName(1), bytes);
  ForgetProgress();
  Session run(Options());
  const absl::Status status = run.source->Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("00000000000000000001.segment is damaged at byte 48"),
                    HasSubstr("record 1, acknowledged to the broker"),
                    HasSubstr("tsingest-spool verify"), HasSubstr("tsingest-spool repair")));
}

TEST_F(SpooledSourceTest, AMissingEndIsRefusedWhenItIsKnownToHaveBeenDurable) {
  Leave(Texts("m", 5));
  std::string bytes = ReadFile(Segments()[0]);
  bytes.resize(bytes.size() - 10);
  dir_.Write("spool/" + spool::SegmentName(1), bytes);
  Session run(Options());
  EXPECT_EQ(run.source->Start().code(), absl::StatusCode::kDataLoss);
  ForgetProgress();  // then it looks like a torn write
  EXPECT_TRUE(Session(Options()).source->Start().ok());
}

TEST_F(SpooledSourceTest, DamageInAnOlderSegmentStopsTheReaderThere) {
  Leave(Texts(std::string(500, 'x'), 40), true);
  const std::string path = Segments()[1];
  std::string bytes = ReadFile(path);
  bytes[bytes.size() / 2] ^= 1;
  dir_.Write("spool/" + std::filesystem::path(path).filename().string(), bytes);
  Session run(Options());
  ASSERT_TRUE(run.Start(1).ok());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = run.reader->Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + " is damaged at byte"));
  EXPECT_GT(run.reader->polled, 5u);
  EXPECT_LT(run.reader->polled, 20u);
}

TEST_F(SpooledSourceTest, OneProcessAtATime) {
  Session first(Options());
  ASSERT_TRUE(first.source->Start().ok());
  Session second(Options());
  const absl::Status status = second.source->Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(Options().directory),
                    HasSubstr("in use by another process, pid " + std::to_string(::getpid()))));
  ASSERT_TRUE(first.source->Close().ok());
  EXPECT_TRUE(Session(Options()).source->Start().ok());
}

TEST_F(SpooledSourceTest, ADirectoryOfSomethingElseIsLeftAlone) {
  std::filesystem::create_directory(Options().directory);
  dir_.Write("spool/precious.txt", "data");
  const absl::Status status = Session(Options()).source->Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not empty (it has precious.txt)"));
}

TEST_F(SpooledSourceTest, AnotherVersionIsLeftToItsOwnProgram) {
  Leave({"m"});
  std::string bytes = ReadFile(Options().directory + "/spool");
  bytes[8] = 2;
  const std::string_view summed = std::string_view(bytes).substr(0, bytes.size() - 4);
  const std::uint32_t crc = Crc32c(summed);
  bytes.replace(bytes.size() - 4, 4, reinterpret_cast<const char*>(&crc), 4);
  dir_.Write("spool/spool", bytes);
  const absl::Status status = Session(Options()).source->Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is of format version 2"));
}

TEST_F(SpooledSourceTest, PlacesThatCannotBeUsedAreNamed) {
  SpoolOptions options = Options();
  options.directory = dir_.Path("no/such/parent");
  EXPECT_EQ(Session(options).source->Start().code(), absl::StatusCode::kNotFound);
  options.directory = dir_.Write("file", "");
  const absl::Status file = Session(options).source->Start();
  EXPECT_FALSE(file.ok());
  EXPECT_THAT(std::string(file.message()), HasSubstr(options.directory));
  options.directory.clear();
  EXPECT_EQ(Session(options).source->Start().code(), absl::StatusCode::kInvalidArgument);
  options = Options();
  options.max_bytes = 1000;
  EXPECT_THAT(std::string(Session(options).source->Start().message()), HasSubstr("at least 64KiB"));
  Session replayable(Options());
  replayable.inner.replayable = true;
  EXPECT_EQ(replayable.source->Start().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SpooledSourceTest, ADatabaseThatIsAheadOrBehindIsRefused) {
  Leave(Texts("m", 5));
  Session ahead(Options());
  ASSERT_TRUE(ahead.Start(7).ok());
  absl::Status status = ahead.reader->Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("everything before record 7"),
                                                   HasSubstr("ended at 6"), HasSubstr("--new-id")));
  ASSERT_TRUE(ahead.source->Close().ok());
  {
    Session run(Options());
    ASSERT_TRUE(run.Start(6).ok());
    run.inner.Feed({"n"});
    ASSERT_THAT(run.Read(1), SizeIs(1));
    ASSERT_TRUE(run.source->Commit(0, 7).ok());
    ASSERT_TRUE(run.source->Close().ok());
  }
  Session behind(Options());
  ASSERT_TRUE(behind.Start(2).ok());
  status = behind.reader->Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("begins at"));
}

TEST_F(SpooledSourceTest, ADatabaseWithoutItsPositionGetsAllThatIsThere) {
  const auto run_once = [this] {
    Session run(Options());
    ASSERT_TRUE(run.source->Review({}).ok());
    ASSERT_TRUE(run.Start().ok());
    run.inner.Feed(Texts("m", 10));
    ASSERT_THAT(run.Read(10), SizeIs(10));
    ASSERT_TRUE(run.source->Commit(0, 5).ok());
    ASSERT_TRUE(run.source->Close().ok());
  };
  run_once();
  {
    Session restored(Options());
    ASSERT_TRUE(restored.source->Review({}).ok());
    ASSERT_TRUE(restored.Start().ok());
    EXPECT_THAT(restored.Read(10), ElementsAreArray(Texts("m", 10)));
    restored.inner.Feed({std::string(8000, 'x')});
    ASSERT_THAT(restored.Read(11), SizeIs(11));
    ASSERT_TRUE(restored.source->Commit(0, 12).ok());
    restored.inner.Feed({"next segment"});
    ASSERT_THAT(restored.Read(12), SizeIs(12));
    ASSERT_TRUE(restored.source->Commit(0, 13).ok());
    ASSERT_TRUE(restored.source->Close().ok());
  }
  Session gone(Options());  // the first records are no more
  ASSERT_TRUE(gone.source->Review({}).ok());
  ASSERT_TRUE(gone.Start().ok());
  const absl::Status status = gone.reader->Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("begins at"), HasSubstr("--new-id")));
}

TEST_F(SpooledSourceTest, TheOldestAgeIsThatOfTheOldestThatIsNotCommitted) {
  Session run(Options());
  static constexpr std::chrono::hours kOld(1);
  run.inner.decorate = [](Message& message) {
    message.arrival = SystemClock().WallNow();
    if (message.payload == "old") message.arrival -= kOld;
  };
  ASSERT_TRUE(run.source->Start().ok());
  EXPECT_EQ(run.source->Stats().oldest_age, Duration::zero());
  run.inner.Feed({"old"});
  ASSERT_TRUE(run.AwaitAcknowledged(1));
  // Told of behind the acknowledgement, and nobody has read it.
  EXPECT_TRUE(Session::Await([&] { return run.source->Stats().oldest_age >= kOld; }));
  run.reader = std::make_unique<SourceReader>(*run.source, milliseconds(5));
  ASSERT_TRUE(run.source->Open(*run.reader).ok());
  ASSERT_THAT(run.Read(1), SizeIs(1));
  ASSERT_TRUE(run.source->Commit(0, 2).ok());
  EXPECT_EQ(run.source->Stats().oldest_age, Duration::zero());
  run.inner.Feed({"new"});
  ASSERT_THAT(run.Read(2), SizeIs(2));
  EXPECT_LT(run.source->Stats().oldest_age, kOld);
}

TEST_F(SpooledSourceTest, ErrorsOfTheInnerSourceAreItsErrors) {
  Session refused(Options());
  refused.inner.open_status = absl::PermissionDeniedError("wrong password");
  EXPECT_EQ(refused.Start().code(), absl::StatusCode::kPermissionDenied);
  Session run(Options());
  ASSERT_TRUE(run.Start().ok());
  run.inner.Feed(Texts("m", 3));
  ASSERT_TRUE(run.AwaitAcknowledged(3));
  run.inner.FailPoll(absl::FailedPreconditionError("gone for good"));
  EXPECT_THAT(run.Read(3), SizeIs(3));  // what is here is given first
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) status = run.reader->Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SpooledSourceTest, WhatComesOutIsWhatWentIn) {
  Session run(Options());
  const std::vector<Header> headers = {{"unit", "C"}};
  run.inner.decorate = [&](Message& message) {
    message.arrival = Timestamp(std::chrono::microseconds(1234567));
    message.headers = headers;
    message.omitted_bytes = 17;
  };
  ASSERT_TRUE(run.Start().ok());
  run.inner.Feed({"payload"});
  bool seen = false;
  for (int i = 0; i < 10000 && !seen; ++i) {
    const auto state =
        run.source->Poll(SystemClock().Now() + milliseconds(5), [&](const Message& m) {
          EXPECT_EQ(m.payload, "payload");
          EXPECT_EQ(m.topic, "plant/a");
          EXPECT_EQ(m.arrival, Timestamp(std::chrono::microseconds(1234567)));
          EXPECT_EQ(m.omitted_bytes, 17u);
          EXPECT_EQ(m.headers.size(), 1u);
          EXPECT_EQ(m.position.offset, 1);
          return seen = true;
        });
    ASSERT_TRUE(state.ok());
  }
  EXPECT_TRUE(seen);
}

TEST_F(SpooledSourceTest, ManyMessagesShareASync) {
  Session run(Options());
  run.inner.Feed(Texts("m", 5000));
  ASSERT_TRUE(run.Start().ok());
  ASSERT_TRUE(run.AwaitAcknowledged(5000));
  EXPECT_LT(io_.syncs(), 500);
  EXPECT_EQ(run.source->Stats().sync_seconds.Total(), static_cast<std::uint64_t>(io_.syncs()));
}

TEST_F(SpooledSourceTest, AWaitingPollEndsWhenAskedTo) {
  Session run(Options());
  ASSERT_TRUE(run.Start().ok());
  ASSERT_TRUE(run.reader->Poll().ok());
  run.source->Wake();
  const MonotonicTime far = SystemClock().Now() + std::chrono::hours(1);
  EXPECT_TRUE(run.source->Poll(far, [](const Message&) { return true; }).ok());
  std::thread feeding([&] { run.inner.Feed({"m"}); });
  int got = 0;
  EXPECT_TRUE(run.source->Poll(far, [&](const Message&) { return ++got > 0; }).ok());
  feeding.join();
  EXPECT_EQ(got, 1);
}

// A spool that an earlier run has filled, as a source under the suite every source must pass. Each
// source gets a copy of it.
class SpoolHarness : public SourceHarness {
 public:
  SpoolHarness() {
    Session run(Options("original"));
    EXPECT_TRUE(run.source->Start().ok());
    run.inner.Feed(payloads_);
    EXPECT_TRUE(run.AwaitAcknowledged(static_cast<std::int64_t>(payloads_.size())));
    name_ = run.source->StreamName(0);
  }
  std::unique_ptr<Source> MakeSource() override {
    const std::string copy = "copy " + std::to_string(inner_.size());
    std::filesystem::copy(dir_.Path("original"), dir_.Path(copy));
    inner_.push_back(std::make_unique<FedSource>());
    return std::make_unique<SpooledSource>(*inner_.back(), Options(copy));
  }
  std::map<std::string, std::vector<std::string>> Expected() override {
    return {{name_, payloads_}};
  }

 private:
  SpoolOptions Options(std::string_view name) const {
    SpoolOptions options;
    options.directory = dir_.Path(name);
    options.segment_bytes = 1000;
    options.max_bytes = 1 << 20;
    return options;
  }

  TempDir dir_;
  const std::vector<std::string> payloads_ = Texts("message", 30);
  std::string name_;
  std::vector<std::unique_ptr<FedSource>> inner_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Spooled, SourceContract, SpoolHarness);

}  // namespace
}  // namespace tsingest::testing
