#include "tsingest/sink/json_lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "contract/sink_contract.h"
#include "support/scripted_gate.h"
#include "support/temp_dir.h"
#include "support/test_batch.h"
#include "support/test_row.h"
#include "tsingest/sink/file_dead_letter.h"

namespace tsingest::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class JsonLinesBackend : public SinkBackend {
 public:
  JsonLinesBackend() : letters_(dir_.Path("letters.jsonl")) { EXPECT_TRUE(letters_.Open().ok()); }
  std::unique_ptr<Sink<TestRow>> MakeSink() override {
    return std::make_unique<JsonLinesSink<TestRow>>(
        JsonLinesOptions{.path = dir_.Path("rows.jsonl"), .dead_letters = &letters_});
  }
  std::vector<std::int64_t> StoredIds() override {
    std::vector<std::int64_t> ids;
    std::ifstream in(dir_.Path("rows.jsonl"));
    for (std::string line; std::getline(in, line);) {
      constexpr std::string_view kId = "\"id\":";
      std::int64_t id = 0;
      const std::size_t at = line.find(kId) + kId.size();
      std::from_chars(line.data() + at, line.data() + line.size(), id);
      ids.push_back(id);
    }
    std::ranges::sort(ids);
    return ids;
  }
  std::size_t StoredLetters() override {
    const std::string text = ReadFile(dir_.Path("letters.jsonl"));
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }

 private:
  TempDir dir_;
  FileDeadLetterStore letters_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(JsonLines, SinkContract, JsonLinesBackend);

// Both ends of a pipe.
class JsonLinesPipeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    read_ = FileDescriptor(ends[0]);
    write_ = FileDescriptor(ends[1]);
    sink_ = std::make_unique<JsonLinesSink<TestRow>>(JsonLinesOptions{.fd = write_.get()});
    ASSERT_TRUE(sink_->Open().ok());
    writer_ = *sink_->NewWriter();
  }
  std::string ReadAll() {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(read_.get(), buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

  FileDescriptor read_;
  FileDescriptor write_;
  BatchMaker maker_;
  ScriptedGate gate_;
  std::unique_ptr<JsonLinesSink<TestRow>> sink_;
  std::unique_ptr<SinkWriter<TestRow>> writer_;
};

TEST_F(JsonLinesPipeTest, WritesOneObjectALine) {
  const auto batch = maker_.Message("1").Message("2").Take();
  batch->rows[1].value = 20.5;
  const auto result = writer_->Write(*batch, gate_);
  ASSERT_TRUE(result.ok());
  write_.Reset();
  const std::string text = ReadAll();
  EXPECT_EQ(text,
            "{\"time\":\"2024-01-01T00:00:00.000000Z\",\"id\":1,\"device\":\"plant/7\","
            "\"value\":null}\n"
            "{\"time\":\"2024-01-01T00:00:00.000000Z\",\"id\":2,\"device\":\"plant/7\","
            "\"value\":20.5}\n");
  EXPECT_EQ(result->bytes, text.size());
}

TEST_F(JsonLinesPipeTest, WritesMoreThanThePipeHoldsEvenIfItDoesNotBlock) {
  ASSERT_EQ(::fcntl(write_.get(), F_SETFL, O_NONBLOCK), 0);
  const auto batch = maker_.Rows(0, 20'000).Take();
  std::string text;
  std::thread reader([&] { text = ReadAll(); });
  const auto result = writer_->Write(*batch, gate_);
  write_.Reset();
  reader.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(text.size(), result->bytes);
  EXPECT_EQ(std::ranges::count(text, '\n'), 20'000);
}

TEST_F(JsonLinesPipeTest, AReaderThatHasGoneIsAnErrorAndNoSignal) {
  read_.Reset();
  const auto batch = maker_.Rows(0, 10).Take();
  const auto result = writer_->Write(*batch, gate_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(result.status().message().find("Broken pipe (whoever was reading it has gone)"),
            absl::string_view::npos)
      << result.status();
  EXPECT_FALSE(sink_->Health().ok());
}

TEST_F(JsonLinesPipeTest, ClosedDescriptorsAreRefusedAtTheStart) {
  const int fd = write_.get();
  write_.Reset();
  JsonLinesSink<TestRow> sink({.fd = fd});
  EXPECT_FALSE(sink.Open().ok());
}

TEST_F(JsonLinesPipeTest, WithoutAStoreRejectsAreOnlyCounted) {
  const auto batch = maker_.Message("bad").Message("1").Take();
  const auto result = writer_->Write(*batch, gate_);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->dead_lettered, 1u);
  EXPECT_EQ(result->written, 1u);
}

// A limit on file sizes stands in for a full disk of which a part of the batch still fits.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    previous_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { Heal(); }
  void Heal() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, previous_);
  }

 private:
  rlimit before_{};
  void (*previous_)(int) = nullptr;
};

TEST(JsonLinesSink, AWriteThatFailsInTheMiddleLeavesNothingOfTheBatchInItsFile) {
  const TempDir dir;
  JsonLinesSink<TestRow> sink({.path = dir.Write("rows.jsonl", "before\n")});
  ASSERT_TRUE(sink.Open().ok());
  const auto writer = *sink.NewWriter();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 100).Take();
  ScriptedGate gate;
  {
    const FullDisk full(1000);
    const auto result = writer->Write(*batch, gate);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
    EXPECT_NE(result.status().message().find("File too large"), absl::string_view::npos);
  }
  EXPECT_EQ(ReadFile(dir.Path("rows.jsonl")), "before\n");
  EXPECT_TRUE(writer->Write(*batch, gate).ok());
  EXPECT_EQ(ReadFile(dir.Path("rows.jsonl")).substr(0, 14), "before\n{\"time\"");
}

TEST(JsonLinesSink, WaitsWhileTheDiskIsFullAndSaysSo) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  JsonLinesSink<TestRow> sink({.path = "/dev/full"});
  ASSERT_TRUE(sink.Open().ok());
  const auto writer = *sink.NewWriter();
  BatchMaker maker;
  const auto batch = maker.Rows(0, 10).Take();
  ScriptedGate gate;
  gate.on_backoff = [&] {
    EXPECT_EQ(sink.Health().code(), absl::StatusCode::kUnavailable);
    if (gate.backoffs == 5) gate.cancelled = true;
  };
  const auto result = writer->Write(*batch, gate);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_NE(result.status().message().find("No space left on device"), absl::string_view::npos);
}

TEST(JsonLinesSink, AMissingDirectoryIsNamed) {
  JsonLinesSink<TestRow> sink({.path = "/nowhere/at/all.jsonl"});
  const absl::Status status = sink.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "cannot open /nowhere/at/all.jsonl: No such file or directory (does its directory "
            "exist?)");
}

TEST(JsonLinesSink, SyncedBatchesAreWrittenToo) {
  const TempDir dir;
  JsonLinesSink<TestRow> sink({.path = dir.Path("rows.jsonl"), .sync = true});
  ASSERT_TRUE(sink.Open().ok());
  BatchMaker maker;
  ScriptedGate gate;
  EXPECT_TRUE((*sink.NewWriter())->Write(*maker.Rows(0, 3).Take(), gate).ok());
  EXPECT_EQ(std::ranges::count(ReadFile(dir.Path("rows.jsonl")), '\n'), 3);
}

// A store that fails a few times.
class SickStore final : public DeadLetterStore {
 public:
  absl::Status Open() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  absl::Status Store(std::span<const DeadLetter> letters) override {
    if (failures-- > 0) return absl::UnavailableError("disk full");
    for (const DeadLetter& letter : letters) {
      stored.push_back(std::string(letter.stream) + "@" + std::to_string(letter.position) + " " +
                       std::string(letter.code) + " " + std::string(letter.payload));
    }
    return absl::OkStatus();
  }
  int failures = 0;
  std::vector<std::string> stored;
};

TEST(JsonLinesSink, NoRowIsWrittenBeforeTheDeadLettersAreStored) {
  const TempDir dir;
  SickStore store;
  store.failures = 3;
  JsonLinesSink<TestRow> sink({.path = dir.Path("rows.jsonl"), .dead_letters = &store});
  ASSERT_TRUE(sink.Open().ok());
  const std::vector<StreamClaim> claims{{.stream = 0, .name = "file:a.csv"}};
  ASSERT_TRUE(sink.Claim(claims).ok());
  BatchMaker maker;
  ScriptedGate gate;
  gate.on_backoff = [&] {
    EXPECT_EQ(sink.Health().message(), "disk full");
    EXPECT_EQ(ReadFile(dir.Path("rows.jsonl")), "");
  };
  const auto batch = maker.Message("1").Message("bad").Take();
  const auto result = (*sink.NewWriter())->Write(*batch, gate);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(gate.backoffs.load(), 3);
  EXPECT_EQ(store.stored, (std::vector<std::string>{"file:a.csv@1 type bad"}));
  EXPECT_TRUE(sink.Health().ok());
}

}  // namespace
}  // namespace tsingest::testing
